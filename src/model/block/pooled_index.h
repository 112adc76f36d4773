/* An index over blocks of positions: one key for each block, the mean of what its positions give, and attention to the best blocks. */
#ifndef MODEL_BLOCK_POOLED_INDEX_H
#define MODEL_BLOCK_POOLED_INDEX_H

#include "model/block/compressed.h"

/* keys.ratio 0: the layer has none and sees everything. */
struct pooled_index_weights {
    struct compressor_weights keys;
    struct indexer_weights queries;
};

/* Store the keys of the blocks that this step completes. Returns what attend_chosen() takes, in scratch that the caller resets; NULL where
 * the layer has no index. n [n_rows][n_embd]: the normed rows. */
int32_t *pooled_index(struct step *s, const float *n, const struct pooled_index_weights *w);

/* After params_read(): the indexer's keys; attention.compress_ratios, positions of a block or 0 for each layer; params.index.top_k counts
 * blocks. */
int params_read_pooled_index(struct params *p, const struct gguf *g, struct error *err);
void bind_pooled_index(struct binder *b, int l, struct pooled_index_weights *w);

/* Index keys of groups by gates: the keys of params_read_indexer(), and positions of a group, attention.indexer.kpool or
 * attention.indexer.block_size; params.index.top_k counts groups. */
int params_read_gated_pools(struct params *p, const struct gguf *g, struct error *err);
void bind_gated_pools(struct binder *b, int l, struct compressor_weights *w);

#endif
