/* Encoders: a row of f32 to blocks (quantize.md 4). Rows know nothing of each other, so any split of the work gives the same bytes; so does
 * every tier. */
#ifndef QUANT_ENCODE_H
#define QUANT_ENCODE_H

#include "base/cpu.h"
#include "format/types.h"

#include <stddef.h>
#include <stdint.h>

enum { QUANT_KEEP = TYPE_COUNT /* in place of a type: the bytes of the source */ };

/* fast: the nearest levels; normal: better ones are searched; max: longer. More effort is never worse. */
enum quant_effort { QUANT_FAST, QUANT_NORMAL, QUANT_MAX };

struct quant_encoding {
    enum block_type type;
    enum quant_effort effort;
    int gain; /* scales are raised until products lose nothing on average, and large values are favoured, of types that are meant
               * (quantize.md 4.6) */
    enum cpu_tier tier; /* at most */
};

/* Bytes that a thread needs while it encodes. */
size_t quant_scratch_bytes(void);

/* n finite values of x, a multiple of the type's block, to blocks of a type with a decoder; every byte of out is defined. w: what errors
 * weigh, from quant_weights(), or NULL: all alike. scratch: quant_scratch_bytes(), 64-byte aligned. */
void quant_encode(const struct quant_encoding *how, const float *x, const float *w, int64_t n, uint8_t *out,
                  void *scratch);

/* The weights of columns from their importance: only ratios count. -1: the mean is 0 or not finite, and all weigh the same. */
int quant_weights(const float *importance, int64_t n, float *w);

/* The first value that the type cannot take: not finite, or, of f16, beyond 65504; -1: there is none. */
int64_t quant_find_bad(enum block_type type, const float *x, int64_t n);

/* Values that f16 has no number for but 0. Of other types 0: bf16 has the range of f32, and blocks lose small values by design. */
uint64_t quant_count_lost(enum block_type type, const float *x, int64_t n);

#endif
