/* Recurrent layers over a batch: rows of one sequence in order, sequences and columns of state independent.
 *
 * A run is a stretch of rows of one sequence; its states are updated in place. */
#ifndef OP_RECUR_H
#define OP_RECUR_H

#include "op/op.h"

#include <stdint.h>

struct run {
    int first, n;   /* rows of the batch */
    float *history; /* [width - 1][n_channel] inputs of the convolution before the run, oldest first */
    float *state;   /* of the recurrence */
    /* Where rows are drafted: an operation leaves what its states are after row i of the run, but the last, in kept[i], blocks that are
     * laid out as the one that history and state are in. NULL: nothing is left */
    uint8_t *const *kept; /* [n - 1] */
    const uint8_t *block;
};

/* Where row i of the run leaves what is at `at` in its block; NULL: nowhere. */
static inline float *run_kept(const struct run *r, int i, const float *at)
{
    return r->kept && i < r->n - 1 ? (float *)(void *)(r->kept[i] + ((const uint8_t *)at - r->block)) : NULL;
}

/* Short causal convolution and silu: y [n_rows][n_channel] from x of that shape, c [width][n_channel], bias [n_channel] or NULL; history
 * takes the last width - 1 inputs. run [n_run], here and below, covers all rows. 1 <= width <= CONV_MOST. */
void op_conv(struct op *op, float *y, const float *x, const float *c, const float *bias, int width, int n_channel,
             const struct run *run, int n_run);
/* The same without bias and silu. */
void op_conv_plain(struct op *op, float *y, const float *x, const float *c, int width, int n_channel,
                   const struct run *run, int n_run);
/* Taps that are `apart` rows apart, and silu: y_t = silu(sum over k of c[k] x_(t - (width - 1 - k) apart)). history [(width - 1) apart]
 * [n_channel]; (width - 1) apart <= CONV_PAST. */
void op_conv_apart(struct op *op, float *y, const float *x, const float *c, int width, int apart, int n_channel,
                   const struct run *run, int n_run);
enum { CONV_MOST = 8, CONV_PAST = 32 };

/* Gated delta rule (kernels.md G), heads of d keys and d values. q, k [n_head_k][d] and v [n_head_v][d] of a row, rows ld floats
 * apart; beta [n_rows][n_head_v]; decay likewise, or with by_key [n_rows][n_head_v][d]: one a key channel;
 * o [n_rows][n_head_v][d]. State of a run: [n_head_v] of panels as kernel.h has them. */
struct delta {
    int n_head_k, n_head_v, d;
    int interleaved; /* value head h uses key head h % n_head_k; else h / (n_head_v / n_head_k) */
    int by_key;
    const float *q, *k, *v, *decay, *beta;
    size_t ld;
    float *o;
};
void op_delta(struct op *op, const struct delta *d, const struct run *run, int n_run);

/* Mamba-2 (kernels.md G), heads of d values over states of n_state rows; head h has the B and C of group h / (n_head / n_group).
 * Rows of x [n_head][d], B and C [n_group][n_state] are ld floats apart; decay and dt [n_rows][n_head]; D [n_head];
 * y [n_rows][n_head][d]. State of a run: [n_head] of panels as kernel.h has them. */
struct ssm {
    int n_head, n_group, d, n_state;
    const float *x, *B, *C, *decay, *dt, *D;
    size_t ld;
    float *y;
};
void op_ssm(struct op *op, const struct ssm *m, const struct run *run, int n_run);

/* Its steps: dt = softplus(dt + bias), in place, and decay = exp(A dt); [n_rows][n_head], A and bias [n_head]. */
void op_ssm_steps(struct op *op, float *decay, float *dt, const float *bias, const float *A, int n_rows, int n_head);

/* Mamba-1 (kernels.md G): each channel has n_state states, which decay by themselves. Rows of x, dt and y [n_channel], of B and C
 * [n_state]; A and the state of a run [n_state][n_channel]; D and bias [n_channel]. dt becomes softplus(dt + bias). */
struct ssm_channels {
    int n_channel, n_state;
    const float *x, *B, *C, *A, *D, *bias;
    float *dt, *y;
};
void op_ssm_channels(struct op *op, const struct ssm_channels *m, const struct run *run, int n_run);

/* The share of a state that is kept in a step, from its logits x [n_rows][n_head], in place: exp(A softplus(x + dt)), A, dt [n_head]. */
void op_decay(struct op *op, float *x, const float *A, const float *dt, int n_rows, int n_head);
/* The same for each key channel, x [n_rows][n_head][n], A [n_head], dt [n_head][n], with |A|, whose sign files do not agree on:
 * exp(-|A| softplus(x + dt)), or, where lowest is not 0, exp(lowest sigmoid(|A| (x + dt))). */
void op_decay_keys(struct op *op, float *x, const float *A, const float *dt, float lowest, int n_rows, int n_head,
                   int n);

/* Each head's n values by itself, in place: x = l2_norm(x) * scale; x [n_rows] of [n_head][n], rows ld floats apart. */
void op_l2_norm(struct op *op, float *x, int n_rows, size_t ld, int n_head, int n, float eps, float scale);

#endif
