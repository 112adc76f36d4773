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
    uint64_t covered;              /* bytes of the segment whose rows are in them */
    uint64_t rows_sum;             /* of the sums of the blocks that these are in */
    uint64_t last_block, last_sum; /* where the last of these blocks begins, and its sum */
};

/* Those of a segment, of the source of that name. 1: *l; 0: there is no such file; -1: *err, and *l has none. Before they are used,
 * lists_bind() holds them against the segment. */
int lists_open(struct lists *l, const char *path, const char *source, const struct segment_about *of,
               struct error *err);
void lists_close(struct lists *l);

/* 0: the segment's last block that they are of is the one that was there when they were made, so all before it is what it was, since blocks
 * are only ever appended. -1: *err, they are of another moment, as where one of the two files is a backup's, or are of rows that came since
 * *of was read: l->covered is more than of->about.bytes then. */
int lists_bind(const struct lists *l, const struct segment *of, struct error *err);

/* The sentences that they are damaged, and that they are of other vectors than the segment has: -1 and *err. */
int lists_damaged(const struct lists *l, struct error *err);
int lists_of_other_vectors(const struct lists *l, struct error *err);

/* From now on scans read memory, l->file.about.bytes of it. -1: *err, and they read the file. */
int lists_hold(struct lists *l, struct error *err);

/* The rows of the lists that are nearest to x [width], list by list. -1: *err, as segment_scan(). */
int lists_scan(const struct lists *l, const float *x, const struct segment_scan *o, struct error *err);

/* Is all of it whole, and of the rows that the segment has? Reads all of both. tick(arg, rows that were read, rows of both) is asked for
 * each piece of them, and may be NULL; 1: it ends with ERR_CANCELLED. */
int lists_check(const struct lists *l, const struct segment *of, int (*tick)(void *arg, int64_t done, int64_t total),
                void *arg, struct error *err);

/* Reads the segment's first l->covered bytes, and sets what *l says of them: n_row, rows_sum, last_block, last_sum. ERR_CANCELLED once
 * stopped(arg) is 1. */
int lists_read_rows(struct lists *l, const struct segment *of, int (*stopped)(void *arg), void *arg, struct error *err);

#endif
