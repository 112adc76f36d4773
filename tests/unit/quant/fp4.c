/* links: quant machine kernel format base */
/* FP4 values and the E4M3 scales of nvfp4: what is computed from bits is what trying all of them gives. */
#include "quant/encoders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { GROUP = 16, GROUPS = 4 };

static float law_of(int code)
{
    int e = code >> 3, m = code & 7;
    return e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);
}

/* Numbers of all sizes, those halfway between two scales or values, and their neighbours. */
static float number(int i)
{
    static const float halves[] = {0, 0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10, 14, 448, 464, 1e10f, 3e38f};
    const int n_halves = sizeof halves / sizeof *halves, near = (int)(random() % 3) - 1;
    float v = i % 4 == 0   ? halves[random() % n_halves]
              : i % 4 == 1 ? (law_of((int)(random() % 126)) + law_of((int)(random() % 127))) / 2
              : i % 4 == 2 ? law_of((int)(random() % 127))
                           : ldexpf((float)(random() % 4096), (int)(random() % 40) - 30);
    return near < 0 ? nextafterf(v, 0) : near > 0 ? nextafterf(v, 3e38f) : v;
}

static void values(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        float v = i & 1 ? number(i / 2) : -number(i / 2);
        assert_int_equal(nearest_e2m1(v), nearest_of(v, codes_e2m1, 16));
    }
    assert_int_equal(nearest_e2m1(INFINITY), nearest_of(INFINITY, codes_e2m1, 16));
}

static void scales(void **state)
{
    (void)state;
    for (int code = 0; code < 128; code++)
        assert_true(ue4m3(code) == law_of(code));
    for (int i = 0; i < 200000; i++) {
        float v = number(i);
        int law = 0;
        for (int k = 1; k <= UE4M3_MOST; k++)
            law = law_of(k) <= v ? k : law;
        assert_int_equal(ue4m3_below(v), law);
    }
}

/* The scale of a group: the first of those nearest to a sixth of its largest value. */
static void nearest_scale(void **state)
{
    (void)state;
    for (int i = 0; i < 40000; i++) {
        float x[GROUP * GROUPS] = {0};
        struct block b;
        for (int g = 0; g < GROUPS; g++)
            x[GROUP * g + 3] = fminf(6 * number(i), 3e38f);
        nearest_nvfp4(x, &b);
        for (int g = 0; g < GROUPS; g++) {
            float v = x[GROUP * g + 3] / 6;
            int law = 0;
            for (int k = 1; k < 127; k++)
                law = fabsf(v - law_of(k)) < fabsf(v - law_of(law)) ? k : law;
            assert_int_equal(b.scale[g], law);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(scales),
                                       cmocka_unit_test(nearest_scale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
