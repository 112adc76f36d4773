/* A layer of attention and a feed-forward or experts: see decoder.h. */
#include "model/block/decoder.h"

void decoder_layer(struct step *s, int l, const void *weights, float *x)
{
    const struct decoder_weights *w = weights;
    block_attention(s, x, &w->attention);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}
