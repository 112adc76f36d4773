/* links: op kernel format base */
/* Hyper-connections, held against their definition in double; a mixing matrix whose rows and columns sum to 1; the same bits on every
 * tier and any number of threads. */
#include "op/hyper.h"
#include "op_world.h"

enum { ROWS = 9, WIDTH = 300 }; /* more than a range of columns */

struct bench {
    struct hyper h;
    float *scale, *base, *mix, *x, *y;
};

static void bench_open(struct bench *b, int n, int iterations)
{
    size_t gates = (size_t)hyper_logits(n);
    *b = (struct bench){.scale = world_floats(1, 3),
                        .base = world_floats(2, gates),
                        .mix = world_floats(3, ROWS * gates),
                        .x = world_floats(4, ROWS * (size_t)(n * WIDTH)),
                        .y = world_floats(5, ROWS * WIDTH)};
    for (size_t i = 0; i < ROWS * gates; i++)
        b->mix[i] *= 4;
    b->h = (struct hyper){
        .n = n, .n_embd = WIDTH, .iterations = iterations, .eps = 1e-6f, .scale = b->scale, .base = b->base};
}

static void bench_close(struct bench *b)
{
    free(b->scale);
    free(b->base);
    free(b->mix);
    free(b->x);
    free(b->y);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* pre, post and comb of a row. */
static void gates_by_definition(const struct bench *b, const float *a, double *out)
{
    int n = b->h.n;
    double eps = (double)b->h.eps, *comb = out + 2 * n;
    for (int i = 0; i < hyper_logits(n); i++)
        out[i] = (double)a[i] * (double)b->scale[i < n ? 0 : i < 2 * n ? 1 : 2] + (double)b->base[i];
    for (int i = 0; i < n; i++) {
        out[i] = sigmoid(out[i]) + eps;
        out[n + i] = 2 * sigmoid(out[n + i]);
    }
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < n; j++)
            sum += exp(comb[i * n + j]);
        for (int j = 0; j < n; j++)
            comb[i * n + j] = exp(comb[i * n + j]) / sum + eps;
    }
    for (int k = 0; k < 2 * b->h.iterations - 1; k++)
        for (int i = 0; i < n; i++) { /* columns first, then rows and columns in turn */
            double sum = eps;
            for (int j = 0; j < n; j++)
                sum += comb[k % 2 ? i * n + j : j * n + i];
            for (int j = 0; j < n; j++)
                comb[k % 2 ? i * n + j : j * n + i] /= sum;
        }
}

/* Gates, what goes in, and the streams afterwards. */
static void run(const struct bench *b, enum cpu_tier tier, int threads, float *mix, float *u, float *x)
{
    struct op_world w;
    int gates = hyper_logits(b->h.n);
    world_open(&w, tier, threads, 64, 64);
    memcpy(mix, b->mix, ROWS * (size_t)gates * sizeof *mix);
    memcpy(x, b->x, ROWS * (size_t)(b->h.n * WIDTH) * sizeof *x);
    op_hyper_gates(&w.op, &b->h, mix, ROWS);
    op_hyper_in(&w.op, &b->h, u, x, mix, gates, ROWS);
    op_hyper_out(&w.op, &b->h, x, b->y, mix, ROWS);
    world_close(&w);
}

static void check(int n, int iterations)
{
    struct bench b;
    int gates = hyper_logits(n);
    double want[HYPER_STREAMS * (2 + HYPER_STREAMS)];
    static float mix[2][ROWS * HYPER_STREAMS * (2 + HYPER_STREAMS)], u[2][ROWS * WIDTH],
        x[2][ROWS * HYPER_STREAMS * WIDTH];
    bench_open(&b, n, iterations);
    run(&b, TIER_SCALAR, 1, mix[0], u[0], x[0]);
    for (int r = 0; r < ROWS; r++) {
        gates_by_definition(&b, b.mix + r * gates, want);
        for (int i = 0; i < gates; i++)
            assert_near((double)mix[0][r * gates + i], want[i], 2e-6);
        for (int c = 0; c < WIDTH; c++) {
            double in = 0;
            for (int i = 0; i < n; i++)
                in += want[i] * (double)b.x[(r * n + i) * WIDTH + c];
            assert_near((double)u[0][r * WIDTH + c], in, 1e-5);
            for (int j = 0; j < n; j++) {
                double out = want[n + j] * (double)b.y[r * WIDTH + c];
                for (int i = 0; i < n; i++)
                    out += want[2 * n + i * n + j] * (double)b.x[(r * n + i) * WIDTH + c];
                assert_near((double)x[0][(r * n + j) * WIDTH + c], out, 1e-5);
            }
        }
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int i = 0; i < n; i++)
                sum += (double)mix[0][r * gates + 2 * n + i * n + j];
            assert_near(sum, 1, 1e-5);
        }
    }
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int threads = 1; threads <= 4; threads += 3) {
            run(&b, (enum cpu_tier)tier, threads, mix[1], u[1], x[1]);
            assert_bits(mix[1], mix[0], (size_t)(ROWS * gates));
            assert_bits(u[1], u[0], ROWS * WIDTH);
            assert_bits(x[1], x[0], (size_t)(ROWS * n * WIDTH));
        }
    bench_close(&b);
}

static void streams(void **state)
{
    (void)state;
    for (int n = 1; n <= HYPER_STREAMS; n++)
        check(n, 20);
    check(4, 1);
}

/* Behind the last layer: sigmoids alone. */
static void last(void **state)
{
    (void)state;
    struct op_world w;
    struct bench b;
    float mix[ROWS * 4];
    bench_open(&b, 4, 20);
    memcpy(mix, b.mix, sizeof mix);
    world_open(&w, cpu_best_tier(), 2, 64, 64);
    op_hyper_pre(&w.op, &b.h, mix, ROWS);
    for (int i = 0; i < ROWS * 4; i++)
        assert_near((double)mix[i],
                    sigmoid((double)b.mix[i] * (double)b.scale[0] + (double)b.base[i % 4]) + (double)b.h.eps, 1e-6);
    world_close(&w);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(streams), cmocka_unit_test(last)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
