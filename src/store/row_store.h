/* A table that stays on disk and of which steps take rows: embeddings, n-gram tables. Rows are asked for as soon as they are known,
 * and taken where they are used; a cache keeps rows, not blocks. Definition: architectures.md 1.
 *
 *     rows_want       asks: reads of what is not in the cache begin. Never waits and never fails
 *     rows_take       the rows themselves: waits for what is still missing
 *     rows_step_end   what the step took may leave the cache; what it asked for and did not take is given up
 *
 * Rows of one block are one read, and no row is read twice in a step that takes it once. Hits, reads and victims follow from the order of
 * these calls, never from the time that a read takes. The owner of the reader alone calls them, but for rows_stats(). */
#ifndef STORE_ROW_STORE_H
#define STORE_ROW_STORE_H

#include "base/arena.h"
#include "store/reader.h"

struct row_store;

/* Row i is the bytes [offset + i * row_bytes, + row_bytes) of the file. The caller knows that all n_row are in the file. */
struct row_source {
    const char *path, *tensor; /* for messages */
    int file;                  /* the reader's number of it */
    uint64_t offset, row_bytes, n_row;
};

enum { ROWS_IN_FLIGHT = 64 }; /* reads of a table at a time: enough to keep a drive busy */

/* Bytes that row_store_create() takes of mem: buffers for the reads, work space for the n_want rows of the largest call, and n_cell cells,
 * each row_cell_bytes() of src/store/row_cache.h at most. n_cell may be 0: every row is read when it is taken. */
uint64_t row_store_bytes(uint64_t row_bytes, int n_want, int n_cell);
uint64_t row_store_cell_bytes(uint64_t row_bytes);

/* The reader, mem and source's strings belong to the caller and outlive the store. ERR_BUG: mem is too small. */
int row_store_create(struct row_store **out, struct arena *mem, struct reader *reader, const struct row_source *source,
                     int n_want, int n_cell, struct error *err);

/* Waits for reads in flight, until clock_ns() is until_ns; NULL: nothing. The memory is the caller's to free. */
void row_store_destroy(struct row_store *rs, uint64_t until_ns);

/* These n rows are going to be taken, in any order and as often as they like. rank: READ_NOW or READ_SWEEP where the next step to end takes
 * them, READ_AHEAD where the step after that does. What finds no cell is read when it is taken. Asking again is free, but for what failed
 * and was not taken: that is read again. */
void rows_want(struct row_store *rs, const int32_t *row, int n, enum read_rank rank);

/* Copies the n rows, at most n_want, to to [n][row_bytes], as they are in the file; waits for what is missing. Returns how many could not
 * be read: 0, or failed[i] is 1 for each of them, whose bytes are zeros, and *err has the sentence of the first of them (tensor, row,
 * file, cause). failed [n] is written in any case. */
int rows_take(struct row_store *rs, const int32_t *row, int n, uint8_t *to, unsigned char *failed, struct error *err);

/* After the last take of a step: its rows may leave. Rows that were asked for and not taken, because their sequence ended, leave at once,
 * come or not; so does what failed. Never waits. */
void rows_step_end(struct row_store *rs);

/* Takes completed reads and submits waiting ones; never waits. 1: some are under way. */
int rows_poll(struct row_store *rs);

/* Sums since row_store_create(). */
struct rows_stats {
    uint64_t wanted, unique; /* rows that were taken; in each call each once */
    uint64_t cached;         /* of the unique ones: were in memory before the step asked for them */
    uint64_t reads, bytes;   /* that were decided on, even if given up before they began; bytes: with alignment */
    uint64_t failed;         /* reads */
    uint64_t takes, late;    /* calls of rows_take(); of them those that had to wait */
    double wait_seconds;
};

/* From any thread. */
void rows_stats(const struct row_store *rs, struct rows_stats *out);

#endif
