/* Recurrences and the functions of hybrid models, AVX-512: as defined in scalar/recur.c. Columns of the state are lanes, so the
 * sums over its rows run down the lanes; a panel of 32 columns (16 KB at 128 rows) stays in L1 while all rows of the prompt
 * pass. */
#if defined(__x86_64__)
#include "kernel/avx512/simd.h"
#include "kernel/tiers.h"

#include <math.h>

INL __m512 close4(const __m512 p[4]) { return _mm512_add_ps(_mm512_add_ps(p[0], p[1]), _mm512_add_ps(p[2], p[3])); }

/* One row t on columns j .. j + 16 C - 1; C and by_key constants. */
INL void delta_row(const struct delta_run *r, int t, int j, const int C, const int by_key)
{
    const float *q = r->q + (size_t)t * r->ld_k, *k = r->k + (size_t)t * r->ld_k;
    const float *v = r->v + (size_t)t * r->ld_v + j;
    const float *decays = r->decay + (size_t)t * r->ld_decay;
    const __m512 decay = _mm512_set1_ps(decays[0]);
    const __m512 beta = _mm512_set1_ps(r->beta[(size_t)t * r->ld_beta]);
    const size_t panel = (size_t)r->panel;
    const int whole = r->n_k / 4 * 4, rest = r->n_k - whole;
    __m512 m[2][4], y[2][4], dl[2];
    UNROLL for (int c = 0; c < C; c++) UNROLL for (int a = 0; a < 4; a++) m[c][a] = y[c][a] = _mm512_setzero_ps();
#define DECAY(i) (by_key ? _mm512_set1_ps(decays[i]) : decay)
#define MEMORY(i, a)                                                                                                   \
    UNROLL for (int c = 0; c < C; c++)                                                                                 \
        m[c][a] = _mm512_fmadd_ps(_mm512_loadu_ps(r->state + (size_t)(i)*panel + j + c * 16),                          \
                                  _mm512_mul_ps(DECAY(i), _mm512_set1_ps(k[i])), m[c][a])
#define UPDATE(i, a)                                                                                                   \
    UNROLL for (int c = 0; c < C; c++)                                                                                 \
    {                                                                                                                  \
        float *s = r->state + (size_t)(i)*panel + j + c * 16;                                                          \
        __m512 w = _mm512_mul_ps(_mm512_set1_ps(k[i]), dl[c]);                                                         \
        w = _mm512_fmadd_ps(_mm512_loadu_ps(s), DECAY(i), w);                                                          \
        _mm512_storeu_ps(s, w);                                                                                        \
        y[c][a] = _mm512_fmadd_ps(w, _mm512_set1_ps(q[i]), y[c][a]);                                                   \
    }
    for (int i = 0; i < whole; i += 4) {
        UNROLL for (int a = 0; a < 4; a++) MEMORY(i + a, a);
    }
    UNROLL for (int a = 0; a < 3; a++) if (a < rest) MEMORY(whole + a, a);
    UNROLL for (int c = 0; c < C; c++)
        dl[c] = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(v + c * 16), close4(m[c])), beta);
    for (int i = 0; i < whole; i += 4) {
        UNROLL for (int a = 0; a < 4; a++) UPDATE(i + a, a)
    }
    UNROLL for (int a = 0; a < 3; a++) if (a < rest) UPDATE(whole + a, a) UNROLL for (int c = 0; c < C; c++)
        _mm512_storeu_ps(r->o + (size_t)t * r->ld_o + j + c * 16, close4(y[c]));
}

/* Of a copy, because a store to the state could be one to *r, whose fields would be loaded again: 0.57 us a row and head of
 * 128 x 128 instead of 0.65 (Xeon of the measurements). */
INL void delta_rows(const struct delta_run run, const int by_key)
{
    const struct delta_run *r = &run;
    for (int t = 0; t < r->n_rows; t++) {
        int j = 0;
        for (; j + 32 <= r->panel; j += 32)
            delta_row(r, t, j, 2, by_key);
        if (j < r->panel)
            delta_row(r, t, j, 1, by_key);
    }
}

/* Panels of other widths are small heads of small models. */
static void delta(const struct delta_run *r)
{
    if (r->panel % 16)
        delta_scalar(r);
    else if (r->by_key)
        delta_rows(*r, 1);
    else
        delta_rows(*r, 0);
}

/* Row t on columns j .. j + 16 C - 1; C a constant. */
INL void ssm_row(const struct ssm_run *r, int t, int j, const int C)
{
    const float *b = r->B + (size_t)t * r->ld, *c = r->C + (size_t)t * r->ld;
    const float *x = r->x + (size_t)t * r->ld + j;
    const __m512 decay = _mm512_set1_ps(r->decay[(size_t)t * r->ld_dt]);
    const __m512 dt = _mm512_set1_ps(r->dt[(size_t)t * r->ld_dt]);
    const size_t panel = (size_t)r->panel;
    const int whole = r->n_state / 4 * 4, rest = r->n_state - whole;
    __m512 y[2][4], step[2];
    UNROLL for (int v = 0; v < C; v++)
    {
        step[v] = _mm512_mul_ps(dt, _mm512_loadu_ps(x + v * 16));
        UNROLL for (int a = 0; a < 4; a++) y[v][a] = _mm512_setzero_ps();
    }
#define STEP(i, a)                                                                                                     \
    UNROLL for (int v = 0; v < C; v++)                                                                                 \
    {                                                                                                                  \
        float *s = r->state + (size_t)(i)*panel + j + v * 16;                                                          \
        __m512 w = _mm512_mul_ps(_mm512_set1_ps(b[i]), step[v]);                                                       \
        w = _mm512_fmadd_ps(_mm512_loadu_ps(s), decay, w);                                                             \
        _mm512_storeu_ps(s, w);                                                                                        \
        y[v][a] = _mm512_fmadd_ps(w, _mm512_set1_ps(c[i]), y[v][a]);                                                   \
    }
    for (int i = 0; i < whole; i += 4) {
        UNROLL for (int a = 0; a < 4; a++) STEP(i + a, a)
    }
    UNROLL for (int a = 0; a < 3; a++) if (a < rest) STEP(whole + a, a) UNROLL for (int v = 0; v < C; v++)
        _mm512_storeu_ps(r->y + (size_t)t * r->ld_y + j + v * 16,
                         _mm512_fmadd_ps(_mm512_set1_ps(r->D), _mm512_loadu_ps(x + v * 16), close4(y[v])));
}

static void ssm(const struct ssm_run *r)
{
    if (r->panel % 16) {
        ssm_scalar(r);
        return;
    }
    for (int t = 0; t < r->n_rows; t++) {
        int j = 0;
        for (; j + 32 <= r->panel; j += 32)
            ssm_row(r, t, j, 2);
        if (j < r->panel)
            ssm_row(r, t, j, 1);
    }
}

static void exp_all(float *x, int n) { LANES(n) STORE(x, exp512(LOAD(x))); }

/* ref_logf of values in [1, 2]; others give anything. */
INL __m512 log_1_2(__m512 x)
{
    __m512i u = _mm512_castps_si512(x), k = _mm512_sub_epi32(u, _mm512_set1_epi32(0x3f3504f3));
    __m512 e = _mm512_cvtepi32_ps(_mm512_srai_epi32(k, 23));
    u = _mm512_sub_epi32(u, _mm512_and_si512(k, _mm512_set1_epi32((int)0xff800000u)));
    __m512 f = _mm512_sub_ps(_mm512_castsi512_ps(u), _mm512_set1_ps(1.0f)), f2 = _mm512_mul_ps(f, f);
    __m512 p = _mm512_set1_ps(ref_logf_coefficients[0]);
    UNROLL for (int i = 1; i < 9; i++) p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(ref_logf_coefficients[i]));
    __m512 r = _mm512_fmadd_ps(e, _mm512_set1_ps(0x1.7f7d1cp-20f), _mm512_mul_ps(_mm512_mul_ps(f, f2), p));
    r = _mm512_fmadd_ps(_mm512_set1_ps(-0.5f), f2, r);
    return _mm512_fmadd_ps(e, _mm512_set1_ps(0x1.62e4p-1f), _mm512_add_ps(f, r));
}

static void softplus(float *y, const float *x, const float *b, int n)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    LANES(n)
    {
        __m512 v = _mm512_add_ps(LOAD(x), LOAD(b)), e = exp512(_mm512_or_ps(v, _mm512_set1_ps(-0.0f)));
        __m512 w = _mm512_add_ps(one, e), rest = _mm512_sub_ps(e, _mm512_sub_ps(w, one));
        __m512 l = _mm512_add_ps(log_1_2(w), _mm512_div_ps(rest, w));
        STORE(y, _mm512_add_ps(_mm512_max_ps(v, _mm512_setzero_ps()), l));
    }
}

static void mul(float *x, const float *y, int n) { LANES(n) STORE(x, _mm512_mul_ps(LOAD(x), LOAD(y))); }

static void l2_norm(float *y, const float *x, int n, float eps)
{
    __m512 l = _mm512_setzero_ps();
    LANES(n) l = _mm512_mask3_fmadd_ps(LOAD(x), LOAD(x), l, m);
    const __m512 r = _mm512_set1_ps(1.0f / sqrtf(tree(l) + eps));
    LANES(n) STORE(y, _mm512_mul_ps(LOAD(x), r));
}

static void swiglu_oai(float *h, const float *gate, const float *up, int n)
{
    const __m512 seven = _mm512_set1_ps(7.0f), one = _mm512_set1_ps(1.0f);
    LANES(n)
    {
        __m512 g = _mm512_min_ps(seven, LOAD(gate)); /* NaN in the second operand survives */
        __m512 u = _mm512_max_ps(_mm512_set1_ps(-7.0f), _mm512_min_ps(seven, LOAD(up)));
        __m512 e = _mm512_add_ps(one, exp512(_mm512_mul_ps(_mm512_set1_ps(-1.702f), g)));
        STORE(h, _mm512_mul_ps(_mm512_div_ps(g, e), _mm512_add_ps(u, one)));
    }
}

static void clamp(float *x, float low, float high, int n)
{
    LANES(n) STORE(x, _mm512_max_ps(_mm512_set1_ps(low), _mm512_min_ps(_mm512_set1_ps(high), LOAD(x))));
}

static void conv(float *y, const float *const *x, const float *c, const float *bias, int width, int n)
{
    LANES(n)
    {
        __m512 sum = _mm512_setzero_ps();
        for (int t = 0; t < width; t++)
            sum = _mm512_fmadd_ps(LOAD(c + (size_t)t * (size_t)n), LOAD(x[t]), sum);
        if (bias)
            sum = _mm512_add_ps(sum, LOAD(bias));
        STORE(y, _mm512_div_ps(sum, one_plus_exp(sum)));
    }
}

static void conv_plain(float *y, const float *const *x, const float *c, int width, int n)
{
    LANES(n)
    {
        __m512 sum = _mm512_setzero_ps();
        for (int t = 0; t < width; t++)
            sum = _mm512_fmadd_ps(LOAD(c + (size_t)t * (size_t)n), LOAD(x[t]), sum);
        STORE(y, sum);
    }
}

static void attn_sink(float *M, float *L, float *o, float sink, int d_v)
{
    float n = sink > *M ? sink : *M, co = ref_expf(*M - n);
    *L = fmaf(*L, co, ref_expf(sink - n));
    *M = n;
    LANES(d_v) STORE(o, _mm512_mul_ps(LOAD(o), _mm512_set1_ps(co)));
}

void fill_recur_avx512(struct kernels *k)
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
