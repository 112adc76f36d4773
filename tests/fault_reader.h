/* A back end between the reader and a real one that makes disks misbehave: order, delays, errors, short reads, silence.
 *
 *     reader --submit--> [shim] --submit--> inner           a faulty read never gets to the inner one, or is cut afterwards
 *     reader <--reap---- [shim: completed] <--reap-- inner       completed: reads that are held back for the order
 *
 * One at a time: set fault, open a reader with .ops = &fault_ops. A faulty read is known by its copy_index in the file, so its
 * retries meet the same fault. */
#ifndef TESTS_FAULT_READER_H
#define TESTS_FAULT_READER_H

#include "base/clock.h"
#include "base/rng.h"
#include "store/reader.h"
#include "store/reader_backend.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Containers often forbid io_uring: then these tests use the threads, and unit/store/reader skips. */
static inline int ring_works(void)
{
    static int works = -1;
    if (works < 0) {
        _Alignas(64) static uint8_t room[READER_URING_BYTES];
        struct arena mem;
        int no_file = -1;
        void *state;
        arena_init(&mem, room, sizeof room);
        works = reader_uring.open(&state,
                                  &(struct backend_setup){READER_MAX_DEPTH, READER_MAX_DEPTH, &no_file, 1, &mem}) == 0;
        if (works)
            reader_uring.close(state);
    }
    return works;
}

static inline enum reader_backend first_backend(void) { return ring_works() ? READER_URING : READER_THREADS; }
static inline const struct reader_ops *first_ops(void) { return ring_works() ? &reader_uring : &reader_threads; }

enum fault_order { ORDER_AS_IT_COMES, ORDER_REVERSED, ORDER_RANDOM };
enum fault_kind { FAULT_NONE, FAULT_ERROR, FAULT_SHORT, FAULT_ZERO, FAULT_SILENCE };

enum { FAULT_HOME = 8192, LET_GO_RUBBISH = 1, LET_GO_READ };

static struct fault {
    /* the fault to make */
    const struct reader_ops *inner;
    enum fault_order order;
    uint64_t seed;
    int delay_us; /* each is delayed by up to this */
    enum fault_kind kind;
    int nth;      /* of the reads, from 1; 0: every read */
    int times;    /* how often it meets the fault */
    int number;   /* FAULT_ERROR */
    int short_by; /* FAULT_SHORT; negative: half of it */
    int direct_only;
    int first_copy_only; /* only reads at offsets below this number; 0: all */
    uint64_t from, to;   /* only reads within these bytes of their file; to 0: all */
    int let_go;          /* silent reads are completed now: LET_GO_... */
    /* counters */
    int reads, given, out, came;
    int ahead; /* of given: reads ahead of their use */
    int known, file;
    uint64_t offset;
    void *state;
    struct completion {
        struct piece *piece;
        uint64_t due;
    } completed[FAULT_HOME];
    int n_completed, n_silent;
    struct piece *silent[512];
} fault;

static inline void fault_reset(const struct reader_ops *inner)
{
    memset(&fault, 0, sizeof fault);
    fault.inner = inner;
    fault.times = 1;
}

static inline int fault_open(void **state, const struct backend_setup *s)
{
    struct backend_setup inner = *s;
    inner.depth = s->depth < 8 ? s->depth : 8;
    int rc = fault.inner->open(&fault.state, &inner);
    *state = &fault;
    return rc;
}

static inline void fault_complete(struct piece *p)
{
    uint64_t now = clock_ns(), n = rng_u64(fault.seed, (uint64_t)fault.came++, 1, 0);
    uint64_t delay = fault.delay_us ? n % (uint64_t)fault.delay_us * 1000 : 0;
    fault.completed[fault.n_completed++] = (struct completion){p, now + delay};
}

/* 1: the fault applies to this read. */
static inline int fault_meets(const struct piece *p)
{
    if (fault.kind == FAULT_NONE || (fault.direct_only && !p->direct) ||
        (fault.first_copy_only && p->copy_index >= fault.first_copy_only) ||
        (fault.to && (p->offset < fault.from || p->offset + p->length > fault.to)))
        return 0;
    int first = p->tries == 0 && p->busy == 0;
    if (first && !(fault.known && fault.file == p->copy_index && fault.offset == p->offset))
        fault.reads++;
    if (fault.nth == 0)
        return 1;
    if (!fault.known && fault.reads == fault.nth) {
        fault.known = 1;
        fault.file = p->copy_index;
        fault.offset = p->offset;
    }
    return fault.known && fault.file == p->copy_index && fault.offset == p->offset && fault.given < fault.times;
}

static inline void fault_submit(void *state, struct piece *const *piece, int n)
{
    (void)state;
    for (int i = 0; i < n; i++) {
        struct piece *p = piece[i];
        if (!fault_meets(p)) {
            fault.out++;
            fault.inner->submit(fault.state, &p, 1);
            continue;
        }
        fault.given++;
        fault.ahead += p->request && p->request->rank == READ_AHEAD;
        if (fault.kind == FAULT_SILENCE) {
            fault.silent[fault.n_silent++] = p;
        } else if (fault.kind == FAULT_SHORT) {
            /* clear the bytes that the short read lacks, so that treating it as whole is noticed */
            int by = fault.short_by < 0 ? (int)p->length / 2 : fault.short_by;
            int result = (int)p->length > by ? (int)p->length - by : 0;
            uint32_t length = p->length;
            memset(p->to, 0xAA, length);
            if (result > 0 && pread(p->fd, p->to, length, (off_t)p->offset) >= 0)
                memset(p->to + result, 0xAA, length - (uint32_t)result);
            p->result = result;
            fault_complete(p);
        } else {
            p->result = fault.kind == FAULT_ERROR ? -fault.number : 0;
            fault_complete(p);
        }
    }
}

static inline void fault_collect(int64_t wait_ns)
{
    struct piece *p[64];
    int n = fault.out > 0 ? fault.inner->reap(fault.state, p, 64, wait_ns) : 0;
    if (fault.out == 0 && wait_ns > 0)
        nanosleep(&(struct timespec){0, wait_ns}, NULL);
    for (int i = 0; i < n; i++)
        fault_complete(p[i]);
    fault.out -= n;
    while (fault.let_go && fault.n_silent > 0) {
        struct piece *s = fault.silent[--fault.n_silent];
        memset(s->to, 0xEE, s->length);
        s->result = (int)s->length;
        if (fault.let_go == LET_GO_READ)
            s->result = (int)pread(s->fd, s->to, s->length, (off_t)s->offset);
        fault_complete(s);
    }
}

/* The completion to hand out next, in the chosen order; -1: none yet. */
static inline int fault_pick(void)
{
    if (fault.n_completed == 0 || (fault.order == ORDER_REVERSED && fault.out > 0))
        return -1;
    int i = 0;
    if (fault.order == ORDER_REVERSED)
        i = fault.n_completed - 1;
    else if (fault.order == ORDER_RANDOM)
        i = (int)(rng_u64(fault.seed, (uint64_t)fault.came, 2, (uint32_t)fault.n_completed) %
                  (uint64_t)fault.n_completed);
    if (fault.delay_us == 0)
        return i;
    uint64_t now = clock_ns();
    for (int k = 0; k < fault.n_completed; k++, i = (i + 1) % fault.n_completed)
        if (fault.completed[i].due <= now)
            return i;
    return -1;
}

static inline int fault_reap(void *state, struct piece **out, int max, int64_t wait_ns)
{
    (void)state;
    uint64_t until = clock_ns() + (uint64_t)wait_ns;
    int i;
    fault_collect(0);
    while ((i = fault_pick()) < 0 && clock_ns() < until)
        fault_collect(200000);
    /* a reversed batch is handed out whole; otherwise one at a time, so that the shim decides the order */
    int n = 0;
    for (; i >= 0 && n < max; i = fault.order == ORDER_REVERSED ? fault_pick() : -1) {
        out[n++] = fault.completed[i].piece;
        memmove(&fault.completed[i], &fault.completed[i + 1],
                (size_t)(--fault.n_completed - i) * sizeof fault.completed[0]);
    }
    return n;
}

static inline void fault_close(void *state)
{
    (void)state;
    fault.inner->close(fault.state);
}

static const struct reader_ops fault_ops = {"fault", fault_open, fault_submit, fault_reap, fault_close};

#endif
