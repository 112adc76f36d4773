/* See ppl.h. */
#include "eval/ppl.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

static int is_scored(const struct eval_ppl_run *r, size_t chunk, int pos)
{
    return r->marked ? r->marked[chunk * (size_t)r->n_ctx + (size_t)pos] : pos >= eval_first_scored(r->n_ctx);
}

size_t eval_ppl_scored(const struct eval_ppl_run *r, size_t chunk)
{
    size_t n = r->marked ? 0 : eval_scored(r->n_ctx);
    for (int i = 1; r->marked && i < r->n_ctx; i++)
        n += (size_t)is_scored(r, chunk, i);
    return n;
}

/* The first position that is scored in any chunk. */
static int score_from(const struct eval_ppl_run *r)
{
    int least = r->marked ? r->n_ctx : eval_first_scored(r->n_ctx);
    for (size_t chunk = 0; r->marked && chunk < r->n_chunk; chunk++)
        for (int i = 1; i < least; i++)
            least = is_scored(r, chunk, i) ? i : least;
    return least;
}

size_t eval_ppl_rows(const struct eval_ppl_run *r) { return (size_t)(r->n_ctx - score_from(r)); }

static int take_chunk(void *arg, size_t chunk, const struct stoker_score *score, struct error *err)
{
    struct eval_ppl_run *r = arg;
    struct eval_ppl_chunk *c = &r->chunk[chunk];
    *c = (struct eval_ppl_chunk){0};
    for (int i = 1; i < r->n_ctx; i++) {
        if (!is_scored(r, chunk, i))
            continue;
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

static int wanted(void *arg, size_t chunk) { return eval_ppl_scored(arg, chunk) > 0; }

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
                                  .score_from = score_from(r),
                                  .bos = r->bos,
                                  .wanted = r->marked ? wanted : NULL,
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
    struct eval_bootstrap b = {0};
    double sum = 0, squares = 0, *mean = malloc((n_chunk + 1) * sizeof *mean);
    *out = (struct eval_ppl){0};
    if (!mean)
        return error_set(err, ERR_MEMORY, "no memory for %zu chunks", n_chunk);
    for (size_t i = 0; i < n_chunk; i++) {
        if (chunk[i].n == 0)
            continue;
        out->n += chunk[i].n;
        sum += chunk[i].sum;
        squares += chunk[i].squares;
        mean[out->n_chunk++] = chunk[i].sum / (double)chunk[i].n;
    }
    double n = (double)out->n, v = sum / n, spread = squares / n - v * v;
    out->has_interval = out->n_chunk >= EVAL_INTERVAL_LEAST;
    int status = out->has_interval ? eval_bootstrap(&b, mean, out->n_chunk, EVAL_RESAMPLES, err) : 0;
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
