/* links: op kernel format base */
/* Attention over pages: with scalar kernels the bits of the definition (kernels.md F of the specification), written here once
 * more without pages, units and heads that share; with every other tier the same bits; and near softmax in double. */
#include "op/attention.h"
#include "kernel/tiers.h"
#include "op_world.h"

enum { MOST_ROWS = 40, MOST_POS = 700, MOST_PAGES = 3 };

/* Rows of up to three sequences, and what each row sees. */
struct bench {
    struct attention a;
    struct attn_row row[MOST_ROWS];
    uint8_t *page[3][MOST_PAGES];
    float *k[3], *v[3]; /* [MOST_POS][n_head_kv * d], as they were before being stored */
    float *q;
};

static const int first_pos[3] = {0, 250, 520}; /* where the rows of each sequence begin: pages 1, 1 to 2, 3 */

/* d_v < 0: latents, whose values are the first -d_v of their keys. */
static void bench_open(struct bench *b, enum kv_type type, int n_head, int n_head_kv, int d_k, int d_v, int window)
{
    *b = (struct bench){.a = {.d_v = abs(d_v),
                              .shape = {.n_head_kv = n_head_kv, .d_k = d_k, .d_v = d_v > 0 ? d_v : 0, .type = type},
                              .layer_offset = 64,
                              .n_head = n_head,
                              .scale = 1.0f / sqrtf((float)d_k),
                              .row = b->row}};
    size_t page = kv_page_bytes(&b->a.shape) + b->a.layer_offset;
    for (int s = 0; s < 3; s++) {
        b->k[s] = world_floats((uint32_t)(10 + s), (size_t)(MOST_POS * n_head_kv * d_k));
        b->v[s] = world_floats((uint32_t)(20 + s), (size_t)(MOST_POS * n_head_kv * abs(d_v)));
        for (int i = 0; i < MOST_PAGES; i++) {
            b->page[s][i] = aligned_alloc(64, (page + 63) / 64 * 64);
            memset(b->page[s][i], 0xFF, page); /* what was not stored is not a number */
        }
        for (int i = 0; i < (s == 1 ? 20 : 3); i++) {
            int pos = first_pos[s] + i, first = window && pos >= window ? pos - window + 1 : 0;
            b->row[b->a.n_rows++] = (struct attn_row){
                .page = b->page[s], .pos = pos, .first = first, .last = pos, .seq = s};
        }
    }
    b->q = world_floats(30, (size_t)(b->a.n_rows * n_head * d_k));
    for (int i = 0; i < b->a.n_rows * n_head * d_k; i++)
        b->q[i] *= 4;
}

static void bench_close(struct bench *b)
{
    for (int s = 0; s < 3; s++) {
        for (int i = 0; i < MOST_PAGES; i++)
            free(b->page[s][i]);
        free(b->k[s]);
        free(b->v[s]);
    }
    free(b->q);
}

/* Everything that a row sees, stored as steps before it would have: one row a position. */
static void store_all(struct op *op, struct bench *b)
{
    size_t wide_k = (size_t)(b->a.shape.n_head_kv * b->a.shape.d_k),
           wide_v = (size_t)(b->a.shape.n_head_kv * b->a.shape.d_v);
    for (int s = 0; s < 3; s++) {
        struct attn_row row[MOST_POS];
        int n = first_pos[s] + (s == 1 ? 20 : 3);
        struct attention a = b->a;
        for (int i = 0; i < n; i++)
            row[i] = (struct attn_row){.page = b->page[s], .pos = i, .last = i, .seq = s};
        for (int at = 0; at < n; at += 100) {
            a.row = row + at;
            a.n_rows = n - at < 100 ? n - at : 100;
            op_kv_store(op, &a, b->k[s] + (size_t)at * wide_k, wide_v ? b->v[s] + (size_t)at * wide_v : NULL);
        }
    }
}

static float *attend(struct bench *b, enum cpu_tier tier, int threads)
{
    struct op_world w;
    op_attend(world_measure(&w, 0), &b->a, NULL, b->q);
    world_open_measured(&w, tier, threads);
    store_all(&w.op, b);
    float *out = malloc((size_t)(b->a.n_rows * b->a.n_head * b->a.d_v) * sizeof *out);
    op_attend(&w.op, &b->a, out, b->q);
    world_close(&w);
    return out;
}

static void count_pause(void *arg) { ++*(int *)arg; }

/* By one thread, in parts between which a step may pause. Returns how many there were. */
static int attend_in_parts(struct bench *b, float *out)
{
    struct op_world w;
    int n = 0;
    op_attend(world_measure(&w, 0), &b->a, NULL, b->q);
    world_open_measured(&w, TIER_SCALAR, 1);
    store_all(&w.op, b);
    w.op.pause = count_pause;
    w.op.pause_arg = &n;
    op_attend(&w.op, &b->a, out, b->q);
    world_close(&w);
    return n;
}

/* A row of d values as codes and a scale for each 32 of them: of q8_0, and of queries against it. */
struct coded {
    float code[256], scale[8];
};

static struct coded coded(const float *v, int d)
{
    struct coded c = {.code = {0}};
    for (int g = 0; g * 32 < d; g++) {
        int end = g * 32 + 32 < d ? g * 32 + 32 : d;
        float most = 0;
        for (int i = g * 32; i < end; i++)
            most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
        c.scale[g] = most / 127;
        for (int i = g * 32; i < end; i++)
            c.code[i] = nearbyintf(v[i] * (127 / most));
    }
    return c;
}

/* A row of d values as it is kept. */
static void stored(enum kv_type type, float *to, const float *v, int d)
{
    struct coded c = coded(v, d);
    for (int i = 0; i < d; i++)
        to[i] = type == KV_F32   ? v[i]
                : type == KV_F16 ? f16_to_f32(f16_from_f32(v[i]))
                                 : c.code[i] * f16_to_f32(f16_from_f32(c.scale[i / 32]));
}

static float dot(const struct bench *b, const float *q, const float *k)
{
    const int n = b->a.shape.d_k;
    float lane[16] = {0}, kept[256], sum = 0;
    if (b->a.shape.type != KV_Q8_0) {
        stored(b->a.shape.type, kept, k, n);
        for (int d = 0; d < n; d++)
            lane[d % 16] = fmaf(q[d], kept[d], lane[d % 16]);
        return tree16(lane);
    }
    struct coded x = coded(q, n), y = coded(k, n);
    for (int g = 0; g * 32 < n; g++) {
        float codes = 0; /* exact */
        for (int d = g * 32; d < g * 32 + 32; d++)
            codes += x.code[d] * y.code[d];
        sum = fmaf(f16_to_f32(f16_from_f32(y.scale[g])) * x.scale[g], codes, sum);
    }
    return sum;
}

static void add_values(const struct bench *b, float *a, float e, const float *v)
{
    const int n = b->a.shape.d_v;
    struct coded c = coded(v, n);
    float kept[256];
    stored(b->a.shape.type, kept, v, n);
    for (int d = 0; d < n; d++)
        a[d] = b->a.shape.type == KV_Q8_0 ? fmaf(e * f16_to_f32(f16_from_f32(c.scale[d / 32])), c.code[d], a[d])
                                          : fmaf(e, kept[d], a[d]);
}

/* Does the row attend to this position of those before it? */
static int is_seen(const struct bench *b, int r, int kv_head, int p)
{
    const struct attention *a = &b->a;
    int ratio = a->chosen_ratio ? a->chosen_ratio : 1, complete = (b->row[r].pos + 1) / ratio;
    if (!a->chosen || (a->lists ? b->row[r].pos / ratio < a->most : complete <= a->most || p / ratio == complete))
        return 1;
    const int32_t *list = a->chosen + (a->lists ? r * a->lists + kv_head : r) * a->most;
    for (int i = 0; i < a->most; i++)
        if (list[i] == p / ratio)
            return 1;
    return 0;
}

/* One row and head, as F says. */
static void by_definition(const struct bench *b, int r, int head, float *o)
{
    const struct attn_row *row = &b->row[r];
    int group = b->a.n_head / b->a.shape.n_head_kv, h = head / group, d_k = b->a.shape.d_k, d_v = b->a.shape.d_v;
    const float *q = b->q + (r * b->a.n_head + head) * d_k;
    float M = -INFINITY, L = 0, x[KV_PAGE], a[256];
    memset(o, 0, (size_t)d_v * sizeof *o);
    for (int start = row->first / KV_PAGE * KV_PAGE; start <= row->last; start += KV_PAGE) {
        float m = -INFINITY, lane[16] = {0};
        int from = row->first > start ? row->first : start, to = row->last < start + 255 ? row->last : start + 255;
        memset(a, 0, sizeof a);
        for (int p = from; p <= to; p++) {
            if (!is_seen(b, r, h, p))
                continue;
            x[p - start] = dot(b, q, b->k[row->seq] + (p * b->a.shape.n_head_kv + h) * d_k) * b->a.scale;
            m = x[p - start] > m ? x[p - start] : m;
        }
        for (int p = from; p <= to; p++) {
            if (!is_seen(b, r, h, p))
                continue;
            float e = ref_expf(x[p - start] - m);
            lane[p % 16] += e;
            add_values(b, a, e, b->v[row->seq] + (p * b->a.shape.n_head_kv + h) * d_v);
        }
        if (m == -INFINITY) /* nothing of this page was chosen */
            continue;
        float N = m > M ? m : M, co = ref_expf(M - N), cn = ref_expf(m - N);
        L = fmaf(L, co, tree16(lane) * cn);
        for (int d = 0; d < d_v; d++)
            o[d] = fmaf(o[d], co, a[d] * cn);
        M = N;
    }
    for (int d = 0; d < d_v; d++)
        o[d] *= 1.0f / L;
}

static void by_softmax(const struct bench *b, int r, int head, double *o)
{
    const struct attn_row *row = &b->row[r];
    int h = head / (b->a.n_head / b->a.shape.n_head_kv), d_k = b->a.shape.d_k, d_v = b->a.shape.d_v;
    const float *query = b->q + (r * b->a.n_head + head) * d_k;
    struct coded c = coded(query, d_k);
    float q[256], k[256], v[256];
    for (int d = 0; d < d_k; d++)
        q[d] = b->a.shape.type == KV_Q8_0 ? c.code[d] * c.scale[d / 32] : query[d];
    double sum = 0;
    memset(o, 0, (size_t)d_v * sizeof *o);
    for (int p = row->first; p <= row->last; p++) {
        double x = 0;
        if (!is_seen(b, r, h, p))
            continue;
        stored(b->a.shape.type, k, b->k[row->seq] + (p * b->a.shape.n_head_kv + h) * d_k, d_k);
        stored(b->a.shape.type, v, b->v[row->seq] + (p * b->a.shape.n_head_kv + h) * d_v, d_v);
        for (int d = 0; d < d_k; d++)
            x += (double)q[d] * (double)k[d];
        double e = exp(x / sqrt(d_k));
        sum += e;
        for (int d = 0; d < d_v; d++)
            o[d] += e * (double)v[d];
    }
    for (int d = 0; d < d_v; d++)
        o[d] /= sum;
}

static void check_bench(struct bench *b)
{
    const int n_head = b->a.n_head, d_v = b->a.shape.d_v;
    float *out = attend(b, TIER_SCALAR, 1), o[256];
    double exact[256];
    for (int r = 0; r < b->a.n_rows; r++)
        for (int head = 0; head < n_head; head++) {
            const float *got = out + (r * n_head + head) * d_v;
            by_definition(b, r, head, o);
            assert_bits(got, o, (size_t)d_v);
            by_softmax(b, r, head, exact);
            for (int d = 0; d < d_v; d++)
                assert_near((double)got[d], exact[d], 1e-5);
        }
    for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
        float *other = attend(b, (enum cpu_tier)tier, 3);
        assert_bits(other, out, (size_t)(b->a.n_rows * n_head * d_v));
        free(other);
    }
    free(out);
}

static void check(enum kv_type type, int n_head, int n_head_kv, int d_k, int d_v, int window)
{
    struct bench b;
    bench_open(&b, type, n_head, n_head_kv, d_k, d_v, window);
    check_bench(&b);
    bench_close(&b);
}

static void heads_of_their_own(void **state)
{
    (void)state;
    check(KV_F32, 2, 2, 64, 64, 0);
    check(KV_F16, 3, 3, 16, 16, 0);
    check(KV_Q8_0, 3, 3, 32, 32, 0);
}

static void heads_that_share(void **state)
{
    (void)state;
    check(KV_F16, 8, 1, 32, 32, 0);
    check(KV_F16, 12, 1, 32, 32, 0); /* more than a unit takes */
    check(KV_F32, 4, 2, 10, 10, 0);
    check(KV_Q8_0, 4, 2, 10, 10, 0);
    check(KV_Q8_0, 12, 1, 64, 64, 0);
}

static void other_width_of_values(void **state)
{
    (void)state;
    check(KV_F16, 4, 2, 48, 20, 0);
    check(KV_F32, 2, 1, 20, 48, 0);
    check(KV_Q8_0, 2, 1, 20, 48, 0);
    check(KV_Q8_0, 2, 1, 80, 36, 0);
}

static void windows(void **state)
{
    (void)state;
    check(KV_F16, 4, 2, 32, 32, 1);
    check(KV_F32, 4, 2, 32, 32, 100);
    check(KV_F16, 4, 2, 32, 32, 300);
    check(KV_Q8_0, 4, 2, 32, 32, 300);
}

/* Rows that see later ones: of their whole sequence, or at most `around` positions away, so that of a page's rows some see none. */
static void check_both_ways(enum kv_type type, int n_head, int n_head_kv, int around)
{
    struct bench b;
    bench_open(&b, type, n_head, n_head_kv, 32, 32, 0);
    for (int r = 0; r < b.a.n_rows; r++) {
        int end = first_pos[b.row[r].seq] + (b.row[r].seq == 1 ? 20 : 3) - 1, pos = b.row[r].pos;
        b.row[r].first = around && pos > around ? pos - around : 0;
        b.row[r].last = around && pos + around < end ? pos + around : end;
    }
    check_bench(&b);
    bench_close(&b);
}

static void both_ways(void **state)
{
    (void)state;
    check_both_ways(KV_F32, 2, 2, 0);
    check_both_ways(KV_F32, 8, 1, 4);
    check_both_ways(KV_F16, 4, 2, 4);
    check_both_ways(KV_Q8_0, 4, 2, 4);
}

/* Groups all over the positions, others for each row; some pages may have none. */
static void check_chosen(enum kv_type type, int n_head, int n_head_kv, int d_v, int ratio, int most)
{
    struct bench b;
    int32_t *chosen = calloc((size_t)(MOST_ROWS * most), sizeof *chosen);
    bench_open(&b, type, n_head, n_head_kv, 40, d_v, 0);
    b.a.chosen = chosen;
    b.a.chosen_ratio = ratio;
    b.a.most = most;
    for (int r = 0; r < b.a.n_rows; r++) {
        int step = (b.row[r].pos + 1) / (ratio ? ratio : 1) / most;
        for (int i = 0; i < most && step > 0; i++)
            chosen[r * most + i] = i * step + r % step;
    }
    check_bench(&b);
    bench_close(&b);
    free(chosen);
}

/* Each KV head has groups of its own, the incomplete last one among them or not. */
static void check_lists(enum kv_type type, int n_head, int n_head_kv, int d_v, int ratio, int most)
{
    struct bench b;
    int32_t *chosen = calloc((size_t)(MOST_ROWS * n_head_kv * most), sizeof *chosen);
    bench_open(&b, type, n_head, n_head_kv, 40, d_v, 0);
    b.a.chosen = chosen;
    b.a.chosen_ratio = ratio;
    b.a.most = most;
    b.a.lists = n_head_kv;
    for (int r = 0; r < b.a.n_rows; r++)
        for (int h = 0; h < n_head_kv; h++) {
            int last = b.row[r].pos / ratio, step = last / most;
            int32_t *list = chosen + (r * n_head_kv + h) * most;
            for (int i = 0; i < most && step > 0; i++)
                list[i] = i * step + (r + h) % step;
            if (h % 2 == 0)
                list[most - 1] = last;
        }
    check_bench(&b);
    bench_close(&b);
    free(chosen);
}

static void lists_of_heads(void **state)
{
    (void)state;
    check_lists(KV_F32, 4, 2, 24, 8, 3);
    check_lists(KV_F16, 6, 3, 40, 16, 5);
    check_lists(KV_Q8_0, 6, 3, 36, 32, 2);
    check_lists(KV_F16, 2, 2, 20, 128, 1);
    check_lists(KV_F32, 3, 1, 20, 4, 20);
}

static void chosen_groups(void **state)
{
    (void)state;
    check_chosen(KV_F32, 4, 2, 24, 4, 3);
    check_chosen(KV_F16, 12, 1, 40, 4, 50);
    check_chosen(KV_Q8_0, 6, 3, 36, 32, 2);
    check_chosen(KV_Q8_0, 2, 2, 20, 128, 1);
    check_chosen(KV_F16, 4, 2, 40, 0, 70); /* each position by itself */
    check_chosen(KV_F32, 4, 2, 40, 256, 1);
}

/* ---- by pages ------------------------------------------------------------------------------------------------------------------- */

static void parts_have_the_same_bits(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b, KV_F32, 16, 16, 128, 128, 0);
    size_t n = (size_t)(b.a.n_rows * b.a.n_head * b.a.d_v);
    float *all = attend(&b, TIER_SCALAR, 1), *out = calloc(n, sizeof *out);
    assert_in_range(attend_in_parts(&b, out), 2, 60);
    assert_bits(out, all, n);
    free(all);
    free(out);
    bench_close(&b);
}

/* Rows [first, first + n) alone, on many threads: what they are among all rows, where each unit walks its pages by itself. */
static void rows_alone(struct bench *b, const float *all, int first, int n)
{
    static const int threads[] = {2, 3, 5, 7};
    const size_t d_q = (size_t)(b->a.n_head * b->a.shape.d_k), d_o = (size_t)(b->a.n_head * b->a.d_v);
    struct bench some = *b;
    some.a.row += first;
    some.a.n_rows = n;
    some.q += (size_t)first * d_q;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        float *out = attend(&some, cpu_best_tier(), threads[i]);
        assert_bits(out, all + (size_t)first * d_o, (size_t)n * d_o);
        free(out);
    }
}

static void check_by_pages(enum kv_type type, int n_head, int n_head_kv, int d_k, int d_v, int window)
{
    static const int cuts[][2] = {{25, 1}, {23, 2}, {23, 3}, {22, 3}, {0, 1}, {8, 7}, {0, 26}};
    struct bench b;
    bench_open(&b, type, n_head, n_head_kv, d_k, d_v, window);
    float *sinks = world_floats(70, (size_t)n_head);
    b.a.sinks = window ? sinks : NULL;
    float *all = attend(&b, TIER_SCALAR, 1);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        rows_alone(&b, all, cuts[i][0], cuts[i][1]);
    free(all);
    free(sinks);
    bench_close(&b);
}

static void pages_are_shared(void **state)
{
    (void)state;
    check_by_pages(KV_F16, 8, 1, 32, 32, 0);
    check_by_pages(KV_Q8_0, 12, 1, 64, 48, 0);
    check_by_pages(KV_F32, 3, 3, 16, 10, 300);
    check_by_pages(KV_F16, 6, 1, 16, 16, 260);
    check_by_pages(KV_F16, 8, 1, 16, 512, 0);   /* more than is kept at a time */
    check_by_pages(KV_F16, 128, 1, 72, -64, 0); /* latents */
}

/* ---- rows beside --------------------------------------------------------------------------------------------------------------- */

enum { B_HEADS = 11, B_D = 24, B_ROWS = 20, B_POS = 1300, B_PAGES = B_POS / KV_PAGE + 1, B_WINDOW = 40, B_MOST = 70 };

/* Rows of one sequence that see a window of keys, and beside it compressed ones, a row for four positions. */
struct beside {
    struct attention a;
    struct attn_beside b;
    struct attn_row row[B_ROWS], compressed[B_ROWS];
    uint8_t *page[B_PAGES], *compressed_page[B_PAGES];
    float *k, *c, *q, *sinks;
    int32_t chosen[B_ROWS * B_POS];
};

static void beside_open(struct beside *w, enum kv_type type, int ratio)
{
    *w = (struct beside){
        .a = {.shape = {.n_head_kv = 1, .d_k = B_D, .type = type},
              .d_v = B_D,
              .layer_offset = 64,
              .n_head = B_HEADS,
              .scale = 0.2f,
              .n_rows = B_ROWS},
        .b = {.shape = {.n_head_kv = 1, .d_k = B_D, .ratio = ratio, .type = type}, .layer_offset = 128},
        .k = world_floats(60, B_POS * B_D),
        .c = world_floats(61, B_POS * B_D),
        .q = world_floats(62, B_ROWS * B_HEADS * B_D),
        .sinks = world_floats(63, B_HEADS)};
    w->a.row = w->row;
    w->a.sinks = w->sinks;
    w->b.row = w->compressed;
    for (int i = 0; i < B_PAGES; i++) {
        w->page[i] = calloc(1, kv_page_bytes(&w->a.shape) + w->a.layer_offset);
        w->compressed_page[i] = calloc(1, kv_page_bytes(&w->b.shape) + w->b.layer_offset);
    }
    for (int r = 0; r < B_ROWS; r++) { /* the first few see next to nothing */
        int pos = r < 5 ? r : B_POS - B_ROWS + r;
        w->row[r] = (struct attn_row){
            .page = w->page, .pos = pos, .first = pos < B_WINDOW ? 0 : pos - B_WINDOW + 1, .last = pos};
        w->compressed[r] = (struct attn_row){.page = w->compressed_page, .pos = (pos + 1) / ratio - 1};
    }
}

static void beside_close(struct beside *w)
{
    for (int i = 0; i < B_PAGES; i++) {
        free(w->page[i]);
        free(w->compressed_page[i]);
    }
    free(w->k);
    free(w->c);
    free(w->q);
    free(w->sinks);
}

/* Every second of those seen, from a place of the row's own, most of them in all. */
static void beside_choose(struct beside *w, int most)
{
    w->b.chosen = w->chosen;
    w->b.most = most;
    for (int r = 0; r < B_ROWS; r++)
        for (int i = 0; i < most && w->compressed[r].pos >= most; i++)
            w->chosen[r * most + i] = 2 * i + r % 3 <= w->compressed[r].pos ? 2 * i + r % 3 : i;
}

static float *beside_attend(struct beside *w, enum cpu_tier tier, int threads)
{
    struct op_world o;
    w->a.beside = &w->b;
    op_attend(world_measure(&o, 0), &w->a, NULL, w->q);
    world_open_measured(&o, tier, threads);
    struct attn_row all[B_POS];
    struct attention store = w->a;
    store.row = all;
    store.n_rows = B_POS;
    for (int i = 0; i < B_POS; i++)
        all[i] = (struct attn_row){.page = w->page, .pos = i};
    op_kv_store(&o.op, &store, w->k, NULL);
    store.shape = w->b.shape;
    store.layer_offset = w->b.layer_offset;
    store.n_rows = B_POS / kv_ratio(&w->b.shape);
    for (int i = 0; i < store.n_rows; i++)
        all[i] = (struct attn_row){.page = w->compressed_page, .pos = i};
    op_kv_store(&o.op, &store, w->c, NULL);
    float *out = malloc(B_ROWS * B_HEADS * B_D * sizeof *out);
    op_attend(&o.op, &w->a, out, w->q);
    world_close(&o);
    return out;
}

static void take_key(const struct beside *w, const float *q, const float *k, double *sum, double *o)
{
    float kept[B_D];
    double x = 0;
    stored(w->a.shape.type, kept, k, B_D);
    for (int d = 0; d < B_D; d++)
        x += (double)q[d] * (double)kept[d];
    double e = exp(x * (double)w->a.scale);
    *sum += e;
    for (int d = 0; d < B_D; d++)
        o[d] += e * (double)kept[d];
}

static void beside_near(const struct beside *w, const float *out)
{
    for (int r = 0; r < B_ROWS; r++)
        for (int h = 0; h < B_HEADS; h++) {
            const float *own = w->q + (r * B_HEADS + h) * B_D;
            struct coded c = coded(own, B_D);
            float q[B_D];
            for (int d = 0; d < B_D; d++)
                q[d] = w->a.shape.type == KV_Q8_0 ? c.code[d] * c.scale[d / 32] : own[d];
            double sum = exp((double)w->sinks[h]), o[B_D] = {0};
            int seen = w->compressed[r].pos + 1, few = w->b.chosen && seen > w->b.most;
            for (int p = w->row[r].first; p <= w->row[r].pos; p++)
                take_key(w, q, w->k + p * B_D, &sum, o);
            for (int i = 0; i < (few ? w->b.most : seen); i++)
                take_key(w, q, w->c + (few ? w->chosen[r * w->b.most + i] : i) * B_D, &sum, o);
            for (int d = 0; d < B_D; d++)
                assert_near((double)out[(r * B_HEADS + h) * B_D + d], o[d] / sum, 5e-6);
        }
}

static void rows_beside(void **state)
{
    (void)state;
    static struct beside w;
    for (int kind = 0; kind < 4 * KV_TYPES; kind++) {
        beside_open(&w, (enum kv_type)(kind / 4), kind & 1 ? 4 : 128);
        if (kind & 2)
            beside_choose(&w, B_MOST);
        float *want = beside_attend(&w, TIER_SCALAR, 1);
        beside_near(&w, want);
        for (int tier = 0; tier <= (int)cpu_best_tier(); tier++)
            for (int threads = 1; threads <= 4; threads += 3) {
                float *got = beside_attend(&w, (enum cpu_tier)tier, threads);
                assert_bits(got, want, B_ROWS * B_HEADS * B_D);
                free(got);
            }
        w.b.chosen = w.chosen; /* a row that may choose as many keys as there are sees all */
        w.b.most = B_POS;
        float *wide = beside_attend(&w, cpu_best_tier(), 2);
        w.b.chosen = NULL;
        float *all = beside_attend(&w, cpu_best_tier(), 2);
        assert_bits(wide, all, B_ROWS * B_HEADS * B_D);
        free(wide);
        free(all);
        free(want);
        beside_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_their_own),    cmocka_unit_test(heads_that_share),
        cmocka_unit_test(other_width_of_values), cmocka_unit_test(windows),
        cmocka_unit_test(pages_are_shared),      cmocka_unit_test(parts_have_the_same_bits),
        cmocka_unit_test(rows_beside),           cmocka_unit_test(chosen_groups),
        cmocka_unit_test(lists_of_heads),        cmocka_unit_test(both_ways)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
