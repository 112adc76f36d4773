/* See ppl.h. */
#include "eval/ppl.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

static int take_chunk(void *arg, size_t chunk, const struct stoker_score *score, struct error *err)
{
    struct eval_ppl_run *r = arg;
    struct eval_ppl_chunk *c = &r->chunk[chunk];
    *c = (struct eval_ppl_chunk){0};
    for (int i = eval_first_scored(r->n_ctx); i < r->n_ctx; i++) {
        double v = -score[i].logprob;
        if (!isfinite(v))
            return error_set(err, ERR_FORMAT, "chunk %zu: the token at position %d has no probability", chunk, i);
        c->n++;
        c->sum += v;
        c->squares += v * v;
    }
    return r->on_chunk(r->arg, chunk, err);
}

static int on_row(void *arg, size_t chunk, int pos, const float *logits, double log_sum, struct error *err)
{
    const struct eval_ppl_run *r = arg;
    return r->on_row(r->arg, chunk, pos, logits, log_sum, err);
}

static void on_progress(void *arg, size_t n)
{
    const struct eval_ppl_run *r = arg;
    r->on_progress(r->arg, n);
}

static int stopped(void *arg)
{
    const struct eval_ppl_run *r = arg;
    return r->stopped(r->arg);
}

int eval_ppl_run(struct stoker *s, struct eval_ppl_run *r, struct error *err)
{
    const struct eval_chunks c = {.token = r->token,
                                  .n_chunk = r->n_chunk,
                                  .first = r->first,
                                  .n_ctx = r->n_ctx,
                                  .score_from = eval_first_scored(r->n_ctx),
                                  .bos = r->bos,
                                  .on_row = r->on_row ? on_row : NULL,
                                  .on_chunk = take_chunk,
                                  .on_progress = on_progress,
                                  .stopped = stopped,
                                  .arg = r};
    return eval_chunks_run(s, &c, err);
}

/* Chunk by chunk, so that the sum does not depend on which of them were computed by this run. */
int eval_ppl_sum(struct eval_ppl *out, const struct eval_ppl_chunk *chunk, size_t n_chunk, struct error *err)
{
    struct eval_bootstrap b;
    double sum = 0, squares = 0, *mean = malloc((n_chunk + 1) * sizeof *mean);
    *out = (struct eval_ppl){.n_chunk = n_chunk};
    if (!mean)
        return error_set(err, ERR_MEMORY, "no memory for %zu chunks", n_chunk);
    for (size_t i = 0; i < n_chunk; i++) {
        out->n += chunk[i].n;
        sum += chunk[i].sum;
        squares += chunk[i].squares;
        mean[i] = chunk[i].sum / (double)chunk[i].n;
    }
    double n = (double)out->n, v = sum / n, spread = squares / n - v * v;
    int status = eval_bootstrap(&b, mean, n_chunk, EVAL_RESAMPLES, err);
    free(mean);
    if (status)
        return -1;
    out->ppl = exp(v);
    out->error = out->ppl * sqrt((spread > 0 ? spread : 0) / (n - 1));
    out->low = exp(b.low);
    out->high = exp(b.high);
    if (isfinite(out->ppl) && isfinite(out->error) && isfinite(out->low) && isfinite(out->high))
        return 0;
    return error_set(err, ERR_FORMAT, "the mean of -ln p is %g over %zu tokens: that gives no finite figures", v,
                     out->n);
}
