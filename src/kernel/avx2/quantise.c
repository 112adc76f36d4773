/* The vectors of quantising activations, AVX2: loops in kernel/quantise.h. */
#if defined(__x86_64__)
#include "kernel/avx2/simd.h"
#include "kernel/tiers.h"

INL uint32_t most_bits(const float *v, const int n)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i a = _mm256_setzero_si256(), b = a;
    for (int i = 0; i < n * 32; i += 16) {
        a = _mm256_max_epu32(a, _mm256_and_si256(load256(v + i), magnitude));
        b = _mm256_max_epu32(b, _mm256_and_si256(load256(v + i + 8), magnitude));
    }
    a = _mm256_max_epu32(a, b);
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

INL __m256i rounded(const float *v, __m256 inverse)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(v), inverse));
}

INL void put_codes(int8_t *q, const float *v, float inverse, const int n)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* undoes the packs' halves */
    const __m256 by = _mm256_set1_ps(inverse);
    for (int i = 0; i < n * 32; i += 32) {
        __m256i low = _mm256_packs_epi32(rounded(v + i, by), rounded(v + i + 8, by));
        __m256i high = _mm256_packs_epi32(rounded(v + i + 16, by), rounded(v + i + 24, by));
        __m256i c = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
        _mm256_storeu_si256((__m256i *)(q + i), c);
    }
}

INL void sums(const int8_t *q, int16_t *s16, int16_t *s32)
{
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    for (int g = 0; g < 16; g += 8) { /* eight groups of sixteen: 128 codes */
        __m256i v[4];
        UNROLL for (int i = 0; i < 4; i++)
            v[i] = _mm256_madd_epi16(_mm256_maddubs_epi16(ones8, load256(q + g * 16 + 32 * i)), ones16);
        /* low half: the first group of each vector, high half: the second */
        __m256i h = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
        __m128i even = _mm256_castsi256_si128(h), odd = _mm256_extracti128_si256(h, 1);
        __m128i s = _mm_packs_epi32(_mm_unpacklo_epi32(even, odd), _mm_unpackhi_epi32(even, odd));
        _mm_storeu_si128((__m128i *)(s16 + g), s);
        __m128i pairs = _mm_add_epi32(even, odd);
        _mm_storel_epi64((__m128i *)(s32 + g / 2), _mm_packs_epi32(pairs, pairs));
    }
}

#include "kernel/quantise.h"

void fill_quantise_avx2(struct kernels *k) { k->quantise = quantise; }

#endif
