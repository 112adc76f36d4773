/* The feed-forward: out = post_norm(Wdown act(Wgate a + bg, Wup a + bu) + bd). */
#ifndef MODEL_BLOCK_FFN_H
#define MODEL_BLOCK_FFN_H

#include "model/step.h"

/* act is params.ffn_act, which may have no gate; what else a model lacks is NULL. */
struct ffn_weights {
    const struct weight *gate, *up, *down, *gate_bias, *up_bias, *down_bias, *post_norm;
    int n_ff;
    float limit; /* gate a at most, up a within it; 0: none */
};
void block_ffn(struct step *s, float *out, struct act *a, const struct ffn_weights *w);
ffn_act_fn *ffn_kernel(const struct step *s); /* the act of the model */

/* The second half of a dense layer: x += ffn(rms_norm(x)). */
void block_dense(struct step *s, float *x, const struct weight *norm, const struct ffn_weights *w);

void bind_ffn(struct binder *b, int l, struct ffn_weights *w, const char *suffix, int n_ff); /* suffix: "", "_shexp" */

#endif
