/* A zmm of what lies in two or four places. */
#ifndef KERNEL_AVX512_LOADS_H
#define KERNEL_AVX512_LOADS_H

#include "kernel/inline.h"

#include <immintrin.h>
#include <stdint.h>

INL __m512i load_2x32(const void *a, const void *b)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)a)),
                              _mm256_loadu_si256((const __m256i *)b), 1);
}

INL __m512i load_4x16(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)a));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)b), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)c), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)d), 3);
}

/* Slot i (sums.h) of low: values 0 to 15 of the i-th 32 of a and b, or at q; of high: its values 16 to 31. */
struct halves {
    __m512i low, high;
};

INL struct halves halves_of(__m512i a, __m512i b)
{
    return (struct halves){_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd)};
}

INL struct halves load_halves(const int8_t *q) { return halves_of(_mm512_loadu_si512(q), _mm512_loadu_si512(q + 64)); }

#endif
