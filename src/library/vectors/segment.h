/* A segment: the file that has the vectors of a source's chunks (library.md 11), as int8 codes with a scale each.
 *
 *   head     SEGMENT_HEAD bytes: struct segment_head, then zeros
 *   blocks   SEGMENT_HEAD bytes: struct segment_block, then zeros; then its rows, the width rounded up to 64 codes each, zeros at the end
 *
 * A block is written once, behind the last one. How many bytes count is what the source's database says (source_vectors.h): what is behind
 * them is of a run that was killed, and is written over. Numbers of chunks ascend over the whole file. Little-endian.
 *
 * A score follows from the two vectors alone: the sum of products of codes is an exact integer, so no tier and no order can change it. */
#ifndef LIBRARY_VECTORS_SEGMENT_H
#define LIBRARY_VECTORS_SEGMENT_H

#include "base/cpu.h"

#include <stddef.h>
#include <stdint.h>

struct error;

enum {
    SEGMENT_HEAD = 4096,
    SEGMENT_ROWS = 256, /* of a block, at most */
    SEGMENT_WIDTH_MOST = 8192,
    SEGMENT_PIECE = 1 << 20,  /* bytes that a scan reads at a time: larger ones leave the processor's caches */
    SEGMENT_LARGE = 256 << 20 /* from these bytes on scans read past the page cache */
};

/* What its owner knows of it. */
struct segment_about {
    int64_t id;     /* a number of its own, which is its name too */
    uint64_t model; /* the hash of the model that made the vectors */
    int width;      /* values of a vector, 1 to SEGMENT_WIDTH_MOST */
    int64_t bytes;  /* that count */
};

struct segment {
    struct segment_about about;
    const char *source; /* of the sentences; the caller's */
    int fd;
    size_t stride;      /* bytes of a row */
    uint8_t *held;      /* what counts from held_from on; NULL: scans read it */
    uint64_t held_from; /* bytes */
};

/* Whole blocks that follow each other; numbers of chunks ascend over all of them. Not empty. */
struct segment_span {
    uint64_t from, end; /* bytes of the file */
};
/* All rows from this byte on, where a block begins. */
struct segment_span segment_rows_from(const struct segment *s, uint64_t from);

/* A file without rows; about->bytes is set. One of that name is replaced. */
int segment_create(const char *path, const char *source, struct segment_about *about, struct error *err);

/* writes: rows can be put behind those that count. -1: it is not there, is another one, or is shorter than what counts. */
int segment_open(struct segment *s, const char *path, const char *source, const struct segment_about *about, int writes,
                 struct error *err);
void segment_close(struct segment *s);

/* From now on scans of these spans [n], which ascend, read memory, from the first one to the end of the last one. -1: *err, and they read
 * the file. */
int segment_hold(struct segment *s, const struct segment_span *span, size_t n, struct error *err);

/* n rows, at most SEGMENT_ROWS, of these chunks, which ascend and are above all before. x [n][width], finite. On the drive when it
 * returns; s->about.bytes has grown. */
int segment_append(struct segment *s, const int64_t *chunk, const float *x, int n, struct error *err);

/* Rows of a block. */
struct segment_rows {
    int n;
    uint64_t sum; /* the block's */
    const int64_t *chunk;
    const float *scale;
    const int8_t *code; /* [n][stride] */
};

struct segment_reading {
    void (*rows)(void *arg, const struct segment_rows *r); /* each block, in order; NULL: they are only looked at */
    void *arg;
    int (*stopped)(void *arg); /* asked between pieces; 1: it ends with ERR_CANCELLED. NULL: it is not */
    void *stopped_arg;
};

/* The blocks of these spans [n]. Every one that is read is held against its sum. -1: *err; blocks before the damage were given out. */
int segment_read(const struct segment *s, const struct segment_span *span, size_t n, const struct segment_reading *o,
                 struct error *err);

struct segment_scan {
    enum cpu_tier tier;        /* of the kernels, at most */
    int (*stopped)(void *arg); /* as in struct segment_reading */
    void *stopped_arg;
    void (*take)(void *arg, int64_t chunk, double score); /* each row, in order; larger scores are better */
    void *arg;
};

/* All rows, or those of these spans [n], for the vector x [width]. -1: *err; rows before the damage were given out. */
int segment_scan(const struct segment *s, const float *x, const struct segment_scan *o, struct error *err);
int segment_scan_spans(const struct segment *s, const float *x, const struct segment_span *span, size_t n,
                       const struct segment_scan *o, struct error *err);

/* Is all of it whole? */
int segment_check(const struct segment *s, struct error *err);

/* Codes of x [width] into code, padded by zeros to a multiple of 64. Returns the scale: the largest magnitude / 127; a code is the nearest
 * integer to value / scale, of two the even one. */
float segment_quantise(int8_t *code, const float *x, int width);

#endif
