/* stoker bench --against: two settings, two builds, or a peer's bench, measured by turns (bench.md 2).
 *
 *   against.c      the experiment: equal outputs, who runs when, pairs
 *   side.c         A and B: command lines, runs, the rows that they print
 *   child.c        a program that is run to its end
 *   digest.c       --digest: what outputs are compared by
 *   stillness.c    what others took of the machine meanwhile
 *   core_wait.c    for how long the thread that computes had no core
 *   report.c       what is printed and logged of an experiment
 *   log.c          the log, and its table */
#ifndef CLI_BENCH_AGAINST_H
#define CLI_BENCH_AGAINST_H

#include "cli/bench/side.h"
#include "cli/bench/stillness.h"
#include "eval/pairs.h"

struct against {
    const char *settings, *binary, *peer; /* one is given: flags of B, another stoker, a llama-bench */
    const char *log, *root, *format;      /* log NULL: none. root: of proc. format: md, json, jsonl */
    int pairs;                            /* 0: usual */
    int unequal, progress;                /* 1: outputs may differ; a line a pair */
    double effect, steal;                 /* in percent: the difference sought; of a run, taken by the host */
};

/* Pairs of runs of two sides, or of one with itself. */
struct series {
    size_t n;
    int voided;
    double x[SIDE_TESTS][EVAL_PAIRS_MOST], y[SIDE_TESTS][EVAL_PAIRS_MOST]; /* [n] seconds */
};

struct experiment {
    const struct against *w;
    struct side a, b;
    struct side_rows tests; /* of A's first run */
    struct side_rows of_b;  /* of B's; no rows: it had none */
    const char *outputs;    /* "equal", "unequal", "not compared" */
    int without_waits;      /* 1: seconds are of the least repetition, without its waits for a core */
    struct series with_self, with_b;
    struct eval_pairs aa[SIDE_TESTS], ab[SIDE_TESTS];
    double pressure[PRESSURES]; /* shares of the time of all runs; below 0: not known */
};

/* a: bench's own command line; b: of w->settings, the same with them behind it, else NULL. Returns the exit status. */
int bench_against(const struct against *w, const struct side_line *a, const struct side_line *b);

/* Prints the experiment and adds it to the log file; log NULL: none. -1: after a sentence on stderr. */
int experiment_report(const struct experiment *e, const char *log);

#endif
