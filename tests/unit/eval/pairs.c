/* links: eval engine text model store op machine kernel format base */
/* Pairs: medians and intervals of fixed numbers; verdicts by their rules; how often noise alone, and a
 * difference that was planted, are taken for one. Nothing is timed. */
#include "eval/pairs.h"

#include "base/error.h"
#include "eval/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct eval_pairs of(const double *a, const double *b, size_t n)
{
    struct eval_pairs p;
    struct error err = {0};
    assert_int_equal(eval_pairs(&p, a, b, n, &err), 0);
    assert_int_equal(p.n, n);
    return p;
}

static void near(double is, double wanted) { assert_true(fabs(is - wanted) < 1e-12); }

static void test_numbers(void **state)
{
    (void)state;
    const double a[] = {1, 2, 4, 5, 8, 10, 16}, b[] = {1.1, 1.8, 4, 5.5, 8.4, 9, 24};
    struct eval_pairs p = of(a, b, 7);
    near(p.ratio, 1.05);
    near(p.low, 0.9);
    near(p.high, 1.1);
    p = of(a, b, 6); /* an even number: between the middle two */
    near(p.ratio, 1.025);
    p = of(a, a, 5);
    near(p.ratio, 1);
    near(p.low, 1);
    near(p.high, 1);
    p = of(a, b, 1);
    near(p.low, 1.1);
    near(p.high, 1.1);
    const double odd[] = {1, 3, 7}, even[] = {1, 3, 7, 8};
    near(eval_median(odd, 3), 3);
    near(eval_median(even, 4), 5);
}

static void test_rules(void **state)
{
    (void)state;
    const struct eval_pairs still = {20, 1, 0.99, 1.01}, fast = {20, 0.96, 0.95, 0.97}, slow = {20, 1.04, 1.03, 1.05};
    static const struct {
        struct eval_pairs ab;
        enum eval_verdict verdict;
    } cases[] = {
        {{20, 0.95, 0.93, 0.97}, EVAL_FASTER},         {{20, 1.05, 1.03, 1.07}, EVAL_SLOWER},
        {{20, 0.95, 0.89, 1.00}, EVAL_NO_DIFFERENCE},  {{20, 1.05, 1.00, 1.09}, EVAL_NO_DIFFERENCE},
        {{20, 0.985, 0.98, 0.99}, EVAL_NO_DIFFERENCE}, /* shown, but too small */
        {{20, 1.015, 1.01, 1.02}, EVAL_NO_DIFFERENCE}, {{20, 1, 0.98, 1.02}, EVAL_NO_DIFFERENCE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(eval_pairs_verdict(&cases[i].ab, &still), cases[i].verdict);
    /* A differed from itself: B must differ more, to the same side; the other side is judged as ever */
    assert_int_equal(eval_pairs_verdict(&cases[0].ab, &fast), EVAL_NO_DIFFERENCE);
    assert_int_equal(eval_pairs_verdict(&cases[1].ab, &fast), EVAL_SLOWER);
    assert_int_equal(eval_pairs_verdict(&cases[1].ab, &slow), EVAL_NO_DIFFERENCE);
    assert_int_equal(eval_pairs_verdict(&cases[0].ab, &slow), EVAL_FASTER);
    assert_int_equal(eval_pairs_verdict(&(struct eval_pairs){20, 0.9, 0.88, 0.94}, &fast), EVAL_FASTER);
    assert_int_equal(eval_pairs_verdict(&(struct eval_pairs){20, 1.1, 1.06, 1.14}, &slow), EVAL_SLOWER);

    assert_true(eval_pairs_resolve(&still, 0.05));
    assert_false(eval_pairs_resolve(&still, 0.01));
    assert_false(eval_pairs_resolve(&fast, 0.05));
    assert_false(eval_pairs_resolve(&slow, 0.05));

    assert_false(eval_pairs_void(0, 100, 0.02));
    assert_false(eval_pairs_void(1, 10, 0.02)); /* a tick alone */
    assert_false(eval_pairs_void(2, 100, 0.02));
    assert_true(eval_pairs_void(3, 100, 0.02));
    assert_true(eval_pairs_void(300, 100, 0.99)); /* of other programs' cores too */
    assert_false(eval_pairs_void(300, 100, 1));
    assert_string_equal(eval_verdict_name(EVAL_FASTER), "faster");
    assert_string_equal(eval_verdict_name(EVAL_SLOWER), "slower");
    assert_string_equal(eval_verdict_name(EVAL_NO_DIFFERENCE), "no difference shown");
}

/* ---- noise ---------------------------------------------------------------------------------------------------------------- */

/* Seconds of runs on a machine that others use, as 30 pairs of bench.md 1 had them: 2 % of deviation, slow moments that last for several
 * runs, and a run in ten that is up to half as long again. */
struct noise {
    uint64_t state;
    double drift;
};

static double uniform(struct noise *s) { return (double)(eval_random(&s->state) >> 11) * 0x1p-53; }

static double normal(struct noise *s)
{
    return sqrt(-2 * log(1 - uniform(s))) * cos(2 * 3.14159265358979323846 * uniform(s));
}

static double run_of(struct noise *s, double seconds)
{
    s->drift = 0.9 * s->drift + 0.01 * normal(s);
    double late = uniform(s) < 0.1 ? 0.5 * uniform(s) : 0;
    return seconds * exp(s->drift + 0.02 * normal(s)) * (1 + late);
}

/* As bench does: A with itself until that resolves 5 %, 30 pairs at most, then as many of A and B. */
static enum eval_verdict experiment(uint64_t seed, double factor)
{
    struct noise s = {seed * 1000003, 0};
    double a[30], b[30];
    struct eval_pairs aa, ab;
    size_t n = 0;
    do
        for (size_t more = n ? 5 : 20; more > 0; more--, n++) {
            a[n] = run_of(&s, 1);
            b[n] = run_of(&s, 1);
        }
    while (aa = of(a, b, n), n < 30 && !eval_pairs_resolve(&aa, 0.05));
    for (size_t i = 0; i < n; i++) { /* A B, B A */
        double *first = i % 2 ? &b[i] : &a[i], *second = i % 2 ? &a[i] : &b[i];
        *first = run_of(&s, first == b + i ? factor : 1);
        *second = run_of(&s, second == b + i ? factor : 1);
    }
    ab = of(a, b, n);
    return eval_pairs_verdict(&ab, &aa);
}

enum { SEEDS = 100 };

static int verdicts(double factor, enum eval_verdict v)
{
    int n = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        n += experiment(seed, factor) == v;
    return n;
}

static void test_noise_alone(void **state)
{
    (void)state;
    assert_in_range(verdicts(1, EVAL_NO_DIFFERENCE), SEEDS * 19 / 20, SEEDS);
}

static void test_planted(void **state)
{
    (void)state;
    assert_in_range(verdicts(1.05, EVAL_SLOWER), SEEDS * 19 / 20, SEEDS);
    assert_in_range(verdicts(1 / 1.05, EVAL_FASTER), SEEDS * 19 / 20, SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_rules),
                                       cmocka_unit_test(test_noise_alone), cmocka_unit_test(test_planted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
