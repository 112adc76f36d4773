/* Functions of vectors, AVX2: as defined in scalar/vec.c, eight lanes at a time. Odd ends go through masks. */
#if defined(__x86_64__)
#include "kernel/avx2/simd.h"
#include "kernel/tiers.h"

#include <math.h>

static void rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    __m256 l[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int i = 0; i < n; i += 16)
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256 v = load(x, i + 8 * h, n);
            l[h] = present(l[h], _mm256_fmadd_ps(v, v, l[h]), i + 8 * h, n);
        }
    const __m256 r = _mm256_set1_ps(1.0f / sqrtf(tree(l[0], l[1]) / (float)n + eps));
    for (int i = 0; i < n; i += 8) {
        __m256 v = _mm256_mul_ps(load(x, i, n), r);
        store(y, i, n, w ? _mm256_mul_ps(v, load(w, i, n)) : v);
    }
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    __m256 l[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()}, c;
    for (int i = 0; i < n; i += 16)
        UNROLL for (int h = 0; h < 2; h++)
            l[h] = present(l[h], _mm256_add_ps(l[h], load(x, i + 8 * h, n)), i + 8 * h, n);
    const __m256 mean = _mm256_set1_ps(tree(l[0], l[1]) / (float)n);
    l[0] = l[1] = _mm256_setzero_ps();
    for (int i = 0; i < n; i += 16)
        UNROLL for (int h = 0; h < 2; h++)
        {
            c = _mm256_sub_ps(load(x, i + 8 * h, n), mean);
            l[h] = present(l[h], _mm256_fmadd_ps(c, c, l[h]), i + 8 * h, n);
        }
    const __m256 r = _mm256_set1_ps(1.0f / sqrtf(tree(l[0], l[1]) / (float)n + eps));
    for (int i = 0; i < n; i += 8) {
        c = _mm256_mul_ps(_mm256_sub_ps(load(x, i, n), mean), r);
        store(y, i, n, _mm256_fmadd_ps(c, load(w, i, n), load(b, i, n)));
    }
}

static void softmax(float *x, int n)
{
    __m256 top = _mm256_set1_ps(-INFINITY), l[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int i = 0; i < n; i += 8)
        top = present(top, _mm256_max_ps(load(x, i, n), top), i, n);
    const __m256 most = _mm256_set1_ps(max_lane(top));
    for (int i = 0; i < n; i += 16)
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256 e = exp256(_mm256_sub_ps(load(x, i + 8 * h, n), most));
            l[h] = present(l[h], _mm256_add_ps(l[h], e), i + 8 * h, n);
            store(x, i + 8 * h, n, e);
        }
    const __m256 r = _mm256_set1_ps(1.0f / tree(l[0], l[1]));
    for (int i = 0; i < n; i += 8)
        store(x, i, n, _mm256_mul_ps(load(x, i, n), r));
}

static void silu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i += 8) {
        __m256 g = load(gate, i, n);
        store(h, i, n, _mm256_mul_ps(_mm256_div_ps(g, one_plus_exp(g)), load(up, i, n)));
    }
}

static void relu2(float *h, const float *gate, const float *up, int n)
{
    (void)gate;
    for (int i = 0; i < n; i += 8) {
        __m256 x = _mm256_max_ps(_mm256_setzero_ps(), load(up, i, n)); /* NaN in the second operand survives */
        store(h, i, n, _mm256_mul_ps(x, x));
    }
}

static void sigmoid(float *y, const float *x, int n)
{
    for (int i = 0; i < n; i += 8)
        store(y, i, n, _mm256_div_ps(_mm256_set1_ps(1.0f), one_plus_exp(load(x, i, n))));
}

static void add(float *x, const float *y, int n)
{
    for (int i = 0; i < n; i += 8)
        store(x, i, n, _mm256_add_ps(load(x, i, n), load(y, i, n)));
}

static void add_scaled(float *y, float w, const float *o, int n)
{
    const __m256 f = _mm256_set1_ps(w);
    for (int i = 0; i < n; i += 8)
        store(y, i, n, _mm256_add_ps(load(y, i, n), _mm256_mul_ps(f, load(o, i, n))));
}

static void axpy(float *x, float s, const float *v, int n)
{
    const __m256 f = _mm256_set1_ps(s);
    for (int i = 0; i < n; i += 8)
        store(x, i, n, _mm256_fmadd_ps(f, load(v, i, n), load(x, i, n)));
}

/* x, and 0 where its size is below ADAM_LEAST. */
static __m256 not_least(__m256 x)
{
    __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    return _mm256_andnot_ps(_mm256_cmp_ps(size, _mm256_set1_ps(ADAM_LEAST), _CMP_LT_OQ), x);
}

static void adam(float *w, float *m, float *v, const float *g, float step, float root, int n)
{
    const __m256 down = _mm256_set1_ps(-step), by = _mm256_set1_ps(root), eps = _mm256_set1_ps(ADAM_EPS);
    for (int i = 0; i < n; i += 8) {
        __m256 x = load(g, i, n);
        __m256 mean = _mm256_mul_ps(_mm256_set1_ps(ADAM_M_NEW), x),
               square = _mm256_mul_ps(_mm256_set1_ps(ADAM_V_NEW), _mm256_mul_ps(x, x));
        mean = not_least(_mm256_fmadd_ps(_mm256_set1_ps(ADAM_M), load(m, i, n), mean));
        square = not_least(_mm256_fmadd_ps(_mm256_set1_ps(ADAM_V), load(v, i, n), square));
        store(m, i, n, mean);
        store(v, i, n, square);
        mean = _mm256_div_ps(mean, _mm256_fmadd_ps(_mm256_sqrt_ps(square), by, eps));
        store(w, i, n, _mm256_fmadd_ps(down, mean, load(w, i, n)));
    }
}

static void scale(float *x, float s, int n)
{
    for (int i = 0; i < n; i += 8)
        store(x, i, n, _mm256_mul_ps(load(x, i, n), _mm256_set1_ps(s)));
}

static inline __m256 gelu256(__m256 x)
{
    __m256 cube = _mm256_mul_ps(_mm256_set1_ps(0x1.6e4e26p-5f), _mm256_mul_ps(x, x));
    __m256 u = _mm256_mul_ps(_mm256_set1_ps(0x1.988454p-1f), _mm256_fmadd_ps(cube, x, x));
    return _mm256_div_ps(x, one_plus_exp(_mm256_mul_ps(_mm256_set1_ps(2.0f), u)));
}

static void gelu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i += 8)
        store(h, i, n, _mm256_mul_ps(gelu256(load(gate, i, n)), load(up, i, n)));
}

static void gelu(float *h, const float *gate, const float *up, int n)
{
    (void)gate;
    for (int i = 0; i < n; i += 8)
        store(h, i, n, gelu256(load(up, i, n)));
}

static void relu_mul(float *h, const float *gate, const float *up, int n)
{
    for (int i = 0; i < n; i += 8) /* NaN and -0 in the second operand survive */
        store(h, i, n, _mm256_mul_ps(_mm256_max_ps(_mm256_setzero_ps(), load(gate, i, n)), load(up, i, n)));
}

static void softcap(float *x, float cap, int n)
{
    for (int i = 0; i < n; i += 8)
        store(x, i, n, softcap256(load(x, i, n), cap));
}

static void rope_half(float *x, const float *c, const float *s, int n_pair)
{
    float *z = x + n_pair;
    for (int i = 0; i < n_pair; i += 8) {
        __m256 x0 = load(x, i, n_pair), x1 = load(z, i, n_pair), cos = load(c, i, n_pair), sin = load(s, i, n_pair);
        store(x, i, n_pair, _mm256_fmsub_ps(x0, cos, _mm256_mul_ps(x1, sin)));
        store(z, i, n_pair, _mm256_fmadd_ps(x0, sin, _mm256_mul_ps(x1, cos)));
    }
}

/* Four values of the n at p, each twice. */
INL __m256 load_twice(const float *p, int i, int n)
{
    __m128 v = i + 4 <= n ? _mm_loadu_ps(p + i) : _mm_maskload_ps(p + i, _mm256_castsi256_si128(first_lanes(n - i)));
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(v), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

/* Four pairs: even lanes x0 c - (x1 s), odd lanes x0 s + (x1 c). */
static void rope_pair(float *x, const float *c, const float *s, int n_pair)
{
    for (int i = 0; i < n_pair; i += 4) {
        __m256 v = load(x, 2 * i, 2 * n_pair), cos = load_twice(c, i, n_pair), sin = load_twice(s, i, n_pair);
        __m256 by_x1 = _mm256_mul_ps(_mm256_movehdup_ps(v), _mm256_blend_ps(sin, cos, 0xaa));
        v = _mm256_fmaddsub_ps(_mm256_moveldup_ps(v), _mm256_blend_ps(cos, sin, 0xaa), by_x1);
        store(x, 2 * i, 2 * n_pair, v);
    }
}

/* Saturating; NaN and the odd end are left to the scalar definition. */
static void f32_to_f16(uint16_t *y, const float *x, int n)
{
    const __m256 most = _mm256_set1_ps(65504.0f), least = _mm256_set1_ps(-65504.0f);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        if (_mm256_movemask_ps(_mm256_cmp_ps(v, v, _CMP_UNORD_Q))) {
            for (int j = i; j < i + 8; j++)
                y[j] = f16_from_f32(x[j]);
            continue;
        }
        v = _mm256_min_ps(most, _mm256_max_ps(least, v));
        _mm_storeu_si128((__m128i *)(y + i), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    for (; i < n; i++)
        y[i] = f16_from_f32(x[i]);
}

static void attn_merge(float *M, float *L, float *o, float m, float l, const float *a, int d_v)
{
    float top = m > *M ? m : *M, co = ref_expf(*M - top), cn = ref_expf(m - top);
    const __m256 keep = _mm256_set1_ps(co), take = _mm256_set1_ps(cn);
    *L = fmaf(*L, co, l * cn);
    *M = top;
    for (int i = 0; i < d_v; i += 8)
        store(o, i, d_v, _mm256_fmadd_ps(load(o, i, d_v), keep, _mm256_mul_ps(load(a, i, d_v), take)));
}

static void attn_finish(float *o, float L, int d_v) { scale(o, 1.0f / L, d_v); }

void fill_vec_avx2(struct kernels *k)
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
