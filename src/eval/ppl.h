/* Perplexity, by the protocol of llama-perplexity, so that figures compare: evaluation.md 3.
 *
 * Chunks of n_ctx tokens, each from an empty context; the tokens at positions n_ctx / 2 + 1 to n_ctx - 1 of each are scored. */
#ifndef EVAL_PPL_H
#define EVAL_PPL_H

#include "eval/chunks.h"
#include "eval/stats.h"

struct eval_ppl {
    size_t n_chunk, n; /* chunks; scored tokens of all */
    double ppl, error; /* exp of the mean; by the variance of the tokens */
    int has_interval;  /* 0: of fewer than EVAL_INTERVAL_LEAST chunks */
    double low, high;  /* 95 % of the resamples of chunks lie between */
};

/* What a run needs. A caller that has results of a file of results gives them as chunks [0, first). */
struct eval_ppl_run {
    const stoker_token *token; /* [n_chunk][n_ctx] */
    size_t n_chunk;
    int n_ctx;             /* at least 5: the error needs two tokens */
    stoker_token bos;      /* as of struct eval_chunks */
    const uint8_t *marked; /* [n_chunk][n_ctx] 1: the position is scored, none of 0. NULL: those of the protocol */
    struct eval_ppl_chunk {
        size_t n;                                                /* scored tokens */
        double sum, squares;                                     /* of -ln p */
    } * chunk;                                                   /* [n_chunk] */
    size_t first;                                                /* chunks that are known */
    int (*on_chunk)(void *arg, size_t chunk, struct error *err); /* chunk[] has one more. -1: the run ends with *err */
    /* As of struct eval_chunks. */
    int (*on_row)(void *arg, size_t chunk, int pos, const float *logits, double log_sum, struct error *err);
    void (*on_progress)(void *arg, size_t n_token);
    int (*stopped)(void *arg);
    void *arg;
};

/* Positions of a chunk that are scored; a chunk without any is not computed. */
size_t eval_ppl_scored(const struct eval_ppl_run *r, size_t chunk);

/* Positions of a chunk that run() tells on_progress() of: with marked more than are scored, from the first of any chunk on. */
size_t eval_ppl_rows(const struct eval_ppl_run *r);

/* The chunks from first on. 0, 1: stopped; -1: *err. */
int eval_ppl_run(struct stoker *s, struct eval_ppl_run *r, struct error *err);

/* From all chunks; those without scored tokens do not count. ERR_FORMAT: a figure is not finite. */
int eval_ppl_sum(struct eval_ppl *out, const struct eval_ppl_chunk *chunk, size_t n_chunk, struct error *err);

#endif
