/* The table of encoders: see encode.h. */
#include "quant/encode.h"

#include "quant/encoders.h"

/* All types that have a decoder. */
static encode_fn *const table[TYPE_COUNT] = {
    [TYPE_IQ1_S] = encode_iq1_s,   [TYPE_IQ1_M] = encode_iq1_m,   [TYPE_F32] = encode_f32,
    [TYPE_F16] = encode_f16,       [TYPE_BF16] = encode_bf16,     [TYPE_Q4_0] = encode_q4_0,
    [TYPE_Q4_1] = encode_q4_1,     [TYPE_Q5_0] = encode_q5_0,     [TYPE_Q5_1] = encode_q5_1,
    [TYPE_Q8_0] = encode_q8_0,     [TYPE_Q2_K] = encode_q2_k,     [TYPE_Q3_K] = encode_q3_k,
    [TYPE_Q4_K] = encode_q4_k,     [TYPE_Q5_K] = encode_q5_k,     [TYPE_Q6_K] = encode_q6_k,
    [TYPE_IQ4_NL] = encode_iq4_nl, [TYPE_IQ4_XS] = encode_iq4_xs, [TYPE_IQ2_XXS] = encode_iq2_xxs,
    [TYPE_IQ2_XS] = encode_iq2_xs, [TYPE_IQ2_S] = encode_iq2_s,   [TYPE_IQ3_XXS] = encode_iq3_xxs,
    [TYPE_IQ3_S] = encode_iq3_s,   [TYPE_TQ1_0] = encode_tq1_0,   [TYPE_TQ2_0] = encode_tq2_0,
    [TYPE_MXFP4] = encode_mxfp4,   [TYPE_NVFP4] = encode_nvfp4,   [TYPE_Q1_0] = encode_q1_0,
};

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
