/* The words of float products, NEON: loops in kernel/float_rows.h. The sixteen lanes of the definition are four vectors. */
#if defined(__aarch64__)
#include "kernel/neon/simd.h"
#include "kernel/tiers.h"

typedef float32x4_t lanes_t;
enum { LANES = 4, WEIGHT_ROWS = 8, TREES = 1 };
#define HOLD(v) __asm__("" : "+w"(v))

INL lanes_t zeros(void) { return f32x4(0); }
INL lanes_t whole(const float *p) { return vld1q_f32(p); }
INL lanes_t products(lanes_t a, lanes_t b, lanes_t c) { return vfmaq_f32(c, a, b); }
INL float tree_of(const lanes_t l[4]) { return tree(l); }

INL void trees(const float *sums, float *out)
{
    const lanes_t l[4] = {whole(sums), whole(sums + 4), whole(sums + 8), whole(sums + 12)};
    *out = tree(l);
}

INL lanes_t load_weights(const enum block_type t, const uint8_t *row, size_t i)
{
    if (t == TYPE_F32)
        return vreinterpretq_f32_u8(vld1q_u8(row + 4 * i));
    return t == TYPE_F16 ? load_half(row + 2 * i) : load_bf16(row + 2 * i);
}

#include "kernel/float_rows.h"

void fill_float_neon(struct kernels *k) { fill_float(k); }

#endif
