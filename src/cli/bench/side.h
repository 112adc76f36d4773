/* One side of a comparison: a command line, and what a run of it measures. */
#ifndef CLI_BENCH_SIDE_H
#define CLI_BENCH_SIDE_H

#include "stoker.h"

#include <limits.h>

enum { SIDE_TESTS = 16, SIDE_WORDS = 512, SIDE_SHOWN = 2048, SIDE_REPETITIONS = 9 };

struct side {
    const char *word[SIDE_WORDS + 1]; /* [n], then NULL: the command line */
    int n;
    char *owned;             /* what some words point into; NULL: nothing */
    char program[PATH_MAX];  /* what is run */
    char number[16], kv[16]; /* words, likewise */
    double seconds;          /* of a run, after which it is ended; 0: it has all the time */
    int has_roofs;           /* 1: side_describe() measures them */
    char shown[SIDE_SHOWN];  /* the command line as a person gave it, cut to fit */
};

/* What a run says of its tests. */
struct side_rows {
    int n;
    struct side_test {
        int n_prompt, n_gen, n_depth;
        double seconds; /* of one repetition, on average */
        double running; /* of the repetition that had a core for the least time: how long; below 0: it does not tell */
        double bound;   /* tokens a second that its roofs allow; 0: it does not tell */
        char bound_by[16];
    } test[SIDE_TESTS];
    struct stoker_roofs roofs; /* zeroed: not told */
    int n_threads;
    char kv[16]; /* type of keys and values */
    char model[PATH_MAX];
};

/* A command line of bench: argv [argc], in which what settings and profiles say are words too. */
struct side_line {
    char **argv;
    int argc;
    const char *model; /* what it leaves to stoker, or NULL */
    int no_roofs;      /* 1: it asks for none */
};
/* Of settings for B, split at blanks, the first flag that is of the comparison and so of both sides, as repetitions are; NULL: there is
 * none. Static. */
const char *side_flag_of_both(const char *settings);
/* Makes a side of it, but for the flags of the comparison. -1: after a sentence on stderr, as all below. */
int side_make(struct side *s, const struct side_line *line);
/* B: A with more flags; A's flags for another program; a llama-bench that measures what A did. */
int side_make_settings(struct side *s, const struct side *a, const char *settings);
int side_make_binary(struct side *s, const struct side *a, const char *binary);
int side_make_peer(struct side *s, const struct side *a, const char *peer, const struct side_rows *of_a);
/* How many repetitions its runs have from now on; a number that was given with -r stands. 1 to SIDE_REPETITIONS. */
void side_repeat(struct side *s, int n);
void side_free(struct side *s);

/* Runs it once, without roofs. */
int side_run(const struct side *s, struct side_rows *out);
/* The same with roofs, where it has some: what they allow its tests is told too. */
int side_describe(const struct side *s, struct side_rows *out);

/* The first of its tests that is the same as test; NULL: none. */
const struct side_test *side_test_like(const struct side_rows *rows, const struct side_test *test);

/* What --digest prints of its outputs, to be freed; NULL: it failed. */
char *side_digest(const struct side *s);

#endif
