/* The words that the AVX-512 files share. A zmm holds sixteen floats, or sixteen int32 lanes of four int8 products each; a slot
 * is one of its four 128-bit quarters. */
#ifndef KERNEL_AVX512_SIMD_H
#define KERNEL_AVX512_SIMD_H

#include "base/half.h"
#include "kernel/avx512/sums.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

INL __mmask16 first_lanes(size_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1); }

INL __m512i broadcast32(const void *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm512_set1_epi32(v);
}

INL __m512 load_half(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }

/* The tree of tiers.h over the lanes of l. */
INL float tree(__m512 l)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(l), _mm512_extractf32x8_ps(l, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* Sixteen trees at once: lane i of the result is tree(v[i]). 15 additions, 30 shuffles. */
INL __m512 tree16x(const __m512 v[16])
{
    __m512 w[8], u[4], t[2];
    UNROLL for (int i = 0; i < 8; i++) /* slots 0, 1: j + (j + 8) of v[i]; 2, 3: of v[i + 8] */
        w[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[i], v[i + 8], 0x44), _mm512_shuffle_f32x4(v[i], v[i + 8], 0xee));
    UNROLL for (int i = 0; i < 4; i++) /* slots: j + (j + 4) of v[i], v[i + 8], v[i + 4], v[i + 12] */
        u[i] = _mm512_add_ps(_mm512_shuffle_f32x4(w[i], w[i + 4], 0x88), _mm512_shuffle_f32x4(w[i], w[i + 4], 0xdd));
    UNROLL for (int i = 0; i < 2; i++) /* 0 + 2 and 1 + 3, of v[i] and v[i + 2] */
        t[i] = _mm512_add_ps(_mm512_shuffle_ps(u[i], u[i + 2], 0x44), _mm512_shuffle_ps(u[i], u[i + 2], 0xee));
    __m512 s = _mm512_add_ps(_mm512_shuffle_ps(t[0], t[1], 0x88), _mm512_shuffle_ps(t[0], t[1], 0xdd));
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15), s);
}

/* 16 bits at p of four rows, without a store to forward. */
INL uint64_t u16x4(const uint8_t *p, size_t rs)
{
    return load_u16(p) | (uint64_t)load_u16(p + rs) << 16 | (uint64_t)load_u16(p + 2 * rs) << 32 |
           (uint64_t)load_u16(p + 3 * rs) << 48;
}

/* 2^(e - 128) of each exponent byte: half of the E8M0 value, because the code table holds doubled values. */
INL __m512 e8m0_half512(__m512i e)
{
    __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    __mmask16 tiny = _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2));
    return _mm512_castsi512_ps(_mm512_mask_sllv_epi32(normal, tiny, _mm512_set1_epi32(0x00200000), e));
}

/* Half of the UE4M3 of each byte, its NaN as 0: its bits are those of an f16 that is 2^7 times smaller. */
INL __m512 ue4m3_half512(__m512i v)
{
    const __m512i nan = _mm512_set1_epi32(0x7f);
    v = _mm512_maskz_and_epi32(_mm512_cmpneq_epi32_mask(v, nan), v, nan);
    return _mm512_mul_ps(_mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_slli_epi32(v, 7))), _mm512_set1_ps(128));
}

/* ref_expf in every lane. */
INL __m512 exp512(__m512 x)
{
    __mmask16 zero = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.0f), _CMP_LT_OQ);
    __m512 y = _mm512_min_ps(_mm512_set1_ps(88.0f), x); /* NaN in the second operand survives */
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(y, _mm512_set1_ps(0x1.715476p+0f)), 8);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.62e4p-1f), y);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.7f7d1cp-20f), r);
    __m512 p = _mm512_set1_ps(0x1.6a23d0p-10f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.123a20p-7f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.5558f2p-5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555492p-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.fffffcp-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    __m512i bits = _mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23));
    return _mm512_maskz_mov_ps(_mm512_knot(zero), _mm512_castsi512_ps(bits));
}

/* 1 + exp(-x) */
INL __m512 one_plus_exp(__m512 x)
{
    __m512 negative = _mm512_xor_ps(x, _mm512_set1_ps(-0.0f));
    return _mm512_add_ps(_mm512_set1_ps(1.0f), exp512(negative));
}

/* ref_softcap in every lane. */
INL __m512 softcap512(__m512 x, float cap)
{
    const __m512 sign = _mm512_set1_ps(-0.0f), one = _mm512_set1_ps(1.0f);
    __m512 v = _mm512_div_ps(x, _mm512_set1_ps(cap)), a = _mm512_andnot_ps(sign, v), s = _mm512_mul_ps(v, v);
    __m512 p = _mm512_set1_ps(-0x1.75d50cp-8f);
    p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(0x1.5223dep-6f));
    p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(-0x1.b83bf4p-5f));
    p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(0x1.110724p-3f));
    p = _mm512_fmadd_ps(p, s, _mm512_set1_ps(-0x1.555532p-2f));
    __m512 near = _mm512_fmadd_ps(_mm512_mul_ps(v, s), p, v);
    __m512 t = exp512(_mm512_mul_ps(_mm512_set1_ps(-2.0f), a));
    __m512 far = _mm512_div_ps(_mm512_sub_ps(one, t), _mm512_add_ps(one, t));
    far = _mm512_or_ps(_mm512_andnot_ps(sign, far), _mm512_and_ps(sign, v));
    __mmask16 is_near = _mm512_cmp_ps_mask(a, _mm512_set1_ps(0.625f), _CMP_LT_OQ);
    return _mm512_mul_ps(_mm512_set1_ps(cap), _mm512_mask_mov_ps(far, is_near, near));
}

/* for each sixteen values from i on, with m the lanes that exist */
#define LANES(n)                                                                                                       \
    for (int i = 0; i < (n); i += 16)                                                                                  \
        for (__mmask16 m = first_lanes((size_t)((n)-i)), once = 1; once; once = 0)

#define LOAD(p)     _mm512_maskz_loadu_ps(m, (p) + i)
#define STORE(p, v) _mm512_mask_storeu_ps((p) + i, m, v)

#endif
