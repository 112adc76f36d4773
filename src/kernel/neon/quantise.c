/* The vectors of quantising activations, NEON: loops in kernel/quantise.h. */
#if defined(__aarch64__)
#include "kernel/neon/simd.h"
#include "kernel/tiers.h"

INL uint32_t most_bits(const float *v, const int n)
{
    const uint32x4_t magnitude = vdupq_n_u32(0x7fffffff);
    uint32x4_t a = vdupq_n_u32(0), b = a;
    for (int i = 0; i < n * 32; i += 8) {
        a = vmaxq_u32(a, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(v + i)), magnitude));
        b = vmaxq_u32(b, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(v + i + 4)), magnitude));
    }
    return vmaxvq_u32(vmaxq_u32(a, b));
}

/* Eight codes, as int16: the conversion rounds to nearest even. */
INL int16x8_t rounded(const float *v, float32x4_t inverse)
{
    int32x4_t low = vcvtnq_s32_f32(vmulq_f32(vld1q_f32(v), inverse));
    int32x4_t high = vcvtnq_s32_f32(vmulq_f32(vld1q_f32(v + 4), inverse));
    return vcombine_s16(vmovn_s32(low), vmovn_s32(high));
}

INL void put_codes(int8_t *q, const float *v, float inverse, const int n)
{
    const float32x4_t by = f32x4(inverse);
    for (int i = 0; i < n * 32; i += 16)
        vst1q_s8(q + i, vcombine_s8(vmovn_s16(rounded(v + i, by)), vmovn_s16(rounded(v + i + 8, by))));
}

INL void sums(const int8_t *q, int16_t *s16, int16_t *s32)
{
    int16x8_t two[8]; /* sums of two codes, of four, of eight, of sixteen: neighbours are added */
    for (int g = 0; g < 16; g += 8) {
        UNROLL for (int i = 0; i < 8; i++) two[i] = vpaddlq_s8(vld1q_s8(q + 16 * (g + i)));
        UNROLL for (int i = 0; i < 4; i++) two[i] = vpaddq_s16(two[2 * i], two[2 * i + 1]);
        UNROLL for (int i = 0; i < 2; i++) two[i] = vpaddq_s16(two[2 * i], two[2 * i + 1]);
        int16x8_t sixteen = vpaddq_s16(two[0], two[1]);
        vst1q_s16(s16 + g, sixteen);
        vst1_s16(s32 + g / 2, vget_low_s16(vpaddq_s16(sixteen, sixteen)));
    }
}

#include "kernel/quantise.h"

void fill_quantise_neon(struct kernels *k) { k->quantise = quantise; }

#endif
