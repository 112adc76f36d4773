/* Products of activations with weight matrices: out = x w^T. */
#ifndef OP_MATMUL_H
#define OP_MATMUL_H

#include "op/act.h"

/* A view of rows [first, first + n) of a matrix. */
struct wmat wmat_rows(const struct wmat *w, int first, int n);

/* out[r * ld_out + n] = row n of w times row r of a, times w->scale, for all rows; a->n_cols is w->n_cols. */
void op_matmul(struct op *op, float *out, size_t ld_out, struct act *a, const struct wmat *w);

/* One thread's part of a product, called within a job of the pool: rows [n0, n1) of w for the rows of x, which are x256, x32 or, for float
 * weights and --exact, f32. then: the weights that this thread reads next, for prefetching, or NULL. scratch: op_product_scratch() bytes
 * of this thread, 64-byte aligned. Writes out[r * ld_out + n]. */
struct rows_view {
    const float *f32;
    size_t ld;
    const struct xq *xq; /* NULL where the family is f32 */
    int n_rows;
};
void op_product(const struct op *op, const struct wmat *w, int n0, int n1, const struct rows_view *x, float *out,
                size_t ld_out, const uint8_t *then, void *scratch);

/* The family that a product with this type takes its activations as: ACT_F32 for float weights and under --exact. */
enum act_family op_family(const struct op *op, enum block_type t);

/* The view of all rows of an act as a type needs them. Makes the quantised copy if there is none yet. */
struct rows_view op_view(struct act *a, enum block_type t);

/* Bytes of a thread's scratch that op_product() takes, for at most n_rows rows and matrices of at most n_cols columns. */
size_t op_product_scratch(int n_rows, int n_cols);

#endif
