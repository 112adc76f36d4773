/* Products head by head: each head has a matrix of its own (the absorbed halves of latent attention). */
#ifndef OP_HEADS_H
#define OP_HEADS_H

#include "op/matmul.h"

/* out[r * ld_out + h * stride_out + i] = row i < n_out of head h's matrix times the w->n_cols values at x[r * ld_x + h * stride_x], for
 * n_rows rows r. w holds the n_head matrices; head h's begins at row h * head_rows. Uses the step's scratch, and frees it. */
void op_matmul_heads(struct op *op, float *out, size_t ld_out, size_t stride_out, const float *x, size_t ld_x,
                     size_t stride_x, int n_rows, const struct wmat *w, int n_head, int n_out, int head_rows);

#endif
