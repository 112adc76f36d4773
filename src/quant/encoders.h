/* What encoders have in common: a block as numbers, its bytes, and the codes nearest to its values (quantize.md 4).
 *
 *   nearest_*   numbers of a block from its values, by the rules of quantize.md 4.2; zeros where a scale rounds to zero
 *   pack_*      its bytes, as format/decode.h has them, aligned to nothing; every byte is written
 *
 * What is better than the nearest is found by search.h, for all types in one way. Plain f32 operations in one order, rintf() half to even,
 * nothing fused: the same bytes from every compiler and machine. */
#ifndef QUANT_ENCODERS_H
#define QUANT_ENCODERS_H

#include "base/half.h"
#include "format/grids.h"

#include <math.h>
#include <stdint.h>

struct block {
    float d, dmin;          /* as they are stored; d of mxfp4 and nvfp4: none */
    int scale[16], min[16]; /* of groups, as whole numbers; of mxfp4 and nvfp4 the bytes of scales */
    int code[256];          /* of values, as they are stored; of cells, where a grid gives several values at once */
    unsigned signs[32];     /* of eight values; of iq1 1: the cell is moved down */
};

typedef void nearest_fn(const float *x, struct block *b);
typedef void pack_fn(const struct block *b, uint8_t *out);

/* encode_small.c: blocks of 32 to 128 values; from_minimum: of q4_1 and q5_1 */
nearest_fn nearest_q4_0, nearest_q4_1, nearest_q5_0, nearest_q5_1, nearest_q8_0, nearest_iq4_nl, nearest_mxfp4,
    nearest_nvfp4;
pack_fn pack_q4_0, pack_q4_1, pack_q5_0, pack_q5_1, pack_q8_0, pack_q1_0, pack_iq4_nl, pack_mxfp4, pack_nvfp4;
/* The best scale of signs, which is no search: the weighted mean of magnitudes. */
void find_q1_0(const float *x, const float *w, struct block *b);

/* encode_k.c: 256 values, scales of scales; and the two ternary types */
nearest_fn nearest_q2_k, nearest_q3_k, nearest_q4_k, nearest_q5_k, nearest_q6_k, nearest_iq4_xs, nearest_trits;
pack_fn pack_q2_k, pack_q3_k, pack_q4_k, pack_q5_k, pack_q6_k, pack_iq4_xs, pack_tq1_0, pack_tq2_0;

/* encode_iq.c: 256 values through tables */
pack_fn pack_iq2_xxs, pack_iq2_xs, pack_iq2_s, pack_iq3_xxs, pack_iq3_s, pack_iq1_s, pack_iq1_m;

/* ---- what they share ------------------------------------------------------------------------------------------------------------- */

static inline void put_u16(uint8_t *out, unsigned v)
{
    uint16_t h = (uint16_t)v;
    memcpy(out, &h, 2);
}

static inline void put_u32(uint8_t *out, uint32_t v) { memcpy(out, &v, 4); }

/* A number as f16 has it. */
static inline float as_f16(float v) { return f16_to_f32(f16_from_f32(v)); }

static inline void put_f16(uint8_t *out, float v) { put_u16(out, f16_from_f32(v)); }

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

/* The code of twice an FP4 value: of equally near ones the one nearer to zero, and of 0 the first. */
static inline int nearest_e2m1(float v)
{
    static const float between[] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    int code = 0;
    if (fabsf(v) > 0x1p20f) /* far off all are equally near */
        return nearest_of(v, codes_e2m1, 16);
    for (int k = 0; k < 7; k++)
        code += fabsf(v) > between[k];
    return v < 0 && code ? code + 8 : code;
}

/* An unsigned E4M3 with bias 7, of which f32's upper bits are the code and a bias. */
enum { UE4M3_MOST = 126, UE4M3_BIAS = (127 - 7) << 3 };

static inline float ue4m3(int code)
{
    return code >= 8 ? f32_from_bits((uint32_t)(code + UE4M3_BIAS) << 20) : (float)code * 0x1p-9f;
}

/* The code of the largest that is not above v; v >= 0. */
static inline int ue4m3_below(float v)
{
    if (v < 0x1p-6f)
        return (int)(v * 0x1p9f);
    int code = (int)(f32_bits(v) >> 20) - UE4M3_BIAS;
    return code < UE4M3_MOST ? code : UE4M3_MOST;
}

#endif
