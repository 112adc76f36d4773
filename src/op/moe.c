/* Experts on the pool: see moe.h.
 *
 * Small batches: the output rows of all experts at hand form one long list that is cut evenly over the threads: gate and up, join,
 * activate and quantise, join, down. Large batches: the work on hidden rows is cut into units of (expert, block of rows), the sums
 * into ranges of output columns; threads take both kinds of units from an atomic counter. The rows that an expert multiplies are
 * gathered first, so that its weights are read once for all of them: their codes are copied, never quantised again. */
#include "op/moe.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

enum { BLOCK = 128 /* rows gathered at a time */, COLUMNS = 256 /* of a unit of phase 2 */, COLUMNS_LD = COLUMNS + 16 };

static size_t align64(size_t n) { return (n + 63) / 64 * 64; }

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* Gathered rows of n_cols values, as f32 or as codes of one family. */
static size_t gathered_bytes(int n_rows, int n_cols)
{
    return align64(larger((size_t)n_rows * (size_t)n_cols * sizeof(float),
                          larger(xq_bytes(ACT_X256, n_rows, n_cols), xq_bytes(ACT_X32, n_rows, n_cols))));
}

/* Copy the planes of some rows; the new planes are as wide as their number. */
static struct xq gather_codes(const struct xq *x, const int32_t *row, int n, void *mem)
{
    struct xq g = xq_place(x->family, n, x->n_cols, mem);
    size_t scales = x->family == ACT_X256 ? 1 : 8;
    for (int step = 0; step < x->n_steps; step++)
        for (int i = 0; i < n; i++) {
            size_t from = (size_t)step * (size_t)x->plane + (size_t)row[i],
                   to = (size_t)step * (size_t)g.plane + (size_t)i;
            memcpy(g.code + to * 256, x->code + from * 256, 256);
            memcpy(g.scale + to * scales, x->scale + from * scales, scales * sizeof(float));
            memcpy(g.sum16 + to * 16, x->sum16 + from * 16, 16 * sizeof(int16_t));
            memcpy(g.sum32 + to * 8, x->sum32 + from * 8, 8 * sizeof(int16_t));
        }
    return g;
}

static const struct xq *planes_of(const struct act *a, enum act_family family)
{
    return family == ACT_X256 ? &a->x256 : &a->x32;
}

/* Rows [first, first + n) of a in the form of a family, where they lie. */
static struct rows_view neighbours(const struct act *a, enum act_family family, int first, int n, struct xq *view)
{
    struct rows_view v = {.f32 = a->f32 + (size_t)first * a->ld, .ld = a->ld, .n_rows = n};
    if (family != ACT_F32) {
        *view = xq_rows(planes_of(a, family), first, n);
        v.xq = view;
    }
    return v;
}

/* Some rows of x in the form of a family, copied to mem. */
static struct rows_view gather(const struct act *x, enum act_family family, const int32_t *row, int n, void *mem,
                               struct xq *view)
{
    struct rows_view v = {.f32 = mem, .ld = (size_t)x->n_cols, .n_rows = n};
    if (family == ACT_F32) {
        for (int i = 0; i < n; i++)
            memcpy((float *)mem + (size_t)i * v.ld, x->f32 + (size_t)row[i] * x->ld, v.ld * sizeof(float));
        return v;
    }
    *view = gather_codes(planes_of(x, family), row, n, mem);
    v.xq = view;
    return v;
}

/* ---- small batches ----------------------------------------------------------------------------------------------------- */

struct moe_small_batch op_moe_small_batch_begin(struct op *op, int n_uses, int n_ff, int n_embd, ffn_act_fn *act)
{
    struct moe_small_batch f = {.n_uses = n_uses, .n_ff = n_ff, .n_embd = n_embd, .act = act};
    size_t h = (size_t)n_uses * (size_t)n_ff * sizeof(float);
    f.gate = op_alloc(op, h);
    f.up = op_alloc(op, h);
    f.out = op_alloc(op, (size_t)n_uses * (size_t)n_embd * sizeof(float));
    return f;
}

struct small_batch {
    struct op *op;
    const struct moe_small_batch *f;
    const struct moe_expert *e;
    int n;
    struct act *x;
    struct act h; /* all pairs' hidden rows, which overwrite up */
};

/* A piece of work is one matrix. The rows of all pieces form one list, which the threads share evenly. */
struct pieces {
    int per_expert, n_rows; /* matrices of an expert that this phase multiplies by, rows of each */
    size_t matrix[2];       /* where they are in struct moe_expert */
    float *out[2];          /* [n_uses][n_rows] */
    int hidden;             /* 1: they multiply the hidden rows of the expert's uses, else rows of the batch */
};

static const struct wmat *piece_at(const struct small_batch *a, const struct pieces *p, int i)
{
    return (const struct wmat *)((const char *)&a->e[i / p->per_expert] + p->matrix[i % p->per_expert]);
}

/* What a thread multiplies an expert's matrices with: rows of its uses from the first one on. */
struct inputs {
    const struct moe_expert *e;
    int first;
    enum act_family family;
    struct xq view;
    struct rows_view x;
};

/* The rows of n uses of e in a family's form: gathered where there are several, which mem has space for. The last ones serve again. */
static void find_inputs(struct inputs *in, const struct small_batch *a, const struct pieces *p,
                        const struct moe_expert *e, int first, int n, enum act_family family, void *mem)
{
    if (in->e == e && in->first == first && in->family == family)
        return;
    in->e = e;
    in->first = first;
    in->family = family;
    if (p->hidden)
        in->x = neighbours(&a->h, family, e->first_use + first, n, &in->view);
    else if (n == 1)
        in->x = neighbours(a->x, family, e->row[first], 1, &in->view);
    else
        in->x = gather(a->x, family, e->row + first, n, mem, &in->view);
}

static void small_batch_pieces(const struct small_batch *a, const struct pieces *p, int thread, int n_threads)
{
    int rows = p->n_rows, begin, end;
    uint8_t *gathered = op_thread_scratch(a->op, thread),
            *scratch = gathered + gathered_bytes(a->x->n_rows, a->x->n_cols);
    struct inputs in = {0};
    pool_share(a->n * p->per_expert * rows, 16, thread, n_threads, &begin, &end);
    for (int at = begin; at < end;) {
        int i = at / rows, n0 = at % rows, n1 = end - at < rows - n0 ? n0 + end - at : rows;
        at += n1 - n0;
        const uint8_t *then = at < end ? piece_at(a, p, i + 1)->data : NULL; /* it begins at its first row */
        const struct moe_expert *e = &a->e[i / p->per_expert];
        const struct wmat *w = piece_at(a, p, i);
        float *out = p->out[i % p->per_expert] + (size_t)e->first_use * (size_t)rows;
        for (int first = 0, n; first < e->n; first += n) { /* a file's list may name an expert twice for a row */
            n = e->n - first < a->x->n_rows ? e->n - first : a->x->n_rows;
            find_inputs(&in, a, p, e, first, n, op_family(a->op, w->type), gathered);
            op_product(a->op, w, n0, n1, &in.x, out + (size_t)first * (size_t)rows, (size_t)rows,
                       first + n < e->n ? NULL : then, scratch);
        }
    }
}

static void small_batch_hidden(void *arg, int thread, int n_threads)
{
    const struct small_batch *a = arg;
    struct pieces p = {.n_rows = a->f->n_ff};
    if (a->e->gate.n_rows) {
        p.matrix[p.per_expert] = offsetof(struct moe_expert, gate);
        p.out[p.per_expert++] = a->f->gate;
    }
    p.matrix[p.per_expert] = offsetof(struct moe_expert, up);
    p.out[p.per_expert++] = a->f->up;
    small_batch_pieces(a, &p, thread, n_threads);
}

static void small_batch_down(void *arg, int thread, int n_threads)
{
    struct small_batch *a = arg;
    struct pieces p = {.per_expert = 1,
                       .n_rows = a->f->n_embd,
                       .matrix = {offsetof(struct moe_expert, down)},
                       .out = {a->f->out},
                       .hidden = 1};
    small_batch_pieces(a, &p, thread, n_threads);
}

static void activate(const struct op *op, const struct moe_expert *e, ffn_act_fn *act, float *h, float *gate, float *up,
                     int n_ff)
{
    if (e->gate_bias)
        op->k->add(gate, e->gate_bias, n_ff);
    if (e->up_bias)
        op->k->add(up, e->up_bias, n_ff);
    if (e->up_limit > 0) {
        op->k->clamp(gate, -INFINITY, e->gate_limit, n_ff);
        op->k->clamp(up, -e->up_limit, e->up_limit, n_ff);
    }
    act(h, gate, up, n_ff);
}

static void small_batch_activate(void *arg, int thread, int n_threads)
{
    struct small_batch *a = arg;
    const struct moe_small_batch *f = a->f;
    int n = 0;
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < a->e[i].n; j++) {
            if (n++ % n_threads != thread)
                continue;
            int use = a->e[i].first_use + j;
            float *gate = f->gate + (size_t)use * (size_t)f->n_ff, *h = f->up + (size_t)use * (size_t)f->n_ff;
            activate(a->op, &a->e[i], f->act, h, gate, h, f->n_ff);
            if (a->h.x256.code)
                a->op->k->quantise(&a->h.x256, use, h);
            if (a->h.x32.code)
                a->op->k->quantise(&a->h.x32, use, h);
        }
}

void op_moe_small_batch(struct op *op, const struct moe_small_batch *f, const struct moe_expert *e, int n,
                        struct act *x)
{
    if (n == 0)
        return;
    op_need_thread(op, gathered_bytes(x->n_rows, x->n_cols) +
                           op_product_scratch(x->n_rows, f->n_ff > f->n_embd ? f->n_ff : f->n_embd));
    size_t mark = arena_mark(op->scratch);
    struct small_batch a = {op, f, e, n, x, act_rows(op, f->up, f->n_uses, f->n_ff, (size_t)f->n_ff)};
    for (int i = 0; i < 2; i++) { /* copies of x outlive this call, so the caller has made them before the mark */
        enum act_family family = op_family(op, i == 0 && e->gate.n_rows ? e->gate.type : e->up.type);
        assert(family == ACT_F32 || planes_of(x, family)->code != NULL);
    }
    enum act_family family = op_family(op, e->down.type);
    if (family != ACT_F32) {
        void *mem = op_alloc(op, xq_bytes(family, f->n_uses, f->n_ff));
        *(family == ACT_X256 ? &a.h.x256 : &a.h.x32) = xq_place(family, f->n_uses, f->n_ff, mem);
    }
    op_may_pause(op);
    op_run(op, small_batch_hidden, &a);
    op_poll(op);
    op_run(op, small_batch_activate, &a);
    op_may_pause(op);
    op_run(op, small_batch_down, &a);
    op_poll(op);
    arena_reset(op->scratch, mark);
}

void op_moe_sum(struct op *op, const struct moe_small_batch *f, const struct moe_expert *e, int n, float *y, int n_rows)
{
    if (op_measuring(op))
        return;
    memset(y, 0, (size_t)n_rows * (size_t)f->n_embd * sizeof(float));
    for (int i = 0; i < n; i++)
        for (int j = 0; j < e[i].n; j++) {
            float *o = f->out + (size_t)(e[i].first_use + j) * (size_t)f->n_embd;
            if (e[i].down_bias)
                op->k->add(o, e[i].down_bias, f->n_embd);
            op->k->add_scaled(y + (size_t)e[i].row[j] * (size_t)f->n_embd, e[i].w[j], o, f->n_embd);
        }
}

/* ---- large batches ----------------------------------------------------------------------------------------------------- */

struct large_batch {
    const struct op *op;
    const struct moe_large_batch *m;
    const struct moe_expert *e;
    int n, end; /* experts; units of the part that is computed, up to here */
    atomic_int next;
};

/* A thread's scratch, byte offsets, each 64-byte aligned. Hidden rows: gathered rows at 0, gate and up of a block, then what
 * products take. Sums: columns of a block at 0, then what products take. */
struct layout {
    size_t gate, up, hidden_product, sum_product, end; /* gate is left empty where experts have none */
};

static struct layout layout(int n_embd, int n_ff)
{
    size_t hidden = align64((size_t)BLOCK * (size_t)n_ff * sizeof(float));
    struct layout p = {.gate = gathered_bytes(BLOCK, n_embd)};
    p.up = p.gate + hidden;
    p.hidden_product = p.up + hidden;
    p.sum_product = align64((size_t)BLOCK * COLUMNS_LD * sizeof(float));
    p.end = larger(p.hidden_product + op_product_scratch(BLOCK, n_embd),
                   p.sum_product + op_product_scratch(BLOCK, n_ff));
    return p;
}

/* What a thread works in while it makes hidden rows. */
struct block_scratch {
    void *gathered, *product;
    float *gate, *up;
};

static struct block_scratch block_scratch(const struct large_batch *a, int thread)
{
    uint8_t *base = op_thread_scratch(a->op, thread);
    struct layout p = layout(a->m->n_embd, a->m->n_ff);
    return (struct block_scratch){.gathered = base,
                                  .product = base + p.hidden_product,
                                  .gate = (float *)(base + p.gate),
                                  .up = (float *)(base + p.up)};
}

static void large_batch_block(struct large_batch *a, const struct moe_expert *e, int first, int n, int thread)
{
    struct block_scratch s = block_scratch(a, thread);
    struct xq view;
    const int32_t *row = e->row + first;
    enum act_family up = op_family(a->op, e->up.type), gate = e->gate.n_rows ? op_family(a->op, e->gate.type) : up;
    struct rows_view x = gather(a->m->x, gate, row, n, s.gathered, &view);
    if (e->gate.n_rows)
        op_product(a->op, &e->gate, 0, a->m->n_ff, &x, s.gate, (size_t)a->m->n_ff, e->up.data, s.product);
    if (up != gate)
        x = gather(a->m->x, up, row, n, s.gathered, &view);
    op_product(a->op, &e->up, 0, a->m->n_ff, &x, s.up, (size_t)a->m->n_ff, NULL, s.product);
    for (int i = 0; i < n; i++) {
        int use = e->first_use - a->m->first_use + first + i;
        float *u = s.up + (size_t)i * (size_t)a->m->n_ff, *h = a->m->h ? a->m->h + (size_t)use * (size_t)a->m->n_ff : u;
        activate(a->op, e, a->m->act, h, s.gate + (size_t)i * (size_t)a->m->n_ff, u, a->m->n_ff);
        if (a->m->hq.code) {
            struct xq hq = a->m->hq;
            a->op->k->quantise(&hq, use, h);
        }
    }
}

static void large_batch_hidden(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    struct large_batch *a = arg;
    for (int unit; (unit = atomic_fetch_add(&a->next, 1)) < a->end;) {
        int left = unit, i = 0;
        for (; left >= (a->e[i].n + BLOCK - 1) / BLOCK; i++)
            left -= (a->e[i].n + BLOCK - 1) / BLOCK;
        int first = left * BLOCK, n = a->e[i].n - first < BLOCK ? a->e[i].n - first : BLOCK;
        large_batch_block(a, &a->e[i], first, n, thread);
        if (thread == 0)
            op_poll(a->op);
    }
}

static void down_columns(const struct large_batch *a, const struct moe_expert *e, int c0, int n_columns, float *out,
                         void *scratch)
{
    struct wmat columns = e->down;
    columns.data += (size_t)c0 * columns.row_bytes;
    columns.n_rows = n_columns;
    for (int first = 0; first < e->n; first += BLOCK) {
        int n = e->n - first < BLOCK ? e->n - first : BLOCK, use = e->first_use - a->m->first_use + first;
        struct rows_view h = {.n_rows = n, .ld = (size_t)a->m->n_ff};
        struct xq view;
        if (!a->m->hq.code)
            h.f32 = a->m->h + (size_t)use * (size_t)a->m->n_ff;
        else {
            view = xq_rows(&a->m->hq, use, n);
            h.xq = &view;
        }
        op_product(a->op, &columns, 0, n_columns, &h, out, COLUMNS_LD, NULL, scratch);
        for (int i = 0; i < n; i++) {
            float *o = out + (size_t)i * COLUMNS_LD;
            if (e->down_bias)
                a->op->k->add(o, e->down_bias + c0, n_columns);
            a->op->k->add_scaled(a->m->y + (size_t)e->row[first + i] * (size_t)a->m->n_embd + c0, e->w[first + i], o,
                                 n_columns);
        }
    }
}

static void large_batch_down(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    struct large_batch *a = arg;
    uint8_t *base = op_thread_scratch(a->op, thread);
    float *out = (float *)base;
    void *scratch = base + layout(a->m->n_embd, a->m->n_ff).sum_product;
    for (int unit; (unit = atomic_fetch_add(&a->next, 1)) < a->end;) {
        int c0 = unit * COLUMNS, c1 = c0 + COLUMNS < a->m->n_embd ? c0 + COLUMNS : a->m->n_embd;
        for (int i = 0; i < a->n; i++) {
            down_columns(a, &a->e[i], c0, c1 - c0, out, scratch);
            if (thread == 0)
                op_poll(a->op);
        }
    }
}

/* So many units of a phase, in parts of one for each thread where the step may pause. */
static void large_batch_units(struct op *op, pool_fn *fn, struct large_batch *a, int n_units)
{
    int part = op->pause ? pool_threads(op->pool) : n_units;
    for (int first = 0; first < n_units; first = a->end) {
        a->end = n_units - first < part ? n_units : first + part;
        atomic_store(&a->next, first);
        op_may_pause(op);
        op_run(op, fn, a);
    }
}

struct moe_large_batch op_moe_large_batch_begin(struct op *op, enum block_type down, int first_use, int n_uses,
                                                struct act *x, float *y, int n_embd, int n_ff, ffn_act_fn *act,
                                                int keep)
{
    struct moe_large_batch m = {.x = x, .y = y, .first_use = first_use, .n_embd = n_embd, .n_ff = n_ff, .act = act};
    enum act_family between = op_family(op, down);
    op_need_thread(op, layout(n_embd, n_ff).end);
    if (between == ACT_F32 || keep)
        m.h = op_alloc(op, (size_t)n_uses * (size_t)n_ff * sizeof(float));
    if (between != ACT_F32)
        m.hq = xq_place(between, n_uses, n_ff, op_alloc(op, xq_bytes(between, n_uses, n_ff)));
    return m;
}

void op_moe_large_batch_hidden(struct op *op, const struct moe_large_batch *m, const struct moe_expert *e, int n)
{
    struct large_batch a = {.op = op, .m = m, .e = e, .n = n};
    int n_blocks = 0;
    for (int i = 0; i < n; i++)
        n_blocks += (e[i].n + BLOCK - 1) / BLOCK;
    large_batch_units(op, large_batch_hidden, &a, n_blocks);
}

void op_moe_large_batch_sum(struct op *op, const struct moe_large_batch *m, const struct moe_expert *e, int n)
{
    struct large_batch a = {.op = op, .m = m, .e = e, .n = n};
    if (n > 0)
        large_batch_units(op, large_batch_down, &a, (m->n_embd + COLUMNS - 1) / COLUMNS);
}
