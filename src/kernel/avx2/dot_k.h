/* The dot and the pair of the x256 types that avx2/step.h decodes, for AVX2 and, with the instruction that adds two products of
 * 16-bit numbers, for AVX-512 VNNI: four weight rows at a time, their float sums in four lanes.
 *
 * A code + its zero point times a whole scale is exact; what the zero points added comes off by the sums of the activations. Two
 * products of bytes are at most 2 * 127 * 127, which 16 bits hold. */
#ifndef KERNEL_AVX2_DOT_K_H
#define KERNEL_AVX2_DOT_K_H

#include "kernel/avx2/step.h"
#include "kernel/dot_rows.h"

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
                v[i][r] = add_two_products(v[i][r], q, scale);
            }
        }
    }
    const __m128 d = load_d4(t, p, rs);
    UNROLL for (int i = 0; i < m; i++)
    {
        const __m128 dx = _mm_set1_ps(x->scale[at[i]]);
        acc[i] = _mm_fmadd_ps(_mm_mul_ps(d, dx), _mm_cvtepi32_ps(sums4(v[i])), acc[i]);
        if (k.has_min)
            acc[i] = _mm_fnmadd_ps(_mm_mul_ps(half4(p + k.dmin, rs), dx), _mm_cvtepi32_ps(sums4(mins[i])), acc[i]);
    }
}

/* What the first sixteen bytes of q4_K and q5_K blocks hold, of four rows: eight scales and eight minima of 6 bits, two rows a vector; d in
 * the lower four lanes, dmin in the upper. */
struct heads {
    __m128i scale[2], min[2];
    __m256 d;
};

/* Dwords of a block: d and dmin, a, b, c. Scales and minima 0 to 3 are the low six bits of the bytes of a and b; of 4 to 7 c has the
 * low four, a and b the high two. */
INL struct heads load_heads(const uint8_t *p, size_t rs)
{
    const __m128i six = _mm_set1_epi8(0x3f), four = _mm_set1_epi8(0x0f), two = _mm_set1_epi8(0x30);
    const __m128i halves = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    __m128i row[4], t[4];
    UNROLL for (int r = 0; r < 4; r++) row[r] = load128(p + (size_t)r * rs);
    UNROLL for (int r = 0; r < 4; r += 2)
    {
        t[r] = _mm_unpacklo_epi32(row[r], row[r + 1]);
        t[r + 1] = _mm_unpackhi_epi32(row[r], row[r + 1]);
    }
    const __m128i d = _mm_unpacklo_epi64(t[0], t[2]), a = _mm_unpackhi_epi64(t[0], t[2]);
    const __m128i b = _mm_unpacklo_epi64(t[1], t[3]), c = _mm_unpackhi_epi64(t[1], t[3]);
    const __m128i scale = _mm_and_si128(a, six), min = _mm_and_si128(b, six);
    const __m128i scale4 = _mm_or_si128(_mm_and_si128(c, four), _mm_and_si128(_mm_srli_epi16(a, 2), two));
    const __m128i min4 = _mm_or_si128(_mm_and_si128(_mm_srli_epi16(c, 4), four),
                                      _mm_and_si128(_mm_srli_epi16(b, 2), two));
    return (struct heads){
        .scale = {_mm_unpacklo_epi32(scale, scale4), _mm_unpackhi_epi32(scale, scale4)},
        .min = {_mm_unpacklo_epi32(min, min4), _mm_unpackhi_epi32(min, min4)},
        .d = _mm256_cvtph_ps(_mm_shuffle_epi8(d, halves)),
    };
}

/* A bit of each byte, a constant, where the fifth bit of a code belongs. */
INL __m256i fifth_bits(__m256i bits, const int bit)
{
    bits = bit < 4 ? _mm256_slli_epi16(bits, 4 - bit) : _mm256_srli_epi16(bits, bit - 4);
    return _mm256_and_si256(bits, _mm256_set1_epi8(16));
}

/* The same for q4_K and q5_K. */
INL void step_k_heads(__m128 *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs,
                      const struct xq *x, const size_t *at)
{
    const __m256i m4 = _mm256_set1_epi8(15);
    const struct heads h = load_heads(p, rs);
    __m256i v[2][4], scales[4];
    __m128i mins[2][4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        const __m128i scale = r % 2 ? _mm_unpackhi_epi64(h.scale[r / 2], h.scale[r / 2]) : h.scale[r / 2];
        const __m128i min = r % 2 ? _mm_unpackhi_epi64(h.min[r / 2], h.min[r / 2]) : h.min[r / 2];
        scales[r] = _mm256_broadcastq_epi64(scale);
        UNROLL for (int i = 0; i < m; i++)
        {
            mins[i][r] = _mm_madd_epi16(_mm_cvtepu8_epi16(min), load128(x->sum32 + at[i] * 8));
            v[i][r] = _mm256_setzero_si256();
        }
    }
    UNROLL for (int c = 0; c < 8; c++)
    {
        const __m256i spread = _mm256_set1_epi16((short)(0x8000 + c));
        __m256i q[2];
        UNROLL for (int i = 0; i < m; i++) q[i] = load256(x->code + at[i] * STEP + 32 * c);
        UNROLL for (int r = 0; r < 4; r++)
        {
            const uint8_t *b = p + (size_t)r * rs + 16;
            const __m256i w = load256(b + (t == TYPE_Q5_K ? 32 : 0) + 32 * (c / 2));
            __m256i code = _mm256_and_si256(c % 2 ? _mm256_srli_epi16(w, 4) : w, m4);
            if (t == TYPE_Q5_K)
                code = _mm256_or_si256(code, fifth_bits(load256(b), c));
            const __m256i scale = _mm256_shuffle_epi8(scales[r], spread);
            UNROLL for (int i = 0; i < m; i++)
            {
                v[i][r] = add_two_products(v[i][r], _mm256_maddubs_epi16(code, q[i]), scale);
            }
        }
    }
    UNROLL for (int i = 0; i < m; i++)
    {
        const __m256 d = _mm256_mul_ps(h.d, _mm256_set1_ps(x->scale[at[i]]));
        __m128i msum = _mm_hadd_epi32(_mm_hadd_epi32(mins[i][0], mins[i][1]), _mm_hadd_epi32(mins[i][2], mins[i][3]));
        acc[i] = _mm_fmadd_ps(_mm256_castps256_ps128(d), _mm_cvtepi32_ps(sums4(v[i])), acc[i]);
        acc[i] = _mm_fnmadd_ps(_mm256_extractf128_ps(d, 1), _mm_cvtepi32_ps(msum), acc[i]);
    }
}

#define DOT_K(name, TYPE)                                                                                              \
    DOT(dot_##name, step_k(acc, TYPE, 1, p, rs, x, at))                                                                \
    PAIR(pair_##name, step_k(acc, TYPE, 2, p, rs, x, at))

/* What AVX-512 has steps of its own for: avx512/dot_k.c. */
#define WIDE_K_TYPES(X)                                                                                                \
    X(q2_k, TYPE_Q2_K)                                                                                                 \
    X(q3_k, TYPE_Q3_K)                                                                                                 \
    X(iq4_xs, TYPE_IQ4_XS)                                                                                             \
    IQ1_TYPES(X)

/* The others of step_k() that are in every tier. */
#define K_TYPES(X)                                                                                                     \
    X(iq2_s, TYPE_IQ2_S)                                                                                               \
    X(tq1_0, TYPE_TQ1_0)                                                                                               \
    X(tq2_0, TYPE_TQ2_0)

K_TYPES(DOT_K)
DOT(dot_q5_k, step_k_heads(acc, TYPE_Q5_K, 1, p, rs, x, at))
PAIR(pair_q5_k, step_k_heads(acc, TYPE_Q5_K, 2, p, rs, x, at))

static inline void fill_dot_k(struct kernels *k)
{
    static const struct own_dot own[] = {K_TYPES(OWN_DOT) OWN_DOT(q5_k, TYPE_Q5_K)};
    fill_dots(k, own, sizeof own / sizeof own[0]);
}

#endif
