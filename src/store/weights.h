/* Reading resident weights, once at start, into memory of the plan; and single rows of a tensor that stays on disk (the token
 * embedding, where its memory is worth more as expert slots). Both go through the reader, past the page cache. */
#ifndef STORE_WEIGHTS_H
#define STORE_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct reader;

struct weight_read {
    const char *tensor;     /* for messages */
    int file;               /* the reader's number of it */
    uint64_t offset, bytes; /* within the file */
    uint8_t *to;            /* [bytes] 64-byte aligned, of the plan's arena */
};

/* Read all n tensors, with many reads in flight; returns when all are read. bounce: bounce_bytes, at least WEIGHTS_BOUNCE, aligned to 4096.
 * progress (may be NULL) is called by this thread, with arg, the bytes read so far and those of all. -1: ERR_IO with the sentence; a read
 * that did not come back in 2 s may still write into the bounce then. */
enum { WEIGHTS_BOUNCE = 8 << 20 };
int weights_load(struct reader *r, const struct weight_read *w, int n, uint8_t *bounce, size_t bounce_bytes,
                 void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct error *err);

/* Rows of a tensor on disk: row i is the bytes [offset + i * row_bytes, + row_bytes) of the file. The owner of the reader alone reads. */
struct disk_rows {
    struct reader *reader;
    const char *tensor;
    int file;
    uint64_t offset, row_bytes;
    uint8_t *bounce; /* disk_rows_bounce() bytes, aligned to 4096 */
    int batch;       /* rows in flight at a time; more than DISK_ROWS_BATCH bring nothing */
    int lost;        /* 1: a read never came back and may still write into the bounce, which is not used again */
};

enum { DISK_ROWS_BATCH = 64 };

/* Bytes. */
uint64_t disk_rows_bounce(uint64_t row_bytes, int batch);

/* Read the n rows into to [n][row_bytes], in the order of row[n]; the caller knows that they are in the tensor. -1: ERR_IO with the
 * sentence; what to holds means nothing then. */
int disk_rows_read(struct disk_rows *d, const int32_t *row, int n, uint8_t *to, struct error *err);

#endif
