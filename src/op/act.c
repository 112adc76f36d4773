/* Quantised copies of activations: see act.h. */
#include "op/act.h"

struct act act_rows(struct op *op, const float *f32, int n_rows, int n_cols, size_t ld)
{
    return (struct act){.f32 = f32, .n_rows = n_rows, .n_cols = n_cols, .ld = ld, .op = op};
}

struct quantise {
    const struct act *act;
    struct xq *to;
};

static void quantise_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    struct quantise *q = arg;
    for (int r = begin; r < end; r++)
        q->act->op->k->quantise(q->to, r, q->act->f32 + (size_t)r * q->act->ld);
}

const struct xq *act_quantised(struct act *a, enum act_family family)
{
    struct xq *x = family == ACT_X256 ? &a->x256 : &a->x32;
    if (!x->code) {
        *x = xq_place(family, a->n_rows, a->n_cols, op_alloc(a->op, xq_bytes(family, a->n_rows, a->n_cols)));
        op_split(a->op, a->n_rows, 1, 1, quantise_rows, &(struct quantise){a, x});
    }
    return x;
}
