/* A step of 256 weights of the x256 family in NEON registers, decoded to the integers of unpack.h. A type is a row of k_type(), a case
 * of load_head() and a case of load_codes(); products (dot.c) and panels for tiles (unpack.c) are loops over these. The type is a
 * constant everywhere, so every case folds.
 *
 *   head      what is decoded once a step: int16 scales and minima, one a group of sub values, ascending; high bits
 *   codes j   values 32 j .. 32 j + 31, signed
 *
 * Every load lies inside its block. The layouts are drawn in format/decode_k.c and format/decode_iq.c. */
#ifndef KERNEL_NEON_STEP_H
#define KERNEL_NEON_STEP_H

#include "kernel/neon/codebook.h"
#include "kernel/unpack.h"

struct k_type {
    int sub, has_min;
    size_t d, dmin; /* where the block has them, f16 */
    float factor;   /* of d */
};

INL struct k_type k_type(const enum block_type t)
{
    switch (t) {
    case TYPE_Q2_K:
        return (struct k_type){.sub = 16, .has_min = 1, .d = 80, .dmin = 82, .factor = 1};
    case TYPE_Q3_K:
        return (struct k_type){.sub = 16, .d = 108, .factor = 1};
    case TYPE_Q4_K:
    case TYPE_Q5_K:
        return (struct k_type){.sub = 32, .has_min = 1, .d = 0, .dmin = 2, .factor = 1};
    case TYPE_Q6_K:
        return (struct k_type){.sub = 16, .d = 208, .factor = 1};
    case TYPE_TQ1_0:
        return (struct k_type){.sub = 32, .d = 52, .factor = 1};
    case TYPE_TQ2_0:
        return (struct k_type){.sub = 32, .d = 64, .factor = 1};
    case TYPE_IQ3_XXS:
        return (struct k_type){.sub = 32, .factor = 0.25f};
    case TYPE_IQ4_XS:
    case TYPE_IQ3_S:
        return (struct k_type){.sub = 32, .factor = 1};
    case TYPE_IQ2_XXS:
    case TYPE_IQ1_S:
        return (struct k_type){.sub = 32, .factor = 0.125f};
    default: /* iq2_xs, iq2_s, iq1_m, whose d is d_iq1_m() */
        return (struct k_type){.sub = 16, .factor = 0.125f};
    }
}

/* Two bits of each of 32 bytes, from bit 2 i on. */
INL uint8x16x2_t two_bits(const uint8_t *p, const int i) { return and32(shift32(load32(p), -2 * i), 3); }

/* Four bits of each of 32 bytes: the low ones, or the high ones. */
INL uint8x16x2_t half_bytes(const uint8_t *p, const int high) { return and32(shift32(load32(p), -4 * high), 15); }

/* ---- heads ---- */

/* Sixteen bytes, not negative, as int16. */
INL void widen_u8(int16x8_t to[2], uint8x16_t v)
{
    to[0] = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(v)));
    to[1] = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(v)));
}

INL void head_q2_k(struct head *h, const uint8_t *p)
{
    uint8x16_t both = vld1q_u8(p);
    widen_u8(h->scale, vandq_u8(both, vdupq_n_u8(15)));
    widen_u8(h->min, vshrq_n_u8(both, 4));
}

/* Twelve bytes behind the codes: dwords a b c. Scale 4 i + j: low four bits in byte j of a, b, a >> 4, b >> 4; the high two in byte j
 * of c >> 2 i. */
INL void head_q3_k(struct head *h, const uint8_t *p)
{
    static const int32_t right[4] = {0, -2, -4, -6};
    uint8x8_t ab = vld1_u8(p + 96);
    uint8x16_t low = vcombine_u8(vand_u8(ab, vdup_n_u8(15)), vshr_n_u8(ab, 4));
    uint8x16_t top = vreinterpretq_u8_u32(vshlq_u32(vdupq_n_u32(load_u32(p + 104)), vld1q_s32(right)));
    widen_u8(h->scale, vorrq_u8(low, vshlq_n_u8(vandq_u8(top, vdupq_n_u8(3)), 4)));
    h->scale[0] = vsubq_s16(h->scale[0], vdupq_n_s16(32));
    h->scale[1] = vsubq_s16(h->scale[1], vdupq_n_s16(32));
    h->high = load32(p);
}

/* Eight bytes as int16. */
INL int16x8_t widen8(uint32_t low, uint32_t high)
{
    return vreinterpretq_s16_u16(vmovl_u8(vcreate_u8(low | (uint64_t)high << 32)));
}

/* Twelve bytes of 6-bit scales and minima, of q4_k and q5_k. */
INL void head_q45_k(struct head *h, const uint8_t *p)
{
    uint32_t a = load_u32(p + 4), b = load_u32(p + 8), c = load_u32(p + 12);
    h->scale[0] = widen8(a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 6 & 0x03030303) << 4);
    h->min[0] = widen8(b & 0x3f3f3f3f, (c >> 4 & 0x0f0f0f0f) | (b >> 6 & 0x03030303) << 4);
}

INL void head_q6_k(struct head *h, const uint8_t *p)
{
    int8x16_t v = vreinterpretq_s8_u8(vld1q_u8(p + 192));
    h->scale[0] = vmovl_s8(vget_low_s8(v));
    h->scale[1] = vmovl_s8(vget_high_s8(v));
}

/* Six bits: the low four in nibbles, the high two in a word. */
INL void head_iq4_xs(struct head *h, const uint8_t *p)
{
    static const int16_t right[8] = {0, -2, -4, -6, -8, -10, -12, -14};
    uint16x8_t top = vandq_u16(vshlq_u16(vdupq_n_u16(load_u16(p + 2)), vld1q_s16(right)), vdupq_n_u16(3));
    uint16x8_t s = vorrq_u16(vmovl_u8(nibbles_of(load_u32(p + 4))), vshlq_n_u16(top, 4));
    h->scale[0] = vsubq_s16(vreinterpretq_s16_u16(s), vdupq_n_s16(32));
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
    case TYPE_Q4_K:
        head_q45_k(h, p);
        break;
    case TYPE_Q5_K:
        head_q45_k(h, p);
        h->high = load32(p + 16);
        break;
    case TYPE_Q6_K:
        head_q6_k(h, p);
        break;
    case TYPE_IQ4_XS:
        head_iq4_xs(h, p);
        break;
    case TYPE_IQ3_S:
        h->scale[0] = odd16(nibbles_of(load_u32(p + 106)));
        break;
    case TYPE_IQ3_XXS:
        h->scale[0] = top_nibbles(p + 66, 1);
        break;
    case TYPE_IQ2_S:
        odd_nibbles(h->scale, p + 74);
        break;
    case TYPE_IQ2_XS:
        odd_nibbles(h->scale, p + 66);
        break;
    case TYPE_IQ2_XXS:
        h->scale[0] = top_nibbles(p + 2, 2);
        break;
    case TYPE_IQ1_S:
        h->scale[0] = scales_iq1_s(p + 34);
        break;
    case TYPE_IQ1_M:
        scales_iq1_m(h->scale, p + 48);
        break;
    default: /* tq1_0, tq2_0 */
        h->scale[0] = vdupq_n_s16(1);
        break;
    }
}

/* The scale of a step. */
INL float load_d(const enum block_type t, const uint8_t *p)
{
    return f16_to_f32(t == TYPE_IQ1_M ? d_iq1_m(p) : load_u16(p + k_type(t).d)) * k_type(t).factor;
}

/* ---- codes ---- */

/* v - zero in every byte. */
INL codes_t minus(uint8x16x2_t v, const int zero)
{
    const int8x16_t z = vdupq_n_s8((int8_t)zero);
    return (codes_t){{vsubq_s8(vreinterpretq_s8_u8(v.val[0]), z), vsubq_s8(vreinterpretq_s8_u8(v.val[1]), z)}};
}

INL codes_t codes_q3_k(const uint8_t *p, const int j, uint8x16x2_t high)
{
    return minus(or32(two_bits(p + 32 + 32 * (j / 4), j % 4), and32(shift32(high, 2 - j), 4)), 4);
}

INL codes_t codes_q5_k(const uint8_t *p, const int j, uint8x16x2_t high)
{
    return minus(or32(half_bytes(p + 48 + 32 * (j / 2), j % 2), and32(shift32(high, 4 - j), 16)), 0);
}

INL codes_t codes_q6_k(const uint8_t *p, const int c, const int r)
{
    uint8x16x2_t low = half_bytes(p + 64 * c + 32 * (r % 2), r / 2), high = load32(p + 128 + 32 * c);
    return minus(or32(low, and32(shift32(high, 4 - 2 * r), 0x30)), 32);
}

INL codes_t codes_iq4_xs(const uint8_t *p)
{
    const int8x16_t table = vld1q_s8(codes_iq4_nl);
    uint8x16_t w = vld1q_u8(p);
    return (codes_t){{vqtbl1q_s8(table, vandq_u8(w, vdupq_n_u8(15))), vqtbl1q_s8(table, vshrq_n_u8(w, 4))}};
}

/* The next trit of what is left of a byte, - 1: the byte is ceil(256 / 243 * number), so the rest after k trits is the byte times 3^k
 * modulo 256, and the next trit is 3 rest / 256. */
INL int8x16_t trit_of_rest(uint8x16_t rest)
{
    int8x16_t one = vreinterpretq_s8_u8(vcgeq_u8(rest, vdupq_n_u8(86)));
    int8x16_t two = vreinterpretq_s8_u8(vcgeq_u8(rest, vdupq_n_u8(171)));
    return vsubq_s8(vdupq_n_s8(-1), vaddq_s8(one, two));
}

/* 32 bytes of five trits, 16 bytes of five, 4 bytes of four. */
INL codes_t codes_tq1_0(const uint8_t *p, const int j)
{
    static const uint8_t pow3[5] = {1, 3, 9, 27, 81},
                         of_four[16] = {1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27};
    uint8x16_t a, b;
    if (j < 5) {
        a = vmulq_u8(vld1q_u8(p), vdupq_n_u8(pow3[j]));
        b = vmulq_u8(vld1q_u8(p + 16), vdupq_n_u8(pow3[j]));
    } else {
        a = vmulq_u8(vld1q_u8(p + 32), vdupq_n_u8(pow3[2 * j - 10]));
        b = j < 7 ? vmulq_u8(vld1q_u8(p + 32), vdupq_n_u8(pow3[2 * j - 9]))
                  : vmulq_u8(vreinterpretq_u8_u32(vdupq_n_u32(load_u32(p + 48))), vld1q_u8(of_four));
    }
    return (codes_t){{trit_of_rest(a), trit_of_rest(b)}};
}

INL codes_t load_codes(const enum block_type t, const uint8_t *p, const int j, const struct head *h)
{
    switch (t) {
    case TYPE_Q2_K:
        return minus(two_bits(p + 16 + 32 * (j / 4), j % 4), 0);
    case TYPE_Q3_K:
        return codes_q3_k(p, j, h->high);
    case TYPE_Q4_K:
        return minus(half_bytes(p + 16 + 32 * (j / 2), j % 2), 0);
    case TYPE_Q5_K:
        return codes_q5_k(p, j, h->high);
    case TYPE_Q6_K:
        return codes_q6_k(p, j / 4, j % 4);
    case TYPE_IQ4_XS:
        return codes_iq4_xs(p + 8 + 16 * j);
    case TYPE_IQ3_S:
        return with_signs(cells_of_four(grid_iq3_s, p + 2 + 8 * j, p[66 + j]), load_u32(p + 74 + 4 * j));
    case TYPE_IQ3_XXS:
        return with_signs(cells_of_four(grid_iq3_xxs, p + 2 + 8 * j, 0), signs_of_28(load_u32(p + 66 + 4 * j)));
    case TYPE_IQ2_S:
        return with_signs(cells_iq2_s(p + 2 + 4 * j, p[66 + j]), load_u32(p + 34 + 4 * j));
    case TYPE_IQ2_XS:
        return codes_iq2_xs(p + 2 + 8 * j);
    case TYPE_IQ2_XXS:
        return with_signs(cells_iq2_xxs(p + 2 + 8 * j), signs_of_28(load_u32(p + 6 + 8 * j)));
    case TYPE_IQ1_S:
        return codes_iq1_s(p + 2 + 4 * j, load_u16(p + 34 + 2 * j));
    case TYPE_IQ1_M:
        return codes_iq1_m(p + 4 * j, load_u16(p + 32 + 2 * j));
    case TYPE_TQ1_0:
        return codes_tq1_0(p, j);
    default: /* tq2_0 */
        return minus(two_bits(p + 32 * (j / 4), j % 4), 1);
    }
}

#endif
