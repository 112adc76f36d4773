/* Compressed keys of a layer (op/compress.h), beside those of its window. */
#ifndef MODEL_BLOCK_COMPRESSED_H
#define MODEL_BLOCK_COMPRESSED_H

#include "model/block/indexer.h"

/* One key of d values for each ratio positions, normed and rotated to its block's first position; the rows of blocks that end in this step
 * are stored. */
struct compressor_weights {
    const struct weight *kv, *gate, *ape, *norm; /* gate NULL: the mean; ape, norm NULL: none */
    const struct weight *row_norm, *row_bias;    /* of rows around their mean, before they are compressed; or NULL */
    float row_eps;
    int ratio, overlap, d; /* as in op/compress.h */
    int rope_at;           /* the first rotated value */
    int rounded;           /* 1: through fp8, but for the rotated values, which are the last */
    int index;             /* 1: the keys are an indexer's */
    size_t state;          /* what bind_state() returned */
    struct kv_ref rows;    /* where the keys are kept */
};

/* n: the normed rows; rope: which of params.rope. */
void compress_keys(struct step *s, struct act *n, const struct compressor_weights *w, int rope);
void bind_compressed_rows(struct binder *b, struct compressor_weights *w); /* state and rows, after the numbers */

/* The same; and of the rows, before they are rotated, index keys: rope(norm(Wkv c)), w = index. They have no state. */
void compress_keys_and_index(struct step *s, struct act *n, const struct compressor_weights *w,
                             const struct compressor_weights *index, int rope);
/* Their rows alone, beside those that they are made of. */
void bind_index_of_compressed(struct binder *b, struct compressor_weights *index);

/* Where blocks overlap, the indexer chooses among them with keys of its own; else a row attends to all. */
struct compressed_weights {
    int ratio, overlap; /* ratio 0: the layer has none */
    struct compressor_weights keys, index_keys;
    struct indexer_weights indexer;
};

/* Compress and store the keys of the blocks that this step completes. Returns what rows attend to beside their window, in scratch that the
 * caller resets. n: the normed rows; low: the compressed query; rope: which of params.rope. w->ratio is not 0. */
struct attn_beside block_compressed(struct step *s, struct act *n, struct act *low, const struct compressed_weights *w,
                                    int rope);

/* Reads the layer's ratio from the file, too. q_rank: width of the compressed query. */
void bind_compressed(struct binder *b, int l, struct compressed_weights *w, int q_rank);

#endif
