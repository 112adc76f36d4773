/* The file of lists.h, for who reads and who writes it. */
#ifndef LIBRARY_VECTORS_LISTS_LAYOUT_H
#define LIBRARY_VECTORS_LISTS_LAYOUT_H

#include "library/vectors/block.h"
#include "library/vectors/lists.h"

struct lists_head {
    char magic[8]; /* the last character is the version */
    int64_t id;    /* of the segment, with its model and width */
    uint64_t model;
    int64_t width, n, n_row;
    uint64_t covered, rows_sum, last_block, last_sum;
    uint64_t table_sum;
    uint64_t sum; /* of what is before it */
};

struct lists_head lists_head_of(const struct lists *l);

/* Bytes of the blocks that n rows are in. */
static inline uint64_t lists_bytes_of(const struct lists *l, int64_t n)
{
    return (uint64_t)((n + SEGMENT_ROWS - 1) / SEGMENT_ROWS) * SEGMENT_HEAD + (uint64_t)n * l->file.stride;
}

/* Of l->n and l->n_of, none of them negative and l->n_row together: where everything lies. */
void lists_lay_out(struct lists *l);

#endif
