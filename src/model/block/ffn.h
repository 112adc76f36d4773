/* The feed-forward: out = post_norm(Wdown act(Wgate a + bg, Wup a + bu) + bd). */
#ifndef MODEL_BLOCK_FFN_H
#define MODEL_BLOCK_FFN_H

#include "model/step.h"

/* act is params.ffn_act, which may have no gate; what else a model lacks is NULL. */
struct ffn_weights {
    const struct weight *gate, *up, *down, *gate_bias, *up_bias, *down_bias, *post_norm;
    const struct weight *both_bias; /* of a matrix of gate and up: one bias of both */
    int n_ff;                       /* width of the hidden row */
    int up_first;                   /* where up's rows begin, in a matrix of both: behind those of gate */
    /* The products of gate are at most gate_limit, those of up within up_limit; 0: no limits. */
    float gate_limit, up_limit;
};
/* out [n_rows][n_embd] from a [n_rows][n_embd]. */
void block_ffn(struct step *s, float *out, struct act *a, const struct ffn_weights *w);
ffn_act_fn *ffn_kernel(const struct step *s); /* the kernel of params.ffn_act */

/* The second half of a dense layer: x += ffn(rms_norm(x)); norm NULL: x += ffn(x). dense_of(): y [n_rows][n_embd], what it adds. */
void dense_of(struct step *s, float *y, const float *x, const struct weight *norm, const struct ffn_weights *w);
void block_dense(struct step *s, float *x, const struct weight *norm, const struct ffn_weights *w);

/* The matrices ffn_gate, ffn_up and ffn_down with a suffix to their names: "", or "_shexp" of a shared expert. */
void bind_ffn(struct binder *b, int l, struct ffn_weights *w, const char *suffix, int n_ff);
/* Gate and up in one matrix, which is named ffn_up. */
void bind_ffn_fused(struct binder *b, int l, struct ffn_weights *w, int n_ff);

#endif
