/* Functions of vectors, AVX-512: as defined in scalar/vec.c, sixteen lanes at a time. Odd ends go through masks, so that absent
 * lanes take part in nothing. */
#if defined(__x86_64__)
#include "kernel/avx512/simd.h"
#include "kernel/tiers.h"

#include <math.h>

static void rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    __m512 l = _mm512_setzero_ps();
    LANES(n) l = _mm512_mask3_fmadd_ps(LOAD(x), LOAD(x), l, m);
    const __m512 r = _mm512_set1_ps(1.0f / sqrtf(tree(l) / (float)n + eps));
    if (w)
        LANES(n) STORE(y, _mm512_mul_ps(_mm512_mul_ps(LOAD(x), r), LOAD(w)));
    else
        LANES(n) STORE(y, _mm512_mul_ps(LOAD(x), r));
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    __m512 l = _mm512_setzero_ps();
    LANES(n) l = _mm512_mask_add_ps(l, m, l, LOAD(x));
    const __m512 mean = _mm512_set1_ps(tree(l) / (float)n);
    l = _mm512_setzero_ps();
    LANES(n)
    {
        __m512 c = _mm512_sub_ps(LOAD(x), mean);
        l = _mm512_mask3_fmadd_ps(c, c, l, m);
    }
    const __m512 r = _mm512_set1_ps(1.0f / sqrtf(tree(l) / (float)n + eps));
    LANES(n)
    {
        __m512 c = _mm512_mul_ps(_mm512_sub_ps(LOAD(x), mean), r);
        STORE(y, _mm512_fmadd_ps(c, LOAD(w), LOAD(b)));
    }
}

static void softmax(float *x, int n)
{
    __m512 top = _mm512_set1_ps(-INFINITY), l = _mm512_setzero_ps();
    LANES(n) top = _mm512_mask_max_ps(top, m, LOAD(x), top);
    const __m512 most = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    LANES(n)
    {
        __m512 e = exp512(_mm512_sub_ps(LOAD(x), most));
        l = _mm512_mask_add_ps(l, m, l, e);
        STORE(x, e);
    }
    const __m512 r = _mm512_set1_ps(1.0f / tree(l));
    LANES(n) STORE(x, _mm512_mul_ps(LOAD(x), r));
}

static void silu_mul(float *h, const float *gate, const float *up, int n)
{
    LANES(n)
    {
        __m512 g = LOAD(gate);
        STORE(h, _mm512_mul_ps(_mm512_div_ps(g, one_plus_exp(g)), LOAD(up)));
    }
}

static void relu2(float *h, const float *gate, const float *up, int n)
{
    (void)gate;
    LANES(n)
    {
        __m512 x = _mm512_max_ps(_mm512_setzero_ps(), LOAD(up)); /* NaN in the second operand survives */
        STORE(h, _mm512_mul_ps(x, x));
    }
}

static void sigmoid(float *y, const float *x, int n)
{
    LANES(n) STORE(y, _mm512_div_ps(_mm512_set1_ps(1.0f), one_plus_exp(LOAD(x))));
}

static void add(float *x, const float *y, int n) { LANES(n) STORE(x, _mm512_add_ps(LOAD(x), LOAD(y))); }

static void add_scaled(float *y, float w, const float *o, int n)
{
    LANES(n) STORE(y, _mm512_add_ps(LOAD(y), _mm512_mul_ps(_mm512_set1_ps(w), LOAD(o))));
}

static void axpy(float *x, float s, const float *v, int n)
{
    LANES(n) STORE(x, _mm512_fmadd_ps(_mm512_set1_ps(s), LOAD(v), LOAD(x)));
}

/* x, and 0 where its size is below ADAM_LEAST. */
static __m512 not_least(__m512 x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(ADAM_LEAST), _CMP_NLT_UQ), x);
}

static void adam(float *w, float *mean, float *var, const float *g, float step, float root, int n)
{
    LANES(n)
    {
        __m512 x = LOAD(g), a = _mm512_mul_ps(_mm512_set1_ps(ADAM_M_NEW), x),
               b = _mm512_mul_ps(_mm512_set1_ps(ADAM_V_NEW), _mm512_mul_ps(x, x));
        a = not_least(_mm512_fmadd_ps(_mm512_set1_ps(ADAM_M), LOAD(mean), a));
        b = not_least(_mm512_fmadd_ps(_mm512_set1_ps(ADAM_V), LOAD(var), b));
        STORE(mean, a);
        STORE(var, b);
        a = _mm512_div_ps(a, _mm512_fmadd_ps(_mm512_sqrt_ps(b), _mm512_set1_ps(root), _mm512_set1_ps(ADAM_EPS)));
        STORE(w, _mm512_fmadd_ps(_mm512_set1_ps(-step), a, LOAD(w)));
    }
}

static void scale(float *x, float s, int n) { LANES(n) STORE(x, _mm512_mul_ps(LOAD(x), _mm512_set1_ps(s))); }

static inline __m512 gelu512(__m512 x)
{
    __m512 cube = _mm512_mul_ps(_mm512_set1_ps(0x1.6e4e26p-5f), _mm512_mul_ps(x, x));
    __m512 u = _mm512_mul_ps(_mm512_set1_ps(0x1.988454p-1f), _mm512_fmadd_ps(cube, x, x));
    return _mm512_div_ps(x, one_plus_exp(_mm512_mul_ps(_mm512_set1_ps(2.0f), u)));
}

static void gelu_mul(float *h, const float *gate, const float *up, int n)
{
    LANES(n) STORE(h, _mm512_mul_ps(gelu512(LOAD(gate)), LOAD(up)));
}

static void gelu(float *h, const float *gate, const float *up, int n)
{
    (void)gate;
    LANES(n) STORE(h, gelu512(LOAD(up)));
}

static void relu_mul(float *h, const float *gate, const float *up, int n)
{
    /* NaN and -0 in the second operand survive */
    LANES(n) STORE(h, _mm512_mul_ps(_mm512_max_ps(_mm512_setzero_ps(), LOAD(gate)), LOAD(up)));
}

static void softcap(float *x, float cap, int n) { LANES(n) STORE(x, softcap512(LOAD(x), cap)); }

static void rope_half(float *x, const float *c, const float *s, int n_pair)
{
    float *z = x + n_pair;
    LANES(n_pair)
    {
        __m512 x0 = LOAD(x), x1 = LOAD(z), cos = LOAD(c), sin = LOAD(s);
        STORE(x, _mm512_fmsub_ps(x0, cos, _mm512_mul_ps(x1, sin)));
        STORE(z, _mm512_fmadd_ps(x0, sin, _mm512_mul_ps(x1, cos)));
    }
}

/* Eight pairs: even lanes x0 c - (x1 s), odd lanes x0 s + (x1 c). */
static void rope_pair(float *x, const float *c, const float *s, int n_pair)
{
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    for (int i = 0; i < n_pair; i += 8) {
        __mmask8 m = (__mmask8)first_lanes((size_t)(n_pair - i));
        __mmask16 m2 = first_lanes((size_t)(2 * (n_pair - i)));
        __m512 v = _mm512_maskz_loadu_ps(m2, x + 2 * i);
        __m512 cos = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_maskz_loadu_ps(m, c + i)));
        __m512 sin = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_maskz_loadu_ps(m, s + i)));
        __m512 by_x1 = _mm512_mul_ps(_mm512_movehdup_ps(v), _mm512_mask_blend_ps(0xaaaa, sin, cos));
        __m512 y = _mm512_fmaddsub_ps(_mm512_moveldup_ps(v), _mm512_mask_blend_ps(0xaaaa, cos, sin), by_x1);
        _mm512_mask_storeu_ps(x + 2 * i, m2, y);
    }
}

/* Saturating; a NaN is the one that f16_from_f32 makes. */
static void f32_to_f16(uint16_t *y, const float *x, int n)
{
    const __m512 most = _mm512_set1_ps(65504.0f), least = _mm512_set1_ps(-65504.0f);
    LANES(n)
    {
        __m512 v = LOAD(x);
        __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        __m512i sign = _mm512_and_si512(_mm512_srli_epi32(_mm512_castps_si512(v), 16), _mm512_set1_epi32(0x8000));
        v = _mm512_min_ps(most, _mm512_max_ps(least, v));
        __m256i h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        __m256i quiet = _mm512_cvtepi32_epi16(_mm512_or_si512(sign, _mm512_set1_epi32(0x7e00)));
        _mm256_mask_storeu_epi16(y + i, m, _mm256_mask_mov_epi16(h, nan, quiet));
    }
}

static void attn_merge(float *M, float *L, float *o, float m_split, float l_split, const float *a, int d_v)
{
    float top = m_split > *M ? m_split : *M, co = ref_expf(*M - top), cn = ref_expf(m_split - top);
    const __m512 keep = _mm512_set1_ps(co), take = _mm512_set1_ps(cn);
    *L = fmaf(*L, co, l_split * cn);
    *M = top;
    LANES(d_v) STORE(o, _mm512_fmadd_ps(LOAD(o), keep, _mm512_mul_ps(LOAD(a), take)));
}

static void attn_finish(float *o, float L, int d_v)
{
    const __m512 r = _mm512_set1_ps(1.0f / L);
    LANES(d_v) STORE(o, _mm512_mul_ps(LOAD(o), r));
}

void fill_vec_avx512(struct kernels *k)
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
    k->attn_merge = attn_merge;
    k->attn_finish = attn_finish;
}

#endif
