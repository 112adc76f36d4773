/* links: op kernel format base */
/* Steering of rows, held against its formulas; the same bits on every tier and any number of threads. */
#include "op/steer.h"
#include "op_world.h"

enum { ROWS = 21, N = 45, ALL = ROWS * N };

struct results {
    float add[ALL], side[STEER_SIDES][ALL];
};

static float x[ALL], v[N];

static void run(struct results *r, enum cpu_tier tier, int threads)
{
    struct op_world w;
    world_open(&w, tier, threads, 64, 64);
    memcpy(r->add, x, sizeof x);
    op_steer_add(&w.op, r->add, 1.5f, v, ROWS, N);
    for (int s = 0; s < STEER_SIDES; s++) {
        memcpy(r->side[s], x, sizeof x);
        op_steer_project(&w.op, r->side[s], 0.75f, v, (enum steer_side)s, ROWS, N);
    }
    world_close(&w);
}

static void by_formulas(void **state)
{
    (void)state;
    static struct results first, other;
    int positive = 0;
    run(&first, TIER_SCALAR, 1);
    for (int r = 0; r < ROWS; r++) {
        float c = kernels_for(TIER_SCALAR)->dot16(x + r * N, v, N), t = -(0.75f * c);
        positive += c > 0;
        for (int i = r * N; i < (r + 1) * N; i++) {
            float out = fmaf(t, v[i - r * N], x[i]);
            assert_true(first.add[i] == fmaf(1.5f, v[i - r * N], x[i]));
            assert_true(first.side[STEER_BOTH][i] == out);
            assert_true(first.side[STEER_POSITIVE][i] == (c > 0 ? out : x[i]));
            assert_true(first.side[STEER_NEGATIVE][i] == (c < 0 ? out : x[i]));
        }
    }
    assert_true(positive > 0 && positive < ROWS);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int threads = 1; threads <= 4; threads += 3) {
            run(&other, (enum cpu_tier)tier, threads);
            assert_memory_equal(&other, &first, sizeof first);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_formulas)};
    for (int i = 0; i < ALL; i++)
        x[i] = (float)((double)(rng_u64(1, (uint64_t)i, 1, 0) >> 40) * 0x1p-23 - 1);
    for (int i = 0; i < N; i++)
        v[i] = (float)((double)(rng_u64(2, (uint64_t)i, 1, 0) >> 40) * 0x1p-23 - 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
