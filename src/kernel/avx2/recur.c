/* Recurrences and the functions of hybrid models, AVX2: as defined in scalar/recur.c. Columns of the state are lanes, so the sums
 * over its rows run down the lanes. */
#if defined(__x86_64__)
#include "kernel/avx2/simd.h"
#include "kernel/tiers.h"

#include <math.h>

INL __m256 close4(const __m256 p[4]) { return _mm256_add_ps(_mm256_add_ps(p[0], p[1]), _mm256_add_ps(p[2], p[3])); }

/* Row t on columns j .. j + 7; by_key a constant. */
INL void delta_row(const struct delta_run *r, int t, int j, const int by_key)
{
    const float *q = r->q + (size_t)t * r->ld_k, *k = r->k + (size_t)t * r->ld_k;
    const float *decays = r->decay + (size_t)t * r->ld_decay;
    const __m256 decay = _mm256_set1_ps(decays[0]);
    const __m256 beta = _mm256_set1_ps(r->beta[(size_t)t * r->ld_beta]);
    const size_t panel = (size_t)r->panel;
    const int n_k = r->n_k;
    float *s = r->state + j;
    __m256 m[4], y[4];
    UNROLL for (int a = 0; a < 4; a++) m[a] = y[a] = _mm256_setzero_ps();
    for (int i = 0; i < n_k; i += 4)
        UNROLL for (int a = 0; a < 4; a++) if (i + a < n_k)
        {
            __m256 dk = _mm256_mul_ps(by_key ? _mm256_set1_ps(decays[i + a]) : decay, _mm256_set1_ps(k[i + a]));
            m[a] = _mm256_fmadd_ps(_mm256_loadu_ps(s + (size_t)(i + a) * panel), dk, m[a]);
        }
    const __m256 v = _mm256_loadu_ps(r->v + (size_t)t * r->ld_v + j);
    const __m256 dl = _mm256_mul_ps(_mm256_sub_ps(v, close4(m)), beta);
    for (int i = 0; i < n_k; i += 4)
        UNROLL for (int a = 0; a < 4; a++) if (i + a < n_k)
        {
            float *at = s + (size_t)(i + a) * panel;
            __m256 w = _mm256_mul_ps(_mm256_set1_ps(k[i + a]), dl);
            w = _mm256_fmadd_ps(_mm256_loadu_ps(at), by_key ? _mm256_set1_ps(decays[i + a]) : decay, w);
            _mm256_storeu_ps(at, w);
            y[a] = _mm256_fmadd_ps(w, _mm256_set1_ps(q[i + a]), y[a]);
        }
    _mm256_storeu_ps(r->o + (size_t)t * r->ld_o + j, close4(y));
}

INL void delta_rows(const struct delta_run *r, const int by_key)
{
    for (int t = 0; t < r->n_rows; t++)
        for (int j = 0; j < r->panel; j += 8)
            delta_row(r, t, j, by_key);
}

/* Panels of other widths are small heads of small models. */
static void delta(const struct delta_run *r)
{
    if (r->panel % 8)
        delta_scalar(r);
    else if (r->by_key)
        delta_rows(r, 1);
    else
        delta_rows(r, 0);
}

/* Row t on columns j .. j + 7. */
INL void ssm_row(const struct ssm_run *r, int t, int j)
{
    const float *B = r->B + (size_t)t * r->ld, *C = r->C + (size_t)t * r->ld;
    const __m256 decay = _mm256_set1_ps(r->decay[(size_t)t * r->ld_dt]);
    const __m256 x = _mm256_loadu_ps(r->x + (size_t)t * r->ld + j);
    const __m256 step = _mm256_mul_ps(_mm256_set1_ps(r->dt[(size_t)t * r->ld_dt]), x);
    const size_t panel = (size_t)r->panel;
    const int n = r->n_state;
    __m256 y[4];
    UNROLL for (int a = 0; a < 4; a++) y[a] = _mm256_setzero_ps();
    for (int i = 0; i < n; i += 4)
        UNROLL for (int a = 0; a < 4; a++) if (i + a < n)
        {
            float *at = r->state + (size_t)(i + a) * panel + j;
            __m256 w = _mm256_mul_ps(_mm256_set1_ps(B[i + a]), step);
            w = _mm256_fmadd_ps(_mm256_loadu_ps(at), decay, w);
            _mm256_storeu_ps(at, w);
            y[a] = _mm256_fmadd_ps(w, _mm256_set1_ps(C[i + a]), y[a]);
        }
    _mm256_storeu_ps(r->y + (size_t)t * r->ld_y + j, _mm256_fmadd_ps(_mm256_set1_ps(r->D), x, close4(y)));
}

static void ssm(const struct ssm_run *r)
{
    if (r->panel % 8) {
        ssm_scalar(r);
        return;
    }
    for (int t = 0; t < r->n_rows; t++)
        for (int j = 0; j < r->panel; j += 8)
            ssm_row(r, t, j);
}

static void exp_all(float *x, int n)
{
    for (int i = 0; i < n; i += 8)
        store(x, i, n, exp256(load(x, i, n)));
}

/* ref_logf of values in [1, 2]; others give anything. */
INL __m256 log_1_2(__m256 x)
{
    __m256i u = _mm256_castps_si256(x), k = _mm256_sub_epi32(u, _mm256_set1_epi32(0x3f3504f3));
    __m256 e = _mm256_cvtepi32_ps(_mm256_srai_epi32(k, 23));
    u = _mm256_sub_epi32(u, _mm256_and_si256(k, _mm256_set1_epi32((int)0xff800000u)));
    __m256 f = _mm256_sub_ps(_mm256_castsi256_ps(u), _mm256_set1_ps(1.0f)), f2 = _mm256_mul_ps(f, f);
    __m256 p = _mm256_set1_ps(ref_logf_coefficients[0]);
    UNROLL for (int i = 1; i < 9; i++) p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(ref_logf_coefficients[i]));
    __m256 r = _mm256_fmadd_ps(e, _mm256_set1_ps(0x1.7f7d1cp-20f), _mm256_mul_ps(_mm256_mul_ps(f, f2), p));
    r = _mm256_fmadd_ps(_mm256_set1_ps(-0.5f), f2, r);
    return _mm256_fmadd_ps(e, _mm256_set1_ps(0x1.62e4p-1f), _mm256_add_ps(f, r));
}

static void softplus(float *y, const float *x, const float *b, int n)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    for (int i = 0; i < n; i += 8) {
        __m256 v = _mm256_add_ps(load(x, i, n), load(b, i, n)), e = exp256(_mm256_or_ps(v, _mm256_set1_ps(-0.0f)));
        __m256 w = _mm256_add_ps(one, e), rest = _mm256_sub_ps(e, _mm256_sub_ps(w, one));
        __m256 l = _mm256_add_ps(log_1_2(w), _mm256_div_ps(rest, w));
        store(y, i, n, _mm256_add_ps(_mm256_max_ps(v, _mm256_setzero_ps()), l));
    }
}

static void mul(float *x, const float *y, int n)
{
    for (int i = 0; i < n; i += 8)
        store(x, i, n, _mm256_mul_ps(load(x, i, n), load(y, i, n)));
}

static void l2_norm(float *y, const float *x, int n, float eps)
{
    __m256 l[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int i = 0; i < n; i += 16)
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256 v = load(x, i + 8 * h, n);
            l[h] = present(l[h], _mm256_fmadd_ps(v, v, l[h]), i + 8 * h, n);
        }
    const __m256 r = _mm256_set1_ps(1.0f / sqrtf(tree(l[0], l[1]) + eps));
    for (int i = 0; i < n; i += 8)
        store(y, i, n, _mm256_mul_ps(load(x, i, n), r));
}

static void swiglu_oai(float *h, const float *gate, const float *up, int n)
{
    const __m256 seven = _mm256_set1_ps(7.0f), one = _mm256_set1_ps(1.0f);
    for (int i = 0; i < n; i += 8) {
        __m256 g = _mm256_min_ps(seven, load(gate, i, n)); /* NaN in the second operand survives */
        __m256 u = _mm256_max_ps(_mm256_set1_ps(-7.0f), _mm256_min_ps(seven, load(up, i, n)));
        __m256 e = _mm256_add_ps(one, exp256(_mm256_mul_ps(_mm256_set1_ps(-1.702f), g)));
        store(h, i, n, _mm256_mul_ps(_mm256_div_ps(g, e), _mm256_add_ps(u, one)));
    }
}

static void clamp(float *x, float low, float high, int n)
{
    for (int i = 0; i < n; i += 8)
        store(x, i, n, _mm256_max_ps(_mm256_set1_ps(low), _mm256_min_ps(_mm256_set1_ps(high), load(x, i, n))));
}

static void conv(float *y, const float *const *x, const float *c, const float *bias, int width, int n)
{
    for (int i = 0; i < n; i += 8) {
        __m256 sum = _mm256_setzero_ps();
        for (int t = 0; t < width; t++)
            sum = _mm256_fmadd_ps(load(c + (size_t)t * (size_t)n, i, n), load(x[t], i, n), sum);
        if (bias)
            sum = _mm256_add_ps(sum, load(bias, i, n));
        store(y, i, n, _mm256_div_ps(sum, one_plus_exp(sum)));
    }
}

static void conv_plain(float *y, const float *const *x, const float *c, int width, int n)
{
    for (int i = 0; i < n; i += 8) {
        __m256 sum = _mm256_setzero_ps();
        for (int t = 0; t < width; t++)
            sum = _mm256_fmadd_ps(load(c + (size_t)t * (size_t)n, i, n), load(x[t], i, n), sum);
        store(y, i, n, sum);
    }
}

static void attn_sink(float *M, float *L, float *o, float sink, int d_v)
{
    float n = sink > *M ? sink : *M, co = ref_expf(*M - n);
    *L = fmaf(*L, co, ref_expf(sink - n));
    *M = n;
    for (int i = 0; i < d_v; i += 8)
        store(o, i, d_v, _mm256_mul_ps(load(o, i, d_v), _mm256_set1_ps(co)));
}

void fill_recur_avx2(struct kernels *k)
{
    k->mul = mul;
    k->l2_norm = l2_norm;
    k->swiglu_oai = swiglu_oai;
    k->clamp = clamp;
    k->conv = conv;
    k->conv_plain = conv_plain;
    k->attn_sink = attn_sink;
    k->exp = exp_all;
    k->softplus = softplus;
    k->delta = delta;
    k->ssm = ssm;
}

#endif
