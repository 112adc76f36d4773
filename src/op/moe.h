/* The feed-forward of routed experts, from plain pointers: which expert serves which rows is the caller's knowledge, where the
 * weights came from is the store's.
 *
 *     h = act(gate_e x + bg, up_e x + bu),   o = down_e h + bd,   y_row += w * o     over the row's experts, ascending id
 *
 * act is silu(g) * u or another entry of the kernel table; biases where the experts have them.
 *
 * Few rows: each (expert, row) pair's output o is kept apart, in any order of arrival; op_moe_sum() adds them in ascending
 * expert id when the last is in. Many rows: two phases over the READY experts of a wave, ascending; waves ascend, so y is
 * summed in the same order. Both give the same bits: one rounded product and one add per pair, from zero. */
#ifndef OP_MOE_H
#define OP_MOE_H

#include "op/act.h"
#include "op/matmul.h"

typedef void moe_act(float *h, const float *gate, const float *up, int n);

struct moe_expert {
    struct wmat gate, up, down;
    const float *gate_bias, *up_bias, *down_bias; /* NULL: none */
    const int32_t *row;                           /* [n] rows of x that use it, ascending */
    const float *w;                               /* [n] their weights */
    int n;
    int first_use; /* place of its first (expert, row) pair among all pairs of the layer call, experts ascending */
};

enum { MOE_FEW_ROWS = 16 };

/* Pairs of few rows: scratch for all of a layer call, made once before the first expert. */
struct moe_few {
    float *gate, *up, *out; /* [n_uses][n_ff], [n_uses][n_ff], [n_uses][n_embd] */
    int n_uses, n_ff, n_embd;
    moe_act *act;
};
struct moe_few op_moe_few_begin(struct op *op, int n_uses, int n_ff, int n_embd, moe_act *act);

/* Outputs of these experts' pairs, in any order of calls. */
void op_moe_few(struct op *op, const struct moe_few *f, const struct moe_expert *e, int n, struct act *x);

/* y [n_rows][n_embd], from +0: pairs in ascending expert id. e: all experts of the layer call, ascending. */
void op_moe_sum(struct op *op, const struct moe_few *f, const struct moe_expert *e, int n, float *y, int n_rows);

/* Many rows: y += the pairs of these experts (ascending); y was zeroed before the first wave. n_uses: their pairs in all. */
void op_moe_many(struct op *op, const struct moe_expert *e, int n, int n_uses, struct act *x, float *y, int n_embd,
                 int n_ff, moe_act *act);

/* Bytes for the plan (wide: down takes f32, as float weights and --exact do): of the step's scratch for n_rows rows using n_used experts each, and of a thread. */
size_t op_moe_bytes(int n_rows, int n_used, int n_ff, int n_embd, int wide);
size_t op_moe_thread_bytes(int n_ff, int n_embd);

#endif
