/* The codebook types' part of neon/step.h. Cells of grids come by scalar loads, two or four to a register; signs
 * of 32 values are a word. */
#ifndef KERNEL_NEON_CODEBOOK_H
#define KERNEL_NEON_CODEBOOK_H

#include "format/grids.h"
#include "kernel/neon/simd.h"

typedef int8x16x2_t codes_t; /* 32 values, ascending */

struct head {
    int16x8_t scale[2], min[2]; /* where a group has 32 values, the first of each alone */
    uint8x16x2_t high;
};

/* ---- 32 bytes ---- */

INL uint8x16x2_t load32(const uint8_t *p) { return (uint8x16x2_t){{vld1q_u8(p), vld1q_u8(p + 16)}}; }

/* Every byte moved up by n bits, down where n is negative. */
INL uint8x16x2_t shift32(uint8x16x2_t v, const int n)
{
    const int8x16_t by = vdupq_n_s8((int8_t)n);
    return (uint8x16x2_t){{vshlq_u8(v.val[0], by), vshlq_u8(v.val[1], by)}};
}

INL uint8x16x2_t and32(uint8x16x2_t v, const int mask)
{
    const uint8x16_t m = vdupq_n_u8((uint8_t)mask);
    return (uint8x16x2_t){{vandq_u8(v.val[0], m), vandq_u8(v.val[1], m)}};
}

INL uint8x16x2_t or32(uint8x16x2_t a, uint8x16x2_t b)
{
    return (uint8x16x2_t){{vorrq_u8(a.val[0], b.val[0]), vorrq_u8(a.val[1], b.val[1])}};
}

/* ---- scales: 2 s + 1 ---- */

INL int16x8_t odd16(uint8x8_t s) { return vreinterpretq_s16_u16(vaddq_u16(vshll_n_u8(s, 1), vdupq_n_u16(1))); }

/* Eight fields of four bits. */
INL uint8x8_t nibbles_of(uint32_t v)
{
    uint8x8_t b = vcreate_u8(v);
    return vzip1_u8(vand_u8(b, vdup_n_u8(15)), vshr_n_u8(b, 4));
}

/* Sixteen nibbles of eight bytes. */
INL void odd_nibbles(int16x8_t to[2], const uint8_t *p)
{
    to[0] = odd16(nibbles_of(load_u32(p)));
    to[1] = odd16(nibbles_of(load_u32(p + 4)));
}

/* The top four bits of eight dwords: neighbours (apart 1), or the second of each pair (apart 2). */
INL int16x8_t top_nibbles(const uint8_t *p, const int apart)
{
    uint32x4_t a = vreinterpretq_u32_u8(vld1q_u8(p)), b = vreinterpretq_u32_u8(vld1q_u8(p + 16));
    if (apart == 2) {
        a = vuzp2q_u32(a, b);
        b = vuzp2q_u32(vreinterpretq_u32_u8(vld1q_u8(p + 32)), vreinterpretq_u32_u8(vld1q_u8(p + 48)));
    }
    uint16x8_t s = vcombine_u16(vmovn_u32(vshrq_n_u32(a, 28)), vmovn_u32(vshrq_n_u32(b, 28)));
    return odd16(vmovn_u16(s));
}

/* Bits 12..14 of eight words. */
INL int16x8_t scales_iq1_s(const uint8_t *p)
{
    uint16x8_t s = vandq_u16(vshrq_n_u16(vreinterpretq_u16_u8(vld1q_u8(p)), 12), vdupq_n_u16(7));
    return odd16(vmovn_u16(s));
}

/* Four words of four scales each, three bits a scale. */
INL void scales_iq1_m(int16x8_t to[2], const uint8_t *p)
{
    static const int16_t right[8] = {0, -3, -6, -9, 0, -3, -6, -9};
    for (int i = 0; i < 2; i++) {
        uint16x8_t words = vcombine_u16(vdup_n_u16(load_u16(p + 4 * i)), vdup_n_u16(load_u16(p + 4 * i + 2)));
        to[i] = odd16(vmovn_u16(vandq_u16(vshlq_u16(words, vld1q_s16(right)), vdupq_n_u16(7))));
    }
}

/* d of iq1_m: the top four bits of each word of scales. */
INL uint16_t d_iq1_m(const uint8_t *p)
{
    return (uint16_t)(load_u16(p + 48) >> 12 | (load_u16(p + 50) >> 12) << 4 | (load_u16(p + 52) >> 12) << 8 |
                      (load_u16(p + 54) >> 12) << 12);
}

/* ---- signs ---- */

/* Four times seven signs in the low bits of v: an eighth makes the number of each even. */
INL uint32_t signs_of_28(uint32_t v)
{
    uint32_t s = (v & 0x7f) | (v << 1 & 0x7f00) | (v << 2 & 0x7f0000) | (v << 3 & 0x7f000000), odd = s ^ s >> 4;
    odd ^= odd >> 2; /* bit 0 of each byte is the parity of the byte; those of other bytes reach higher bits alone */
    odd ^= odd >> 1;
    return s | (odd & 0x01010101) << 7;
}

/* 32 bits as 32 bytes of 0 or 255. */
INL uint8x16x2_t masks_of_bits(uint32_t bits)
{
    static const uint8_t byte[32] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                     2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3};
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201)),
                     all = vreinterpretq_u8_u32(vdupq_n_u32(bits));
    return (uint8x16x2_t){
        {vtstq_u8(vqtbl1q_u8(all, vld1q_u8(byte)), bit), vtstq_u8(vqtbl1q_u8(all, vld1q_u8(byte + 16)), bit)}};
}

/* Magnitudes, negative where bit i of signs is set. */
INL codes_t with_signs(uint8x16x2_t v, uint32_t signs)
{
    const uint8x16x2_t negative = masks_of_bits(signs);
    codes_t c;
    UNROLL for (int i = 0; i < 2; i++)
        c.val[i] = vreinterpretq_s8_u8(vsubq_u8(veorq_u8(v.val[i], negative.val[i]), negative.val[i]));
    return c;
}

/* ---- cells ---- */

INL uint8x16_t two_cells(uint64_t a, uint64_t b) { return vcombine_u8(vcreate_u8(a), vcreate_u8(b)); }

INL uint8x16x2_t four_cells(const uint64_t *grid, unsigned a, unsigned b, unsigned c, unsigned d)
{
    return (uint8x16x2_t){{two_cells(grid[a], grid[b]), two_cells(grid[c], grid[d])}};
}

/* Eight cells of four values: index i is byte i at p, bit i of ninth above it. */
INL uint8x16x2_t cells_of_four(const uint32_t *grid, const uint8_t *p, unsigned ninth)
{
    uint64_t v[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        unsigned low = p[2 * i] | (ninth >> 2 * i & 1) << 8, high = p[2 * i + 1] | (ninth >> (2 * i + 1) & 1) << 8;
        v[i] = grid[low] | (uint64_t)grid[high] << 32;
    }
    return (uint8x16x2_t){{two_cells(v[0], v[1]), two_cells(v[2], v[3])}};
}

INL uint8x16x2_t cells_iq2_xxs(const uint8_t *p) { return four_cells(grid_iq2_xxs, p[0], p[1], p[2], p[3]); }

INL uint8x16x2_t cells_iq2_s(const uint8_t *p, unsigned high)
{
    return four_cells(grid_iq2_s, p[0] | (high & 3) << 8, p[1] | (high & 12) << 6, p[2] | (high & 48) << 4,
                      p[3] | (high & 192) << 2);
}

/* Four words: nine bits of an index, seven signs. */
INL codes_t codes_iq2_xs(const uint8_t *p)
{
    uint32_t a = load_u16(p), b = load_u16(p + 2), c = load_u16(p + 4), d = load_u16(p + 6);
    return with_signs(four_cells(grid_iq2_xs, a & 511, b & 511, c & 511, d & 511),
                      signs_of_28(a >> 9 | b >> 9 << 7 | c >> 9 << 14 | d >> 9 << 21));
}

/* Eighths: 8 times each trit, and 1 up or down for each cell: 8 bytes of delta. */
INL codes_t eighths(uint8x16x2_t trits, uint64_t delta0, uint64_t delta1, uint64_t delta2, uint64_t delta3)
{
    const int8x16_t a = vreinterpretq_s8_u8(two_cells(delta0, delta1)),
                    b = vreinterpretq_s8_u8(two_cells(delta2, delta3));
    return (codes_t){{vaddq_s8(vshlq_n_s8(vreinterpretq_s8_u8(trits.val[0]), 3), a),
                      vaddq_s8(vshlq_n_s8(vreinterpretq_s8_u8(trits.val[1]), 3), b)}};
}

/* Eight bytes of 1, or of -1. */
INL uint64_t delta(unsigned down) { return down ? UINT64_MAX : 0x0101010101010101; }

INL codes_t codes_iq1_s(const uint8_t *p, unsigned rest)
{
    const uint64_t d = delta(rest >> 15);
    return eighths(four_cells(grid_iq1, p[0] | (rest & 7) << 8, p[1] | (rest >> 3 & 7) << 8,
                              p[2] | (rest >> 6 & 7) << 8, p[3] | (rest >> 9 & 7) << 8),
                   d, d, d, d);
}

/* Four bits a cell: three of its index, and the sign of its delta. */
INL codes_t codes_iq1_m(const uint8_t *p, unsigned rest)
{
    return eighths(four_cells(grid_iq1, p[0] | (rest & 7) << 8, p[1] | (rest >> 4 & 7) << 8,
                              p[2] | (rest >> 8 & 7) << 8, p[3] | (rest >> 12 & 7) << 8),
                   delta(rest >> 3 & 1), delta(rest >> 7 & 1), delta(rest >> 11 & 1), delta(rest >> 15));
}

#endif
