/* Attention of up to eight queries to a page, AVX-512: as defined in scalar/attn.c in the passes of attn_work.h. Two queries against
 * eight rows of K are sixteen accumulators, whose trees close together; K of 16 bits is widened once, to an L1 block. */
#if defined(__x86_64__)
#include "kernel/attn_work.h"
#include "kernel/avx512/simd.h"

#include <math.h>

INL __m512 load_kv(const enum kv_type t, const char *row, int i)
{
    return t == KV_F16 ? load_half(row + 2 * i) : _mm512_loadu_ps(row + 4 * i);
}

INL __m512 finish_scores(const struct attn_split *s, const __m512 v[16])
{
    __m512 x = _mm512_mul_ps(tree16x(v), _mm512_set1_ps(s->scale));
    return s->cap > 0 ? softcap512(x, s->cap) : x;
}

/* One query, sixteen rows straight from the page. */
INL void scores_one(const enum kv_type t, const struct attn_work *w, int p)
{
    const struct attn_split *s = w->s;
    const float *q = s->q + (size_t)w->index[0] * s->ld_q;
    const char *k = row_at(s, s->k, p, s->d_k);
    const size_t row = (size_t)s->d_k * (t == KV_F16 ? 2 : 4);
    __m512 v[16];
    UNROLL for (int i = 0; i < 16; i++) v[i] = _mm512_setzero_ps();
    for (int d = 0; d < s->d_k; d += 16) {
        __m512 x = _mm512_loadu_ps(q + d);
        UNROLL for (int i = 0; i < 16; i++) v[i] = _mm512_fmadd_ps(x, load_kv(t, k + (size_t)i * row, d), v[i]);
    }
    _mm512_storeu_ps(w->e + p, finish_scores(s, v));
}

/* Two queries, eight of the sixteen f32 rows at k. */
INL void scores_two(const struct attn_split *s, const float *q0, const float *q1, const float *k, float *e0, float *e1)
{
    __m512 v[16];
    UNROLL for (int i = 0; i < 16; i++) v[i] = _mm512_setzero_ps();
    for (int d = 0; d < s->d_k; d += 16) {
        __m512 x0 = _mm512_loadu_ps(q0 + d), x1 = _mm512_loadu_ps(q1 + d);
        UNROLL for (int i = 0; i < 8; i++)
        {
            __m512 y = _mm512_loadu_ps(k + (size_t)i * (size_t)s->d_k + d);
            __asm__("" : "+v"(y)); /* one load for both, not an operand of each: loads are what it is bound by */
            v[i] = _mm512_fmadd_ps(x0, y, v[i]);
            v[i + 8] = _mm512_fmadd_ps(x1, y, v[i + 8]);
        }
    }
    __m512 x = finish_scores(s, v);
    _mm256_storeu_ps(e0, _mm512_castps512_ps256(x));
    _mm256_storeu_ps(e1, _mm512_extractf32x8_ps(x, 1));
}

/* Sixteen positions from p on, all queries; an odd one is paired with the one before it. */
static void scores_block(const struct attn_work *w, int p)
{
    const struct attn_split *s = w->s;
    const float *k = (const float *)row_at(s, s->k, p, s->d_k);
    if (s->type == KV_F16) {
        const uint16_t *h = (const uint16_t *)row_at(s, s->k, p, s->d_k);
        for (int i = 0; i < 16 * s->d_k; i += 16)
            _mm512_store_ps(w->block + i, load_half(h + i));
        k = w->block;
    }
    for (int j = 0; j < w->n; j += 2) {
        int a = j + 1 < w->n ? j : j - 1, b = a + 1;
        const float *q0 = s->q + (size_t)w->index[a] * s->ld_q, *q1 = s->q + (size_t)w->index[b] * s->ld_q;
        for (int i = 0; i < 16; i += 8)
            scores_two(s, q0, q1, k + (size_t)i * (size_t)s->d_k, w->e + a * ATTN_PAGE + p + i,
                       w->e + b * ATTN_PAGE + p + i);
    }
}

static void scores(const struct attn_work *w)
{
    const struct attn_split *s = w->s;
    for (int p = w->low & ~15; p <= w->high; p += 16) {
        prefetch_rows(s, s->k, p + 32, 16, s->d_k);
        if (w->n > 1)
            scores_block(w, p);
        else if (s->type == KV_F16)
            scores_one(KV_F16, w, p);
        else
            scores_one(KV_F32, w, p);
    }
}

/* Scores of query j become weights; m and l are its results. */
static void weights(const struct attn_work *w, int j)
{
    const struct attn_split *s = w->s;
    const int t = w->index[j], first = s->first[t], last = s->last[t];
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i from = _mm512_set1_epi32(first), to = _mm512_set1_epi32(last);
    float *e = w->e + j * ATTN_PAGE;
    __m512 top = _mm512_set1_ps(-INFINITY), l = _mm512_setzero_ps();
    __mmask16 seen[ATTN_PAGE / 16];
    for (int p = first & ~15; p <= last; p += 16) {
        __m512i at = _mm512_add_epi32(lane, _mm512_set1_epi32(p));
        seen[p / 16] = _mm512_cmple_epi32_mask(from, at) & _mm512_cmple_epi32_mask(at, to);
        top = _mm512_mask_max_ps(top, seen[p / 16], _mm512_loadu_ps(e + p), top);
    }
    const float m = _mm512_reduce_max_ps(top);
    for (int p = first & ~15; p <= last; p += 16) {
        __m512 x = exp512(_mm512_sub_ps(_mm512_loadu_ps(e + p), _mm512_set1_ps(m)));
        _mm512_storeu_ps(e + p, x);
        l = _mm512_mask_add_ps(l, seen[p / 16], l, x);
    }
    s->m[t] = m;
    s->l[t] = s->at ? gathered_sum(w, j, first, last) : tree(l);
}

/* a += weights x V for queries j .. j + T - 1, positions p0 .. p1, columns d .. d + 16 C - 1; T and C constants. */
INL void columns(const enum kv_type t, const struct attn_work *w, int j, const int T, const int C, int p0, int p1,
                 int d)
{
    const struct attn_split *s = w->s;
    const size_t row = (size_t)s->ld_v * (t == KV_F16 ? 2 : 4);
    const char *v = row_at(s, s->v, p0, s->ld_v);
    __m512 a[ATTN_QUERIES * 2];
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        a[i * C + c] = _mm512_loadu_ps(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 16);
    const float *e = w->e + j * ATTN_PAGE;
    for (int p = p0; p <= p1; p++, v += row) {
        __m512 y[8];
        UNROLL for (int c = 0; c < C; c++) y[c] = load_kv(t, v, d + c * 16);
        UNROLL for (int i = 0; i < T; i++)
        {
            __m512 x = _mm512_set1_ps(e[i * ATTN_PAGE + p]);
            UNROLL for (int c = 0; c < C; c++) a[i * C + c] = _mm512_fmadd_ps(x, y[c], a[i * C + c]);
        }
    }
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        _mm512_storeu_ps(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 16, a[i * C + c]);
}

/* The same for all columns: as many at a time as sixteen accumulators allow. */
INL void rows_times(const enum kv_type t, const struct attn_work *w, int j, const int T, int p0, int p1)
{
    const int C = T <= 2 ? 8 : T <= 4 ? 4 : 2, d_v = w->s->d_v;
    int d = 0;
    for (; d + 16 * C <= d_v; d += 16 * C)
        columns(t, w, j, T, C, p0, p1, d);
    for (; d < d_v; d += 16)
        columns(t, w, j, T, 1, p0, p1, d);
}

#define QUERIES(t)                                                                                                     \
    switch (n) {                                                                                                       \
    case 8:                                                                                                            \
        rows_times(t, w, j, 8, p0, p1);                                                                                \
        break;                                                                                                         \
    case 7:                                                                                                            \
        rows_times(t, w, j, 7, p0, p1);                                                                                \
        break;                                                                                                         \
    case 6:                                                                                                            \
        rows_times(t, w, j, 6, p0, p1);                                                                                \
        break;                                                                                                         \
    case 5:                                                                                                            \
        rows_times(t, w, j, 5, p0, p1);                                                                                \
        break;                                                                                                         \
    case 4:                                                                                                            \
        rows_times(t, w, j, 4, p0, p1);                                                                                \
        break;                                                                                                         \
    case 3:                                                                                                            \
        rows_times(t, w, j, 3, p0, p1);                                                                                \
        break;                                                                                                         \
    case 2:                                                                                                            \
        rows_times(t, w, j, 2, p0, p1);                                                                                \
        break;                                                                                                         \
    default:                                                                                                           \
        rows_times(t, w, j, 1, p0, p1);                                                                                \
        break;                                                                                                         \
    }

static void values_f16(const struct attn_work *w, int j, int n, int p0, int p1) { QUERIES(KV_F16) }
static void values_f32(const struct attn_work *w, int j, int n, int p0, int p1) { QUERIES(KV_F32) }

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

void fill_attn_avx512(struct kernels *k) { k->attn_split = attn_split; }

#endif
