/* Runs of stoker tune: processes of bench, one at a time, which end before the time is over; pairs of them by turns. */
#ifndef CLI_TUNE_MEASURE_H
#define CLI_TUNE_MEASURE_H

#include "cli/bench/side.h"
#include "cli/tune/budget.h"
#include "eval/pairs.h"

/* How runs are measured: what all of them have in common. */
struct measuring {
    const char *model, *binary, *root; /* binary: another stoker to measure, NULL: this one; root: of proc */
    const char *memory;                /* of --memory; NULL: not given */
    int n_ctx;
    double steal;       /* percent of a run that the host may take */
    int prompt, answer; /* tokens of the longest run */
    double until;       /* clock_seconds() at which all ends */
    struct side base;   /* for runs of this size: */
    int size;
    char test[40], context[24], budget[40], proof[24]; /* words of it */
};

double time_left(const struct measuring *m);

/* Makes runs of a size, whose proofs have so many tokens. -1 after a sentence. */
int measuring_set(struct measuring *m, int size, int proof);

/* A run with more words. most: seconds after which it is ended. */
struct tune_run {
    double seconds, wall; /* of the test; with loading */
    int is_void;          /* the host took more of it than that */
};
int measuring_run(struct tune_run *out, const struct measuring *m, const char *words, double most);

/* What such a side answers, as hashes, to be freed; NULL: it failed. */
char *measuring_digest(const struct measuring *m, const char *words);

/* Pairs of runs of x and y; those that are void are counted alone. */
struct series {
    int n, n_void;
    double x[TUNE_PAIRS_MOST], y[TUNE_PAIRS_MOST]; /* [n] seconds */
    double longest;                                /* of their runs, with loading */
};

/* How a series ended: all pairs are there; so many pairs were slow that their interval cannot lie below `below` any more; a run failed, or
 * took three times as long as it should; too many were void; there was no time. */
enum series_end { SERIES_WHOLE, SERIES_HOPELESS, SERIES_FAILED, SERIES_VOID, SERIES_LATE };

/* In words, of what has no verdict: HOPELESS, FAILED, VOID. */
const char *series_why_not(enum series_end how);

struct series_rule {
    const char *what; /* for progress */
    int pairs;
    double run;     /* seconds that a run takes: none begins without them */
    double behind;  /* seconds that are left for others behind the series */
    int is_bounded; /* 1: a run that takes three times as long has failed; 0: what a run takes is a guess */
    double below;   /* where the interval of the ratios of what is faster lies; 0: all pairs are measured */
};
enum series_end series_measure(struct series *out, const struct measuring *m, const struct series_rule *r,
                               const char *x, const char *y);

/* A run; a void one is measured again. WHOLE, FAILED, VOID or LATE. r: what, run, behind, is_bounded. */
enum series_end series_run(double *seconds, const struct measuring *m, const struct series_rule *r, const char *words);

#endif
