/* Steering rows: see steer.h. Each row by itself, so that neighbours in a batch cannot change it. */
#include "op/steer.h"

enum { ALONE = 8 }; /* the most rows that the leader changes alone */

struct steer {
    const struct op *op;
    float *x;
    const float *v;
    float amount;
    enum steer_side side;
    int n;
};

static void add_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct steer *a = arg;
    for (int r = begin; r < end; r++)
        a->op->k->axpy(a->x + (size_t)r * (size_t)a->n, a->amount, a->v, a->n);
}

void op_steer_add(struct op *op, float *x, float s, const float *v, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, add_rows, &(struct steer){op, x, v, s, STEER_BOTH, n});
}

static void project_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct steer *a = arg;
    for (int r = begin; r < end; r++) {
        float *x = a->x + (size_t)r * (size_t)a->n, c = a->op->k->dot16(x, a->v, (size_t)a->n);
        if ((a->side == STEER_POSITIVE && !(c > 0)) || (a->side == STEER_NEGATIVE && !(c < 0)))
            continue;
        a->op->k->axpy(x, -(a->amount * c), a->v, a->n);
    }
}

void op_steer_project(struct op *op, float *x, float a, const float *r, enum steer_side side, int n_rows, int n)
{
    op_split(op, n_rows, 1, ALONE, project_rows, &(struct steer){op, x, r, a, side, n});
}
