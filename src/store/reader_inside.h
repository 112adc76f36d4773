/* The reader's state, shared by its two halves: reader.c (open, submit, reap) and reader_pieces.c (what becomes of a piece). */
#ifndef STORE_READER_INSIDE_H
#define STORE_READER_INSIDE_H

#include "base/checked.h"
#include "store/reader_backend.h"
#include "store/reader_files.h"
#include "store/reader_queue.h"

#include <stdatomic.h>

struct drive {
    uint64_t bytes_out;     /* in flight, lost pieces not counted */
    uint64_t completion_ns; /* when a piece last came home */
    double given;           /* seconds of work so far, by its rate: evens out what takes turns */
};

struct reader {
    const struct reader_ops *ops;
    void *state;
    struct reader_files files;
    uint32_t align;
    int seen, depth, capacity; /* pieces that the device sees at once; that may be out; that there are */
    uint64_t timeout_ns;
    struct request_queue uncut[READ_RANKS][READER_MAX_DRIVES]; /* by the drive of the first copy */
    int n_uncut, next_drive;                                   /* next_drive: whose turn it is */
    struct request_ages ages;
    struct drive drive[READER_MAX_DRIVES];
    struct piece *piece, *free, *held;
    struct piece **batch; /* [capacity] */
    int out, lost;        /* with the back end; of these, of requests that were given up */
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

/* All of it is in pieces now, or it is given up. */
static inline void forget_uncut(struct reader *r, struct read_request *q)
{
    queue_remove(queue_of(r, q), q);
    r->n_uncut--;
}

/* A piece came back from the back end. */
void reader_on_completion(struct reader *r, struct piece *p, uint64_t now);

/* A piece whose pause is over, or NULL. */
struct piece *reader_next_held(struct reader *r, uint64_t now);

/* Out of every queue but that of pieces at the device. */
void reader_give_up(struct reader *r, struct read_request *q);

/* The same, and finished with a reason. */
void reader_fail(struct reader *r, struct read_request *q, int copy_index, int cause, int number);

#endif
