/* Products head by head: see heads.h. Rows are gathered by head, so that one head's rows are neighbours; then units are heads. */
#include "op/heads.h"
#include "op/rows.h"

struct heads {
    const struct op *op;
    float *out;
    size_t ld_out, stride_out;
    const float *x; /* [n_head][n_rows][n_cols] */
    const struct xq *xq;
    int n_rows;
    const struct wmat *w;
    int n_out, head_rows;
};

static void head_units(void *arg, int begin, int end, int thread)
{
    const struct heads *a = arg;
    for (int h = begin; h < end; h++) {
        struct wmat w = *a->w;
        struct rows_view x = {.n_rows = a->n_rows, .ld = (size_t)w.n_cols};
        struct xq view;
        w.data += (size_t)h * (size_t)a->head_rows * w.row_bytes;
        w.n_rows = a->n_out;
        x.f32 = a->x + (size_t)h * (size_t)a->n_rows * x.ld;
        if (a->xq) {
            view = xq_rows(a->xq, h * a->n_rows, a->n_rows);
            x.xq = &view;
        }
        op_product(a->op, &w, 0, a->n_out, &x, a->out + (size_t)h * a->stride_out, a->ld_out, NULL,
                   op_thread_scratch(a->op, thread));
    }
}

void op_matmul_heads(struct op *op, float *out, size_t ld_out, size_t stride_out, const float *x, size_t ld_x,
                     size_t stride_x, int n_rows, const struct wmat *w, int n_head, int n_out, int head_rows)
{
    size_t mark = arena_mark(op->scratch), n_cols = (size_t)w->n_cols;
    op_watch(op, w, (struct op_rows){x, ld_x, stride_x, n_rows, n_head});
    float *by_head = op_alloc(op, (size_t)n_head * (size_t)n_rows * n_cols * sizeof(float));
    for (int h = 0; h < n_head; h++)
        op_copy(op, by_head + (size_t)h * (size_t)n_rows * n_cols, n_cols, x + (size_t)h * stride_x, ld_x, n_rows,
                w->n_cols);
    struct act a = act_rows(op, by_head, n_head * n_rows, w->n_cols, n_cols);
    struct heads work = {.op = op,
                         .out = out,
                         .ld_out = ld_out,
                         .stride_out = stride_out,
                         .x = by_head,
                         .n_rows = n_rows,
                         .w = w,
                         .n_out = n_out,
                         .head_rows = head_rows};
    work.xq = op_view(&a, w->type).xq;
    op_need_thread(op, op_product_scratch(n_rows, w->n_cols));
    op_split(op, n_head, 1, 0, head_units, &work);
    arena_reset(op->scratch, mark);
}
