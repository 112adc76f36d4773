/* Reading resident weights, once at start, into memory of the plan: through the reader, past the page cache. */
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

#endif
