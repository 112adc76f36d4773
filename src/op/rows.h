/* Operations on rows of f32, each row by itself: norms, activation functions, sums. Shapes are [n_rows][n]. */
#ifndef OP_ROWS_H
#define OP_ROWS_H

#include "op/op.h"

/* out may be x; w [n] or NULL. */
void op_rms_norm(struct op *op, float *out, const float *x, const float *w, int n_rows, int n, float eps);
void op_silu_mul(struct op *op, float *gate, const float *up, int n_rows, int n); /* gate = silu(gate) * up */
void op_add(struct op *op, float *x, const float *y, int n_rows, int n);          /* x += y */
void op_add_vector(struct op *op, float *x, const float *b, int n_rows, int n);   /* x += b on every row */

/* y += o, or with gate [n_rows]: y += sigmoid(gate) * o (the product rounded first). */
void op_add_gated(struct op *op, float *y, const float *o, const float *gate, int n_rows, int n);

enum { ROUTE_SOFTMAX = 1, ROUTE_NORMALISE = 2 };

/* Top-k of the router's logits [n_rows][n_expert] (overwritten), by softmax over all; ties: the lower id. id, w [n_rows][n_used]
 * in order of selection; with ROUTE_NORMALISE w sums to 1; then times scale where it is not 1. A row with a logit that is
 * not a number gets ids -1. */
void op_route(struct op *op, int32_t *id, float *w, float *logits, int n_rows, int n_expert, int n_used, int how,
              float scale);

#endif
