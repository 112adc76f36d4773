/* Blocks of the x32 family in NEON registers, for dots and tiles; small_block.h says where things lie. */
#ifndef KERNEL_NEON_SMALL_H
#define KERNEL_NEON_SMALL_H

#include "kernel/neon/step.h"
#include "kernel/small_block.h"

/* 32 nibbles: the low ones of 16 bytes, then the high ones. */
INL uint8x16x2_t nibbles(const uint8_t *p)
{
    uint8x16_t w = vld1q_u8(p);
    return (uint8x16x2_t){{vandq_u8(w, vdupq_n_u8(15)), vshrq_n_u8(w, 4)}};
}

/* 32 bits at p as 32 bytes of 0 or value. */
INL uint8x16x2_t bits_as(const uint8_t *p, const int value) { return and32(masks_of_bits(load_u32(p)), value); }

INL codes_t table_codes(const int8_t codes[16], uint8x16x2_t index)
{
    const int8x16_t table = vld1q_s8(codes);
    return (codes_t){{vqtbl1q_s8(table, index.val[0]), vqtbl1q_s8(table, index.val[1])}};
}

/* Sixteen values have eight bytes: the low nibbles, then the high ones. */
INL uint8x16x2_t nibbles_of_eights(const uint8_t *p)
{
    uint8x16x2_t v = nibbles(p);
    return (uint8x16x2_t){{vcombine_u8(vget_low_u8(v.val[0]), vget_low_u8(v.val[1])),
                           vcombine_u8(vget_high_u8(v.val[0]), vget_high_u8(v.val[1]))}};
}

/* Codes 32 part .. 32 part + 31 of the block at p. */
INL codes_t block_codes(const enum block_type t, const uint8_t *p, int part)
{
    const struct small_type k = small_type(t);
    p += k.codes;
    switch (t) {
    case TYPE_Q8_0:
        return minus(load32(p), 0);
    case TYPE_Q4_0:
    case TYPE_Q4_1:
        return minus(nibbles(p), k.zero_point);
    case TYPE_Q5_0:
    case TYPE_Q5_1:
        return minus(or32(nibbles(p), bits_as(p - 4, 16)), k.zero_point);
    case TYPE_IQ4_NL:
        return table_codes(codes_iq4_nl, nibbles(p));
    case TYPE_MXFP4:
        return table_codes(codes_e2m1, nibbles(p));
    case TYPE_NVFP4:
        return table_codes(codes_e2m1, nibbles_of_eights(p + 16 * part));
    default: /* q1_0 */
        return minus(bits_as(p + 4 * part, 2), 1);
    }
}

/* Four f16, each rs bytes from the one before. */
INL float32x4_t half4(const uint8_t *p, size_t rs)
{
    uint64_t v = load_u16(p) | (uint64_t)load_u16(p + rs) << 16 | (uint64_t)load_u16(p + 2 * rs) << 32 |
                 (uint64_t)load_u16(p + 3 * rs) << 48;
    return vcvt_f32_f16(vreinterpret_f16_u64(vcreate_u64(v)));
}

#endif
