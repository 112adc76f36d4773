/* Attention of a few queries to one page of one KV head: the definition. It is compiled for the scalar tier, and once more for what the
 * vector tiers of x86-64 leave to it: with an instruction for fmaf, which is a call in the scalar tier, it takes half the time.
 *
 * The unit of the sum is the page (256 positions, absolute), whatever the chunk, the slot or the window. Inside it, over the
 * visible positions p in ascending order:
 *
 *   x_p = dot16(q, K_p) * scale [soft cap];  m = max x_p;  e_p = exp(x_p - m)
 *   l = sixteen lanes (p % 16) of sums of e_p, closed by the tree;  a_d = fmaf(e_p, V_p[d], a_d) from +0
 *
 * q8_0, with d_k and d_v the f16 scales of a group, dq that of the query's and isum the exact product of their codes:
 *
 *   x_p = the sum over groups g, ascending from +0, of fmaf(d_k * dq, (float)isum, .) * scale [soft cap]
 *   a_d = fmaf(e_p * d_v, (float)code, a_d) */
#ifndef KERNEL_ATTN_DEFINITION_H
#define KERNEL_ATTN_DEFINITION_H

#include "base/half.h"
#include "kernel/expf.h"
#include "kernel/tiers.h"

#include <math.h>
#include <stdlib.h>

/* Adds the products of n <= 16 values from K's element `at` on to the lanes l. */
static void add_products(float l[16], const float *q, const struct attn_split *s, size_t at, int n)
{
    if (s->type == KV_F16) {
        const uint16_t *k = (const uint16_t *)s->k + at;
        for (int i = 0; i < n; i++)
            l[i] = fmaf(q[i], f16_to_f32(k[i]), l[i]);
    } else {
        const float *k = (const float *)s->k + at;
        for (int i = 0; i < n; i++)
            l[i] = fmaf(q[i], k[i], l[i]);
    }
}

static float dot(const struct attn_split *s, int t, int p)
{
    const float *q = s->q + (size_t)t * s->ld_q;
    const size_t row = (size_t)p * (size_t)s->d_k;
    float l[16] = {0};
    for (int d = 0; d < s->d_k; d += 16)
        add_products(l, q + d, s, row + (size_t)d, s->d_k - d < 16 ? s->d_k - d : 16);
    return tree16(l);
}

static float scale_at(const struct attn_split *s, const uint16_t *scale, int g, int p)
{
    return f16_to_f32(scale[(size_t)g * (size_t)s->ld_scale + (size_t)p]);
}

static float dot_codes(const struct attn_split *s, int t, int p)
{
    const struct xq *q = s->codes;
    const int8_t *k = (const int8_t *)s->k + (size_t)p * (size_t)kv_codes(s->d_k);
    float x = 0;
    for (int g = 0; g < kv_groups(s->d_k); g++) {
        size_t at = ((size_t)(g / 8) * (size_t)q->plane + (size_t)t) * 8 + (size_t)(g % 8); /* in groups */
        int32_t sum = 0;
        for (int i = 0; i < KV_GROUP; i++)
            sum += k[g * KV_GROUP + i] * q->code[at * KV_GROUP + (size_t)i];
        x = fmaf(scale_at(s, s->k_scale, g, p) * q->scale[at], (float)sum, x);
    }
    return x;
}

static float score(const struct attn_split *s, int t, int p)
{
    float x = (s->type == KV_Q8_0 ? dot_codes(s, t, p) : dot(s, t, p)) * s->scale;
    x = s->cap > 0 ? ref_softcap(x, s->cap) : x;
    return s->slope ? fmaf(-s->slope[t], (float)abs(p - s->pos[t]), x) : x;
}

static void add_values(const struct attn_split *s, float *restrict a, float e, int p)
{
    const size_t row = (size_t)p * (size_t)s->ld_v;
    if (s->type == KV_Q8_0) {
        const int8_t *v = (const int8_t *)s->v + row;
        for (int d = 0; d < s->d_v; d++)
            a[d] = fmaf(e * scale_at(s, s->v_scale, d / KV_GROUP, p), v[d], a[d]);
    } else if (s->type == KV_F16) {
        const uint16_t *v = (const uint16_t *)s->v + row;
        for (int d = 0; d < s->d_v; d++)
            a[d] = fmaf(e, f16_to_f32(v[d]), a[d]);
    } else {
        const float *v = (const float *)s->v + row;
        for (int d = 0; d < s->d_v; d++)
            a[d] = fmaf(e, v[d], a[d]);
    }
}

static void split_one(const struct attn_split *s, int t, float *e)
{
    float *a = s->a + (size_t)t * (size_t)s->d_v, l[16] = {0}, m = -INFINITY;
    int first = s->first[t], last = s->last[t];
    for (int p = first; p <= last; p++) {
        e[p] = score(s, t, p);
        m = e[p] > m ? e[p] : m;
    }
    for (int d = 0; d < s->d_v; d++)
        a[d] = 0;
    for (int p = first; p <= last; p++) {
        float w = expf_defined(e[p] - m);
        l[(s->at ? s->at[p] : p) % 16] += w;
        add_values(s, a, w, p);
    }
    s->m[t] = m;
    s->l[t] = tree16(l);
}

/* scratch: that of kernels.attn_split. */
static void attn_split_defined(const struct attn_split *s, void *scratch)
{
    for (int t = 0; t < s->n_q; t++)
        if (s->first[t] <= s->last[t])
            split_one(s, t, scratch);
}

#endif
