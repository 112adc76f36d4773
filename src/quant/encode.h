/* Encoders: a row of f32 to blocks (quantize.md 4). Rows know nothing of each other, so any split of the work gives the same bytes. */
#ifndef QUANT_ENCODE_H
#define QUANT_ENCODE_H

#include "format/types.h"

#include <stdint.h>

enum { QUANT_KEEP = TYPE_COUNT /* in place of a type: the bytes of the source */ };

/* n finite values of x, a multiple of the type's block, to blocks of a type that has a decoder; every byte of out is defined. */
void quant_encode(enum block_type type, const float *x, int64_t n, uint8_t *out);

/* The first value that the type cannot take: not finite, or, of f16, beyond 65504; -1: there is none. */
int64_t quant_find_bad(enum block_type type, const float *x, int64_t n);

#endif
