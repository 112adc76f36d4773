/* links: base */
/* Values as text: as printf and strtof have them, for f32 of every exponent, near powers of two and of ten and at ties. */
#include "base/json/float_text.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The definition. */
static void ref_float_text(char out[FLOAT_TEXT], float v)
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, FLOAT_TEXT, "%.*g", digits, (double)v);
        if (strtof(out, NULL) == v)
            break;
    }
}

static void is_right(float v)
{
    char want[FLOAT_TEXT], got[FLOAT_TEXT];
    ref_float_text(want, v);
    size_t n = float_text(got, v);
    if (strcmp(got, want) != 0 || n != strlen(got))
        fail_msg("%a: %s (%zu characters), not %s", (double)v, got, n, want);
}

static void both_signs(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    is_right(v);
    is_right(-v);
}

static void every_exponent(void **state)
{
    (void)state;
    for (uint32_t e = 0; e < 256; e++) {
        for (uint32_t i = 0; i < 40; i++) {
            both_signs(e << 23 | i);
            both_signs(e << 23 | (0x7FFFFF - i));
            both_signs(e << 23 | (1u << i % 23));
        }
        for (uint32_t i = 0; i < 600; i++)
            both_signs(e << 23 | ((uint32_t)rng_u64(7, e, i, 0) & 0x7FFFFF));
    }
}

static void values_of_vectors(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 200000; i++)
        is_right((float)((double)(int64_t)rng_u64(8, i, 0, 0) * 0x1p-63 * (i % 2 ? 0.1 : 1)));
}

/* Numbers of few digits and their neighbours. */
static void round_numbers(void **state)
{
    (void)state;
    for (int power = -14; power < 14; power++)
        for (int i = 1; i < 1000; i++) {
            float v = (float)(i * pow(10, power));
            is_right(v);
            is_right(nextafterf(v, 0));
            is_right(nextafterf(v, INFINITY));
        }
}

/* Halves, quarters, eighths: six digits are in the middle of two texts. */
static void ties(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 100000; i++)
        for (int k = 1; k < 5; k++)
            is_right(ldexpf((float)(i * 160 + 1), -k));
    is_right(0.0f);
    is_right(-0.0f);
    is_right(INFINITY);
    is_right(-INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_exponent),
        cmocka_unit_test(values_of_vectors),
        cmocka_unit_test(round_numbers),
        cmocka_unit_test(ties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
