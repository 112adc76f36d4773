/* Functions of vectors, one f32 operation after the other: the definition of what norms, activations, rope and softmax give.
 *
 * exp: expf.h. tanh is an odd polynomial near 0, else made of exp, 1.5 ulp. No libm function but fmaf, fabsf, sqrtf, nearbyintf,
 * copysignf, which every libm rounds correctly. */
#include "base/half.h"
#include "kernel/expf.h"
#include "kernel/tiers.h"

#include <math.h>

static float horner(float x, const float *c, int n) /* c[0]: the highest power */
{
    float p = c[0];
    for (int i = 1; i < n; i++)
        p = fmaf(p, x, c[i]);
    return p;
}

float ref_expf(float x) { return expf_defined(x); }

float ref_tanhf(float x)
{
    static const float c[] = {-0x1.75d50cp-8f, 0x1.5223dep-6f, -0x1.b83bf4p-5f, 0x1.110724p-3f, -0x1.555532p-2f};
    float a = fabsf(x);
    if (a < 0.625f) {
        float s = x * x;
        return fmaf(x * s, horner(s, c, 5), x);
    }
    float t = ref_expf(-2.0f * a);
    return copysignf((1.0f - t) / (1.0f + t), x);
}

/* x/2 (1 + tanh u) without its cancellation; u = sqrt(2/pi) (x + 0.044715 x^3). Within 5e-7. */
float ref_gelu(float x)
{
    float u = 0x1.988454p-1f * fmaf(0x1.6e4e26p-5f * (x * x), x, x);
    return x / (1.0f + ref_expf(-2.0f * u));
}

float ref_softcap(float x, float cap) { return cap * ref_tanhf(x / cap); }

static float dot16(const float *a, const float *b, int n)
{
    float l[16] = {0};
    for (int i = 0; i < n; i++)
        l[i % 16] = fmaf(a[i], b[i], l[i % 16]);
    return tree16(l);
}

static void rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    float r = 1.0f / sqrtf(dot16(x, x, n) / (float)n + eps);
    for (int i = 0; i < n; i++)
        y[i] = w ? x[i] * r * w[i] : x[i] * r;
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    float l[16] = {0};
    for (int i = 0; i < n; i++)
        l[i % 16] += x[i];
    float mean = tree16(l) / (float)n;
    for (int i = 0; i < n; i++)
        y[i] = x[i] - mean;
    float r = 1.0f / sqrtf(dot16(y, y, n) / (float)n + eps);
    for (int i = 0; i < n; i++)
        y[i] = fmaf(y[i] * r, w[i], b[i]);
}

static void softmax(float *x, int n)
{
    float m = n > 0 ? x[0] : 0, l[16] = {0};
    for (int i = 1; i < n; i++)
        m = x[i] > m ? x[i] : m;
    for (int i = 0; i < n; i++) {
        x[i] = ref_expf(x[i] - m);
        l[i % 16] += x[i];
    }
    float r = 1.0f / tree16(l);
    for (int i = 0; i < n; i++)
        x[i] *= r;
}

static void silu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++)
        h[i] = gate[i] / (1.0f + ref_expf(-gate[i])) * up[i];
}

static void relu2(float *h, const float *gate, const float *up, int n)
{
    (void)gate;
    for (int i = 0; i < n; i++)
        h[i] = up[i] < 0.0f ? 0.0f : up[i] * up[i];
}

static void sigmoid(float *y, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = 1.0f / (1.0f + ref_expf(-x[i]));
}

static void add(float *x, const float *y, int n)
{
    for (int i = 0; i < n; i++)
        x[i] += y[i];
}

static void add_scaled(float *y, float w, const float *o, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = y[i] + w * o[i];
}

static void axpy(float *x, float s, const float *v, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = fmaf(s, v[i], x[i]);
}

static void adam(float *w, float *m, float *v, const float *g, float step, float root, int n)
{
    for (int i = 0; i < n; i++) {
        float mean = fmaf(ADAM_M, m[i], ADAM_M_NEW * g[i]), square = fmaf(ADAM_V, v[i], ADAM_V_NEW * (g[i] * g[i]));
        m[i] = fabsf(mean) < ADAM_LEAST ? 0 : mean;
        v[i] = square < ADAM_LEAST ? 0 : square;
        w[i] = fmaf(-step, m[i] / fmaf(sqrtf(v[i]), root, ADAM_EPS), w[i]);
    }
}

static void scale(float *x, float s, int n)
{
    for (int i = 0; i < n; i++)
        x[i] *= s;
}

static void gelu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++)
        h[i] = ref_gelu(gate[i]) * up[i];
}

static void gelu(float *h, const float *gate, const float *up, int n)
{
    (void)gate;
    for (int i = 0; i < n; i++)
        h[i] = ref_gelu(up[i]);
}

static void relu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++)
        h[i] = (gate[i] < 0.0f ? 0.0f : gate[i]) * up[i];
}

static void softcap(float *x, float cap, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = ref_softcap(x[i], cap);
}

static void rotate(float *a, float *b, float c, float s)
{
    float x0 = *a, x1 = *b;
    *a = fmaf(x0, c, -(x1 * s));
    *b = fmaf(x0, s, x1 * c);
}

static void rope_half(float *x, const float *c, const float *s, int n_pair)
{
    for (int i = 0; i < n_pair; i++)
        rotate(&x[i], &x[i + n_pair], c[i], s[i]);
}

static void rope_pair(float *x, const float *c, const float *s, int n_pair)
{
    for (int i = 0; i < n_pair; i++)
        rotate(&x[2 * i], &x[2 * i + 1], c[i], s[i]);
}

static void f32_to_f16(uint16_t *y, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = f16_from_f32(x[i]);
}

void fill_vec_scalar(struct kernels *k)
{
    k->rms_norm = rms_norm;
    k->layer_norm = layer_norm;
    k->softmax = softmax;
    k->silu_mul = silu_mul;
    k->relu2 = relu2;
    k->sigmoid = sigmoid;
    k->add = add;
    k->add_scaled = add_scaled;
    k->axpy = axpy;
    k->adam = adam;
    k->scale = scale;
    k->gelu_mul = gelu_mul;
    k->gelu = gelu;
    k->relu_mul = relu_mul;
    k->softcap = softcap;
    k->rope_half = rope_half;
    k->rope_pair = rope_pair;
    k->f32_to_f16 = f32_to_f16;
}
