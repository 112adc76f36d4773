/* See kld.h. */
#include "eval/kld.h"

#include "base/error.h"
#include "base/f64.h"
#include "eval/chunks.h"

#include <math.h>
#include <stdlib.h>

/* ---- statistics --------------------------------------------------------------------------------------------------------------- */

void eval_kld_add(struct eval_kld_sums *t, const struct eval_kld_sums *more)
{
    t->n += more->n;
    t->same_top += more->same_top;
    t->v += more->v;
    t->v2 += more->v2;
    t->base += more->base;
    t->base2 += more->base2;
    t->v_base += more->v_base;
    t->kld += more->kld;
    t->kld2 += more->kld2;
    t->dp += more->dp;
    t->dp2 += more->dp2;
    t->dp4 += more->dp4;
}

int eval_kld_add_position(struct eval_kld_sums *s, double logprob, const struct eval_distance *d, float *kld, float *dp)
{
    double v = -logprob, base = -d->base, p = f64_exp(logprob) - f64_exp(d->base), square = p * p;
    *kld = (float)d->kld;
    *dp = (float)p;
    eval_kld_add(s, &(struct eval_kld_sums){.n = 1,
                                            .same_top = (size_t)d->same_top,
                                            .v = v,
                                            .v2 = v * v,
                                            .base = base,
                                            .base2 = base * base,
                                            .v_base = v * base,
                                            .kld = d->kld,
                                            .kld2 = d->kld * d->kld,
                                            .dp = p,
                                            .dp2 = square,
                                            .dp4 = square * square});
    return isfinite(v) && isfinite(*kld) ? 0 : -1;
}

static double root(double x) { return x > 0 ? sqrt(x) : 0; }

static struct eval_estimate mean_of(double sum, double squares, double n)
{
    double mean = sum / n;
    return (struct eval_estimate){mean, root((squares / n - mean * mean) / (n - 1))};
}

/* Of a function with this value and this derivative at x. */
static struct eval_estimate through(double value, double derivative, struct eval_estimate x)
{
    return (struct eval_estimate){value, derivative * x.error};
}

static int is_finite(struct eval_estimate e) { return isfinite(e.value) && isfinite(e.error); }

int eval_kld_of(struct eval_kld *out, const struct eval_kld_sums *s, struct error *err)
{
    double n = (double)s->n;
    struct eval_estimate v = mean_of(s->v, s->v2, n), base = mean_of(s->base, s->base2, n),
                         square = mean_of(s->dp2, s->dp4, n);
    double both = (s->v_base / n - v.value * base.value) / (n - 1), errors = v.error * base.error;
    double spread = v.error * v.error + base.error * base.error - 2 * both;
    *out = (struct eval_kld){
        .ppl = through(exp(v.value), exp(v.value), v),
        .ppl_base = through(exp(base.value), exp(base.value), base),
        .ln_ratio = {v.value - base.value, root(spread)},
        .correlation = errors > 0 ? both / errors : 0,
        .kld = mean_of(s->kld, s->kld2, n),
        .dp = mean_of(s->dp, s->dp2, n),
        .dp_rms = through(root(square.value), square.value > 0 ? 0.5 / root(square.value) : 0, square)};
    double q = out->ppl.error, b = out->ppl_base.error, same = (double)s->same_top / n,
           ratio = exp(out->ln_ratio.value);
    out->ratio = through(ratio, ratio, out->ln_ratio);
    out->difference = (struct eval_estimate){out->ppl.value - out->ppl_base.value,
                                             root(q * q + b * b - 2 * out->ppl.value * out->ppl_base.value * both)};
    out->same_top = (struct eval_estimate){same, root(same * (1 - same) / (n - 1))};
    if (is_finite(out->ppl) && is_finite(out->ppl_base) && is_finite(out->ratio) && is_finite(out->difference) &&
        is_finite(out->kld) && is_finite(out->dp_rms))
        return 0;
    return error_set(err, ERR_FORMAT,
                     "the means of -ln p are %g and %g, the KL divergence is %g, over %zu positions: that gives no "
                     "finite figures",
                     v.value, base.value, out->kld.value, s->n);
}

const double eval_percentile[EVAL_PERCENTILES] = {1,    0.999, 0.99, 0.95, 0.9,   0.75, 0.5,
                                                  0.25, 0.1,   0.05, 0.01, 0.001, 0};

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void eval_percentiles(double out[EVAL_PERCENTILES], float *value, size_t n)
{
    qsort(value, n, sizeof *value, by_value);
    for (int i = 0; i < EVAL_PERCENTILES; i++) {
        double at = eval_percentile[i] * (double)(n - 1);
        size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
        out[i] = value[below] + (at - (double)below) * ((double)value[above] - value[below]);
    }
}

/* ---- a run -------------------------------------------------------------------------------------------------------------------- */

/* Positions of the chunks that are on their way: chunk i is at i % window. */
struct work {
    struct eval_kld_run *r;
    struct eval_distance *distance; /* [window][n_ctx] */
    size_t window;
};

static struct eval_distance *distances_of(const struct work *w, size_t chunk)
{
    return w->distance + chunk % w->window * (size_t)w->r->base->n_ctx;
}

static int on_row(void *arg, size_t chunk, int pos, const float *logits, double log_sum, struct error *err)
{
    const struct work *w = arg;
    return eval_base_compare(w->r->base, chunk, pos, logits, log_sum, &distances_of(w, chunk)[pos], err);
}

static int on_chunk(void *arg, size_t chunk, const struct stoker_score *score, struct error *err)
{
    const struct work *w = arg;
    struct eval_kld_run *r = w->r;
    struct eval_kld_sums sums = {0};
    int n_ctx = r->base->n_ctx, first = eval_first_scored(n_ctx);
    size_t at = chunk * eval_scored(n_ctx);
    for (int pos = first; pos < n_ctx; pos++, at++)
        if (!isfinite(score[pos].logprob) ||
            eval_kld_add_position(&sums, score[pos].logprob, &distances_of(w, chunk)[pos], &r->kld[at], &r->dp[at]))
            return error_set(err, ERR_FORMAT,
                             "chunk %zu: the token at position %d, or one that is likely in %s, has no "
                             "probability",
                             chunk, pos, r->base->path);
    eval_base_was_read(r->base, chunk);
    return r->on_chunk(r->arg, chunk, &sums, err);
}

static void on_progress(void *arg, size_t n)
{
    const struct eval_kld_run *r = ((struct work *)arg)->r;
    r->on_progress(r->arg, n);
}

static int stopped(void *arg)
{
    const struct eval_kld_run *r = ((struct work *)arg)->r;
    return r->stopped(r->arg);
}

size_t eval_kld_bytes(int n_ctx) { return eval_chunks_bytes(n_ctx, sizeof(struct eval_distance)); }

int eval_kld_run(struct stoker *s, struct eval_kld_run *r, struct error *err)
{
    const struct eval_base *b = r->base;
    struct work w = {.r = r, .window = eval_chunks_window(s, b->n_ctx)};
    const struct eval_chunks c = {.token = b->token,
                                  .n_chunk = r->n_chunk,
                                  .first = r->first,
                                  .n_ctx = b->n_ctx,
                                  .score_from = eval_first_scored(b->n_ctx),
                                  .bos = r->bos,
                                  .on_row = on_row,
                                  .on_chunk = on_chunk,
                                  .on_progress = on_progress,
                                  .stopped = stopped,
                                  .arg = &w};
    w.distance = calloc(w.window * (size_t)b->n_ctx, sizeof *w.distance);
    if (!w.distance)
        return error_set(err, ERR_MEMORY, "no memory for the positions of %zu chunks", w.window);
    eval_base_will_read(b, r->first);
    int status = eval_chunks_run(s, &c, err);
    free(w.distance);
    return status;
}
