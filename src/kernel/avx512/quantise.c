/* Quantising activations, AVX-512: as defined in scalar/dot.c. */
#if defined(__x86_64__)
#include "kernel/avx512/simd.h"
#include "kernel/tiers.h"
#include "kernel/unpack.h"

/* n vectors (a group) at v: codes to q, the group's scale returned. */
INL float group(int8_t *q, const float *v, const int n)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i top = _mm512_setzero_si512();
    for (int i = 0; i < n; i++)
        top = _mm512_max_epu32(top, _mm512_and_si512(_mm512_loadu_si512(v + 16 * i), magnitude));
    uint32_t a = _mm512_reduce_max_epu32(top);
    if (a >= 0x7f800000 || a < 0x0d800000) { /* not finite; below 2^-100 */
        memset(q, 0, (size_t)n * 16);
        return a >= 0x7f800000 ? f32_from_bits(0x7fc00000) : 0.0f;
    }
    float amax = f32_from_bits(a);
    __m512 inverse = _mm512_set1_ps(127.0f / amax);
    for (int i = 0; i < n; i++) {
        __m512i c = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(v + 16 * i), inverse));
        _mm_storeu_si128((__m128i *)(q + 16 * i), _mm512_cvtsepi32_epi8(c));
    }
    return amax / 127.0f;
}

static void sums(const int8_t *q, int16_t *s16, int16_t *s32)
{
    __m512i part[4];
    UNROLL for (int i = 0; i < 4; i++)
        part[i] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), _mm512_loadu_si512(q + 64 * i));
    __m512i s = group_sums(part);
    _mm256_storeu_si256((__m256i *)s16, _mm512_cvtepi32_epi16(s));
    s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, 0xb1));
    _mm_storeu_si128((__m128i *)s32, _mm512_cvtepi64_epi16(s));
}

static void quantise(struct xq *x, int row, const float *v)
{
    for (int b = 0; b < x->n_steps; b++, v += STEP) {
        size_t at = (size_t)b * (size_t)x->plane + (size_t)row;
        int8_t *q = x->code + at * STEP;
        if (x->family == ACT_X256) {
            x->scale[at] = group(q, v, 16);
        } else {
            float *d = x->scale + at * 8;
            int n = step_values(x->n_cols, b) / 32;
            for (int g = 0; g < n; g++)
                d[g] = group(q + 32 * g, v + 32 * g, 2);
            for (int g = n; g < 8; g++) {
                memset(q + 32 * g, 0, 32);
                d[g] = 0;
            }
        }
        sums(q, x->sum16 + at * 16, x->sum32 + at * 8);
    }
}

void fill_quantise_avx512(struct kernels *k) { k->quantise = quantise; }

#endif
