/* Recurrences and what goes with them, one f32 operation after the other: the definition of the gated delta rule, of Mamba-2, of the
 * short convolution, and the activation functions of hybrid and windowed models.
 *
 * Gated delta rule (Yang et al., arXiv 2412.06464), for each row in order, columns j of the state independent:
 *
 *   m_j = sum_i fmaf(S[i][j], decay_i * k_i, .)      dl_j = (v_j - m_j) * beta
 *   S[i][j] = fmaf(S[i][j], decay_i, k_i * dl_j)     o_j = sum_i fmaf(S[i][j], q_i, .)
 *
 * decay_i is one number for all i, or one a key channel (Kimi delta attention, arXiv 2510.26692): the same operations.
 * Mamba-2 (Dao and Gu, arXiv 2405.21060), likewise, D of the head:
 *
 *   S[i][j] = fmaf(S[i][j], decay, B_i * (dt * x_j))     y_j = fmaf(D, x_j, sum_i fmaf(S[i][j], C_i, .))
 *
 * Sums over i run in four partial sums (i % 4), closed (p0 + p1) + (p2 + p3). One sequential form for prompts and decode: a
 * chunked matrix form would have other sums. */
#include "base/half.h"
#include "kernel/tiers.h"

#include <math.h>

float ref_sigmoid(float x) { return 1.0f / (1.0f + ref_expf(-x)); }

float ref_silu(float x) { return x / (1.0f + ref_expf(-x)); }

const float ref_logf_coefficients[9] = {0x1.145886p-4f,  -0x1.de3d74p-4f, 0x1.e6f0c8p-4f,
                                        -0x1.fc21d8p-4f, 0x1.23375ep-3f,  -0x1.555c4ep-3f,
                                        0x1.99a4b6p-3f,  -0x1.000006p-2f, 0x1.555548p-2f};

/* Mantissa in [sqrt(1/2), sqrt(2)), degree-8 polynomial: 0.8 ulp. */
float ref_logf(float x)
{
    if (!(x > 0.0f) || x > 3.4028235e38f)
        return x == 0.0f ? -INFINITY : x > 0.0f ? x : NAN;
    int e = 0;
    if (x < 0x1p-126f) {
        x *= 0x1p24f;
        e = -24;
    }
    uint32_t u = f32_bits(x), k = u - 0x3f3504f3u;
    e += (int32_t)k >> 23;
    float f = f32_from_bits(u - (k & 0xff800000u)) - 1.0f, f2 = f * f, p = ref_logf_coefficients[0];
    for (int i = 1; i < 9; i++)
        p = fmaf(p, f, ref_logf_coefficients[i]);
    float r = fmaf((float)e, 0x1.7f7d1cp-20f, (f * f2) * p);
    r = fmaf(-0.5f, f2, r);
    return fmaf((float)e, 0x1.62e4p-1f, f + r);
}

/* max(x, 0) + log1p(exp(-|x|)) */
float ref_softplus(float x)
{
    float y = ref_expf(-fabsf(x)), w = 1.0f + y;
    float l = ref_logf(w) + (y - (w - 1.0f)) / w;
    return (x > 0.0f ? x : 0.0f) + l;
}

static void mul(float *x, const float *y, int n)
{
    for (int i = 0; i < n; i++)
        x[i] *= y[i];
}

static void l2_norm(float *y, const float *x, int n, float eps)
{
    float l[16] = {0};
    for (int i = 0; i < n; i++)
        l[i % 16] = fmaf(x[i], x[i], l[i % 16]);
    float r = 1.0f / sqrtf(tree16(l) + eps);
    for (int i = 0; i < n; i++)
        y[i] = x[i] * r;
}

static void swiglu_oai(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i++) {
        float g = gate[i] > 7.0f ? 7.0f : gate[i];
        float u = up[i] > 7.0f ? 7.0f : up[i] < -7.0f ? -7.0f : up[i];
        h[i] = g / (1.0f + ref_expf(-1.702f * g)) * (u + 1.0f);
    }
}

static void clamp(float *x, float low, float high, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = x[i] > high ? high : x[i] < low ? low : x[i];
}

static void sqrt_softplus(float *y, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = sqrtf(ref_softplus(x[i]));
}

static void conv(float *y, const float *const *x, const float *c, const float *bias, int width, int n)
{
    for (int j = 0; j < n; j++) {
        float sum = 0.0f;
        for (int t = 0; t < width; t++)
            sum = fmaf(c[t * n + j], x[t][j], sum);
        y[j] = ref_silu(bias ? sum + bias[j] : sum);
    }
}

static void conv_plain(float *y, const float *const *x, const float *c, int width, int n)
{
    for (int j = 0; j < n; j++) {
        float sum = 0.0f;
        for (int t = 0; t < width; t++)
            sum = fmaf(c[t * n + j], x[t][j], sum);
        y[j] = sum;
    }
}

static void exp_all(float *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = ref_expf(x[i]);
}

static void softplus(float *y, const float *x, const float *b, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = ref_softplus(x[i] + b[i]);
}

static void delta_column(const struct delta_run *r, int t, int j)
{
    const float *q = r->q + (size_t)t * r->ld_k, *k = r->k + (size_t)t * r->ld_k;
    const float *decay = r->decay + (size_t)t * r->ld_decay;
    const size_t step = r->by_key != 0;
    float m[4] = {0}, y[4] = {0};
    for (int i = 0; i < r->n_k; i++)
        m[i & 3] = fmaf(r->state[(size_t)i * (size_t)r->panel + (size_t)j], decay[(size_t)i * step] * k[i], m[i & 3]);
    float dl = (r->v[(size_t)t * r->ld_v + (size_t)j] - ((m[0] + m[1]) + (m[2] + m[3]))) *
               r->beta[(size_t)t * r->ld_beta];
    for (int i = 0; i < r->n_k; i++) {
        float *s = &r->state[(size_t)i * (size_t)r->panel + (size_t)j];
        *s = fmaf(*s, decay[(size_t)i * step], k[i] * dl);
        y[i & 3] = fmaf(*s, q[i], y[i & 3]);
    }
    r->o[(size_t)t * r->ld_o + (size_t)j] = (y[0] + y[1]) + (y[2] + y[3]);
}

void delta_scalar(const struct delta_run *r)
{
    for (int t = 0; t < r->n_rows; t++)
        for (int j = 0; j < r->panel; j++)
            delta_column(r, t, j);
}

static void ssm_column(const struct ssm_run *r, int t, int j)
{
    const float *B = r->B + (size_t)t * r->ld, *C = r->C + (size_t)t * r->ld;
    const float decay = r->decay[(size_t)t * r->ld_dt], x = r->x[(size_t)t * r->ld + (size_t)j];
    const float step = r->dt[(size_t)t * r->ld_dt] * x;
    float y[4] = {0};
    for (int i = 0; i < r->n_state; i++) {
        float *s = &r->state[(size_t)i * (size_t)r->panel + (size_t)j];
        *s = fmaf(*s, decay, B[i] * step);
        y[i & 3] = fmaf(*s, C[i], y[i & 3]);
    }
    r->y[(size_t)t * r->ld_y + (size_t)j] = fmaf(r->D, x, (y[0] + y[1]) + (y[2] + y[3]));
}

void ssm_scalar(const struct ssm_run *r)
{
    for (int t = 0; t < r->n_rows; t++)
        for (int j = 0; j < r->panel; j++)
            ssm_column(r, t, j);
}

void fill_recur_scalar(struct kernels *k)
{
    k->mul = mul;
    k->l2_norm = l2_norm;
    k->swiglu_oai = swiglu_oai;
    k->clamp = clamp;
    k->sqrt_softplus = sqrt_softplus;
    k->conv = conv;
    k->conv_plain = conv_plain;
    k->exp = exp_all;
    k->softplus = softplus;
    k->delta = delta_scalar;
    k->ssm = ssm_scalar;
}
