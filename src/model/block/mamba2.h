/* Mamba-2: x += Wout (group_norm(silu(z) * y)); mamba2.c has the formula. */
#ifndef MODEL_BLOCK_MAMBA2_H
#define MODEL_BLOCK_MAMBA2_H

#include "model/step.h"

struct mamba2_weights {
    const struct weight *norm, *in, *conv, *conv_bias, *dt_bias, *A, *D, *y_norm, *out;
    size_t history, state; /* what bind_state() returned, of the convolution and of the recurrence */
};
void block_mamba2(struct step *s, float *x, const struct mamba2_weights *w);
/* What it adds to x, out [n_rows][n_embd], from rows a that are normed already: w->norm is not used. */
void mamba2_of(struct step *s, float *out, struct act *a, const struct mamba2_weights *w);

/* params.ssm: heads, groups, state, convolution. */
int params_read_mamba2(struct params *p, const struct gguf *g, struct error *err);
void bind_mamba2(struct binder *b, int l, struct mamba2_weights *w); /* all of it; the state that the layer keeps */
/* The same without a norm before it; the norm of its output may be absent. */
void bind_mamba2_beside(struct binder *b, int l, struct mamba2_weights *w);

#endif
