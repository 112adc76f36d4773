/* Matrix products: which kernel, which rows of the weights on which thread. See matmul.h. */
#include "op/matmul.h"

#include <assert.h>

enum { EXACT_ROWS = 8, POLL_WORK = 400 << 20, UNIT = 32 };

enum act_family op_family(const struct op *op, enum block_type t) { return op->exact ? ACT_F32 : kernel_family(t); }

struct rows_view op_view(struct act *a, enum block_type t)
{
    enum act_family family = op_family(a->op, t);
    return (struct rows_view){
        .f32 = a->f32, .ld = a->ld, .n_rows = a->n_rows, .xq = family == ACT_F32 ? NULL : act_quantised(a, family)};
}

struct wmat wmat_rows(const struct wmat *w, int first, int n)
{
    struct wmat part = *w;
    part.n_rows = n;
    if (part.data) /* not while measuring, before the model is loaded */
        part.data += (size_t)first * part.row_bytes;
    return part;
}

static size_t align64(size_t n) { return (n + 63) / 64 * 64; }

size_t op_product_scratch(int n_rows, int n_cols)
{
    size_t exact = align64((size_t)n_cols * sizeof(float)) * EXACT_ROWS, tile = kernel_tile_scratch(n_rows);
    return exact > tile ? exact : tile;
}

static void scale(const struct op *op, const struct wmat *w, int n0, int n1, float *out)
{
    if (w->scale)
        op->k->scale(out + n0, *w->scale, n1 - n0);
}

/* EXACT_ROWS at a time are decoded to f32 and multiplied as such (kernels.md H). */
static void product_exact(const struct op *op, const struct wmat *w, int n0, int n1, const struct rows_view *x,
                          float *out, size_t ld_out, float *scratch)
{
    const struct block_info *type = type_info(w->type);
    size_t row = align64((size_t)w->n_cols * sizeof(float)) / sizeof(float);
    for (int n = n0; n < n1; n += EXACT_ROWS) {
        int rows = n1 - n < EXACT_ROWS ? n1 - n : EXACT_ROWS;
        for (int i = 0; i < rows; i++)
            type->decode(scratch + (size_t)i * row, w->data + (size_t)(n + i) * w->row_bytes, (size_t)w->n_cols);
        struct wmat f32 = {(const uint8_t *)scratch, TYPE_F32, rows, w->n_cols, row * sizeof(float)};
        op->k->tilef[TYPE_F32](&f32, 0, rows, x->f32, x->ld, x->n_rows, out + n, ld_out);
    }
}

static void product(const struct op *op, const struct wmat *w, int n0, int n1, const struct rows_view *x, float *out,
                    size_t ld_out, const uint8_t *then, void *scratch)
{
    if (x->xq && x->n_rows == 1)
        op->k->dot[w->type](w, n0, n1, x->xq, 0, out, then);
    else if (x->xq)
        op->k->tile[w->type](op->k, w, n0, n1, x->xq, out, ld_out, then, scratch);
    else if (op->k->tilef[w->type])
        op->k->tilef[w->type](w, n0, n1, x->f32, x->ld, x->n_rows, out, ld_out);
    else
        product_exact(op, w, n0, n1, x, out, ld_out, scratch);
}

void op_product(const struct op *op, const struct wmat *w, int n0, int n1, const struct rows_view *x, float *out,
                size_t ld_out, const uint8_t *then, void *scratch)
{
    if (n0 >= n1)
        return;
    product(op, w, n0, n1, x, out, ld_out, then, scratch);
    for (int r = 0; r < x->n_rows; r++)
        scale(op, w, n0, n1, out + (size_t)r * ld_out);
}

struct matmul {
    const struct op *op;
    const struct wmat *w;
    struct rows_view x;
    float *out;
    size_t ld_out;
    int first; /* row of w of this part */
};

/* The leader polls the disk every POLL_WORK products: about a millisecond. */
static void matmul_rows(void *arg, int begin, int end, int thread)
{
    struct matmul *m = arg;
    int64_t rows = POLL_WORK / ((int64_t)m->x.n_rows * m->w->n_cols) / UNIT * UNIT;
    int step = thread > 0 || rows > end - begin ? end - begin : rows < UNIT ? UNIT : (int)rows;
    for (int n0 = begin; n0 < end; n0 += step) {
        int n1 = end - n0 < step ? end : n0 + step;
        op_product(m->op, m->w, m->first + n0, m->first + n1, &m->x, m->out, m->ld_out, NULL,
                   op_thread_scratch(m->op, thread));
        if (n1 < end)
            op_poll(m->op);
    }
}

/* Rows of w in a part, between which the step may pause: as much work for each thread as the leader does between two polls. */
static int part_rows(const struct op *op, const struct wmat *w, int n_rows)
{
    if (!op->pause)
        return w->n_rows;
    int64_t row = (int64_t)n_rows * w->n_cols, rows = POLL_WORK / row / UNIT * UNIT;
    rows = (rows < UNIT ? UNIT : rows) * pool_threads(op->pool);
    return rows < w->n_rows ? (int)rows : w->n_rows;
}

void op_matmul(struct op *op, float *out, size_t ld_out, struct act *a, const struct wmat *w)
{
    assert(a->n_cols == w->n_cols);
    op_watch(op, w, (struct op_rows){a->f32, a->ld, 0, a->n_rows, 1});
    struct matmul m = {op, w, op_view(a, w->type), out, ld_out, 0};
    op_need_thread(op, op_product_scratch(a->n_rows, w->n_cols));
    for (int n, part = part_rows(op, w, a->n_rows); m.first < w->n_rows; m.first += n) {
        n = w->n_rows - m.first < part ? w->n_rows - m.first : part;
        op_may_pause(op);
        op_split(op, n, UNIT, 0, matmul_rows, &m);
    }
    op_poll(op);
}
