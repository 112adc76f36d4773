/* Kimi delta attention: x += Wo (rms_norm(o) * sigmoid(gate)), o of a recurrence with a decay a key channel; kda.c has the formula. */
#ifndef MODEL_BLOCK_KDA_H
#define MODEL_BLOCK_KDA_H

#include "model/step.h"

enum { KDA_Q, KDA_K, KDA_V, KDA_QKV };

/* decay_b and gate_b NULL: decay_a and gate_a are whole, else the first of two. */
struct kda_weights {
    const struct weight *norm, *project[KDA_QKV], *conv[KDA_QKV], *decay_a, *decay_b, *A, *dt, *beta, *gate_a, *gate_b,
        *o_norm, *wo;
    size_t history[KDA_QKV], state; /* what bind_state() returned, of the convolutions and of the recurrence */
};
void block_kda(struct step *s, float *x, const struct kda_weights *w);
/* What it adds to x, out [n_rows][n_embd], from rows a that are normed already: w->norm is not used. */
void kda_of(struct step *s, float *out, struct act *a, const struct kda_weights *w);

/* After params_read(): params.delta, heads as many as attention has. */
int params_read_kda(struct params *p, const struct gguf *g, struct error *err);
/* rank: width between the two matrices of decays, and of gates; 0: each is one. */
void bind_kda(struct binder *b, int l, struct kda_weights *w, int rank);

#endif
