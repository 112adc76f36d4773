/* links: op kernel format base */
/* A product in parts, between which a step may pause: as many as its work asks for, and the bits of the whole. */
#include "op/matmul.h"

#include "op_world.h"

enum {
    ROWS = 3300,
    COLUMNS = 4096,
    WEIGHTS = 160 /* of which 32 are more than a part's work for a thread */,
    THREADS = 2
};

static void count_pause(void *arg) { ++*(int *)arg; }

/* pauses NULL: nobody pauses. */
static float *product(const struct wmat *w, const float *x, int n_rows, int *pauses)
{
    struct op_world o;
    struct act a = act_rows(world_measure(&o, 0), x, n_rows, COLUMNS, COLUMNS);
    float *out = calloc((size_t)n_rows * WEIGHTS, sizeof *out);
    op_matmul(&o.op, NULL, WEIGHTS, &a, w);
    world_open_measured(&o, cpu_best_tier(), THREADS);
    o.op.pause = pauses ? count_pause : NULL;
    o.op.pause_arg = pauses;
    a = act_rows(&o.op, x, n_rows, COLUMNS, COLUMNS);
    op_matmul(&o.op, out, WEIGHTS, &a, w);
    world_close(&o);
    return out;
}

static int parts(int n_rows)
{
    float *x = world_floats(1, (size_t)n_rows * COLUMNS), *weights = world_floats(2, WEIGHTS * COLUMNS);
    const struct wmat w = {(const uint8_t *)weights, TYPE_F32, WEIGHTS, COLUMNS, COLUMNS * sizeof *weights};
    int n = 0;
    float *whole = product(&w, x, n_rows, NULL), *in_parts = product(&w, x, n_rows, &n);
    assert_bits(in_parts, whole, (size_t)n_rows * WEIGHTS);
    free(whole);
    free(in_parts);
    free(weights);
    free(x);
    return n;
}

static void much_work_is_several_parts(void **state)
{
    (void)state;
    assert_int_equal(parts(ROWS), (WEIGHTS + 32 * THREADS - 1) / (32 * THREADS));
}

static void little_work_is_one(void **state)
{
    (void)state;
    assert_int_equal(parts(3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(much_work_is_several_parts),
                                       cmocka_unit_test(little_work_is_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
