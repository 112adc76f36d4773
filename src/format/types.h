/* Block types: how the bytes of a GGUF tensor encode its numbers.
 *
 * A row of a tensor is a run of blocks; a block holds `block` values in `bytes` bytes. Decoding to f32 is the definition that
 * every kernel is tested against: plain f32 operations, each product rounded before it is added, no fused multiply-add.
 * Numbers of the types are those of the GGUF format. */
#ifndef FORMAT_TYPES_H
#define FORMAT_TYPES_H

#include <stddef.h>
#include <stdint.h>

enum block_type {
    TYPE_F32 = 0,
    TYPE_F16 = 1,
    TYPE_Q4_0 = 2,
    TYPE_Q4_1 = 3,
    TYPE_Q5_0 = 6,
    TYPE_Q5_1 = 7,
    TYPE_Q8_0 = 8,
    TYPE_Q2_K = 10,
    TYPE_Q3_K = 11,
    TYPE_Q4_K = 12,
    TYPE_Q5_K = 13,
    TYPE_Q6_K = 14,
    TYPE_IQ2_XXS = 16,
    TYPE_IQ2_XS = 17,
    TYPE_IQ3_XXS = 18,
    TYPE_IQ1_S = 19,
    TYPE_IQ4_NL = 20,
    TYPE_IQ3_S = 21,
    TYPE_IQ2_S = 22,
    TYPE_IQ4_XS = 23,
    TYPE_I8 = 24,
    TYPE_I16 = 25,
    TYPE_I32 = 26,
    TYPE_I64 = 27,
    TYPE_F64 = 28,
    TYPE_IQ1_M = 29,
    TYPE_BF16 = 30,
    TYPE_TQ1_0 = 34,
    TYPE_TQ2_0 = 35,
    TYPE_MXFP4 = 39,
    TYPE_NVFP4 = 40,
    TYPE_Q1_0 = 41,
    TYPE_COUNT = 42
};

struct block_info {
    const char *name; /* "q4_k" */
    int block;        /* values in a block */
    int bytes;        /* of a block */
    /* Decodes n values, a multiple of block, to out [n]; blocks is aligned to nothing. NULL: not weights (the integers, f64). */
    void (*decode)(float *out, const uint8_t *blocks, size_t n);
};

/* The row of a type, static. NULL: stoker does not know the number. */
const struct block_info *type_info(uint32_t type);

/* The enum block_type of a name ("q4_k", case ignored); -1: there is none. */
int type_by_name(const char *name);

/* Bytes of n values, a multiple of the block. */
static inline size_t type_row_bytes(const struct block_info *t, size_t n)
{
    return n / (size_t)t->block * (size_t)t->bytes;
}

#endif
