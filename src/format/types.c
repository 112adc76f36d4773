/* The table of block types: see types.h. A new type is a row here and its decoder. */
#include "format/types.h"

#include "format/decode.h"

#include <strings.h>

static const struct block_info table[TYPE_COUNT] = {
    [TYPE_F32] = {"f32", 1, 4, decode_f32},
    [TYPE_F16] = {"f16", 1, 2, decode_f16},
    [TYPE_Q4_0] = {"q4_0", 32, 18, decode_q4_0},
    [TYPE_Q4_1] = {"q4_1", 32, 20, decode_q4_1},
    [TYPE_Q5_0] = {"q5_0", 32, 22, decode_q5_0},
    [TYPE_Q5_1] = {"q5_1", 32, 24, decode_q5_1},
    [TYPE_Q8_0] = {"q8_0", 32, 34, decode_q8_0},
    [TYPE_Q2_K] = {"q2_k", 256, 84, decode_q2_k},
    [TYPE_Q3_K] = {"q3_k", 256, 110, decode_q3_k},
    [TYPE_Q4_K] = {"q4_k", 256, 144, decode_q4_k},
    [TYPE_Q5_K] = {"q5_k", 256, 176, decode_q5_k},
    [TYPE_Q6_K] = {"q6_k", 256, 210, decode_q6_k},
    [TYPE_IQ2_XXS] = {"iq2_xxs", 256, 66, decode_iq2_xxs},
    [TYPE_IQ2_XS] = {"iq2_xs", 256, 74, decode_iq2_xs},
    [TYPE_IQ3_XXS] = {"iq3_xxs", 256, 98, decode_iq3_xxs},
    [TYPE_IQ1_S] = {"iq1_s", 256, 50, decode_iq1_s},
    [TYPE_IQ4_NL] = {"iq4_nl", 32, 18, decode_iq4_nl},
    [TYPE_IQ3_S] = {"iq3_s", 256, 110, decode_iq3_s},
    [TYPE_IQ2_S] = {"iq2_s", 256, 82, decode_iq2_s},
    [TYPE_IQ4_XS] = {"iq4_xs", 256, 136, decode_iq4_xs},
    [TYPE_I8] = {"i8", 1, 1, NULL},
    [TYPE_I16] = {"i16", 1, 2, NULL},
    [TYPE_I32] = {"i32", 1, 4, NULL},
    [TYPE_I64] = {"i64", 1, 8, NULL},
    [TYPE_F64] = {"f64", 1, 8, NULL},
    [TYPE_IQ1_M] = {"iq1_m", 256, 56, decode_iq1_m},
    [TYPE_BF16] = {"bf16", 1, 2, decode_bf16},
    [TYPE_TQ1_0] = {"tq1_0", 256, 54, decode_tq1_0},
    [TYPE_TQ2_0] = {"tq2_0", 256, 66, decode_tq2_0},
    [TYPE_MXFP4] = {"mxfp4", 32, 17, decode_mxfp4},
    [TYPE_NVFP4] = {"nvfp4", 64, 36, decode_nvfp4},
    [TYPE_Q1_0] = {"q1_0", 128, 18, decode_q1_0},
};

const struct block_info *type_info(uint32_t type)
{
    return type < TYPE_COUNT && table[type].name ? &table[type] : NULL;
}

int type_by_name(const char *name)
{
    for (int t = 0; t < TYPE_COUNT; t++)
        if (table[t].name && strcasecmp(table[t].name, name) == 0)
            return t;
    return -1;
}
