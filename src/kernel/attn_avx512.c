/* Attention of up to eight queries to a page, AVX-512: the law of attn_scalar.c.
 *
 *   scores   sixteen rows of K widened to an L1 block; two queries against eight rows are sixteen accumulators, whose trees
 *            close together
 *   weights  exp of a page, lanes = positions
 *   values   32 rows of V at a time, all queries; columns in accumulators, weights broadcast
 *
 * Positions that all queries see go through the wide loop; the ragged ends (a prompt's diagonal, a window's edge) one query at a
 * time, so an invisible position meets no sum. Head sizes that are not multiples of 16 are left to the scalar code. */
#include "kernel/simd_avx512.h"
#include "kernel/tiers.h"

#include <math.h>

enum { ROWS_V = 32 };

/* The queries that see something, and what they share. */
struct work {
    const struct attn_split *s;
    int n, index[ATTN_QUERIES];
    int low, high;               /* seen by any */
    int common_low, common_high; /* seen by all; empty if low > high */
    float *e;                    /* [n][ATTN_PAGE] scores, then weights */
    float *block;                /* [16][d_k] */
};

INL const char *row_at(const struct attn_split *s, const void *base, int p, int d)
{
    return (const char *)base + (size_t)p * (size_t)d * (s->type == KV_F16 ? 2 : 4);
}

INL __m512 load_kv(const enum kv_type t, const char *row, int i)
{
    return t == KV_F16 ? load_half(row + 2 * i) : _mm512_loadu_ps(row + 4 * i);
}

INL __m512 softcap512(__m512 x, float cap)
{
    float v[16];
    _mm512_storeu_ps(v, x);
    for (int i = 0; i < 16; i++)
        v[i] = law_softcap(v[i], cap);
    return _mm512_loadu_ps(v);
}

INL __m512 finish_scores(const struct attn_split *s, const __m512 v[16])
{
    __m512 x = _mm512_mul_ps(tree16x(v), _mm512_set1_ps(s->scale));
    return s->cap > 0 ? softcap512(x, s->cap) : x;
}

/* One query, sixteen rows straight from the page. */
INL void scores_one(const enum kv_type t, const struct work *w, int p)
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
            v[i] = _mm512_fmadd_ps(x0, y, v[i]);
            v[i + 8] = _mm512_fmadd_ps(x1, y, v[i + 8]);
        }
    }
    __m512 x = finish_scores(s, v);
    _mm256_storeu_ps(e0, _mm512_castps512_ps256(x));
    _mm256_storeu_ps(e1, _mm512_extractf32x8_ps(x, 1));
}

/* Sixteen positions from p on, all queries; an odd one is paired with the one before it. */
static void scores_block(const struct work *w, int p)
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

INL void prefetch_rows(const struct attn_split *s, const void *base, int p, int n, int d)
{
    if (p >= ATTN_PAGE)
        return;
    const char *a = row_at(s, base, p, d), *end = row_at(s, base, p + n, d);
    for (; a < end; a += 64)
        _mm_prefetch(a, _MM_HINT_T0);
}

static void scores(const struct work *w)
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
static void weights(const struct work *w, int j)
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
    s->l[t] = tree(l);
}

/* a += weights x V for queries j .. j + T - 1, positions p0 .. p1, columns d .. d + 16 C - 1; T and C constants. */
INL void columns(const enum kv_type t, const struct work *w, int j, const int T, const int C, int p0, int p1, int d)
{
    const struct attn_split *s = w->s;
    const size_t row = (size_t)s->d_v * (t == KV_F16 ? 2 : 4);
    const char *v = row_at(s, s->v, p0, s->d_v);
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
INL void rows_times(const enum kv_type t, const struct work *w, int j, const int T, int p0, int p1)
{
    const int C = T <= 2 ? 8 : T <= 4 ? 4 : 2, d_v = w->s->d_v;
    int d = 0;
    for (; d + 16 * C <= d_v; d += 16 * C)
        columns(t, w, j, T, C, p0, p1, d);
    for (; d < d_v; d += 16)
        columns(t, w, j, T, 1, p0, p1, d);
}

INL void values_of(const enum kv_type t, const struct work *w, int j, int n, int p0, int p1)
{
    switch (n) {
    case 8:
        rows_times(t, w, j, 8, p0, p1);
        break;
    case 7:
        rows_times(t, w, j, 7, p0, p1);
        break;
    case 6:
        rows_times(t, w, j, 6, p0, p1);
        break;
    case 5:
        rows_times(t, w, j, 5, p0, p1);
        break;
    case 4:
        rows_times(t, w, j, 4, p0, p1);
        break;
    case 3:
        rows_times(t, w, j, 3, p0, p1);
        break;
    case 2:
        rows_times(t, w, j, 2, p0, p1);
        break;
    default:
        rows_times(t, w, j, 1, p0, p1);
        break;
    }
}

/* n queries from j on over positions p0 .. p1, in blocks of rows that stay in L1 for all passes over columns. */
static void values(const struct work *w, int j, int n, int p0, int p1)
{
    for (int p = p0; p <= p1; p += ROWS_V) {
        int last = p + ROWS_V - 1 < p1 ? p + ROWS_V - 1 : p1;
        prefetch_rows(w->s, w->s->v, p + ROWS_V, ROWS_V, w->s->d_v);
        if (w->s->type == KV_F16)
            values_of(KV_F16, w, j, n, p, last);
        else
            values_of(KV_F32, w, j, n, p, last);
    }
}

static void all_values(const struct work *w)
{
    const struct attn_split *s = w->s;
    const int common = w->common_low <= w->common_high;
    for (int j = 0; j < w->n; j++) {
        int t = w->index[j];
        memset(s->a + (size_t)t * (size_t)s->d_v, 0, (size_t)s->d_v * sizeof(float));
        if (w->n > 1)
            values(w, j, 1, s->first[t], common ? w->common_low - 1 : s->last[t]);
    }
    if (!common)
        return;
    values(w, 0, w->n, w->common_low, w->common_high);
    for (int j = 0; w->n > 1 && j < w->n; j++)
        values(w, j, 1, w->common_high + 1, s->last[w->index[j]]);
}

static void attn_split(const struct attn_split *s, void *scratch)
{
    struct work w = {.s = s, .low = ATTN_PAGE, .high = -1, .common_low = 0, .common_high = ATTN_PAGE};
    if (s->d_k % 16 || s->d_v % 16) {
        attn_split_scalar(s, scratch);
        return;
    }
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
    if (w.n == 0)
        return;
    w.e = scratch;
    w.block = w.e + ATTN_QUERIES * ATTN_PAGE;
    scores(&w);
    for (int j = 0; j < w.n; j++)
        weights(&w, j);
    all_values(&w);
}

void fill_attn_avx512(struct kernels *k) { k->attn_split = attn_split; }
