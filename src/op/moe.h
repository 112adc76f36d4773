/* The feed-forward of routed experts, from plain pointers: the caller knows which expert serves which rows, and the store where
 * the weights came from.
 *
 *     h = act(gate_e x + bg, up_e x + bu),   o = down_e h + bd,   y_row += w * o     over the row's experts, ascending id
 *
 * act is silu(g) * u or another entry of the kernel table. Experts of two matrices have no gate, and some have no biases. n_embd is
 * the width of x and y as these experts see them, which may be less than the model's.
 *
 * A small batch keeps the output o of each (expert, row) pair apart while experts arrive in any order; op_moe_sum() adds them in
 * ascending expert id when the last is there. A large batch computes the hidden rows of a wave's experts in any order, then adds
 * their outputs in ascending order; waves ascend too, so y is summed in the same order. Both give the same bits: for each pair one
 * rounded product and one addition, starting from zero. */
#ifndef OP_MOE_H
#define OP_MOE_H

#include "op/act.h"
#include "op/matmul.h"

struct moe_expert {
    struct wmat gate, up, down;                   /* [n_ff][n_embd] twice, [n_embd][n_ff]; gate without rows: none */
    const float *gate_bias, *up_bias, *down_bias; /* [n_ff], [n_ff], [n_embd]; NULL: none */
    const int32_t *row;                           /* [n] rows of x that use it, ascending */
    const float *w;                               /* [n] their weights */
    int n;
    float gate_limit, up_limit; /* of gate from above, of up from both sides; 0: none */
    int first_use; /* index of its first (expert, row) pair among all pairs of the layer call, experts ascending */
};

enum { MOE_SMALL_BATCH = 32 }; /* the most rows of a small batch */

/* Small batch: what the pairs of a layer call are computed in. begin() allocates it once, before the first expert, in the step's
 * scratch, where it lasts until the caller resets to an earlier mark. */
struct moe_small_batch {
    float *gate, *up, *out;   /* [n_uses][n_ff], [n_uses][n_ff], [n_uses][n_embd] */
    int n_uses, n_ff, n_embd; /* n_uses: (expert, row) pairs of the layer call */
    ffn_act_fn *act;
};
struct moe_small_batch op_moe_small_batch_begin(struct op *op, int n_uses, int n_ff, int n_embd, ffn_act_fn *act);

/* The outputs of these n experts' pairs into f->out. Calls may come in any order of experts. x: the batch, whose quantised copies for
 * gate and up have been made (op_view()). */
void op_moe_small_batch(struct op *op, const struct moe_small_batch *f, const struct moe_expert *e, int n,
                        struct act *x);

/* y [n_rows][n_embd] = the sum of w * o over each row's pairs, ascending expert id, starting from +0. e: all n experts of the layer
 * call, ascending. */
void op_moe_sum(struct op *op, const struct moe_small_batch *f, const struct moe_expert *e, int n, float *y,
                int n_rows);

/* Large batch, a wave at a time: begin(); then every expert of the wave once in hidden(), as they become readable; then all of them,
 * ascending, in sum(), which adds to y. The caller zeroes y before the first wave. The wave's pairs are
 * [first_use, first_use + n_uses) of the layer call's. begin() allocates in the step's scratch. */
struct moe_large_batch {
    struct act *x; /* [n_rows] of n_embd, the caller's, like y [n_rows][n_embd] */
    struct xq hq;  /* [n_uses] planes, where down is quantised; else without code */
    float *h;      /* [n_uses][n_ff], where it is not, or where they were asked for; else NULL */
    float *y;
    int first_use, n_embd, n_ff;
    ffn_act_fn *act;
};
/* keep: 1: hidden rows are wanted in f32 too, when the wave is done. */
struct moe_large_batch op_moe_large_batch_begin(struct op *op, enum block_type down, int first_use, int n_uses,
                                                struct act *x, float *y, int n_embd, int n_ff, ffn_act_fn *act,
                                                int keep);
void op_moe_large_batch_hidden(struct op *op, const struct moe_large_batch *m, const struct moe_expert *e, int n);
void op_moe_large_batch_sum(struct op *op, const struct moe_large_batch *m, const struct moe_expert *e, int n);

#endif
