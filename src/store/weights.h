/* Reading resident weights, once at start, into memory of the plan; and single rows of a tensor that stays on disk (the token
 * embedding, where its memory is worth more as expert slots). Both go through the reader, past the page cache. */
#ifndef STORE_WEIGHTS_H
#define STORE_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct reader;

struct weight_read {
    const char *tensor; /* for messages */
    int file;
    uint64_t offset, bytes;
    uint8_t *to; /* 64-byte aligned, of the plan's arena */
};

/* Read all n tensors, with many reads in flight. bounce: at least WEIGHTS_BOUNCE bytes, aligned to 4096, used during the call only.
 * progress (may be NULL) is called now and then with the bytes read so far and in all. -1: ERR_IO with the sentence. */
enum { WEIGHTS_BOUNCE = 8 << 20 };
int weights_load(struct reader *r, const struct weight_read *w, int n, uint8_t *bounce, size_t bounce_bytes,
                 void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct error *err);

/* Rows of a tensor on disk: row i is [offset + i * row_bytes, + row_bytes). */
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

uint64_t disk_rows_bounce(uint64_t row_bytes, int batch);

/* Copy the n rows into to [n][row_bytes], in the order of row[]. -1: ERR_IO with the sentence. */
int disk_rows_read(struct disk_rows *d, const int32_t *row, int n, uint8_t *to, struct error *err);

#endif
