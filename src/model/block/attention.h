/* Grouped-query attention with rotary positions; and attention alone, for blocks that compute queries and keys themselves. */
#ifndef MODEL_BLOCK_ATTENTION_H
#define MODEL_BLOCK_ATTENTION_H

#include "model/step.h"
#include "op/attention.h"

/* When heads are normed: by q_norm and k_norm before they are rotated, or behind that; or behind it without weights, each by itself; or
 * before, each around its own mean by weights of its own; or before, all heads together around their mean, with a bias. */
enum qk_order { QK_NORM_ROPE, QK_ROPE_NORM, QK_ROPE_RMS, QK_CENTRED_ROPE, QK_BIASED_NORM };

/* Weights that a model lacks are NULL.
 *     x += post_norm(Wo (sigmoid(Wg n) * attend(rope(norm(Wq n + bq)), rope(norm(Wk n + bk)), Wv n + bv)) + bo)        n = rms_norm(x) */
struct attention_weights {
    struct kv_ref kv;
    int n_head;      /* of queries; those of keys and values: of the rows that the layer keeps */
    int rope;        /* which of the model's */
    int temperature; /* 1: queries are multiplied by the temperature of their position */
    enum qk_order order;
    const struct weight *sinks; /* [n_head] */
    const struct weight *norm, *wq, *wk, *wv, *wo, *bq, *bk, *bv, *bo, *post_norm;
    const struct weight *b_qkv; /* of a matrix of q, k and v: one bias of all three */
    int k_first, v_first;       /* where their rows begin in a matrix of q, k and v; 0: each has its own */
    const struct weight *gate;  /* of the output: a row for each head, or for each of its values */
    /* As wide as a head: each by itself; as the projection: all heads together. QK_CENTRED_ROPE: a row for each head. */
    const struct weight *q_norm, *k_norm, *q_norm_bias, *k_norm_bias;
};
void block_attention(struct step *s, float *x, const struct attention_weights *w);
/* What it adds to x, y [n_rows][n_embd], from rows a that are normed already: w->norm is not used. */
void attention_of(struct step *s, float *y, struct act *a, const struct attention_weights *w);
/* The same without sinks, only at what is chosen, as attend_chosen() has it. */
void attention_chosen_of(struct step *s, float *y, struct act *a, const struct attention_weights *w,
                         const int32_t *chosen);

/* Norm, q, k, v (or attn_qkv, all three), output, and the rows that the layer keeps; window: those that it sees. of: a layer with heads
 * of its own number. */
void bind_attention(struct binder *b, int l, struct attention_weights *w, struct kv_window window);
void bind_attention_heads(struct binder *b, int l, struct attention_weights *w, int n_head, int n_head_kv,
                          struct kv_window window);
/* Without a norm before it; and with one behind it (post_attention_norm). */
void bind_attention_bare(struct binder *b, int l, struct attention_weights *w, struct kv_window window);
void bind_attention_post_norm(struct binder *b, int l, struct attention_weights *w, struct kv_window window);
void bind_qkv_bias(struct binder *b, int l, struct attention_weights *w);
/* The biases of q, k, v and output that the file has. */
void bind_attention_biases_if(struct binder *b, int l, struct attention_weights *w);
/* o [n_rows][n_head][d_v] times the sigmoid of its n_gate gates, which are overwritten: n_head of them, or n_head * d_v. */
void gate_output(struct step *s, float *o, float *gate, int n_head, int d_v, int n_gate);
/* n: gates of a row, one for each head or one for each value. */
void bind_output_gate(struct binder *b, int l, struct attention_weights *w, int n);
/* n_q, n_k: widths of the two norms. */
void bind_qk_norm(struct binder *b, int l, struct attention_weights *w, int n_q, int n_k);
/* Those that QK_CENTRED_ROPE has, if the file has them. */
void bind_centred_qk_norm_if(struct binder *b, int l, struct attention_weights *w);

/* Where step.keeps is 1: k and v are stored as attend() stores them, and that is all. */
void keep_keys(struct step *s, struct kv_ref kv, int n_head, const float *k, const float *v, int d_v);

/* Attention of n_head heads q [n_rows][n_head * d_k] into out [n_rows][n_head * d_v]. k [n_rows][n_head_kv * d_k] and v
 * [n_rows][n_head_kv * d_v] are stored first; k NULL: another layer has stored them. d_v: values of a head; scale: of scores; sinks:
 * [n_head], or NULL. */
void attend(struct step *s, struct kv_ref kv, int n_head, float *out, const float *q, const float *k, const float *v,
            int d_v, float scale, const struct weight *sinks);
/* The same, and each row attends to the rows beside too (op/attention.h); NULL: none. */
void attend_beside(struct step *s, struct kv_ref kv, int n_head, float *out, const float *q, const float *k,
                   const float *v, int d_v, float scale, const struct weight *sinks, const struct attn_beside *beside);
/* The same only at what is chosen [n_rows][params.index.top_k]: positions, or groups of params.index.ratio of them, or for each KV head
 * blocks [n_rows][n_head_kv][params.index.top_k]; NULL: at all. v NULL: latents, whose values are the head of the keys. */
void attend_chosen(struct step *s, struct kv_ref kv, int n_head, float *out, const float *q, const float *k,
                   const float *v, int d_v, float scale, const int32_t *chosen);

#endif
