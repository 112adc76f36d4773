/* Inside the layer: how the tiers fill their tables, and the scalar functions that vector code finishes odd ends with. */
#ifndef KERNEL_TIERS_H
#define KERNEL_TIERS_H

#include "kernel/kernel.h"

/* Each replaces the entries that it has, in a table that holds the next lower tier. */
void fill_dot_scalar(struct kernels *k);
void fill_float_scalar(struct kernels *k);
void fill_vec_scalar(struct kernels *k);
void fill_attn_scalar(struct kernels *k);
void fill_recur_scalar(struct kernels *k);
void fill_cache_scalar(struct kernels *k);
void fill_codes_scalar(struct kernels *k);
void fill_quantise_avx2(struct kernels *k);
void fill_tile_avx2(struct kernels *k);
void fill_dot_avx2(struct kernels *k);
void fill_float_avx2(struct kernels *k);
void fill_vec_avx2(struct kernels *k);
void fill_attn_avx2(struct kernels *k);
void fill_recur_avx2(struct kernels *k);
void fill_codes_avx2(struct kernels *k);
void fill_tile_avxvnni(struct kernels *k);
void fill_dot_avxvnni(struct kernels *k);
void fill_avxvnni_evex(struct kernels *k);
void fill_quantise_avx512(struct kernels *k);
void fill_tile_avx512(struct kernels *k);
void fill_dot_avx512(struct kernels *k);
void fill_dot_k_avx512(struct kernels *k);
void fill_dot_codebook_avx512(struct kernels *k);
void fill_dot_gather_avx512(struct kernels *k);
void fill_float_avx512(struct kernels *k);
void fill_vec_avx512(struct kernels *k);
void fill_attn_avx512(struct kernels *k);
void fill_recur_avx512(struct kernels *k);
void fill_codes_avx512(struct kernels *k);
void fill_quantise_neon(struct kernels *k);
void fill_tile_neon(struct kernels *k);
void fill_dot_neon(struct kernels *k);
void fill_float_neon(struct kernels *k);
void fill_vec_neon(struct kernels *k);
void fill_attn_neon(struct kernels *k);
void fill_recur_neon(struct kernels *k);
void fill_codes_neon(struct kernels *k);
void fill_tile_i8mm(struct kernels *k);

/* The thread's scratch of a tile: the unpacked panel, then for each row the sums of a group of weight rows. */
enum { TILE_PANEL_BYTES = 16384, TILE_GROUP = 32 };

/* Rows [n0, n1) for `n` activation rows, at most QUAD_ROWS: as many at a time as the tier has a kernel for. */
static inline void dots_of_rows(const struct kernels *k, const struct wmat *w, int n0, int n1, const struct xq *x,
                                int n, const int *row, float *const *out, const uint8_t *then)
{
    if (n >= 3 && k->quad[w->type]) {
        k->quad[w->type](w, n0, n1, x, n, row, out, then);
        return;
    }
    for (; n >= 2; n -= 2, row += 2, out += 2)
        k->pair[w->type](w, n0, n1, x, row, out, then);
    if (n)
        k->dot[w->type](w, n0, n1, x, *row, *out, then);
}

/* A tile of too few rows for unpacking to a panel: by dots of some of them at a time, over weights that stay in L2 meanwhile. */
static inline void tile_by_dots(const struct kernels *k, const struct wmat *w, int n0, int n1, const struct xq *x,
                                float *out, size_t ld_out, const uint8_t *then)
{
    for (int n = n0; n < n1; n += TILE_GROUP) {
        int end = n1 - n < TILE_GROUP ? n1 : n + TILE_GROUP;
        const uint8_t *next = end < n1 ? w->data + (size_t)end * w->row_bytes : then;
        for (int r = 0, rows; r < x->n_rows; r += rows) {
            int row[QUAD_ROWS];
            float *to[QUAD_ROWS];
            rows = x->n_rows - r == 5 ? 3 : x->n_rows - r < QUAD_ROWS ? x->n_rows - r : QUAD_ROWS;
            for (int i = 0; i < rows; i++) {
                row[i] = r + i;
                to[i] = out + (size_t)(r + i) * ld_out;
            }
            dots_of_rows(k, w, n, end, x, rows, row, to, next);
        }
    }
}

/* f32 functions of one value, each operation as kernels.md E has it (scalar/vec.c). NaN in, NaN out. */
float ref_expf(float x); /* 0 below -87, that of 88 above */
float ref_logf(float x);
extern const float ref_logf_coefficients[9]; /* its polynomial, highest power first */
float ref_sigmoid(float x);
float ref_silu(float x);
float ref_softplus(float x);
float ref_tanhf(float x);
float ref_gelu(float x);               /* x Phi(x), by tanh */
float ref_softcap(float x, float cap); /* cap * tanh(x / cap) */

/* The closing tree of sixteen lanes. */
static inline float tree16(const float l[16])
{
    float t[8];
    for (int j = 0; j < 8; j++)
        t[j] = l[j] + l[j + 8];
    for (int j = 0; j < 4; j++)
        t[j] = t[j] + t[j + 4];
    return (t[0] + t[2]) + (t[1] + t[3]);
}

void delta_scalar(const struct delta_run *r);
void ssm_scalar(const struct ssm_run *r);
void attn_split_scalar(const struct attn_split *s, void *scratch);
void attn_split_fma(const struct attn_split *s, void *scratch); /* the same, for CPUs with AVX2 */

#endif
