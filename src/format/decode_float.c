/* Decoding f32, f16 and bf16: one number a block, widened exactly. */
#include "base/half.h"
#include "format/decode.h"

void decode_f32(float *out, const uint8_t *blocks, size_t n)
{
    if (n)
        memcpy(out, blocks, n * sizeof *out);
}

void decode_f16(float *out, const uint8_t *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = load_f16(blocks + 2 * i);
}

void decode_bf16(float *out, const uint8_t *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = bf16_to_f32(load_u16(blocks + 2 * i));
}
