/* See contrast.h. */
#include "study/contrast.h"

#include "base/error.h"
#include "base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOGETHER = 4, VECTORS = 6 };
static const double EQUAL = 1e-6;
static const double NOISE = 1e-6; /* what rounded rows leave of a direction that is taken out whole */

struct work {
    const struct contrast_rows *r;
    const struct contrast_wants *w;
    struct error *err;
    float *raw;                                                  /* [n_stream * n_embd] */
    double *positive, *negative, *sum, *sum_negative, *v, *next; /* [n_embd] */
    double *sum_all;                                             /* is next, until there is a direction */
    double *d;                                                   /* [most][n_embd] differences of the pairs in memory */
    size_t most;
    size_t first, n_read, n; /* pairs [first, first + n_read) are, of which n count */
    int is_first;            /* 1: the sums are made */
};

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

/* Row i of the file: the mean of its streams. */
static int read_row(struct work *k, size_t i, double *x)
{
    int n = k->r->n_embd, m = k->r->n_stream;
    size_t bytes = (size_t)n * (size_t)m * sizeof *k->raw;
    const char *why;
    if (file_read_at(k->r->fd, k->raw, bytes, k->r->at + i * bytes, &why))
        return error_set(k->err, ERR_IO, "recorded rows cannot be read: %s", why);
    for (int j = 0; j < n; j++) {
        x[j] = (double)k->raw[j];
        for (int s = 1; s < m; s++)
            x[j] += (double)k->raw[(size_t)s * (size_t)n + (size_t)j];
        x[j] = m > 1 ? x[j] / m : x[j];
        if (!isfinite(x[j]))
            return error_set(k->err, ERR_FORMAT, "layer %d: value %d of recorded row %zu is not finite", k->r->layer, j,
                             i);
    }
    return 0;
}

static void add(double *to, const double *x, int n)
{
    for (int i = 0; i < n; i++)
        to[i] += x[i];
}

static double product(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double norm(const double *a, int n) { return sqrt(product(a, a, n)); }

/* A pair behind those in memory, if it counts. */
static int load_pair(struct work *k, size_t i)
{
    int n = k->r->n_embd, counts = !k->w->drop_equal;
    double *d = k->d + k->n * (size_t)n;
    if (read_row(k, i, k->positive) || read_row(k, k->r->n_positive + i, k->negative))
        return -1;
    for (int j = 0; j < n; j++) {
        d[j] = k->positive[j] - k->negative[j];
        counts |= fabs(d[j]) > EQUAL;
    }
    k->n += counts != 0;
    if (counts && k->is_first) {
        add(k->sum, d, n);
        add(k->sum_negative, k->negative, n);
        add(k->sum_all, k->positive, n);
        add(k->sum_all, k->negative, n);
    }
    return 0;
}

/* Pairs from `first` on, as many as fit. 1: there are some, 0: none. */
static int load(struct work *k, size_t first)
{
    if (k->w->stopped && k->w->stopped(k->w->arg))
        return error_set(k->err, ERR_CANCELLED, "stopped");
    if (first == k->r->n_positive)
        return 0;
    if (k->n_read && k->first == first && !k->is_first)
        return 1;
    k->first = first;
    k->n_read = k->n = 0;
    for (size_t i = first; i < k->r->n_positive && k->n < k->most; i++, k->n_read++)
        if (load_pair(k, i))
            return -1;
    return 1;
}

/* ---- the difference of the means -------------------------------------------------------------------------------------------- */

/* Makes the sums of pairs; k->sum becomes the mean difference. */
static int mean_of_pairs(struct work *k, struct contrast *c)
{
    int n = k->r->n_embd, got;
    k->is_first = 1;
    for (size_t at = 0; (got = load(k, at)) > 0; at += k->n_read)
        c->n += k->n;
    k->is_first = 0;
    for (int i = 0; i < n && c->n; i++) {
        k->sum[i] /= (double)c->n;
        k->sum_all[i] /= 2 * (double)c->n;
    }
    return got;
}

static int sum_rows(struct work *k, size_t first, size_t n_rows, double *sum)
{
    for (size_t i = first; i < first + n_rows; i++) {
        if (read_row(k, i, k->positive))
            return -1;
        add(sum, k->positive, k->r->n_embd);
        add(k->sum_all, k->positive, k->r->n_embd);
    }
    return 0;
}

/* The same of rows that are no pairs. */
static int mean_of_rows(struct work *k, struct contrast *c)
{
    double p = (double)k->r->n_positive, q = (double)k->r->n_negative;
    if (sum_rows(k, 0, k->r->n_positive, k->sum) || sum_rows(k, k->r->n_positive, k->r->n_negative, k->sum_negative))
        return -1;
    for (int i = 0; i < k->r->n_embd; i++) {
        k->sum[i] = k->sum[i] / p - k->sum_negative[i] / q;
        k->sum_all[i] /= p + q;
    }
    c->n = k->r->n_positive + k->r->n_negative;
    return 0;
}

/* ---- the direction along which pairs differ most ------------------------------------------------------------------------------ */

/* Products of rows with w, each summed in ascending order: four sums side by side hide how long an addition takes. */
static void products(const double *d, size_t rows, int n, const double *w, double out[TOGETHER])
{
    const double *d1 = d + n, *d2 = d1 + n, *d3 = d2 + n;
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    if (rows < TOGETHER) {
        for (size_t r = 0; r < rows; r++)
            out[r] = product(d + r * (size_t)n, w, n);
        return;
    }
    for (int i = 0; i < n; i++) {
        s0 += d[i] * w[i];
        s1 += d1[i] * w[i];
        s2 += d2[i] * w[i];
        s3 += d3[i] * w[i];
    }
    out[0] = s0;
    out[1] = s1;
    out[2] = s2;
    out[3] = s3;
}

/* next = sum of (d . v) d over all pairs. */
static int apply_pairs(struct work *k)
{
    int n = k->r->n_embd, got;
    memset(k->next, 0, (size_t)n * sizeof *k->next);
    for (size_t at = 0; (got = load(k, at)) > 0; at += k->n_read)
        for (size_t r = 0; r < k->n; r += TOGETHER) {
            double c[TOGETHER];
            size_t rows = k->n - r < TOGETHER ? k->n - r : TOGETHER;
            const double *d = k->d + r * (size_t)n;
            products(d, rows, n, k->v, c);
            for (size_t j = 0; j < rows; j++, d += n)
                for (int i = 0; i < n; i++)
                    k->next[i] += c[j] * d[i];
        }
    return got;
}

static int no_direction(struct work *k, const char *why)
{
    return error_set(k->err, ERR_INPUT, "layer %d: %s: there is no direction", k->r->layer, why);
}

/* v becomes of norm 1; by how much it is another than `before`, or -1: it is zero. */
static double make_unit(double *v, const double *before, int n)
{
    double length = norm(v, n), change = 0;
    for (int i = 0; i < n && length > 0; i++) {
        v[i] /= length;
        change += (v[i] - before[i]) * (v[i] - before[i]);
    }
    return length > 0 ? sqrt(change) : -1;
}

/* Power iteration from the mean difference; not centred. */
static int principal(struct work *k, struct contrast *c)
{
    int n = k->r->n_embd;
    memcpy(k->v, k->sum, (size_t)n * sizeof *k->v);
    if (make_unit(k->v, k->sum, n) < 0)
        k->v[0] = 1;
    c->change = INFINITY;
    while (c->iterations < k->w->iterations && !(c->change < CONTRAST_SETTLED)) {
        if (apply_pairs(k))
            return -1;
        double change = make_unit(k->next, k->v, n);
        if (change < 0)
            return no_direction(k, "positive and negative rows are the same");
        c->ratio = c->iterations > 0 ? change / c->change : 0;
        c->change = change;
        c->iterations++;
        memcpy(k->v, k->next, (size_t)n * sizeof *k->v);
    }
    return 0;
}

/* ---- what is made of it ------------------------------------------------------------------------------------------------------ */

/* Its sign, then without what it has of the negative rows, then its norm. The mean difference has the sign of the sum of products. */
static int finish(struct work *k)
{
    int n = k->r->n_embd;
    double sign = product(k->sum, k->v, n) < 0 ? -1 : 1, along = norm(k->sum_negative, n);
    for (int i = 0; i < n; i++)
        k->v[i] *= sign;
    double whole = norm(k->v, n);
    if (k->w->orthogonalize && along > 0) {
        for (int i = 0; i < n; i++)
            k->sum_negative[i] /= along;
        along = product(k->v, k->sum_negative, n);
        for (int i = 0; i < n; i++)
            k->v[i] -= along * k->sum_negative[i];
    }
    double length = norm(k->v, n);
    if (!(whole > 0))
        return no_direction(k, "positive and negative rows are the same");
    if (!(length > NOISE * whole))
        return no_direction(k, "positive and negative rows differ along the mean of the negative ones alone, which "
                               "--orthogonalize takes out");
    for (int i = 0; i < n && k->w->unit; i++)
        k->v[i] /= length;
    return 0;
}

/* How well v tells pairs apart. */
static int rate(struct work *k, struct contrast *c)
{
    int n = k->r->n_embd, got;
    double squares = product(k->v, k->v, n), along = 0, all = 0;
    size_t right = 0;
    for (size_t at = 0; (got = load(k, at)) > 0; at += k->n_read)
        for (size_t r = 0; r < k->n; r++) {
            const double *d = k->d + r * (size_t)n;
            double p = product(d, k->v, n);
            along += p * p / squares;
            all += product(d, d, n);
            right += p > 0;
        }
    c->share = all > 0 ? along / all : 0;
    c->separation = c->n ? (double)right / (double)c->n : 0;
    return got;
}

static int run(struct work *k, float *v, struct contrast *c)
{
    int n = k->r->n_embd;
    c->has_pairs = k->r->n_positive == k->r->n_negative;
    if (c->has_pairs ? mean_of_pairs(k, c) : mean_of_rows(k, c))
        return -1;
    if (c->n == 0)
        return no_direction(k, "positive and negative rows are the same");
    c->difference = norm(k->sum, n);
    c->residual = norm(k->sum_all, n);
    if (k->w->pca ? principal(k, c) : (memcpy(k->v, k->sum, (size_t)n * sizeof *k->v), 0))
        return -1;
    if (finish(k) || (c->has_pairs && rate(k, c)))
        return -1;
    for (int i = 0; i < n; i++)
        v[i] = (float)k->v[i];
    return 0;
}

uint64_t contrast_bytes(int n_embd, int n_stream)
{
    return (uint64_t)n_embd * (VECTORS * sizeof(double) + (uint64_t)n_stream * sizeof(float));
}

int contrast_layer(const struct contrast_rows *r, const struct contrast_wants *w, float *v, struct contrast *out,
                   struct error *err)
{
    size_t n = (size_t)r->n_embd, fit = (size_t)(w->memory / (n * sizeof(double)));
    struct work k = {.r = r, .w = w, .err = err};
    *out = (struct contrast){0};
    k.most = fit < TOGETHER ? TOGETHER : fit < r->n_positive ? fit : r->n_positive;
    k.raw = malloc(n * (size_t)r->n_stream * sizeof *k.raw);
    k.positive = calloc(VECTORS * n, sizeof *k.positive);
    k.d = malloc(k.most * n * sizeof *k.d);
    int failed = -1;
    if (k.raw && k.positive && k.d) {
        k.negative = k.positive + n;
        k.sum = k.negative + n;
        k.sum_negative = k.sum + n;
        k.v = k.sum_negative + n;
        k.next = k.sum_all = k.v + n;
        failed = run(&k, v, out);
    } else {
        error_set(err, ERR_MEMORY, "no memory for %zu pairs of rows of %zu values", k.most, n);
    }
    free(k.raw);
    free(k.positive);
    free(k.d);
    return failed;
}
