/* Grouped-query attention with rotary positions, and attention itself for blocks that make queries and keys by themselves. */
#ifndef MODEL_BLOCK_ATTENTION_H
#define MODEL_BLOCK_ATTENTION_H

#include "model/step.h"
#include "op/attention.h"

/* What a model lacks is NULL.
 *     x += post_norm(Wo attend(rope(norm(Wq n + bq)), rope(norm(Wk n + bk)), Wv n + bv) + bo)        n = rms_norm(x) */
struct attention_weights {
    struct kv_ref kv;
    int rope;                   /* which of the model's */
    const struct weight *sinks; /* [n_head] */
    const struct weight *norm, *wq, *wk, *wv, *wo, *bq, *bk, *bv, *bo, *post_norm;
    const struct weight *q_norm,
        *k_norm; /* as wide as a head: each head by itself; as the projection: all heads together */
};
void block_attention(struct step *s, float *x, const struct attention_weights *w);

/* Norm, q, k, v, output; window 0: none. */
void bind_attention(struct binder *b, int l, struct attention_weights *w, int window);
void bind_qkv_bias(struct binder *b, int l, struct attention_weights *w);
/* Of q, k, v and output those that are there. */
void bind_attention_biases_if(struct binder *b, int l, struct attention_weights *w);
void bind_qk_norm(struct binder *b, int l, struct attention_weights *w, int n_q, int n_k); /* their widths */

/* How x is attended when q, k, v [n_rows][...] are ready: stores k and v (k NULL: another layer did), out [n_rows][n_head * d_v].
 * d_v: of a value. */
void attend(struct step *s, struct kv_ref kv, float *out, const float *q, const float *k, const float *v, int d_v,
            float scale, const struct weight *sinks);
/* The same with rows beside the layer's own; NULL: none. */
void attend_beside(struct step *s, struct kv_ref kv, float *out, const float *q, const float *k, const float *v,
                   int d_v, float scale, const struct weight *sinks, const struct attn_beside *beside);
/* The same over chosen positions of latents [n_rows][params.index.top_k]. */
void attend_chosen(struct step *s, struct kv_ref kv, float *out, const float *q, const float *k, int d_v, float scale,
                   const int32_t *chosen);

#endif
