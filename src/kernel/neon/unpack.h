/* The types that the NEON tier has kernels for, and the unpackers of its tiles (unpack.c). */
#ifndef KERNEL_NEON_UNPACK_H
#define KERNEL_NEON_UNPACK_H

#include "kernel/dot_rows.h"
#include "kernel/unpack.h"

extern unpack_fn *const unpack_neon[TYPE_COUNT];

/* X(name, type): the x256 family; the x32 family is SMALL_TYPES of dot_rows.h. */
#define K_TYPES(X)                                                                                                     \
    CODEBOOK_TYPES(X)                                                                                                  \
    X(q2_k, TYPE_Q2_K)                                                                                                 \
    X(q3_k, TYPE_Q3_K)                                                                                                 \
    X(q4_k, TYPE_Q4_K)                                                                                                 \
    X(q5_k, TYPE_Q5_K)                                                                                                 \
    X(q6_k, TYPE_Q6_K)                                                                                                 \
    X(iq4_xs, TYPE_IQ4_XS)                                                                                             \
    X(iq2_s, TYPE_IQ2_S)                                                                                               \
    X(iq1_s, TYPE_IQ1_S)                                                                                               \
    X(iq1_m, TYPE_IQ1_M)                                                                                               \
    X(tq1_0, TYPE_TQ1_0)                                                                                               \
    X(tq2_0, TYPE_TQ2_0)

#endif
