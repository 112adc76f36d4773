/* links: op kernel format base */
/* Mamba, the first and the second, and the convolution before them: near their formulas in double, and the same bits however a sequence
 * is cut into steps, beside another one, with any number of threads, on every tier. */
#include "op/recur.h"
#include "op/rows.h"
#include "op_world.h"

enum { N_ROWS = 11, N_SEQ = 2 };

static struct op_world world;

/* Runs of a batch that holds rows [first, first + n) of each sequence, one behind the other. */
static void two_runs(struct run run[N_SEQ], int n, float *history, size_t n_history, float *state, size_t n_state)
{
    for (int i = 0; i < N_SEQ; i++)
        run[i] = (struct run){
            .first = i * n, .n = n, .history = history + (size_t)i * n_history, .state = state + (size_t)i * n_state};
}

/* Rows [first, first + n) of both sequences of x [N_SEQ][N_ROWS][width], or back. */
static void gather(float *to, const float *x, int first, int n, size_t width)
{
    for (int i = 0; i < N_SEQ; i++)
        memcpy(to + (size_t)(i * n) * width, x + (size_t)(i * N_ROWS + first) * width, (size_t)n * width * sizeof *to);
}

static void scatter(float *x, const float *from, int first, int n, size_t width)
{
    for (int i = 0; i < N_SEQ; i++)
        memcpy(x + (size_t)(i * N_ROWS + first) * width, from + (size_t)(i * n) * width, (size_t)n * width * sizeof *x);
}

/* ---- Mamba-2 ------------------------------------------------------------------------------------------------------------------ */

struct ssm_case {
    int n_head, n_group, d, n_state;
    size_t width, values;           /* of a row: [x | B | C], y */
    float *in, *decay, *dt, *D, *y; /* [N_SEQ][N_ROWS][...]; D [n_head] */
};

static void ssm_open(struct ssm_case *c, int n_head, int n_group, int d, int n_state)
{
    *c = (struct ssm_case){n_head, n_group, d, n_state};
    c->values = (size_t)(n_head * d);
    c->width = c->values + 2 * (size_t)(n_group * n_state);
    size_t rows = N_SEQ * N_ROWS, gates = rows * (size_t)n_head;
    c->in = world_floats(1, rows * c->width);
    c->D = world_floats(2, (size_t)n_head);
    c->decay = malloc(gates * sizeof *c->decay);
    c->y = malloc(rows * c->values * sizeof *c->y);
    float *bias = world_floats(3, (size_t)n_head), *A = world_floats(4, (size_t)n_head);
    c->dt = world_floats(5, gates);
    for (int h = 0; h < n_head; h++)
        A[h] = -1.5f + A[h];
    float *raw = world_floats(5, gates);
    op_ssm_steps(&world.op, c->decay, c->dt, bias, A, (int)rows, n_head);
    for (size_t i = 0; i < gates; i++) {
        double dt = log1p(exp((double)raw[i] + (double)bias[i % (size_t)n_head]));
        assert_near((double)c->dt[i], dt, 1e-6);
        assert_near((double)c->decay[i], exp((double)A[i % (size_t)n_head] * dt), 1e-6);
    }
    free(raw);
    free(bias);
    free(A);
}

static void ssm_close(struct ssm_case *c)
{
    float *const all[] = {c->in, c->decay, c->dt, c->D, c->y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* y of all rows, computed n at a time. */
static void ssm_run(struct ssm_case *c, int n)
{
    size_t n_state = c->values * (size_t)c->n_state, heads = (size_t)c->n_head;
    float *state = calloc(N_SEQ * n_state, sizeof *state), *in = malloc(N_SEQ * N_ROWS * c->width * sizeof *in),
          *decay = malloc(N_SEQ * N_ROWS * heads * sizeof *decay), *dt = malloc(N_SEQ * N_ROWS * heads * sizeof *dt),
          *y = malloc(N_SEQ * N_ROWS * c->values * sizeof *y);
    for (int first = 0, m; first < N_ROWS; first += m) {
        struct run run[N_SEQ];
        m = N_ROWS - first < n ? N_ROWS - first : n;
        two_runs(run, m, NULL, 0, state, n_state);
        gather(in, c->in, first, m, c->width);
        gather(decay, c->decay, first, m, heads);
        gather(dt, c->dt, first, m, heads);
        struct ssm s = {.n_head = c->n_head,
                        .n_group = c->n_group,
                        .d = c->d,
                        .n_state = c->n_state,
                        .x = in,
                        .B = in + c->values,
                        .C = in + c->values + (size_t)(c->n_group * c->n_state),
                        .decay = decay,
                        .dt = dt,
                        .D = c->D,
                        .ld = c->width,
                        .y = y};
        op_ssm(&world.op, &s, run, N_SEQ);
        scatter(c->y, y, first, m, c->values);
    }
    float *const all[] = {state, in, decay, dt, y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void ssm_near_formula(const struct ssm_case *c)
{
    enum { MOST = 200 };
    for (int q = 0; q < N_SEQ; q++)
        for (int h = 0; h < c->n_head; h++)
            for (int j = 0; j < c->d; j++) {
                double state[MOST] = {0};
                for (int r = 0; r < N_ROWS; r++) {
                    size_t row = (size_t)(q * N_ROWS + r), gate = row * (size_t)c->n_head + (size_t)h;
                    size_t column = (size_t)(h * c->d + j), group = (size_t)(h / (c->n_head / c->n_group) * c->n_state);
                    const float *B = c->in + row * c->width + c->values + group,
                                *C = B + (size_t)(c->n_group * c->n_state);
                    double x = (double)c->in[row * c->width + column], y = (double)c->D[h] * x;
                    for (int i = 0; i < c->n_state; i++) {
                        state[i] = (double)c->decay[gate] * state[i] + (double)B[i] * (double)c->dt[gate] * x;
                        y += state[i] * (double)C[i];
                    }
                    assert_near((double)c->y[row * c->values + column], y, 1e-5);
                }
            }
}

static void mamba2(void **state)
{
    static const int cases[][4] = {{6, 2, 16, 16}, {4, 4, 64, 18}, {3, 1, 33, 5}, {8, 2, 96, 128}, {1, 1, 1, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ssm_case c;
        float *truth = NULL;
        size_t n = 0;
        for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
            for (int threads = 1; threads <= 3; threads++) {
                world_open(&world, (enum cpu_tier)tier, threads, 4096, 64);
                ssm_open(&c, cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
                ssm_run(&c, threads == 1 ? N_ROWS : threads);
                if (!truth) {
                    n = N_SEQ * N_ROWS * c.values;
                    truth = malloc(n * sizeof *truth);
                    memcpy(truth, c.y, n * sizeof *truth);
                    ssm_near_formula(&c);
                }
                assert_bits(c.y, truth, n);
                ssm_close(&c);
                world_close(&world);
            }
        free(truth);
    }
}

/* ---- Mamba-1 ------------------------------------------------------------------------------------------------------------------ */

struct channels_case {
    int n_channel, n_state;
    float *x, *dt, *B, *C, *A, *D, *bias, *y; /* [N_SEQ][N_ROWS][...]; A [n_state][n_channel]; D, bias [n_channel] */
};

static void channels_open(struct channels_case *c, int n_channel, int n_state)
{
    size_t rows = N_SEQ * N_ROWS, n = (size_t)n_channel, states = (size_t)n_state;
    *c = (struct channels_case){n_channel, n_state};
    c->x = world_floats(11, rows * n);
    c->dt = world_floats(12, rows * n);
    c->B = world_floats(13, rows * states);
    c->C = world_floats(14, rows * states);
    c->A = world_floats(15, states * n);
    c->D = world_floats(16, n);
    c->bias = world_floats(17, n);
    c->y = malloc(rows * n * sizeof *c->y);
    for (size_t i = 0; i < states * n; i++)
        c->A[i] -= 1.5f;
}

static void channels_close(struct channels_case *c)
{
    float *const all[] = {c->x, c->dt, c->B, c->C, c->A, c->D, c->bias, c->y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* y of all rows, computed n at a time. */
static void channels_run(struct channels_case *c, int n)
{
    size_t width = (size_t)c->n_channel, states = (size_t)c->n_state, rows = N_SEQ * N_ROWS;
    float *state = calloc(N_SEQ * states * width, sizeof *state), *x = malloc(rows * width * sizeof *x),
          *dt = malloc(rows * width * sizeof *dt), *y = malloc(rows * width * sizeof *y),
          *B = malloc(rows * states * sizeof *B), *C = malloc(rows * states * sizeof *C);
    for (int first = 0, m; first < N_ROWS; first += m) {
        struct run run[N_SEQ];
        m = N_ROWS - first < n ? N_ROWS - first : n;
        two_runs(run, m, NULL, 0, state, states * width);
        gather(x, c->x, first, m, width);
        gather(dt, c->dt, first, m, width);
        gather(B, c->B, first, m, states);
        gather(C, c->C, first, m, states);
        struct ssm_channels s = {c->n_channel, c->n_state, x, B, C, c->A, c->D, c->bias, dt, y};
        op_ssm_channels(&world.op, &s, run, N_SEQ);
        scatter(c->y, y, first, m, width);
    }
    float *const all[] = {state, x, dt, y, B, C};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void channels_near_formula(const struct channels_case *c)
{
    enum { MOST = 20 };
    for (int q = 0; q < N_SEQ; q++)
        for (int j = 0; j < c->n_channel; j++) {
            double state[MOST] = {0};
            for (int r = 0; r < N_ROWS; r++) {
                size_t row = (size_t)(q * N_ROWS + r), at = row * (size_t)c->n_channel + (size_t)j;
                double x = (double)c->x[at], dt = log1p(exp((double)c->dt[at] + (double)c->bias[j]));
                double y = (double)c->D[j] * x;
                for (int i = 0; i < c->n_state; i++) {
                    size_t s = row * (size_t)c->n_state + (size_t)i;
                    state[i] = exp((double)c->A[i * c->n_channel + j] * dt) * state[i] + (double)c->B[s] * dt * x;
                    y += state[i] * (double)c->C[s];
                }
                assert_near((double)c->y[at], y, 1e-5);
            }
        }
}

static void mamba1(void **state)
{
    static const int cases[][2] = {{64, 16}, {300, 8}, {513, 3}, {1, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct channels_case c;
        float *truth = NULL;
        size_t n = (size_t)(N_SEQ * N_ROWS * cases[i][0]);
        for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
            for (int threads = 1; threads <= 3; threads++) {
                world_open(&world, (enum cpu_tier)tier, threads, 4096, 64);
                channels_open(&c, cases[i][0], cases[i][1]);
                channels_run(&c, threads == 1 ? N_ROWS : threads);
                if (!truth) {
                    truth = malloc(n * sizeof *truth);
                    memcpy(truth, c.y, n * sizeof *truth);
                    channels_near_formula(&c);
                }
                assert_bits(c.y, truth, n);
                channels_close(&c);
                world_close(&world);
            }
        free(truth);
    }
}

enum { WITH_BIAS = 1, PLAIN };

/* ---- the convolution ---------------------------------------------------------------------------------------------------------- */

/* bias: NULL where how is not WITH_BIAS. */
static void conv_run(float *y, const float *x, const float *c, const float *bias, int how, int width, int n_channel,
                     int n)
{
    size_t channels = (size_t)n_channel, past = (size_t)(width - 1) * channels;
    float *history = calloc(N_SEQ * past + 1, sizeof *history), *in = malloc(N_SEQ * N_ROWS * channels * sizeof *in),
          *out = malloc(N_SEQ * N_ROWS * channels * sizeof *out);
    for (int first = 0, m; first < N_ROWS; first += m) {
        struct run run[N_SEQ];
        m = N_ROWS - first < n ? N_ROWS - first : n;
        two_runs(run, m, history, past, NULL, 0);
        gather(in, x, first, m, channels);
        if (how == PLAIN)
            op_conv_plain(&world.op, out, in, c, width, n_channel, run, N_SEQ);
        else
            op_conv(&world.op, out, in, c, bias, width, n_channel, run, N_SEQ);
        scatter(y, out, first, m, channels);
    }
    free(history);
    free(in);
    free(out);
}

static double conv_formula(const float *x, const float *c, const float *bias, int how, int width, int n_channel,
                           int row, int j)
{
    double sum = bias ? (double)bias[j] : 0;
    for (int t = 0; t < width; t++)
        if (row % N_ROWS + t - width + 1 >= 0)
            sum += (double)c[t * n_channel + j] * (double)x[(row + t - width + 1) * n_channel + j];
    return how == PLAIN ? sum : sum / (1 + exp(-sum));
}

/* Taps three rows apart are each third row's own convolution. */
static void taps_apart(void **state)
{
    enum { APART = 3, WIDTH = 4, PAST = (WIDTH - 1) * APART, N = 270, VALUES = N_SEQ * N_ROWS * N };
    float *x = world_floats(6, VALUES), *c = world_floats(7, WIDTH * N), *y = malloc(VALUES * sizeof *y);
    float *in = malloc(VALUES * sizeof *in), *out = malloc(VALUES * sizeof *out), *truth = malloc(VALUES * sizeof *out);
    (void)state;
    for (int n = N_ROWS; n > 0; n -= n == N_ROWS ? N_ROWS - 4 : 1) {
        float *history = calloc(N_SEQ * PAST * N, sizeof *history);
        world_open(&world, n % 2 ? TIER_SCALAR : cpu_best_tier(), 1 + n % 3, 4096, 64);
        for (int first = 0, m; first < N_ROWS; first += m) {
            struct run run[N_SEQ];
            m = N_ROWS - first < n ? N_ROWS - first : n;
            two_runs(run, m, history, PAST * N, NULL, 0);
            gather(in, x, first, m, N);
            op_conv_apart(&world.op, out, in, c, WIDTH, APART, N, run, N_SEQ);
            scatter(n == N_ROWS ? truth : y, out, first, m, N);
        }
        if (n < N_ROWS)
            assert_bits(y, truth, VALUES);
        world_close(&world);
        free(history);
    }
    for (int i = 0; i < VALUES; i++) {
        double sum = 0;
        for (int t = 0, back; t < WIDTH; t++)
            if (i / N % N_ROWS >= (back = (WIDTH - 1 - t) * APART))
                sum += (double)c[t * N + i % N] * (double)x[i - back * N];
        assert_near((double)truth[i], sum / (1 + exp(-sum)), 1e-6);
    }
    free(x);
    free(c);
    free(y);
    free(in);
    free(out);
    free(truth);
}

static void convolution(void **state)
{
    enum { MOST = 300, VALUES = N_SEQ * N_ROWS * MOST };
    static const int cases[][2] = {{2, 1}, {4, 160}, {4, 300}, {8, 17}, {1, 257}};
    static float y[VALUES], truth[VALUES];
    float *x = world_floats(6, VALUES), *c = world_floats(7, CONV_MOST * MOST), *bias = world_floats(8, MOST);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int how = 0; how <= PLAIN; how++) {
            const float *with = how == WITH_BIAS ? bias : NULL;
            int width = cases[i][0], n = cases[i][1];
            for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
                for (int threads = 1; threads <= 3; threads++) {
                    int first = tier == 0 && threads == 1;
                    world_open(&world, (enum cpu_tier)tier, threads, 4096, 64);
                    conv_run(first ? truth : y, x, c, with, how, width, n, first ? N_ROWS : threads);
                    if (!first)
                        assert_bits(y, truth, (size_t)(N_SEQ * N_ROWS * n));
                    world_close(&world);
                }
            for (int row = 0; row < N_SEQ * N_ROWS; row++)
                for (int j = 0; j < n; j++)
                    assert_near((double)truth[row * n + j], conv_formula(x, c, with, how, width, n, row, j), 1e-6);
        }
    free(x);
    free(c);
    free(bias);
}

/* Each group by itself, as a norm of its own would have it. */
static void norms_of_groups(void **state)
{
    enum { GROUPS = 3, N = 37, ROW = GROUPS * N };
    float *x = world_floats(9, N_ROWS * ROW), *w = world_floats(10, ROW), *b = world_floats(11, N), y[N_ROWS * ROW],
          one[N];
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        world_open(&world, cpu_best_tier(), threads, 4096, 64);
        op_group_norm(&world.op, y, x, w, N_ROWS, GROUPS, N, 1e-5f);
        for (int r = 0; r < N_ROWS; r++)
            for (int g = 0; g < GROUPS; g++) {
                op_rms_norm(&world.op, one, x + r * ROW + g * N, w + g * N, 1, N, 1e-5f);
                assert_bits(y + r * ROW + g * N, one, N);
            }
        op_group_layer_norm(&world.op, y, x, w, b, N_ROWS, GROUPS, N, 1e-5f);
        for (int r = 0; r < N_ROWS; r++)
            for (int g = 0; g < GROUPS; g++) {
                op_layer_norm(&world.op, one, x + r * ROW + g * N, w + g * N, b, 1, N, 1e-5f);
                assert_bits(y + r * ROW + g * N, one, N);
            }
        world_close(&world);
    }
    free(x);
    free(w);
    free(b);
}

/* ---- decays a key channel ------------------------------------------------------------------------------------------------------ */

static void decays_of_keys(void **state)
{
    enum { HEADS = 3, N = 37, ROW = HEADS * N, ALL = N_ROWS * ROW };
    (void)state;
    for (int bounded = 0; bounded < 2; bounded++) {
        float truth[ALL], lowest = bounded ? -5.0f : 0.0f;
        for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
            for (int sign = -1; sign <= 1; sign += 2) {
                world_open(&world, (enum cpu_tier)tier, 1 + (sign > 0), 4096, 64);
                float *x = world_floats(21, ALL), *raw = world_floats(21, ALL), *dt = world_floats(22, ROW);
                float A[HEADS] = {0.25f, 1.5f, 4.0f};
                for (int h = 0; h < HEADS; h++)
                    A[h] *= (float)sign;
                op_decay_keys(&world.op, x, A, dt, lowest, N_ROWS, HEADS, N);
                if (tier == 0 && sign < 0)
                    memcpy(truth, x, sizeof truth);
                assert_bits(x, truth, ALL);
                for (int i = 0; i < ALL; i++) {
                    double rate = fabs((double)A[i % ROW / N]), f = (double)raw[i] + (double)dt[i % ROW];
                    double want = bounded ? (double)lowest / (1 + exp(-rate * f)) : -rate * log1p(exp(f));
                    assert_near((double)x[i], exp(want), 2e-6);
                }
                free(x);
                free(raw);
                free(dt);
                world_close(&world);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mamba2),         cmocka_unit_test(mamba1),
                                       cmocka_unit_test(decays_of_keys), cmocka_unit_test(convolution),
                                       cmocka_unit_test(taps_apart),     cmocka_unit_test(norms_of_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
