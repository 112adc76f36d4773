/* links: op kernel format base */
/* Rotary positions against the formulas in double: plain, divided by factors, linear, YaRN; both pairings; dims beyond the
 * rotated ones stay as they are; threads do not matter. */
#include "op/rope.h"
#include "op_world.h"

static const struct rope_params plain = {.n_rot = 64, .base = 10000};

static void check_frequencies(const struct rope_params *p, const float *factors,
                              double (*formula)(const struct rope_params *, int, double), double magnitude)
{
    double freq[256];
    assert_near(rope_frequencies(freq, p, factors), magnitude, 1e-14);
    for (int i = 0; i < p->n_rot / 2; i++) {
        double f = pow(p->base, -2.0 * i / p->n_rot) / (factors ? (double)factors[i] : 1);
        double want = formula(p, i, f);
        assert_true(fabs(freq[i] - want) <= 1e-13 * want);
    }
}

static double as_it_is(const struct rope_params *p, int i, double f)
{
    (void)p;
    (void)i;
    return f;
}

static double divided(const struct rope_params *p, int i, double f)
{
    (void)i;
    return f / p->factor;
}

/* Pairs that turn often within the original context keep their frequency, those that turn rarely are interpolated, with a ramp
 * between (arXiv 2309.00071, section 3.2). */
static double yarn(const struct rope_params *p, int i, double f)
{
    double ln_base = log(p->base), pi = acos(-1);
    double low = floor(p->n_rot * log(p->n_orig / (p->beta_fast * 2 * pi)) / (2 * ln_base));
    double high = ceil(p->n_rot * log(p->n_orig / (p->beta_slow * 2 * pi)) / (2 * ln_base));
    low = low < 0 ? 0 : low;
    high = high > p->n_rot - 1 ? p->n_rot - 1 : high;
    double ramp = (i - low) / (high - low > 0.001 ? high - low : 0.001);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    return f / p->factor * ramp + f * (1 - ramp);
}

/* Of eight pairs the last is the third of axis 1, which has two. */
static double of_axes(const struct rope_params *p, int i, double f)
{
    (void)p;
    return i < 7 ? f : 0;
}

static void frequencies(void **state)
{
    (void)state;
    float factors[32];
    for (int i = 0; i < 32; i++)
        factors[i] = 1 + (float)i / 4;
    check_frequencies(&plain, NULL, as_it_is, 1);
    check_frequencies(&plain, factors, as_it_is, 1);
    struct rope_params p = plain;
    p.base = 1e6;
    p.n_rot = 10;
    check_frequencies(&p, NULL, as_it_is, 1);
    p.scaling = ROPE_LINEAR;
    p.factor = 4;
    check_frequencies(&p, NULL, divided, 1);
    check_frequencies(&(struct rope_params){.n_rot = 16, .base = 5e6, .section = {4, 2, 2}}, NULL, of_axes, 1);
}

static void yarn_frequencies(void **state)
{
    (void)state;
    for (double factor = 1; factor <= 40; factor *= 2)
        for (double n_orig = 512; n_orig <= 65536; n_orig *= 8) {
            struct rope_params p = {.n_rot = 128,
                                    .base = 1e6,
                                    .scaling = ROPE_YARN,
                                    .factor = factor,
                                    .n_orig = n_orig,
                                    .beta_fast = 32,
                                    .beta_slow = 1,
                                    .attn_factor = 1.25};
            check_frequencies(&p, NULL, yarn, 1.25 * (1 + 0.1 * log(factor)));
        }
}

enum { ROWS = 21, PAIRS = 32 };

static void table(void **state)
{
    (void)state;
    double freq[PAIRS];
    int32_t pos[ROWS];
    float c[2][ROWS * PAIRS], s[2][ROWS * PAIRS];
    double magnitude = 1.5;
    rope_frequencies(freq, &plain, NULL);
    for (int r = 0; r < ROWS; r++)
        pos[r] = r < 10 ? r : r * r * r * 150; /* up to 1.2 million */
    for (int i = 0; i < 2; i++) {
        struct op_world w;
        world_open(&w, TIER_SCALAR, 1 + 2 * i, 64, 64);
        op_rope_table(&w.op, c[i], s[i], freq, magnitude, PAIRS, pos, ROWS);
        world_close(&w);
    }
    assert_bits(c[0], c[1], ROWS * PAIRS);
    assert_bits(s[0], s[1], ROWS * PAIRS);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < PAIRS; i++) {
            assert_near((double)c[0][r * PAIRS + i], magnitude * cos(pos[r] * freq[i]), 1e-7);
            assert_near((double)s[0][r * PAIRS + i], magnitude * sin(pos[r] * freq[i]), 1e-7);
        }
}

static void check_rotation(enum cpu_tier tier, enum rope_pairs pairs, int head_dim, int n_pair)
{
    enum { HEADS = 3, MOST = 64 };
    double freq[MOST];
    int32_t pos[ROWS];
    float c[ROWS * MOST], s[ROWS * MOST];
    struct rope_params p = plain;
    struct op_world w;
    p.n_rot = 2 * n_pair;
    rope_frequencies(freq, &p, NULL);
    for (int r = 0; r < ROWS; r++)
        pos[r] = 3 * r + 100;
    world_open(&w, tier, 2, 64, 64);
    op_rope_table(&w.op, c, s, freq, 1, n_pair, pos, ROWS);
    size_t n = (size_t)(ROWS * HEADS * head_dim);
    float *x = world_floats(1, n), *was = world_floats(1, n);
    op_rope(&w.op, x, ROWS, HEADS, head_dim, pairs, c, s, n_pair);
    for (int r = 0; r < ROWS; r++)
        for (int h = 0; h < HEADS; h++) {
            const float *a = was + (r * HEADS + h) * head_dim, *b = x + (r * HEADS + h) * head_dim;
            for (int i = 0; i < n_pair; i++) {
                int i0 = pairs == ROPE_HALF ? i : 2 * i, i1 = pairs == ROPE_HALF ? i + n_pair : 2 * i + 1;
                double angle = pos[r] * freq[i], x0 = (double)a[i0], x1 = (double)a[i1];
                assert_near((double)b[i0], x0 * cos(angle) - x1 * sin(angle), 3e-7);
                assert_near((double)b[i1], x0 * sin(angle) + x1 * cos(angle), 3e-7);
            }
            assert_bits(b + 2 * n_pair, a + 2 * n_pair, (size_t)(head_dim - 2 * n_pair));
        }
    free(x);
    free(was);
    world_close(&w);
}

static void rotation(void **state)
{
    (void)state;
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int pairs = ROPE_HALF; pairs <= ROPE_ADJACENT; pairs++) {
            check_rotation((enum cpu_tier)tier, (enum rope_pairs)pairs, 128, 64);
            check_rotation((enum cpu_tier)tier, (enum rope_pairs)pairs, 64, 16);
            check_rotation((enum cpu_tier)tier, (enum rope_pairs)pairs, 10, 5);
            check_rotation((enum cpu_tier)tier, (enum rope_pairs)pairs, 6, 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(frequencies), cmocka_unit_test(yarn_frequencies),
                                       cmocka_unit_test(table), cmocka_unit_test(rotation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
