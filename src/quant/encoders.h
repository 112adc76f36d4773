/* The encoders of encode.c, one for each block type: from f32 values to blocks, as format/decode.h has them, to the nearest level
 * (quantize.md 4.2). Codes are found with scales as they are stored; a scale that rounds to zero makes a block of zeros.
 *
 *   x     [n]   finite; n is a multiple of the type's block
 *   out         n / block blocks, one behind another, aligned to nothing; every byte is written
 *
 * Plain f32 operations in one order, rintf() half to even, nothing fused: the same bytes from every compiler and machine. */
#ifndef QUANT_ENCODERS_H
#define QUANT_ENCODERS_H

#include "base/half.h"

#include <math.h>
#include <stdint.h>

typedef void encode_fn(const float *x, int64_t n, uint8_t *out);

/* encode_float.c */
encode_fn encode_f32, encode_f16, encode_bf16;

/* encode_small.c: blocks of 32 to 128 values */
encode_fn encode_q4_0, encode_q4_1, encode_q5_0, encode_q5_1, encode_q8_0, encode_q1_0;
encode_fn encode_iq4_nl, encode_mxfp4, encode_nvfp4;

/* encode_k.c: 256 values, scales of scales; and the two ternary types */
encode_fn encode_q2_k, encode_q3_k, encode_q4_k, encode_q5_k, encode_q6_k, encode_tq1_0, encode_tq2_0;
encode_fn encode_iq4_xs;

/* encode_iq.c: 256 values through tables */
encode_fn encode_iq2_xxs, encode_iq2_xs, encode_iq2_s, encode_iq3_xxs, encode_iq3_s;

/* encode_iq1.c */
encode_fn encode_iq1_s, encode_iq1_m;

/* ---- what they share ------------------------------------------------------------------------------------------------------------- */

static inline void put_u16(uint8_t *out, unsigned v)
{
    uint16_t h = (uint16_t)v;
    memcpy(out, &h, 2);
}

/* Stores a number as f16; what was stored. */
static inline float put_f16(uint8_t *out, float v)
{
    uint16_t h = f16_from_f32(v);
    put_u16(out, h);
    return f16_to_f32(h);
}

/* v to the nearest whole number within [low, high]; v may be infinite or NaN, where something was divided by a tiny scale. */
static inline int round_to(float v, int low, int high)
{
    float r = rintf(v);
    return r >= (float)high ? high : r > (float)low ? (int)r : low;
}

/* The value of largest magnitude with its sign; of equal ones the first. */
static inline float extreme_of(const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    return most;
}

/* Among n ascending or unordered levels the nearest to v; of equally near ones the first. */
static inline int nearest_of(float v, const int8_t *level, int n)
{
    int best = 0;
    float least = INFINITY;
    for (int k = 0; k < n; k++) {
        float e = fabsf(v - (float)level[k]);
        best = e < least ? k : best;
        least = e < least ? e : least;
    }
    return best;
}

/* Eight partial sums of the terms by index modulo 8, joined in one order: what vectors can do too. */
static inline float join_sums(const float s[8])
{
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

#endif
