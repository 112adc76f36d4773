/* dot16 and the products of float weights, the loops of all vector tiers; scalar/float.c defines the result. The sixteen lanes of the
 * definition are VECTORS vectors. A tier's float.c has its words, which it declares before it includes this:
 *
 *   lanes_t, LANES            a vector of f32
 *   zeros(), whole(p)         one of zeros; the one at p
 *   load(), present()         those of simd.h, for the end of a row
 *   products(a, b, c)         a * b + c, fused
 *   HOLD(v)                   the compiler keeps v in a register
 *   load_weights(t, row, i)   LANES weights from value i of a row on, as f32
 *   tree_of(l)                the tree of tiers.h over VECTORS vectors
 *   WEIGHT_ROWS               with TOKENS sums each they fill the registers
 *   trees(sums, out), TREES   so many trees at once, [TREES][16] to [TREES] */
#ifndef KERNEL_FLOAT_ROWS_H
#define KERNEL_FLOAT_ROWS_H

#include "base/half.h"
#include "kernel/inline.h"
#include "kernel/tiers.h"

#include <string.h>

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

INL size_t weight_bytes(const enum block_type t) { return t == TYPE_F32 ? 4 : 2; }

/* The n < 16 last weights of a row, from value i on. */
INL void last_weights(const enum block_type t, float w[16], const uint8_t *row, size_t i, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        const uint8_t *p = row + weight_bytes(t) * (i + j);
        w[j] = t == TYPE_F32 ? f32_from_bits(load_u32(p)) : t == TYPE_F16 ? load_f16(p) : bf16_to_f32(load_u16(p));
    }
}

/* R weight rows, a constant, times one activation row. Reading weights takes all the time, so the same place R rows on is fetched. */
INL void few_rows(const enum block_type t, const int R, const uint8_t *rows, size_t rs, const float *x, size_t n,
                  float *out)
{
    lanes_t l[4][VECTORS];
    UNROLL for (int r = 0; r < R; r++) UNROLL for (int h = 0; h < VECTORS; h++) l[r][h] = zeros();
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        UNROLL for (int h = 0; h < VECTORS; h++)
        {
            const lanes_t v = whole(x + i + LANES * h);
            UNROLL for (int r = 0; r < R; r++)
            {
                l[r][h] = products(load_weights(t, rows + (size_t)r * rs, i + LANES * (size_t)h), v, l[r][h]);
                if (h == 0)
                    prefetch_l2((const void *)((uintptr_t)rows + (size_t)(r + R) * rs + i * weight_bytes(t)));
            }
        }
    for (int r = 0; i < n && r < R; r++) {
        float w[16] = {0};
        last_weights(t, w, rows + (size_t)r * rs, i, n - i);
        tail(l[r], w, x + i, (int)(n - i));
    }
    UNROLL for (int r = 0; r < R; r++) out[r] = tree_of(l[r]);
}

INL void one_token(const enum block_type t, const struct wmat *w, int n0, int n1, const float *x, float *out)
{
    const size_t rs = w->row_bytes, n = (size_t)w->n_cols;
    int j = n0;
    for (; j + 4 <= n1; j += 4)
        few_rows(t, 4, w->data + (size_t)j * rs, rs, x, n, out + j);
    for (; j < n1; j++)
        few_rows(t, 1, w->data + (size_t)j * rs, rs, x, n, out + j);
}

/* ---- many activation rows ----
 *
 * The sums of WEIGHT_ROWS weight rows times TOKENS activation rows fill the registers. COLUMNS of the weight rows stay in L1 as f32, 16 KiB
 * with AVX-512, until BATCH activation rows have met them. Activations come from L2, each for WEIGHT_ROWS products, and the sums of the
 * columns before, once a panel; where weights come from L2 too, it takes 1.4 times as long (Zen 5, whose L1 has 48 KiB). */

enum { TOKENS = 3, COLUMNS = 512, BATCH = 48 };

struct tile {
    float weight[COLUMNS / 16][WEIGHT_ROWS][16], sum[BATCH][WEIGHT_ROWS][16];
};

/* Part `part` of n_parts of the lines of bytes [0, n) of WEIGHT_ROWS rows, which need not exist. */
INL void fetch(uintptr_t rows, size_t rs, size_t n, size_t part, size_t n_parts)
{
    const size_t n_lines = (n + 63) / 64;
    for (size_t i = n_lines * part / n_parts; i < n_lines * (part + 1) / n_parts; i++)
        UNROLL for (int r = 0; r < WEIGHT_ROWS; r++) prefetch_l2((const void *)(rows + (size_t)r * rs + 64 * i));
}

/* n values of WEIGHT_ROWS weight rows, rs bytes apart, and of m activation rows; what comes behind the weights is fetched meanwhile. */
struct columns {
    const uint8_t *weights;
    size_t rs, n, ld_x;
    const float *x;
    int m, is_first;
};

/* Lanes LANES * h and on of the sums of T activation rows from `token` on; T, h and unpacks are constants. The first rows that meet the
 * weights unpack them. The columns are a copy: what a pointer leads to would be read again after each store. */
INL void sums_of(const enum block_type t, struct tile *tile, const struct columns c, const int T, const int h,
                 const int unpacks, int token)
{
    const float *x = c.x + (size_t)token * c.ld_x;
    lanes_t l[TOKENS][WEIGHT_ROWS];
    UNROLL for (int k = 0; k < T; k++) UNROLL for (int r = 0; r < WEIGHT_ROWS; r++)
        l[k][r] = c.is_first ? zeros() : whole(&tile->sum[token + k][r][LANES * h]);
    for (size_t i = LANES * (size_t)h; i < c.n; i += 16) {
        lanes_t v[TOKENS];
        UNROLL for (int k = 0; k < T; k++) v[k] = whole(x + (size_t)k * c.ld_x + i);
        UNROLL for (int r = 0; r < WEIGHT_ROWS; r++)
        {
            float *at = &tile->weight[i / 16][r][LANES * h];
            lanes_t w = unpacks ? load_weights(t, c.weights + (size_t)r * c.rs, i) : whole(at);
            HOLD(w); /* once for T products, where the compiler would load it for each */
            if (unpacks)
                memcpy(at, &w, sizeof w);
            UNROLL for (int k = 0; k < T; k++) l[k][r] = products(w, v[k], l[k][r]);
        }
    }
    UNROLL for (int k = 0; k < T; k++) UNROLL for (int r = 0; r < WEIGHT_ROWS; r++)
        memcpy(&tile->sum[token + k][r][LANES * h], &l[k][r], sizeof l[k][r]);
}

INL void tokens_of(const enum block_type t, struct tile *tile, const struct columns c, const int T, int token)
{
    UNROLL for (int h = 0; h < VECTORS; h++)
    {
        if (token == 0)
            sums_of(t, tile, c, T, h, 1, 0);
        else
            sums_of(t, tile, c, T, h, 0, token);
    }
}

INL void add_columns(const enum block_type t, struct tile *tile, const struct columns c)
{
    for (int token = 0; token < c.m; token += TOKENS) {
        fetch((uintptr_t)c.weights + WEIGHT_ROWS * c.rs, c.rs, c.n * weight_bytes(t), (size_t)token / TOKENS,
              (size_t)(c.m + TOKENS - 1) / TOKENS);
        if (c.m - token >= 3)
            tokens_of(t, tile, c, 3, token);
        else if (c.m - token == 2)
            tokens_of(t, tile, c, 2, token);
        else
            tokens_of(t, tile, c, 1, token);
    }
}

/* The n < 16 last values of the rows, from value i on. */
INL void add_tails(const enum block_type t, struct tile *tile, const uint8_t *rows, size_t rs, const float *x,
                   size_t ld_x, int m, size_t i, size_t n)
{
    for (int r = 0; r < WEIGHT_ROWS; r++) {
        float w[16] = {0};
        last_weights(t, w, rows + (size_t)r * rs, i, n);
        for (int k = 0; k < m; k++) {
            lanes_t l[VECTORS];
            memcpy(l, tile->sum[k][r], sizeof l);
            tail(l, w, x + (size_t)k * ld_x + i, (int)n);
            memcpy(tile->sum[k][r], l, sizeof l);
        }
    }
}

/* WEIGHT_ROWS weight rows times m activation rows, at most BATCH. */
INL void block(const enum block_type t, struct tile *tile, const uint8_t *rows, size_t rs, const float *x, size_t ld_x,
               int m, size_t n, float *out, size_t ld_out)
{
    const size_t whole_lots = n / 16 * 16;
    float y[BATCH * WEIGHT_ROWS];
    for (size_t from = 0; from == 0 || from < whole_lots; from += COLUMNS) {
        const size_t columns = whole_lots - from < COLUMNS ? whole_lots - from : COLUMNS;
        add_columns(t, tile,
                    (struct columns){.weights = rows + from * weight_bytes(t),
                                     .rs = rs,
                                     .n = columns,
                                     .ld_x = ld_x,
                                     .x = x + from,
                                     .m = m,
                                     .is_first = from == 0});
    }
    if (whole_lots < n)
        add_tails(t, tile, rows, rs, x, ld_x, m, whole_lots, n - whole_lots);
    for (int i = 0; i < m * WEIGHT_ROWS; i += TREES) /* the last trees may have sums of no row, which are left alone */
        trees((const float *)tile->sum + 16 * i, y + i);
    for (int k = 0; k < m; k++)
        memcpy(out + (size_t)k * ld_out, y + k * WEIGHT_ROWS, WEIGHT_ROWS * sizeof *y);
}

INL void tilef(const enum block_type t, const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows,
               float *out, size_t ld_out)
{
    struct tile tile __attribute__((aligned(64)));
    const size_t rs = w->row_bytes, n = (size_t)w->n_cols;
    if (n_rows == 1 || n1 - n0 < WEIGHT_ROWS) {
        for (int k = 0; k < n_rows; k++)
            one_token(t, w, n0, n1, x + (size_t)k * ld_x, out + (size_t)k * ld_out);
        return;
    }
    for (int k = 0; k < n_rows; k += BATCH) {
        const int m = n_rows - k < BATCH ? n_rows - k : BATCH;
        for (int j = n0; j < n1; j += WEIGHT_ROWS) {
            if (j + WEIGHT_ROWS > n1)
                j = n1 - WEIGHT_ROWS; /* overlaps: the same bits, written twice */
            block(t, &tile, w->data + (size_t)j * rs, rs, x + (size_t)k * ld_x, ld_x, m, n,
                  out + (size_t)k * ld_out + j, ld_out);
        }
    }
}

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
