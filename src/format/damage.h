/* What can be seen of damage in blocks without knowing what they held: numbers that no file has. */
#ifndef FORMAT_DAMAGE_H
#define FORMAT_DAMAGE_H

#include "format/types.h"

/* The first of n blocks that decodes to an infinity or NaN: by its scales, or, of f32, f16 and bf16, its value. n: none does. Blocks of
 * the integers and of f64 are not looked at; mxfp4 scales that can overflow count as damage. blocks is aligned to nothing. */
size_t blocks_find_damage(enum block_type t, const uint8_t *blocks, size_t n);

#endif
