/* The layer that most decoders have: attention, then a feed-forward or experts. An architecture whose layers are nothing else has these
 * weights and this function in its row:
 *
 *     const struct arch arch_NAME = {DECODER_LAYERS, .name = "NAME", .read_params = read_params, .bind = bind}; */
#ifndef MODEL_BLOCK_DECODER_H
#define MODEL_BLOCK_DECODER_H

#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"

struct decoder_weights {
    struct attention_weights attention;
    struct dense_or_moe_weights ffn;
};
void decoder_layer(struct step *s, int l, const void *weights, float *x); /* weights: struct decoder_weights */

#define DECODER_LAYERS .layer_bytes = sizeof(struct decoder_weights), .layer = decoder_layer

#endif
