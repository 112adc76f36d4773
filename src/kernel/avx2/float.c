/* dot16 and the products of float weights, AVX2: the sixteen lanes of the definition are two ymm. */
#if defined(__x86_64__)
#include "kernel/avx2/simd.h"
#include "kernel/tiers.h"

/* l[0], l[1] with the last n < 16 products added; lanes beyond take no part. */
INL void tail(__m256 l[2], const float *a, const float *b, int n)
{
    UNROLL for (int h = 0; h < 2; h++)
    {
        __m256i m = first_lanes(n - 8 * h);
        __m256 v = _mm256_fmadd_ps(_mm256_maskload_ps(a + 8 * h, m), _mm256_maskload_ps(b + 8 * h, m), l[h]);
        l[h] = _mm256_blendv_ps(l[h], v, _mm256_castsi256_ps(m));
    }
}

static float dot16(const float *a, const float *b, size_t n)
{
    __m256 l[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        UNROLL for (int h = 0; h < 2; h++)
            l[h] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8 * h), _mm256_loadu_ps(b + i + 8 * h), l[h]);
    if (i < n)
        tail(l, a + i, b + i, (int)(n - i));
    return tree(l[0], l[1]);
}

INL size_t width(const enum block_type t) { return t == TYPE_F32 ? 4 : 2; }

/* Eight weights from value i of a row on, as f32. */
INL __m256 load_weights(const enum block_type t, const uint8_t *row, size_t i)
{
    const void *p = row + width(t) * i;
    if (t == TYPE_F32)
        return _mm256_loadu_ps(p);
    if (t == TYPE_F16)
        return load_half(p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(p)), 16));
}

/* The n < 16 last weights of a row, from value i on. */
INL void last_weights(const enum block_type t, float w[16], const uint8_t *row, size_t i, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        const uint8_t *p = row + width(t) * (i + j);
        w[j] = t == TYPE_F32 ? f32_from_bits(load_u32(p)) : t == TYPE_F16 ? load_f16(p) : bf16_to_f32(load_u16(p));
    }
}

/* R weight rows times T activation rows, both constants, R * T <= 6. */
INL void block(const enum block_type t, const int R, const int T, const uint8_t *rows, size_t rs, const float *x,
               size_t ld_x, size_t n, float *out, size_t ld_out)
{
    __m256 l[6][2];
    UNROLL for (int i = 0; i < R * T; i++) l[i][0] = l[i][1] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256 w[4];
            UNROLL for (int r = 0; r < R; r++) w[r] = load_weights(t, rows + (size_t)r * rs, i + 8 * (size_t)h);
            UNROLL for (int k = 0; k < T; k++)
            {
                __m256 v = _mm256_loadu_ps(x + (size_t)k * ld_x + i + 8 * h);
                UNROLL for (int r = 0; r < R; r++) l[k * R + r][h] = _mm256_fmadd_ps(w[r], v, l[k * R + r][h]);
            }
        }
    if (i < n)
        for (int r = 0; r < R; r++) {
            float w[16] = {0};
            last_weights(t, w, rows + (size_t)r * rs, i, n - i);
            for (int k = 0; k < T; k++)
                tail(l[k * R + r], w, x + (size_t)k * ld_x + i, (int)(n - i));
        }
    UNROLL for (int k = 0; k < T; k++) UNROLL for (int r = 0; r < R; r++)
        out[(size_t)k * ld_out + (size_t)r] = tree(l[k * R + r][0], l[k * R + r][1]);
}

/* All activation rows against R weight rows, three at a time. */
INL void rows_of(const enum block_type t, const int R, const uint8_t *rows, size_t rs, const float *x, size_t ld_x,
                 int n_rows, size_t n, float *out, size_t ld_out)
{
    for (; n_rows >= 3; n_rows -= 3, x += 3 * ld_x, out += 3 * ld_out)
        block(t, R, 3, rows, rs, x, ld_x, n, out, ld_out);
    if (n_rows == 2)
        block(t, R, 2, rows, rs, x, ld_x, n, out, ld_out);
    else if (n_rows == 1)
        block(t, R, 1, rows, rs, x, ld_x, n, out, ld_out);
}

INL void tilef(const enum block_type t, const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows,
               float *out, size_t ld_out)
{
    const size_t rs = w->row_bytes, n = (size_t)w->n_cols;
    int j = n0;
    for (; n_rows == 1 && j + 4 <= n1; j += 4) /* few accumulators a row: more rows */
        block(t, 4, 1, w->data + (size_t)j * rs, rs, x, ld_x, n, out + j, ld_out);
    for (; j + 2 <= n1; j += 2)
        rows_of(t, 2, w->data + (size_t)j * rs, rs, x, ld_x, n_rows, n, out + j, ld_out);
    if (j < n1)
        rows_of(t, 1, w->data + (size_t)j * rs, rs, x, ld_x, n_rows, n, out + j, ld_out);
}

#define TILEF(name, type)                                                                                              \
    static void name(const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows, float *out,        \
                     size_t ld_out)                                                                                    \
    {                                                                                                                  \
        tilef(type, w, n0, n1, x, ld_x, n_rows, out, ld_out);                                                          \
    }
TILEF(tilef_f32, TYPE_F32)
TILEF(tilef_f16, TYPE_F16)
TILEF(tilef_bf16, TYPE_BF16)

void fill_float_avx2(struct kernels *k)
{
    k->dot16 = dot16;
    k->tilef[TYPE_F32] = tilef_f32;
    k->tilef[TYPE_F16] = tilef_f16;
    k->tilef[TYPE_BF16] = tilef_bf16;
}

#endif
