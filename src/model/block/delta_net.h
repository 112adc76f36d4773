/* Gated delta net: a recurrence instead of attention, with a convolution before it and a gate behind it. */
#ifndef MODEL_BLOCK_DELTA_NET_H
#define MODEL_BLOCK_DELTA_NET_H

#include "model/step.h"

/* params.delta has the numbers. The state is that of all value heads; the history that of the convolution. */
struct delta_net_weights {
    const struct weight *wqkv, *wz, *conv, *wa, *wb, *A, *dt, *o_norm, *wout;
    const struct weight *wba; /* wb and wa in one matrix, by key head [b | a], or NULL */
    int neighbours;           /* 1: neighbouring value heads share a key head; else every n-th does */
    int sigmoid;              /* 1: the gate is sigmoid(Wz n), else silu(Wz n) */
    size_t history, state;
};

/* y [n_rows][n_embd] from the normed rows n, which y may be. */
void delta_net(struct step *s, float *y, const float *n, const struct delta_net_weights *w);

/* After params_read(): ssm.conv_kernel, state_size, time_step_rank, group_count, inner_size. */
int params_read_delta(struct params *p, const struct gguf *g, struct error *err);
void bind_delta_net(struct binder *b, int l, struct delta_net_weights *w);

#endif
