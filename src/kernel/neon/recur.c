/* Recurrences, NEON: as defined in scalar/recur.c. Columns of the state are lanes, so the sums over its rows run down the lanes; eight
 * columns at a time, or the last four. */
#if defined(__aarch64__)
#include "kernel/neon/simd.h"
#include "kernel/tiers.h"

INL float32x4_t close4(float32x4_t p[4]) { return vaddq_f32(vaddq_f32(p[0], p[1]), vaddq_f32(p[2], p[3])); }

/* Row t on columns j .. j + 4 C - 1; C and by_key are constants. */
INL void delta_row(const struct delta_run *r, int t, int j, const int C, const int by_key)
{
    const float *q = r->q + (size_t)t * r->ld_k, *k = r->k + (size_t)t * r->ld_k;
    const float *decays = r->decay + (size_t)t * r->ld_decay;
    const float beta = r->beta[(size_t)t * r->ld_beta];
    const size_t panel = (size_t)r->panel;
    float *s = r->state + j;
    float32x4_t m[2][4], y[2][4], dl[2];
    UNROLL for (int c = 0; c < C; c++) UNROLL for (int a = 0; a < 4; a++) m[c][a] = y[c][a] = f32x4(0);
    for (int i = 0; i < r->n_k; i += 4)
        UNROLL for (int a = 0; a < 4; a++) if (i + a < r->n_k)
        {
            const float *at = s + (size_t)(i + a) * panel;
            const float32x4_t dk = f32x4(decays[by_key ? i + a : 0] * k[i + a]);
            UNROLL for (int c = 0; c < C; c++) m[c][a] = vfmaq_f32(m[c][a], vld1q_f32(at + 4 * c), dk);
        }
    UNROLL for (int c = 0; c < C; c++)
    {
        float32x4_t v = vld1q_f32(r->v + (size_t)t * r->ld_v + j + 4 * c);
        dl[c] = vmulq_f32(vsubq_f32(v, close4(m[c])), f32x4(beta));
    }
    for (int i = 0; i < r->n_k; i += 4)
        UNROLL for (int a = 0; a < 4; a++) if (i + a < r->n_k)
        {
            float *at = s + (size_t)(i + a) * panel;
            const float32x4_t decay = f32x4(decays[by_key ? i + a : 0]);
            UNROLL for (int c = 0; c < C; c++)
            {
                float32x4_t w = vfmaq_f32(vmulq_f32(f32x4(k[i + a]), dl[c]), vld1q_f32(at + 4 * c), decay);
                vst1q_f32(at + 4 * c, w);
                y[c][a] = vfmaq_f32(y[c][a], w, f32x4(q[i + a]));
            }
        }
    UNROLL for (int c = 0; c < C; c++) vst1q_f32(r->o + (size_t)t * r->ld_o + j + 4 * c, close4(y[c]));
}

INL void delta_rows(const struct delta_run *r, const int by_key)
{
    for (int t = 0; t < r->n_rows; t++) {
        int j = 0;
        for (; j + 8 <= r->panel; j += 8)
            delta_row(r, t, j, 2, by_key);
        if (j < r->panel)
            delta_row(r, t, j, 1, by_key);
    }
}

/* Panels of other widths are small heads of small models. */
static void delta(const struct delta_run *r)
{
    if (r->panel % 4)
        delta_scalar(r);
    else if (r->by_key)
        delta_rows(r, 1);
    else
        delta_rows(r, 0);
}

/* Row t on columns j .. j + 4 C - 1; C is a constant. */
INL void ssm_row(const struct ssm_run *r, int t, int j, const int C)
{
    const float *B = r->B + (size_t)t * r->ld, *at_C = r->C + (size_t)t * r->ld;
    const float decay = r->decay[(size_t)t * r->ld_dt], dt = r->dt[(size_t)t * r->ld_dt];
    float32x4_t x[2], step[2], y[2][4];
    UNROLL for (int c = 0; c < C; c++)
    {
        x[c] = vld1q_f32(r->x + (size_t)t * r->ld + j + 4 * c);
        step[c] = vmulq_f32(f32x4(dt), x[c]);
        UNROLL for (int a = 0; a < 4; a++) y[c][a] = f32x4(0);
    }
    for (int i = 0; i < r->n_state; i += 4)
        UNROLL for (int a = 0; a < 4; a++) if (i + a < r->n_state)
        {
            float *at = r->state + (size_t)(i + a) * (size_t)r->panel + j;
            UNROLL for (int c = 0; c < C; c++)
            {
                float32x4_t w = vmulq_f32(f32x4(B[i + a]), step[c]);
                w = vfmaq_f32(w, vld1q_f32(at + 4 * c), f32x4(decay));
                vst1q_f32(at + 4 * c, w);
                y[c][a] = vfmaq_f32(y[c][a], w, f32x4(at_C[i + a]));
            }
        }
    UNROLL for (int c = 0; c < C; c++)
        vst1q_f32(r->y + (size_t)t * r->ld_y + j + 4 * c, vfmaq_f32(close4(y[c]), f32x4(r->D), x[c]));
}

static void ssm(const struct ssm_run *r)
{
    if (r->panel % 4) {
        ssm_scalar(r);
        return;
    }
    for (int t = 0; t < r->n_rows; t++) {
        int j = 0;
        for (; j + 8 <= r->panel; j += 8)
            ssm_row(r, t, j, 2);
        if (j < r->panel)
            ssm_row(r, t, j, 1);
    }
}

void fill_recur_neon(struct kernels *k)
{
    k->delta = delta;
    k->ssm = ssm;
}

#endif
