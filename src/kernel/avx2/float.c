/* The words of float products, AVX2: loops in kernel/float_rows.h. The sixteen lanes of the definition are two ymm. */
#if defined(__x86_64__)
#include "kernel/avx2/simd.h"
#include "kernel/tiers.h"

typedef __m256 lanes_t;
enum { LANES = 8, WEIGHT_ROWS = 4, TREES = 4 };
#define HOLD(v) __asm__("" : "+x"(v))

INL lanes_t zeros(void) { return _mm256_setzero_ps(); }
INL lanes_t whole(const float *p) { return _mm256_loadu_ps(p); }
INL lanes_t products(lanes_t a, lanes_t b, lanes_t c) { return _mm256_fmadd_ps(a, b, c); }
INL float tree_of(const lanes_t l[2]) { return tree(l[0], l[1]); }

INL void trees(const float *sums, float *out)
{
    lanes_t low[TREES], high[TREES];
    UNROLL for (int i = 0; i < TREES; i++)
    {
        low[i] = whole(sums + 16 * i);
        high[i] = whole(sums + 16 * i + 8);
    }
    _mm_storeu_ps(out, tree4(low, high));
}

INL lanes_t load_weights(const enum block_type t, const uint8_t *row, size_t i)
{
    if (t == TYPE_F32)
        return whole((const float *)(const void *)(row + 4 * i));
    if (t == TYPE_F16)
        return load_half(row + 2 * i);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(row + 2 * i)), 16));
}

#include "kernel/float_rows.h"

void fill_float_avx2(struct kernels *k) { fill_float(k); }

#endif
