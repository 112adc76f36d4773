/* Values that seemed faster in a few runs, the fastest first. The fastest of each setting are judged at once: pairs of all of them cost
 * less than pairs of each, and show a sum of small gains. */
#ifndef CLI_TUNE_PROMISING_H
#define CLI_TUNE_PROMISING_H

#include "cli/tune/values.h"

/* Less than pairs must show in the end, for that is what all of them show at once. */
#define TUNE_PROMISING 0.01

struct tune_promising {
    struct {
        struct tune_value value;
        double ratio; /* of the time of what was best then */
    } of[TUNE_VALUES_MOST];
    int n;
};

/* A value, and how it compares: it is kept if it is faster by TUNE_PROMISING. 1: it is. */
int tune_promising_add(struct tune_promising *p, const struct tune_value *v, double ratio);

/* Moves to *other what cannot be judged at once with a faster one: of each setting all but the fastest, and of reader and depth the slower
 * one, for a depth was looked at with one reader alone. */
void tune_promising_part(struct tune_promising *p, struct tune_promising *other);

/* Moves the value at i to *other. */
void tune_promising_move(struct tune_promising *p, int i, struct tune_promising *other);

/* Forgets the value at i. */
void tune_promising_drop(struct tune_promising *p, int i);

/* Sets all of them in *out. */
void tune_promising_set(const struct tune_promising *p, struct profile *out);

#endif
