/* dot16, the one sum of float products, and the products of float weights made of it.
 *
 *   l[0..15] = +0;  for i ascending: l[i % 16] = fmaf(a_i, b_i, l[i % 16]);  then the tree of tiers.h
 *
 * Weights of 16 bits widen to f32 exactly. */
#include "base/half.h"
#include "kernel/tiers.h"

#include <math.h>

static float dot16(const float *a, const float *b, size_t n)
{
    float l[16] = {0};
    for (size_t i = 0; i < n; i++)
        l[i % 16] = fmaf(a[i], b[i], l[i % 16]);
    return tree16(l);
}

static float weight_f32(const uint8_t *p, size_t i) { return f32_from_bits(load_u32(p + 4 * i)); }
static float weight_f16(const uint8_t *p, size_t i) { return load_f16(p + 2 * i); }
static float weight_bf16(const uint8_t *p, size_t i) { return bf16_to_f32(load_u16(p + 2 * i)); }

/* dot16 of a row of weights and a row of x. */
static float row_dot(float (*weight)(const uint8_t *, size_t), const uint8_t *w, const float *x, size_t n)
{
    float l[16] = {0};
    for (size_t i = 0; i < n; i++)
        l[i % 16] = fmaf(weight(w, i), x[i], l[i % 16]);
    return tree16(l);
}

static void tilef(float (*weight)(const uint8_t *, size_t), const struct wmat *w, int n0, int n1, const float *x,
                  size_t ld_x, int n_rows, float *out, size_t ld_out)
{
    for (int n = n0; n < n1; n++)
        for (int r = 0; r < n_rows; r++)
            out[(size_t)r * ld_out + (size_t)n] = row_dot(weight, w->data + (size_t)n * w->row_bytes,
                                                          x + (size_t)r * ld_x, (size_t)w->n_cols);
}

static void tilef_f32(const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows, float *out,
                      size_t ld_out)
{
    tilef(weight_f32, w, n0, n1, x, ld_x, n_rows, out, ld_out);
}

static void tilef_f16(const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows, float *out,
                      size_t ld_out)
{
    tilef(weight_f16, w, n0, n1, x, ld_x, n_rows, out, ld_out);
}

static void tilef_bf16(const struct wmat *w, int n0, int n1, const float *x, size_t ld_x, int n_rows, float *out,
                       size_t ld_out)
{
    tilef(weight_bf16, w, n0, n1, x, ld_x, n_rows, out, ld_out);
}

void fill_float_scalar(struct kernels *k)
{
    k->dot16 = dot16;
    k->tilef[TYPE_F32] = tilef_f32;
    k->tilef[TYPE_F16] = tilef_f16;
    k->tilef[TYPE_BF16] = tilef_bf16;
}
