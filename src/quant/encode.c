/* The table of encoders: see encode.h. */
#include "quant/encode.h"

#include "quant/encoders.h"

#include <math.h>

static encode_fn *const table[TYPE_COUNT] = {
    [TYPE_F32] = encode_f32,
    [TYPE_F16] = encode_f16,
    [TYPE_BF16] = encode_bf16,
    [TYPE_Q8_0] = encode_q8_0,
};

int quant_can_encode(enum block_type type) { return table[type] != 0; }

void quant_encode(enum block_type type, const float *x, int64_t n, uint8_t *out) { table[type](x, n, out); }

int64_t quant_find_bad(enum block_type type, const float *x, int64_t n)
{
    /* bf16 and f16 round: from half a step above their largest number on they would be infinite. */
    const float most = type == TYPE_F16 ? 65520.0f : type == TYPE_BF16 ? 0x1.ffp127f : INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) < most))
            return i;
    return -1;
}
