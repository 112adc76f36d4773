/* Attention of up to eight queries to a page, AVX2: as defined in attn_definition.h in the passes of attn_work.h. The sixteen lanes of a
 * score are two ymm; four scores close together. */
#if defined(__x86_64__)
#include "kernel/attn_work.h"
#include "kernel/avx2/simd.h"

#include <math.h>

INL __m256 load_kv(const enum kv_type t, const char *row, int i)
{
    if (t == KV_Q8_0)
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(row + i))));
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
    const float *k = (const float *)(const void *)row_at(s, s->k, p, w->ld_k);
    if (s->type == KV_F16) {
        const char *h = row_at(s, s->k, p, w->ld_k);
        float *block = w->block;
        for (int i = 0; i < 16 * s->d_k; i += 8)
            _mm256_storeu_ps(block + i, load_half(h + 2 * i));
        k = block;
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

/* Codes of sixteen rows from p on to the block: its line i, of 64 bytes, has values 4 i to 4 i + 3 of each row. */
static void turn(const struct attn_work *w, int p)
{
    const char *k = row_at(w->s, w->s->k, p, w->ld_k);
    char *to = w->block;
    for (size_t d = 0; d < w->ld_k; d += 16, to += 256)
        for (size_t half = 0; half < 2; half++) {
            __m256i row[4], pair[4];
            UNROLL for (size_t i = 0; i < 4; i++) /* rows i and i + 4 of the half */
            {
                const char *r = k + (8 * half + i) * w->ld_k + d;
                row[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load128(r)), load128(r + 4 * w->ld_k), 1);
            }
            pair[0] = _mm256_unpacklo_epi32(row[0], row[1]);
            pair[1] = _mm256_unpackhi_epi32(row[0], row[1]);
            pair[2] = _mm256_unpacklo_epi32(row[2], row[3]);
            pair[3] = _mm256_unpackhi_epi32(row[2], row[3]);
            UNROLL for (size_t i = 0; i < 2; i++)
            {
                char *line = to + 128 * i + 32 * half;
                _mm256_storeu_si256((__m256i *)(void *)line, _mm256_unpacklo_epi64(pair[i], pair[i + 2]));
                _mm256_storeu_si256((__m256i *)(void *)(line + 64), _mm256_unpackhi_epi64(pair[i], pair[i + 2]));
            }
        }
}

/* T queries from j on, eight of the turned rows; T a constant. */
INL void scores_turned(const struct attn_work *w, int j, const int T, int p, int half)
{
    const struct attn_split *s = w->s;
    const struct xq *q = s->codes;
    const char *k = (const char *)w->block + 32 * half;
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 x[4];
    UNROLL for (int i = 0; i < T; i++) x[i] = _mm256_setzero_ps();
    for (int g = 0; g < kv_groups(s->d_k); g++, k += 512) {
        __m256i sum[4];
        const int8_t *code[4];
        __m256 d = load_half(s->k_scale + (size_t)g * (size_t)s->ld_scale + p);
        UNROLL for (int i = 0; i < T; i++)
        {
            code[i] = q->code + group_at(s, w->index[j + i], g) * KV_GROUP;
            sum[i] = _mm256_setzero_si256();
        }
        UNROLL for (int c = 0; c < 8; c++)
        {
            __m256i y = load256(k + 64 * c);
            UNROLL for (int i = 0; i < T; i++)
            {
                __m256i pairs = signed_pairs(y, broadcast32(code[i] + 4 * c));
                sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs, ones));
            }
        }
        UNROLL for (int i = 0; i < T; i++)
        {
            __m256 both = _mm256_mul_ps(d, _mm256_set1_ps(q->scale[group_at(s, w->index[j + i], g)]));
            x[i] = _mm256_fmadd_ps(both, _mm256_cvtepi32_ps(sum[i]), x[i]);
        }
    }
    UNROLL for (int i = 0; i < T; i++)
    {
        x[i] = _mm256_mul_ps(x[i], _mm256_set1_ps(s->scale));
        _mm256_storeu_ps(w->e + (j + i) * ATTN_PAGE + p, s->cap > 0 ? softcap256(x[i], s->cap) : x[i]);
    }
}

static void scores_codes(const struct attn_work *w, int p)
{
    turn(w, p);
    for (int half = 0; half < 2; half++, p += 8) {
        int j = 0;
        for (; j + 4 <= w->n; j += 4)
            scores_turned(w, j, 4, p, half);
        for (; j + 2 <= w->n; j += 2)
            scores_turned(w, j, 2, p, half);
        for (; j < w->n; j++)
            scores_turned(w, j, 1, p, half);
    }
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
    const size_t row = (size_t)s->ld_v * element_bytes(t);
    const char *v = row_at(s, s->v, p0, (size_t)s->ld_v);
    const float *scaled = w->scaled + d / KV_GROUP * ROWS_V - (p0 & ~(ROWS_V - 1));
    const float *e = w->e + j * ATTN_PAGE;
    __m256 a[8];
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        a[i * C + c] = _mm256_loadu_ps(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 8);
    const size_t ahead = after_values(s, p0, d);
    for (int p = p0; p <= p1; p++, v += row) {
        __m256 y[8];
        UNROLL for (size_t i = 0; i < 8 * (size_t)C * element_bytes(t); i += 64) __builtin_prefetch(v + ahead + i);
        UNROLL for (int c = 0; c < C; c++) y[c] = load_kv(t, v, d + c * 8);
        UNROLL for (int i = 0; i < T; i++)
        {
            __m256 x = _mm256_setzero_ps();
            UNROLL for (int c = 0; c < C; c++)
            {
                if (t != KV_Q8_0 && c == 0)
                    x = _mm256_set1_ps(e[i * ATTN_PAGE + p]);
                if (t == KV_Q8_0 && c % 4 == 0)
                    x = _mm256_set1_ps(scaled[((j + i) * w->v_groups + c / 4) * ROWS_V + p]);
                a[i * C + c] = _mm256_fmadd_ps(x, y[c], a[i * C + c]);
            }
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

static void values_codes(const struct attn_work *w, int j, int n, int p0, int p1)
{
    const struct attn_split *s = w->s;
    const int begin = p0 & ~(ROWS_V - 1);
    for (int i = 0; i < n; i++)
        for (int g = 0; g < w->v_groups; g++)
            UNROLL for (int h = 0; h < ROWS_V; h += 8)
            {
                __m256 d = load_half(s->v_scale + (size_t)g * (size_t)s->ld_scale + begin + h);
                __m256 e = _mm256_loadu_ps(w->e + (j + i) * ATTN_PAGE + begin + h);
                _mm256_storeu_ps(w->scaled + ((j + i) * w->v_groups + g) * ROWS_V + h, _mm256_mul_ps(e, d));
            }
    queries(KV_Q8_0, w, j, n, p0, p1);
}

static void attn_split(const struct attn_split *s, void *scratch)
{
    if (!takes_vectors(s)) {
        attn_split_fma(s, scratch);
        return;
    }
    struct attn_work w = attn_work(s, scratch);
    scores(&w);
    add_slopes(&w);
    for (int j = 0; j < w.n; j++)
        weights(&w, j);
    all_values(&w, s->type == KV_Q8_0 ? values_codes : s->type == KV_F16 ? values_f16 : values_f32);
}

void fill_attn_avx2(struct kernels *k) { k->attn_split = attn_split; }

#endif
