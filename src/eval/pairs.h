/* Two builds or settings that were measured by turns: is B faster than A? bench.md 2. */
#ifndef EVAL_PAIRS_H
#define EVAL_PAIRS_H

#include <stddef.h>
#include <stdint.h>

struct error;

#define EVAL_PAIRS_EFFECT 0.02 /* a smaller median is no verdict, however narrow its interval is */

enum { EVAL_PAIRS_LEAST = 5, EVAL_PAIRS_MOST = 1000 }; /* pairs of a comparison */

/* The ratios b / a of the seconds of n pairs: their median, and the interval that 95 % of the medians of resamples lie in. */
struct eval_pairs {
    size_t n;
    double ratio, low, high;
};
/* a, b [n] seconds, above 0; n from 1 to EVAL_PAIRS_MOST. -1: no memory. */
int eval_pairs(struct eval_pairs *out, const double *a, const double *b, size_t n, struct error *err);

/* 1: so many pairs resolve a difference as large as effect (0.05: 5 %), as A with itself shows: its interval holds 1 and is not wider. */
int eval_pairs_resolve(const struct eval_pairs *aa, double effect);

/* What pairs of A and B show. The interval must lie on one side of 1, the median at least 2 % from it; where A differed from itself, the
 * interval must lie beyond that of A with itself too. */
enum eval_verdict { EVAL_NO_DIFFERENCE, EVAL_FASTER, EVAL_SLOWER };
enum eval_verdict eval_pairs_verdict(const struct eval_pairs *ab, const struct eval_pairs *aa);
const char *eval_verdict_name(enum eval_verdict v); /* "no difference shown", "faster", "slower" */

/* 1: a run is void, for the host gave more than this share of its time to others. stolen: ticks of /proc/stat, of all cores, of which one
 * alone, the least that is counted, says nothing; passed: ticks of the run, of all its threads. More than passed is as much as all of it:
 * the cores of other programs are in stolen too. */
int eval_pairs_void(uint64_t stolen, double passed, double share);

#endif
