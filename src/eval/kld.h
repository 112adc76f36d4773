/* KL divergence between a model and the base model of a base file, with the statistics of llama-perplexity: evaluation.md 9.
 *
 *     the engine's threads     a row: eval_base_compare() with the file's row of that position
 *     the caller's thread      a chunk: sums over its positions, in their order; then chunk by chunk */
#ifndef EVAL_KLD_H
#define EVAL_KLD_H

#include "eval/base_file.h"

struct error;

/* Sums over positions: v = -ln p of this model, base = -ln p of the file's, both of the position's token; kld; dp = p of this model - p of
 * the file's. */
struct eval_kld_sums {
    size_t n, same_top; /* positions; of these with the same likeliest token */
    double v, v2, base, base2, v_base;
    double kld, kld2, dp, dp2, dp4;
};

void eval_kld_add(struct eval_kld_sums *total, const struct eval_kld_sums *more);
/* A position, to whose token this model gives logprob. *kld, *dp: what lists have of it. -1: a figure is not finite. */
int eval_kld_add_position(struct eval_kld_sums *total, double logprob, const struct eval_distance *d, float *kld,
                          float *dp);

/* What a run needs. A caller that has results of a file of results gives their lists as chunks [0, first). */
struct eval_kld_run {
    const struct eval_base *base;
    size_t n_chunk;   /* at most those of the file */
    stoker_token bos; /* as of struct eval_chunks */
    float *kld, *dp;  /* [n_chunk][eval_scored(n_ctx)] */
    size_t first;     /* chunks that are known */
    /* A chunk's positions have their kld and dp, and add up to sums. -1: the run ends with *err. */
    int (*on_chunk)(void *arg, size_t chunk, const struct eval_kld_sums *sums, struct error *err);
    void (*on_progress)(void *arg, size_t n_token);
    int (*stopped)(void *arg);
    void *arg;
};

/* The chunks from first on. 0, 1: stopped; -1: *err. */
int eval_kld_run(struct stoker *s, struct eval_kld_run *r, struct error *err);

/* Most bytes that a run allocates: for the plan. */
size_t eval_kld_bytes(int n_ctx);

struct eval_estimate {
    double value, error;
};
struct eval_kld {
    struct eval_estimate ppl, ppl_base, ln_ratio, ratio, difference; /* ratio: of both perplexities */
    double correlation;                                              /* of both ln p */
    struct eval_estimate kld, dp, dp_rms, same_top;
};
/* From sums of two positions at least. ERR_FORMAT: a figure is not finite. */
int eval_kld_of(struct eval_kld *out, const struct eval_kld_sums *s, struct error *err);

/* The values that such a share of value [n] is not above, linear between neighbours. Sorts value. */
enum { EVAL_PERCENTILES = 13 };
extern const double eval_percentile[EVAL_PERCENTILES]; /* 1, 0.999, ... 0 */
void eval_percentiles(double out[EVAL_PERCENTILES], float *value, size_t n);

#endif
