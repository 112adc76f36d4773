/* Attention of up to eight queries to a page, NEON: as defined in scalar/attn.c in the passes of attn_work.h. The sixteen lanes of a
 * score are four vectors; four scores close together. */
#if defined(__aarch64__)
#include "kernel/attn_work.h"
#include "kernel/neon/simd.h"

#include <math.h>

INL float32x4_t load_kv(const enum kv_type t, const char *row, int i)
{
    return t == KV_F16 ? load_half(row + 2 * i) : vld1q_f32((const float *)(const void *)row + i);
}

/* The trees of four times sixteen lanes. */
INL float32x4_t tree4(float32x4_t l[4][4])
{
    float32x2_t half[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        float32x4_t t = vaddq_f32(vaddq_f32(l[i][0], l[i][2]), vaddq_f32(l[i][1], l[i][3]));
        half[i] = vadd_f32(vget_low_f32(t), vget_high_f32(t));
    }
    return vcombine_f32(vpadd_f32(half[0], half[1]), vpadd_f32(half[2], half[3]));
}

/* Q queries, 1 or 2, against 4 / Q rows of K: the scores of query i to e[i]. */
INL void scores_of(const struct attn_split *s, const int Q, const float *const q[2], const float *k, float *const e[2])
{
    const int n_rows = 4 / Q;
    float32x4_t l[4][4];
    UNROLL for (int i = 0; i < 4; i++) UNROLL for (int h = 0; h < 4; h++) l[i][h] = f32x4(0);
    for (int d = 0; d < s->d_k; d += 16)
        UNROLL for (int h = 0; h < 4; h++) UNROLL for (int r = 0; r < n_rows; r++)
        {
            float32x4_t row = vld1q_f32(k + (size_t)r * (size_t)s->d_k + d + 4 * h);
            UNROLL for (int i = 0; i < Q; i++)
                l[i * n_rows + r][h] = vfmaq_f32(l[i * n_rows + r][h], vld1q_f32(q[i] + d + 4 * h), row);
        }
    float x[4];
    vst1q_f32(x, vmulq_f32(tree4(l), f32x4(s->scale)));
    for (int i = 0; s->cap > 0 && i < 4; i++)
        x[i] = ref_softcap(x[i], s->cap);
    UNROLL for (int i = 0; i < Q; i++) memcpy(e[i], x + i * n_rows, (size_t)n_rows * sizeof *x);
}

/* Sixteen positions from p on, all queries. */
static void scores_block(const struct attn_work *w, int p)
{
    const struct attn_split *s = w->s;
    const size_t d_k = (size_t)s->d_k;
    const float *k = (const float *)(const void *)row_at(s, s->k, p, s->d_k);
    if (s->type == KV_F16) {
        const char *h = row_at(s, s->k, p, s->d_k);
        for (int i = 0; i < 16 * s->d_k; i += 4)
            vst1q_f32(w->block + i, load_half(h + 2 * i));
        k = w->block;
    }
    for (int j = 0; j < w->n; j += 2) {
        const float *q[2] = {s->q + (size_t)w->index[j] * s->ld_q, NULL};
        float *e = w->e + j * ATTN_PAGE + p;
        if (j + 1 < w->n) {
            q[1] = s->q + (size_t)w->index[j + 1] * s->ld_q;
            for (int i = 0; i < 16; i += 2)
                scores_of(s, 2, q, k + (size_t)i * d_k, (float *[]){e + i, e + ATTN_PAGE + i});
        } else {
            for (int i = 0; i < 16; i += 4)
                scores_of(s, 1, q, k + (size_t)i * d_k, (float *[]){e + i, NULL});
        }
    }
}

static void scores(const struct attn_work *w)
{
    for (int p = w->low & ~15; p <= w->high; p += 16) {
        prefetch_rows(w->s, w->s->k, p + 32, 16, w->s->d_k);
        scores_block(w, p);
    }
}

INL uint32x4_t seen(int p, int first, int last)
{
    static const int32_t lane[4] = {0, 1, 2, 3};
    int32x4_t at = vaddq_s32(vdupq_n_s32(p), vld1q_s32(lane));
    return vandq_u32(vcgeq_s32(at, vdupq_n_s32(first)), vcleq_s32(at, vdupq_n_s32(last)));
}

/* Scores of query j become weights; m and l are its results. */
static void weights(const struct attn_work *w, int j)
{
    const struct attn_split *s = w->s;
    const int t = w->index[j], first = s->first[t], last = s->last[t];
    float *e = w->e + j * ATTN_PAGE;
    float32x4_t top = f32x4(-INFINITY), l[4] = {f32x4(0), f32x4(0), f32x4(0), f32x4(0)};
    for (int p = first & ~3; p <= last; p += 4)
        top = vbslq_f32(seen(p, first, last), larger(vld1q_f32(e + p), top), top);
    const float m = max_lane(top);
    for (int p = first & ~15; p <= last; p += 16)
        UNROLL for (int h = 0; h < 4; h++)
        {
            float32x4_t x = exp4(vsubq_f32(vld1q_f32(e + p + 4 * h), f32x4(m)));
            vst1q_f32(e + p + 4 * h, x);
            l[h] = vbslq_f32(seen(p + 4 * h, first, last), vaddq_f32(l[h], x), l[h]);
        }
    s->m[t] = m;
    s->l[t] = s->at ? gathered_sum(w, j, first, last) : tree(l);
}

/* Queries j .. j + T - 1, columns d .. d + 4 C - 1; T and C constants. */
INL void columns(const enum kv_type t, const struct attn_work *w, int j, const int T, const int C, int p0, int p1,
                 int d)
{
    const struct attn_split *s = w->s;
    const size_t row = (size_t)s->ld_v * (t == KV_F16 ? 2 : 4);
    const char *v = row_at(s, s->v, p0, s->ld_v);
    const float *e = w->e + j * ATTN_PAGE;
    float32x4_t a[16];
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        a[i * C + c] = vld1q_f32(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 4);
    for (int p = p0; p <= p1; p++, v += row)
        UNROLL for (int c = 0; c < C; c++)
        {
            float32x4_t y = load_kv(t, v, d + c * 4);
            UNROLL for (int i = 0; i < T; i++) a[i * C + c] = vfmaq_f32(a[i * C + c], f32x4(e[i * ATTN_PAGE + p]), y);
        }
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        vst1q_f32(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 4, a[i * C + c]);
}

/* All columns: as many at a time as sixteen accumulators allow. */
INL void rows_times(const enum kv_type t, const struct attn_work *w, int j, const int T, int p0, int p1)
{
    const int C = T <= 2 ? 8 : 4, d_v = w->s->d_v;
    int d = 0;
    for (; d + 4 * C <= d_v; d += 4 * C)
        columns(t, w, j, T, C, p0, p1, d);
    for (; C > 4 && d < d_v; d += 16)
        columns(t, w, j, T, 4, p0, p1, d);
}

INL void queries(const enum kv_type t, const struct attn_work *w, int j, int n, int p0, int p1)
{
    for (; n >= 4; n -= 4, j += 4)
        rows_times(t, w, j, 4, p0, p1);
    switch (n) {
    case 3:
        rows_times(t, w, j, 3, p0, p1);
        break;
    case 2:
        rows_times(t, w, j, 2, p0, p1);
        break;
    case 1:
        rows_times(t, w, j, 1, p0, p1);
        break;
    default:
        break;
    }
}

static void values_f16(const struct attn_work *w, int j, int n, int p0, int p1) { queries(KV_F16, w, j, n, p0, p1); }
static void values_f32(const struct attn_work *w, int j, int n, int p0, int p1) { queries(KV_F32, w, j, n, p0, p1); }

static void attn_split(const struct attn_split *s, void *scratch)
{
    if (s->d_k % 16 || s->d_v % 16) {
        attn_split_scalar(s, scratch);
        return;
    }
    struct attn_work w = attn_work(s, scratch);
    scores(&w);
    for (int j = 0; j < w.n; j++)
        weights(&w, j);
    all_values(&w, s->type == KV_F16 ? values_f16 : values_f32);
}

static void attn_merge(float *M, float *L, float *o, float m, float l, const float *a, int d_v)
{
    float top = m > *M ? m : *M, co = ref_expf(*M - top), cn = ref_expf(m - top);
    *L = fmaf(*L, co, l * cn);
    *M = top;
    for (int i = 0; i < d_v; i += 4)
        store(o, i, d_v, vfmaq_f32(vmulq_f32(load(a, i, d_v), f32x4(cn)), load(o, i, d_v), f32x4(co)));
}

static void scale_by(float *o, float s, int d_v)
{
    for (int i = 0; i < d_v; i += 4)
        store(o, i, d_v, vmulq_f32(load(o, i, d_v), f32x4(s)));
}

static void attn_finish(float *o, float L, int d_v) { scale_by(o, 1.0f / L, d_v); }

static void attn_sink(float *M, float *L, float *o, float sink, int d_v)
{
    float n = sink > *M ? sink : *M, co = ref_expf(*M - n);
    *L = fmaf(*L, co, ref_expf(sink - n));
    *M = n;
    scale_by(o, co, d_v);
}

void fill_attn_neon(struct kernels *k)
{
    k->attn_split = attn_split;
    k->attn_merge = attn_merge;
    k->attn_finish = attn_finish;
    k->attn_sink = attn_sink;
}

#endif
