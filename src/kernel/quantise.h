/* The loops of quantising activations, the same for every vector tier; scalar/dot.c defines the result. A tier's quantise.c has its
 * vectors, which it declares before it includes this:
 *
 *   most_bits(v, n)               the largest magnitude of n x 32 values, as bits
 *   put_codes(q, v, inverse, n)   their codes, v * inverse rounded to nearest even
 *   sums(q, s16, s32)             of a step's codes, by 16 and by 32 */
#ifndef KERNEL_QUANTISE_H
#define KERNEL_QUANTISE_H

#include "base/half.h"
#include "kernel/inline.h"
#include "kernel/unpack.h"

#include <string.h>

/* n x 32 values at v: codes to q, the group's scale returned. */
INL float group(int8_t *q, const float *v, const int n)
{
    uint32_t a = most_bits(v, n);
    if (a >= 0x7f800000 || a < 0x0d800000) { /* not finite; below 2^-100 */
        memset(q, 0, (size_t)n * 32);
        return a >= 0x7f800000 ? f32_from_bits(0x7fc00000) : 0.0f;
    }
    float amax = f32_from_bits(a);
    put_codes(q, v, 127.0f / amax, n);
    return amax / 127.0f;
}

static void quantise(struct xq *x, int row, const float *v)
{
    for (int b = 0; b < x->n_steps; b++, v += STEP) {
        size_t at = (size_t)b * (size_t)x->plane + (size_t)row;
        int8_t *q = x->code + at * STEP;
        if (x->family == ACT_X256) {
            x->scale[at] = group(q, v, 8);
        } else {
            float *d = x->scale + at * 8;
            int n = step_values(x->n_cols, b) / 32;
            for (int g = 0; g < n; g++)
                d[g] = group(q + 32 * g, v + 32 * g, 1);
            for (int g = n; g < 8; g++) {
                memset(q + 32 * g, 0, 32);
                d[g] = 0;
            }
        }
        sums(q, x->sum16 + at * 16, x->sum32 + at * 8);
    }
}

#endif
