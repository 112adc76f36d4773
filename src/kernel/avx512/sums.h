/* Sums of int32 lanes across registers, AVX-512: what the dots close with. A slot is one of a zmm's four 128-bit quarters. */
#ifndef KERNEL_AVX512_SUMS_H
#define KERNEL_AVX512_SUMS_H

#include "kernel/inline.h"

#include <immintrin.h>

/* Lane i of a slot of the result: the sum over that slot of p[i]. */
INL __m512i rows4(const __m512i p[4])
{
    __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(p[0], p[1]), _mm512_unpackhi_epi32(p[0], p[1]));
    __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(p[2], p[3]), _mm512_unpackhi_epi32(p[2], p[3]));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

/* Lane i: the sum of lanes i of all slots. */
INL __m128i fold(__m512i v)
{
    __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

/* Lane i: the sum over slot i. */
INL __m128i slot_sums(__m512i v)
{
    const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    v = _mm512_add_epi32(v, _mm512_shuffle_epi32(v, 0x4e));
    v = _mm512_add_epi32(v, _mm512_shuffle_epi32(v, 0xb1));
    return _mm512_castsi512_si128(_mm512_permutexvar_epi32(first, v));
}

/* Adds the sums of four rows times their scales d and that of the activations. */
INL __m128 close_rows(__m128 acc, const __m512i sums[4], __m128 d, float scale_x)
{
    return _mm_fmadd_ps(_mm_mul_ps(d, _mm_set1_ps(scale_x)), _mm_cvtepi32_ps(fold(rows4(sums))), acc);
}

/* The sums of four vectors, one a slot each time: lane g of the result is the sum of slot g % 4 of p[g / 4]. */
INL __m512i group_sums(const __m512i p[4])
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, rows4(p));
}

#endif
