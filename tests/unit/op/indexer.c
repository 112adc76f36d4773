/* links: op kernel format base */
/* Sparse attention: what is chosen, compared with scores and ranks computed here in the plainest way; attention over what
 * is chosen, held against its definition, on every tier and any number of threads; and that choosing everything gives the bits of
 * seeing everything. Rows of pages are positions, or compressed: several each. */
#include "op/indexer.h"
#include "kernel/tiers.h"
#include "op_world.h"

enum { MOST_ROWS = 24, MOST_KEPT = 900, MOST_PAGES = 450, HEADS = 12, D = 32, D_V = 16 };

/* Rows of two sequences: three quarters are the first's. */
struct bench {
    struct kv_shape shape;
    struct attn_row row[MOST_ROWS];
    int n_rows;
    uint8_t *page[2][MOST_PAGES];
    float *k[2]; /* [MOST_KEPT][D] as they are stored: index keys and keys are the same here */
    float *q, *w;
};

/* D is one group. */
static void store_codes(struct bench *b, uint8_t *page, int slot, const float *k)
{
    float most = 0;
    for (int d = 0; d < D; d++)
        most = fabsf(k[d]) > most ? fabsf(k[d]) : most;
    for (int d = 0; d < D; d++)
        ((int8_t *)page)[slot * D + d] = (int8_t)nearbyintf(k[d] * (127 / most));
    kv_scales(&b->shape, page, D)[slot] = f16_from_f32(most / 127);
}

static void store(struct bench *b, uint8_t *page, int slot, float *k)
{
    if (b->shape.type == KV_Q8_0) {
        store_codes(b, page, slot, k);
        return;
    }
    for (int d = 0; d < D; d++) {
        uint16_t half = f16_from_f32(k[d]);
        if (b->shape.type == KV_F16) {
            ((uint16_t *)page)[slot * D + d] = half;
            k[d] = f16_to_f32(half);
        } else
            ((float *)page)[slot * D + d] = k[d];
    }
}

static void bench_open(struct bench *b, enum kv_type type, int ratio, int n_rows, int last)
{
    *b = (struct bench){.shape = {.n_head_kv = 1, .d_k = D, .ratio = ratio, .type = type}, .n_rows = n_rows};
    int rows = kv_page_rows(&b->shape);
    for (int s = 0; s < 2; s++) {
        b->k[s] = world_floats((uint32_t)(40 + s), MOST_KEPT * D);
        for (int i = 0; i < MOST_PAGES; i++) {
            b->page[s][i] = aligned_alloc(64, (kv_page_bytes(&b->shape) + 63) / 64 * 64);
            memset(b->page[s][i], 0xFF, kv_page_bytes(&b->shape)); /* what was not stored is not a number */
        }
        for (int p = 0; p <= last; p++)
            store(b, b->page[s][p / rows], p % rows, b->k[s] + p * D);
    }
    for (int r = 0; r < n_rows; r++) {
        int s = r >= n_rows * 3 / 4;
        int pos = last - n_rows + 1 + r - 7 * s;
        b->row[r] = (struct attn_row){.page = b->page[s], .pos = pos, .last = pos, .seq = s};
    }
    b->q = world_floats(50, (size_t)(n_rows * HEADS * D));
    b->w = world_floats(51, (size_t)(n_rows * HEADS));
}

static void bench_close(struct bench *b)
{
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < MOST_PAGES; i++)
            free(b->page[s][i]);
        free(b->k[s]);
    }
    free(b->q);
    free(b->w);
}

static float dot(const float *q, const float *k)
{
    float lane[16] = {0};
    for (int d = 0; d < D; d++)
        lane[d % 16] = fmaf(q[d], k[d], lane[d % 16]);
    return tree16(lane);
}

/* ---- what is chosen ----------------------------------------------------------------------------------------------------------- */

static float index_score(const struct bench *b, int r, int p)
{
    float sum = 0;
    for (int h = 0; h < HEADS; h++) {
        float s = dot(b->q + (r * HEADS + h) * D, b->k[b->row[r].seq] + p * D);
        float part = b->w ? b->w[r * HEADS + h] * (s > 0 ? s : 0) : s > 0 ? s : 0;
        sum = sum + part;
    }
    return sum == sum ? sum : -INFINITY;
}

/* Those that fewer than top_k are better than; of equals the lower is better. */
static int expected_choice(const struct bench *b, int r, int top_k, int32_t *out)
{
    static float score[MOST_KEPT];
    int n = 0, pos = b->row[r].pos;
    for (int p = 0; p <= pos; p++)
        score[p] = index_score(b, r, p);
    for (int p = 0; p <= pos; p++) {
        int better = 0;
        for (int i = 0; i <= pos; i++)
            better += score[i] > score[p] || (score[i] == score[p] && i < p);
        if (better < top_k)
            out[n++] = p;
    }
    return n;
}

static void check_choice(struct bench *b, int top_k, int threads, enum cpu_tier tier)
{
    struct op_world w;
    int32_t want[MOST_KEPT], *got = malloc((size_t)(b->n_rows * top_k) * sizeof *got);
    memset(got, 0x55, (size_t)(b->n_rows * top_k) * sizeof *got);
    struct indexer x = {
        .n_head = HEADS, .d = D, .top_k = top_k, .shape = b->shape, .row = b->row, .n_rows = b->n_rows, .q = b->q};
    x.w = b->w;
    op_index(world_measure(&w, 0), &x, NULL);
    world_open_measured(&w, tier, threads);
    op_index(&w.op, &x, got);
    for (int r = 0; r < b->n_rows; r++) {
        if (b->row[r].pos < top_k) /* it sees at most top_k: its choice is not written */
            memset(want, 0x55, sizeof want);
        else
            assert_int_equal(expected_choice(b, r, top_k, want), top_k);
        assert_memory_equal(got + r * top_k, want, (size_t)top_k * sizeof *want);
    }
    world_close(&w);
    free(got);
}

static void choices(void **state)
{
    (void)state;
    static const struct {
        enum kv_type type;
        int ratio, n_rows, last;
    } cases[] = {{KV_F32, 0, 24, 700}, {KV_F16, 1, 1, 899}, {KV_F16, 4, 3, 640}};
    static const int top_k[] = {1, 3, 20, 31, 256, 700};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b;
        bench_open(&b, cases[i].type, cases[i].ratio, cases[i].n_rows, cases[i].last);
        for (int k = 0; k < 6; k++)
            for (int threads = 1; threads <= 3; threads++)
                check_choice(&b, top_k[k], threads, k % 2 ? TIER_SCALAR : cpu_best_tier());
        bench_close(&b);
    }
}

/* Blocks that each head takes: those that fewer than top_k are better than, the last n_local first. */
static void check_blocks(struct bench *b, int block, int n_local, int top_k, int threads, enum cpu_tier tier)
{
    struct op_world w;
    size_t n = (size_t)(b->n_rows * HEADS * top_k);
    int32_t *got = malloc(n * sizeof *got);
    struct indexer x = {.n_head = HEADS, .d = D, .top_k = top_k, .shape = b->shape, .row = b->row};
    x.n_rows = b->n_rows;
    x.q = b->q;
    x.block = block;
    x.n_local = n_local;
    memset(got, 0x55, n * sizeof *got);
    op_index(world_measure(&w, 0), &x, NULL);
    world_open_measured(&w, tier, threads);
    op_index(&w.op, &x, got);
    for (int r = 0; r < b->n_rows; r++)
        for (int h = 0; h < HEADS; h++) {
            float worth[MOST_KEPT];
            int pos = b->row[r].pos, blocks = pos < 0 ? 0 : pos / block + 1, taken = 0;
            const int32_t *list = got + (r * HEADS + h) * top_k;
            for (int i = 0; i < blocks; i++) {
                worth[i] = blocks - i <= n_local ? INFINITY : -INFINITY;
                for (int p = i * block; p < (i + 1) * block && p <= pos; p++)
                    worth[i] = fmaxf(worth[i], dot(b->q + (r * HEADS + h) * D, b->k[b->row[r].seq] + p * D));
            }
            for (int i = 0; i < blocks && blocks > top_k; i++) {
                int better = 0;
                for (int j = 0; j < blocks; j++)
                    better += worth[j] > worth[i] || (worth[j] == worth[i] && j < i);
                if (better < top_k)
                    assert_int_equal(list[taken++], i);
            }
            assert_int_equal(taken, blocks > top_k ? top_k : 0);
            if (!taken) /* it sees everything: nothing is written */
                assert_int_equal(list[0], 0x55555555);
        }
    world_close(&w);
    free(got);
}

static void blocks_of_heads(void **state)
{
    (void)state;
    static const struct {
        enum kv_type type;
        int n_rows, last, block, n_local, top_k;
    } cases[] = {{KV_F32, 24, 700, 16, 1, 5}, {KV_F16, 1, 899, 8, 2, 16},  {KV_F16, 3, 640, 128, 1, 3},
                 {KV_F32, 6, 255, 32, 0, 2},  {KV_F16, 9, 520, 256, 1, 1}, {KV_F32, 5, 300, 4, 3, 70}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b;
        bench_open(&b, cases[i].type, 0, cases[i].n_rows, cases[i].last);
        for (int threads = 1; threads <= 3; threads++)
            check_blocks(&b, cases[i].block, cases[i].n_local, cases[i].top_k, threads,
                         threads % 2 ? TIER_SCALAR : cpu_best_tier());
        bench_close(&b);
    }
}

/* Numbers of the most best of n, ascending; of equals the lower is better. */
static int best_of(const float *worth, int n, int most, int32_t *out)
{
    int taken = 0;
    for (int i = 0; i < n; i++) {
        int better = 0;
        for (int j = 0; j < n; j++)
            better += worth[j] > worth[i] || (worth[j] == worth[i] && j < i);
        if (better < most)
            out[taken++] = i;
    }
    return taken;
}

/* Blocks by the best of their scores, the newest first; then keys within these. */
static void check_two_steps(struct bench *b, int block, int n_block, int top_k, int threads, enum cpu_tier tier)
{
    struct op_world w;
    int32_t *blocks = malloc((size_t)(b->n_rows * n_block) * sizeof *blocks);
    int32_t *got = malloc((size_t)(b->n_rows * top_k) * sizeof *got);
    struct indexer keys = {
        .n_head = HEADS, .d = D, .top_k = top_k, .shape = b->shape, .row = b->row, .q = b->q, .w = b->w};
    keys.n_rows = b->n_rows;
    struct indexer pools = keys;
    pools.block = block;
    pools.n_local = pools.together = 1;
    pools.top_k = n_block;
    keys.within = blocks;
    keys.n_within = n_block;
    keys.within_block = block;
    memset(blocks, 0x55, (size_t)(b->n_rows * n_block) * sizeof *blocks);
    op_index(world_measure(&w, 0), &pools, NULL);
    op_index(&w.op, &keys, NULL);
    world_open_measured(&w, tier, threads);
    op_index(&w.op, &pools, blocks);
    op_index(&w.op, &keys, got);
    for (int r = 0; r < b->n_rows; r++) {
        float score[MOST_KEPT], worth[MOST_KEPT];
        int32_t want[MOST_KEPT];
        int pos = b->row[r].pos, n = pos / block + 1;
        for (int i = 0; i < n; i++) {
            worth[i] = i == n - 1 ? INFINITY : -INFINITY;
            for (int p = i * block; p < (i + 1) * block && p <= pos; p++)
                worth[i] = fmaxf(worth[i], score[p] = index_score(b, r, p));
        }
        if (n > n_block) {
            assert_int_equal(best_of(worth, n, n_block, want), n_block);
            assert_memory_equal(blocks + r * n_block, want, (size_t)n_block * sizeof *want);
            for (int p = 0, i = 0; p <= pos; p++) {
                i += i + 1 < n_block && p / block > want[i];
                score[p] = want[i] == p / block ? score[p] : -INFINITY;
            }
        } else
            assert_int_equal(blocks[r * n_block], 0x55555555); /* it sees them all: nothing is written */
        if (pos >= top_k) {
            assert_int_equal(best_of(score, pos + 1, top_k, want), top_k);
            assert_memory_equal(got + r * top_k, want, (size_t)top_k * sizeof *want);
        }
    }
    world_close(&w);
    free(got);
    free(blocks);
}

static void two_steps(void **state)
{
    (void)state;
    static const struct {
        enum kv_type type;
        int ratio, n_rows, last, block, n_block, top_k;
    } cases[] = {{KV_F32, 0, 24, 700, 8, 20, 31}, {KV_F16, 1, 1, 899, 4, 60, 200}, {KV_F16, 4, 3, 640, 16, 3, 33}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b;
        bench_open(&b, cases[i].type, cases[i].ratio, cases[i].n_rows, cases[i].last);
        for (int threads = 1; threads <= 3; threads++)
            check_two_steps(&b, cases[i].block, cases[i].n_block, cases[i].top_k, threads,
                            threads % 2 ? TIER_SCALAR : cpu_best_tier());
        bench_close(&b);
    }
}

/* A product beyond f32 is the best of the others, but no local block. */
static void infinite_products(void **state)
{
    (void)state;
    enum { BLOCK = 16, ROWS = 3, LAST = 640, FAR = 5 * BLOCK + 3 };
    struct bench b;
    bench_open(&b, KV_F32, 0, ROWS, LAST);
    for (int d = 0; d < D; d++) {
        b.k[0][FAR * D + d] = copysignf(3e38f, b.q[d]);
        b.q[d] = copysignf(fabsf(b.q[d]) + 1, b.q[d]);
    }
    store(&b, b.page[0][FAR / KV_PAGE], FAR % KV_PAGE, b.k[0] + FAR * D);
    for (int top_k = 1; top_k <= 2; top_k++) {
        struct op_world w;
        int32_t got[ROWS * HEADS * 2];
        struct indexer x = {
            .n_head = HEADS, .d = D, .top_k = top_k, .shape = b.shape, .row = b.row, .n_rows = ROWS, .q = b.q};
        x.block = BLOCK;
        x.n_local = 1;
        op_index(world_measure(&w, 0), &x, NULL);
        world_open_measured(&w, cpu_best_tier(), 2);
        op_index(&w.op, &x, got);
        assert_int_equal(b.row[0].seq, 0);
        assert_true(isinf(dot(b.q, b.k[0] + FAR * D)));
        assert_int_equal(got[top_k - 1], b.row[0].pos / BLOCK); /* of head 0 */
        if (top_k == 2)
            assert_int_equal(got[0], FAR / BLOCK);
        world_close(&w);
    }
    bench_close(&b);
}

/* Equal scores: the lower ones. A score that is not a number comes last. Nothing to be seen. */
static void ties_and_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, KV_F16, 4, 3, 640); /* without weights many scores are 0 */
    free(b.w);
    b.w = NULL;
    check_choice(&b, 20, 1, TIER_SCALAR);
    check_choice(&b, 500, 3, cpu_best_tier());
    bench_close(&b);
    bench_open(&b, KV_F32, 0, 6, 600);
    for (int i = 0; i < 3 * HEADS; i++)
        b.w[i] = 0;
    b.w[4 * HEADS] = NAN;
    b.row[5].pos = -1;
    for (int threads = 1; threads <= 4; threads += 3) {
        check_choice(&b, 33, threads, TIER_SCALAR);
        check_choice(&b, 33, threads, cpu_best_tier());
    }
    bench_close(&b);
}

/* ---- attention over what is chosen --------------------------------------------------------------------------------------------- */

struct sums {
    float M, L, o[D_V];
};

/* One split: rows list [n], in lanes [n]. */
static void add_split(const struct bench *b, int r, int head, const int32_t *list, const int *lanes, int n,
                      struct sums *s)
{
    float x[ATTN_PAGE], lane[16] = {0}, a[D_V] = {0}, m = -INFINITY;
    const float *keys = b->k[b->row[r].seq], *q = b->q + (r * HEADS + head) * D;
    for (int i = 0; i < n; i++) {
        x[i] = dot(q, keys + list[i] * D) * 0.2f;
        m = x[i] > m ? x[i] : m;
    }
    for (int i = 0; i < n; i++) {
        float e = ref_expf(x[i] - m);
        lane[lanes[i] % 16] += e;
        for (int d = 0; d < D_V; d++)
            a[d] = fmaf(e, keys[list[i] * D + d], a[d]);
    }
    float N = m > s->M ? m : s->M, co = ref_expf(s->M - N), cn = ref_expf(m - N);
    s->L = fmaf(s->L, co, tree16(lane) * cn);
    for (int d = 0; d < D_V; d++)
        s->o[d] = fmaf(s->o[d], co, a[d] * cn);
    s->M = N;
}

/* Own positions: splits and lanes are those of the positions, whatever is chosen. */
static void add_positions(const struct bench *b, int r, int head, const int32_t *list, int n, struct sums *s)
{
    for (int i = 0, end; i < n; i = end) {
        int lanes[KV_PAGE];
        for (end = i; end < n && list[end] / KV_PAGE == list[i] / KV_PAGE; end++)
            lanes[end - i] = list[end] % KV_PAGE;
        add_split(b, r, head, list + i, lanes, end - i, s);
    }
}

/* Rows beside: they follow each other. */
static void add_beside(const struct bench *b, int r, int head, const int32_t *list, int n, struct sums *s)
{
    int lanes[ATTN_PAGE];
    for (int i = 0; i < ATTN_PAGE; i++)
        lanes[i] = i;
    for (int i = 0; i < n; i += ATTN_PAGE)
        add_split(b, r, head, list + i, lanes, n - i < ATTN_PAGE ? n - i : ATTN_PAGE, s);
}

static struct attention attention_of(const struct bench *b)
{
    return (struct attention){
        .shape = b->shape, .d_v = D_V, .n_head = HEADS, .scale = 0.2f, .row = b->row, .n_rows = b->n_rows};
}

static float *attend(const struct bench *b, const struct attention *a, enum cpu_tier tier, int threads)
{
    struct op_world w;
    float *out = malloc((size_t)(a->n_rows * HEADS * D_V) * sizeof *out);
    op_attend(world_measure(&w, 0), a, NULL, b->q);
    world_open_measured(&w, tier, threads);
    op_attend(&w.op, a, out, b->q);
    world_close(&w);
    return out;
}

static void same_everywhere(const struct bench *b, const struct attention *a, const float *want)
{
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
        for (int threads = 1; threads <= 3; threads += 2) {
            float *out = attend(b, a, (enum cpu_tier)tier, threads);
            assert_bits(out, want, (size_t)(a->n_rows * HEADS * D_V));
            free(out);
        }
}

static void finish(const struct sums *s, float *out)
{
    for (int d = 0; d < D_V; d++)
        out[d] = s->o[d] * (1.0f / s->L);
}

static void check_chosen(enum kv_type type, int n_rows, int last, int top_k)
{
    struct bench b;
    static int32_t chosen[MOST_ROWS * MOST_KEPT];
    static float want[MOST_ROWS * HEADS * D_V];
    bench_open(&b, type, 0, n_rows, last);
    for (int r = 0; r < n_rows; r++) {
        int n = expected_choice(&b, r, top_k, chosen + r * top_k);
        for (int head = 0; head < HEADS; head++) {
            struct sums s = {.M = -INFINITY};
            add_positions(&b, r, head, chosen + r * top_k, n, &s);
            finish(&s, want + (r * HEADS + head) * D_V);
        }
    }
    struct attention a = attention_of(&b);
    a.chosen = chosen;
    a.most = top_k;
    same_everywhere(&b, &a, want);
    bench_close(&b);
}

static void chosen_positions(void **state)
{
    (void)state;
    check_chosen(KV_F16, 24, 700, 20);
    check_chosen(KV_F32, 24, 700, 300);
    check_chosen(KV_F16, 20, 310, 300); /* some rows see no more */
    check_chosen(KV_F32, 1, 899, 1);
}

/* Rows of pages of their own beside the first ten positions. */
static void check_beside(enum kv_type type, int ratio, int n_rows, int last, int top_k)
{
    struct bench b;
    static int32_t chosen[MOST_ROWS * MOST_KEPT], all[MOST_KEPT];
    static float want[MOST_ROWS * HEADS * D_V];
    struct attn_row first[MOST_ROWS];
    bench_open(&b, type, ratio, n_rows, last);
    b.row[0].pos = -1; /* nothing is compressed yet */
    for (int p = 0; p < MOST_KEPT; p++)
        all[p] = p;
    struct attn_beside beside = {.shape = b.shape, .row = b.row, .chosen = top_k ? chosen : NULL, .most = top_k};
    struct attention a = attention_of(&b);
    uint8_t *page[2] = {aligned_alloc(64, KV_PAGE * D * 4), aligned_alloc(64, KV_PAGE * D * 4)};
    for (int s = 0; s < 2; s++)
        for (int p = 0; p < 10; p++)
            store(&b, page[s], p, b.k[s] + p * D);
    a.shape.ratio = 1;
    a.row = first;
    a.beside = &beside;
    for (int r = 0; r < n_rows; r++) {
        first[r] = (struct attn_row){.page = &page[b.row[r].seq], .pos = 9, .last = 9, .seq = b.row[r].seq};
        int n = b.row[r].pos + 1;
        const int32_t *list = all;
        if (top_k && n > top_k) {
            n = expected_choice(&b, r, top_k, chosen + r * top_k);
            list = chosen + r * top_k;
        }
        for (int head = 0; head < HEADS; head++) {
            struct sums s = {.M = -INFINITY};
            add_positions(&b, r, head, all, 10, &s);
            add_beside(&b, r, head, list, n, &s);
            finish(&s, want + (r * HEADS + head) * D_V);
        }
    }
    same_everywhere(&b, &a, want);
    free(page[0]);
    free(page[1]);
    bench_close(&b);
}

static void rows_beside(void **state)
{
    (void)state;
    check_beside(KV_F16, 4, 12, 640, 20);
    check_beside(KV_F32, 4, 5, 700, 300);
    check_beside(KV_F32, 128, 5, 90, 0);
    check_beside(KV_F16, 128, 5, 300, 0);
}

/* The bits of seeing everything, whether it was chosen position by position or not. */
static void all_is_dense(void **state)
{
    (void)state;
    for (int type = 0; type < KV_TYPES; type++) {
        struct bench b;
        static int32_t all[MOST_KEPT];
        bench_open(&b, (enum kv_type)type, 0, 1, 800);
        for (int p = 0; p < MOST_KEPT; p++)
            all[p] = p;
        struct attention a = attention_of(&b);
        float *dense = attend(&b, &a, cpu_best_tier(), 2);
        a.chosen = all;
        a.most = MOST_KEPT; /* more than there is */
        same_everywhere(&b, &a, dense);
        a.most = b.row[0].last = ++b.row[0].pos; /* one more to be seen: the others are chosen */
        same_everywhere(&b, &a, dense);
        free(dense);
        bench_close(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(choices),          cmocka_unit_test(blocks_of_heads),
                                       cmocka_unit_test(two_steps),        cmocka_unit_test(infinite_products),
                                       cmocka_unit_test(ties_and_nothing), cmocka_unit_test(chosen_positions),
                                       cmocka_unit_test(rows_beside),      cmocka_unit_test(all_is_dense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
