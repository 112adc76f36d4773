/* Work split of attention: a unit is one KV head and a few neighbouring rows of one sequence, all their query heads that share
 * it. A unit walks the pages in ascending order and merges each split into the running sums (kernels.md F), so the order of
 * every sum is that of the definition, whatever the units and threads. Where units are too few for the threads (decode with one KV head),
 * threads share the pages of each: splits are kept, and merged in the same order. See attention.h. */
#include "op/attention.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

static size_t align64(size_t n) { return (n + 63) / 64 * 64; }

/* Queries of one unit, and what the thread's scratch holds for them. */
struct unit {
    int n_q, first[ATTN_QUERIES], last[ATTN_QUERIES];
    int row[ATTN_QUERIES], head[ATTN_QUERIES];
    int pos[ATTN_QUERIES]; /* with slopes: from the first row of the page on */
    float slope[ATTN_QUERIES];
    float m[ATTN_QUERIES], l[ATTN_QUERIES], M[ATTN_QUERIES], L[ATTN_QUERIES];
    float *q, *acc, *o; /* [ATTN_QUERIES][kv_codes(d_k)], padded by zeros; [..][d_v], [..][d_v] */
    struct xq codes;    /* the queries as x32; only where keys are q8_0 */
};

/* Where a thread's scratch has what: byte offsets, each 64-byte aligned. The unit comes first. */
struct layout {
    size_t q, acc, o, codes, gathered, kernel, end;
};

static int has_codes(const struct attention *a)
{
    return a->shape.type == KV_Q8_0 || (a->beside && a->beside->shape.type == KV_Q8_0);
}

/* Rows brought together are a page of one head. */
static struct kv_shape gathered_shape(const struct kv_shape *s)
{
    return (struct kv_shape){.n_head_kv = 1, .d_k = s->d_k, .d_v = s->d_v, .type = s->type};
}

static size_t gathered_bytes(const struct attention *a)
{
    struct kv_shape s = gathered_shape(a->beside ? &a->beside->shape : &a->shape), own = gathered_shape(&a->shape);
    size_t n = a->beside ? kv_page_bytes(&s) : 0, m = a->chosen ? kv_page_bytes(&own) : 0;
    return align64(n > m ? n : m);
}

static struct layout layout(const struct attention *a)
{
    struct layout p = {.q = align64(sizeof(struct unit))};
    size_t d_k = (size_t)kv_codes(a->shape.d_k), d_v = (size_t)a->d_v;
    p.acc = p.q + align64(ATTN_QUERIES * d_k * sizeof(float));
    p.o = p.acc + align64(ATTN_QUERIES * d_v * sizeof(float));
    p.codes = p.o + align64(ATTN_QUERIES * d_v * sizeof(float));
    p.gathered = p.codes + (has_codes(a) ? xq_bytes(ACT_X32, ATTN_QUERIES, (int)d_k) : 0);
    p.kernel = p.gathered + gathered_bytes(a);
    p.end = p.kernel + kernel_attn_scratch(a->shape.d_k, a->d_v);
    return p;
}

/* Contiguous rows of keys and values, as heads of a page of this shape; queries [t0, t0 + n_q) see rows u->first to u->last of them. */
struct split_rows {
    const struct kv_shape *shape;
    uint8_t *k, *v;    /* the same where values are the heads of keys */
    const uint8_t *at; /* their row numbers in the page; NULL: 0, 1, 2, ... */
};

/* Where a split's results go: of query t0 + i its maximum m[i], sum l[i] and values acc [i][d_v]. */
struct split_out {
    float *m, *l, *acc;
};

static void run_split(const struct op *op, const struct attention *a, const struct unit *u, int t0, int n_q,
                      const struct split_rows *rows, struct split_out out, void *scratch)
{
    const struct kv_shape *s = rows->shape;
    size_t ld_q = (size_t)kv_codes(a->shape.d_k);
    int values = s->d_v ? s->d_v : s->d_k;
    struct xq codes;
    struct attn_split split = {.q = u->q + (size_t)t0 * ld_q,
                               .ld_q = ld_q,
                               .n_q = n_q,
                               .k = rows->k,
                               .v = rows->v,
                               .d_k = a->shape.d_k,
                               .d_v = a->d_v,
                               .ld_v = s->type == KV_Q8_0 ? kv_codes(values) : values,
                               .type = s->type,
                               .first = u->first + t0,
                               .last = u->last + t0,
                               .scale = a->scale,
                               .cap = a->cap,
                               .m = out.m,
                               .l = out.l,
                               .a = out.acc,
                               .at = rows->at,
                               .slope = a->slopes ? u->slope + t0 : NULL,
                               .pos = u->pos + t0};
    if (s->type == KV_Q8_0) {
        codes = xq_rows(&u->codes, t0, n_q);
        split.codes = &codes;
        split.k_scale = kv_scales(s, rows->k, s->d_k);
        split.v_scale = kv_scales(s, rows->v, values);
        split.ld_scale = kv_page_rows(s);
    }
    op->k->attn_split(&split, scratch);
}

static void take_split(const struct op *op, const struct attention *a, struct unit *u, int t0, int n_q,
                       const struct split_rows *rows, void *scratch)
{
    size_t d_v = (size_t)a->d_v;
    run_split(op, a, u, t0, n_q, rows, (struct split_out){u->m + t0, u->l + t0, u->acc + (size_t)t0 * d_v}, scratch);
    for (int t = t0; t < t0 + n_q; t++)
        if (u->first[t] <= u->last[t])
            op->k->attn_merge(&u->M[t], &u->L[t], u->o + (size_t)t * d_v, u->m[t], u->l[t], u->acc + (size_t)t * d_v,
                              a->d_v);
}

/* What the rows of queries [t0, t0 + n_q), of one sequence, see of a page. */
static struct split_rows see_page(const struct attention *a, struct unit *u, int t0, int n_q, int kv_head, int page)
{
    const struct kv_shape *s = &a->shape;
    const int n = kv_page_rows(s), start = page * n;
    for (int t = t0; t < t0 + n_q; t++) {
        const struct attn_row *row = &a->row[u->row[t]];
        u->first[t] = row->first > start ? row->first - start : 0;
        u->last[t] = row->last - start < n - 1 ? row->last - start : n - 1;
        u->pos[t] = row->pos - start;
    }
    uint8_t *memory = a->row[u->row[t0]].page[page] + a->layer_offset;
    return (struct split_rows){.shape = s,
                               .k = kv_keys(s, memory, kv_head),
                               .v = s->d_v ? kv_values(s, memory, kv_head) : kv_keys(s, memory, kv_head)};
}

/* All that the rows of queries [t0, t0 + n_q) see in their pages. */
static void attend_seen(const struct op *op, const struct attention *a, struct unit *u, int t0, int n_q, int kv_head,
                        void *scratch)
{
    const int n = kv_page_rows(&a->shape);
    int begin = a->row[u->row[t0]].first, end = 0;
    for (int t = t0; t < t0 + n_q; t++) {
        const struct attn_row *row = &a->row[u->row[t]];
        begin = row->first < begin ? row->first : begin;
        end = row->last > end ? row->last : end;
    }
    for (int page = begin / n; page <= end / n; page++) {
        struct split_rows rows = see_page(a, u, t0, n_q, kv_head, page);
        take_split(op, a, u, t0, n_q, &rows, scratch);
    }
}

/* Row `from` of a head of d values in a page of shape s becomes row `to` of gathered rows. */
static void gather_row(const struct kv_shape *s, int d, uint8_t *gathered, int to, uint8_t *head, int from)
{
    const struct kv_shape g = gathered_shape(s);
    size_t bytes = kv_row_bytes(s->type, d);
    memcpy(gathered + (size_t)to * bytes, head + (size_t)from * bytes, bytes);
    if (s->type != KV_Q8_0)
        return;
    uint16_t *scale = kv_scales(&g, gathered, d), *of = kv_scales(s, head, d);
    for (int i = 0; i < kv_groups(d); i++)
        scale[i * kv_page_rows(&g) + to] = of[i * kv_page_rows(s) + from];
}

static int chosen_ratio(const struct attention *a) { return a->chosen_ratio ? a->chosen_ratio : 1; }

/* Has the row chosen? Else it attends to all that it sees. */
static int has_chosen(const struct attention *a, int row)
{
    int pos = a->row[row].pos, ratio = chosen_ratio(a);
    return (a->lists ? pos / ratio + 1 : (pos + 1) / ratio) > a->most;
}

static const int32_t *chosen_of(const struct attention *a, int row, int kv_head)
{
    size_t list = a->lists ? (size_t)row * (size_t)a->lists + (size_t)kv_head : (size_t)row;
    return a->chosen + list * (size_t)a->most;
}

/* The chosen positions of the row of queries [t0, t0 + n_q): the rows of each page are gathered into contiguous memory. */
static void attend_chosen(const struct op *op, const struct attention *a, struct unit *u, int t0, int n_q, int kv_head,
                          uint8_t *gathered, void *scratch)
{
    const struct kv_shape *s = &a->shape;
    const struct attn_row *row = &a->row[u->row[t0]];
    const int32_t *chosen = chosen_of(a, u->row[t0], kv_head);
    const struct kv_shape shape = gathered_shape(s);
    const int ratio = chosen_ratio(a), of_page = KV_PAGE / ratio, open = (row->pos + 1) / ratio;
    const int n_group = a->most + (!a->lists && (row->pos + 1) % ratio > 0); /* the incomplete one is the last */
    uint8_t *v = s->d_v ? kv_values(&shape, gathered, 0) : gathered;
    for (int i = 0; i < n_group;) {
        uint8_t at[ATTN_PAGE];
        int page = (i < a->most ? chosen[i] : open) / of_page, n = 0;
        uint8_t *memory = row->page[page] + a->layer_offset, *keys = kv_keys(s, memory, kv_head);
        uint8_t *values = kv_values(s, memory, kv_head);
        for (int group; i < n_group && (group = i < a->most ? chosen[i] : open) / of_page == page; i++)
            for (int pos = group * ratio; pos < (group + 1) * ratio && pos <= row->pos; pos++, n++) {
                at[n] = (uint8_t)(pos % KV_PAGE);
                gather_row(s, s->d_k, gathered, n, keys, at[n]);
                if (s->d_v)
                    gather_row(s, s->d_v, v, n, values, at[n]);
            }
        for (int t = t0; t < t0 + n_q; t++) {
            u->first[t] = 0;
            u->last[t] = n - 1;
        }
        struct split_rows rows = {.shape = &shape, .k = gathered, .v = v, .at = at};
        take_split(op, a, u, t0, n_q, &rows, scratch);
    }
}

static void attend_pages(const struct op *op, const struct attention *a, struct unit *u, int kv_head, uint8_t *gathered,
                         void *scratch)
{
    for (int t = 0; t < u->n_q; t++) {
        u->M[t] = -INFINITY;
        u->L[t] = 0.0f;
        memset(u->o + (size_t)t * (size_t)a->d_v, 0, (size_t)a->d_v * sizeof(float));
    }
    if (!a->chosen) {
        attend_seen(op, a, u, 0, u->n_q, kv_head, scratch);
        return;
    }
    for (int t = 0, end; t < u->n_q; t = end) { /* each row has chosen its own */
        for (end = t + 1; end < u->n_q && u->row[end] == u->row[t]; end++)
            ;
        if (has_chosen(a, u->row[t]))
            attend_chosen(op, a, u, t, end - t, kv_head, gathered, scratch);
        else
            attend_seen(op, a, u, t, end - t, kv_head, scratch);
    }
}

/* Rows [first, first + n) of the additional rows that a row of the batch sees, gathered into contiguous memory. */
static void gather_beside(const struct attn_beside *b, int r, int first, int n, uint8_t *to)
{
    const struct attn_row *row = &b->row[r];
    const int32_t *chosen = b->chosen && row->pos >= b->most ? b->chosen + (size_t)r * (size_t)b->most + first : NULL;
    int rows = kv_page_rows(&b->shape);
    for (int i = 0; i < n; i++) {
        int at = chosen ? chosen[i] : first + i;
        gather_row(&b->shape, b->shape.d_k, to, i, kv_keys(&b->shape, row->page[at / rows] + b->layer_offset, 0),
                   at % rows);
    }
}

static void attend_beside(const struct op *op, const struct attention *a, struct unit *u, uint8_t *gathered,
                          void *scratch)
{
    const struct attn_beside *b = a->beside;
    const struct kv_shape shape = gathered_shape(&b->shape);
    for (int t = 0, end; t < u->n_q; t = end) {
        int r = u->row[t], n = b->row[r].pos + 1;
        for (end = t + 1; end < u->n_q && u->row[end] == r; end++)
            ;
        if (b->chosen && n > b->most)
            n = b->most;
        for (int first = 0; first < n; first += ATTN_PAGE) {
            int here = n - first < ATTN_PAGE ? n - first : ATTN_PAGE;
            gather_beside(b, r, first, here, gathered);
            for (int i = t; i < end; i++) {
                u->first[i] = 0;
                u->last[i] = here - 1;
            }
            struct split_rows rows = {.shape = &shape, .k = gathered, .v = gathered};
            take_split(op, a, u, t, end - t, &rows, scratch);
        }
    }
}

struct attend {
    const struct op *op;
    const struct attention *a;
    float *out;
    const float *q;
    int group;       /* query heads of a KV head */
    int heads, rows; /* of a unit: heads of the group, neighbouring rows */
    int head_parts, row_parts;
    int end; /* of the units that are shared out */
    atomic_int next;
};

/* Gather the queries of unit i; rows of another sequence than the first row's are left to attend_unit's next part. */
static int fill_unit(const struct attend *at, struct unit *u, int kv_head, int head0, int row0, int row_end)
{
    const struct attention *a = at->a;
    size_t d_k = (size_t)a->shape.d_k, ld_q = (size_t)kv_codes(a->shape.d_k);
    int r = row0;
    u->n_q = 0;
    for (; r < row_end && a->row[r].seq == a->row[row0].seq; r++)
        for (int h = head0; h < head0 + at->heads && h < at->group; h++) {
            int head = kv_head * at->group + h, t = u->n_q++;
            u->row[t] = r;
            u->head[t] = head;
            u->slope[t] = a->slopes ? a->slopes[head] : 0;
            float *q = u->q + (size_t)t * ld_q;
            memcpy(q, at->q + ((size_t)r * (size_t)a->n_head + (size_t)head) * d_k, d_k * sizeof *q);
            memset(q + d_k, 0, (ld_q - d_k) * sizeof *q);
            if (has_codes(a))
                at->op->k->quantise(&u->codes, t, q);
        }
    return r;
}

static void finish_query(const struct attend *at, float *o, float *M, float *L, int head)
{
    const struct attention *a = at->a;
    if (a->sinks)
        at->op->k->attn_sink(M, L, o, a->sinks[head], a->d_v);
    at->op->k->attn_finish(o, *L, a->d_v);
}

static void attend_unit(const struct attend *at, int i, struct unit *u, uint8_t *gathered, void *scratch)
{
    const struct attention *a = at->a;
    size_t d_v = (size_t)a->d_v;
    int part = i % at->row_parts, kv_head = i / at->row_parts / at->head_parts;
    int head0 = i / at->row_parts % at->head_parts * at->heads;
    int row = part * at->rows, end = row + at->rows < a->n_rows ? row + at->rows : a->n_rows;
    while (row < end) {
        row = fill_unit(at, u, kv_head, head0, row, end);
        attend_pages(at->op, a, u, kv_head, gathered, scratch);
        if (a->beside)
            attend_beside(at->op, a, u, gathered, scratch);
        for (int t = 0; t < u->n_q; t++) {
            float *o = u->o + (size_t)t * d_v;
            finish_query(at, o, &u->M[t], &u->L[t], u->head[t]);
            memcpy(at->out + ((size_t)u->row[t] * (size_t)a->n_head + (size_t)u->head[t]) * d_v, o,
                   d_v * sizeof(float));
        }
    }
}

/* A thread's unit, without queries. */
static struct unit *thread_unit(const struct attend *at, int thread)
{
    uint8_t *base = op_thread_scratch(at->op, thread);
    struct layout p = layout(at->a);
    struct unit *u = (struct unit *)base;
    u->q = (float *)(base + p.q);
    u->acc = (float *)(base + p.acc);
    u->o = (float *)(base + p.o);
    if (has_codes(at->a))
        u->codes = xq_place(ACT_X32, ATTN_QUERIES, kv_codes(at->a->shape.d_k), base + p.codes);
    return u;
}

static int units_of(const struct attend *at) { return at->a->shape.n_head_kv * at->head_parts * at->row_parts; }

static void attend_thread(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    struct attend *at = arg;
    uint8_t *base = op_thread_scratch(at->op, thread);
    struct layout p = layout(at->a);
    struct unit *u = thread_unit(at, thread);
    for (int i, n = units_of(at); (i = atomic_fetch_add(&at->next, 1)) < at->end;) {
        /* the last rows see most positions: taken first, so that the threads end at about the same time */
        attend_unit(at, n - 1 - i, u, base + p.gathered, base + p.kernel);
        if (thread == 0)
            op_poll(at->op);
    }
}

enum { PART_WORK = 25 << 20 }; /* products of a part for each thread: some 2 ms */

/* Units of a part, between which the step may pause. */
static int part_units(const struct op *op, const struct attend *at)
{
    const struct attention *a = at->a;
    int64_t most = 1;
    if (!op->pause)
        return units_of(at);
    for (int r = 0; r < a->n_rows; r++)
        most = a->row[r].last - a->row[r].first >= most ? a->row[r].last - a->row[r].first + 1 : most;
    int64_t units = PART_WORK / (most * ATTN_QUERIES * (a->shape.d_k + a->d_v));
    return (int)(units < 1 ? 1 : units) * pool_threads(op->pool);
}

static void attend_by_units(struct op *op, struct attend *at)
{
    for (int n = units_of(at), part = part_units(op, at); at->end < n;) {
        atomic_store(&at->next, at->end);
        at->end = n - at->end < part ? n : at->end + part;
        op_may_pause(op);
        op_run(op, attend_thread, at);
    }
}

/* ---- by pages --------------------------------------------------------------------------------------------------------------------
 * In rounds, so that the splits that are kept have bounded memory: all splits of some pages of every unit, then their merge. */

enum { BY_PAGES_UNITS = 32, BY_PAGES_BYTES = 1 << 20, BY_PAGES_MOST = 64 };

struct by_pages {
    const struct attend *at;
    int part[BY_PAGES_UNITS + 1], n_part;           /* part i: rows [part[i], part[i + 1]), of one sequence */
    int begin[BY_PAGES_UNITS], end[BY_PAGES_UNITS]; /* the pages that a part sees */
    int n_unit;                                     /* of each part, KV head and part of its heads, in this order */
    int first, n;                                   /* pages of this round, counted from a part's first */
    float *kept;                                    /* [n][n_unit] splits of split_floats() */
    float M[BY_PAGES_UNITS * ATTN_QUERIES], L[BY_PAGES_UNITS * ATTN_QUERIES];
    atomic_int next;
};

static size_t split_floats(const struct attention *a) { return (size_t)ATTN_QUERIES * (size_t)(a->d_v + 2); }

static struct split_out kept_split(const struct by_pages *b, int page, int unit)
{
    float *m = b->kept + (size_t)(page * b->n_unit + unit) * split_floats(b->at->a);
    return (struct split_out){m, m + ATTN_QUERIES, m + 2 * ATTN_QUERIES};
}

/* Which rows and heads a unit has. */
struct place {
    int part, kv_head, head0, n_head;
};

static struct place place_of(const struct attend *at, int unit)
{
    struct place p = {.head0 = unit % at->head_parts * at->heads};
    p.n_head = at->group - p.head0 < at->heads ? at->group - p.head0 : at->heads;
    p.kv_head = unit / at->head_parts % at->a->shape.n_head_kv;
    p.part = unit / at->head_parts / at->a->shape.n_head_kv;
    return p;
}

static void splits_thread(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    struct by_pages *b = arg;
    const struct attend *at = b->at;
    struct unit *u = thread_unit(at, thread);
    uint8_t *scratch = (uint8_t *)u + layout(at->a).kernel;
    for (int i; (i = atomic_fetch_add(&b->next, 1)) < b->n * b->n_unit;) {
        struct place p = place_of(at, i % b->n_unit);
        int page = b->begin[p.part] + b->first + i / b->n_unit;
        if (page > b->end[p.part])
            continue;
        fill_unit(at, u, p.kv_head, p.head0, b->part[p.part], b->part[p.part + 1]);
        struct split_rows rows = see_page(at->a, u, 0, u->n_q, p.kv_head, page);
        run_split(at->op, at->a, u, 0, u->n_q, &rows, kept_split(b, i / b->n_unit, i % b->n_unit), scratch);
        if (thread == 0)
            op_poll(at->op);
    }
}

/* Queries [begin, end), ATTN_QUERIES of each unit; some units have fewer. */
static void merge_queries(void *arg, int begin, int end, int thread)
{
    (void)thread;
    struct by_pages *b = arg;
    const struct attend *at = b->at;
    const struct attention *a = at->a;
    const size_t d_v = (size_t)a->d_v;
    for (int i = begin; i < end; i++) {
        struct place p = place_of(at, i / ATTN_QUERIES);
        int t = i % ATTN_QUERIES, r = b->part[p.part] + t / p.n_head;
        int head = p.kv_head * at->group + p.head0 + t % p.n_head, n = kv_page_rows(&a->shape);
        if (r >= b->part[p.part + 1])
            continue;
        float *o = at->out + ((size_t)r * (size_t)a->n_head + (size_t)head) * d_v;
        if (b->first == 0) {
            b->M[i] = -INFINITY;
            b->L[i] = 0.0f;
            memset(o, 0, d_v * sizeof *o);
        }
        for (int k = 0; k < b->n; k++) {
            int start = (b->begin[p.part] + b->first + k) * n;
            struct split_out s = kept_split(b, k, i / ATTN_QUERIES);
            if (a->row[r].last >= start && a->row[r].first < start + n)
                at->op->k->attn_merge(&b->M[i], &b->L[i], o, s.m[t], s.l[t], s.acc + (size_t)t * d_v, a->d_v);
        }
        if (b->begin[p.part] + b->first <= b->end[p.part] && b->begin[p.part] + b->first + b->n > b->end[p.part])
            finish_query(at, o, &b->M[i], &b->L[i], head);
    }
}

static size_t by_pages_bytes(const struct attend *at)
{
    const struct attention *a = at->a;
    size_t n = (size_t)(a->n_rows < BY_PAGES_UNITS ? a->n_rows : BY_PAGES_UNITS),
           bytes = n * (size_t)(a->shape.n_head_kv * at->head_parts) * BY_PAGES_MOST * split_floats(a) * sizeof(float);
    return a->chosen || a->beside ? 0 : bytes < BY_PAGES_BYTES ? bytes : BY_PAGES_BYTES;
}

/* Which rows go together, and the pages that they see. 0: units are enough for the threads, or there is one page. */
static int find_parts(struct by_pages *b, int n_threads)
{
    const struct attend *at = b->at;
    const struct attention *a = at->a;
    const int n = kv_page_rows(&a->shape), of_part = a->shape.n_head_kv * at->head_parts;
    int most = 0;
    for (int r = 0, end; r < a->n_rows; r = end) {
        int i = b->n_part++;
        if (b->n_part * of_part > BY_PAGES_UNITS)
            return 0;
        b->part[i] = r;
        b->begin[i] = a->row[r].first / n;
        for (end = r; end < a->n_rows && end < r + at->rows && a->row[end].seq == a->row[r].seq; end++) {
            b->begin[i] = a->row[end].first / n < b->begin[i] ? a->row[end].first / n : b->begin[i];
            b->end[i] = a->row[end].last / n;
        }
        b->part[i + 1] = end;
        most = b->end[i] - b->begin[i] + 1 > most ? b->end[i] - b->begin[i] + 1 : most;
    }
    b->n_unit = b->n_part * of_part;
    return b->n_unit % n_threads && b->n_unit < 4 * n_threads ? most : 0;
}

/* 0: nothing was computed. */
static int attend_by_pages(struct op *op, const struct attend *at, float *kept, size_t bytes)
{
    struct by_pages b = {.at = at, .kept = kept};
    int most = bytes ? find_parts(&b, pool_threads(op->pool)) : 0;
    size_t fit = most ? bytes / sizeof(float) / ((size_t)b.n_unit * split_floats(at->a)) : 0;
    if (most < 2 || fit < 2)
        return 0;
    for (; b.first < most; b.first += b.n) {
        b.n = most - b.first < (int)fit ? most - b.first : (int)fit;
        atomic_store(&b.next, 0);
        op_run(op, splits_thread, &b);
        op_split(op, b.n_unit * ATTN_QUERIES, 1, 0, merge_queries, &b);
    }
    return 1;
}

void op_attend(struct op *op, const struct attention *a, float *out, const float *q)
{
    struct attend at = {.op = op, .a = a, .out = out, .q = q, .group = a->n_head / a->shape.n_head_kv};
    assert(at.group * a->shape.n_head_kv == a->n_head);
    assert(!a->chosen || (kv_ratio(&a->shape) == 1 && KV_PAGE % chosen_ratio(a) == 0));
    assert(!a->slopes || (!a->chosen && !a->beside));
    assert(!a->lists || a->lists == a->shape.n_head_kv);
    at.heads = at.group < ATTN_QUERIES ? at.group : ATTN_QUERIES;
    at.rows = ATTN_QUERIES / at.heads;
    at.head_parts = (at.group + at.heads - 1) / at.heads;
    at.row_parts = (a->n_rows + at.rows - 1) / at.rows;
    size_t mark = arena_mark(op->scratch), bytes = by_pages_bytes(&at);
    float *kept = bytes ? op_alloc(op, bytes) : NULL;
    op_need_thread(op, layout(a).end);
    if (op_measuring(op) || !attend_by_pages(op, &at, kept, bytes))
        attend_by_units(op, &at);
    arena_reset(op->scratch, mark);
}
