/* The vectors of quantising activations, AVX-512: loops in kernel/quantise.h. */
#if defined(__x86_64__)
#include "kernel/avx512/simd.h"
#include "kernel/tiers.h"

INL uint32_t most_bits(const float *v, const int n)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i top = _mm512_setzero_si512();
    for (int i = 0; i < n * 32; i += 16)
        top = _mm512_max_epu32(top, _mm512_and_si512(_mm512_loadu_si512(v + i), magnitude));
    return _mm512_reduce_max_epu32(top);
}

INL void put_codes(int8_t *q, const float *v, float inverse, const int n)
{
    const __m512 by = _mm512_set1_ps(inverse);
    for (int i = 0; i < n * 32; i += 16) {
        __m512i c = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(v + i), by));
        _mm_storeu_si128((__m128i *)(q + i), _mm512_cvtsepi32_epi8(c));
    }
}

INL void sums(const int8_t *q, int16_t *s16, int16_t *s32)
{
    __m512i part[4];
    UNROLL for (int i = 0; i < 4; i++)
        part[i] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), _mm512_loadu_si512(q + 64 * i));
    __m512i s = group_sums(part);
    _mm256_storeu_si256((__m256i *)s16, _mm512_cvtepi32_epi16(s));
    s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, 0xb1));
    _mm_storeu_si128((__m128i *)s32, _mm512_cvtepi64_epi16(s));
}

#include "kernel/quantise.h"

void fill_quantise_avx512(struct kernels *k) { k->quantise = quantise; }

#endif
