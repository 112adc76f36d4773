/* The loop of the dots over weight rows, the same for every vector tier: four rows at a time, in file order.
 *
 * Weights are read once and prefetched, about 12 KB ahead in file order and on into what the thread reads next: with tens of
 * instructions a cache line the core's own window holds too few misses (22 to 60 GB/s without it, all of DRAM with it, on two
 * cores of AMD family 26). They are fetched into L2 (on AMD family 25 q8_0 comes from DRAM at 13 GB/s a core through L1 and at 24 through
 * L2). A prefetch may point anywhere; it never faults. */
#ifndef KERNEL_DOT_ROWS_H
#define KERNEL_DOT_ROWS_H

#include "kernel/inline.h"
#include "kernel/unpack.h"

#include <string.h>

/* A float sum of each of four weight rows. */
#if defined(__x86_64__)
#include <immintrin.h>
typedef __m128 sums_t;
#elif defined(__aarch64__)
#include <arm_neon.h>
typedef float32x4_t sums_t;
#endif

enum { AHEAD = 12288 };

/* Some activation rows times the four weight rows at p, rs bytes apart: sum[i] for row[i]; next: where to prefetch. */
typedef void four_rows_fn(const uint8_t *p, size_t rs, size_t step_bytes, const struct xq *x, const int *row,
                          uintptr_t next, sums_t *sum);

static inline void prefetch_lines(uintptr_t p, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        prefetch_l2((const void *)(p + i));
}

/* m activation rows, at most QUAD_ROWS. Fewer than four weight rows are done one at a time, as four rows that are the same one. */
static inline void dot_rows(const struct wmat *w, int n0, int n1, const struct xq *x, const int m, const int *row,
                            float *const *out, const uint8_t *then, four_rows_fn *four_rows)
{
    sums_t sum[QUAD_ROWS];
    const size_t rs = w->row_bytes, step_bytes = type_row_bytes(type_info(w->type), STEP);
    const size_t ahead = (4 + AHEAD / (4 * rs) * 4) * rs;
    const uintptr_t base = (uintptr_t)w->data, end = base + (size_t)n1 * rs;
    if (n1 - n0 < 4) {
        for (int n = n0; n < n1; n++) {
            four_rows(w->data + (size_t)n * rs, 0, step_bytes, x, row, base + (size_t)n * rs, sum);
            for (int i = 0; i < m; i++)
                out[i][n] = sum[i][0];
        }
        return;
    }
    for (int n = n0; n < n1; n += 4) {
        if (n + 4 > n1)
            n = n1 - 4; /* overlaps: the same bits, written twice */
        uintptr_t next = base + (size_t)n * rs + ahead;
        if (next >= end)
            next = (then ? (uintptr_t)then : base + (size_t)n0 * rs) + (next - end);
        four_rows(w->data + (size_t)n * rs, rs, step_bytes, x, row, next, sum);
        for (int i = 0; i < m; i++)
            memcpy(out[i] + n, &sum[i], sizeof sum[i]);
    }
}

/* Walks the steps of the four rows: STEP_CALL adds the step at p (n blocks of 32, activations at at[i]) to acc[i]. */
#define FOUR_ROWS(name, m, STEP_CALL)                                                                                  \
    static __attribute__((noinline)) void name(const uint8_t *p, size_t rs, size_t step_bytes, const struct xq *x,     \
                                               const int *row, uintptr_t next, sums_t *sum)                            \
    {                                                                                                                  \
        sums_t acc[m];                                                                                                 \
        size_t at[m];                                                                                                  \
        for (int i = 0; i < (m); i++)                                                                                  \
            acc[i] = (sums_t){0};                                                                                      \
        for (int b = 0; b < x->n_steps; b++, p += step_bytes, next += 4 * step_bytes) {                                \
            const int n = step_values(x->n_cols, b) / 32;                                                              \
            (void)n;                                                                                                   \
            for (int i = 0; i < (m); i++)                                                                              \
                at[i] = (size_t)b * (size_t)x->plane + (size_t)row[i];                                                 \
            prefetch_lines(next, 4 * step_bytes);                                                                      \
            STEP_CALL;                                                                                                 \
        }                                                                                                              \
        for (int i = 0; i < (m); i++)                                                                                  \
            sum[i] = acc[i];                                                                                           \
    }

/* Defines the dot `name`. */
#define DOT(name, STEP_CALL)                                                                                           \
    FOUR_ROWS(name##_4, 1, STEP_CALL)                                                                                  \
    static void name(const struct wmat *w, int n0, int n1, const struct xq *x, int row, float *out,                    \
                     const uint8_t *then)                                                                              \
    {                                                                                                                  \
        dot_rows(w, n0, n1, x, 1, &row, &out, then, name##_4);                                                         \
    }

/* Defines the pair `name`. */
#define PAIR(name, STEP_CALL)                                                                                          \
    FOUR_ROWS(name##_4, 2, STEP_CALL)                                                                                  \
    static void name(const struct wmat *w, int n0, int n1, const struct xq *x, const int row[2], float *const out[2],  \
                     const uint8_t *then)                                                                              \
    {                                                                                                                  \
        dot_rows(w, n0, n1, x, 2, row, out, then, name##_4);                                                           \
    }

/* Defines the quad `name`, by a step of three activation rows and one of four. */
#define QUAD(name, STEP_OF_3, STEP_OF_4)                                                                               \
    FOUR_ROWS(name##_4_3, 3, STEP_OF_3)                                                                                \
    FOUR_ROWS(name##_4_4, 4, STEP_OF_4)                                                                                \
    static void name(const struct wmat *w, int n0, int n1, const struct xq *x, int n, const int *row,                  \
                     float *const *out, const uint8_t *then)                                                           \
    {                                                                                                                  \
        if (n == 3)                                                                                                    \
            dot_rows(w, n0, n1, x, 3, row, out, then, name##_4_3);                                                     \
        else                                                                                                           \
            dot_rows(w, n0, n1, x, 4, row, out, then, name##_4_4);                                                     \
    }

/* Types whose dots a tier makes of one step by the layout of their small blocks. X(name, type). */
#define SMALL_TYPES(X)                                                                                                 \
    X(q8_0, TYPE_Q8_0)                                                                                                 \
    X(q4_0, TYPE_Q4_0)                                                                                                 \
    X(q4_1, TYPE_Q4_1)                                                                                                 \
    X(q5_0, TYPE_Q5_0)                                                                                                 \
    X(q5_1, TYPE_Q5_1)                                                                                                 \
    X(iq4_nl, TYPE_IQ4_NL)                                                                                             \
    X(mxfp4, TYPE_MXFP4)                                                                                               \
    X(nvfp4, TYPE_NVFP4)                                                                                               \
    X(q1_0, TYPE_Q1_0)

/* Those whose indices choose cells of grids of at most 512. */
#define CODEBOOK_TYPES(X)                                                                                              \
    X(iq3_s, TYPE_IQ3_S)                                                                                               \
    X(iq3_xxs, TYPE_IQ3_XXS)                                                                                           \
    X(iq2_xs, TYPE_IQ2_XS)                                                                                             \
    X(iq2_xxs, TYPE_IQ2_XXS)

/* Those whose indices choose cells of a grid of 2048. */
#define IQ1_TYPES(X)                                                                                                   \
    X(iq1_s, TYPE_IQ1_S)                                                                                               \
    X(iq1_m, TYPE_IQ1_M)

#define DOT_SMALL(name, TYPE)                                                                                          \
    DOT(dot_##name, step_small(acc, TYPE, 1, p, rs, x, at, n))                                                         \
    PAIR(pair_##name, step_small(acc, TYPE, 2, p, rs, x, at, n))

/* The dot and the pair that a tier has for a type. */
#define OWN_DOT(name, TYPE) {TYPE, dot_##name, pair_##name},

struct own_dot {
    enum block_type type;
    dot_fn *dot;
    pair_fn *pair;
};

static inline void fill_dots(struct kernels *k, const struct own_dot *own, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        k->dot[own[i].type] = own[i].dot;
        k->pair[own[i].type] = own[i].pair;
    }
}

#endif
