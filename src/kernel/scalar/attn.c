/* Attention of a few queries to one page of one KV head, and the merge of pages: the definition.
 *
 * The unit of the sum is the page (256 positions, absolute), whatever the chunk, the slot or the window. Inside it, over the
 * visible positions p in ascending order:
 *
 *   x_p = dot16(q, K_p) * scale [soft cap];  m = max x_p;  e_p = exp(x_p - m)
 *   l = sixteen lanes (p % 16) of sums of e_p, closed by the tree;  a_d = fmaf(e_p, V_p[d], a_d) from +0
 *
 * and over the pages in ascending order N = max(m, M), co = exp(M - N), cn = exp(m - N), L = fmaf(L, co, l * cn),
 * o = fmaf(o, co, a * cn), M = N; at the end o * (1 / L).
 *
 * q8_0, with d_k and d_v the f16 scales of a group, dq that of the query's and isum the exact product of their codes:
 *
 *   x_p = the sum over groups g, ascending from +0, of fmaf(d_k * dq, (float)isum, .) * scale [soft cap]
 *   a_d = fmaf(e_p * d_v, (float)code, a_d) */
#include "base/half.h"
#include "kernel/tiers.h"

#include <math.h>
#include <stdlib.h>

/* x and e of one query: a page of floats; vector tiers also widen or turn 16 rows of K, keep all queries' rows, and for q8_0 a group's
 * weights of 32 positions. */
size_t kernel_attn_scratch(int d_k, int d_v)
{
    size_t floats = (size_t)ATTN_QUERIES * (ATTN_PAGE + (size_t)kv_codes(d_v)) + 16 * (size_t)kv_codes(d_k);
    return floats * sizeof(float);
}

static float kv_at(const struct attn_split *s, const void *rows, size_t i)
{
    return s->type == KV_F16 ? f16_to_f32(((const uint16_t *)rows)[i]) : ((const float *)rows)[i];
}

static float dot(const struct attn_split *s, int t, int p)
{
    const float *q = s->q + (size_t)t * s->ld_q;
    float l[16] = {0};
    for (int d = 0; d < s->d_k; d++)
        l[d % 16] = fmaf(q[d], kv_at(s, s->k, (size_t)p * (size_t)s->d_k + (size_t)d), l[d % 16]);
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

static void add_values(const struct attn_split *s, float *a, float e, int p)
{
    const size_t row = (size_t)p * (size_t)s->ld_v;
    for (int d = 0; d < s->d_v; d++) {
        if (s->type == KV_Q8_0)
            a[d] = fmaf(e * scale_at(s, s->v_scale, d / KV_GROUP, p), ((const int8_t *)s->v)[row + (size_t)d], a[d]);
        else
            a[d] = fmaf(e, kv_at(s, s->v, row + (size_t)d), a[d]);
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
        float w = ref_expf(e[p] - m);
        l[(s->at ? s->at[p] : p) % 16] += w;
        add_values(s, a, w, p);
    }
    s->m[t] = m;
    s->l[t] = tree16(l);
}

void attn_split_scalar(const struct attn_split *s, void *scratch)
{
    for (int t = 0; t < s->n_q; t++)
        if (s->first[t] <= s->last[t])
            split_one(s, t, scratch);
}

static void attn_merge(float *M, float *L, float *o, float m, float l, const float *a, int d_v)
{
    float n = m > *M ? m : *M, co = ref_expf(*M - n), cn = ref_expf(m - n);
    *L = fmaf(*L, co, l * cn);
    for (int d = 0; d < d_v; d++)
        o[d] = fmaf(o[d], co, a[d] * cn);
    *M = n;
}

static void attn_finish(float *o, float L, int d_v)
{
    float r = 1.0f / L;
    for (int d = 0; d < d_v; d++)
        o[d] *= r;
}

static void attn_sink(float *M, float *L, float *o, float sink, int d_v)
{
    float n = sink > *M ? sink : *M, co = ref_expf(*M - n);
    *L = fmaf(*L, co, ref_expf(sink - n));
    for (int d = 0; d < d_v; d++)
        o[d] *= co;
    *M = n;
}

void fill_attn_scalar(struct kernels *k)
{
    k->attn_split = attn_split_scalar;
    k->attn_merge = attn_merge;
    k->attn_finish = attn_finish;
    k->attn_sink = attn_sink;
}
