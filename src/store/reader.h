/* Many reads in flight at once, past the page cache.
 *
 * Back ends, chosen at start, the first that works: io_uring with O_DIRECT; a pool of pread threads with O_DIRECT; the same
 * pool with buffered reads whose range is dropped from the page cache afterwards. Where a file refuses O_DIRECT that file
 * alone is read buffered. Requests are cut into pieces of at most 1 MiB; short reads are resubmitted, EINTR and EAGAIN too,
 * EIO is tried three times. Completions come in any order.
 *
 * A request reads [offset - offset % A, round_up(offset + length, A)) into a destination aligned to A, better to READER_PAGE;
 * its bytes begin at offset % A there (A = reader_align()). One thread owns the reader: it submits and reaps. Another thread may become the
 * owner while nothing is in flight (open and load in one thread, run in another). */
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
    READER_PIECE = 1 << 20,
    READER_PAGE = 4096, /* A may be less, but into memory that begins inside a page a drive read a fifth slower */
    READER_MAX_DEPTH = 4096,
    READER_MAX_THREADS = 64,
    READER_MAX_FILES = 1024,
    READER_MAX_DRIVES = 8,       /* more share the last one's queue */
    READER_WINDOW = 64 << 20,    /* bytes in flight on a drive, of reads that nobody waits for yet */
    READER_WINDOW_NOW = 96 << 20 /* ... with those that somebody waits for */
};

/* Who goes first. Reads are handed over while less than a window is in flight on a drive: what has come is computed while the rest
 * is read, and a READ_NOW always finds room beside the others. */
enum read_rank { READ_NOW, READ_SWEEP, READ_AHEAD, READ_RANKS };

struct reader_options {
    enum reader_backend backend;
    int depth;                    /* pieces in flight; 0: 1024. The pool's threads with the other back ends; 0: 8 */
    double timeout_seconds;       /* a read that the device does not answer for so long has failed; 0: 120 */
    const char *mirror;           /* a folder with a second copy of every file, read in parallel; NULL: none */
    const struct reader_ops *ops; /* tests only: the back end to use instead (reader_backend.h) */
};

/* What one owner has submitted comes back to it alone. Starts as all zero. */
struct read_list {
    struct read_request *head, *tail; /* finished, not yet reaped */
    int active;                       /* submitted, not yet finished */
};

/* A read in the caller's memory. It belongs to the reader from reader_submit() until reader_reap() gives it back for good. */
struct read_request {
    int file;
    uint64_t offset, length; /* length > 0 */
    uint8_t *to;             /* aligned to A (READER_PAGE is faster), room for the whole aligned range */
    const char *what;        /* for messages: the tensor */
    const char *unit;        /* ... and what of it: "expert", "row"; NULL: no id */
    int id;
    enum read_rank rank;
    void *user;
    /* set by the reader */
    enum { READ_PENDING, READ_DONE, READ_FAILED } state;
    int draining; /* failed, but pieces are still with the device */
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

/* Bytes of mem that reader_open() will take, whatever back end it ends with. Not in it: the kernel's ring (64 B + 32 B an entry
 * of depth) or the pool's stacks and queue (64 KiB a thread, 128 KiB). */
uint64_t reader_bytes(const struct reader_options *opt);

/* ERR_IO or ERR_UNSUPPORTED with the sentence. The files stay the caller's and outlive the reader. */
int reader_open(struct reader **out, const struct gguf_file *file, int n_file, const struct reader_options *opt,
                struct arena *mem, struct error *err);

/* Read a little from each drive of a reader that was opened with a mirror, so that reads are shared out by the drives' rates. Where that
 * fails all drives count as equally fast. Some 0.1 s; before the first request. */
void reader_measure_drives(struct reader *r);

/* Waits at most 2 s for reads that have not been given up. Returns the pieces that are still with the device: if there are any,
 * memory that they were to fill must be unmapped, not reused. */
int reader_close(struct reader *r);

/* The alignment of reads: 512 to 4096, of all files the largest; known before opening. */
uint32_t reader_align_of(const struct gguf_file *file, int n_file);
uint32_t reader_align(const struct reader *r);

/* Will the file be read past the page cache, as far as one block tells? *align: its own alignment of reads. */
int reader_file_direct(const struct gguf_file *file, uint32_t *align);

/* "uring", "threads" or "buffered" (no file takes O_DIRECT). */
const char *reader_backend_name(const struct reader *r);

/* Hand over n requests; everything that fits the queue is with the kernel when this returns, the rest follows as room comes. */
void reader_submit(struct reader *r, struct read_list *list, struct read_request *const *req, int n);

/* A request that still waits goes out with this rank from now on. */
void reader_promote(struct reader *r, struct read_request *q, enum read_rank rank);

/* Take back a request of which nothing has gone out: 1; it will not be reaped. 0: too late. */
int reader_withdraw(struct reader *r, struct read_request *q);

/* The next finished request of the list (state READ_DONE or READ_FAILED), or NULL: none yet (wait 0), none active (wait 1). A
 * failed request whose pieces are still with the device is handed out with draining set, and once more without when they are
 * back. */
struct read_request *reader_reap(struct reader *r, struct read_list *list, int wait);

/* Reap and top up the queue; never waits. */
void reader_poll(struct reader *r);

/* Forget a request, so that its struct may go away. Its destination stays in danger while pieces are out. */
void reader_abandon(struct reader *r, struct read_request *q);

/* The sentence of a failed request. Always returns -1. */
int reader_error(const struct reader *r, const struct read_request *q, struct error *err);

struct reader_stats {
    uint64_t requests, pieces, bytes, retries, shorts;
    double busy_seconds;  /* with a piece in flight */
    double piece_seconds; /* the same, times the pieces in flight: their quotient is the mean depth */
    int n_drive;
    uint64_t drive_bytes[READER_MAX_DRIVES];
};

/* From any thread. */
void reader_stats(const struct reader *r, struct reader_stats *out);

/* Has a file changed since it was opened? 0, or -1 with the sentence. A file replaced under its name is one warning: the opened
 * one goes on being used. */
int reader_check_files(struct reader *r, struct error *err);

#endif
