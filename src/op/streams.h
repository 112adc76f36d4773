/* Rows of several streams x [n_rows][n][n_embd]: their mean, one row into all, and the gates of a row against each stream. */
#ifndef OP_STREAMS_H
#define OP_STREAMS_H

#include "op/op.h"

/* out [n_rows][n_embd] = (x_0 + x_1 + ...) / n, ascending. */
void op_streams_mean(struct op *op, float *out, const float *x, int n, int n_embd, int n_rows);

/* x_s += gate_s y (the product rounded first), and x_s = gate_s y; y [n_rows][n_embd], gate [n_rows][n]. */
void op_streams_add(struct op *op, float *x, const float *y, const float *gate, int n, int n_embd, int n_rows);
void op_streams_set(struct op *op, float *x, const float *y, const float *gate, int n, int n_embd, int n_rows);

/* gate [n_rows][n] = sigmoid(sign(a) sqrt(max(|a|, 1e-6))), a = key_s query_s / sqrt(n_embd), both [n_rows][n][n_embd]. */
void op_streams_gate(struct op *op, float *gate, const float *key, const float *query, int n, int n_embd, int n_rows);

#endif
