/* The layer of encoders, whose rows see each other in both directions and are normed behind each block; and what they make of embeddings.
 *
 *     x = layer_norm(embedding + type + position)                                        encoder_first_rows()
 *     h = layer_norm(x + Wo attend(Wq x + bq, Wk x + bk, Wv x + bv) + bo)                encoder_layer()
 *     y = layer_norm(h + ffn(h))
 *
 * The type is row 0 of its table for all rows. An architecture has this in its row by ENCODER_LAYERS. */
#ifndef MODEL_ENCODER_LAYER_H
#define MODEL_ENCODER_LAYER_H

#include "model/block/attention.h"
#include "model/block/moe.h"

struct encoder_weights {
    struct attention_weights attention;
    struct ffn_weights ffn;
    struct moe_weights moe; /* instead of it; experts NULL: none */
    const struct weight *attn_norm, *attn_norm_bias, *ffn_norm, *ffn_norm_bias;
    const struct weight *again,
        *again_bias; /* a second norm behind attention, of its result and the layer's input; or NULL */
};
void encoder_first_rows(struct step *s, float *x);
void encoder_layer(struct step *s, int l, const void *weights, float *x); /* weights: struct encoder_weights */

/* The keys of encoders, whose rows see later ones; eps of attention.layer_norm_epsilon. */
int params_read_encoder(struct params *p, const struct gguf *g, enum rope_pairs pairs, struct error *err);
int params_read_encoder_unrotated(struct params *p, const struct gguf *g, struct error *err);
/* The weights before the first layer, with a table of learned positions or without; called for layer 0. */
void bind_first_rows(struct binder *b, int learned_positions);
/* Attention and the norms behind both blocks; a feed-forward. Biases that the first layer has all have. */
void bind_encoder_attention(struct binder *b, int l, struct encoder_weights *w);
void bind_encoder_ffn(struct binder *b, int l, struct encoder_weights *w);
/* A vector that all layers have, or none: the first tells. */
const struct weight *bind_as_first(struct binder *b, int l, const char *name, int n);

#define ENCODER_LAYERS                                                                                                 \
    .output_norm = "", .layer_bytes = sizeof(struct encoder_weights), .layer = encoder_layer,                          \
    .first_rows = encoder_first_rows

#endif
