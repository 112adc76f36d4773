/* Operations on rows of f32, each row by itself: norms, activation functions, sums. Shapes are [n_rows][n], vectors w and b [n]; what has
 * no output of its own works on x (or y) in place. Formulas: kernels.md E. */
#ifndef OP_ROWS_H
#define OP_ROWS_H

#include "op/op.h"

/* out may be x; w [n] or NULL. */
void op_rms_norm(struct op *op, float *out, const float *x, const float *w, int n_rows, int n, float eps);
/* The first n values of each of n_rows rows, ld floats apart, in place. */
void op_rms_norm_strided(struct op *op, float *x, const float *w, int n_rows, size_t ld, int n, float eps);
/* Around the mean, with bias b [n]; out may be x. */
void op_layer_norm(struct op *op, float *out, const float *x, const float *w, const float *b, int n_rows, int n,
                   float eps);
/* n_group norms of n values in each row; w [n_group][n]. */
void op_group_norm(struct op *op, float *out, const float *x, const float *w, int n_rows, int n_group, int n,
                   float eps);
/* The same around each group's mean, with bias b [n] for each. */
void op_group_layer_norm(struct op *op, float *out, const float *x, const float *w, const float *b, int n_rows,
                         int n_group, int n, float eps);
/* h = act(gate, up), an entry of the kernel table; h may be gate or up; gate NULL where act has none. */
void op_activate(struct op *op, ffn_act_fn *act, float *h, const float *gate, const float *up, int n_rows, int n);
void op_clamp(struct op *op, float *x, float low, float high, int n_rows, int n); /* to [low, high]; NaN stays */
void op_sigmoid(struct op *op, float *x, int n_rows, int n);                      /* x = sigmoid(x) */
/* x *= sigmoid(gate); gate may be x */
void op_sigmoid_mul(struct op *op, float *x, const float *gate, int n_rows, int n);

void op_add(struct op *op, float *x, const float *y, int n_rows, int n);        /* x += y */
void op_mul(struct op *op, float *x, const float *y, int n_rows, int n);        /* x *= y */
void op_add_vector(struct op *op, float *x, const float *b, int n_rows, int n); /* x += b on every row */

void op_softcap(struct op *op, float *x, float cap, int n_rows, int n);              /* x = cap tanh(x / cap) */
void op_fill(struct op *op, float *x, float value, int n_rows, int n);               /* x = value */
void op_scale(struct op *op, float *x, float factor, int n_rows, int n);             /* x *= factor */
void op_scale_rows(struct op *op, float *x, const float *factor, int n_rows, int n); /* row r *= factor[r] */

/* n values of each of n_rows rows: rows of `to` are ld_to floats apart, rows of `from` ld_from. They do not overlap. */
void op_copy(struct op *op, float *to, size_t ld_to, const float *from, size_t ld_from, int n_rows, int n);

/* y += o, or with gate [n_rows]: y += sigmoid(gate) * o (the product rounded first). */
void op_add_gated(struct op *op, float *y, const float *o, const float *gate, int n_rows, int n);

/* The first n values of each of n_rows rows, ld floats apart, in place, rounded through fp8 in blocks of FP8_BLOCK. */
void op_round_fp8(struct op *op, float *x, int n_rows, size_t ld, int n);

/* How a router's logits become experts and weights. Probabilities: softmax, or sigmoid or sqrt(softplus) of the logits, each by
 * itself; or the logits choose, and the weights are the softmax over the chosen ones (ROUTE_CHOSEN) or each one's sigmoid
 * (ROUTE_CHOSEN_SIGMOID: where sigmoids are nearly 1 different logits would be ties). select_bias is added for the choice alone.
 * With groups (n_group > 1) only experts of the n_group_used groups whose two best candidates (or the only one) have the largest sums
 * are chosen.
 * normalise: weights sum to 1. Then times scale. Ties: the lower id, of experts and of groups. */
enum route_gate { ROUTE_SOFTMAX, ROUTE_SIGMOID, ROUTE_SQRT_SOFTPLUS, ROUTE_CHOSEN, ROUTE_CHOSEN_SIGMOID };
struct route_rule {
    enum route_gate gate;
    int normalise;
    float scale;              /* 0: 1 */
    const float *select_bias; /* [n_expert], or NULL */
    int n_group, n_group_used;
    int given; /* 1: a row whose first id is not -1 has its experts already, -1 behind the last: only weights are made */
    /* Changes what a row's experts are chosen by, choice [n_expert], before groups are: -INFINITY is no candidate. Weights know nothing of
     * it. The threads of the pool call it. NULL: nothing is changed. */
    void (*turn)(const void *arg, int row, float *choice);
    const void *turn_arg;
};

/* id, w [n_rows][n_used] in order of selection, from logits [n_rows][n_expert] (overwritten). work: [n_rows][n_expert], for its use.
 * A row with a logit that is not a number gets ids -1. */
void op_route(struct op *op, int32_t *id, float *w, float *logits, float *work, int n_rows, int n_expert, int n_used,
              const struct route_rule *rule);

#endif
