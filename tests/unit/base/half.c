/* links: base */
/* 16-bit floats: every value widens exactly, narrowing rounds to nearest even on both sides of every tie. */
#include "base/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LARGEST = 0x7bff }; /* 65504 */

static void every_f16_value(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x8000; h++) {
        int e = (int)(h >> 10), m = (int)(h & 1023);
        float f = f16_to_f32((uint16_t)h), negative = f16_to_f32((uint16_t)(h | 0x8000));
        assert_true(f32_bits(negative) == (f32_bits(f) | 0x80000000u));
        if (e == 31) {
            assert_true(m ? isnan(f) : isinf(f));
            continue;
        }
        assert_true(f == (e ? ldexpf((float)(1024 + m), e - 25) : ldexpf((float)m, -24)));
        assert_int_equal(f16_from_f32(f), h);
        assert_int_equal(f16_from_f32(negative), h | 0x8000);
    }
}

/* Between neighbours a < b: a below the middle, b above it, the even one at it. */
static void ties_go_to_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < LARGEST; h++) {
        float a = f16_to_f32((uint16_t)h), b = f16_to_f32((uint16_t)(h + 1)), middle = a + (b - a) / 2;
        assert_int_equal(f16_from_f32(nextafterf(middle, a)), h);
        assert_int_equal(f16_from_f32(middle), h + (h & 1));
        assert_int_equal(f16_from_f32(nextafterf(middle, b)), h + 1);
        assert_int_equal(f16_from_f32(-middle), (h + (h & 1)) | 0x8000);
    }
}

static void f16_at_the_ends(void **state)
{
    (void)state;
    assert_int_equal(f16_from_f32(65519.99f), LARGEST);
    assert_int_equal(f16_from_f32(65520.0f), LARGEST); /* IEEE would say infinity: we saturate */
    assert_int_equal(f16_from_f32(3e38f), LARGEST);
    assert_int_equal(f16_from_f32(INFINITY), LARGEST);
    assert_int_equal(f16_from_f32(-INFINITY), LARGEST | 0x8000);
    assert_int_equal(f16_from_f32(1e-30f), 0);
    assert_int_equal(f16_from_f32(-1e-45f), 0x8000);
    assert_true(isnan(f16_to_f32(f16_from_f32(NAN))));
    assert_true(isnan(f16_to_f32(f16_from_f32(f32_from_bits(0x7f800001))))); /* payload in the low bits only */
}

static void bf16_is_the_upper_half(void **state)
{
    (void)state;
    assert_true(bf16_to_f32(0x3f80) == 1.0f);
    assert_true(bf16_to_f32(0xc2f7) == -123.5f);
    for (uint32_t h = 0; h < 0x10000; h++)
        if ((h & 0x7f80) != 0x7f80 || !(h & 0x7f))
            assert_true(f32_bits(bf16_to_f32((uint16_t)h)) == h << 16);
}

static void loads_at_odd_addresses(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0xff, 0x00, 0x3c, 0x34, 0x12};
    assert_int_equal(load_u16(bytes + 1), 0x3c00);
    assert_true(load_u32(bytes + 1) == 0x12343c00);
    assert_true(load_f16(bytes + 1) == 1.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_value),        cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(f16_at_the_ends),        cmocka_unit_test(bf16_is_the_upper_half),
        cmocka_unit_test(loads_at_odd_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
