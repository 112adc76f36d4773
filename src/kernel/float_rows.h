/* dot16 and the products of float weights, the loops for tiers of 128 and 256 bits; scalar/float.c defines the result. The sixteen
 * lanes of the definition are VECTORS vectors. A tier's float.c has its words, which it declares before it includes this:
 *
 *   lanes_t, LANES            a vector of f32
 *   zeros(), whole(p)         one of zeros; the one at p
 *   load(), present()         those of simd.h, for the end of a row
 *   products(a, b, c)         a * b + c, fused
 *   load_weights(t, row, i)   LANES weights from value i of a row on, as f32
 *   tree_of(l)                the tree of tiers.h over VECTORS vectors */
#ifndef KERNEL_FLOAT_ROWS_H
#define KERNEL_FLOAT_ROWS_H

#include "base/half.h"
#include "kernel/inline.h"
#include "kernel/tiers.h"

enum { VECTORS = 16 / LANES };

/* l + the last n < 16 products; lanes beyond take no part. */
INL void tail(lanes_t l[VECTORS], const float *a, const float *b, int n)
{
    UNROLL for (int h = 0; h < VECTORS; h++) if (LANES * h < n)
    {
        lanes_t v = products(load(a, LANES * h, n), load(b, LANES * h, n), l[h]);
        l[h] = present(l[h], v, LANES * h, n);
    }
}

static float dot16(const float *a, const float *b, size_t n)
{
    lanes_t l[VECTORS];
    UNROLL for (int h = 0; h < VECTORS; h++) l[h] = zeros();
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        UNROLL for (int h = 0; h < VECTORS; h++)
            l[h] = products(whole(a + i + LANES * h), whole(b + i + LANES * h), l[h]);
    if (i < n)
        tail(l, a + i, b + i, (int)(n - i));
    return tree_of(l);
}

/* The n < 16 last weights of a row, from value i on. */
INL void last_weights(const enum block_type t, float w[16], const uint8_t *row, size_t i, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        const uint8_t *p = row + (t == TYPE_F32 ? 4 : 2) * (i + j);
        w[j] = t == TYPE_F32 ? f32_from_bits(load_u32(p)) : t == TYPE_F16 ? load_f16(p) : bf16_to_f32(load_u16(p));
    }
}

/* R weight rows times T activation rows, both constants, R * T <= 6: on NEON their sums are 24 of 32 registers, on AVX2 12 of 16. */
INL void block(const enum block_type t, const int R, const int T, const uint8_t *rows, size_t rs, const float *x,
               size_t ld_x, size_t n, float *out, size_t ld_out)
{
    lanes_t l[6][VECTORS];
    UNROLL for (int i = 0; i < R * T; i++) UNROLL for (int h = 0; h < VECTORS; h++) l[i][h] = zeros();
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        UNROLL for (int h = 0; h < VECTORS; h++)
        {
            lanes_t w[4];
            UNROLL for (int r = 0; r < R; r++)
            {
                w[r] = load_weights(t, rows + (size_t)r * rs, i + LANES * (size_t)h);
                if (T == 1 && h == 0) /* reading weights is all there is to it: the same place R rows on */
                    prefetch_l2((const void *)((uintptr_t)rows + (size_t)(r + R) * rs + i * (t == TYPE_F32 ? 4 : 2)));
            }
            UNROLL for (int k = 0; k < T; k++)
            {
                lanes_t v = whole(x + (size_t)k * ld_x + i + LANES * h);
                UNROLL for (int r = 0; r < R; r++) l[k * R + r][h] = products(w[r], v, l[k * R + r][h]);
            }
        }
    if (i < n)
        for (int r = 0; r < R; r++) {
            float w[16] = {0};
            last_weights(t, w, rows + (size_t)r * rs, i, n - i);
            for (int k = 0; k < T; k++)
                tail(l[k * R + r], w, x + (size_t)k * ld_x + i, (int)(n - i));
        }
    UNROLL for (int k = 0; k < T; k++) UNROLL for (int r = 0; r < R; r++)
        out[(size_t)k * ld_out + (size_t)r] = tree_of(l[k * R + r]);
}

/* All activation rows against R weight rows, three at a time. */
INL void rows_of(const enum block_type t, const int R, const uint8_t *rows, size_t rs, const float *x, size_t ld_x,
                 int n_rows, size_t n, float *out, size_t ld_out)
{
    for (; n_rows >= 3; n_rows -= 3, x += 3 * ld_x, out += 3 * ld_out)
        block(t, R, 3, rows, rs, x, ld_x, n, out, ld_out);
    if (n_rows == 2)
        block(t, R, 2, rows, rs, x, ld_x, n, out, ld_out);
    else if (n_rows == 1)
        block(t, R, 1, rows, rs, x, ld_x, n, out, ld_out);
}

INL void tilef(const enum block_type t, const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows,
               float *out, size_t ld_out)
{
    const size_t rs = w->row_bytes, n = (size_t)w->n_cols;
    int j = n0;
    for (; n_rows == 1 && j + 4 <= n1; j += 4) /* few accumulators a row: more rows */
        block(t, 4, 1, w->data + (size_t)j * rs, rs, x, ld_x, n, out + j, ld_out);
    for (; j + 2 <= n1; j += 2)
        rows_of(t, 2, w->data + (size_t)j * rs, rs, x, ld_x, n_rows, n, out + j, ld_out);
    if (j < n1)
        rows_of(t, 1, w->data + (size_t)j * rs, rs, x, ld_x, n_rows, n, out + j, ld_out);
}

#include "kernel/float_fill.h"

#endif
