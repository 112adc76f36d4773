/* Attention of up to eight queries to a page, AVX2: as defined in scalar/attn.c in the passes of attn_work.h. The sixteen lanes of a
 * score are two ymm; four scores close together. */
#if defined(__x86_64__)
#include "kernel/attn_work.h"
#include "kernel/avx2/simd.h"

#include <math.h>

INL __m256 load_kv(const enum kv_type t, const char *row, int i)
{
    return t == KV_F16 ? load_half(row + 2 * i) : _mm256_loadu_ps((const float *)(const void *)row + i);
}

/* Two queries, which may be the same one, against rows 2 i and 2 i + 1 of K: scores to e0[0..1], e1[0..1]. */
INL void scores_two(const struct attn_split *s, const float *q0, const float *q1, const float *k, float *e0, float *e1)
{
    __m256 low[4], high[4];
    UNROLL for (int i = 0; i < 4; i++) low[i] = high[i] = _mm256_setzero_ps();
    for (int d = 0; d < s->d_k; d += 16) {
        UNROLL for (int i = 0; i < 2; i++)
        {
            const float *row = k + (size_t)i * (size_t)s->d_k + d;
            __m256 y = _mm256_loadu_ps(row), z = _mm256_loadu_ps(row + 8);
            low[i] = _mm256_fmadd_ps(_mm256_loadu_ps(q0 + d), y, low[i]);
            high[i] = _mm256_fmadd_ps(_mm256_loadu_ps(q0 + d + 8), z, high[i]);
            low[2 + i] = _mm256_fmadd_ps(_mm256_loadu_ps(q1 + d), y, low[2 + i]);
            high[2 + i] = _mm256_fmadd_ps(_mm256_loadu_ps(q1 + d + 8), z, high[2 + i]);
        }
    }
    float x[4];
    _mm_storeu_ps(x, _mm_mul_ps(tree4(low, high), _mm_set1_ps(s->scale)));
    for (int i = 0; s->cap > 0 && i < 4; i++)
        x[i] = ref_softcap(x[i], s->cap);
    memcpy(e0, x, 8);
    memcpy(e1, x + 2, 8);
}

/* One query, four rows. */
INL void scores_one(const struct attn_split *s, const float *q, const float *k, float *e)
{
    __m256 low[4], high[4];
    UNROLL for (int i = 0; i < 4; i++) low[i] = high[i] = _mm256_setzero_ps();
    for (int d = 0; d < s->d_k; d += 16) {
        __m256 x = _mm256_loadu_ps(q + d), y = _mm256_loadu_ps(q + d + 8);
        UNROLL for (int i = 0; i < 4; i++)
        {
            const float *row = k + (size_t)i * (size_t)s->d_k + d;
            low[i] = _mm256_fmadd_ps(x, _mm256_loadu_ps(row), low[i]);
            high[i] = _mm256_fmadd_ps(y, _mm256_loadu_ps(row + 8), high[i]);
        }
    }
    _mm_storeu_ps(e, _mm_mul_ps(tree4(low, high), _mm_set1_ps(s->scale)));
    for (int i = 0; s->cap > 0 && i < 4; i++)
        e[i] = ref_softcap(e[i], s->cap);
}

/* Sixteen positions from p on, all queries. */
static void scores_block(const struct attn_work *w, int p)
{
    const struct attn_split *s = w->s;
    const float *k = (const float *)(const void *)row_at(s, s->k, p, s->d_k);
    if (s->type == KV_F16) {
        const char *h = row_at(s, s->k, p, s->d_k);
        for (int i = 0; i < 16 * s->d_k; i += 8)
            _mm256_storeu_ps(w->block + i, load_half(h + 2 * i));
        k = w->block;
    }
    int j = 0;
    for (; j + 2 <= w->n; j += 2) {
        const float *q0 = s->q + (size_t)w->index[j] * s->ld_q, *q1 = s->q + (size_t)w->index[j + 1] * s->ld_q;
        float *e = w->e + j * ATTN_PAGE + p;
        for (int i = 0; i < 16; i += 2)
            scores_two(s, q0, q1, k + (size_t)i * (size_t)s->d_k, e + i, e + ATTN_PAGE + i);
    }
    for (int i = 0; j < w->n && i < 16; i += 4)
        scores_one(s, s->q + (size_t)w->index[j] * s->ld_q, k + (size_t)i * (size_t)s->d_k,
                   w->e + j * ATTN_PAGE + p + i);
}

static void scores(const struct attn_work *w)
{
    for (int p = w->low & ~15; p <= w->high; p += 16) {
        prefetch_rows(w->s, w->s->k, p + 32, 16, w->s->d_k);
        scores_block(w, p);
    }
}

INL __m256 seen(int p, int first, int last)
{
    __m256i at = _mm256_add_epi32(_mm256_set1_epi32(p), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i out = _mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(first), at),
                                  _mm256_cmpgt_epi32(at, _mm256_set1_epi32(last)));
    return _mm256_castsi256_ps(_mm256_xor_si256(out, _mm256_set1_epi32(-1)));
}

/* Scores of query j become weights; m and l are its results. */
static void weights(const struct attn_work *w, int j)
{
    const struct attn_split *s = w->s;
    const int t = w->index[j], first = s->first[t], last = s->last[t];
    float *e = w->e + j * ATTN_PAGE;
    __m256 top = _mm256_set1_ps(-INFINITY), l[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int p = first & ~15; p <= last; p += 8)
        top = _mm256_blendv_ps(top, _mm256_max_ps(_mm256_loadu_ps(e + p), top), seen(p, first, last));
    const float m = max_lane(top);
    for (int p = first & ~15; p <= last; p += 16)
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256 x = exp256(_mm256_sub_ps(_mm256_loadu_ps(e + p + 8 * h), _mm256_set1_ps(m)));
            _mm256_storeu_ps(e + p + 8 * h, x);
            l[h] = _mm256_blendv_ps(l[h], _mm256_add_ps(l[h], x), seen(p + 8 * h, first, last));
        }
    s->m[t] = m;
    s->l[t] = s->at ? gathered_sum(w, j, first, last) : tree(l[0], l[1]);
}

/* Queries j .. j + T - 1, columns d .. d + 8 C - 1; T and C constants. */
INL void columns(const enum kv_type t, const struct attn_work *w, int j, const int T, const int C, int p0, int p1,
                 int d)
{
    const struct attn_split *s = w->s;
    const size_t row = (size_t)s->ld_v * (t == KV_F16 ? 2 : 4);
    const char *v = row_at(s, s->v, p0, s->ld_v);
    const float *e = w->e + j * ATTN_PAGE;
    __m256 a[8];
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        a[i * C + c] = _mm256_loadu_ps(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 8);
    for (int p = p0; p <= p1; p++, v += row) {
        __m256 y[8];
        UNROLL for (int c = 0; c < C; c++) y[c] = load_kv(t, v, d + c * 8);
        UNROLL for (int i = 0; i < T; i++)
        {
            __m256 x = _mm256_set1_ps(e[i * ATTN_PAGE + p]);
            UNROLL for (int c = 0; c < C; c++) a[i * C + c] = _mm256_fmadd_ps(x, y[c], a[i * C + c]);
        }
    }
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        _mm256_storeu_ps(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 8, a[i * C + c]);
}

/* All columns: as many at a time as eight accumulators allow. */
INL void rows_times(const enum kv_type t, const struct attn_work *w, int j, const int T, int p0, int p1)
{
    const int C = T == 1 ? 8 : T == 2 ? 4 : T <= 4 ? 2 : 1, d_v = w->s->d_v;
    int d = 0;
    for (; d + 8 * C <= d_v; d += 8 * C)
        columns(t, w, j, T, C, p0, p1, d);
    for (; C > 1 && d < d_v; d += 8)
        columns(t, w, j, T, 1, p0, p1, d);
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

void fill_attn_avx2(struct kernels *k) { k->attn_split = attn_split; }

#endif
