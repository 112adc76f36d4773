/* The words that the AVX2 files share. The sixteen lanes of the definition are two ymm: lanes 0..7 and 8..15. */
#ifndef KERNEL_AVX2_SIMD_H
#define KERNEL_AVX2_SIMD_H

#include "base/half.h"
#include "kernel/inline.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* All bits of the first n lanes; n may be negative or beyond 8. */
INL __m256i first_lanes(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INL __m256i load256(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INL __m128i load128(const void *p) { return _mm_loadu_si128((const __m128i *)p); }

INL __m256i broadcast32(const void *p)
{
    int32_t v;
    memcpy(&v, p, 4);
    return _mm256_set1_epi32(v);
}

/* 32 bits at p as 32 bytes of 0 or `value`. */
INL __m256i bits_as(const void *p, const int value)
{
    const __m256i bytes = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(broadcast32(p), bytes), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8((char)value));
}

INL __m256 load_half(const void *p) { return _mm256_cvtph_ps(load128(p)); }

/* The tree of tiers.h over lanes 0..7 and 8..15. */
INL float tree(__m256 low, __m256 high)
{
    __m256 a = _mm256_add_ps(low, high);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* Four trees at once, lane i that of low[i], high[i]. */
INL __m128 tree4(const __m256 low[4], const __m256 high[4])
{
    __m256 a = _mm256_add_ps(low[0], high[0]), b = _mm256_add_ps(low[1], high[1]);
    __m256 c = _mm256_add_ps(low[2], high[2]), d = _mm256_add_ps(low[3], high[3]);
    __m256 ac = _mm256_add_ps(_mm256_permute2f128_ps(a, c, 0x20), _mm256_permute2f128_ps(a, c, 0x31));
    __m256 bd = _mm256_add_ps(_mm256_permute2f128_ps(b, d, 0x20), _mm256_permute2f128_ps(b, d, 0x31));
    __m256 t = _mm256_add_ps(_mm256_shuffle_ps(ac, bd, 0x44), _mm256_shuffle_ps(ac, bd, 0xee));
    t = _mm256_add_ps(t, _mm256_movehdup_ps(t)); /* lanes 0 and 2 of each half: a, b and c, d */
    return _mm_shuffle_ps(_mm256_castps256_ps128(t), _mm256_extractf128_ps(t, 1), 0x88);
}

/* Lane i: the sum of the eight lanes of v[i]. */
INL __m128i sums4(const __m256i v[4])
{
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

/* Sums of four products of signed bytes, codes c (|c| <= 128) and activations x (|x| <= 127), in 16-bit pairs: at most
 * 2 * 128 * 127, no saturation. */
INL __m256i signed_pairs(__m256i c, __m256i x)
{
    return _mm256_maddubs_epi16(_mm256_abs_epi8(c), _mm256_sign_epi8(x, c));
}

/* Adding products to sums of 32 bits is one instruction of VNNI, which has two forms; without it, it takes two or three. */
#if defined(__AVXVNNI__)
#define VNNI              1
#define ADD_FOUR_PRODUCTS _mm256_dpbusd_avx_epi32
#define ADD_TWO_PRODUCTS  _mm256_dpwssd_avx_epi32
#elif defined(__AVX512VNNI__) && defined(__AVX512VL__)
#define VNNI              1
#define ADD_FOUR_PRODUCTS _mm256_dpbusd_epi32
#define ADD_TWO_PRODUCTS  _mm256_dpwssd_epi32
#endif

/* v + the products of pairs of int16. */
INL __m256i add_two_products(__m256i v, __m256i a, __m256i b)
{
#if defined(VNNI)
    return ADD_TWO_PRODUCTS(v, a, b);
#else
    return _mm256_add_epi32(v, _mm256_madd_epi16(a, b));
#endif
}

/* Sums of four products, of unsigned bytes c of at most 7 bits, or of signed ones, with activations x. VNNI multiplies c + SIGNED_ZERO. */
#if defined(VNNI)
enum { SIGNED_ZERO = 128 };
INL __m256i four_products(__m256i c, __m256i x) { return ADD_FOUR_PRODUCTS(_mm256_setzero_si256(), c, x); }
INL __m256i four_signed_products(__m256i c, __m256i x)
{
    return four_products(_mm256_xor_si256(c, _mm256_set1_epi8((char)SIGNED_ZERO)), x);
}
#else
enum { SIGNED_ZERO = 0 };
INL __m256i four_products(__m256i c, __m256i x)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(c, x), _mm256_set1_epi16(1));
}
INL __m256i four_signed_products(__m256i c, __m256i x)
{
    return _mm256_madd_epi16(signed_pairs(c, x), _mm256_set1_epi16(1));
}
#endif

/* 16 bits at p of four rows. */
INL uint64_t u16x4(const uint8_t *p, size_t rs)
{
    return load_u16(p) | (uint64_t)load_u16(p + rs) << 16 | (uint64_t)load_u16(p + 2 * rs) << 32 |
           (uint64_t)load_u16(p + 3 * rs) << 48;
}

INL __m128 half4(const uint8_t *p, size_t rs) { return _mm_cvtph_ps(_mm_cvtsi64_si128((long long)u16x4(p, rs))); }

/* ref_expf in every lane. */
INL __m256 exp256(__m256 x)
{
    __m256 zero = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0f), _CMP_LT_OQ);
    __m256 y = _mm256_min_ps(_mm256_set1_ps(88.0f), x); /* NaN in the second operand survives */
    __m256 n = _mm256_round_ps(_mm256_mul_ps(y, _mm256_set1_ps(0x1.715476p+0f)), 8);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-0x1.62e4p-1f), y);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(-0x1.7f7d1cp-20f), r);
    __m256 p = _mm256_set1_ps(0x1.6a23d0p-10f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.123a20p-7f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.5558f2p-5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.555492p-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.fffffcp-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    __m256i bits = _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23));
    return _mm256_andnot_ps(zero, _mm256_castsi256_ps(bits));
}

/* The largest lane; no lane is NaN. */
INL float max_lane(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

/* 1 + exp(-x) */
INL __m256 one_plus_exp(__m256 x)
{
    return _mm256_add_ps(_mm256_set1_ps(1.0f), exp256(_mm256_xor_ps(x, _mm256_set1_ps(-0.0f))));
}

/* ref_softcap in every lane. */
INL __m256 softcap256(__m256 x, float cap)
{
    const __m256 sign = _mm256_set1_ps(-0.0f), one = _mm256_set1_ps(1.0f);
    __m256 v = _mm256_div_ps(x, _mm256_set1_ps(cap)), a = _mm256_andnot_ps(sign, v), s = _mm256_mul_ps(v, v);
    __m256 p = _mm256_set1_ps(-0x1.75d50cp-8f);
    p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(0x1.5223dep-6f));
    p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(-0x1.b83bf4p-5f));
    p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(0x1.110724p-3f));
    p = _mm256_fmadd_ps(p, s, _mm256_set1_ps(-0x1.555532p-2f));
    __m256 near = _mm256_fmadd_ps(_mm256_mul_ps(v, s), p, v);
    __m256 t = exp256(_mm256_mul_ps(_mm256_set1_ps(-2.0f), a));
    __m256 far = _mm256_div_ps(_mm256_sub_ps(one, t), _mm256_add_ps(one, t));
    far = _mm256_or_ps(_mm256_andnot_ps(sign, far), _mm256_and_ps(sign, v));
    __m256 is_near = _mm256_cmp_ps(a, _mm256_set1_ps(0.625f), _CMP_LT_OQ);
    return _mm256_mul_ps(_mm256_set1_ps(cap), _mm256_blendv_ps(far, near, is_near));
}

/* Eight values of the n at p, from i on; the missing ones 0. */
INL __m256 load(const float *p, int i, int n)
{
    return i + 8 <= n ? _mm256_loadu_ps(p + i) : _mm256_maskload_ps(p + i, first_lanes(n - i));
}

INL void store(float *p, int i, int n, __m256 v)
{
    if (i + 8 <= n)
        _mm256_storeu_ps(p + i, v);
    else
        _mm256_maskstore_ps(p + i, first_lanes(n - i), v);
}

/* old where value i + lane does not exist, else v. */
INL __m256 present(__m256 old, __m256 v, int i, int n)
{
    return i + 8 <= n ? v : _mm256_blendv_ps(old, v, _mm256_castsi256_ps(first_lanes(n - i)));
}

#endif
