/* links: op kernel format base */
/* Routed experts: a small batch and a large one give the same bits, whatever the arrival, the waves, the threads and the tier; and both
 * are near the formula in double, near as the format of the activations allows. */
#include "op/moe.h"
#include "op_world.h"

enum { N_EXPERT = 6, N_USED = 2, N_EMBD = 256, N_FF = 256, MOST_ROWS = 150 };
enum { NO_GATE = TYPE_COUNT }; /* as the type of gates: experts of two matrices, squared ReLU */

struct bench {
    int gate; /* enum block_type, or NO_GATE */
    enum block_type up, down;
    uint8_t *weights[3][N_EXPERT];
    struct moe_expert expert[N_EXPERT];
    int32_t row[N_EXPERT][MOST_ROWS];
    float w[N_EXPERT][MOST_ROWS];
    int n_rows, n_uses;
    float *x;
};

/* Random blocks; what is an f16 scale in them is made a small number. */
static uint8_t *random_matrix(enum block_type type, uint32_t what, int n_rows, int n_cols)
{
    const struct block_info *t = type_info(type);
    size_t bytes = type_row_bytes(t, (size_t)n_rows * (size_t)n_cols);
    uint8_t *m = malloc(bytes);
    assert_non_null(m);
    if (type == TYPE_F32) {
        for (size_t i = 0; i < bytes / 4; i++)
            ((float *)(void *)m)[i] = world_number(what, i) / 8;
        return m;
    }
    for (size_t i = 0; i < bytes; i++)
        m[i] = (uint8_t)rng_u64(5, i, 1, what);
    for (size_t b = 0; b < bytes / (size_t)t->bytes; b++) {
        uint16_t scale = f16_from_f32((1.5f + world_number(what + 1, b)) / (type == TYPE_Q4_0 ? 64 : 4096));
        memcpy(m + b * (size_t)t->bytes + (type == TYPE_Q6_K ? (size_t)t->bytes - 2 : 0), &scale, 2);
        if (type == TYPE_Q4_K)
            memcpy(m + b * (size_t)t->bytes + 2, &scale, 2);
    }
    return m;
}

static void bench_open(struct bench *b, int gate, enum block_type up, enum block_type down, int n_rows)
{
    const enum block_type type[3] = {gate == NO_GATE ? TYPE_F32 : (enum block_type)gate, up, down};
    *b = (struct bench){.gate = gate, .up = up, .down = down, .n_rows = n_rows};
    b->x = world_floats(77, (size_t)(n_rows * N_EMBD));
    for (int r = 0; r < n_rows; r++) /* expert r % 5 and another: expert 5 is used by one row alone, some by none */
        for (int k = 0; k < N_USED; k++) {
            int e = k == 0 ? r % 5 : r == n_rows / 2 ? 5 : (r % 5 + 1 + r / 5 % 3) % 5;
            struct moe_expert *x = &b->expert[e];
            b->row[e][x->n] = r;
            b->w[e][x->n++] = 0.1f + fabsf(world_number(8, (size_t)(2 * r + k)));
        }
    for (int e = 0; e < N_EXPERT; e++) {
        struct moe_expert *x = &b->expert[e];
        struct wmat *part[3] = {&x->gate, &x->up, &x->down};
        for (int p = gate == NO_GATE; p < 3; p++) {
            int n = p < 2 ? N_FF : N_EMBD, k = p < 2 ? N_EMBD : N_FF;
            b->weights[p][e] = random_matrix(type[p], (uint32_t)(100 + 10 * e + 2 * p), n, k);
            *part[p] = (struct wmat){b->weights[p][e], type[p], n, k, type_row_bytes(type_info(type[p]), (size_t)k)};
        }
        x->row = b->row[e];
        x->w = b->w[e];
        x->first_use = b->n_uses;
        b->n_uses += x->n;
    }
}

static void bench_close(struct bench *b)
{
    for (int e = 0; e < N_EXPERT; e++)
        for (int p = 0; p < 3; p++)
            free(b->weights[p][e]);
    free(b->x);
}

static struct act open_act(struct op_world *w, const struct bench *b)
{
    struct act a = act_rows(&w->op, b->x, b->n_rows, N_EMBD, N_EMBD);
    if (b->gate != NO_GATE)
        op_view(&a, (enum block_type)b->gate);
    op_view(&a, b->up);
    return a;
}

static ffn_act_fn *kernel_of(const struct op_world *w, const struct bench *b)
{
    return b->gate == NO_GATE ? w->op.k->relu2 : w->op.k->silu_mul;
}

/* What a small batch allocates: copies of x, pairs, the call that takes most. */
static struct moe_small_batch small_batch_begin(struct op_world *w, const struct bench *b, struct act *a)
{
    *a = open_act(w, b);
    return op_moe_small_batch_begin(&w->op, b->n_uses, N_FF, N_EMBD, kernel_of(w, b));
}

static void open_small_batch(struct op_world *w, const struct bench *b, enum cpu_tier tier, int threads, int exact)
{
    struct act a;
    struct op *op = world_measure(w, exact);
    struct moe_small_batch f = small_batch_begin(w, b, &a);
    op_moe_small_batch(op, &f, b->expert, 1, &a);
    world_open_measured(w, tier, threads);
}

/* Small batch: experts arrive one by one or in pairs, in the order of a seed. */
static float *by_small_batch(const struct bench *b, enum cpu_tier tier, int threads, int exact, uint64_t seed)
{
    struct op_world w;
    int order[N_EXPERT], n = 0;
    struct act a;
    open_small_batch(&w, b, tier, threads, exact);
    struct moe_small_batch f = small_batch_begin(&w, b, &a);
    for (int e = 0; e < N_EXPERT; e++) {
        int at = (int)(rng_u64(seed, (uint64_t)e, 2, 0) % (uint64_t)(n + 1));
        memmove(order + at + 1, order + at, (size_t)(n++ - at) * sizeof *order);
        order[at] = e;
    }
    for (int i = 0; i < N_EXPERT;) {
        struct moe_expert ready[2];
        int m = 0;
        for (int most = 1 + (int)(seed & 1); m < most && i < N_EXPERT; i++)
            if (b->expert[order[i]].n > 0)
                ready[m++] = b->expert[order[i]];
        op_moe_small_batch(&w.op, &f, ready, m, &a);
    }
    float *y = malloc((size_t)(b->n_rows * N_EMBD) * sizeof *y);
    op_moe_sum(&w.op, &f, b->expert, N_EXPERT, y, b->n_rows);
    world_close(&w);
    return y;
}

static void open_large_batch(struct op_world *w, const struct bench *b, enum cpu_tier tier, int threads, int exact,
                             int keep)
{
    struct op *op = world_measure(w, exact);
    struct act a = open_act(w, b);
    op_moe_large_batch_begin(op, b->down, 0, b->n_uses, &a, NULL, N_EMBD, N_FF, kernel_of(w, b), keep);
    world_open_measured(w, tier, threads);
}

static void count_pause(void *arg) { ++*(int *)arg; }

/* Large batch: all experts at once, or in waves of so many; n_pauses NULL: nobody pauses. */
static float *in_waves(const struct bench *b, enum cpu_tier tier, int threads, int exact, int wave, int keep,
                       int *n_pauses)
{
    struct op_world w;
    open_large_batch(&w, b, tier, threads, exact, keep);
    w.op.pause = n_pauses ? count_pause : NULL;
    w.op.pause_arg = n_pauses;
    struct act a = open_act(&w, b);
    float *y = calloc((size_t)(b->n_rows * N_EMBD), sizeof *y);
    for (int first = 0; first < N_EXPERT; first += wave) {
        struct moe_expert ready[N_EXPERT];
        int n = 0, uses = 0;
        for (int e = first; e < first + wave && e < N_EXPERT; e++)
            if (b->expert[e].n > 0) {
                uses += b->expert[e].n;
                ready[n++] = b->expert[e];
            }
        if (n == 0)
            continue;
        size_t mark = arena_mark(w.op.scratch);
        struct moe_large_batch m = op_moe_large_batch_begin(&w.op, ready[0].down.type, ready[0].first_use, uses, &a, y,
                                                            N_EMBD, N_FF, kernel_of(&w, b), keep);
        op_moe_large_batch_hidden(&w.op, &m, ready + n / 2, n - n / 2); /* as they come */
        op_moe_large_batch_hidden(&w.op, &m, ready, n / 2);
        op_moe_large_batch_sum(&w.op, &m, ready, n);
        arena_reset(w.op.scratch, mark);
    }
    world_close(&w);
    return y;
}

static float *by_large_batch(const struct bench *b, enum cpu_tier tier, int threads, int exact, int wave, int keep)
{
    return in_waves(b, tier, threads, exact, wave, keep, NULL);
}

static double row_times(const struct wmat *w, int n, const double *x)
{
    static float row[512];
    double sum = 0;
    type_info(w->type)->decode(row, w->data + (size_t)n * w->row_bytes, (size_t)w->n_cols);
    for (int k = 0; k < w->n_cols; k++)
        sum += (double)row[k] * x[k];
    return sum;
}

/* The formula. */
static double *by_formula(const struct bench *b)
{
    double *y = calloc((size_t)(b->n_rows * N_EMBD), sizeof *y), x[N_EMBD], h[N_FF];
    for (int e = 0; e < N_EXPERT; e++)
        for (int i = 0; i < b->expert[e].n; i++) {
            const struct moe_expert *m = &b->expert[e];
            for (int k = 0; k < N_EMBD; k++)
                x[k] = (double)b->x[m->row[i] * N_EMBD + k];
            for (int n = 0; n < N_FF; n++) {
                double u = row_times(&m->up, n, x), g = b->gate == NO_GATE ? 0 : row_times(&m->gate, n, x);
                h[n] = b->gate == NO_GATE ? u > 0 ? u * u : 0 : g / (1 + exp(-g)) * u;
            }
            for (int n = 0; n < N_EMBD; n++)
                y[m->row[i] * N_EMBD + n] += (double)m->w[i] * row_times(&m->down, n, h);
        }
    return y;
}

static void expect_near(const struct bench *b, const float *y, double tolerance)
{
    double *want = by_formula(b), size = 0, worst = 0;
    for (int i = 0; i < b->n_rows * N_EMBD; i++) {
        size = fabs(want[i]) > size ? fabs(want[i]) : size;
        worst = fabs((double)y[i] - want[i]) > worst ? fabs((double)y[i] - want[i]) : worst;
    }
    if (!(worst <= tolerance * size))
        fail_msg("off by %g of %g", worst, size);
    free(want);
}

static void check(int gate, enum block_type up, enum block_type down, int n_rows, int exact, double tolerance)
{
    struct bench b;
    size_t values = (size_t)(n_rows * N_EMBD);
    bench_open(&b, gate, up, down, n_rows);
    float *truth = by_small_batch(&b, TIER_SCALAR, 1, exact, 0);
    expect_near(&b, truth, tolerance);
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int i = 0; i < 3; i++) {
            float *small = by_small_batch(&b, (enum cpu_tier)tier, i + 1, exact, (uint64_t)(i + 1));
            float *large = by_large_batch(&b, (enum cpu_tier)tier, 3 - i, exact,
                                          i == 0   ? 1
                                          : i == 1 ? 4
                                                   : N_EXPERT,
                                          i & 1);
            assert_bits(small, truth, values);
            assert_bits(large, truth, values);
            free(small);
            free(large);
        }
    free(truth);
    bench_close(&b);
}

static void float_experts(void **state)
{
    (void)state;
    check(TYPE_F32, TYPE_F32, TYPE_F32, 1, 0, 1e-6);
    check(TYPE_F32, TYPE_F32, TYPE_F32, MOE_SMALL_BATCH, 0, 1e-6);
}

static void quantised_experts(void **state)
{
    (void)state;
    check(TYPE_Q8_0, TYPE_Q8_0, TYPE_Q8_0, 3, 0, 0.03);
    check(TYPE_Q4_0, TYPE_Q4_0, TYPE_Q4_0, MOE_SMALL_BATCH, 0, 0.03);
    check(TYPE_Q4_K, TYPE_Q4_K, TYPE_Q6_K, 11, 0, 0.03);
    check(TYPE_Q4_K, TYPE_Q8_0, TYPE_F32, 7, 0, 0.03); /* mixed: gate and up need different copies of x */
}

static void exact_experts(void **state)
{
    (void)state;
    check(TYPE_Q4_K, TYPE_Q4_K, TYPE_Q6_K, 5, 1, 1e-6);
    check(TYPE_Q4_0, TYPE_Q8_0, TYPE_Q4_0, 5, 1, 1e-6);
}

static void experts_without_gates(void **state)
{
    (void)state;
    check(NO_GATE, TYPE_F32, TYPE_F32, 9, 0, 1e-6);
    check(NO_GATE, TYPE_Q4_K, TYPE_Q6_K, 11, 0, 0.03);
    check(NO_GATE, TYPE_Q4_0, TYPE_Q8_0, 16, 1, 1e-6);
}

/* A large batch of more rows than a block, against the same rows as a small batch; in parts of a block a thread where steps pause. */
static void several_blocks(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, TYPE_Q4_0, TYPE_Q4_0, TYPE_Q8_0, MOST_ROWS);
    for (int e = 0; e < N_EXPERT; e++)
        b.expert[e].n = 0;
    b.n_uses = 0;
    for (int e = 0; e < 2; e++) { /* two experts take every row */
        b.expert[e].first_use = b.n_uses;
        for (int r = 0; r < MOST_ROWS; r++) {
            b.row[e][r] = r;
            b.w[e][r] = 0.5f;
        }
        b.n_uses += b.expert[e].n = MOST_ROWS;
    }
    float *small = by_small_batch(&b, TIER_SCALAR, 2, 0, 1),
          *large = by_large_batch(&b, cpu_best_tier(), 3, 0, N_EXPERT, 1);
    int n_pauses = 0, blocks = (MOST_ROWS + 127) / 128, units = (N_EMBD + 255) / 256;
    float *paused = in_waves(&b, cpu_best_tier(), 1, 0, N_EXPERT, 1, &n_pauses);
    assert_bits(large, small, (size_t)(MOST_ROWS * N_EMBD));
    assert_bits(paused, small, (size_t)(MOST_ROWS * N_EMBD));
    assert_int_equal(n_pauses, 2 * blocks + units);
    free(paused);
    paused = in_waves(&b, cpu_best_tier(), 2, 0, N_EXPERT, 1, &n_pauses);
    assert_bits(paused, small, (size_t)(MOST_ROWS * N_EMBD));
    free(paused);
    free(small);
    free(large);
    bench_close(&b);
}

/* More uses of an expert than rows: a token's list, which comes from a file, names it several times. */
static void more_uses_than_rows(void **state)
{
    (void)state;
    enum { ROWS = 2, TIMES = 5 };
    struct bench b;
    bench_open(&b, TYPE_Q4_K, TYPE_Q8_0, TYPE_F32, ROWS);
    b.n_uses = 0;
    for (int e = 0; e < N_EXPERT; e++) {
        b.expert[e].first_use = b.n_uses;
        b.n_uses += b.expert[e].n = e == 1 ? ROWS * TIMES : 0;
        for (int i = 0; i < b.expert[e].n; i++) {
            b.row[e][i] = i / TIMES;
            b.w[e][i] = 0.25f;
        }
    }
    float *small = by_small_batch(&b, cpu_best_tier(), 2, 0, 1),
          *large = by_large_batch(&b, TIER_SCALAR, 1, 0, N_EXPERT, 0);
    assert_bits(small, large, ROWS * N_EMBD);
    free(small);
    free(large);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(float_experts),  cmocka_unit_test(quantised_experts),
                                       cmocka_unit_test(exact_experts),  cmocka_unit_test(experts_without_gates),
                                       cmocka_unit_test(several_blocks), cmocka_unit_test(more_uses_than_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
