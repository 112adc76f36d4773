/* What every operation works with: the kernels of this machine, the threads, and scratch memory that the plan sized.
 *
 * Operations take plain pointers, split their work over the pool by output rows, heads or rows of the batch, and know neither
 * files nor models. Their results do not depend on the number of threads. */
#ifndef OP_OP_H
#define OP_OP_H

#include "base/arena.h"
#include "base/pool.h"
#include "kernel/kernel.h"

struct op {
    const struct kernels *k;
    struct pool *pool;
    int exact;               /* multiply decoded weights with f32 activations (kernels.md H) */
    struct arena *scratch;   /* of the step: activations and their copies; reset by whoever took a mark */
    uint8_t *thread_scratch; /* [n_threads][thread_bytes], each part 64-byte aligned */
    size_t thread_bytes;
    void (*poll)(void *arg); /* called by the leader between units of work: keeps the disk busy; may be NULL */
    void *poll_arg;
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

/* Scratch of the step; NULL cannot happen when the plan is right (asserted). */
void *op_alloc(struct op *op, size_t bytes);

/* n items of work in units over the pool: fn(arg, begin, end, thread). Small work (n <= alone) stays on the leader. */
typedef void op_range_fn(void *arg, int begin, int end, int thread);
void op_split(struct op *op, int n, int unit, int alone, op_range_fn *fn, void *arg);

#endif
