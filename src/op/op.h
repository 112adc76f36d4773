/* What every operation works with: the kernels of this machine, the threads, and scratch memory that the plan sized.
 *
 * Operations take plain pointers, split their work over the pool by output rows, heads or rows of the batch, and know neither
 * files nor models. Their results do not depend on the number of threads. Matrices are row-major f32 unless a comment says otherwise, ld
 * is floats from one row to the next, and outputs overlap inputs only where a comment says so. Operations cannot fail: the plan has
 * measured what they need, and sizes that make no sense are asserted. Only the leader (base/pool.h) calls them, one at a time.
 *
 * An op whose scratch is a measuring arena (base/arena.h) computes nothing: every operation allocates what it would allocate,
 * states what it needs of a thread's scratch, and leaves all pointers alone. So a step that runs on it finds out what the same
 * step takes, and the plan needs no second list of sizes. */
#ifndef OP_OP_H
#define OP_OP_H

#include "base/arena.h"
#include "base/pool.h"
#include "kernel/kernel.h"

/* Rows on their way into a product: n rows, ld floats apart, each of n_head pieces, stride floats apart. */
struct op_rows {
    const float *x;
    size_t ld, stride;
    int n, n_head;
};

struct op {
    const struct kernels *k;
    struct pool *pool;
    int exact;               /* multiply decoded weights with f32 activations (kernels.md H) */
    struct arena *scratch;   /* of the step: activations and their copies; whoever takes a mark resets to it */
    uint8_t *thread_scratch; /* [n_threads][thread_bytes], each part 64-byte aligned */
    size_t thread_bytes;     /* of one thread; while measuring the most that was needed so far */
    void (*poll)(void *arg); /* called by the leader between units of work, to keep the disk busy; may be NULL */
    void *poll_arg;
    /* Called by the leader before each part of a product or of attention, some milliseconds of work for the threads, which have none then:
     * whoever runs steps on a stack of its own may leave it here (base/coroutine.h). NULL: such operations are one part. */
    void (*pause)(void *arg);
    void *pause_arg;
    /* Told by the leader, before a product of rows with the matrix w, or with one matrix a head, what goes into it; may be NULL. It changes
     * nothing that operations read. Experts are not told of: op/moe.h. */
    void (*watch)(void *arg, const struct wmat *w, const struct op_rows *rows);
    void *watch_arg;
};

static inline void *op_thread_scratch(const struct op *op, int thread)
{
    return op->thread_scratch + (size_t)thread * op->thread_bytes;
}

static inline void op_poll(const struct op *op)
{
    if (op->poll)
        op->poll(op->poll_arg);
}

static inline void op_may_pause(const struct op *op)
{
    if (op->pause)
        op->pause(op->pause_arg);
}

/* 1: nothing is computed, and no pointer to scratch, weights or pages may be followed. */
static inline int op_measuring(const struct op *op) { return op->scratch->measuring; }

static inline void op_watch(const struct op *op, const struct wmat *w, struct op_rows rows)
{
    if (op->watch && !op_measuring(op))
        op->watch(op->watch_arg, w, &rows);
}

/* `bytes` of the step's scratch, 64-byte aligned, not zeroed; freed by a reset to an earlier mark. Never NULL: the plan measured the step
 * (asserted). */
void *op_alloc(struct op *op, size_t bytes);

/* The operation that is about to run uses so many bytes of each thread's scratch: noted while measuring, else asserted. */
void op_need_thread(struct op *op, size_t bytes);

/* fn(arg, thread, n_threads) on every thread of the pool; returns when all have returned. */
void op_run(struct op *op, pool_fn *fn, void *arg);

/* n items of work over the pool, in whole units: fn(arg, begin, end, thread) for items [begin, end); returns when all are done. At most
 * `alone` items stay on the leader, because waking the others would take longer. While measuring fn is not called. */
typedef void op_range_fn(void *arg, int begin, int end, int thread);
void op_split(struct op *op, int n, int unit, int alone, op_range_fn *fn, void *arg);

#endif
