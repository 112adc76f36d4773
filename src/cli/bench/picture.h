/* Rows of bench as a picture: rates by what was varied, with bars from p10 to p90. */
#ifndef CLI_BENCH_PICTURE_H
#define CLI_BENCH_PICTURE_H

#include <stdio.h>

/* What rows differ in, in the order in which it becomes the axis. */
enum bench_axis { AXIS_DEPTH, AXIS_BUDGET, AXIS_BATCH, AXIS_THREADS, AXIS_PROMPT, AXIS_GEN, BENCH_AXES };

struct bench_point {
    double at[BENCH_AXES];   /* positions, bytes, rows, threads, tokens, tokens */
    double median, p10, p90; /* tokens a second */
    char model[128], kv[16];
};

struct bench_points {
    struct bench_point *point; /* [n], of cap */
    int n, cap;
};

/* -1: no memory. */
int bench_points_add(struct bench_points *p, const struct bench_point *point);
void bench_points_draw(const struct bench_points *p, FILE *f);
void bench_points_free(struct bench_points *p);

#endif
