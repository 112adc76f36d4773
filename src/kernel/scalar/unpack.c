/* Block types to integers: the table of them, and all but the codebook types (scalar/unpack_iq.c). Layouts are those of the
 * GGUF block types as format/ decodes them; tests/kernels.c holds both against each other. */
#include "kernel/unpack.h"
#include "base/half.h"
#include "format/grids.h"

#include <string.h>

/* ---- 256 values: d * scale * code - dmin * min ---- */

static void set32(int16_t *per16, int g, int v) { per16[2 * g] = per16[2 * g + 1] = (int16_t)v; }

static void unpack_q2_k(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p + 80);
    s->dmin = load_f16(p + 82);
    for (int g = 0; g < 16; g++) {
        s->scale[g] = p[g] & 15;
        s->min[g] = p[g] >> 4;
    }
    for (int i = 0; i < STEP; i++)
        s->code[i] = p[16 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
}

static void unpack_q3_k(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    const uint8_t *sc = p + 96;
    s->d[0] = load_f16(p + 108);
    for (int g = 0; g < 16; g++)
        s->scale[g] = (int16_t)(((sc[g % 8] >> g / 8 * 4 & 15) | (sc[8 + g % 4] >> g / 4 * 2 & 3) << 4) - 32);
    for (int i = 0; i < STEP; i++) {
        int low = p[32 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
        s->code[i] = (int8_t)(p[i % 32] >> i / 32 & 1 ? low : low - 4);
    }
}

/* d, dmin and the twelve bytes of 6-bit scales and minima of q4_k and q5_k. */
static void unpack_header_45(struct step *s, const uint8_t *p)
{
    const uint8_t *c = p + 4;
    s->d[0] = load_f16(p);
    s->dmin = load_f16(p + 2);
    for (int g = 0; g < 8; g++) {
        set32(s->scale, g, g < 4 ? c[g] & 63 : (c[g + 4] & 15) | c[g - 4] >> 6 << 4);
        set32(s->min, g, g < 4 ? c[g + 4] & 63 : c[g + 4] >> 4 | c[g] >> 6 << 4);
    }
}

static void unpack_q4_k(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    unpack_header_45(s, p);
    for (int i = 0; i < STEP; i++)
        s->code[i] = p[16 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
}

static void unpack_q5_k(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    unpack_header_45(s, p);
    for (int i = 0; i < STEP; i++)
        s->code[i] = (int8_t)((p[48 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15) | (p[16 + i % 32] >> i / 32 & 1)
                                                                                          << 4);
}

static void unpack_q6_k(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p + 208);
    for (int g = 0; g < 16; g++)
        s->scale[g] = (int8_t)p[192 + g];
    for (int i = 0; i < STEP; i++) {
        int half = i / 128, r = i % 128 / 32, l = i % 32;
        int low = p[half * 64 + r % 2 * 32 + l] >> r / 2 * 4 & 15;
        int high = p[128 + half * 32 + l] >> 2 * r & 3;
        s->code[i] = (int8_t)((low | high << 4) - 32);
    }
}

static void unpack_iq4_xs(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p);
    for (int g = 0; g < 8; g++) {
        set32(s->scale, g, ((p[4 + g / 2] >> g % 2 * 4 & 15) | (load_u16(p + 2) >> 2 * g & 3) << 4) - 32);
        for (int i = 0; i < 32; i++)
            s->code[g * 32 + i] = codes_iq4_nl[p[8 + g * 16 + i % 16] >> i / 16 * 4 & 15];
    }
}

/* The k-th of five trits of a byte: the byte is ceil(256 / 243 * number), so multiplying by 3^k modulo 256 leaves the rest. */
static int8_t trit(uint8_t b, int k)
{
    static const uint8_t pow3[5] = {1, 3, 9, 27, 81};
    uint8_t rest = (uint8_t)(b * pow3[k]);
    return (int8_t)((rest * 3 >> 8) - 1);
}

static void unpack_tq1_0(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p + 52);
    for (int g = 0; g < 16; g++)
        s->scale[g] = 1;
    for (int i = 0; i < 160; i++)
        s->code[i] = trit(p[i % 32], i / 32);
    for (int i = 0; i < 80; i++)
        s->code[160 + i] = trit(p[32 + i % 16], i / 16);
    for (int i = 0; i < 16; i++)
        s->code[240 + i] = trit(p[48 + i % 4], i / 4);
}

static void unpack_tq2_0(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p + 64);
    for (int g = 0; g < 16; g++)
        s->scale[g] = 1;
    for (int i = 0; i < STEP; i++)
        s->code[i] = (int8_t)((p[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3) - 1);
}

/* ---- small blocks: d * code + m ---- */

static void set_d(struct step *s, int g, float d) { s->d[2 * g] = s->d[2 * g + 1] = d; }

/* Value i of 32 nibbles: the low nibbles of 16 bytes, then the high ones. */
static int nibble(const uint8_t *p, int i) { return p[i % 16] >> i / 16 * 4 & 15; }

static void unpack_q4_0(struct step *s, const uint8_t *p, int n)
{
    for (int g = 0; g < n / 32; g++, p += 18) {
        set_d(s, g, load_f16(p));
        for (int i = 0; i < 32; i++)
            s->code[g * 32 + i] = (int8_t)(nibble(p + 2, i) - 8);
    }
}

static void unpack_q4_1(struct step *s, const uint8_t *p, int n)
{
    for (int g = 0; g < n / 32; g++, p += 20) {
        set_d(s, g, load_f16(p));
        s->m[g] = load_f16(p + 2);
        for (int i = 0; i < 32; i++)
            s->code[g * 32 + i] = (int8_t)nibble(p + 4, i);
    }
}

static void unpack_q5_0(struct step *s, const uint8_t *p, int n)
{
    for (int g = 0; g < n / 32; g++, p += 22) {
        uint32_t fifth = load_u32(p + 2);
        set_d(s, g, load_f16(p));
        for (int i = 0; i < 32; i++)
            s->code[g * 32 + i] = (int8_t)((nibble(p + 6, i) | (int)(fifth >> i & 1) << 4) - 16);
    }
}

static void unpack_q5_1(struct step *s, const uint8_t *p, int n)
{
    for (int g = 0; g < n / 32; g++, p += 24) {
        uint32_t fifth = load_u32(p + 4);
        set_d(s, g, load_f16(p));
        s->m[g] = load_f16(p + 2);
        for (int i = 0; i < 32; i++)
            s->code[g * 32 + i] = (int8_t)(nibble(p + 8, i) | (int)(fifth >> i & 1) << 4);
    }
}

static void unpack_q8_0(struct step *s, const uint8_t *p, int n)
{
    for (int g = 0; g < n / 32; g++, p += 34) {
        set_d(s, g, load_f16(p));
        memcpy(s->code + g * 32, p + 2, 32);
    }
}

static void unpack_iq4_nl(struct step *s, const uint8_t *p, int n)
{
    for (int g = 0; g < n / 32; g++, p += 18) {
        set_d(s, g, load_f16(p));
        for (int i = 0; i < 32; i++)
            s->code[g * 32 + i] = codes_iq4_nl[nibble(p + 2, i)];
    }
}

static void unpack_mxfp4(struct step *s, const uint8_t *p, int n)
{
    for (int g = 0; g < n / 32; g++, p += 17) {
        set_d(s, g, e8m0_half(p[0]));
        for (int i = 0; i < 32; i++)
            s->code[g * 32 + i] = codes_e2m1[nibble(p + 1, i)];
    }
}

/* Blocks of 64: four scales, then eight bytes for each 16 values. */
static void unpack_nvfp4(struct step *s, const uint8_t *p, int n)
{
    for (int i = 0; i < n; i++) {
        const uint8_t *b = p + i / 64 * 36;
        int g = i / 16;
        if (i % 16 == 0)
            s->d[g] = ue4m3_half(b[g % 4]);
        s->code[i] = codes_e2m1[b[4 + g % 4 * 8 + i % 8] >> i % 16 / 8 * 4 & 15];
    }
}

/* Blocks of 128: one scale, one bit a value. */
static void unpack_q1_0(struct step *s, const uint8_t *p, int n)
{
    for (int i = 0; i < n; i++) {
        const uint8_t *b = p + i / 128 * 18;
        if (i % 32 == 0)
            set_d(s, i / 32, load_f16(b));
        s->code[i] = b[2 + i % 128 / 8] >> i % 8 & 1 ? 1 : -1;
    }
}

const struct unpacking unpackings[TYPE_COUNT] = {
    [TYPE_Q4_0] = {ACT_X32, 32, MIN_NONE, unpack_q4_0},
    [TYPE_Q4_1] = {ACT_X32, 32, MIN_FLOAT, unpack_q4_1},
    [TYPE_Q5_0] = {ACT_X32, 32, MIN_NONE, unpack_q5_0},
    [TYPE_Q5_1] = {ACT_X32, 32, MIN_FLOAT, unpack_q5_1},
    [TYPE_Q8_0] = {ACT_X32, 32, MIN_NONE, unpack_q8_0},
    [TYPE_IQ4_NL] = {ACT_X32, 32, MIN_NONE, unpack_iq4_nl},
    [TYPE_MXFP4] = {ACT_X32, 32, MIN_NONE, unpack_mxfp4},
    [TYPE_NVFP4] = {ACT_X32, 16, MIN_NONE, unpack_nvfp4},
    [TYPE_Q1_0] = {ACT_X32, 32, MIN_NONE, unpack_q1_0},
    [TYPE_Q2_K] = {ACT_X256, 16, MIN_INT, unpack_q2_k},
    [TYPE_Q3_K] = {ACT_X256, 16, MIN_NONE, unpack_q3_k},
    [TYPE_Q4_K] = {ACT_X256, 32, MIN_INT, unpack_q4_k},
    [TYPE_Q5_K] = {ACT_X256, 32, MIN_INT, unpack_q5_k},
    [TYPE_Q6_K] = {ACT_X256, 16, MIN_NONE, unpack_q6_k},
    [TYPE_IQ4_XS] = {ACT_X256, 32, MIN_NONE, unpack_iq4_xs},
    [TYPE_TQ1_0] = {ACT_X256, 32, MIN_NONE, unpack_tq1_0},
    [TYPE_TQ2_0] = {ACT_X256, 32, MIN_NONE, unpack_tq2_0},
    [TYPE_IQ2_XXS] = {ACT_X256, 32, MIN_NONE, unpack_iq2_xxs},
    [TYPE_IQ2_XS] = {ACT_X256, 16, MIN_NONE, unpack_iq2_xs},
    [TYPE_IQ2_S] = {ACT_X256, 16, MIN_NONE, unpack_iq2_s},
    [TYPE_IQ3_XXS] = {ACT_X256, 32, MIN_NONE, unpack_iq3_xxs},
    [TYPE_IQ3_S] = {ACT_X256, 32, MIN_NONE, unpack_iq3_s},
    [TYPE_IQ1_S] = {ACT_X256, 32, MIN_NONE, unpack_iq1_s},
    [TYPE_IQ1_M] = {ACT_X256, 16, MIN_NONE, unpack_iq1_m},
};
