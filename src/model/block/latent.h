/* Latent attention (MLA): x += Wo [Wv_b,h attend([Wk_b,h^T q_nope | q_pe], [c | k_pe], c)]. */
#ifndef MODEL_BLOCK_LATENT_H
#define MODEL_BLOCK_LATENT_H

#include "model/block/compressed.h"

/* params.latent has the numbers; where params.rope[0].n_rot is 0, q_pe and k_pe stay as they are. Where params.index chooses
 * (top_k > 0) a layer attends to the positions that its indexer chooses, or, without one, to those that the layer before it did. */
struct latent_weights {
    struct index_keys_weights index_keys;
    struct compressor_weights
        index_pools;                /* or keys of groups of params.index.ratio positions, which are chosen together */
    struct indexer_weights indexer; /* q NULL: none */
    struct kv_ref kv;
    const struct weight *norm, *wq, *wq_a, *q_a_norm, *wq_b, *wkv_a, *kv_a_norm, *wk_b, *wv_b, *wo;
    const struct weight *gate; /* of what the heads give, one a head; NULL: none */
    int temperature;           /* 1: queries are multiplied by the temperature of their position */
    int v_first, v_rows;       /* a head's rows of wv_b begin here; rows from head to head */
};
void block_latent(struct step *s, float *x, const struct latent_weights *w);
/* What it adds to x, y [n_rows][n_embd], from rows a that are normed already: w->norm is not used; its scratch is the
 * caller's to reset. Where params.index chooses,
 * latent_choices() comes before it, in scratch that lives as long as the step. */
void latent_of(struct step *s, float *y, struct act *a, const struct latent_weights *w);
void latent_choices(struct step *s);

/* Ranks and heads, after params_read(). d_rope is the rotated width; scale is 1 / sqrt of a head's width, with YaRN more. */
int params_read_latent(struct params *p, const struct gguf *g, struct error *err);
void bind_latent(struct binder *b, int l, struct latent_weights *w); /* norm, q, latent, output; what the layer keeps */
void bind_latent_gate(struct binder *b, int l, struct latent_weights *w);
void bind_latent_index(struct binder *b, int l, struct latent_weights *w); /* and an indexer of the layer's own */
void bind_latent_index_unused(struct binder *b, int l); /* the file may hold one, which is not asked */

#endif
