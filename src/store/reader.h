/* Many reads in flight at once, past the page cache.
 *
 * Back ends, chosen at start, the first that works: io_uring with O_DIRECT; a pool of pread threads with O_DIRECT; the same
 * pool with buffered reads whose range is dropped from the page cache afterwards. Where a file refuses O_DIRECT that file
 * alone is read buffered. Requests are cut into pieces of at most 1 MiB; short reads are resubmitted, EINTR and EAGAIN too,
 * EIO is tried three times. Completions come in any order.
 *
 * A request reads [offset - offset % A, round_up(offset + length, A)) into a destination aligned to A; its bytes begin at
 * offset % A there (A = reader_align()). One thread owns the reader: it submits and reaps. */
#ifndef STORE_READER_H
#define STORE_READER_H

#include "base/arena.h"

#include <stdint.h>

struct error;
struct gguf_file;
struct reader;

enum reader_backend { READER_AUTO, READER_URING, READER_THREADS, READER_BUFFERED };

struct reader_options {
    enum reader_backend backend;
    int depth;              /* pieces in flight; 0: 1024 (threads: 8) */
    double timeout_seconds; /* a request older than this has failed; 0: 120 */
};

/* A read in the caller's memory, until it is done. */
struct read_request {
    int file;
    uint64_t offset, length;
    uint8_t *to;      /* aligned to A, room for the whole aligned range */
    const char *what; /* for messages: "blk.3.ffn_up_exps.weight, expert 17" is made of this and id */
    int id;           /* -1: none */
    void *user;
    /* the reader's own from here on */
    enum { READ_PENDING, READ_DONE, READ_FAILED } state;
    struct read_request *next;
    int pieces_left;
    uint64_t started_ns;
    int failed_errno;
    uint64_t failed_offset, failed_length;
    int draining; /* failed, but pieces are still with the device */
};

/* mem: reader_bytes() of the plan, for rings, pieces and bounce buffers. The files stay the caller's. */
uint64_t reader_bytes(const struct reader_options *opt);
int reader_open(struct reader **out, const struct gguf_file *file, int n_file, const struct reader_options *opt,
                struct arena *mem, struct error *err);
void reader_close(struct reader *r);

/* The alignment of reads: at least 512, of all files the largest; known before opening. */
uint32_t reader_align_of(const struct gguf_file *file, int n_file);
uint32_t reader_align(const struct reader *r);

const char *reader_backend_name(const struct reader *r);

/* Hand over n requests; everything that fits the queue is with the kernel when this returns, the rest follows as room comes. */
void reader_submit(struct reader *r, struct read_request *const *req, int n);

/* The next finished request (state READ_DONE or READ_FAILED), or NULL: none yet (wait 0), none in flight (wait 1). A failed
 * request whose pieces are still with the device is handed out with draining set and comes a second time when they are back. */
struct read_request *reader_reap(struct reader *r, int wait);

/* Top up the queue; never waits. */
void reader_poll(struct reader *r);

/* The sentence of a failed request. Always returns -1. */
int reader_error(const struct reader *r, const struct read_request *q, struct error *err);

struct reader_stats {
    uint64_t requests, pieces, bytes, retries, shorts;
    double busy_seconds; /* with a piece in flight */
    double depth_mean;
};
void reader_stats(const struct reader *r, struct reader_stats *out);

/* Has the file changed since it was opened? 0, or -1 with the sentence. */
int reader_check_files(struct reader *r, struct error *err);

#endif
