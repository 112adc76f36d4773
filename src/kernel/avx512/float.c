/* The words of float products, AVX-512: loops in kernel/float_rows.h. One zmm is the sixteen lanes of the definition. */
#if defined(__x86_64__)
#include "kernel/avx512/simd.h"
#include "kernel/tiers.h"

typedef __m512 lanes_t;
enum { LANES = 16, WEIGHT_ROWS = 8, TREES = 16 };
#define HOLD(v) __asm__("" : "+v"(v))

INL lanes_t zeros(void) { return _mm512_setzero_ps(); }
INL lanes_t whole(const float *p) { return _mm512_loadu_ps(p); }
INL lanes_t products(lanes_t a, lanes_t b, lanes_t c) { return _mm512_fmadd_ps(a, b, c); }
INL lanes_t load(const float *p, int i, int n) { return _mm512_maskz_loadu_ps(first_lanes((size_t)(n - i)), p + i); }
INL lanes_t present(lanes_t old, lanes_t v, int i, int n)
{
    return _mm512_mask_mov_ps(old, first_lanes((size_t)(n - i)), v);
}
INL float tree_of(const lanes_t l[1]) { return tree(l[0]); }

INL void trees(const float *sums, float *out)
{
    lanes_t l[TREES];
    UNROLL for (int i = 0; i < TREES; i++) l[i] = whole(sums + 16 * i);
    _mm512_storeu_ps(out, tree16x(l));
}

INL lanes_t load_weights(const enum block_type t, const uint8_t *row, size_t i)
{
    if (t == TYPE_F32)
        return _mm512_loadu_ps(row + 4 * i);
    if (t == TYPE_F16)
        return load_half(row + 2 * i);
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(row + 2 * i))), 16));
}

#include "kernel/float_rows.h"

void fill_float_avx512(struct kernels *k) { fill_float(k); }

#endif
