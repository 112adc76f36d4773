/* Quantising activations, AVX2: as defined in scalar/dot.c. */
#if defined(__x86_64__)
#include "kernel/avx2/simd.h"
#include "kernel/tiers.h"
#include "kernel/unpack.h"

/* Largest magnitude of n x 32 values, as bits. */
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

/* n x 32 values at v: codes to q, the group's scale returned. */
INL float group(int8_t *q, const float *v, const int n)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* undoes the packs' halves */
    uint32_t a = most_bits(v, n);
    if (a >= 0x7f800000 || a < 0x0d800000) { /* not finite; below 2^-100 */
        memset(q, 0, (size_t)n * 32);
        return a >= 0x7f800000 ? f32_from_bits(0x7fc00000) : 0.0f;
    }
    float amax = f32_from_bits(a);
    const __m256 inverse = _mm256_set1_ps(127.0f / amax);
    for (int i = 0; i < n * 32; i += 32) {
        __m256i low = _mm256_packs_epi32(rounded(v + i, inverse), rounded(v + i + 8, inverse));
        __m256i high = _mm256_packs_epi32(rounded(v + i + 16, inverse), rounded(v + i + 24, inverse));
        __m256i c = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
        _mm256_storeu_si256((__m256i *)(q + i), c);
    }
    return amax / 127.0f;
}

static void sums(const int8_t *q, int16_t *s16, int16_t *s32)
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

static void quantise(struct xq *x, int row, const float *v)
{
    for (int b = 0; b < x->n_steps; b++, v += STEP) {
        size_t at = (size_t)b * (size_t)x->plane + (size_t)row;
        int8_t *q = x->code + at * STEP;
        if (x->family == ACT_X256) {
            x->scale[at] = group(q, v, 8);
        } else {
            float *d = x->scale + at * 8;
            int n = step_values(x->n_cols, b) / 32;
            for (int g = 0; g < n; g++)
                d[g] = group(q + 32 * g, v + 32 * g, 1);
            for (int g = n; g < 8; g++) {
                memset(q + 32 * g, 0, 32);
                d[g] = 0;
            }
        }
        sums(q, x->sum16 + at * 16, x->sum32 + at * 8);
    }
}

void fill_quantise_avx2(struct kernels *k) { k->quantise = quantise; }

#endif
