/* Grouped-query attention whose output has a gate of each value, from the same matrix as the queries. */
#ifndef MODEL_BLOCK_GATED_ATTENTION_H
#define MODEL_BLOCK_GATED_ATTENTION_H

#include "model/step.h"

struct gated_attention_weights {
    const struct weight *wq, *wk, *wv, *wo, *q_norm, *k_norm; /* wq: query and gate by head */
    struct kv_ref kv;
};

/* y [n_rows][n_embd] from the normed rows n, which y may be. chosen: as attend_chosen() has it; NULL: all positions. */
void gated_attention(struct step *s, float *y, const float *n, const struct gated_attention_weights *w,
                     const int32_t *chosen);

/* After params_read(): -1 where keys and values are not equally wide. */
int params_check_gated_attention(const struct params *p, const struct gguf *g, struct error *err);
void bind_gated_attention(struct binder *b, int l, struct gated_attention_weights *w);

#endif
