/* N-grams: rows of a table that the last tokens of a row choose by hashes, into its streams. */
#ifndef MODEL_BLOCK_NGRAM_H
#define MODEL_BLOCK_NGRAM_H

#include "model/step.h"

/* params.ngram has the numbers. table: what bind_rows_by_text() returned. */
struct ngram_weights {
    int table;
    const struct weight *key, *value, *norm_key, *norm_query, *norm_conv, *conv;
    size_t history;
};

/* Into the streams x [n_rows][n][n_embd], in place. */
void block_ngram(struct step *s, float *x, const struct ngram_weights *w);

/* After params_read_hyper_mix(): the keys ple.*; without ple.layers there is no table, and params.ngram.size is 0. */
int params_read_ngram(struct params *p, const struct gguf *g, struct error *err);
void bind_ngram(struct binder *b, int l, struct ngram_weights *w);

#endif
