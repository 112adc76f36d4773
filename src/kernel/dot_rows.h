/* The loop of the dots over weight rows, the same for every vector tier: four rows at a time, in file order.
 *
 * Weights are read once and prefetched, about 12 KB ahead in file order and on into what the thread reads next: with tens of
 * instructions a cache line the core's own window holds too few misses (22 to 60 GB/s without it, all of DRAM with it, on two
 * cores of AMD family 26). A prefetch may point anywhere; it never faults. */
#ifndef KERNEL_DOT_ROWS_H
#define KERNEL_DOT_ROWS_H

#include "kernel/unpack.h"

#include <immintrin.h>

enum { AHEAD = 12288 };

/* One activation row times the four weight rows at p, rs bytes apart; next: where to prefetch. */
typedef __m128 four_rows_fn(const uint8_t *p, size_t rs, size_t step_bytes, const struct xq *x, int row,
                            uintptr_t next);

static inline void prefetch_lines(uintptr_t p, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        _mm_prefetch((const char *)(p + i), _MM_HINT_T0);
}

/* Fewer than four rows are done one at a time, as four rows that are the same one. */
static inline void dot_rows(const struct wmat *w, int n0, int n1, const struct xq *x, int row, float *out,
                            const uint8_t *then, four_rows_fn *four_rows)
{
    const size_t rs = w->row_bytes, step_bytes = type_row_bytes(type_info(w->type), STEP);
    const size_t ahead = (4 + AHEAD / (4 * rs) * 4) * rs;
    const uintptr_t base = (uintptr_t)w->data, end = base + (size_t)n1 * rs;
    if (n1 - n0 < 4) {
        for (int n = n0; n < n1; n++)
            _mm_store_ss(out + n, four_rows(w->data + (size_t)n * rs, 0, step_bytes, x, row, base + (size_t)n * rs));
        return;
    }
    for (int n = n0; n < n1; n += 4) {
        if (n + 4 > n1)
            n = n1 - 4; /* overlaps: the same bits, written twice */
        uintptr_t next = base + (size_t)n * rs + ahead;
        if (next >= end)
            next = (then ? (uintptr_t)then : base + (size_t)n0 * rs) + (next - end);
        _mm_storeu_ps(out + n, four_rows(w->data + (size_t)n * rs, rs, step_bytes, x, row, next));
    }
}

/* Defines the dot `name`; STEP_CALL adds the step at p (n blocks of 32, activations at `at`) of the four rows to acc. */
#define DOT(name, STEP_CALL)                                                                                           \
    static __attribute__((noinline))                                                                                   \
    __m128 name##_4(const uint8_t *p, size_t rs, size_t step_bytes, const struct xq *x, int row, uintptr_t next)       \
    {                                                                                                                  \
        __m128 acc = _mm_setzero_ps();                                                                                 \
        for (int b = 0; b < x->n_steps; b++, p += step_bytes, next += 4 * step_bytes) {                                \
            const size_t at = (size_t)b * (size_t)x->plane + (size_t)row;                                              \
            const int n = step_values(x->n_cols, b) / 32;                                                              \
            (void)n;                                                                                                   \
            prefetch_lines(next, 4 * step_bytes);                                                                      \
            acc = STEP_CALL;                                                                                           \
        }                                                                                                              \
        return acc;                                                                                                    \
    }                                                                                                                  \
    static void name(const struct wmat *w, int n0, int n1, const struct xq *x, int row, float *out,                    \
                     const uint8_t *then)                                                                              \
    {                                                                                                                  \
        dot_rows(w, n0, n1, x, row, out, then, name##_4);                                                              \
    }

#endif
