/* Functions of vectors, NEON: as defined in scalar/vec.c, four lanes at a time. */
#if defined(__aarch64__)
#include "kernel/neon/simd.h"
#include "kernel/tiers.h"

#include <math.h>

/* l[h] + the squares of sixteen values from i on. */
INL void add_squares(float32x4_t l[4], const float *x, int i, int n)
{
    UNROLL for (int h = 0; h < 4; h++)
    {
        float32x4_t v = load(x, i + 4 * h, n);
        l[h] = present(l[h], vfmaq_f32(l[h], v, v), i + 4 * h, n);
    }
}

INL float squares(const float *x, int n)
{
    float32x4_t l[4] = {f32x4(0), f32x4(0), f32x4(0), f32x4(0)};
    for (int i = 0; i < n; i += 16)
        add_squares(l, x, i, n);
    return tree(l);
}

static void rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    const float32x4_t r = f32x4(1.0f / sqrtf(squares(x, n) / (float)n + eps));
    for (int i = 0; i < n; i += 4) {
        float32x4_t v = vmulq_f32(load(x, i, n), r);
        store(y, i, n, w ? vmulq_f32(v, load(w, i, n)) : v);
    }
}

static void l2_norm(float *y, const float *x, int n, float eps)
{
    const float32x4_t r = f32x4(1.0f / sqrtf(squares(x, n) + eps));
    for (int i = 0; i < n; i += 4)
        store(y, i, n, vmulq_f32(load(x, i, n), r));
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    float32x4_t l[4] = {f32x4(0), f32x4(0), f32x4(0), f32x4(0)};
    for (int i = 0; i < n; i += 16)
        UNROLL for (int h = 0; h < 4; h++) l[h] = present(l[h], vaddq_f32(l[h], load(x, i + 4 * h, n)), i + 4 * h, n);
    const float32x4_t mean = f32x4(tree(l) / (float)n);
    for (int i = 0; i < n; i += 4)
        store(y, i, n, vsubq_f32(load(x, i, n), mean));
    const float32x4_t r = f32x4(1.0f / sqrtf(squares(y, n) / (float)n + eps));
    for (int i = 0; i < n; i += 4)
        store(y, i, n, vfmaq_f32(load(b, i, n), vmulq_f32(load(y, i, n), r), load(w, i, n)));
}

static void softmax(float *x, int n)
{
    float32x4_t top = f32x4(-INFINITY), l[4] = {f32x4(0), f32x4(0), f32x4(0), f32x4(0)};
    for (int i = 0; i < n; i += 4)
        top = present(top, larger(load(x, i, n), top), i, n);
    const float32x4_t most = f32x4(max_lane(top));
    for (int i = 0; i < n; i += 16)
        UNROLL for (int h = 0; h < 4; h++)
        {
            float32x4_t e = exp4(vsubq_f32(load(x, i + 4 * h, n), most));
            l[h] = present(l[h], vaddq_f32(l[h], e), i + 4 * h, n);
            store(x, i + 4 * h, n, e);
        }
    const float32x4_t r = f32x4(1.0f / tree(l));
    for (int i = 0; i < n; i += 4)
        store(x, i, n, vmulq_f32(load(x, i, n), r));
}

static void silu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i += 4) {
        float32x4_t g = load(gate, i, n);
        store(h, i, n, vmulq_f32(vdivq_f32(g, one_plus_exp(g)), load(up, i, n)));
    }
}

static void relu2(float *h, const float *gate, const float *up, int n)
{
    (void)gate;
    for (int i = 0; i < n; i += 4) {
        float32x4_t x = at_least(load(up, i, n), 0.0f);
        store(h, i, n, vmulq_f32(x, x));
    }
}

static void sigmoid(float *y, const float *x, int n)
{
    for (int i = 0; i < n; i += 4)
        store(y, i, n, vdivq_f32(f32x4(1.0f), one_plus_exp(load(x, i, n))));
}

static void add(float *x, const float *y, int n)
{
    for (int i = 0; i < n; i += 4)
        store(x, i, n, vaddq_f32(load(x, i, n), load(y, i, n)));
}

static void mul(float *x, const float *y, int n)
{
    for (int i = 0; i < n; i += 4)
        store(x, i, n, vmulq_f32(load(x, i, n), load(y, i, n)));
}

static void add_scaled(float *y, float w, const float *o, int n)
{
    for (int i = 0; i < n; i += 4)
        store(y, i, n, vaddq_f32(load(y, i, n), vmulq_f32(f32x4(w), load(o, i, n))));
}

static void axpy(float *x, float s, const float *v, int n)
{
    for (int i = 0; i < n; i += 4)
        store(x, i, n, vfmaq_f32(load(x, i, n), f32x4(s), load(v, i, n)));
}

static void scale(float *x, float s, int n)
{
    for (int i = 0; i < n; i += 4)
        store(x, i, n, vmulq_f32(load(x, i, n), f32x4(s)));
}

static inline float32x4_t gelu4(float32x4_t x)
{
    float32x4_t cube = vmulq_f32(f32x4(0x1.6e4e26p-5f), vmulq_f32(x, x));
    float32x4_t u = vmulq_f32(f32x4(0x1.988454p-1f), vfmaq_f32(x, cube, x));
    return vdivq_f32(x, one_plus_exp(vmulq_f32(f32x4(2.0f), u)));
}

static void gelu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i += 4)
        store(h, i, n, vmulq_f32(gelu4(load(gate, i, n)), load(up, i, n)));
}

static void gelu(float *h, const float *gate, const float *up, int n)
{
    (void)gate;
    for (int i = 0; i < n; i += 4)
        store(h, i, n, gelu4(load(up, i, n)));
}

static void swiglu_oai(float *h, const float *gate, const float *up, int n)
{
    const float32x4_t one = f32x4(1.0f);
    for (int i = 0; i < n; i += 4) {
        float32x4_t g = at_most(load(gate, i, n), 7.0f), u = at_least(at_most(load(up, i, n), 7.0f), -7.0f);
        float32x4_t e = vaddq_f32(one, exp4(vmulq_f32(f32x4(-1.702f), g)));
        store(h, i, n, vmulq_f32(vdivq_f32(g, e), vaddq_f32(u, one)));
    }
}

static void relu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i += 4)
        store(h, i, n, vmulq_f32(at_least(load(gate, i, n), 0.0f), load(up, i, n)));
}

static void softcap(float *x, float cap, int n)
{
    for (int i = 0; i < n; i += 4)
        store(x, i, n, softcap4(load(x, i, n), cap));
}

static void clamp(float *x, float low, float high, int n)
{
    for (int i = 0; i < n; i += 4)
        store(x, i, n, at_least(at_most(load(x, i, n), high), low));
}

static void exp_all(float *x, int n)
{
    for (int i = 0; i < n; i += 4)
        store(x, i, n, exp4(load(x, i, n)));
}

/* ref_logf of values in [1, 2]; others give anything. */
INL float32x4_t log_1_2(float32x4_t x)
{
    int32x4_t u = vreinterpretq_s32_f32(x), k = vsubq_s32(u, vdupq_n_s32(0x3f3504f3));
    float32x4_t e = vcvtq_f32_s32(vshrq_n_s32(k, 23));
    u = vsubq_s32(u, vandq_s32(k, vdupq_n_s32((int32_t)0xff800000u)));
    float32x4_t f = vsubq_f32(vreinterpretq_f32_s32(u), f32x4(1.0f)), f2 = vmulq_f32(f, f);
    float32x4_t p = f32x4(ref_logf_coefficients[0]);
    UNROLL for (int i = 1; i < 9; i++) p = vfmaq_f32(f32x4(ref_logf_coefficients[i]), p, f);
    float32x4_t r = vfmaq_f32(vmulq_f32(vmulq_f32(f, f2), p), e, f32x4(0x1.7f7d1cp-20f));
    r = vfmaq_f32(r, f32x4(-0.5f), f2);
    return vfmaq_f32(vaddq_f32(f, r), e, f32x4(0x1.62e4p-1f));
}

/* ref_softplus in every lane. */
INL float32x4_t softplus4(float32x4_t v)
{
    const float32x4_t one = f32x4(1.0f);
    float32x4_t e = exp4(vnegq_f32(vabsq_f32(v))), w = vaddq_f32(one, e), rest = vsubq_f32(e, vsubq_f32(w, one));
    float32x4_t l = vaddq_f32(log_1_2(w), vdivq_f32(rest, w));
    return vaddq_f32(larger(v, f32x4(0)), l); /* of NaN, l is NaN */
}

static void softplus(float *y, const float *x, const float *b, int n)
{
    for (int i = 0; i < n; i += 4)
        store(y, i, n, softplus4(vaddq_f32(load(x, i, n), load(b, i, n))));
}

static void sqrt_softplus(float *y, const float *x, int n)
{
    for (int i = 0; i < n; i += 4)
        store(y, i, n, vsqrtq_f32(softplus4(load(x, i, n))));
}

static void rope_half(float *x, const float *c, const float *s, int n_pair)
{
    float *z = x + n_pair;
    for (int i = 0; i < n_pair; i += 4) {
        float32x4_t x0 = load(x, i, n_pair), x1 = load(z, i, n_pair), cos = load(c, i, n_pair),
                    sin = load(s, i, n_pair);
        store(x, i, n_pair, vfmaq_f32(vnegq_f32(vmulq_f32(x1, sin)), x0, cos));
        store(z, i, n_pair, vfmaq_f32(vmulq_f32(x1, cos), x0, sin));
    }
}

/* Four pairs at a time; the last ones through memory of their own. */
static void rope_pair(float *x, const float *c, const float *s, int n_pair)
{
    for (int i = 0; i < n_pair; i += 4) {
        float last[8] = {0}, *at = i + 4 <= n_pair ? x + 2 * i : last;
        size_t rest = (size_t)(n_pair - i) * 2 * sizeof *x;
        if (at == last)
            memcpy(last, x + 2 * i, rest);
        float32x4x2_t v = vld2q_f32(at);
        float32x4_t cos = load(c, i, n_pair), sin = load(s, i, n_pair), x0 = v.val[0], x1 = v.val[1];
        v.val[0] = vfmaq_f32(vnegq_f32(vmulq_f32(x1, sin)), x0, cos);
        v.val[1] = vfmaq_f32(vmulq_f32(x1, cos), x0, sin);
        vst2q_f32(at, v);
        if (at == last)
            memcpy(x + 2 * i, last, rest);
    }
}

/* Saturating; NaN and the odd end are left to the scalar definition. */
static void f32_to_f16(uint16_t *y, const float *x, int n)
{
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t v = vld1q_f32(x + i);
        if (vminvq_u32(vceqq_f32(v, v)) == 0) {
            for (int j = i; j < i + 4; j++)
                y[j] = f16_from_f32(x[j]);
            continue;
        }
        v = at_least(at_most(v, 65504.0f), -65504.0f);
        vst1_u16(y + i, vreinterpret_u16_f16(vcvt_f16_f32(v)));
    }
    for (; i < n; i++)
        y[i] = f16_from_f32(x[i]);
}

static void conv(float *y, const float *const *x, const float *c, const float *bias, int width, int n)
{
    for (int i = 0; i < n; i += 4) {
        float32x4_t sum = f32x4(0);
        for (int t = 0; t < width; t++)
            sum = vfmaq_f32(sum, load(c + (size_t)t * (size_t)n, i, n), load(x[t], i, n));
        if (bias)
            sum = vaddq_f32(sum, load(bias, i, n));
        store(y, i, n, vdivq_f32(sum, one_plus_exp(sum)));
    }
}

static void conv_plain(float *y, const float *const *x, const float *c, int width, int n)
{
    for (int i = 0; i < n; i += 4) {
        float32x4_t sum = f32x4(0);
        for (int t = 0; t < width; t++)
            sum = vfmaq_f32(sum, load(c + (size_t)t * (size_t)n, i, n), load(x[t], i, n));
        store(y, i, n, sum);
    }
}

void fill_vec_neon(struct kernels *k)
{
    k->rms_norm = rms_norm;
    k->l2_norm = l2_norm;
    k->layer_norm = layer_norm;
    k->softmax = softmax;
    k->silu_mul = silu_mul;
    k->relu2 = relu2;
    k->sigmoid = sigmoid;
    k->add = add;
    k->mul = mul;
    k->add_scaled = add_scaled;
    k->axpy = axpy;
    k->scale = scale;
    k->gelu_mul = gelu_mul;
    k->gelu = gelu;
    k->relu_mul = relu_mul;
    k->swiglu_oai = swiglu_oai;
    k->softcap = softcap;
    k->clamp = clamp;
    k->exp = exp_all;
    k->softplus = softplus;
    k->sqrt_softplus = sqrt_softplus;
    k->rope_half = rope_half;
    k->rope_pair = rope_pair;
    k->f32_to_f16 = f32_to_f16;
    k->conv = conv;
    k->conv_plain = conv_plain;
}

#endif
