/* Engrams: rows of a layer's own table that the last tokens of a row choose by hashes, into its streams. */
#ifndef MODEL_BLOCK_ENGRAM_H
#define MODEL_BLOCK_ENGRAM_H

#include "model/step.h"

/* table: what bind_rows_by_text() returned. wkv NULL: the layer has none. */
struct engram_weights {
    int table;
    const struct weight *wkv, *q, *k;
};

/* Into the streams x [n_rows][n][n_embd], in place. */
void block_engram(struct step *s, float *x, const struct engram_weights *w);

/* In every layer, from the first on: the keys engram.*, and the layer's tensors, if engram.layer_ids names it. */
void bind_engram(struct binder *b, int l, struct engram_weights *w);

#endif
