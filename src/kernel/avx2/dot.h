/* The dot and the pair of AVX2, and of 256-bit VNNI where the compiler has it: four weight rows at a time (dot_rows.h), each with its
 * eight partial sums, closed together so that the float sums run in four lanes. Every load lies inside its block. */
#ifndef KERNEL_AVX2_DOT_H
#define KERNEL_AVX2_DOT_H

#include "kernel/avx2/dot_k.h"
#include "kernel/avx2/small.h"
#include "kernel/tiers.h"

/* ---- the K family ---- */

INL void step_q6_k(__m128 *acc, const int m, const uint8_t *p, size_t rs, const struct xq *x, const size_t *at)
{
    const __m256i m4 = _mm256_set1_epi8(15), m30 = _mm256_set1_epi8(0x30);
    __m256i v[2][4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        const __m256i scale = _mm256_cvtepi8_epi16(load128(b + 192));
        UNROLL for (int i = 0; i < m; i++)
        {
            const __m256i sums = _mm256_madd_epi16(scale, load256(x->sum16 + at[i] * 16));
            v[i][r] = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(sums, 5));
        }
        UNROLL for (int c = 0; c < 2; c++)
        {
            __m256i a = load256(b + 64 * c), d = load256(b + 64 * c + 32), h = load256(b + 128 + 32 * c), code[4];
            code[0] = _mm256_or_si256(_mm256_and_si256(a, m4), _mm256_and_si256(_mm256_slli_epi16(h, 4), m30));
            code[1] = _mm256_or_si256(_mm256_and_si256(d, m4), _mm256_and_si256(_mm256_slli_epi16(h, 2), m30));
            code[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 4), m4), _mm256_and_si256(h, m30));
            code[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(d, 4), m4),
                                      _mm256_and_si256(_mm256_srli_epi16(h, 2), m30));
            UNROLL for (int j = 0; j < 4; j++)
            {
                const __m256i s = spread_scale(scale, 4 * c + j);
                UNROLL for (int i = 0; i < m; i++)
                {
                    const __m256i q = load256(x->code + at[i] * STEP + 128 * c + 32 * j);
                    v[i][r] = add_two_products(v[i][r], _mm256_maddubs_epi16(code[j], q), s);
                }
            }
        }
    }
    const __m128 half = half4(p + 208, rs);
    UNROLL for (int i = 0; i < m; i++)
    {
        const __m128 d = _mm_mul_ps(half, _mm_set1_ps(x->scale[at[i]]));
        acc[i] = _mm_fmadd_ps(d, _mm_cvtepi32_ps(sums4(v[i])), acc[i]);
    }
}

/* ---- small blocks ---- */

/* 2^(e - 128) of a byte of four rows. */
INL __m128 e8m0_half4(const uint8_t *p, size_t rs)
{
    __m128i e = _mm_setr_epi32(p[0], p[rs], p[2 * rs], p[3 * rs]);
    __m128i tiny = _mm_cmplt_epi32(e, _mm_set1_epi32(2));
    __m128i normal = _mm_slli_epi32(_mm_sub_epi32(e, _mm_set1_epi32(1)), 23);
    return _mm_castsi128_ps(_mm_blendv_epi8(normal, _mm_sllv_epi32(_mm_set1_epi32(0x00200000), e), tiny));
}

/* Half of the UE4M3 in two bytes of four rows: the first bytes in the lower lanes. Its bits are those of an f16 that is 2^7 times
 * smaller. */
INL __m256 ue4m3_half8(const uint8_t *p, size_t rs)
{
    const __m128i first_second = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m128i nan = _mm_set1_epi16(0x7f);
    __m128i v = _mm_cvtepu8_epi16(_mm_shuffle_epi8(_mm_cvtsi64_si128((long long)u16x4(p, rs)), first_second));
    v = _mm_andnot_si128(_mm_cmpeq_epi16(v, nan), _mm_and_si128(v, nan));
    return _mm256_mul_ps(_mm256_cvtph_ps(_mm_slli_epi16(v, 7)), _mm256_set1_ps(128));
}

/* f16 at p of four rows, behind which each has two bytes more. */
INL __m128 half4_before(const uint8_t *p, size_t rs)
{
    __m128i v[4];
    UNROLL for (size_t r = 0; r < 4; r++) v[r] = _mm_cvtsi32_si128((int)load_u32(p + r * rs));
    return _mm_cvtph_ps(_mm_unpacklo_epi32(_mm_unpacklo_epi16(v[0], v[1]), _mm_unpacklo_epi16(v[2], v[3])));
}

/* Lane i: the sum of v[i], sums of four products of unsigned codes of 5 bits: of eight products, 31 * 8 * 127, they fit 16 bits. */
INL __m128i sums4_of_5_bits(const __m256i v[4])
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i a = _mm256_packs_epi32(v[0], v[1]), b = _mm256_packs_epi32(v[2], v[3]);
    a = _mm256_packs_epi32(_mm256_madd_epi16(a, ones), _mm256_madd_epi16(b, ones));
    a = _mm256_madd_epi16(a, ones);
    return _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}

/* Sums of four products of 32 values of four rows, their block at p, closed into the float sum of one activation row. */
INL __m128 close_32(__m128 acc, const enum block_type t, const __m256i v[4], const uint8_t *p, size_t rs, float dx,
                    int sum)
{
    const struct small_type k = small_type(t);
    const int zero_point = k.zero_point < 128 ? k.zero_point : SIGNED_ZERO;
    const __m128i all = k.zero_point < 128 ? sums4_of_5_bits(v) : sums4(v);
    const __m128i isum = _mm_sub_epi32(all, _mm_set1_epi32(zero_point * sum));
    __m128 d = t == TYPE_MXFP4 ? e8m0_half4(p, rs) : half4_before(p, rs), x = _mm_set1_ps(dx);
    acc = _mm_fmadd_ps(_mm_mul_ps(d, x), _mm_cvtepi32_ps(isum), acc);
    if (k.has_min)
        acc = _mm_fmadd_ps(_mm_mul_ps(half4_before(p + 2, rs), x), _mm_set1_ps((float)sum), acc);
    return acc;
}

/* The same of two times sixteen values, each with a scale of its own; p: the scales. */
INL __m128 close_2x16(__m128 acc, const int zero_point, const __m256i v[4], const uint8_t *p, size_t rs, float dx,
                      const int16_t sum[2])
{
    __m256i isum = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    isum = _mm256_sub_epi32(isum,
                            _mm256_set_m128i(_mm_set1_epi32(zero_point * sum[1]), _mm_set1_epi32(zero_point * sum[0])));
    __m256 d = _mm256_mul_ps(ue4m3_half8(p, rs), _mm256_set1_ps(dx)), s = _mm256_cvtepi32_ps(isum);
    acc = _mm_fmadd_ps(_mm256_castps256_ps128(d), _mm256_castps256_ps128(s), acc);
    return _mm_fmadd_ps(_mm256_extractf128_ps(d, 1), _mm256_extractf128_ps(s, 1), acc);
}

/* m, a constant: the activation rows that share the decoding; n: blocks of 32 values in this step. */
INL void step_small(__m128 *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs, const struct xq *x,
                    const size_t *at, int n)
{
    const struct small_type k = small_type(t);
    const int parts = k.values / 32;
    for (int g = 0; g < n; g++) {
        const uint8_t *b = p + (size_t)(g / parts) * k.bytes;
        __m256i v[2][4];
        UNROLL for (int r = 0; r < 4; r++)
        {
            const __m256i c = block_codes(t, b + (size_t)r * rs, g % parts);
            UNROLL for (int i = 0; i < m; i++)
            {
                const __m256i q = load256(x->code + at[i] * STEP + 32 * g);
                v[i][r] = k.zero_point == 128 ? four_signed_products(c, q) : four_products(c, q);
            }
        }
        UNROLL for (int i = 0; i < m; i++)
        {
            const float dx = x->scale[at[i] * 8 + (size_t)g];
            if (t == TYPE_NVFP4)
                acc[i] = close_2x16(acc[i], k.zero_point, v[i], b + 2 * (g % parts), rs, dx,
                                    x->sum16 + at[i] * 16 + 2 * g);
            else
                acc[i] = close_32(acc[i], t, v[i], b, rs, dx, x->sum32[at[i] * 8 + (size_t)g]);
        }
    }
}

DOT(dot_q4_k, step_k_heads(acc, TYPE_Q4_K, 1, p, rs, x, at))
DOT(dot_q6_k, step_q6_k(acc, 1, p, rs, x, at))
PAIR(pair_q4_k, step_k_heads(acc, TYPE_Q4_K, 2, p, rs, x, at))
PAIR(pair_q6_k, step_q6_k(acc, 2, p, rs, x, at))
SMALL_TYPES(DOT_SMALL)
WIDE_K_TYPES(DOT_K)
CODEBOOK_TYPES(DOT_K)

static void fill_dot(struct kernels *k)
{
    static const struct own_dot own[] = {OWN_DOT(q4_k, TYPE_Q4_K) OWN_DOT(q6_k, TYPE_Q6_K) SMALL_TYPES(OWN_DOT)
                                             WIDE_K_TYPES(OWN_DOT) CODEBOOK_TYPES(OWN_DOT)};
    fill_dots(k, own, sizeof own / sizeof own[0]);
    fill_dot_k(k);
}

#endif
