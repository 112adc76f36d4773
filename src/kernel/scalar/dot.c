/* The definition of quantised products: quantising activations, one step, the dot of one row, the tile of many.
 *
 * Per output, acc starts at +0 and takes the steps in ascending order:
 *
 *   K family      isum = sum over groups of scale_g * sum(code_i * q_i)      int32, exact in any order
 *                 acc = fmaf(d * dx, (float)isum, acc)                       d * dx rounded once
 *                 with minima: msum = sum of min_g * sum_g(q); acc = fmaf(-(dmin * dx), (float)msum, acc)
 *   small blocks  for each block (or 16 values of nvfp4), ascending: acc = fmaf(d_g * dx_g, (float)isum_g, acc)
 *                 with minima, after each block:                     acc = fmaf(m_g * dx_g, (float)sum_g(q), acc)
 *
 * Bounds: |code| * |scale| * 127 * 256 is largest for q6_k and iq4_xs, 133 million: int32 holds every partial sum. */
#include "base/half.h"
#include "kernel/tiers.h"
#include "kernel/unpack.h"

#include <math.h>
#include <string.h>

/* n values that share a scale; q holds zeros and gets their codes. The scale: 0 below 2^-100, NaN when a value is not finite: then
 * the row's outputs become NaN, which is caught at the logits. */
static float quantise_group(int8_t *q, const float *v, int n)
{
    uint32_t a = 0;
    for (int i = 0; i < n; i++) { /* magnitudes are ordered like their bits: exact everywhere */
        uint32_t u = f32_bits(v[i]) & 0x7fffffff;
        if (u > a)
            a = u;
    }
    if (a >= 0x7f800000)
        return f32_from_bits(0x7fc00000);
    if (a < f32_bits(0x1p-100f))
        return 0;
    float amax = f32_from_bits(a), inverse = 127.0f / amax;
    for (int i = 0; i < n; i++) /* at most 127 in magnitude: 127 (1 + 2^-23) rounds to 127 */
        q[i] = (int8_t)nearbyintf(v[i] * inverse);
    return amax / 127.0f;
}

static void quantise(struct xq *x, int row, const float *v)
{
    for (int b = 0; b < x->n_steps; b++) {
        size_t at = (size_t)b * (size_t)x->plane + (size_t)row;
        int n = step_values(x->n_cols, b);
        const float *vb = v + b * STEP;
        int8_t *q = x->code + at * STEP;
        memset(q, 0, STEP);
        if (x->family == ACT_X256)
            x->scale[at] = quantise_group(q, vb, n);
        else
            for (int g = 0; g < 8; g++)
                x->scale[at * 8 + (size_t)g] = g * 32 < n ? quantise_group(q + g * 32, vb + g * 32, 32) : 0.0f;
        int16_t *s16 = x->sum16 + at * 16, *s32 = x->sum32 + at * 8;
        for (int g = 0; g < 16; g++) {
            int sum = 0;
            for (int i = 0; i < 16; i++)
                sum += q[g * 16 + i];
            s16[g] = (int16_t)sum;
        }
        for (int g = 0; g < 8; g++)
            s32[g] = (int16_t)(s16[2 * g] + s16[2 * g + 1]);
    }
}

static int32_t code_dot(const int8_t *a, const int8_t *b, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float ref_step_k(const struct unpacking *u, const struct step *s, const struct xq *x, size_t at, float acc)
{
    const int8_t *q = x->code + at * STEP;
    const int16_t *s16 = x->sum16 + at * 16;
    float dx = x->scale[at];
    int32_t isum = 0, msum = 0;
    for (int g = 0; g < 16; g++)
        isum += s->scale[g] * code_dot(s->code + g * 16, q + g * 16, 16);
    acc = fmaf(s->d[0] * dx, (float)isum, acc);
    if (u->minima == MIN_NONE)
        return acc;
    for (int g = 0; g < 16; g++)
        msum += s->min[g] * s16[g];
    return fmaf(-(s->dmin * dx), (float)msum, acc);
}

static float ref_step_small(const struct unpacking *u, const struct step *s, const struct xq *x, size_t at, int n,
                            float acc)
{
    const int8_t *q = x->code + at * STEP;
    const float *dx = x->scale + at * 8;
    const int16_t *s32 = x->sum32 + at * 8;
    for (int i = 0; i < n; i += u->sub) {
        acc = fmaf(s->d[i / 16] * dx[i / 32], (float)code_dot(s->code + i, q + i, u->sub), acc);
        if (u->minima == MIN_FLOAT)
            acc = fmaf(s->m[i / 32] * dx[i / 32], (float)s32[i / 32], acc);
    }
    return acc;
}

float ref_step(const struct unpacking *u, const struct step *s, const struct xq *x, size_t at, int n, float acc)
{
    return u->family == ACT_X256 ? ref_step_k(u, s, x, at, acc) : ref_step_small(u, s, x, at, n, acc);
}

/* acc[n_rows] of one weight row: each step is unpacked once. */
static void ref_row(const struct wmat *w, int n, const struct xq *x, float *acc)
{
    const struct unpacking *u = &unpackings[w->type];
    const size_t step_bytes = type_row_bytes(type_info(w->type), STEP);
    const uint8_t *p = w->data + (size_t)n * w->row_bytes;
    struct step s;
    for (int r = 0; r < x->n_rows; r++)
        acc[r] = 0;
    for (int b = 0; b < x->n_steps; b++, p += step_bytes) {
        int values = step_values(w->n_cols, b);
        u->unpack(&s, p, values);
        for (int r = 0; r < x->n_rows; r++)
            acc[r] = ref_step(u, &s, x, (size_t)b * (size_t)x->plane + (size_t)r, values, acc[r]);
    }
}

static void dot(const struct wmat *w, int n0, int n1, const struct xq *x, int row, float *out, const uint8_t *then)
{
    (void)then;
    struct xq one = xq_rows(x, row, 1);
    for (int n = n0; n < n1; n++)
        ref_row(w, n, &one, out + n);
}

static void pair(const struct wmat *w, int n0, int n1, const struct xq *x, const int row[2], float *const out[2],
                 const uint8_t *then)
{
    for (int i = 0; i < 2; i++)
        dot(w, n0, n1, x, row[i], out[i], then);
}

static void tile(const struct kernels *k, const struct wmat *w, int n0, int n1, const struct xq *x, float *out,
                 size_t ld_out, const uint8_t *then, void *scratch)
{
    (void)k;
    (void)then;
    float *acc = scratch;
    for (int n = n0; n < n1; n++) {
        ref_row(w, n, x, acc);
        for (int r = 0; r < x->n_rows; r++)
            out[(size_t)r * ld_out + (size_t)n] = acc[r];
    }
}

void fill_dot_scalar(struct kernels *k)
{
    k->quantise = quantise;
    for (int t = 0; t < TYPE_COUNT; t++)
        if (unpackings[t].unpack) {
            k->dot[t] = dot;
            k->pair[t] = pair;
            k->tile[t] = tile;
        }
}
