/* Statistics of evaluations: evaluation.md 5. */
#ifndef EVAL_STATS_H
#define EVAL_STATS_H

#include <stddef.h>
#include <stdint.h>

struct error;

/* The next number of a SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), whose state the caller began with a seed. */
uint64_t eval_random(uint64_t *state);

enum { EVAL_RESAMPLES = 10000 };

/* 1: n values can have this sum and this sum of squares, which is at least sum^2 / n but for rounding. */
int eval_can_be_sums(size_t n, double sum, double squares);

/* Of fewer values there is no interval: of three, one resample in 27 is three times the least, so it would be from that to the largest,
 * and of one it would be that one, which looks like certainty. */
enum { EVAL_INTERVAL_LEAST = 4 };

/* The mean of x [n], n at least 1, and what n draws from it with replacement say of that, so many times over: the interval that 95 % of
 * their means lie in, and how often a mean is on the other side of 0. -1: no memory. */
struct eval_bootstrap {
    double mean, low, high, p;
};
int eval_bootstrap(struct eval_bootstrap *out, const double *x, size_t n, size_t resamples, struct error *err);

void eval_sort(double *x, size_t n); /* ascending */

/* The median of x [n], which is sorted. */
double eval_median(const double *x, size_t n);

/* The same for the median: the interval that 95 % of the medians of resamples lie in. x [n] is sorted on the way. */
struct eval_interval {
    double low, high;
};
int eval_bootstrap_median(struct eval_interval *out, double *x, size_t n, size_t resamples, struct error *err);

/* k of n, 0 <= k <= n, and Wilson's 95 % interval of that share (JASA 22, 1927). n 0: all is 0. */
struct eval_rate {
    size_t k, n;
    double share, low, high;
};
struct eval_rate eval_rate(size_t k, size_t n);

/* McNemar's exact test: p of b against c, those that only one of two was right about. */
double eval_mcnemar(size_t b, size_t c);

#endif
