/* Lists (lists.h) of all rows that a segment has: k-means by the angle, LISTS_ROUNDS rounds on LISTS_TRAINED rows for each list, then every
 * row to the list whose centre is nearest.
 *
 * The file's bytes follow from the segment alone: its sample and first centres from a fixed seed, products of codes are exact integers, and
 * sums of rows are in the order of the rows, divided over threads by columns. The segment is streamed, several times. The file comes under
 * its name when it is whole, so who is killed leaves what was there. */
#ifndef LIBRARY_VECTORS_LISTS_MAKE_H
#define LIBRARY_VECTORS_LISTS_MAKE_H

#include "library/vectors/lists.h"

enum {
    LISTS_PER_ROOT = 4, /* lists for each unit of the square root of the rows */
    LISTS_ROUNDS = 8,
    LISTS_TRAINED = 64
};

struct lists_options {
    enum cpu_tier tier; /* of the kernels, at most */
    int n_threads;
    uint64_t memory;                                     /* bytes of the process; 0: no bound */
    uint64_t beside;                                     /* of these, what it may not take */
    int (*tick)(void *arg, int64_t done, int64_t total); /* several times a second; 1: stop */
    void *arg;
};

/* Writes `path`.new and renames it to `path`. -1: *err, ERR_CANCELLED once tick() was 1; a file `path` that there was is as it was. */
int lists_make(const char *path, const struct segment *of, const struct lists_options *o, struct error *err);

#endif
