/* links: op kernel format base */
/* Features of autoencoders, held against their formulas: every gate, f32, f16 and bf16 weights, ties; the same bits on every tier and any
 * number of threads. */
#include "op/sae.h"

#include "op_world.h"

enum { ROWS = 5, N = 45, FEATURES = 101, K = 7, TOP = 9, KINDS = 3, TYPES = 3, ALL = ROWS * FEATURES };

static const enum block_type types[TYPES] = {TYPE_F32, TYPE_F16, TYPE_BF16};

static float x[ROWS * N], weight[TYPES][FEATURES * N], bias[FEATURES], threshold[FEATURES], centre[N], rows[ROWS * N];
static uint16_t half[TYPES][FEATURES * N]; /* of f16 and bf16 */
static float pick_value[ROWS * K];
static int32_t pick_id[ROWS * K];

struct results {
    float h[KINDS][TYPES][ALL], one[KINDS][ROWS], value[KINDS][ROWS * TOP], set[ROWS * N], times[ROWS * N];
    int32_t id[KINDS][ROWS * TOP];
};

/* kind 0: standard, less the centre; 1: thresholds, as it is; 2: the largest. t: the type of weights. */
static struct op_sae encoder(int kind, int t, float *features)
{
    size_t size = t ? 2 : 4;
    return (struct op_sae){
        .w = {t ? (const uint8_t *)half[t] : (const uint8_t *)weight[0], types[t], FEATURES, N, N * size},
        .bias = bias,
        .threshold = kind == 1 ? threshold : NULL,
        .k = kind == 2 ? K : 0,
        .centre = kind == 1 ? NULL : centre,
        .most = ROWS,
        .rows = rows,
        .features = features,
        .pick_value = pick_value,
        .pick_id = pick_id};
}

enum { FEATURE = 17 };

static void run(struct results *r, enum cpu_tier tier, int threads)
{
    struct op_world w;
    world_open(&w, tier, threads, 64, 64);
    for (int kind = 0; kind < KINDS; kind++) {
        for (int t = 0; t < TYPES; t++) {
            const struct op_sae e = encoder(kind, t, r->h[kind][t]);
            op_sae_encode(&w.op, &e, x, ROWS);
            if (t == 0)
                op_sae_largest(&w.op, &e, ROWS, TOP, r->id[kind], r->value[kind]);
        }
        static float other[ALL];
        const struct op_sae e = encoder(kind, 0, other);
        op_sae_feature(&w.op, &e, FEATURE, x, ROWS, r->one[kind]);
    }
    memcpy(r->set, x, sizeof x);
    op_sae_change(&w.op, r->set, OP_SAE_SET, 1.5f, r->one[0], weight[0], ROWS, N);
    memcpy(r->times, x, sizeof x);
    op_sae_change(&w.op, r->times, OP_SAE_MULTIPLY, 0.25f, r->one[0], weight[0], ROWS, N);
    world_close(&w);
}

/* p of a row and a feature. */
static float product(int kind, int t, int r, int j)
{
    float y[N];
    for (int i = 0; i < N; i++)
        y[i] = kind == 1 ? x[r * N + i] : x[r * N + i] - centre[i];
    return kernels_for(TIER_SCALAR)->dot16(y, weight[t] + j * N, N) + bias[j];
}

static float expected(int kind, int t, int r, int j)
{
    float p = product(kind, t, r, j);
    int before = 0;
    for (int o = 0; kind == 2 && o < FEATURES; o++) {
        float q = product(kind, t, r, o);
        before += q > p || (q == p && o < j);
    }
    return p > 0 && before < K && (kind != 1 || p > threshold[j]) ? p : 0;
}

static void is_by_formulas(const struct results *r)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (int row = 0; row < ROWS; row++) {
            int active = 0;
            for (int j = 0; j < FEATURES; j++) {
                for (int t = 0; t < TYPES; t++)
                    assert_true(r->h[kind][t][row * FEATURES + j] == expected(kind, t, row, j));
                active += r->h[kind][0][row * FEATURES + j] > 0;
            }
            assert_true(active > 0 && active < FEATURES);
            assert_true(kind != 2 || active <= K);
            assert_true(r->one[kind][row] == r->h[kind][0][row * FEATURES + FEATURE]);
            for (int i = 0; i < TOP; i++) { /* the i-th of the active ones */
                int32_t id = r->id[kind][row * TOP + i];
                float value = r->value[kind][row * TOP + i];
                if (i >= active) {
                    assert_true(id == -1 && value == 0);
                    continue;
                }
                int before = 0;
                for (int j = 0; j < FEATURES; j++)
                    before += r->h[kind][0][row * FEATURES + j] > value ||
                              (r->h[kind][0][row * FEATURES + j] == value && j < id);
                assert_true(before == i && value == r->h[kind][0][row * FEATURES + id]);
            }
        }
}

static void changes(const struct results *r)
{
    int untouched = 0;
    for (int row = 0; row < ROWS; row++) {
        float h = r->one[0][row];
        untouched += h == 0;
        for (int i = 0; i < N; i++) {
            float v = x[row * N + i], d = weight[0][i];
            assert_true(r->set[row * N + i] == fmaf(1.5f - h, d, v));
            assert_true(r->times[row * N + i] == (h == 0 ? v : fmaf(-0.75f * h, d, v)));
        }
    }
    assert_true(untouched > 0 && untouched < ROWS);
}

static void by_formulas(void **state)
{
    (void)state;
    static struct results first, other;
    run(&first, TIER_SCALAR, 1);
    is_by_formulas(&first);
    changes(&first);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int threads = 1; threads <= 4; threads += 3) {
            run(&other, (enum cpu_tier)tier, threads);
            assert_memory_equal(&other, &first, sizeof first);
        }
}

/* Equal products, and such that are no numbers. */
static void ties(void **state)
{
    (void)state;
    static float same[FEATURES * N], features[ALL], none[FEATURES], ones[ROWS * N];
    struct op_world w;
    struct op_sae e = encoder(2, 0, features);
    for (int i = 0; i < FEATURES * N; i++)
        same[i] = 1;
    for (int i = 0; i < ROWS * N; i++)
        ones[i] = 1;
    none[3] = 1;
    none[50] = NAN;
    none[99] = 2;
    e.w.data = (const uint8_t *)same;
    e.bias = none;
    e.centre = NULL;
    world_open(&w, TIER_SCALAR, 1, 64, 64);
    op_sae_encode(&w.op, &e, ones, 1);
    for (int j = 0; j < FEATURES; j++) /* 3, 99, and the first five of the rest */
        assert_true((features[j] > 0) == (j == 99 || j <= 5));
    none[50] = 0;
    for (int i = 0; i < N; i++)
        ones[i] = NAN;
    op_sae_encode(&w.op, &e, ones, 1);
    for (int j = 0; j < FEATURES; j++)
        assert_true(features[j] == 0);
    world_close(&w);
}

static float draw(uint64_t seed, int i)
{
    return (float)((double)(rng_u64(seed, (uint64_t)i, 1, 0) >> 40) * 0x1p-23 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_formulas), cmocka_unit_test(ties)};
    for (int i = 0; i < ROWS * N; i++)
        x[i] = draw(1, i);
    for (int i = 0; i < N; i++)
        centre[i] = draw(2, i);
    for (int j = 0; j < FEATURES; j++) {
        bias[j] = draw(3, j) / 4;
        threshold[j] = draw(4, j);
    }
    for (int i = 0; i < FEATURES * N; i++) {
        weight[0][i] = draw(5, i);
        half[1][i] = f16_from_f32(weight[0][i]);
        half[2][i] = bf16_from_f32(weight[0][i]);
        type_info(TYPE_F16)->decode(&weight[1][i], (uint8_t *)&half[1][i], 1);
        type_info(TYPE_BF16)->decode(&weight[2][i], (uint8_t *)&half[2][i], 1);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
