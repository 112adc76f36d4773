/* What compressed keys are made of, and rounding them as models were trained to see them: the definition.
 *
 * softmax_sum, columns independent: w_t = exp(s_t - max s), y = (sum fmaf(w_t, x_t)) / (sum w_t), t ascending.
 * round_fp8: a block of 64 values shares the scale 2^e, the smallest with |x| / 2^e <= 448; of x / 2^e four significant bits are
 * left (e4m3, subnormals below 2^-6), to nearest even. Sources: DeepSeek-V4's inference code; OCP 8-bit floating point, 1.0. */
#include "base/half.h"
#include "kernel/tiers.h"

#include <math.h>

static void softmax_sum(float *y, const float *const *x, const float *const *score, int n_rows, int n)
{
    for (int j = 0; j < n; j++) {
        float m = score[0][j], sum = 0.0f, weights = 0.0f;
        for (int t = 1; t < n_rows; t++)
            m = score[t][j] > m ? score[t][j] : m;
        for (int t = 0; t < n_rows; t++) {
            float w = ref_expf(score[t][j] - m);
            weights += w;
            sum = fmaf(w, x[t][j], sum);
        }
        y[j] = sum / weights;
    }
}

/* Adding 1.5 * 2^23 units and taking them away again leaves a multiple of the unit, to nearest even. */
static float round_e4m3(float x)
{
    int e = (int)(f32_bits(x) >> 23 & 255) - 127;
    e = e < -6 ? -6 : e;
    float units = f32_from_bits((uint32_t)(e - 3 + 23 + 127) << 23 | 0x400000);
    return (x + units) - units;
}

static void round_fp8(float *x, int n)
{
    for (int first = 0; first < n; first += FP8_BLOCK) {
        int end = first + FP8_BLOCK < n ? first + FP8_BLOCK : n;
        float largest = 1e-4f;
        for (int i = first; i < end; i++)
            largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
        uint32_t u = f32_bits(largest / 448.0f);
        int e = (int)(u >> 23) - 127 + ((u & 0x7fffff) != 0);
        if (!isfinite(largest)) /* stays visible */
            continue;
        float scale = f32_from_bits((uint32_t)(e + 127) << 23), inverse = f32_from_bits((uint32_t)(127 - e) << 23);
        for (int i = first; i < end; i++)
            x[i] = round_e4m3(x[i] * inverse) * scale;
    }
}

void fill_cache_scalar(struct kernels *k)
{
    k->softmax_sum = softmax_sum;
    k->round_fp8 = round_fp8;
}
