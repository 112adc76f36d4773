/* The feed-forward of routed experts, from plain pointers: which expert serves which rows is the caller's knowledge, where the
 * weights came from is the store's.
 *
 *     h = act(gate_e x + bg, up_e x + bu),   o = down_e h + bd,   y_row += w * o     over the row's experts, ascending id
 *
 * act is silu(g) * u or another entry of the kernel table; experts of two matrices have no gate, and biases are where the experts
 * have them. x and y need not be as wide as the model: n_embd is what these experts see.
 *
 * Few rows: each (expert, row) pair's output o is kept apart, in any order of arrival; op_moe_sum() adds them in ascending
 * expert id when the last is in. Many rows: hidden rows of a wave's experts in any order, then their sums ascending; waves ascend,
 * so y is summed in the same order. Both give the same bits: one rounded product and one add a pair, from zero. */
#ifndef OP_MOE_H
#define OP_MOE_H

#include "op/act.h"
#include "op/matmul.h"

struct moe_expert {
    struct wmat gate, up, down;                   /* gate without rows: none */
    const float *gate_bias, *up_bias, *down_bias; /* NULL: none */
    const int32_t *row;                           /* [n] rows of x that use it, ascending */
    const float *w;                               /* [n] their weights */
    int n;
    float limit;   /* of gate from above, of up from both sides; 0: none */
    int first_use; /* place of its first (expert, row) pair among all pairs of the layer call, experts ascending */
};

enum { MOE_SMALL_BATCH = 16 };

/* Pairs of few rows: scratch for all of a layer call, made once before the first expert. */
struct moe_small_batch {
    float *gate, *up, *out; /* [n_uses][n_ff], [n_uses][n_ff], [n_uses][n_embd] */
    int n_uses, n_ff, n_embd;
    ffn_act_fn *act;
};
struct moe_small_batch op_moe_small_batch_begin(struct op *op, int n_uses, int n_ff, int n_embd, ffn_act_fn *act);

/* Outputs of these experts' pairs, in any order of calls. */
void op_moe_small_batch(struct op *op, const struct moe_small_batch *f, const struct moe_expert *e, int n,
                        struct act *x);

/* y [n_rows][n_embd], from +0: pairs in ascending expert id. e: all experts of the layer call, ascending. */
void op_moe_sum(struct op *op, const struct moe_small_batch *f, const struct moe_expert *e, int n, float *y,
                int n_rows);

/* Many rows, a wave at a time: begin, then every expert of the wave once in op_moe_large_batch_hidden(), as they become readable, then
 * all of them, ascending, in op_moe_large_batch_sum(): y += their pairs; y was zeroed before the first wave. The wave's pairs are
 * [first_use, first_use + n_uses) of the layer call's. Scratch of the step until the caller's mark is reset. */
struct moe_large_batch {
    struct act *x;
    struct xq hq; /* [n_uses] planes, where down is quantised */
    float *h;     /* [n_uses][n_ff], where it is not */
    float *y;
    int first_use, n_embd, n_ff;
    ffn_act_fn *act;
};
struct moe_large_batch op_moe_large_batch_begin(struct op *op, enum block_type down, int first_use, int n_uses,
                                                struct act *x, float *y, int n_embd, int n_ff, ffn_act_fn *act);
void op_moe_large_batch_hidden(struct op *op, const struct moe_large_batch *m, const struct moe_expert *e, int n);
void op_moe_large_batch_sum(struct op *op, const struct moe_large_batch *m, const struct moe_expert *e, int n);

/* Bytes for the plan: of a step's scratch, for n_rows rows that use n_used experts each, and of a thread's. wide: down takes f32, as
 * with float weights and --exact. */
size_t op_moe_bytes(int n_rows, int n_used, int n_ff, int n_embd, int wide);
size_t op_moe_thread_bytes(int n_ff, int n_embd);

#endif
