/* Attention of up to eight queries to a page, NEON: as defined in attn_definition.h in the passes of attn_work.h. The sixteen lanes of a
 * score are four vectors; four scores close together. */
#if defined(__aarch64__)
#include "kernel/attn_work.h"
#include "kernel/neon/simd.h"

#include <math.h>

INL float32x4_t load_kv(const enum kv_type t, const char *row, int i)
{
    if (t == KV_Q8_0) {
        uint32_t four;
        memcpy(&four, row + i, 4);
        int16x8_t wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)));
        return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
    }
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
    const float *k = (const float *)(const void *)row_at(s, s->k, p, w->ld_k);
    if (s->type == KV_F16) {
        const char *h = row_at(s, s->k, p, w->ld_k);
        float *block = w->block;
        for (int i = 0; i < 16 * s->d_k; i += 4)
            vst1q_f32(block + i, load_half(h + 2 * i));
        k = block;
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

/* Codes of sixteen rows from p on to the block: its line i, of 64 bytes, has values 4 i to 4 i + 3 of each row. */
static void turn(const struct attn_work *w, int p)
{
    const char *k = row_at(w->s, w->s->k, p, w->ld_k);
    int32_t *to = w->block;
    for (size_t d = 0; d < w->ld_k; d += 16, to += 64)
        UNROLL for (size_t four = 0; four < 4; four++)
        {
            int32x4_t row[4];
            UNROLL for (size_t i = 0; i < 4; i++)
                row[i] = vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)k + (4 * four + i) * w->ld_k + d));
            int64x2_t low = vreinterpretq_s64_s32(vzip1q_s32(row[0], row[1])),
                      low2 = vreinterpretq_s64_s32(vzip1q_s32(row[2], row[3])),
                      high = vreinterpretq_s64_s32(vzip2q_s32(row[0], row[1])),
                      high2 = vreinterpretq_s64_s32(vzip2q_s32(row[2], row[3]));
            vst1q_s32(to + 4 * four, vreinterpretq_s32_s64(vzip1q_s64(low, low2)));
            vst1q_s32(to + 4 * four + 16, vreinterpretq_s32_s64(vzip2q_s64(low, low2)));
            vst1q_s32(to + 4 * four + 32, vreinterpretq_s32_s64(vzip1q_s64(high, high2)));
            vst1q_s32(to + 4 * four + 48, vreinterpretq_s32_s64(vzip2q_s64(high, high2)));
        }
}

/* T queries from j on, the sixteen turned rows; T a constant. */
INL void scores_turned(const struct attn_work *w, int j, const int T, int p)
{
    const struct attn_split *s = w->s;
    const struct xq *q = s->codes;
    const int8_t *k = w->block;
    float32x4_t x[2][4];
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int h = 0; h < 4; h++) x[i][h] = f32x4(0);
    for (int g = 0; g < kv_groups(s->d_k); g++, k += 512) {
        int32x4_t sum[2][4];
        UNROLL for (int i = 0; i < T; i++) UNROLL for (int h = 0; h < 4; h++) sum[i][h] = vdupq_n_s32(0);
        UNROLL for (int c = 0; c < 8; c++) UNROLL for (int h = 0; h < 4; h++)
        {
            int8x16_t y = vld1q_s8(k + 64 * c + 16 * h);
            UNROLL for (int i = 0; i < T; i++)
            {
                int32_t four;
                memcpy(&four, q->code + group_at(s, w->index[j + i], g) * KV_GROUP + 4 * c, 4);
                sum[i][h] = vdotq_s32(sum[i][h], y, vreinterpretq_s8_s32(vdupq_n_s32(four)));
            }
        }
        UNROLL for (int h = 0; h < 4; h++)
        {
            float32x4_t d = load_half(s->k_scale + (size_t)g * (size_t)s->ld_scale + p + 4 * h);
            UNROLL for (int i = 0; i < T; i++)
            {
                float32x4_t both = vmulq_f32(d, f32x4(q->scale[group_at(s, w->index[j + i], g)]));
                x[i][h] = vfmaq_f32(x[i][h], both, vcvtq_f32_s32(sum[i][h]));
            }
        }
    }
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int h = 0; h < 4; h++)
    {
        float32x4_t y = vmulq_f32(x[i][h], f32x4(s->scale));
        vst1q_f32(w->e + (j + i) * ATTN_PAGE + p + 4 * h, s->cap > 0 ? softcap4(y, s->cap) : y);
    }
}

static void scores_codes(const struct attn_work *w, int p)
{
    int j = 0;
    turn(w, p);
    for (; j + 2 <= w->n; j += 2)
        scores_turned(w, j, 2, p);
    for (; j < w->n; j++)
        scores_turned(w, j, 1, p);
}

static void scores(const struct attn_work *w)
{
    prefetch_scales(w);
    for (int p = w->low & ~15; p <= w->high; p += 16) {
        prefetch_rows(w->s, w->s->k, p + 32, 16, w->ld_k);
        if (w->s->type == KV_Q8_0)
            scores_codes(w, p);
        else
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
    const size_t row = (size_t)s->ld_v * element_bytes(t);
    const char *v = row_at(s, s->v, p0, (size_t)s->ld_v);
    const int ld_e = t == KV_Q8_0 ? w->v_groups * ROWS_V : ATTN_PAGE;
    const float *e = w->e + j * ATTN_PAGE;
    if (t == KV_Q8_0) /* at most one group's columns */
        e = w->scaled + (j * w->v_groups + d / KV_GROUP) * ROWS_V - (p0 & ~(ROWS_V - 1));
    float32x4_t a[16];
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        a[i * C + c] = vld1q_f32(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 4);
    const size_t ahead = after_values(s, p0, d);
    for (int p = p0; p <= p1; p++, v += row) {
        UNROLL for (size_t i = 0; i < 4 * (size_t)C * element_bytes(t); i += 64) __builtin_prefetch(v + ahead + i);
        UNROLL for (int c = 0; c < C; c++)
        {
            float32x4_t y = load_kv(t, v, d + c * 4);
            UNROLL for (int i = 0; i < T; i++) a[i * C + c] = vfmaq_f32(a[i * C + c], f32x4(e[i * ld_e + p]), y);
        }
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

static void values_codes(const struct attn_work *w, int j, int n, int p0, int p1)
{
    const struct attn_split *s = w->s;
    const int begin = p0 & ~(ROWS_V - 1);
    for (int i = 0; i < n; i++)
        for (int g = 0; g < w->v_groups; g++)
            UNROLL for (int h = 0; h < ROWS_V; h += 4)
            {
                float32x4_t d = load_half(s->v_scale + (size_t)g * (size_t)s->ld_scale + begin + h);
                float32x4_t e = vld1q_f32(w->e + (j + i) * ATTN_PAGE + begin + h);
                vst1q_f32(w->scaled + ((j + i) * w->v_groups + g) * ROWS_V + h, vmulq_f32(e, d));
            }
    queries(KV_Q8_0, w, j, n, p0, p1);
}

static void attn_split(const struct attn_split *s, void *scratch)
{
    if (!takes_vectors(s)) {
        attn_split_scalar(s, scratch);
        return;
    }
    struct attn_work w = attn_work(s, scratch);
    scores(&w);
    add_slopes(&w);
    for (int j = 0; j < w.n; j++)
        weights(&w, j);
    all_values(&w, s->type == KV_Q8_0 ? values_codes : s->type == KV_F16 ? values_f16 : values_f32);
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
