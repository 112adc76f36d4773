/* The words that the NEON files share. The sixteen lanes of the definition are four vectors: lanes 0..3, 4..7, 8..11, 12..15.
 *
 * Maxima are chosen by comparison, as the definition writes them: the instruction for it takes NaN and the sign of 0 otherwise. */
#ifndef KERNEL_NEON_SIMD_H
#define KERNEL_NEON_SIMD_H

#include "base/half.h"
#include "kernel/inline.h"

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

INL float32x4_t f32x4(float v) { return vdupq_n_f32(v); }

/* low where it is below v, else v; NaN in v survives. And high where it is above v. */
INL float32x4_t at_most(float32x4_t v, float high) { return vbslq_f32(vcgtq_f32(v, f32x4(high)), f32x4(high), v); }
INL float32x4_t at_least(float32x4_t v, float low) { return vbslq_f32(vcltq_f32(v, f32x4(low)), f32x4(low), v); }

/* v where it is above top. */
INL float32x4_t larger(float32x4_t v, float32x4_t top) { return vbslq_f32(vcgtq_f32(v, top), v, top); }

INL float max_lane(float32x4_t v)
{
    float l[4], m;
    vst1q_f32(l, v);
    m = l[0];
    for (int i = 1; i < 4; i++)
        m = l[i] > m ? l[i] : m;
    return m;
}

/* Four f16 at p, aligned to nothing; four bf16. */
INL float32x4_t load_half(const void *p) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p))); }
INL float32x4_t load_bf16(const void *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

/* The tree of tiers.h. */
INL float tree(const float32x4_t l[4])
{
    float32x4_t t = vaddq_f32(vaddq_f32(l[0], l[2]), vaddq_f32(l[1], l[3]));
    float32x2_t pair = vadd_f32(vget_low_f32(t), vget_high_f32(t));
    return vget_lane_f32(pair, 0) + vget_lane_f32(pair, 1);
}

/* Lane i: the sum of the four lanes of v[i]. */
INL int32x4_t sums4(const int32x4_t v[4]) { return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3])); }

/* ref_expf in every lane. */
INL float32x4_t exp4(float32x4_t x)
{
    uint32x4_t zero = vcltq_f32(x, f32x4(-87.0f));
    float32x4_t y = at_most(x, 88.0f), n = vrndnq_f32(vmulq_f32(y, f32x4(0x1.715476p+0f)));
    float32x4_t r = vfmaq_f32(y, n, f32x4(-0x1.62e4p-1f));
    r = vfmaq_f32(r, n, f32x4(-0x1.7f7d1cp-20f));
    float32x4_t p = vfmaq_f32(f32x4(0x1.123a20p-7f), f32x4(0x1.6a23d0p-10f), r);
    p = vfmaq_f32(f32x4(0x1.5558f2p-5f), p, r);
    p = vfmaq_f32(f32x4(0x1.555492p-3f), p, r);
    p = vfmaq_f32(f32x4(0x1.fffffcp-2f), p, r);
    p = vfmaq_f32(f32x4(1.0f), p, r);
    p = vfmaq_f32(f32x4(1.0f), p, r);
    uint32x4_t bits = vreinterpretq_u32_s32(
        vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vcvtq_s32_f32(n), 23))); /* the conversion of NaN is 0 */
    return vreinterpretq_f32_u32(vbicq_u32(bits, zero));
}

/* 1 + exp(-x) */
INL float32x4_t one_plus_exp(float32x4_t x) { return vaddq_f32(f32x4(1.0f), exp4(vnegq_f32(x))); }

/* ref_softcap in every lane. */
INL float32x4_t softcap4(float32x4_t x, float cap)
{
    const float32x4_t one = f32x4(1.0f);
    float32x4_t v = vdivq_f32(x, f32x4(cap)), a = vabsq_f32(v), s = vmulq_f32(v, v);
    float32x4_t p = vfmaq_f32(f32x4(0x1.5223dep-6f), f32x4(-0x1.75d50cp-8f), s);
    p = vfmaq_f32(f32x4(-0x1.b83bf4p-5f), p, s);
    p = vfmaq_f32(f32x4(0x1.110724p-3f), p, s);
    p = vfmaq_f32(f32x4(-0x1.555532p-2f), p, s);
    float32x4_t near = vfmaq_f32(v, vmulq_f32(v, s), p);
    float32x4_t t = exp4(vmulq_f32(f32x4(-2.0f), a));
    float32x4_t far = vdivq_f32(vsubq_f32(one, t), vaddq_f32(one, t));
    far = vbslq_f32(vdupq_n_u32(0x80000000u), v, far);
    return vmulq_f32(f32x4(cap), vbslq_f32(vcltq_f32(a, f32x4(0.625f)), near, far));
}

/* All bits of the first n lanes; n may be negative or beyond 4. */
INL uint32x4_t first_lanes(int n)
{
    static const int32_t lane[4] = {0, 1, 2, 3};
    return vcgtq_s32(vdupq_n_s32(n), vld1q_s32(lane));
}

/* Four values of the n at p, from i on; the missing ones 0. */
INL float32x4_t load(const float *p, int i, int n)
{
    float v[4] = {0};
    if (i + 4 <= n)
        return vld1q_f32(p + i);
    for (int j = 0; j < n - i; j++)
        v[j] = p[i + j];
    return vld1q_f32(v);
}

INL void store(float *p, int i, int n, float32x4_t v)
{
    float l[4];
    if (i + 4 <= n) {
        vst1q_f32(p + i, v);
        return;
    }
    vst1q_f32(l, v);
    for (int j = 0; j < n - i; j++)
        p[i + j] = l[j];
}

/* old where value i + lane does not exist, else v. */
INL float32x4_t present(float32x4_t old, float32x4_t v, int i, int n)
{
    return i + 4 <= n ? v : vbslq_f32(first_lanes(n - i), v, old);
}

#endif
