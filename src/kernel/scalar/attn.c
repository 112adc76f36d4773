/* Attention to a page by its definition, and the merge of pages.
 *
 * A page gives m, l and a (attn_definition.h). Over the pages in ascending order N = max(m, M), co = exp(M - N), cn = exp(m - N),
 * L = fmaf(L, co, l * cn), o = fmaf(o, co, a * cn), M = N; at the end o * (1 / L). */
#include "kernel/attn_definition.h"

/* x and e of one query: a page of floats; vector tiers also widen or turn 16 rows of K, keep all queries' rows, and for q8_0 a group's
 * weights of 32 positions. */
size_t kernel_attn_scratch(int d_k, int d_v)
{
    size_t floats = (size_t)ATTN_QUERIES * (ATTN_PAGE + (size_t)kv_codes(d_v)) + 16 * (size_t)kv_codes(d_k);
    return floats * sizeof(float);
}

void attn_split_scalar(const struct attn_split *s, void *scratch) { attn_split_defined(s, scratch); }

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
