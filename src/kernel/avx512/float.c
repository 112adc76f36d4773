/* dot16 and the products of float weights, AVX-512: one zmm is the sixteen lanes of the definition. Four weight rows meet four
 * activation rows in sixteen accumulators, whose trees close together. */
#if defined(__x86_64__)
#include "kernel/avx512/simd.h"
#include "kernel/tiers.h"

static float dot16(const float *a, const float *b, size_t n)
{
    __m512 l = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        l = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), l);
    if (i < n) {
        __mmask16 m = first_lanes(n - i);
        l = _mm512_mask3_fmadd_ps(_mm512_maskz_loadu_ps(m, a + i), _mm512_maskz_loadu_ps(m, b + i), l, m);
    }
    return tree(l);
}

/* Sixteen weights from value i of a row on, as f32; m: those that exist. */
INL __m512 load_weights(const enum block_type t, const uint8_t *row, size_t i, __mmask16 m, int whole)
{
    if (t == TYPE_F32) {
        const void *p = row + 4 * i;
        return whole ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(m, p);
    }
    const void *p = row + 2 * i;
    __m256i h = whole ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskz_loadu_epi16(m, p);
    if (t == TYPE_F16)
        return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* R weight rows from `rows` on times T activation rows, both constants; out at the first of each. */
INL void block(const enum block_type t, const int R, const int T, const uint8_t *rows, size_t rs, const float *x,
               size_t ld_x, size_t n, float *out, size_t ld_out)
{
    __m512 l[16];
    UNROLL for (int i = 0; i < R * T; i++) l[i] = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 w[4];
        UNROLL for (int r = 0; r < R; r++)
        {
            w[r] = load_weights(t, rows + (size_t)r * rs, i, 0, 1);
            if (T == 1) /* reading weights is all there is to it: the same place four rows on */
                _mm_prefetch((const char *)((uintptr_t)rows + (size_t)(r + 4) * rs + i * (t == TYPE_F32 ? 4 : 2)),
                             _MM_HINT_T0);
        }
        UNROLL for (int k = 0; k < T; k++)
        {
            __m512 v = _mm512_loadu_ps(x + (size_t)k * ld_x + i);
            UNROLL for (int r = 0; r < R; r++) l[k * R + r] = _mm512_fmadd_ps(w[r], v, l[k * R + r]);
        }
    }
    if (i < n) {
        __mmask16 m = first_lanes(n - i);
        UNROLL for (int k = 0; k < T; k++)
        {
            __m512 v = _mm512_maskz_loadu_ps(m, x + (size_t)k * ld_x + i);
            UNROLL for (int r = 0; r < R; r++) l[k * R + r] = _mm512_mask3_fmadd_ps(
                load_weights(t, rows + (size_t)r * rs, i, m, 0), v, l[k * R + r], m);
        }
    }
    if (R == 4 && T == 4) {
        __m512 y = tree16x(l);
        _mm_storeu_ps(out, _mm512_castps512_ps128(y));
        _mm_storeu_ps(out + ld_out, _mm512_extractf32x4_ps(y, 1));
        _mm_storeu_ps(out + 2 * ld_out, _mm512_extractf32x4_ps(y, 2));
        _mm_storeu_ps(out + 3 * ld_out, _mm512_extractf32x4_ps(y, 3));
        return;
    }
    UNROLL for (int k = 0; k < T; k++) UNROLL for (int r = 0; r < R; r++)
        out[(size_t)k * ld_out + (size_t)r] = tree(l[k * R + r]);
}

/* All activation rows against R weight rows, four at a time. */
INL void rows_of(const enum block_type t, const int R, const uint8_t *rows, size_t rs, const float *x, size_t ld_x,
                 int n_rows, size_t n, float *out, size_t ld_out)
{
    for (; n_rows >= 4; n_rows -= 4, x += 4 * ld_x, out += 4 * ld_out)
        block(t, R, 4, rows, rs, x, ld_x, n, out, ld_out);
    switch (n_rows) {
    case 3:
        block(t, R, 3, rows, rs, x, ld_x, n, out, ld_out);
        break;
    case 2:
        block(t, R, 2, rows, rs, x, ld_x, n, out, ld_out);
        break;
    case 1:
        block(t, R, 1, rows, rs, x, ld_x, n, out, ld_out);
        break;
    default:
        break;
    }
}

INL void tilef(const enum block_type t, const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows,
               float *out, size_t ld_out)
{
    const size_t rs = w->row_bytes, n = (size_t)w->n_cols;
    if (n1 - n0 < 4) {
        for (int j = n0; j < n1; j++)
            rows_of(t, 1, w->data + (size_t)j * rs, rs, x, ld_x, n_rows, n, out + j, ld_out);
        return;
    }
    for (int j = n0; j < n1; j += 4) {
        if (j + 4 > n1)
            j = n1 - 4; /* overlaps: the same bits, written twice */
        rows_of(t, 4, w->data + (size_t)j * rs, rs, x, ld_x, n_rows, n, out + j, ld_out);
    }
}

#include "kernel/float_fill.h"

void fill_float_avx512(struct kernels *k) { fill_float(k); }

#endif
