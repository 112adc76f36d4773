/* A block of vectors, as files of them have it: segments (segment.h), and the lists that are made of one (lists.h). */
#ifndef LIBRARY_VECTORS_BLOCK_H
#define LIBRARY_VECTORS_BLOCK_H

#include "base/checked.h"
#include "library/vectors/segment.h"

struct segment_block {
    uint64_t sum; /* of all of the block behind it; its place in the file is the seed */
    int64_t n;
    int64_t chunk[SEGMENT_ROWS];
    float scale[SEGMENT_ROWS];
    uint64_t
        written; /* of a segment's: by chance, so that the same rows written again have another sum. 0: of before, or of lists */
};
_Static_assert(sizeof(struct segment_block) <= SEGMENT_HEAD, "a block's numbers fit before its rows");

enum { BLOCK_ALIGN = 64 }; /* each begins at a multiple of it */

/* Bytes of a row of this width. */
static inline size_t block_stride(int width) { return (size_t)round_up((uint64_t)width, BLOCK_ALIGN); }

static inline size_t block_bytes(size_t stride, int64_t n) { return SEGMENT_HEAD + (size_t)n * stride; }

/* Where its rows begin. */
static inline int8_t *block_rows(struct segment_block *b) { return (int8_t *)b + SEGMENT_HEAD; }

/* What a block of n rows at this place must have as its sum. */
uint64_t block_sum(const struct segment *s, const void *block, int64_t n, uint64_t at);

/* All n bytes. -1: errno. */
int block_write(int fd, const void *data, size_t n, int64_t at);
/* 1: a write failed by this number since there is no space. */
int block_is_full(int number);

#endif
