/* A step of 256 weights of the x256 family in AVX2 registers, decoded to the integers of unpack.h. A type is a row of k_type(), a
 * case of load_head() and a case of load_codes(); products (dot_k.h) and lines for tiles (unpack.c) are loops over these. The
 * type is a constant everywhere, so every case folds. AVX-512 uses this header as well.
 *
 *   head      what is decoded once a step: int16 scale[16] and min[16], each of sixteen values; high bits; signs
 *   codes j   values 32 j .. 32 j + 31. u is the code + the type's zero point, at most 127. Where the type is signed, u is the code
 *             itself. Where it has signs apart, u is the magnitude of the code.
 *
 * Every load lies inside its block. The layouts are drawn in format/decode_k.c and format/decode_iq.c. */
#ifndef KERNEL_AVX2_STEP_H
#define KERNEL_AVX2_STEP_H

#include "kernel/avx2/codebook.h"
#include "kernel/unpack.h"

struct k_type {
    int zero_point, is_signed, has_signs, has_min;
    size_t d, dmin; /* where the block has them, f16 */
    float factor;   /* of d */
};

INL struct k_type k_type(const enum block_type t)
{
    switch (t) {
    case TYPE_Q2_K:
        return (struct k_type){.has_min = 1, .d = 80, .dmin = 82, .factor = 1};
    case TYPE_Q3_K:
        return (struct k_type){.zero_point = 4, .d = 108, .factor = 1};
    case TYPE_Q5_K:
        return (struct k_type){.has_min = 1, .d = 0, .dmin = 2, .factor = 1};
    case TYPE_TQ1_0:
        return (struct k_type){.zero_point = 1, .d = 52, .factor = 1};
    case TYPE_TQ2_0:
        return (struct k_type){.zero_point = 1, .d = 64, .factor = 1};
    case TYPE_IQ1_S:
    case TYPE_IQ1_M: /* its d: load_d() */
        return (struct k_type){.zero_point = IQ1_ZERO_POINT, .factor = 0.125f};
    case TYPE_IQ3_XXS:
        return (struct k_type){.has_signs = 1, .factor = 0.25f};
    case TYPE_IQ4_XS:
        return (struct k_type){.is_signed = 1, .factor = 1};
    case TYPE_IQ3_S:
        return (struct k_type){.has_signs = 1, .factor = 1};
    default: /* iq2_xxs, iq2_xs, iq2_s */
        return (struct k_type){.has_signs = 1, .factor = 0.125f};
    }
}

/* Bit `from` of each byte, moved to bit `to`; the others 0. */
INL __m256i move_bit(__m256i v, const int from, const int to)
{
    return and8(from < to ? _mm256_slli_epi16(v, to - from) : _mm256_srli_epi16(v, from - to), 1 << to);
}

/* Two bits of each of 32 bytes, from bit 2 i on. */
INL __m256i two_bits(const uint8_t *p, const int i) { return and8(_mm256_srli_epi16(load256(p), 2 * i), 3); }

/* ---- heads ---- */

INL void head_q2_k(struct head *h, const uint8_t *p)
{
    const __m128i m4 = _mm_set1_epi8(15);
    __m128i both = load128(p);
    h->scale = _mm256_cvtepu8_epi16(_mm_and_si128(both, m4));
    h->min = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(both, 4), m4));
}

/* Twelve bytes behind the codes: dwords a b c. Scale 4 i + j: low four bits in byte j of a, b, a >> 4, b >> 4; the high two in byte j
 * of c >> 2 i. */
INL void head_q3_k(struct head *h, const uint8_t *p)
{
    __m128i abc = load128(p + 92);
    __m128i low = _mm_srlv_epi32(_mm_shuffle_epi32(abc, 0x99), _mm_setr_epi32(0, 0, 4, 4));
    __m128i top = _mm_srlv_epi32(_mm_shuffle_epi32(abc, 0xff), _mm_setr_epi32(0, 2, 4, 6));
    low = _mm_and_si128(low, _mm_set1_epi8(15));
    top = _mm_slli_epi16(_mm_and_si128(top, _mm_set1_epi8(3)), 4);
    h->scale = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_or_si128(low, top)), _mm256_set1_epi16(32));
    h->high = load256(p);
}

/* Eight bytes as sixteen int16, each of them twice. */
INL __m256i widen_twice(uint32_t low, uint32_t high)
{
    __m128i v = _mm_cvtsi64_si128((long long)(low | (uint64_t)high << 32));
    return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(v, v));
}

INL void head_q5_k(struct head *h, const uint8_t *p)
{
    uint32_t a = load_u32(p + 4), b = load_u32(p + 8), c = load_u32(p + 12);
    h->scale = widen_twice(a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 6 & 0x03030303) << 4);
    h->min = widen_twice(b & 0x3f3f3f3f, (c >> 4 & 0x0f0f0f0f) | (b >> 6 & 0x03030303) << 4);
    h->high = load256(p + 16);
}

/* Eight scales + 32, six bits: the low four in nibbles, the high two in a word. */
INL __m256i scales_iq4_xs(const uint8_t *p)
{
    const __m256i shift = _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14);
    __m256i top = _mm256_srlv_epi32(_mm256_set1_epi32(load_u16(p + 2)), shift);
    top = _mm256_slli_epi32(_mm256_and_si256(top, _mm256_set1_epi32(3)), 4);
    return _mm256_or_si256(nibbles_of(load_u32(p + 4)), top);
}

INL void head_iq4_xs(struct head *h, const uint8_t *p)
{
    h->scale = _mm256_sub_epi16(twice(scales_iq4_xs(p)), _mm256_set1_epi16(32));
}

INL void load_head(struct head *h, const enum block_type t, const uint8_t *p)
{
    switch (t) {
    case TYPE_Q2_K:
        head_q2_k(h, p);
        break;
    case TYPE_Q3_K:
        head_q3_k(h, p);
        break;
    case TYPE_Q5_K:
        head_q5_k(h, p);
        break;
    case TYPE_IQ4_XS:
        head_iq4_xs(h, p);
        break;
    case TYPE_IQ3_S:
        head_iq3_s(h, p);
        break;
    case TYPE_IQ3_XXS:
        head_iq3_xxs(h, p);
        break;
    case TYPE_IQ2_S:
        head_iq2_s(h, p);
        break;
    case TYPE_IQ2_XS:
        head_iq2_xs(h, p);
        break;
    case TYPE_IQ2_XXS:
        head_iq2_xxs(h, p);
        break;
    case TYPE_IQ1_S:
        head_iq1_s(h, p);
        break;
    case TYPE_IQ1_M:
        head_iq1_m(h, p);
        break;
    default: /* tq1_0, tq2_0 */
        h->scale = _mm256_set1_epi16(1);
        break;
    }
}

/* The scale of a step, as f16 bits. */
INL uint16_t load_d(const enum block_type t, const uint8_t *p)
{
    return t == TYPE_IQ1_M ? d_iq1_m(p) : load_u16(p + k_type(t).d);
}

/* The scales of a step of four rows, rs bytes apart, with the factor of the type. */
INL __m128 load_d4(const enum block_type t, const uint8_t *p, size_t rs)
{
    const uint64_t halves = load_d(t, p) | (uint64_t)load_d(t, p + rs) << 16 | (uint64_t)load_d(t, p + 2 * rs) << 32 |
                            (uint64_t)load_d(t, p + 3 * rs) << 48;
    return _mm_mul_ps(_mm_cvtph_ps(_mm_cvtsi64_si128((long long)halves)), _mm_set1_ps(k_type(t).factor));
}

/* ---- codes ---- */

INL struct codes codes_q5_k(const uint8_t *p, const int j, __m256i high)
{
    __m256i w = load256(p + 48 + 32 * (j / 2));
    return (struct codes){.u = _mm256_or_si256(and8(j % 2 ? _mm256_srli_epi16(w, 4) : w, 15), move_bit(high, j, 4))};
}

INL struct codes codes_iq4_xs(const uint8_t *p)
{
    const __m256i table = _mm256_broadcastsi128_si256(load128(codes_iq4_nl));
    __m128i w = load128(p);
    __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(w), _mm_srli_epi16(w, 4), 1);
    return (struct codes){.u = _mm256_shuffle_epi8(table, and8(both, 15))};
}

/* Trit k of the five of each byte, 0..2: the byte is ceil(256 / 243 * number), so the rest after k trits is the byte times 3^k modulo
 * 256, and the next trit is 3 rest / 256. */
INL __m256i trit_of_rest(__m256i rest)
{
    __m256i one = _mm256_cmpeq_epi8(_mm256_max_epu8(rest, _mm256_set1_epi8(86)), rest);
    __m256i two = _mm256_cmpeq_epi8(_mm256_max_epu8(rest, _mm256_set1_epi8((char)171)), rest);
    return _mm256_sub_epi8(_mm256_setzero_si256(), _mm256_add_epi8(one, two));
}

INL __m256i times_power(__m256i v, const int k)
{
    UNROLL for (int i = 0; i < k; i++) v = _mm256_add_epi8(v, _mm256_add_epi8(v, v));
    return v;
}

/* 32 bytes of five trits, 16 bytes of five, 4 bytes of four. */
INL struct codes codes_tq1_0(const uint8_t *p, const int j)
{
    if (j < 5)
        return (struct codes){.u = trit_of_rest(times_power(load256(p), j))};
    __m256i w = _mm256_broadcastsi128_si256(load128(p + 32));
    __m256i low = times_power(w, 2 * (j - 5)), high = times_power(low, 1);
    if (j == 7) {
        const __m256i power = _mm256_broadcastsi128_si256(_mm_setr_epi16(1, 1, 3, 3, 9, 9, 27, 27));
        __m256i four = broadcast32(p + 48);
        __m256i odd = _mm256_slli_epi16(_mm256_mullo_epi16(_mm256_srli_epi16(four, 8), power), 8);
        high = _mm256_blendv_epi8(_mm256_mullo_epi16(four, power), odd, _mm256_set1_epi16((short)0xff00));
    }
    return (struct codes){.u = trit_of_rest(_mm256_blend_epi32(low, high, 0xf0))};
}

INL struct codes with_signs(const struct head *h, const int j, __m256i magnitudes)
{
    return (struct codes){magnitudes, signs_of_bits(h->negative + j)};
}

INL struct codes load_codes(const enum block_type t, const uint8_t *p, const int j, const struct head *h)
{
    switch (t) {
    case TYPE_Q2_K:
        return (struct codes){.u = two_bits(p + 16 + 32 * (j / 4), j % 4)};
    case TYPE_Q3_K:
        return (struct codes){.u = _mm256_or_si256(two_bits(p + 32 + 32 * (j / 4), j % 4), move_bit(h->high, j, 2))};
    case TYPE_Q5_K:
        return codes_q5_k(p, j, h->high);
    case TYPE_IQ4_XS:
        return codes_iq4_xs(p + 8 + 16 * j);
    case TYPE_IQ3_S:
        return with_signs(h, j, cells_iq3_s(h->index + 8 * j));
    case TYPE_IQ3_XXS:
        return with_signs(h, j, cells_iq3_xxs(p + 2 + 8 * j));
    case TYPE_IQ2_S:
        return with_signs(h, j, cells_iq2_s(p + 2 + 4 * j, p[66 + j]));
    case TYPE_IQ2_XS:
        return with_signs(h, j, cells_iq2_xs(p + 2 + 8 * j));
    case TYPE_IQ2_XXS:
        return with_signs(h, j, cells_iq2_xxs(p + 2 + 8 * j));
    case TYPE_IQ1_S:
        return (struct codes){.u = codes_iq1_s(p + 2 + 4 * j, load_u16(p + 34 + 2 * j))};
    case TYPE_IQ1_M:
        return (struct codes){.u = codes_iq1_m(p + 4 * j, load_u16(p + 32 + 2 * j))};
    case TYPE_TQ1_0:
        return codes_tq1_0(p, j);
    default: /* tq2_0 */
        return (struct codes){.u = two_bits(p + 32 * (j / 4), j % 4)};
    }
}

#endif
