/* Activations on their way into a product: rows of f32, and the int8 copies that block-quantised weights are multiplied with.
 *
 * A vector is quantised at most once per format, on first use: q, k and v of a mixed file may need different formats of the same rows, and
 * all products of one format must see the same codes (kernels.md A).
 *
 *   f32    [n_rows][ld]   the values themselves, owned by the caller, valid as long as the act
 *   x256   one scale per 256 values         code NULL until first used
 *   x32    one scale per 32 values          likewise */
#ifndef OP_ACT_H
#define OP_ACT_H

#include "op/op.h"

struct act {
    const float *f32;
    int n_rows, n_cols;
    size_t ld;
    struct xq x256, x32;
    struct op *op; /* where copies are made */
};

/* f32 [n_rows][ld], of which n_cols; nothing is copied. */
struct act act_rows(struct op *op, const float *f32, int n_rows, int n_cols, size_t ld);

/* The quantised copy of a family (not ACT_F32), made now in op's scratch if there is none yet: it lives until the scratch is reset. */
const struct xq *act_quantised(struct act *a, enum act_family family);

#endif
