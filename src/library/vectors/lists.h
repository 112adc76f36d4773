/* Lists of the vectors of a segment (segment.h), in a file beside it: rows that are near to one another are in one list, and a search reads
 * the lists whose centres are nearest to the query, 1 / LISTS_READ of them, and what was appended to the segment since (library.md 11).
 *
 *   head      SEGMENT_HEAD bytes: struct lists_head, then zeros
 *   table     rows of each list, int64; zeros to the next multiple of SEGMENT_HEAD
 *   centres   blocks as a segment's: a row is a centre, and its number that of the list
 *   lists     each from a multiple of SEGMENT_HEAD on: blocks as a segment's, all but the last one full
 *
 * The table says where everything lies. Centres are codes with a scale as rows are, so which lists are nearest is exact, whatever the tier.
 * It is made by lists_make.h, once, and never written again. Little-endian. */
#ifndef LIBRARY_VECTORS_LISTS_H
#define LIBRARY_VECTORS_LISTS_H

#include "library/vectors/segment.h"

enum {
    LISTS_READ = 16,      /* a search reads the best 1 / LISTS_READ of them, rounded up */
    LISTS_MOST = 1 << 18, /* of a file */
    LISTS_ROWS = INT32_MAX
};

struct lists {
    struct segment file;  /* its blocks are read as a segment's; about.bytes: all of it; fd -1: there are none */
    int n;                /* lists; 0: there are none */
    int64_t n_row, *n_of; /* of all, of each [n] */
    uint64_t *at;         /* [n + 1] where each begins, where the file ends */
    struct segment_span centres;
    uint64_t covered;  /* bytes of the segment whose rows are in them */
    uint64_t rows_sum; /* of these rows: lists_rows_sum() */
};

/* Those of a segment, of the source of that name. 1: *l; 0: there is no such file; -1: *err, and *l has none. They may be of rows that came
 * since *of was read: l->covered is more than of->bytes then. */
int lists_open(struct lists *l, const char *path, const char *source, const struct segment_about *of,
               struct error *err);
void lists_close(struct lists *l);

/* The sentence that they are of other vectors than the segment has: -1 and *err. */
int lists_of_other_vectors(const struct lists *l, struct error *err);

/* From now on scans read memory, l->file.about.bytes of it. -1: *err, and they read the file. */
int lists_hold(struct lists *l, struct error *err);

/* The rows of the lists that are nearest to x [width], list by list. -1: *err, as segment_scan(). */
int lists_scan(const struct lists *l, const float *x, const struct segment_scan *o, struct error *err);

/* Is all of it whole, and of the rows that the segment has? */
int lists_check(const struct lists *l, const struct segment *of, struct error *err);

/* Rows of the segment's first `bytes` bytes, and a sum of their blocks. ERR_CANCELLED once stopped(arg) is 1, which may be NULL. */
int lists_rows_sum(const struct segment *of, uint64_t bytes, int (*stopped)(void *arg), void *arg, int64_t *n_row,
                   uint64_t *sum, struct error *err);

#endif
