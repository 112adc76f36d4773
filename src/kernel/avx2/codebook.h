/* The codebook types' part of avx2/step.h. Cells of grids come by scalar loads, four or eight to a register; signs and scales of a whole
 * step by vectors. */
#ifndef KERNEL_AVX2_CODEBOOK_H
#define KERNEL_AVX2_CODEBOOK_H

#include "format/grids.h"
#include "kernel/avx2/simd.h"

struct head {
    __m256i scale, min, high;
    uint32_t negative[8]; /* bit i of word j: value 32 j + i is negative */
    uint16_t index[64];   /* iq3_s: cells of its grid */
};

INL __m256i and8(__m256i v, int mask) { return _mm256_and_si256(v, _mm256_set1_epi8((char)mask)); }

/* ---- scales: 2 s + 1 ---- */

INL __m256i odd16(__m256i s) { return _mm256_add_epi16(_mm256_add_epi16(s, s), _mm256_set1_epi16(1)); }

/* Eight dwords below 2^16, as sixteen int16, each of them twice. */
INL __m256i twice(__m256i v) { return _mm256_or_si256(v, _mm256_slli_epi32(v, 16)); }

/* Eight fields of four bits. */
INL __m256i nibbles_of(uint32_t v)
{
    const __m256i shift = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    return _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32((int)v), shift), _mm256_set1_epi32(15));
}

/* Sixteen nibbles of eight bytes. */
INL __m256i odd_nibbles(const uint8_t *p)
{
    const __m128i m4 = _mm_set1_epi8(15);
    __m128i v = _mm_loadl_epi64((const __m128i *)p);
    v = _mm_unpacklo_epi8(_mm_and_si128(v, m4), _mm_and_si128(_mm_srli_epi16(v, 4), m4));
    return odd16(_mm256_cvtepu8_epi16(v));
}

/* ---- signs ---- */

/* Seven signs in each byte: the eighth makes their number even. */
INL __m256i eighth_sign(__m256i seven)
{
    /* 0x80 for a nibble with an odd number of bits */
    const __m256i odd = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0));
    __m256i low = _mm256_shuffle_epi8(odd, and8(seven, 15));
    __m256i high = _mm256_shuffle_epi8(odd, and8(_mm256_srli_epi16(seven, 4), 15));
    return _mm256_or_si256(seven, _mm256_xor_si256(low, high));
}

/* Four times seven signs in the low bits of each dword. */
INL __m256i signs_of_28(__m256i v)
{
    __m256i s = _mm256_and_si256(v, _mm256_set1_epi32(0x7f));
    s = _mm256_or_si256(s, _mm256_and_si256(_mm256_slli_epi32(v, 1), _mm256_set1_epi32(0x7f00)));
    s = _mm256_or_si256(s, _mm256_and_si256(_mm256_slli_epi32(v, 2), _mm256_set1_epi32(0x7f0000)));
    s = _mm256_or_si256(s, _mm256_and_si256(_mm256_slli_epi32(v, 3), _mm256_set1_epi32(0x7f000000)));
    return eighth_sign(s);
}

/* The signs of 32 values, and giving them to as many bytes. */
#if defined(__AVX512BW__)
typedef __mmask32 signs_t;

INL signs_t signs_of_bits(const uint32_t *bits) { return _cvtu32_mask32(*bits); }
INL __m256i give_signs(__m256i v, signs_t s) { return _mm256_mask_sub_epi8(v, s, _mm256_setzero_si256(), v); }
#else
typedef __m256i signs_t; /* bytes below and above 0 */

INL signs_t signs_of_bits(const uint32_t *bits)
{
    const __m256i bytes = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(broadcast32(bits), bytes), bit);
    return _mm256_or_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(1));
}

INL __m256i give_signs(__m256i v, signs_t s) { return _mm256_sign_epi8(v, s); }
#endif

struct codes {
    __m256i u;
    signs_t signs;
};

INL void put_signs(struct head *h, __m256i bits) { _mm256_storeu_si256((__m256i *)h->negative, bits); }

/* ---- heads ---- */

/* Four times seven signs and a scale in four bits: iq2_xxs has one behind each four indices, iq3_xxs eight in a row. */
INL void head_of_rest(struct head *h, __m256i rest)
{
    h->scale = odd16(twice(_mm256_srli_epi32(rest, 28)));
    put_signs(h, signs_of_28(rest));
}

INL void head_iq2_xxs(struct head *h, const uint8_t *p)
{
    __m256 a = _mm256_castsi256_ps(load256(p + 2)), b = _mm256_castsi256_ps(load256(p + 34));
    __m256i second = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
    head_of_rest(h, _mm256_permute4x64_epi64(second, 0xd8));
}

INL void head_iq3_xxs(struct head *h, const uint8_t *p) { head_of_rest(h, load256(p + 66)); }

INL void head_iq2_xs(struct head *h, const uint8_t *p)
{
    __m256i a = _mm256_srli_epi16(load256(p + 2), 9), b = _mm256_srli_epi16(load256(p + 34), 9);
    h->scale = odd_nibbles(p + 66);
    put_signs(h, eighth_sign(_mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8)));
}

INL void head_iq2_s(struct head *h, const uint8_t *p)
{
    h->scale = odd_nibbles(p + 74);
    put_signs(h, load256(p + 34));
}

/* 64 indices: eight bits in bytes at p, their ninth in the bits at `ninth`. */
INL void indices_of_9(struct head *h, const uint8_t *p, const uint8_t *ninth)
{
    const __m256i bit = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
    UNROLL for (int i = 0; i < 64; i += 16)
    {
        __m256i v = _mm256_and_si256(_mm256_set1_epi16((short)load_u16(ninth + i / 8)), bit);
        v = _mm256_and_si256(_mm256_cmpeq_epi16(v, bit), _mm256_set1_epi16(256));
        v = _mm256_or_si256(v, _mm256_cvtepu8_epi16(load128(p + i)));
        _mm256_storeu_si256((__m256i *)(h->index + i), v);
    }
}

INL void head_iq3_s(struct head *h, const uint8_t *p)
{
    __m256i s = nibbles_of(load_u32(p + 106));
    h->scale = odd16(twice(s));
    put_signs(h, load256(p + 74));
    indices_of_9(h, p + 2, p + 66);
}

INL void head_iq1_s(struct head *h, const uint8_t *p)
{
    __m128i s = _mm_and_si128(_mm_srli_epi16(load128(p + 34), 12), _mm_set1_epi16(7));
    h->scale = odd16(_mm256_set_m128i(_mm_unpackhi_epi16(s, s), _mm_unpacklo_epi16(s, s)));
}

/* Four words of four scales each: each scale is moved to the top of a word of its own. */
INL void head_iq1_m(struct head *h, const uint8_t *p)
{
    const __m256i to_top = _mm256_set1_epi64x(0x0010008004002000);
    __m128i words = _mm_loadl_epi64((const __m128i *)(p + 48));
    words = _mm_unpacklo_epi16(words, words);
    __m256i s = _mm256_set_m128i(_mm_unpackhi_epi32(words, words), _mm_unpacklo_epi32(words, words));
    h->scale = odd16(_mm256_srli_epi16(_mm256_mullo_epi16(s, to_top), 13));
}

/* d of iq1_m: the top four bits of each word of scales. */
INL uint16_t d_iq1_m(const uint8_t *p)
{
    return (uint16_t)(load_u16(p + 48) >> 12 | (load_u16(p + 50) >> 12) << 4 | (load_u16(p + 52) >> 12) << 8 |
                      (load_u16(p + 54) >> 12) << 12);
}

/* ---- codes ---- */

INL __m256i four_cells(const uint64_t *grid, unsigned a, unsigned b, unsigned c, unsigned d)
{
#if defined(__AVX512VL__)
    __m256i v = _mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *)(grid + a)));
    v = _mm256_mask_broadcastq_epi64(v, 2, _mm_loadl_epi64((const __m128i *)(grid + b)));
    v = _mm256_mask_broadcastq_epi64(v, 4, _mm_loadl_epi64((const __m128i *)(grid + c)));
    return _mm256_mask_broadcastq_epi64(v, 8, _mm_loadl_epi64((const __m128i *)(grid + d)));
#else
    return _mm256_set_epi64x((long long)grid[d], (long long)grid[c], (long long)grid[b], (long long)grid[a]);
#endif
}

/* The same by indices of more than eight bits: the low eight in bytes at p, the `bits` (a constant) above them in `high`. */
INL __m256i four_cells_of(const uint64_t *grid, const uint8_t *p, unsigned high, const int bits)
{
    const unsigned mask = (1u << bits) - 1;
#if defined(__BMI2__) /* with AVX-512: Zen 1 and 2, which have none, take tens of cycles for a pdep */
    const uint64_t v = _pdep_u64(load_u32(p), 0x00ff00ff00ff00ff) | _pdep_u64(high, 0x0100010001000100 * mask);
    return four_cells(grid, (uint16_t)v, (uint16_t)(v >> 16), (uint16_t)(v >> 32), (unsigned)(v >> 48));
#else
    return four_cells(grid, p[0] | (high & mask) << 8, p[1] | (high >> bits & mask) << 8,
                      p[2] | (high >> 2 * bits & mask) << 8, p[3] | (high >> 3 * bits & mask) << 8);
#endif
}

INL __m256i eight_cells(const uint32_t v[8])
{
    return _mm256_setr_epi32((int)v[0], (int)v[1], (int)v[2], (int)v[3], (int)v[4], (int)v[5], (int)v[6], (int)v[7]);
}

INL __m256i cells_iq3_s(const uint16_t *index)
{
    uint32_t v[8];
    UNROLL for (int i = 0; i < 8; i++) v[i] = grid_iq3_s[index[i]];
    return eight_cells(v);
}

INL __m256i cells_iq3_xxs(const uint8_t *index)
{
    uint32_t v[8];
    UNROLL for (int i = 0; i < 8; i++) v[i] = grid_iq3_xxs[index[i]];
    return eight_cells(v);
}

INL __m256i cells_iq2_xxs(const uint8_t *p) { return four_cells(grid_iq2_xxs, p[0], p[1], p[2], p[3]); }

INL __m256i cells_iq2_xs(const uint8_t *p)
{
    return four_cells(grid_iq2_xs, load_u16(p) & 511, load_u16(p + 2) & 511, load_u16(p + 4) & 511,
                      load_u16(p + 6) & 511);
}

INL __m256i cells_iq2_s(const uint8_t *p, unsigned high) { return four_cells_of(grid_iq2_s, p, high, 2); }

enum { IQ1_ZERO_POINT = 16 };

/* Eighths: 8 times each trit, with the bytes of delta, the step of 1 or -1 + the zero point. */
INL __m256i eighths(__m256i trits, __m256i delta)
{
    return _mm256_add_epi8(and8(_mm256_slli_epi16(trits, 3), 0xf8), delta);
}

INL __m256i codes_iq1_s(const uint8_t *p, unsigned rest)
{
    const __m256i trits = four_cells_of(grid_iq1, p, rest, 3);
    return eighths(trits, _mm256_set1_epi8((char)(IQ1_ZERO_POINT + 1 - (int)(rest >> 15) * 2)));
}

/* Four bits a cell: three of its index, and the sign of its delta. */
INL __m256i codes_iq1_m(const uint8_t *p, unsigned rest)
{
    const __m256i sign = _mm256_setr_epi64x(0x0008000800080008, 0x0080008000800080, 0x0800080008000800,
                                            (long long)0x8000800080008000);
    const __m256i down = _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16((short)rest), sign), sign);
    const __m256i trits = four_cells_of(grid_iq1, p, rest & 0x7777, 4);
    return eighths(trits, _mm256_add_epi8(_mm256_set1_epi8(IQ1_ZERO_POINT + 1), and8(down, -2)));
}

#endif
