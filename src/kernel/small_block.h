/* The blocks of the x32 family, for vector code: where things lie in them, and what makes their codes unsigned. A type is a constant
 * wherever this is asked, so that every case folds. The layouts are drawn in format/decode_small.c. */
#ifndef KERNEL_SMALL_BLOCK_H
#define KERNEL_SMALL_BLOCK_H

#include "kernel/kernel.h"

struct small_type {
    int values;          /* of a block */
    size_t bytes, codes; /* of a block; where in it codes begin (fifth bits lie before them) */
    int zero_point;      /* code + zero_point is not negative; 128: it takes all eight bits. A power of two, or 0 */
    int has_min;         /* an f16 behind the scale */
};

static inline __attribute__((always_inline)) struct small_type small_type(const enum block_type t)
{
    switch (t) {
    case TYPE_Q4_0:
        return (struct small_type){32, 18, 2, 8, 0};
    case TYPE_Q4_1:
        return (struct small_type){32, 20, 4, 0, 1};
    case TYPE_Q5_0:
        return (struct small_type){32, 22, 6, 16, 0};
    case TYPE_Q5_1:
        return (struct small_type){32, 24, 8, 0, 1};
    case TYPE_Q8_0:
        return (struct small_type){32, 34, 2, 128, 0};
    case TYPE_IQ4_NL:
        return (struct small_type){32, 18, 2, 128, 0};
    case TYPE_MXFP4:
        return (struct small_type){32, 17, 1, 16, 0};
    case TYPE_NVFP4:
        return (struct small_type){64, 36, 4, 16, 0};
    default: /* q1_0 */
        return (struct small_type){128, 18, 2, 1, 0};
    }
}

#endif
