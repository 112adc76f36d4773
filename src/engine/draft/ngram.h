/* Drafts by what a text repeats: where its last 5, 3 or 2 tokens stood before, it goes on as it did there.
 *
 * A table for each of these lengths has, by a hash of so many tokens, where the text went on when they stood in it last. What a place
 * holds is compared with the text, so places that are shared or stale cost a draft at most. */
#ifndef ENGINE_DRAFT_NGRAM_H
#define ENGINE_DRAFT_NGRAM_H

#include "stoker.h"

#include <stddef.h>
#include <stdint.h>

struct ngram {
    uint32_t *next; /* [lengths][n_place] where it goes on, from 1; 0: nowhere */
    uint32_t n_place;
    uint64_t text;  /* its number */
    size_t n_known; /* tokens of the text whose continuations are in the tables */
};

/* Bytes of the tables for texts of n_ctx tokens: at most 3 MiB. ngram_init() takes memory of them; ngram_begin(): another text. */
size_t ngram_bytes(int n_ctx);
void ngram_init(struct ngram *g, void *memory, int n_ctx);
void ngram_begin(struct ngram *g, uint64_t text);

/* text [n] is known so far: it begins with what it began with before. So that a long prompt is learnt while it is computed. */
void ngram_learn(struct ngram *g, const stoker_token *text, size_t n);

/* At most `most` tokens that may follow text [n], fewer behind shorter matches. Returns how many. */
int ngram_propose(struct ngram *g, const stoker_token *text, size_t n, int most, stoker_token *out);

#endif
