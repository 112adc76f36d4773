/* Attention of up to eight queries to a page, AVX-512: as defined in attn_definition.h in the passes of attn_work.h. Two queries against
 * eight rows of K are sixteen accumulators, whose trees close together; K of 16 bits is widened once, to an L1 block. Products of codes
 * need one unsigned factor: keys are biased by 128, and accumulators begin with what that adds. */
#if defined(__x86_64__)
#include "kernel/attn_work.h"
#include "kernel/avx512/simd.h"

#include <math.h>

INL __m512 load_kv(const enum kv_type t, const char *row, int i)
{
    if (t == KV_Q8_0)
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(row + i))));
    return t == KV_F16 ? load_half(row + 2 * i) : _mm512_loadu_ps(row + 4 * i);
}

INL __m512 finish_scores(const struct attn_split *s, __m512 x)
{
    x = _mm512_mul_ps(x, _mm512_set1_ps(s->scale));
    return s->cap > 0 ? softcap512(x, s->cap) : x;
}

/* One query, sixteen rows straight from the page. */
INL void scores_one(const enum kv_type t, const struct attn_work *w, int p)
{
    const struct attn_split *s = w->s;
    const float *q = s->q + (size_t)w->index[0] * s->ld_q;
    const char *k = row_at(s, s->k, p, w->ld_k);
    const size_t row = (size_t)s->d_k * (t == KV_F16 ? 2 : 4);
    const char *ahead = after_keys(w, p);
    __m512 v[16];
    UNROLL for (int i = 0; i < 16; i++) v[i] = _mm512_setzero_ps();
    for (int d = 0; d < s->d_k; d += 16) {
        __m512 x = _mm512_loadu_ps(q + d);
        const int bytes = t == KV_F16 ? 512 : 1024;
        UNROLL for (int i = 0; i < bytes; i += 64) __builtin_prefetch(ahead + i);
        ahead += bytes;
        UNROLL for (int i = 0; i < 16; i++) v[i] = _mm512_fmadd_ps(x, load_kv(t, k + (size_t)i * row, d), v[i]);
    }
    _mm512_storeu_ps(w->e + p, finish_scores(s, tree16x(v)));
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
    __m512 x = finish_scores(s, tree16x(v));
    _mm256_storeu_ps(e0, _mm512_castps512_ps256(x));
    _mm256_storeu_ps(e1, _mm512_extractf32x8_ps(x, 1));
}

/* Sixteen positions from p on, all queries; an odd one is paired with the one before it. */
static void scores_block(const struct attn_work *w, int p)
{
    const struct attn_split *s = w->s;
    const float *k = (const float *)row_at(s, s->k, p, w->ld_k);
    if (s->type == KV_F16) {
        const uint16_t *h = (const uint16_t *)row_at(s, s->k, p, w->ld_k);
        const char *ahead = after_keys(w, p);
        float *block = w->block;
        for (int i = 0; i < 16 * s->d_k; i += 16) {
            __builtin_prefetch(ahead + 2 * i);
            _mm512_store_ps(block + i, load_half(h + i));
        }
        k = block;
    }
    for (int j = 0; j < w->n; j += 2) {
        int a = j + 1 < w->n ? j : j - 1, b = a + 1;
        const float *q0 = s->q + (size_t)w->index[a] * s->ld_q, *q1 = s->q + (size_t)w->index[b] * s->ld_q;
        for (int i = 0; i < 16; i += 8)
            scores_two(s, q0, q1, k + (size_t)i * (size_t)s->d_k, w->e + a * ATTN_PAGE + p + i,
                       w->e + b * ATTN_PAGE + p + i);
    }
}

/* Codes of sixteen rows from p on, biased, to the block: its line i has values 4 i to 4 i + 3 of each row. */
static void turn(const struct attn_work *w, int p)
{
    const char *k = row_at(w->s, w->s->k, p, w->ld_k);
    const char *ahead = after_keys(w, p);
    char *to = w->block;
    for (size_t d = 0; d < w->ld_k; d += 16, to += 256, ahead += 256) {
        UNROLL for (int i = 0; i < 256; i += 64) __builtin_prefetch(ahead + i);
        __m512i row[4], pair[4];
        UNROLL for (size_t i = 0; i < 4; i++) /* slot j: row 4 j + i */
        {
            const char *r = k + i * w->ld_k + d;
            row[i] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)r));
            row[i] = _mm512_inserti32x4(row[i], _mm_loadu_si128((const __m128i *)(r + 4 * w->ld_k)), 1);
            row[i] = _mm512_inserti32x4(row[i], _mm_loadu_si128((const __m128i *)(r + 8 * w->ld_k)), 2);
            row[i] = _mm512_inserti32x4(row[i], _mm_loadu_si128((const __m128i *)(r + 12 * w->ld_k)), 3);
            row[i] = _mm512_xor_si512(row[i], _mm512_set1_epi8((char)0x80));
        }
        pair[0] = _mm512_unpacklo_epi32(row[0], row[1]);
        pair[1] = _mm512_unpackhi_epi32(row[0], row[1]);
        pair[2] = _mm512_unpacklo_epi32(row[2], row[3]);
        pair[3] = _mm512_unpackhi_epi32(row[2], row[3]);
        UNROLL for (int i = 0; i < 2; i++)
        {
            _mm512_store_si512(to + 128 * i, _mm512_unpacklo_epi64(pair[i], pair[i + 2]));
            _mm512_store_si512(to + 128 * i + 64, _mm512_unpackhi_epi64(pair[i], pair[i + 2]));
        }
    }
}

/* T queries from j on, the sixteen turned rows; T a constant. */
INL void scores_turned(const struct attn_work *w, int j, const int T, int p)
{
    const struct attn_split *s = w->s;
    const struct xq *q = s->codes;
    const char *k = w->block;
    __m512 x[ATTN_QUERIES];
    UNROLL for (int i = 0; i < T; i++) x[i] = _mm512_setzero_ps();
    for (int g = 0; g < kv_groups(s->d_k); g++, k += 512) {
        __m512i sum[ATTN_QUERIES];
        const int8_t *code[ATTN_QUERIES];
        __m512 d = load_half(s->k_scale + (size_t)g * (size_t)s->ld_scale + p);
        UNROLL for (int i = 0; i < T; i++)
        {
            size_t at = group_at(s, w->index[j + i], g);
            code[i] = q->code + at * KV_GROUP;
            sum[i] = _mm512_set1_epi32(-128 * q->sum32[at]);
        }
        UNROLL for (int c = 0; c < 8; c++)
        {
            __m512i y = _mm512_load_si512(k + 64 * c);
            UNROLL for (int i = 0; i < T; i++) sum[i] = _mm512_dpbusd_epi32(sum[i], y, broadcast32(code[i] + 4 * c));
        }
        UNROLL for (int i = 0; i < T; i++)
        {
            __m512 both = _mm512_mul_ps(d, _mm512_set1_ps(q->scale[group_at(s, w->index[j + i], g)]));
            x[i] = _mm512_fmadd_ps(both, _mm512_cvtepi32_ps(sum[i]), x[i]);
        }
    }
    UNROLL for (int i = 0; i < T; i++) _mm512_storeu_ps(w->e + (j + i) * ATTN_PAGE + p, finish_scores(s, x[i]));
}

static void scores_codes(const struct attn_work *w, int p)
{
    int j = 0;
    turn(w, p);
    for (; j + 8 <= w->n; j += 8)
        scores_turned(w, j, 8, p);
    for (; j + 4 <= w->n; j += 4)
        scores_turned(w, j, 4, p);
    for (; j + 2 <= w->n; j += 2)
        scores_turned(w, j, 2, p);
    for (; j < w->n; j++)
        scores_turned(w, j, 1, p);
}

static void scores(const struct attn_work *w)
{
    const struct attn_split *s = w->s;
    prefetch_scales(w);
    for (int p = w->low & ~15; p <= w->high; p += 16) {
        if (s->type == KV_Q8_0)
            scores_codes(w, p);
        else if (w->n > 1)
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
    const size_t row = (size_t)s->ld_v * element_bytes(t);
    const char *v = row_at(s, s->v, p0, (size_t)s->ld_v);
    const float *scaled = w->scaled + d / KV_GROUP * ROWS_V - (p0 & ~(ROWS_V - 1));
    __m512 a[ATTN_QUERIES * 2];
    UNROLL for (int i = 0; i < T; i++) UNROLL for (int c = 0; c < C; c++)
        a[i * C + c] = _mm512_loadu_ps(s->a + (size_t)w->index[j + i] * (size_t)s->d_v + d + c * 16);
    const float *e = w->e + j * ATTN_PAGE;
    const size_t ahead = after_values(s, p0, d);
    for (int p = p0; p <= p1; p++, v += row) {
        __m512 y[8];
        UNROLL for (size_t i = 0; i < 16 * (size_t)C * element_bytes(t); i += 64) __builtin_prefetch(v + ahead + i);
        UNROLL for (int c = 0; c < C; c++) y[c] = load_kv(t, v, d + c * 16);
        UNROLL for (int i = 0; i < T; i++)
        {
            __m512 x = _mm512_setzero_ps();
            UNROLL for (int c = 0; c < C; c++)
            {
                if (t != KV_Q8_0 && c == 0)
                    x = _mm512_set1_ps(e[i * ATTN_PAGE + p]);
                if (t == KV_Q8_0 && c % 2 == 0)
                    x = _mm512_set1_ps(scaled[((j + i) * w->v_groups + c / 2) * ROWS_V + p]);
                a[i * C + c] = _mm512_fmadd_ps(x, y[c], a[i * C + c]);
            }
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

static void values_codes(const struct attn_work *w, int j, int n, int p0, int p1)
{
    const struct attn_split *s = w->s;
    const int begin = p0 & ~(ROWS_V - 1);
    for (int i = 0; i < n; i++)
        for (int g = 0; g < w->v_groups; g++)
            UNROLL for (int h = 0; h < ROWS_V; h += 16)
            {
                __m512 d = load_half(s->v_scale + (size_t)g * (size_t)s->ld_scale + begin + h);
                __m512 e = _mm512_loadu_ps(w->e + (j + i) * ATTN_PAGE + begin + h);
                _mm512_storeu_ps(w->scaled + ((j + i) * w->v_groups + g) * ROWS_V + h, _mm512_mul_ps(e, d));
            }
    QUERIES(KV_Q8_0)
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

void fill_attn_avx512(struct kernels *k) { k->attn_split = attn_split; }

#endif
