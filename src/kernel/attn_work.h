/* What the vector tiers' attention shares: which queries see something, and the order of the passes over V.
 *
 *   scores   sixteen rows of K at a time, every query
 *   weights  exp of a page, lanes = positions
 *   values   32 rows of V at a time, all queries; columns in accumulators, weights broadcast
 *
 * Keys of q8_0 are turned instead of widened: 32 bits of sixteen rows side by side, so that a product of codes leaves each lane the sum of
 * one position.
 *
 * Positions that all queries see go through the wide loop; the ragged ends (a prompt's diagonal, a window's edge) one query at a
 * time, so an invisible position meets no sum. Head sizes that are not multiples of 16 are left to the definition. */
#ifndef KERNEL_ATTN_WORK_H
#define KERNEL_ATTN_WORK_H

#include "kernel/tiers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_V = 32 };

struct attn_work {
    const struct attn_split *s;
    int n, index[ATTN_QUERIES];  /* the queries that see something */
    int low, high;               /* seen by any */
    int common_low, common_high; /* seen by all; empty if low > high */
    float *e;                    /* [n][ATTN_PAGE] scores, then weights */
    void *block;                 /* of 16 rows of K: f32 [16][d_k], or codes [row of codes / 4][16][4] */
    size_t ld_k;                 /* elements of a row of K */
    int v_groups;                /* q8_0: groups of a value */
    float *scaled;               /* q8_0: [n][v_groups][ROWS_V] weights times the scales of values */
};

static inline struct attn_work attn_work(const struct attn_split *s, void *scratch)
{
    struct attn_work w = {.s = s, .low = ATTN_PAGE, .high = -1, .common_low = 0, .common_high = ATTN_PAGE};
    w.e = scratch;
    w.scaled = w.e + ATTN_QUERIES * ATTN_PAGE;
    w.block = w.scaled + ATTN_QUERIES * kv_codes(s->d_v);
    w.ld_k = (size_t)(s->type == KV_Q8_0 ? kv_codes(s->d_k) : s->d_k);
    w.v_groups = kv_groups(s->d_v);
    for (int t = 0; t < s->n_q; t++) {
        int first = s->first[t], last = s->last[t];
        if (first > last)
            continue;
        w.index[w.n++] = t;
        w.low = first < w.low ? first : w.low;
        w.high = last > w.high ? last : w.high;
        w.common_low = first > w.common_low ? first : w.common_low;
        w.common_high = last < w.common_high ? last : w.common_high;
    }
    return w;
}

static inline size_t element_bytes(enum kv_type t) { return t == KV_Q8_0 ? 1 : t == KV_F16 ? 2 : 4; }

static inline const char *row_at(const struct attn_split *s, const void *base, int p, size_t ld)
{
    return (const char *)base + (size_t)p * ld * element_bytes(s->type);
}

/* Where in the planes of s->codes group g of query t is, in groups. */
static inline size_t group_at(const struct attn_split *s, int t, int g)
{
    return ((size_t)(g / 8) * (size_t)s->codes->plane + (size_t)t) * 8 + (size_t)(g % 8);
}

/* Vector code takes whole vectors of sixteen values; rows of codes are padded. */
static inline int takes_vectors(const struct attn_split *s)
{
    return (s->type == KV_Q8_0 || s->d_k % 16 == 0) && s->d_v % 16 == 0;
}

static inline void prefetch_rows(const struct attn_split *s, const void *base, int p, int n, size_t ld)
{
    if (p >= ATTN_PAGE)
        return;
    const char *a = row_at(s, base, p, ld), *end = row_at(s, base, p + n, ld);
    for (; a < end; a += 64)
        __builtin_prefetch(a);
}

/* Scales lie in planes of their own: all of a page, before its scores. */
static inline void prefetch_scales(const struct attn_work *w)
{
    const struct attn_split *s = w->s;
    if (s->type != KV_Q8_0)
        return;
    for (int i = 0; i < kv_groups(s->d_k) * s->ld_scale; i += 32)
        __builtin_prefetch(s->k_scale + i);
    for (int i = 0; i < w->v_groups * s->ld_scale; i += 32)
        __builtin_prefetch(s->v_scale + i);
}

/* What is wanted 32 rows after sixteen rows of K from p on: rows of K, then of V. As many bytes from here are prefetched a few at a time
 * while those are scored, and rows of V while those ROWS_V before them are summed: all at once they hold up loads (AVX-512, 8 queries, from
 * DRAM: f16 3.6 for 3.9, q8_0 4.1 for 5.4 billion values a second). */
static inline const char *after_keys(const struct attn_work *w, int p)
{
    const struct attn_split *s = w->s;
    return p + 32 < ATTN_PAGE ? row_at(s, s->k, p + 32, w->ld_k) : row_at(s, s->v, p + 32 - ATTN_PAGE, (size_t)s->ld_v);
}

/* What distances take off scores. */
static inline void add_slopes(const struct attn_work *w)
{
    const struct attn_split *s = w->s;
    for (int j = 0; s->slope && j < w->n; j++) {
        int t = w->index[j];
        float *e = w->e + j * ATTN_PAGE;
        for (int p = s->first[t]; p <= s->last[t]; p++)
            e[p] = fmaf(-s->slope[t], (float)abs(p - s->pos[t]), e[p]);
    }
}

/* The sum of the weights of query j over its rows, which were gathered: each in the lane of its position. */
static inline float gathered_sum(const struct attn_work *w, int j, int first, int last)
{
    float l[16] = {0};
    for (int p = first; p <= last; p++)
        l[w->s->at[p] % 16] += w->e[j * ATTN_PAGE + p];
    return tree16(l);
}

/* a += weights x V for queries j .. j + n - 1 and positions p0 .. p1, which lie between two multiples of ROWS_V. */
typedef void values_fn(const struct attn_work *w, int j, int n, int p0, int p1);

/* From a row of V at p, in columns from d on, to what is prefetched meanwhile. */
static inline size_t after_values(const struct attn_split *s, int p, int d)
{
    return p + ROWS_V < ATTN_PAGE ? ((size_t)ROWS_V * (size_t)s->ld_v + (size_t)d) * element_bytes(s->type) : 0;
}

/* In blocks of rows that stay in L1 for all passes over columns. */
static inline void values_in_blocks(const struct attn_work *w, values_fn *values, int j, int n, int p0, int p1)
{
    for (int p = p0, end; p <= p1; p = end + 1) {
        end = p | (ROWS_V - 1);
        values(w, j, n, p, end < p1 ? end : p1);
    }
}

static inline void all_values(const struct attn_work *w, values_fn *values)
{
    const struct attn_split *s = w->s;
    const int common = w->n > 0 && w->common_low <= w->common_high;
    for (int j = 0; j < w->n; j++) {
        int t = w->index[j];
        memset(s->a + (size_t)t * (size_t)s->d_v, 0, (size_t)s->d_v * sizeof(float));
        values_in_blocks(w, values, j, 1, s->first[t], common ? w->common_low - 1 : s->last[t]);
    }
    if (!common)
        return;
    values_in_blocks(w, values, 0, w->n, w->common_low, w->common_high);
    for (int j = 0; j < w->n; j++)
        values_in_blocks(w, values, j, 1, w->common_high + 1, s->last[w->index[j]]);
}

#endif
