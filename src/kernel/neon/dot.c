/* The dot of one activation row and the pair of two, NEON with the dot product instructions: four weight rows at a time (dot_rows.h), each
 * unpacked to signed codes in registers; the sums of the four rows close together, so that the float sums run in four lanes. */
#if defined(__aarch64__)
#include "kernel/neon/small.h"
#include "kernel/neon/unpack.h"
#include "kernel/tiers.h"

/* ---- the K family ---- */

/* Sums of four products each: the first sixteen codes times their activations, and the others. */
INL int32x4_t first_half(codes_t c, const int8_t *q) { return vdotq_s32(vdupq_n_s32(0), c.val[0], vld1q_s8(q)); }
INL int32x4_t second_half(codes_t c, const int8_t *q, int32x4_t sum)
{
    return vdotq_s32(sum, c.val[1], vld1q_s8(q + 16));
}

/* Numbers of four groups from group 4 i on. */
INL int32x4_t four_groups(const int16x8_t v[2], const int i)
{
    return vmovl_s16(i % 2 ? vget_high_s16(v[i / 2]) : vget_low_s16(v[i / 2]));
}

/* Minima of all groups times the sums of their activations. */
INL int32x4_t times_sums(const int16x8_t min[2], const int16_t *sum, const int n_groups)
{
    int32x4_t z = vdupq_n_s32(0);
    UNROLL for (int i = 0; i < n_groups / 8; i++)
    {
        int16x8_t s = vld1q_s16(sum + 8 * i);
        z = vmlal_s16(z, vget_low_s16(min[i]), vget_low_s16(s));
        z = vmlal_s16(z, vget_high_s16(min[i]), vget_high_s16(s));
    }
    return z;
}

/* The d of four rows. */
INL float32x4_t d4(const enum block_type t, const uint8_t *p, size_t rs)
{
    if (t != TYPE_IQ1_M)
        return vmulq_f32(half4(p + k_type(t).d, rs), f32x4(k_type(t).factor));
    const float d[4] = {load_d(t, p), load_d(t, p + rs), load_d(t, p + 2 * rs), load_d(t, p + 3 * rs)};
    return vld1q_f32(d);
}

/* One step of four rows at p, rs bytes apart, with m activation rows; t and m are constants. */
INL void step_k(float32x4_t *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs, const struct xq *x,
                const size_t *at)
{
    const struct k_type k = k_type(t);
    const int n_groups = STEP / k.sub, words = k.sub == 16 ? 2 : 4; /* words of 32 values that have four groups */
    int32x4_t v[2][4], mins[2][4];
    UNROLL for (int r = 0; r < 4; r++)
    {
        const uint8_t *b = p + (size_t)r * rs;
        struct head h;
        load_head(&h, t, b);
        UNROLL for (int i = 0; i < m; i++)
        {
            v[i][r] = vdupq_n_s32(0);
            if (k.has_min)
                mins[i][r] = times_sums(h.min, k.sub == 16 ? x->sum16 + at[i] * 16 : x->sum32 + at[i] * 8, n_groups);
        }
        UNROLL for (int four = 0; four < n_groups / 4; four++)
        {
            int32x4_t g[2][4];
            UNROLL for (int w = 0; w < words; w++)
            {
                const int j = four * words + w;
                const codes_t c = load_codes(t, b, j, &h);
                UNROLL for (int i = 0; i < m; i++)
                {
                    const int8_t *q = x->code + at[i] * STEP + 32 * j;
                    if (k.sub == 16) {
                        g[i][2 * (w % 2)] = first_half(c, q);
                        g[i][2 * (w % 2) + 1] = second_half(c, q, vdupq_n_s32(0));
                    } else {
                        g[i][w] = second_half(c, q, first_half(c, q));
                    }
                }
            }
            UNROLL for (int i = 0; i < m; i++) v[i][r] = vmlaq_s32(v[i][r], sums4(g[i]), four_groups(h.scale, four));
        }
    }
    const float32x4_t d = d4(t, p, rs);
    UNROLL for (int i = 0; i < m; i++)
    {
        const float dx = x->scale[at[i]];
        acc[i] = vfmaq_f32(acc[i], vmulq_f32(d, f32x4(dx)), vcvtq_f32_s32(sums4(v[i])));
        if (k.has_min)
            acc[i] = vfmsq_f32(acc[i], vmulq_f32(half4(p + k.dmin, rs), f32x4(dx)), vcvtq_f32_s32(sums4(mins[i])));
    }
}

/* ---- small blocks ---- */

/* The scales of a block of four rows. */
INL float32x4_t scales4(const enum block_type t, const uint8_t *p, size_t rs)
{
    if (t == TYPE_MXFP4) {
        const float d[4] = {e8m0_half(p[0]), e8m0_half(p[rs]), e8m0_half(p[2 * rs]), e8m0_half(p[3 * rs])};
        return vld1q_f32(d);
    }
    if (t == TYPE_NVFP4) {
        const float d[4] = {ue4m3_half(p[0]), ue4m3_half(p[rs]), ue4m3_half(p[2 * rs]), ue4m3_half(p[3 * rs])};
        return vld1q_f32(d);
    }
    return half4(p, rs);
}

INL float32x4_t add_scaled(float32x4_t acc, float32x4_t d, float dx, const int32x4_t sum[4])
{
    return vfmaq_f32(acc, vmulq_f32(d, f32x4(dx)), vcvtq_f32_s32(sums4(sum)));
}

/* n blocks of 32 values. */
INL void step_small(float32x4_t *acc, const enum block_type t, const int m, const uint8_t *p, size_t rs,
                    const struct xq *x, const size_t *at, int n)
{
    const struct small_type k = small_type(t);
    for (int g = 0; g < n; g++) {
        const int part = 32 * g % k.values / 32;
        const uint8_t *b = p + (size_t)(32 * g / k.values) * k.bytes;
        int32x4_t v[2][4], second[2][4]; /* second: the last sixteen values, where they have a scale of their own */
        UNROLL for (int r = 0; r < 4; r++)
        {
            const codes_t c = block_codes(t, b + (size_t)r * rs, part);
            UNROLL for (int i = 0; i < m; i++)
            {
                const int8_t *q = x->code + at[i] * STEP + 32 * g;
                v[i][r] = first_half(c, q);
                if (t == TYPE_NVFP4)
                    second[i][r] = second_half(c, q, vdupq_n_s32(0));
                else
                    v[i][r] = second_half(c, q, v[i][r]);
            }
        }
        const uint8_t *scales = t == TYPE_NVFP4 ? b + 2 * part : b;
        UNROLL for (int i = 0; i < m; i++)
        {
            const float dx = x->scale[at[i] * 8 + (size_t)g];
            acc[i] = add_scaled(acc[i], scales4(t, scales, rs), dx, v[i]);
            if (t == TYPE_NVFP4)
                acc[i] = add_scaled(acc[i], scales4(t, scales + 1, rs), dx, second[i]);
            if (k.has_min)
                acc[i] = vfmaq_f32(acc[i], vmulq_f32(half4(b + 2, rs), f32x4(dx)),
                                   f32x4((float)x->sum32[at[i] * 8 + (size_t)g]));
        }
    }
}

#define DOT_K(name, TYPE)                                                                                              \
    DOT(dot_##name, step_k(acc, TYPE, 1, p, rs, x, at))                                                                \
    PAIR(pair_##name, step_k(acc, TYPE, 2, p, rs, x, at))

K_TYPES(DOT_K)
SMALL_TYPES(DOT_SMALL)

void fill_dot_neon(struct kernels *k)
{
    static const struct own_dot own[] = {K_TYPES(OWN_DOT) SMALL_TYPES(OWN_DOT)};
    fill_dots(k, own, sizeof own / sizeof own[0]);
}

#endif
