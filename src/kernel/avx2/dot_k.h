/* The dot and the pair of the x256 types that avx2/step.h decodes, for AVX2 and, with the instruction that adds two products of
 * 16-bit numbers, for AVX-512 VNNI: four weight rows at a time, their float sums in four lanes.
 *
 * A code + its zero point times a whole scale is exact; what the zero points added comes off by the sums of the activations. Two
 * products of bytes are at most 2 * 127 * 127, which 16 bits hold. */
#ifndef KERNEL_AVX2_DOT_K_H
#define KERNEL_AVX2_DOT_K_H

#include "kernel/avx2/step.h"
#include "kernel/dot_rows.h"

/* v + a * b in pairs of int16. */
INL __m256i add_products(__m256i v, __m256i a, __m256i b)
{
#if defined(__AVX512VNNI__)
    return _mm256_dpwssd_epi32(v, a, b);
#else
    return _mm256_add_epi32(v, _mm256_madd_epi16(a, b));
#endif
}

/* The scales of codes j: that of the first sixteen to the lower half, of the others to the upper. */
INL __m256i spread_scale(__m256i scale, const int j)
{
    const __m256i pair = _mm256_inserti128_si256(_mm256_set1_epi16(0x0100), _mm_set1_epi16(0x0302), 1);
    __m256i half = j < 4 ? _mm256_permute4x64_epi64(scale, 0x44) : _mm256_permute4x64_epi64(scale, 0xee);
    return _mm256_shuffle_epi8(half, _mm256_add_epi16(pair, _mm256_set1_epi16((short)(0x0404 * (j % 4)))));
}

/* One step of four rows at p, rs bytes apart, with m activation rows; t and m are constants. */
INL void step_k(__m128 *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs, const struct xq *x,
                const size_t *at)
{
    const struct k_type k = k_type(t);
    __m256i v[2][4], mins[2][4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        struct head h;
        load_head(&h, t, b);
        UNROLL for (int i = 0; i < m; i++)
        {
            const __m256i sums = load256(x->sum16 + at[i] * 16), zero = _mm256_setzero_si256();
            v[i][r] = zero;
            if (k.zero_point)
                v[i][r] = _mm256_mullo_epi32(_mm256_madd_epi16(h.scale, sums), _mm256_set1_epi32(-k.zero_point));
            if (k.has_min)
                mins[i][r] = _mm256_madd_epi16(h.min, sums);
        }
        UNROLL for (int j = 0; j < 8; j++)
        {
            const struct codes c = load_codes(t, b, j, &h);
            const __m256i scale = spread_scale(h.scale, j);
            UNROLL for (int i = 0; i < m; i++)
            {
                __m256i q = load256(x->code + at[i] * STEP + 32 * j);
                q = k.has_signs ? give_signs(q, c.signs) : q;
                q = k.is_signed ? signed_pairs(c.u, q) : _mm256_maddubs_epi16(c.u, q);
                v[i][r] = add_products(v[i][r], q, scale);
            }
        }
    }
    const uint64_t halves = load_d(t, p) | (uint64_t)load_d(t, p + rs) << 16 | (uint64_t)load_d(t, p + 2 * rs) << 32 |
                            (uint64_t)load_d(t, p + 3 * rs) << 48;
    const __m128 d = _mm_mul_ps(_mm_cvtph_ps(_mm_cvtsi64_si128((long long)halves)), _mm_set1_ps(k.factor));
    UNROLL for (int i = 0; i < m; i++)
    {
        const __m128 dx = _mm_set1_ps(x->scale[at[i]]);
        acc[i] = _mm_fmadd_ps(_mm_mul_ps(d, dx), _mm_cvtepi32_ps(sums4(v[i])), acc[i]);
        if (k.has_min)
            acc[i] = _mm_fnmadd_ps(_mm_mul_ps(half4(p + k.dmin, rs), dx), _mm_cvtepi32_ps(sums4(mins[i])), acc[i]);
    }
}

#define DOT_K(name, TYPE)                                                                                              \
    DOT(dot_##name, step_k(acc, TYPE, 1, p, rs, x, at))                                                                \
    PAIR(pair_##name, step_k(acc, TYPE, 2, p, rs, x, at))

#define K_TYPES(X)                                                                                                     \
    X(q2_k, TYPE_Q2_K)                                                                                                 \
    X(q3_k, TYPE_Q3_K)                                                                                                 \
    X(q5_k, TYPE_Q5_K)                                                                                                 \
    X(iq4_xs, TYPE_IQ4_XS)                                                                                             \
    X(iq2_s, TYPE_IQ2_S)                                                                                               \
    X(iq1_s, TYPE_IQ1_S)                                                                                               \
    X(iq1_m, TYPE_IQ1_M)                                                                                               \
    X(tq1_0, TYPE_TQ1_0)                                                                                               \
    X(tq2_0, TYPE_TQ2_0)

K_TYPES(DOT_K)

static inline void fill_dot_k(struct kernels *k)
{
    static const struct own_dot own[] = {K_TYPES(OWN_DOT)};
    fill_dots(k, own, sizeof own / sizeof own[0]);
}

#endif
