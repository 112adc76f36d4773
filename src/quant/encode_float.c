/* f32, f16 and bf16: one number a block, rounded to nearest even. */
#include "quant/encoders.h"

void encode_f32(const float *x, int64_t n, uint8_t *out) { memcpy(out, x, (size_t)n * sizeof *x); }

void encode_f16(const float *x, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t h = f16_from_f32(x[i]);
        memcpy(out + 2 * i, &h, 2);
    }
}

void encode_bf16(const float *x, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t h = bf16_from_f32(x[i]);
        memcpy(out + 2 * i, &h, 2);
    }
}
