/* Hyper-connections: n residual streams instead of one, mixed into a block's input and out of its output by gates that the
 * streams themselves give (Zhu et al., arXiv 2409.19606; with a doubly stochastic mixing matrix: Xie et al., arXiv 2512.24880).
 *
 *     pre = sigmoid(a_0 s_0 + b_0) + eps      post = 2 sigmoid(a_1 s_1 + b_1)      comb = sinkhorn(a_2 s_2 + b_2)
 *     u = sum_i pre_i x_i      y = block(u)      x_j = post_j y + sum_i comb_ij x_i
 *
 * a: logits [n | n | n x n] of a row, a product of its normed streams. Every sum ascends. */
#ifndef OP_HYPER_H
#define OP_HYPER_H

#include "op/op.h"

enum { HYPER_STREAMS = 8 }; /* at most */

struct hyper {
    int n, n_embd;      /* n: streams, at most HYPER_STREAMS */
    int iterations;     /* of sinkhorn: rows, then columns to sum 1, in turn */
    float eps;          /* added to pre, to comb after its softmax, and to sums that are divided by */
    const float *scale; /* s [3] */
    const float *base;  /* b [n | n | n x n] */
};
/* Values of a row of gates. */
static inline int hyper_logits(int n) { return n * (2 + n); }

/* Logits a to gates, in place: mix [n_rows][n | n | n x n], comb by row i. */
void op_hyper_gates(struct op *op, const struct hyper *h, float *mix, int n_rows);

/* out [n_rows][n_embd] = u from x [n_rows][n][n_embd]; the gates pre are the first n values of rows of mix, ld_mix floats apart. */
void op_hyper_in(struct op *op, const struct hyper *h, float *out, const float *x, const float *mix, int ld_mix,
                 int n_rows);

/* x [n_rows][n][n_embd] in place, from y [n_rows][n_embd] and the gates of op_hyper_gates(). */
void op_hyper_out(struct op *op, const struct hyper *h, float *x, const float *y, const float *mix, int n_rows);

/* After the last layer there are only the gates pre: logits [n_rows][n] to gates, in place. */
void op_hyper_pre(struct op *op, const struct hyper *h, float *mix, int n_rows);

#endif
