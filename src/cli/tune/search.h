/* stoker tune: which settings make a model fastest here, under a budget. One setting after the other, each value against the best so far
 * by the pairs of bench --against (bench.md 2), in processes of their own; taken only where it answers the same and the verdict is
 * "faster". */
#ifndef CLI_TUNE_SEARCH_H
#define CLI_TUNE_SEARCH_H

#include "cli/common/profile.h"

struct tuning {
    const char *model;
    uint64_t memory; /* of the options */
    int n_ctx;       /* 0: the default */
    double seconds;  /* no run begins later */
};

/* Measures, and writes the profile after each setting that is taken, and at the end. Returns the exit status. */
int tune(const struct tuning *t);

#endif
