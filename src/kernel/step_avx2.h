/* A step of 256 weights of the x256 family in AVX2 registers, decoded to the integers of unpack.h. A type is a row of k_type(), a
 * case of load_head() and a case of load_codes(); products (dot_k.h) and lines for tiles (unpack_avx2.c) are loops over these. The
 * type is a constant everywhere, so every case folds. AVX-512 uses this header as well.
 *
 *   head    int16 scale[16], min[16] of sixteen values each; the signs of grids
 *   codes j  u, sign: values 32 j .. 32 j + 31. Without signs: u is the code + the type's zero point, at most 127. With signs: u is
 *            the magnitude, at most 127, and the code is u where the byte of sign is above 0, -u where it is below; never 0 there.
 *
 * Every load lies inside its block. The layouts are drawn in format/decode_k.c and format/decode_iq.c. */
#ifndef KERNEL_STEP_AVX2_H
#define KERNEL_STEP_AVX2_H

#include "format/grids.h"
#include "kernel/simd_avx2.h"
#include "kernel/unpack.h"

struct k_type {
    int zero_point, has_signs, has_min;
    size_t d, dmin; /* where the block has them, f16 */
    float factor;   /* of d */
};

INL struct k_type k_type(const enum block_type t)
{
    switch (t) {
    case TYPE_Q2_K:
        return (struct k_type){0, 0, 1, 80, 82, 1};
    case TYPE_Q3_K:
        return (struct k_type){4, 0, 0, 108, 0, 1};
    default: /* TYPE_Q5_K */
        return (struct k_type){0, 0, 1, 0, 2, 1};
    }
}

struct head {
    __m256i scale, min, high;
};

struct codes {
    __m256i u, sign;
};

INL __m256i and8(__m256i v, int mask) { return _mm256_and_si256(v, _mm256_set1_epi8((char)mask)); }

/* Bit `from` of each byte, moved to bit `to`; the others 0. */
INL __m256i move_bit(__m256i v, const int from, const int to)
{
    return and8(from < to ? _mm256_slli_epi16(v, to - from) : _mm256_srli_epi16(v, from - to), 1 << to);
}

/* Two bits of each of 32 bytes, from bit 2 i on. */
INL __m256i two_bits(const uint8_t *p, const int i) { return and8(_mm256_srli_epi16(load256(p), 2 * i), 3); }

/* ---- heads ---- */

INL struct head head_q2_k(const uint8_t *p)
{
    const __m128i m4 = _mm_set1_epi8(15);
    __m128i both = load128(p);
    return (struct head){.scale = _mm256_cvtepu8_epi16(_mm_and_si128(both, m4)),
                         .min = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(both, 4), m4))};
}

/* Twelve bytes behind the codes: dwords a b c. Scale 4 i + j: low four bits in byte j of a, b, a >> 4, b >> 4; the high two in byte j
 * of c >> 2 i. */
INL struct head head_q3_k(const uint8_t *p)
{
    __m128i abc = load128(p + 92);
    __m128i low = _mm_srlv_epi32(_mm_shuffle_epi32(abc, 0x99), _mm_setr_epi32(0, 0, 4, 4));
    __m128i top = _mm_srlv_epi32(_mm_shuffle_epi32(abc, 0xff), _mm_setr_epi32(0, 2, 4, 6));
    low = _mm_and_si128(low, _mm_set1_epi8(15));
    top = _mm_slli_epi16(_mm_and_si128(top, _mm_set1_epi8(3)), 4);
    return (struct head){
        .scale = _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_or_si128(low, top)), _mm256_set1_epi16(32)),
        .high = load256(p),
    };
}

/* Eight bytes as sixteen int16, each of them twice. */
INL __m256i widen_twice(uint32_t low, uint32_t high)
{
    __m128i v = _mm_cvtsi64_si128((long long)(low | (uint64_t)high << 32));
    return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(v, v));
}

INL struct head head_q5_k(const uint8_t *p)
{
    uint32_t a = load_u32(p + 4), b = load_u32(p + 8), c = load_u32(p + 12);
    return (struct head){
        .scale = widen_twice(a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 6 & 0x03030303) << 4),
        .min = widen_twice(b & 0x3f3f3f3f, (c >> 4 & 0x0f0f0f0f) | (b >> 6 & 0x03030303) << 4),
        .high = load256(p + 16),
    };
}

INL struct head load_head(const enum block_type t, const uint8_t *p)
{
    switch (t) {
    case TYPE_Q2_K:
        return head_q2_k(p);
    case TYPE_Q3_K:
        return head_q3_k(p);
    default:
        return head_q5_k(p);
    }
}

/* ---- codes ---- */

INL struct codes codes_q5_k(const uint8_t *p, const int j, __m256i high)
{
    __m256i w = load256(p + 48 + 32 * (j / 2));
    return (struct codes){_mm256_or_si256(and8(j % 2 ? _mm256_srli_epi16(w, 4) : w, 15), move_bit(high, j, 4)), w};
}

INL struct codes load_codes(const enum block_type t, const uint8_t *p, const int j, const struct head *h)
{
    switch (t) {
    case TYPE_Q2_K:
        return (struct codes){.u = two_bits(p + 16 + 32 * (j / 4), j % 4)};
    case TYPE_Q3_K:
        return (struct codes){.u = _mm256_or_si256(two_bits(p + 32 + 32 * (j / 4), j % 4), move_bit(h->high, j, 2))};
    default:
        return codes_q5_k(p, j, h->high);
    }
}

#endif
