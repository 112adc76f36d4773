/* The indexer that chooses keys (op/indexer.h): queries and weights of its heads, and index keys of positions. */
#ifndef MODEL_BLOCK_INDEXER_H
#define MODEL_BLOCK_INDEXER_H

#include "model/step.h"

struct indexer_weights {
    const struct weight *q, *w; /* w NULL: each head weighs 1 */
    const struct weight *norm;  /* of each head's query, or NULL */
};
struct index_keys_weights {
    const struct weight *k, *norm, *norm_bias; /* norm_bias NULL: an rms norm */
    struct kv_ref rows;
};

/* After params_read(). q_rank: width of the compressed query. bind_index_keys(): also the rows that the layer keeps of them. */
int params_read_indexer(struct params *p, const struct gguf *g, struct error *err);
void bind_indexer(struct binder *b, int l, struct indexer_weights *w, int q_rank);
void bind_index_keys(struct binder *b, int l, struct index_keys_weights *w);
/* Both, with queries of the row itself, rms norms of queries and keys, and heads that weigh 1. */
void bind_indexer_normed(struct binder *b, int l, struct indexer_weights *w, struct index_keys_weights *keys);

/* Choose the params.index.top_k keys of each row into chosen, which chosen_rows() allocates in the step's scratch. n: the normed rows; the
 * queries come from the compressed query low; keys: where the index keys are stored; rope: which of params.rope. Rows that see at most
 * top_k keys are not written. */
void block_indexer(struct step *s, int32_t *chosen, struct act *n, struct act *low, const struct indexer_weights *w,
                   struct kv_ref keys, int rope);

/* The same in two steps: one layer makes candidates, the n blocks of `size` keys each with the best of all heads' scores, the newest
 * always; others with the same keys choose within these. candidate_rows(): in each layer, before its first mark. */
struct candidates {
    int n, size;
    enum { NO_CANDIDATES, MAKES_CANDIDATES, WITHIN_CANDIDATES } use;
};
void block_indexer_within(struct step *s, int32_t *chosen, struct act *n, struct act *low,
                          const struct indexer_weights *w, struct kv_ref keys, int rope, const struct candidates *c);
void candidate_rows(struct step *s, const struct candidates *c);

int32_t *chosen_rows(struct step *s); /* [n_rows][top_k]; with params.index.block [n_rows][n_head][top_k] */

/* Compute and store an index key of each row's position. */
void index_keys(struct step *s, struct act *n, const struct index_keys_weights *w, int rope);

#endif
