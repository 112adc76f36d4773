/* stoker tune: which settings make a model fastest here, under a budget of memory and one of time. Each value has a few runs, in
 * processes of their own; what seems faster is compared at once, by the pairs of bench --against (bench.md 2), and taken only where the
 * verdict is "faster" and it answers the same. Types of keys and values answer otherwise, and are tried only where they are asked for. The
 * profile that is there is measured like any other value: nothing that it says of itself is believed. */
#ifndef CLI_TUNE_SEARCH_H
#define CLI_TUNE_SEARCH_H

#include "cli/common/profile.h"

struct tuning {
    const char *model;
    uint64_t memory;    /* of the options */
    int n_ctx;          /* positions of the runs */
    double seconds;     /* when they are over, the search has ended */
    const char *binary; /* another stoker that is measured; NULL: this one */
    const char *root;   /* proc and sys are read below it */
    const char *kv;     /* types of keys and values to try too: "q8_0", "f32" or "both"; NULL: none */
    double steal;       /* percent of a run that the host may take */
};

/* Measures, and writes the profile when the values of the one that is there are judged, when threads and when the other settings were
 * looked at, when they are taken, and at the end: what is shown so far. Returns the exit status. */
int tune(const struct tuning *t);

#endif
