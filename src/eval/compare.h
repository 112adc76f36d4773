/* Whether B is worse than A, by two files of results: the same items, paired. evaluation.md 7.
 *
 *     right and wrong        McNemar's exact test; the difference of shares, with an interval by bootstrap over items
 *     -ln p, chunk by chunk  bootstrap of the mean difference */
#ifndef EVAL_COMPARE_H
#define EVAL_COMPARE_H

#include "eval/stats.h"

#include <jansson.h>

struct error;

/* A file of results, whole. */
struct eval_record {
    char *path;
    json_t *header;
    json_t **item; /* [n] */
    size_t n;
    int is_whole; /* its summary is there */
};

/* ERR_INPUT: the sentence names file and line. eval_record_close() in either case. */
int eval_record_open(struct eval_record *out, const char *path, struct error *err);
void eval_record_close(struct eval_record *r);

enum { EVAL_COMPARED = 16, EVAL_FIGURE_NAME = 48 };

struct eval_comparison {
    size_t n_a, n_b, n;       /* items of the two files; of both */
    size_t n_other;           /* that have one id and were asked otherwise: they are not among n */
    const char *items, *unit; /* "items", "points" (of 100), or "chunks", "nats a token"; static */
    int n_figure;
    struct eval_compared {
        char name[EVAL_FIGURE_NAME];
        size_t n, b, c;             /* items; of these, that A, that B is right about more often */
        int equal;                  /* 1: no item differs */
        int few;                    /* 1: fewer than EVAL_INTERVAL_LEAST: they show nothing, and diff has no interval */
        struct eval_bootstrap diff; /* of B less A, in the unit; above 0: B is worse */
        double p;                   /* by Holm's correction, where there are several figures */
    } figure[EVAL_COMPARED];
};

/* common 1: items that both have; 0: their items must be the same. ERR_INPUT: they cannot be compared. */
int eval_compare(struct eval_comparison *out, const struct eval_record *a, const struct eval_record *b, int common,
                 struct error *err);

#endif
