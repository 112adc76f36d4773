/* Compressed keys of a layer (op/compress.h), beside those of its window. */
#ifndef MODEL_BLOCK_COMPRESSED_H
#define MODEL_BLOCK_COMPRESSED_H

#include "model/block/indexer.h"

/* One for each ratio positions, normed and rotated to its block's first position; the rows of blocks that end in this step are
 * stored. rounded: through fp8, but for the rotated values. */
struct compressor_weights {
    const struct weight *kv, *gate, *ape, *norm;
    int ratio, overlap, d, rounded;
    size_t state;
    struct kv_ref rows;
};

/* Where blocks overlap, the indexer chooses among them with keys of its own; else a row attends to all. */
struct compressed_weights {
    int ratio, overlap; /* ratio 0: the layer has none */
    struct compressor_weights keys, index_keys;
    struct indexer_weights indexer;
};

/* Compress and store the keys of the blocks that this step completes. Returns what rows attend to beside their window. low: the compressed
 * query. */
struct attn_beside block_compressed(struct step *s, struct act *n, struct act *low, const struct compressed_weights *w,
                                    int rope);

void bind_compressed(struct binder *b, int l, struct compressed_weights *w,
                     int q_rank); /* and reads the layer's ratio */

#endif
