/* The encoders of encode.c, one for each block type: from f32 values to blocks, as format/decode.h has them.
 *
 *   x     [n]   finite; n is a multiple of the type's block
 *   out         n / block blocks, one behind another, aligned to nothing */
#ifndef QUANT_ENCODERS_H
#define QUANT_ENCODERS_H

#include <stdint.h>

typedef void encode_fn(const float *x, int64_t n, uint8_t *out);

/* encode_float.c */
encode_fn encode_f32, encode_f16, encode_bf16;

/* encode_small.c */
encode_fn encode_q8_0;

#endif
