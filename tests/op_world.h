/* A struct op of its own for units of op/: pool, scratch of a step and of the threads, random numbers by coordinates. */
#ifndef TESTS_OP_WORLD_H
#define TESTS_OP_WORLD_H

#include "base/error.h"
#include "base/half.h"
#include "base/rng.h"
#include "op/op.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct op_world {
    struct op op;
    struct arena memory, scratch, threads;
};

static inline void world_open(struct op_world *w, enum cpu_tier tier, int n_threads, size_t scratch, size_t per_thread)
{
    struct error err = {0};
    *w = (struct op_world){0};
    size_t thread_bytes = (per_thread + 63) / 64 * 64;
    assert_int_equal(arena_map(&w->memory, scratch + thread_bytes * (size_t)n_threads + 4096, &err), 0);
    arena_init(&w->scratch, arena_alloc(&w->memory, scratch), scratch);
    w->op = (struct op){.k = kernels_for(tier),
                        .scratch = &w->scratch,
                        .thread_scratch = arena_alloc(&w->memory, thread_bytes * (size_t)n_threads),
                        .thread_bytes = thread_bytes};
    assert_int_equal(pool_create(&w->op.pool, n_threads, &err), 0);
}

/* An op that measures: what is run on it is counted, and world_open_measured() makes a world of exactly that size. */
static inline struct op *world_measure(struct op_world *w, int exact)
{
    *w = (struct op_world){0};
    arena_init_measuring(&w->scratch);
    w->op = (struct op){.k = kernels_for(TIER_SCALAR), .exact = exact, .scratch = &w->scratch};
    return &w->op;
}

static inline void world_open_measured(struct op_world *w, enum cpu_tier tier, int n_threads)
{
    size_t scratch = w->scratch.peak, per_thread = w->op.thread_bytes;
    int exact = w->op.exact;
    world_open(w, tier, n_threads, scratch ? scratch : 64, per_thread);
    w->op.exact = exact;
}

static inline void world_close(struct op_world *w)
{
    pool_destroy(w->op.pool);
    arena_unmap(&w->memory);
}

/* In [-1, 1), the same for the same (what, i). */
static inline float world_number(uint32_t what, size_t i)
{
    return (float)(int32_t)(uint32_t)(rng_u64(17, i, 4, what) >> 32) * 0x1p-31f;
}

static inline float *world_floats(uint32_t what, size_t n)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = world_number(what, i);
    return x;
}

static inline void assert_bits(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (f32_bits(a[i]) != f32_bits(b[i]))
            fail_msg("value %zu of %zu is %a, not %a", i, n, (double)a[i], (double)b[i]);
}

/* |a - b| <= tolerance * max(1, |b|) */
static inline void assert_near(double a, double b, double tolerance)
{
    double size = fabs(b) > 1 ? fabs(b) : 1;
    if (!(fabs(a - b) <= tolerance * size))
        fail_msg("%.17g is not near %.17g", a, b);
}

#endif
