/* Row-wise operations: see rows.h. */
#include "op/rows.h"

#include <math.h>

enum { ALONE = 4 }; /* rows that are not worth waking anybody for */

struct rows {
    struct op *op;
    float *out;
    const float *x, *w;
    int n;
    float eps;
};

static void norm_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (int r = begin; r < end; r++)
        a->op->k->rms_norm(a->out + (size_t)r * (size_t)a->n, a->x + (size_t)r * (size_t)a->n, a->w, a->n, a->eps);
}

void op_rms_norm(struct op *op, float *out, const float *x, const float *w, int n_rows, int n, float eps)
{
    op_split(op, n_rows, 1, n >= 512 ? ALONE : 512, norm_rows, &(struct rows){op, out, x, w, n, eps});
}

static void silu_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    size_t at = (size_t)begin * (size_t)a->n;
    a->op->k->silu_mul(a->out + at, a->out + at, a->x + at, (end - begin) * a->n);
}

void op_silu_mul(struct op *op, float *gate, const float *up, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, silu_rows, &(struct rows){op, gate, up, NULL, n, 0});
}

static void add_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    size_t at = (size_t)begin * (size_t)a->n;
    a->op->k->add(a->out + at, a->x + at, (end - begin) * a->n);
}

void op_add(struct op *op, float *x, const float *y, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, add_rows, &(struct rows){op, x, y, NULL, n, 0});
}

static void add_vector_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (int r = begin; r < end; r++)
        a->op->k->add(a->out + (size_t)r * (size_t)a->n, a->w, a->n);
}

void op_add_vector(struct op *op, float *x, const float *b, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, add_vector_rows, &(struct rows){op, x, NULL, b, n, 0});
}

static void add_gated_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rows *a = arg;
    for (int r = begin; r < end; r++) {
        float g;
        a->op->k->sigmoid(&g, &a->w[r], 1);
        a->op->k->add_scaled(a->out + (size_t)r * (size_t)a->n, g, a->x + (size_t)r * (size_t)a->n, a->n);
    }
}

void op_add_gated(struct op *op, float *y, const float *o, const float *gate, int n_rows, int n)
{
    if (gate)
        op_split(op, n_rows, 1, ALONE, add_gated_rows, &(struct rows){op, y, o, gate, n, 0});
    else
        op_add(op, y, o, n_rows, n);
}

/* The n_used largest of p, value descending, ties by lower id; p of the chosen is set aside by marking it taken. */
static void top_k(int32_t *id, float *w, float *p, int n_expert, int n_used)
{
    for (int k = 0; k < n_used; k++) {
        int best = -1;
        for (int e = 0; e < n_expert; e++)
            if (p[e] >= 0 && (best < 0 || p[e] > p[best]))
                best = e;
        id[k] = best;
        w[k] = best < 0 ? 0.0f : p[best];
        if (best >= 0)
            p[best] = -1.0f; /* probabilities are not negative */
    }
}

struct route {
    struct op *op;
    int32_t *id;
    float *w, *logits;
    int n_expert, n_used, how;
    float scale;
};

static void route_row(const struct route *a, int32_t *id, float *w, float *p)
{
    a->op->k->softmax(p, a->n_expert);
    int finite = 1;
    for (int e = 0; e < a->n_expert; e++)
        finite &= isfinite(p[e]) != 0;
    if (!finite) { /* caught at the logits; here it must not choose anybody */
        for (int k = 0; k < a->n_used; k++) {
            id[k] = -1;
            w[k] = 0.0f;
        }
        return;
    }
    top_k(id, w, p, a->n_expert, a->n_used);
    if (a->how & ROUTE_NORMALISE) {
        float sum = 0.0f;
        for (int k = 0; k < a->n_used; k++)
            sum += w[k];
        for (int k = 0; k < a->n_used; k++)
            w[k] = w[k] / sum;
    }
    if (a->scale != 1.0f)
        for (int k = 0; k < a->n_used; k++)
            w[k] *= a->scale;
}

static void route_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct route *a = arg;
    for (int r = begin; r < end; r++)
        route_row(a, a->id + (size_t)r * (size_t)a->n_used, a->w + (size_t)r * (size_t)a->n_used,
                  a->logits + (size_t)r * (size_t)a->n_expert);
}

void op_route(struct op *op, int32_t *id, float *w, float *logits, int n_rows, int n_expert, int n_used, int how,
              float scale)
{
    op_split(op, n_rows, 1, ALONE, route_rows, &(struct route){op, id, w, logits, n_expert, n_used, how, scale});
}
