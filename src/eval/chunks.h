/* A text in chunks that are scored one by one, each from an empty context.
 *
 *     tokens   |---- chunk 0 ----|---- chunk 1 ----| ... |  a rest that is no whole chunk is dropped
 *
 * As many chunks are computed at a time as fit whole into a step of the plan, so that a model that streams reads each expert once for all
 * of them; what they are worth does not depend on that. Results come in the order of the text. */
#ifndef EVAL_CHUNKS_H
#define EVAL_CHUNKS_H

#include "stoker.h"

struct error;

enum { EVAL_IN_FLIGHT = 8 }; /* most chunks at a time */

struct eval_chunks {
    const stoker_token *token; /* [n_chunk][n_ctx] */
    size_t n_chunk, first;     /* first: the chunk to begin with */
    int n_ctx;
    int score_from;   /* the first position of a chunk that is scored */
    stoker_token bos; /* takes the place of each chunk's first token; -1: nothing does */
    /* Scores [n_ctx] of a chunk, of which those from score_from on are filled in. -1: the run ends with *err. */
    int (*on_chunk)(void *arg, size_t chunk, const struct stoker_score *score, struct error *err);
    void (*on_progress)(void *arg, size_t n_token); /* so many tokens of chunks were scored, a few times a second */
    int (*stopped)(void *arg);                      /* 1: the run ends behind the chunks that have come so far */
    void *arg;
};

/* 0: all chunks have come; 1: stopped. -1: *err names the chunk. */
int eval_chunks_run(struct stoker *s, const struct eval_chunks *c, struct error *err);

#endif
