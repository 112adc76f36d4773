/* The rows of a tier's table that its dot16() and tilef() give: taken in at the end of each vector tier's float.c, behind both. */
#ifndef KERNEL_FLOAT_FILL_H
#define KERNEL_FLOAT_FILL_H

#include "kernel/tiers.h"

#define TILEF(name, type)                                                                                              \
    static void name(const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows, float *out,        \
                     size_t ld_out)                                                                                    \
    {                                                                                                                  \
        tilef(type, w, n0, n1, x, ld_x, n_rows, out, ld_out);                                                          \
    }
TILEF(tilef_f32, TYPE_F32)
TILEF(tilef_f16, TYPE_F16)
TILEF(tilef_bf16, TYPE_BF16)

static inline void fill_float(struct kernels *k)
{
    k->dot16 = dot16;
    k->tilef[TYPE_F32] = tilef_f32;
    k->tilef[TYPE_F16] = tilef_f16;
    k->tilef[TYPE_BF16] = tilef_bf16;
}

#endif
