/* links: op kernel format base */
/* Operations on rows against double precision, in place and not, on every tier and with more threads than one; and the choice of
 * experts: ties go to the lower id, weights are those of the softmax, rows with NaN get no experts. */
#include "op/rows.h"
#include "op_world.h"

enum { N_ROWS = 9 };

static struct op_world world;

static const int widths[] = {1, 15, 16, 40, 256, 1000};
enum { WIDTHS = sizeof widths / sizeof *widths };

static void each_width(void (*check)(int n))
{
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int threads = 1; threads <= 3; threads += 2) {
            world_open(&world, (enum cpu_tier)tier, threads, 64, 64);
            for (int i = 0; i < WIDTHS; i++)
                check(widths[i]);
            world_close(&world);
        }
}

static void check_norm(int n)
{
    size_t all = (size_t)(N_ROWS * n);
    float *x = world_floats(1, all), *w = world_floats(2, (size_t)n), *y = world_floats(3, all),
          *z = world_floats(1, all);
    for (int weighted = 0; weighted <= 1; weighted++) {
        op_rms_norm(&world.op, y, x, weighted ? w : NULL, N_ROWS, n, 1e-5f);
        for (int r = 0; r < N_ROWS; r++) {
            double sum = 0;
            for (int i = 0; i < n; i++)
                sum += (double)x[r * n + i] * (double)x[r * n + i];
            for (int i = 0; i < n; i++)
                assert_near((double)y[r * n + i],
                            (double)x[r * n + i] / sqrt(sum / n + 1e-5) * (weighted ? (double)w[i] : 1), 1e-6);
        }
    }
    op_rms_norm(&world.op, z, z, w, N_ROWS, n, 1e-5f);
    assert_bits(z, y, all);
    free(x);
    free(w);
    free(y);
    free(z);
}

static void check_layer_norm(int n)
{
    size_t all = (size_t)(N_ROWS * n);
    float *x = world_floats(1, all), *w = world_floats(2, (size_t)n), *b = world_floats(3, (size_t)n),
          *y = world_floats(4, all);
    op_layer_norm(&world.op, y, x, w, b, N_ROWS, n, 1e-5f);
    for (int r = 0; r < N_ROWS; r++) {
        double mean = 0, sum = 0;
        for (int i = 0; i < n; i++)
            mean += (double)x[r * n + i] / n;
        for (int i = 0; i < n; i++)
            sum += ((double)x[r * n + i] - mean) * ((double)x[r * n + i] - mean);
        for (int i = 0; i < n; i++)
            assert_near((double)y[r * n + i],
                        ((double)x[r * n + i] - mean) / sqrt(sum / n + 1e-5) * (double)w[i] + (double)b[i], 2e-6);
    }
    op_layer_norm(&world.op, x, x, w, b, N_ROWS, n, 1e-5f);
    assert_bits(x, y, all);
    free(x);
    free(w);
    free(b);
    free(y);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static void check_sums(int n)
{
    size_t all = (size_t)(N_ROWS * n);
    float *x = world_floats(1, all), *y = world_floats(2, all), *a = world_floats(1, all), gate[N_ROWS];
    op_add(&world.op, a, y, N_ROWS, n);
    for (size_t i = 0; i < all; i++)
        assert_true(f32_bits(a[i]) == f32_bits(x[i] + y[i]));
    memcpy(a, x, all * sizeof *a);
    op_mul(&world.op, a, y, N_ROWS, n);
    for (size_t i = 0; i < all; i++)
        assert_true(f32_bits(a[i]) == f32_bits(x[i] * y[i]));
    memcpy(a, x, all * sizeof *a);
    op_add_vector(&world.op, a, y, N_ROWS, n);
    for (size_t i = 0; i < all; i++)
        assert_true(f32_bits(a[i]) == f32_bits(x[i] + y[i % (size_t)n]));
    memcpy(a, x, all * sizeof *a);
    op_add_gated(&world.op, a, y, NULL, N_ROWS, n);
    for (size_t i = 0; i < all; i++)
        assert_true(f32_bits(a[i]) == f32_bits(x[i] + y[i]));
    memcpy(a, x, all * sizeof *a);
    for (int r = 0; r < N_ROWS; r++)
        gate[r] = 4 * world_number(3, (size_t)r);
    op_add_gated(&world.op, a, y, gate, N_ROWS, n);
    for (size_t i = 0; i < all; i++)
        assert_near((double)a[i], (double)x[i] + sigmoid((double)gate[i / (size_t)n]) * (double)y[i], 3e-7);
    memcpy(a, x, all * sizeof *a);
    op_scale(&world.op, a, 1.5f, N_ROWS, n);
    for (size_t i = 0; i < all; i++)
        assert_true(f32_bits(a[i]) == f32_bits(x[i] * 1.5f));
    memcpy(a, x, all * sizeof *a);
    op_scale_rows(&world.op, a, gate, N_ROWS, n);
    for (size_t i = 0; i < all; i++)
        assert_true(f32_bits(a[i]) == f32_bits(x[i] * gate[i / (size_t)n]));
    memcpy(a, x, all * sizeof *a);
    op_scale(&world.op, a, 1.5f, N_ROWS, n);
    op_clamp(&world.op, a, -0.5f, 1.25f, N_ROWS, n);
    for (size_t i = 0; i < all; i++) {
        float t = x[i] * 1.5f;
        assert_true(a[i] == (t < -0.5f ? -0.5f : t > 1.25f ? 1.25f : t));
        a[i] = t;
    }
    op_softcap(&world.op, a, 0.75f, N_ROWS, n);
    for (size_t i = 0; i < all; i++)
        assert_near((double)a[i], 0.75 * tanh(2 * (double)x[i]), 3e-7);
    for (size_t i = 0; i < all; i++) {
        double g = 4 * (double)x[i], u = 0.7978845608028654 * (g + 0.044715 * g * g * g);
        a[i] = 4 * x[i];
        world.op.k->gelu_mul(&a[i], &a[i], &y[i], 1);
        assert_near((double)a[i], g / 2 * (1 + tanh(u)) * (double)y[i], 1e-6);
        a[i] = 4 * x[i];
        world.op.k->gelu(&a[i], NULL, &a[i], 1);
        assert_near((double)a[i], g / 2 * (1 + tanh(u)), 1e-6);
    }
    memcpy(a, x, all * sizeof *a);
    for (size_t i = 0; i < all; i++)
        a[i] *= 8;
    op_activate(&world.op, world.op.k->silu_mul, a, a, y, N_ROWS, n);
    for (size_t i = 0; i < all; i++) {
        double g = 8 * (double)x[i];
        assert_near((double)a[i], g * sigmoid(g) * (double)y[i], 1e-6);
    }
    free(x);
    free(y);
    free(a);
}

static void norms(void **state)
{
    (void)state;
    each_width(check_norm);
    each_width(check_layer_norm);
}

static void sums(void **state)
{
    (void)state;
    each_width(check_sums);
}

/* ---- routes ----------------------------------------------------------------------------------------------------------------- */

static void route(float *logits, int32_t *id, float *w, int n_rows, int n_expert, int n_used, int normalise,
                  float scale)
{
    struct route_rule rule = {.gate = ROUTE_SOFTMAX, .normalise = normalise, .scale = scale};
    float *work = malloc((size_t)(n_rows * n_expert) * sizeof *work);
    op_route(&world.op, id, w, logits, work, n_rows, n_expert, n_used, &rule);
    free(work);
}

static void check_routes(int n_expert, int n_used, int normalise, float scale)
{
    enum { MOST = 128 * N_ROWS };
    float logits[MOST], was[MOST], w[MOST];
    int32_t id[MOST];
    for (int i = 0; i < N_ROWS * n_expert; i++)
        was[i] = logits[i] = roundf(world_number(9, (size_t)i) * 4); /* many ties */
    route(logits, id, w, N_ROWS, n_expert, n_used, normalise, scale);
    for (int r = 0; r < N_ROWS; r++) {
        const float *x = was + r * n_expert;
        double sum = 0, chosen = 0;
        for (int e = 0; e < n_expert; e++)
            sum += exp((double)x[e]);
        for (int k = 0; k < n_used; k++) {
            int32_t e = id[r * n_used + k];
            assert_true(e >= 0 && e < n_expert);
            chosen += exp((double)x[e]) / sum;
            if (k == 0)
                continue;
            int32_t before = id[r * n_used + k - 1];
            assert_true(x[before] > x[e] || (x[before] == x[e] && before < e));
        }
        int32_t last = id[r * n_used + n_used - 1];
        for (int e = 0; e < n_expert; e++) { /* no better expert was left out */
            int in = 0;
            for (int k = 0; k < n_used; k++)
                in |= id[r * n_used + k] == e;
            assert_true(in || x[e] < x[last] || (x[e] == x[last] && e > last));
        }
        for (int k = 0; k < n_used; k++) {
            double p = exp((double)x[id[r * n_used + k]]) / sum;
            assert_near((double)w[r * n_used + k], p / (normalise ? chosen : 1) * (double)scale, 1e-6);
        }
    }
}

static void routes(void **state)
{
    (void)state;
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        world_open(&world, (enum cpu_tier)tier, 3, 64, 64);
        check_routes(8, 2, 1, 1);
        check_routes(8, 2, 0, 1);
        check_routes(128, 8, 1, 2.5f);
        check_routes(12, 12, 0, 1);
        check_routes(1, 1, 1, 1);
        world_close(&world);
    }
}

static void equal_logits(void **state)
{
    (void)state;
    float logits[16] = {0}, w[4];
    int32_t id[4];
    world_open(&world, cpu_best_tier(), 1, 64, 64);
    route(logits, id, w, 1, 16, 4, 1, 1);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(id[k], k);
        assert_true(w[k] == 0.25f);
    }
    world_close(&world);
}

static void not_a_number(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY};
    world_open(&world, cpu_best_tier(), 1, 64, 64);
    for (int b = 0; b < 2; b++) {
        float logits[24], w[6];
        int32_t id[6];
        for (int i = 0; i < 24; i++)
            logits[i] = (float)(i % 8);
        logits[8 + 5] = bad[b]; /* of the middle row */
        route(logits, id, w, 3, 8, 2, 1, 1);
        for (int k = 0; k < 6; k++)
            assert_int_equal(id[k], k / 2 == 1 ? -1 : 7 - k % 2);
    }
    world_close(&world);
}

/* Sigmoids that are all 1: the logits choose. Each weight is the sigmoid of its own logit. */
static void saturated(void **state)
{
    (void)state;
    enum { EXPERTS = 5, USED = 2 };
    const struct route_rule rule = {.gate = ROUTE_CHOSEN_SIGMOID};
    float logits[2 * EXPERTS] = {20, 25, 24, 30, 29, -1, -3, 0.5f, -2, -4}, was[2 * EXPERTS], work[2 * EXPERTS];
    float w[2 * USED];
    int32_t id[2 * USED];
    memcpy(was, logits, sizeof was);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        memcpy(logits, was, sizeof was);
        world_open(&world, (enum cpu_tier)tier, 1, 64, 64);
        op_route(&world.op, id, w, logits, work, 2, EXPERTS, USED, &rule);
        world_close(&world);
        assert_true(id[0] == 3 && id[1] == 4 && id[2] == 2 && id[3] == 0);
        for (int k = 0; k < 2 * USED; k++)
            assert_near((double)w[k], 1 / (1 + exp(-(double)was[k / USED * EXPERTS + id[k]])), 1e-6);
    }
}

/* Each logit by itself, and given experts: only their weights are made. */
static void soft_roots(void **state)
{
    (void)state;
    enum { EXPERTS = 7, USED = 3 };
    const struct route_rule rule = {.gate = ROUTE_SQRT_SOFTPLUS, .normalise = 1, .scale = 1.5f, .given = 1};
    float logits[2 * EXPERTS], was[2 * EXPERTS], work[2 * EXPERTS], w[2 * USED];
    int32_t id[2 * USED] = {-1, -1, -1, 6, 0, 6};
    for (int i = 0; i < 2 * EXPERTS; i++)
        was[i] = logits[i] = 20 * world_number(12, (size_t)i);
    world_open(&world, cpu_best_tier(), 1, 64, 64);
    op_route(&world.op, id, w, logits, work, 2, EXPERTS, USED, &rule);
    world_close(&world);
    assert_true(id[3] == 6 && id[4] == 0 && id[5] == 6);
    for (int r = 0; r < 2; r++) {
        double sum = 0;
        for (int k = 0; k < USED; k++)
            sum += sqrt(log1p(exp((double)was[r * EXPERTS + id[r * USED + k]])));
        for (int k = 0; k < USED; k++)
            assert_near((double)w[r * USED + k],
                        1.5 * sqrt(log1p(exp((double)was[r * EXPERTS + id[r * USED + k]]))) / sum, 1e-6);
        for (int k = 1; r == 0 && k < USED; k++)
            assert_true(was[id[k]] <= was[id[k - 1]]);
    }
}

/* Roots of softplus below -87 are 0, and a row whose weights sum up to that takes nothing from its experts. Sigmoids never are: exp
 * ends at 88, so far down they are all alike. */
static void sums_of_zero(void **state)
{
    (void)state;
    enum { EXPERTS = 5, USED = 3 };
    static const enum route_gate gates[] = {ROUTE_SQRT_SOFTPLUS, ROUTE_SIGMOID};
    static const float was[2 * EXPERTS] = {-200, -100, -300, -88, -1e30f, -200, 1, -300, 2, -1e30f};
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int i = 0; i < 2; i++) {
            const struct route_rule rule = {.gate = gates[i], .normalise = 1, .scale = 2};
            float logits[2 * EXPERTS], work[2 * EXPERTS], w[2 * USED];
            int32_t id[2 * USED];
            memcpy(logits, was, sizeof was);
            world_open(&world, (enum cpu_tier)tier, 1, 64, 64);
            op_route(&world.op, id, w, logits, work, 2, EXPERTS, USED, &rule);
            world_close(&world);
            assert_true(id[0] == 0 && id[1] == 1 && id[2] == 2); /* ties */
            for (int k = 0; k < USED; k++)
                if (i == 0)
                    assert_true(w[k] == 0.0f);
                else
                    assert_near((double)w[k], 2.0 / USED, 1e-6);
            assert_true(id[USED] == 3 && id[USED + 1] == 1 && id[USED + 2] == 0);
            assert_near((double)(w[USED] + w[USED + 1]), 2, 1e-6);
        }
}

/* What is chosen by is changed: of the rows that it is for, before groups are, and weights know nothing of it. */
struct turned {
    int row;
    float add[12];
};

static void turn(const void *arg, int row, float *choice)
{
    const struct turned *t = arg;
    for (int e = 0; row == t->row && e < 12; e++)
        choice[e] += t->add[e];
}

static void turned_routes(void **state)
{
    (void)state;
    enum { EXPERTS = 12, USED = 4 };
    static const float was[EXPERTS] = {0.1f, 0.2f, 0.3f, 2, 2.1f, 2.2f, 3, 3.1f, 3.2f, 1, 1.1f, 1.2f};
    static const struct { /* of groups of three, two of which are taken: who is excluded, and who is chosen then */
        int excluded[EXPERTS], groups;
        int32_t id[USED];
    } cases[] = {
        {{-1}, 0, {8, 7, 6, 5}},
        {{8, 5, -1}, 0, {7, 6, 4, 3}},
        {{-1}, 1, {8, 7, 6, 5}},
        {{6, 7, -1}, 1, {8, 5, 4, 3}},     /* one is left, which is more than two of the last group */
        {{3, 4, -1}, 1, {8, 7, 6, 11}},    /* ... or less: the group is closed */
        {{6, 7, 8, -1}, 1, {5, 4, 3, 11}}, /* none is left */
        {{0, 1, 3, 4, 5, 9, 10, 11, -1}, 1, {8, 7, 6, 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct turned t = {.row = 1};
        float logits[3 * EXPERTS], work[3 * EXPERTS], w[3 * USED];
        int32_t id[3 * USED];
        const struct route_rule rule = {
            .gate = ROUTE_CHOSEN, .n_group = cases[i].groups ? 4 : 0, .n_group_used = 2, .turn = turn, .turn_arg = &t};
        for (int k = 0; cases[i].excluded[k] >= 0; k++)
            t.add[cases[i].excluded[k]] = -INFINITY;
        for (int r = 0; r < 3; r++)
            memcpy(logits + r * EXPERTS, was, sizeof was);
        world_open(&world, cpu_best_tier(), 2, 64, 64);
        op_route(&world.op, id, w, logits, work, 3, EXPERTS, USED, &rule);
        world_close(&world);
        double sum = 0;
        for (int k = 0; k < USED; k++) {
            assert_int_equal(id[k], cases[0].id[k]);
            assert_int_equal(id[2 * USED + k], cases[0].id[k]);
            if (id[USED + k] != cases[i].id[k])
                fail_msg("case %zu: %d is number %d, not %d", i, id[USED + k], k, cases[i].id[k]);
            sum += exp((double)was[id[USED + k]]);
        }
        for (int k = 0; k < USED; k++)
            assert_near((double)w[USED + k], exp((double)was[id[USED + k]]) / sum, 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms),        cmocka_unit_test(sums),         cmocka_unit_test(routes),
        cmocka_unit_test(equal_logits), cmocka_unit_test(not_a_number), cmocka_unit_test(saturated),
        cmocka_unit_test(soft_roots),   cmocka_unit_test(sums_of_zero), cmocka_unit_test(turned_routes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
