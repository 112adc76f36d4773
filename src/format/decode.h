/* The decoders of types.c, one for each block type: from blocks of the file to f32 values.
 *
 *   out     [n]   n is a multiple of the type's block
 *   blocks        n / block blocks, one behind another, aligned to nothing
 *
 * They define what a weight is, so they are written to be read; kernels have their own, faster ways to the same codes. */
#ifndef FORMAT_DECODE_H
#define FORMAT_DECODE_H

#include <stddef.h>
#include <stdint.h>

typedef void decode_fn(float *out, const uint8_t *blocks, size_t n);

/* decode_float.c */
decode_fn decode_f32, decode_f16, decode_bf16;

/* decode_small.c: blocks of 32 to 128 values */
decode_fn decode_q4_0, decode_q4_1, decode_q5_0, decode_q5_1, decode_q8_0, decode_q1_0;
decode_fn decode_iq4_nl, decode_mxfp4, decode_nvfp4;

/* decode_k.c: 256 values, scales of scales; and the two ternary types */
decode_fn decode_q2_k, decode_q3_k, decode_q4_k, decode_q5_k, decode_q6_k, decode_tq1_0, decode_tq2_0;

/* decode_iq.c: 256 values through tables (grids.h) */
decode_fn decode_iq1_s, decode_iq1_m, decode_iq2_xxs, decode_iq2_xs, decode_iq2_s, decode_iq3_xxs, decode_iq3_s;
decode_fn decode_iq4_xs;

#endif
