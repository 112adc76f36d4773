/* The indexer on the pool: see indexer.h. Many rows: units are rows. Few rows: the pages of each are divided among the threads, which
 * keep the best of their pages; the leader keeps the best of those. The order (score, then number) is total, so the result does not
 * depend on the division. */
#include "op/indexer.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

struct found {
    float score;
    int32_t id;
};

/* The best so far; as a heap, whose root is the worst of them. */
struct best {
    struct found *at;
    int n, most;
};

static int better(struct found a, struct found b) { return a.score > b.score || (a.score == b.score && a.id < b.id); }

static void sink(struct found *h, int n, int i)
{
    for (int child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && better(h[child], h[child + 1]))
            child++;
        if (!better(h[i], h[child]))
            return;
        struct found f = h[i];
        h[i] = h[child];
        h[child] = f;
    }
}

static void offer(struct best *b, struct found f)
{
    if (b->n == b->most) {
        if (better(f, b->at[0])) {
            b->at[0] = f;
            sink(b->at, b->n, 0);
        }
        return;
    }
    int i = b->n++;
    for (; i > 0 && better(b->at[(i - 1) / 2], f); i = (i - 1) / 2)
        b->at[i] = b->at[(i - 1) / 2];
    b->at[i] = f;
}

/* The numbers, ascending: the heap again, by number alone. */
static void numbers(struct best *b, int32_t *id)
{
    for (int i = 0; i < b->n; i++)
        b->at[i].score = 0.0f;
    for (int i = b->n / 2 - 1; i >= 0; i--)
        sink(b->at, b->n, i);
    for (int n = b->n; n > 0; n--) {
        id[n - 1] = b->at[0].id;
        b->at[0] = b->at[n - 1];
        sink(b->at, n - 1, 0);
    }
}

struct work {
    const struct op *op;
    const struct indexer *x;
    int32_t *chosen;
    int row; /* whose pages are divided */
    atomic_int next;
};

static int n_list(const struct indexer *x) { return x->block && !x->together ? x->n_head : 1; }

/* A thread's scratch: its best of each list, the scores of a page, the products of all heads with that page. */
static size_t align64(size_t n) { return (n + 63) / 64 * 64; }
static size_t best_bytes(int top_k) { return align64((size_t)top_k * sizeof(struct found)); }

static size_t bests_bytes(const struct indexer *x)
{
    return align64((size_t)n_list(x) * sizeof(struct best)) + (size_t)n_list(x) * best_bytes(x->top_k);
}

static size_t thread_bytes(const struct indexer *x)
{
    return bests_bytes(x) + ((size_t)x->n_head + 1) * (size_t)kv_page_rows(&x->shape) * sizeof(float);
}

static struct best *thread_bests(const struct work *a, int thread) { return op_thread_scratch(a->op, thread); }

static struct best *begin_bests(const struct work *a, int thread)
{
    struct best *b = thread_bests(a, thread);
    uint8_t *at = (uint8_t *)b + align64((size_t)n_list(a->x) * sizeof *b);
    for (int i = 0; i < n_list(a->x); i++)
        b[i] = (struct best){.at = (struct found *)(void *)(at + (size_t)i * best_bytes(a->x->top_k)),
                             .most = a->x->top_k};
    return b;
}

/* dot [n_list][n]: products with keys first, first + 1, ... of the row at pos, or their scores. */
static void offer_blocks(const struct indexer *x, struct best *b, const float *dot, int first, int n, int pos)
{
    for (int h = 0; h < n_list(x); h++)
        for (int i = 0; i < n; i += x->block) {
            struct found f = {-INFINITY, (first + i) / x->block};
            for (int j = i; j < n && j < i + x->block; j++)
                if (dot[(size_t)h * (size_t)n + (size_t)j] > f.score)
                    f.score = dot[(size_t)h * (size_t)n + (size_t)j];
            if (pos / x->block - f.id < x->n_local)
                f.score = INFINITY;
            else if (f.score > FLT_MAX)
                f.score = FLT_MAX; /* a product beyond f32 is no local block */
            offer(&b[h], f);
        }
}

static int is_within(const struct indexer *x, int row, int key)
{
    int block = key / x->within_block, low = 0, high = x->n_within;
    const int32_t *list = x->within + (size_t)row * (size_t)x->n_within;
    while (low < high) {
        int middle = (low + high) / 2;
        if (list[middle] < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low < x->n_within && list[low] == block;
}

/* score [n] of keys first, first + 1, ... */
static void offer_keys(const struct indexer *x, struct best *b, const float *score, int row, int first, int n)
{
    int all = !x->within || x->row[row].pos / x->within_block < x->n_within;
    for (int i = 0, end; i < n; i = end) {
        end = all ? n : (first + i) / x->within_block * x->within_block + x->within_block - first;
        end = end < n ? end : n;
        for (int j = i; j < end && (all || is_within(x, row, first + i)); j++)
            offer(b, (struct found){score[j] == score[j] ? score[j] : -INFINITY, first + j});
    }
}

static void score_page(const struct work *a, int row, int page, int thread, struct best *b)
{
    const struct indexer *x = a->x;
    const struct attn_row *r = &x->row[row];
    size_t row_bytes = kv_row_bytes(x->shape.type, x->d);
    int rows = kv_page_rows(&x->shape), first = page * rows, n = r->pos + 1 - first < rows ? r->pos + 1 - first : rows;
    float *score = (float *)((uint8_t *)op_thread_scratch(a->op, thread) + bests_bytes(x)), *dot = score + rows;
    struct wmat keys = {.data = kv_keys(&x->shape, r->page[page] + x->layer_offset, 0),
                        .type = x->shape.type == KV_F16 ? TYPE_F16 : TYPE_F32,
                        .n_rows = n,
                        .n_cols = x->d,
                        .row_bytes = row_bytes};
    a->op->k->tilef[keys.type](&keys, 0, n, x->q + (size_t)row * (size_t)(x->n_head * x->d), (size_t)x->d, x->n_head,
                               dot, (size_t)n);
    if (x->block && !x->together) {
        offer_blocks(x, b, dot, first, n, r->pos);
        return;
    }
    memset(score, 0, (size_t)n * sizeof *score);
    for (int h = 0; h < x->n_head; h++) {
        float *d = dot + (size_t)h * (size_t)n;
        a->op->k->clamp(d, 0.0f, INFINITY, n);
        a->op->k->add_scaled(score, x->w ? x->w[(size_t)row * (size_t)x->n_head + (size_t)h] : 1.0f, d, n);
    }
    if (x->together)
        offer_blocks(x, b, score, first, n, r->pos);
    else
        offer_keys(x, b, score, row, first, n);
}

static int n_page(const struct indexer *x, int row) { return x->row[row].pos / kv_page_rows(&x->shape) + 1; }
static int sees_all(const struct indexer *x, int row)
{
    return (x->block ? x->row[row].pos / x->block : x->row[row].pos) < x->top_k;
}

static void write_numbers(const struct work *a, int row, struct best *b)
{
    for (int i = 0; i < n_list(a->x); i++)
        numbers(&b[i], a->chosen + ((size_t)row * (size_t)n_list(a->x) + (size_t)i) * (size_t)a->x->top_k);
}

static void whole_rows(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    struct work *a = arg;
    for (int row; (row = atomic_fetch_add(&a->next, 1)) < a->x->n_rows;) {
        if (sees_all(a->x, row))
            continue;
        struct best *b = begin_bests(a, thread);
        for (int page = 0; page < n_page(a->x, row); page++)
            score_page(a, row, page, thread, b);
        write_numbers(a, row, b);
        if (thread == 0)
            op_poll(a->op);
    }
}

static void shared_row(void *arg, int thread, int n_threads)
{
    struct work *a = arg;
    int begin, end;
    struct best *b = begin_bests(a, thread);
    pool_share(n_page(a->x, a->row), 1, thread, n_threads, &begin, &end);
    for (int page = begin; page < end; page++)
        score_page(a, a->row, page, thread, b);
    for (int i = 0; i < n_list(a->x); i++)
        while (b[i].n < b[i].most) /* fill up with the worst possible score, so that all threads have as many */
            offer(&b[i], (struct found){-INFINITY, INT32_MAX});
}

void op_index(struct op *op, const struct indexer *x, int32_t *chosen)
{
    struct work a = {.op = op, .x = x, .chosen = chosen};
    assert(x->shape.type != KV_Q8_0 && (!x->block || kv_page_rows(&x->shape) % x->block == 0));
    op_need_thread(op, thread_bytes(x));
    if (op_measuring(op))
        return;
    if (x->n_rows >= 2 * pool_threads(op->pool)) {
        op_run(op, whole_rows, &a);
        return;
    }
    for (a.row = 0; a.row < x->n_rows; a.row++) {
        if (sees_all(x, a.row))
            continue;
        op_run(op, shared_row, &a);
        struct best *b = thread_bests(&a, 0);
        for (int t = 1; t < pool_threads(op->pool); t++)
            for (int i = 0; i < n_list(x) * x->top_k; i++)
                offer(&b[i / x->top_k], thread_bests(&a, t)[i / x->top_k].at[i % x->top_k]);
        write_numbers(&a, a.row, b);
        op_poll(op);
    }
}
