/* Scratch and work split: see op.h. */
#include "op/op.h"

#include <assert.h>

void *op_alloc(struct op *op, size_t bytes)
{
    void *p = arena_alloc(op->scratch, bytes);
    assert(p != NULL);
    return p;
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
    if (n <= alone) {
        if (n > 0)
            fn(arg, 0, n, 0);
        return;
    }
    struct split s = {fn, arg, n, unit};
    pool_run(op->pool, split_thread, &s);
}
