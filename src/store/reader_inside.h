/* The state of the reader, shared by reader.c (open, submit, reap), reader_pieces.c (completions, retries, failures) and
 * reader_drives.c (rates of drives). */
#ifndef STORE_READER_INSIDE_H
#define STORE_READER_INSIDE_H

#include "base/checked.h"
#include "store/reader_backend.h"
#include "store/reader_files.h"
#include "store/reader_queue.h"

#include <stdatomic.h>

struct drive {
    uint64_t bytes_out;     /* in flight, without lost pieces */
    uint64_t completion_ns; /* when a piece last completed */
    double given;           /* seconds of reading given to it so far, by its rate: decides between equal copies */
};

struct reader {
    const struct reader_ops *ops;
    void *state;
    struct reader_files files;
    uint32_t align;
    int seen, depth, capacity; /* pieces: that the device sees at once; that the back end may hold; in all */
    uint64_t timeout_ns;
    struct request_queue uncut[READ_RANKS][READER_MAX_DRIVES]; /* by the drive of the first copy */
    int n_uncut, next_drive;                                   /* next_drive: drives take turns */
    struct request_ages ages;
    struct drive drive[READER_MAX_DRIVES];
    struct piece *piece, *free, *held;
    struct piece **batch; /* [capacity] */
    int out, lost;        /* pieces with the back end; those of them whose request was given up */
    uint64_t changed_ns;  /* when out last changed */
    /* written by the owner, read by any thread */
    _Atomic uint64_t requests, pieces, bytes, retries, shorts, busy_ns, depth_ns, drive_bytes[READER_MAX_DRIVES];
};

static inline void count(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t range_begin(const struct reader *r, const struct read_request *q)
{
    return round_down(q->offset, r->align);
}

static inline uint64_t range_length(const struct reader *r, const struct read_request *q)
{
    return round_up(q->offset + q->length, r->align) - range_begin(r, q);
}

static inline struct request_queue *queue_of(struct reader *r, const struct read_request *q)
{
    return &r->uncut[q->rank][r->files.drive[q->file]];
}

/* Remove a request from its queue: all of it has been cut into pieces, or it is given up. */
static inline void forget_uncut(struct reader *r, struct read_request *q)
{
    queue_remove(queue_of(r, q), q);
    r->n_uncut--;
}

/* The back end has completed a piece: the request is finished, retried, continued or failed. */
void reader_on_completion(struct reader *r, struct piece *p, uint64_t now);

/* Takes a held piece whose pause is over; NULL: there is none. */
struct piece *reader_next_held(struct reader *r, uint64_t now);

/* Remove the request from all queues; its pieces at the device become lost. */
void reader_give_up(struct reader *r, struct read_request *q);

/* Give up the request and finish it as failed, with the cause. number: an errno, or 0. */
void reader_fail(struct reader *r, struct read_request *q, int copy_index, int cause, int number);

#endif
