/* A text in chunks that are scored one by one, each from an empty context.
 *
 *     tokens   |---- chunk 0 ----|---- chunk 1 ----| ... |  a rest that is no whole chunk is dropped
 *              |-------------- group --------------|        chunks that share a step
 *
 * A group is as many chunks as fit whole into a step of the plan, so that a model that streams reads each expert once for all of them; what
 * they are worth does not depend on that. The next group is submitted before the results of the last are worked on. Results come in the
 * order of the text. */
#ifndef EVAL_CHUNKS_H
#define EVAL_CHUNKS_H

#include "stoker.h"

struct error;

enum { EVAL_IN_FLIGHT = 8 }; /* most chunks of a group */

/* The protocol of llama-perplexity: the second half of a chunk is scored, behind the first half. */
static inline int eval_first_scored(int n_ctx) { return n_ctx / 2 + 1; }
static inline size_t eval_scored(int n_ctx) { return (size_t)(n_ctx - eval_first_scored(n_ctx)); }

struct eval_chunks {
    const stoker_token *token; /* [n_chunk][n_ctx] */
    size_t n_chunk, first;     /* first: the chunk to begin with */
    int n_ctx;
    int score_from;                         /* the first position of a chunk that is scored */
    stoker_token bos;                       /* takes the place of each chunk's first token; -1: nothing does */
    int (*wanted)(void *arg, size_t chunk); /* 0: it is left out. NULL: none is */
    /* The logits [n_vocab] that predict the token at a position, and ln of the sum of their exponentials. By threads of the engine, each
     * position once, in any order, unless its score is not finite; it must not wait for others. -1: the run ends with *err behind the
     * chunks before this one. NULL: not called. */
    int (*on_row)(void *arg, size_t chunk, int pos, const float *logits, double log_sum, struct error *err);
    /* Scores [n_ctx] of a chunk, of which those from score_from on are filled in. -1: the run ends with *err. */
    int (*on_chunk)(void *arg, size_t chunk, const struct stoker_score *score, struct error *err);
    void (*on_progress)(void *arg, size_t n_token); /* so many tokens of chunks were scored, a few times a second */
    int (*stopped)(void *arg);                      /* 1: the run ends behind the chunks that have come so far */
    void *arg;
};

/* 0: all chunks have come; 1: stopped. -1: *err names the chunk. */
int eval_chunks_run(struct stoker *s, const struct eval_chunks *c, struct error *err);

/* Two chunks whose numbers differ by so much or more are not on their way at one time: rows of the one come behind on_chunk() of the
 * other. */
size_t eval_chunks_window(const struct stoker *s, int n_ctx);

/* Most bytes that a run allocates, with bytes of its caller for each token of the window: for the plan. */
size_t eval_chunks_bytes(int n_ctx, size_t of_token);

#endif
