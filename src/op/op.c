/* Scratch and work split: see op.h. */
#include "op/op.h"

#include <assert.h>

void *op_alloc(struct op *op, size_t bytes)
{
    void *p = arena_alloc(op->scratch, bytes);
    assert(p != NULL);
    return p;
}

void op_need_thread(struct op *op, size_t bytes)
{
    bytes = (bytes + 63) / 64 * 64;
    if (op_measuring(op) && bytes > op->thread_bytes)
        op->thread_bytes = bytes;
    assert(bytes <= op->thread_bytes);
}

void op_run(struct op *op, pool_fn *fn, void *arg)
{
    if (!op_measuring(op))
        pool_run(op->pool, fn, arg);
}

struct split {
    op_range_fn *fn;
    void *arg;
    int n, unit;
};

static void split_thread(void *arg, int thread, int n_threads)
{
    const struct split *s = arg;
    int begin, end;
    pool_share(s->n, s->unit, thread, n_threads, &begin, &end);
    if (begin < end)
        s->fn(s->arg, begin, end, thread);
}

void op_split(struct op *op, int n, int unit, int alone, op_range_fn *fn, void *arg)
{
    if (op_measuring(op))
        return;
    if (n <= alone) {
        if (n > 0)
            fn(arg, 0, n, 0);
        return;
    }
    struct split s = {fn, arg, n, unit};
    pool_run(op->pool, split_thread, &s);
}
