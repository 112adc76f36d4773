/* Cells of single rows of a table on disk: which rows are in memory or on their way, and which row leaves next.
 *
 *     bucket --> cell --> cell          by row
 *     free, pinned, unpinned            each cell is in one of these lists
 *
 * A row is pinned while a step that asked for it runs, and while it is being read. The victim is the unpinned row that was taken longest
 * ago. Both follow from the order of calls alone, so hits and reads are the same however fast the drive is. */
#ifndef STORE_ROW_CACHE_H
#define STORE_ROW_CACHE_H

#include "base/arena.h"

#include <stdint.h>

enum row_state { ROW_FREE, ROW_QUEUED, ROW_READING, ROW_READY, ROW_FAILED };

struct row_cell {
    int32_t row, next_in_bucket;
    int32_t older, newer;  /* in its list */
    int32_t next_in_queue; /* of rows that wait for a read, and of rows of one read */
    int32_t read;          /* ROW_READING: which; ROW_FAILED: which failure it was */
    uint8_t state, rank;
    uint8_t pins;  /* steps, the running one included, at whose end it is still pinned but for the last */
    uint8_t fresh; /* read for a step that has not taken it yet */
    uint8_t joins; /* ROW_QUEUED: one read with the row before it in the queue */
};

struct row_list {
    int32_t oldest, newest; /* -1: empty */
};

struct row_cache {
    struct row_cell *cell; /* [n] */
    uint8_t *memory;       /* [n][row_bytes] */
    int32_t *bucket;       /* [n_bucket], a power of two; -1: empty */
    int n, n_bucket;
    uint64_t row_bytes;
    struct row_list free, unpinned, pinned;
};

/* What a cell takes at most, bytes. */
uint64_t row_cell_bytes(uint64_t row_bytes);

/* c->n cells, which may be 0, for rows of c->row_bytes; writes nothing but *c, so mem may be a measuring arena. -1: mem is too small. */
int row_cache_allocate(struct row_cache *c, struct arena *mem);
void row_cache_init(struct row_cache *c);

/* The cell that has the row, or will have it; -1: none. */
int32_t row_cache_find(const struct row_cache *c, int32_t row);

/* A cell for a row that has none: a free one, else that of the victim. It is pinned. -1: all are pinned. */
int32_t row_cache_put(struct row_cache *c, int32_t row);

/* The cell is now the newest of the pinned ones, or of the unpinned ones. */
void row_cache_pin(struct row_cache *c, int32_t at);
void row_cache_unpin(struct row_cache *c, int32_t at);

/* The row leaves; its cell is free. */
void row_cache_drop(struct row_cache *c, int32_t at);

static inline uint8_t *row_cache_at(const struct row_cache *c, int32_t at)
{
    return c->memory + (uint64_t)at * c->row_bytes;
}

#endif
