/* Compressed keys: one row for each ratio positions, a sum of their rows with weights of their own in every column.
 *
 *     z_t = Wkv x_t      s_t = Wgate x_t + ape[t mod ratio]      c_b = sum over t of softmax(s_t) z_t, t in block b
 *
 * Without s it is their mean: (z_0 + z_1 + ...) / ratio, ascending.
 * With overlap rows are twice as wide: the sum is over blocks b - 1 and b, of whose rows the first half serves the following
 * block and the second half the block itself. Rows of incomplete blocks are kept in the state of their sequence. Source: the inference
 * code of DeepSeek-V4. */
#ifndef OP_COMPRESS_H
#define OP_COMPRESS_H

#include "op/recur.h"

enum { COMPRESS_MOST = 128 }; /* positions that a row is made of */

struct compress {
    int ratio, overlap; /* overlap 0 or 1; ratio * (1 + overlap) is at most COMPRESS_MOST */
    int d;              /* columns of a compressed row */
    const float *z,
        *s; /* [n_rows][d * (1 + overlap)]: Wkv x and Wgate x, without ape; s NULL: the mean, without overlap */
    const float *ape;   /* [ratio][d * (1 + overlap)], or NULL; where there is s */
    const int32_t *pos; /* [n_rows] positions in their sequences */
};

/* Floats of a state: z, then s, of the last ratio * (1 + overlap) positions; of means z alone. */
static inline size_t compress_state(int ratio, int overlap, int d)
{
    return 2 * (size_t)(ratio * (1 + overlap)) * (size_t)(d * (1 + overlap));
}
static inline size_t mean_state(int ratio, int d) { return (size_t)ratio * (size_t)d; }

/* out [blocks that end in this step][d], in the order of the rows that end them. run [n_run] covers all rows; run->state has
 * compress_state() or mean_state() floats and is updated. */
void op_compress(struct op *op, const struct compress *c, const struct run *run, int n_run, float *out);

#endif
