/* The reader: many reads in flight at once, past the page cache.
 *
 * The back end is chosen at start, the first of these that works: io_uring with O_DIRECT; a pool of threads that call pread with
 * O_DIRECT; the same pool with buffered reads whose range is dropped from the page cache afterwards. A file that refuses O_DIRECT
 * is read buffered, the others are not. Requests are cut into pieces of at most 1 MiB. Short reads, EINTR and EAGAIN are
 * submitted again; EIO is tried three times. Requests complete in any order.
 *
 * With A = reader_align(), a request reads [offset - offset % A, round_up(offset + length, A)) into memory aligned to A (READER_PAGE
 * is faster); the wanted bytes begin at offset % A there. Offsets, lengths and sizes are bytes. One thread owns the reader: it alone calls
 * these functions, but for reader_stats(). Another thread may become the owner while nothing is in flight (one opens and loads, another
 * runs). */
#ifndef STORE_READER_H
#define STORE_READER_H

#include "base/arena.h"

#include <stdint.h>

struct error;
struct gguf_file;
struct reader;
struct reader_ops;

enum reader_backend { READER_AUTO, READER_URING, READER_THREADS, READER_BUFFERED };

enum {
    READER_PIECE = 1 << 20, /* the longest read that goes to the device, bytes */
    READER_PAGE = 4096,     /* A may be less, but a drive read a fifth slower into memory that began inside a page */
    READER_MAX_DEPTH = 4096,
    READER_MAX_THREADS = 64,
    READER_MAX_FILES = 1024,
    READER_MAX_DRIVES = 8,       /* more share the last one's queue */
    READER_WINDOW = 64 << 20,    /* the most bytes in flight on a drive when the next read is not READ_NOW */
    READER_WINDOW_NOW = 96 << 20 /* the same when it is */
};

/* Priority of a request: smaller ranks go to the device first. Requests are submitted only while less than a window of bytes is in flight
 * on a drive, so that a READ_NOW never waits behind many others that came before it. */
enum read_rank { READ_NOW, READ_SWEEP, READ_AHEAD, READ_RANKS };

struct reader_options {
    enum reader_backend backend;
    int depth;                    /* pieces in flight; 0: 1024. The pool's threads with the other back ends; 0: 8 */
    double timeout_seconds;       /* a read that takes longer has failed; 0: 120 */
    const char *mirror;           /* a folder with a second copy of every file, read in parallel; NULL: none */
    const struct reader_ops *ops; /* tests only: the back end to use instead (reader_backend.h) */
};

/* Requests that one user of the reader has submitted; reader_reap() returns a user's own requests only. Starts as all zero. */
struct read_list {
    struct read_request *head, *tail; /* finished, not yet reaped */
    int active;                       /* submitted, not yet finished */
};

/* A read in the caller's memory. It belongs to the reader from reader_submit() until reader_reap() gives it back for good. */
struct read_request {
    int file;                /* index into what reader_open() was given */
    uint64_t offset, length; /* of the wanted bytes, within the file; length > 0 */
    uint8_t *to;             /* aligned to A (READER_PAGE is faster), large enough for the whole aligned range */
    const char *what;        /* for messages: the tensor */
    const char *unit;        /* ... and what of it: "expert", "row"; NULL: no id */
    int id;
    enum read_rank rank;
    void *user; /* the caller's own */
    /* set by the reader */
    enum { READ_PENDING, READ_DONE, READ_FAILED } state;
    int draining; /* 1: failed, but pieces are still with the device, which may write to `to` */
    /* the reader's own */
    enum { FAIL_ERRNO, FAIL_TIMEOUT, FAIL_SHRUNK, FAIL_SHORT } cause;
    int failed_errno, failed_copy; /* failed_copy: which copy of the file, see reader_files.h */
    uint64_t found_size;           /* FAIL_SHRUNK */
    uint64_t cut;                  /* bytes of the aligned range made into pieces */
    int pieces_out;                /* with the back end */
    int pieces_held;               /* waiting for another attempt */
    uint64_t started_ns;
    struct read_list *list;
    struct read_request *older, *newer; /* by the time the first piece went out */
    struct read_request *prev, *next;   /* in a queue of uncut or in the list of finished requests */
    int finished;                       /* in list */
};

/* Bytes that reader_open() takes of mem at most, with any back end. Not included: the kernel's ring (64 + 32 bytes an entry of depth),
 * or the pool's stacks (64 KiB a thread) and queue (128 KiB). */
uint64_t reader_bytes(const struct reader_options *opt);

/* file [n_file], whose order numbers them. ERR_IO: a file cannot be opened; ERR_UNSUPPORTED: the back end that was asked for does not
 * work, or there are too many files; ERR_MEMORY: its threads cannot be started; ERR_INPUT, ERR_FORMAT: the mirror is the model itself, or
 * no copy of it; ERR_BUG: mem is too small. mem and the files belong to the caller and outlive the reader. */
int reader_open(struct reader **out, const struct gguf_file *file, int n_file, const struct reader_options *opt,
                struct arena *mem, struct error *err);

/* Read a little from each drive of a reader that was opened with a mirror, so that reads are shared out by the drives' rates. Where that
 * fails all drives count as equally fast. Some 0.1 s; before the first request. */
void reader_measure_drives(struct reader *r);

/* Waits at most 2 s for reads in flight that have not been given up; r is not NULL. Returns how many pieces the device still holds: if
 * there are any, the memory that they may still fill must be unmapped and not reused. */
int reader_close(struct reader *r);

/* The alignment of reads in bytes, the largest of all files': 512 to 4096. The first is known before a reader is opened. */
uint32_t reader_align_of(const struct gguf_file *file, int n_file);
uint32_t reader_align(const struct reader *r);

/* 1: the file can be read past the page cache, as one block read for a test tells. *align: its own alignment of reads, bytes. */
int reader_file_direct(const struct gguf_file *file, uint32_t *align);

/* "uring", "threads" or "buffered" (no file takes O_DIRECT); static. */
const char *reader_backend_name(const struct reader *r);

/* Submit n requests, whose structs belong to the reader until they are reaped. What fits the windows is with the kernel when this
 * returns; the rest follows as reads complete. */
void reader_submit(struct reader *r, struct read_list *list, struct read_request *const *req, int n);

/* Raise the priority of a request that has not gone to the device as a whole; a lower rank than it has changes nothing. */
void reader_promote(struct reader *r, struct read_request *q, enum read_rank rank);

/* Take back a request. 1: nothing of it had gone to the device, and it will not be reaped; 0: too late. */
int reader_withdraw(struct reader *r, struct read_request *q);

/* The next finished request of the list, in state READ_DONE or READ_FAILED. NULL: none has finished yet (wait 0), or none is active
 * (wait 1, which blocks). A failed request whose pieces are still with the device is returned with draining set, and once more
 * without it when the device is done with them. */
struct read_request *reader_reap(struct reader *r, struct read_list *list, int wait);

/* Take completed reads and submit waiting ones. Never waits, but where io_uring cannot have its ring back (reader_uring.c). */
void reader_poll(struct reader *r);

/* Forget a request, so that its struct may be freed. The device may still write to its destination. */
void reader_abandon(struct reader *r, struct read_request *q);

/* The sentence of a failed request, ERR_IO. Always returns -1. */
int reader_error(const struct reader *r, const struct read_request *q, struct error *err);

/* Sums since reader_open(). */
struct reader_stats {
    uint64_t requests, pieces, bytes; /* submitted; bytes: read, alignment included */
    uint64_t retries, shorts;         /* pieces that were tried again; that came back short */
    double busy_seconds;              /* with at least one piece in flight */
    double piece_seconds; /* the same time multiplied by the pieces in flight; the quotient is the mean depth */
    int n_drive;
    uint64_t drive_bytes[READER_MAX_DRIVES]; /* [n_drive] */
};

/* From any thread. */
void reader_stats(const struct reader *r, struct reader_stats *out);

/* -1 with the sentence: a file has changed since it was opened. A file that was replaced under its name is logged once as a warning, and
 * the opened one stays in use. */
int reader_check_files(struct reader *r, struct error *err);

#endif
