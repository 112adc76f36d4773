/* The interface of a back end: it takes pieces and gives them back with a result. The reader cuts requests into pieces, handles retries,
 * short reads and timeouts, and keeps statistics; a back end only carries out reads. Tests put a shim between (reader_options.ops). */
#ifndef STORE_READER_BACKEND_H
#define STORE_READER_BACKEND_H

#include "base/arena.h"

#include <stdint.h>

struct read_request;

/* One read of at most READER_PIECE bytes. Its struct outlives the back end; its request may have been given up. */
struct piece {
    /* the read: set by the reader */
    int fd, copy_index; /* copy_index: index of the registered descriptor */
    int direct;         /* fd is O_DIRECT; else the back end drops the range from the page cache after reading */
    uint64_t offset;
    uint32_t length;
    uint8_t *to;
    int result; /* bytes, or -errno: set by the back end */
    /* the reader's own */
    struct read_request *request; /* NULL: abandoned */
    uint64_t need;                /* end of the bytes that are wanted: past it a short read is no fault */
    int tries, busy;              /* failed attempts; EAGAIN in a row */
    int lost;                     /* its request was given up while the device had the piece */
    uint64_t due_ns;
    struct piece *next;
};

struct backend_setup {
    int depth;     /* pieces that the device shall see at once */
    int capacity;  /* pieces out at most */
    const int *fd; /* the files' O_DIRECT descriptors (-1: none), to register; lives as long as the back end */
    int n_fd;
    struct arena *mem; /* backend_bytes() */
};

struct reader_ops {
    const char *name;

    /* 0 or -errno. */
    int (*open)(void **state, const struct backend_setup *s);

    /* All n are on their way, or read, when this returns. At most capacity are out at a time. */
    void (*submit)(void *state, struct piece *const *p, int n);

    /* Up to max finished pieces, waiting at most wait_ns (0: not at all) for the first. May return early with none. */
    int (*reap)(void *state, struct piece **out, int max, int64_t wait_ns);

    /* Never waits for a read that does not come back. */
    void (*close)(void *state);
};

/* One read on the calling thread, without a timeout; what a file that is not direct leaves in the page cache is dropped.
 * Bytes, or -errno. */
int backend_pread(int fd, uint8_t *to, uint32_t length, uint64_t offset, int direct);

extern const struct reader_ops reader_uring, reader_threads;

enum { READER_URING_BYTES = 512, READER_THREADS_BYTES = 64 };

#endif
