/* links: op kernel format base */
/* Streams of rows, held against their formulas in double; the same bits on every tier and any number of threads. */
#include "op/streams.h"
#include "op_world.h"

enum { ROWS = 9, N = 4, D = 45, ALL = ROWS * N * D };

struct results {
    float mean[ROWS * D], add[ALL], set[ALL], gate[ROWS * N];
};

static float *x, *y, *gate, *key;

static void run(struct results *r, enum cpu_tier tier, int threads)
{
    struct op_world w;
    world_open(&w, tier, threads, 64, 64);
    memcpy(r->add, x, sizeof r->add);
    op_streams_mean(&w.op, r->mean, x, N, D, ROWS);
    op_streams_add(&w.op, r->add, y, gate, N, D, ROWS);
    op_streams_set(&w.op, r->set, y, gate, N, D, ROWS);
    op_streams_gate(&w.op, r->gate, key, x, N, D, ROWS);
    world_close(&w);
}

static double gate_by_formula(int r, int s)
{
    double a = 0;
    for (int c = 0; c < D; c++)
        a += (double)key[(r * N + s) * D + c] * (double)x[(r * N + s) * D + c];
    a /= sqrt(D);
    double root = sqrt(fabs(a) < 1e-6 ? 1e-6 : fabs(a));
    return 1 / (1 + exp(a == 0 ? 0 : a < 0 ? root : -root));
}

static void by_formulas(void **state)
{
    (void)state;
    static struct results first, other;
    run(&first, TIER_SCALAR, 1);
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < D; c++) {
            double sum = 0;
            for (int s = 0; s < N; s++) {
                int at = (r * N + s) * D + c;
                double part = (double)gate[r * N + s] * (double)y[r * D + c];
                sum += (double)x[at];
                assert_near((double)first.set[at], part, 1e-7);
                assert_near((double)first.add[at], (double)x[at] + part, 1e-6);
            }
            assert_near((double)first.mean[r * D + c], sum / N, 1e-6);
        }
    for (int i = 0; i < ROWS * N; i++)
        assert_near((double)first.gate[i], gate_by_formula(i / N, i % N), 1e-6);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int threads = 1; threads <= 4; threads += 3) {
            run(&other, (enum cpu_tier)tier, threads);
            assert_bits(other.mean, first.mean, ROWS * D);
            assert_bits(other.add, first.add, ALL);
            assert_bits(other.set, first.set, ALL);
            assert_bits(other.gate, first.gate, ROWS * N);
        }
}

/* Gates at the ends: nothing, next to nothing, what is not a number. */
static void ends_of_gates(void **state)
{
    (void)state;
    struct op_world w;
    float a[3] = {0, -1e-12f, NAN}, one[3] = {1, 1, 1}, got[3];
    world_open(&w, cpu_best_tier(), 1, 64, 64);
    op_streams_gate(&w.op, got, a, one, 3, 1, 1);
    assert_true(got[0] == 0.5f);
    assert_near((double)got[1], 1 / (1 + exp(1e-3)), 1e-7);
    assert_true(isnan(got[2]));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_formulas), cmocka_unit_test(ends_of_gates)};
    x = world_floats(1, ALL);
    y = world_floats(2, ROWS * D);
    gate = world_floats(3, ROWS * N);
    key = world_floats(4, ALL);
    memset(key, 0, D * sizeof *key);
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    free(x);
    free(y);
    free(gate);
    free(key);
    return status;
}
