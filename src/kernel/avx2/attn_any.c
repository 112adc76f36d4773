/* Attention of head sizes that are no multiple of 16: the definition, for AVX2 and AVX-512. */
#include "kernel/attn_definition.h"

void attn_split_fma(const struct attn_split *s, void *scratch) { attn_split_defined(s, scratch); }
