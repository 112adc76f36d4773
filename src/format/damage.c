/* Scales that are no numbers: see damage.h. Only scales are read, so a file is gone through faster than drives read it. */
#include "format/damage.h"

/* Where blocks have f16 numbers (format/decode_*.c draws them). */
static const struct halves {
    int n;
    uint16_t at[2];
} halves[TYPE_COUNT] = {
    [TYPE_F16] = {1, {0}},     [TYPE_Q4_0] = {1, {0}},    [TYPE_Q4_1] = {2, {0, 2}},   [TYPE_Q5_0] = {1, {0}},
    [TYPE_Q5_1] = {2, {0, 2}}, [TYPE_Q8_0] = {1, {0}},    [TYPE_Q2_K] = {2, {80, 82}}, [TYPE_Q3_K] = {1, {108}},
    [TYPE_Q4_K] = {2, {0, 2}}, [TYPE_Q5_K] = {2, {0, 2}}, [TYPE_Q6_K] = {1, {208}},    [TYPE_IQ2_XXS] = {1, {0}},
    [TYPE_IQ2_XS] = {1, {0}},  [TYPE_IQ2_S] = {1, {0}},   [TYPE_IQ3_XXS] = {1, {0}},   [TYPE_IQ3_S] = {1, {0}},
    [TYPE_IQ1_S] = {1, {0}},   [TYPE_IQ4_NL] = {1, {0}},  [TYPE_IQ4_XS] = {1, {0}},    [TYPE_TQ1_0] = {1, {52}},
    [TYPE_TQ2_0] = {1, {64}},  [TYPE_Q1_0] = {1, {0}},
};

static int half_is_finite(unsigned bits) { return (bits & 0x7c00) != 0x7c00; }

static int block_is_sound(enum block_type t, const uint8_t *b)
{
    switch (t) {
    case TYPE_F32:
        return (b[3] & 0x7f) != 0x7f || !(b[2] & 0x80);
    case TYPE_BF16:
        return (b[1] & 0x7f) != 0x7f || !(b[0] & 0x80);
    case TYPE_MXFP4: /* from 2^126 on a value overflows, if its code is large enough */
        return b[0] < 253;
    case TYPE_IQ1_M: /* its scale's nibbles lie on top of four words */
        return half_is_finite((unsigned)(b[53] >> 4) << 8 | (unsigned)(b[55] >> 4) << 12);
    default:
        for (int i = 0; i < halves[t].n; i++)
            if (!half_is_finite(b[halves[t].at[i]] | (unsigned)b[halves[t].at[i] + 1] << 8))
                return 0;
        return 1;
    }
}

size_t blocks_find_damage(enum block_type t, const uint8_t *blocks, size_t n)
{
    const size_t bytes = (size_t)type_info(t)->bytes;
    size_t i = 0;
    while (i < n && block_is_sound(t, blocks + i * bytes))
        i++;
    return i;
}
