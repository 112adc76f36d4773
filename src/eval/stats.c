/* See stats.h. */
#include "eval/stats.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 1 };

uint64_t eval_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int eval_can_be_sums(size_t n, double sum, double squares)
{
    double mean = sum / (double)n;
    return isfinite(sum) && isfinite(squares) && squares >= mean * mean * (double)n * (1 - 1e-9);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void eval_sort(double *x, size_t n) { qsort(x, n, sizeof *x, by_value); }

static double mean_of_draws(const double *x, size_t n, uint64_t *state)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[eval_random(state) % n];
    return sum / (double)n;
}

double eval_median(const double *x, size_t n) { return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2; }

/* Which of the n sorted values are drawn, and how often, tells the median of the draws without sorting them. count [n] is scratch. */
static double median_of_draws(const double *x, size_t n, uint32_t *count, uint64_t *state)
{
    size_t low = 0, high, seen = 0;
    memset(count, 0, n * sizeof *count);
    for (size_t i = 0; i < n; i++)
        count[eval_random(state) % n]++;
    while (seen + count[low] <= (n - 1) / 2)
        seen += count[low++];
    for (high = low; seen + count[high] <= n / 2;)
        seen += count[high++];
    return (x[low] + x[high]) / 2;
}

static double share(size_t n, size_t of) { return (double)n / (double)of; }

/* Of the sorted values of resamples: where 95 % of them lie. */
static void interval(struct eval_interval *out, const double *value, size_t resamples)
{
    out->low = value[(size_t)floor(0.025 * (double)resamples)];
    out->high = value[(size_t)ceil(0.975 * (double)resamples) - 1];
}

int eval_bootstrap(struct eval_bootstrap *out, const double *x, size_t n, size_t resamples, struct error *err)
{
    uint64_t state = SEED;
    size_t above = 0, below = 0;
    double sum = 0, *mean = malloc(resamples * sizeof *mean);
    struct eval_interval around;
    if (!mean)
        return error_set(err, ERR_MEMORY, "no memory for %zu resamples", resamples);
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    for (size_t i = 0; i < resamples; i++) {
        mean[i] = mean_of_draws(x, n, &state);
        below += mean[i] <= 0;
        above += mean[i] >= 0;
    }
    eval_sort(mean, resamples);
    interval(&around, mean, resamples);
    double r = (double)resamples, p = 2 * share(below < above ? below : above, resamples);
    *out = (struct eval_bootstrap){
        .mean = sum / (double)n, .low = around.low, .high = around.high, .p = p > 1 / r ? p : 1 / r};
    free(mean);
    return 0;
}

int eval_bootstrap_median(struct eval_interval *out, double *x, size_t n, size_t resamples, struct error *err)
{
    uint64_t state = SEED;
    double *median = malloc(resamples * sizeof *median);
    uint32_t *count = malloc(n * sizeof *count);
    int failed = !median || !count;
    if (failed) {
        error_set(err, ERR_MEMORY, "no memory for %zu resamples", resamples);
    } else {
        eval_sort(x, n);
        for (size_t i = 0; i < resamples; i++)
            median[i] = median_of_draws(x, n, count, &state);
        eval_sort(median, resamples);
        interval(out, median, resamples);
    }
    free(count);
    free(median);
    return failed ? -1 : 0;
}

struct eval_rate eval_rate(size_t k, size_t n)
{
    const double z = 1.959963984540054; /* 97.5 % of the normal distribution are below */
    if (n == 0)
        return (struct eval_rate){0};
    double p = share(k, n), m = (double)n, below = 1 + z * z / m;
    double middle = (p + z * z / (2 * m)) / below;
    double half = z * sqrt(p * (1 - p) / m + z * z / (4 * m * m)) / below;
    return (struct eval_rate){k, n, p, k > 0 ? middle - half : 0, k < n ? middle + half : 1};
}

/* 2 sum of C(n, i) / 2^n over i <= min(b, c): each binomial by logarithms, since C(n, i) and 2^n leave the range of doubles. */
double eval_mcnemar(size_t b, size_t c)
{
    size_t least = b < c ? b : c;
    double n = (double)(b + c), ln_choose = 0, p = 0;
    for (size_t i = 0; i <= least; i++) {
        p += exp(ln_choose - n * log(2));
        ln_choose += log((n - (double)i) / (double)(i + 1));
    }
    return b + c && 2 * p < 1 ? 2 * p : 1;
}
