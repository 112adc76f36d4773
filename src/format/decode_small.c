/* Decoding the small blocks: one scale over 16 to 128 codes.
 *
 *   q4_0     32   [f16 d][16 nibbles]                    d (q - 8)
 *   q4_1     32   [f16 d][f16 m][16 nibbles]             d q + m
 *   q5_0     32   [f16 d][u32 fifth bits][16 nibbles]    d (q - 16)
 *   q5_1     32   [f16 d][f16 m][u32 fifth bits][16]     d q + m
 *   q8_0     32   [f16 d][32 i8]                         d q
 *   q1_0    128   [f16 d][16 bytes]                      bit ? d : -d
 *   iq4_nl   32   [f16 d][16 nibbles]                    d table[q]
 *   mxfp4    32   [E8M0 e][16 nibbles]                   2^(e - 127) E2M1[q]
 *   nvfp4    64   [4 UE4M3][4 x 8 nibbles]               each 16 values: scale E2M1[q]
 *
 * A run of nibble bytes holds the first half of its values in the low nibbles and the second half in the high ones. */
#include "base/half.h"
#include "format/decode.h"
#include "format/grids.h"

enum { SMALL = 32, HALF = 16 };

/* Code j of 32 nibbles. */
static int nibble(const uint8_t *q, int j) { return j < HALF ? q[j] & 15 : q[j - HALF] >> 4; }

static int five_bits(const uint8_t *q, uint32_t fifth, int j) { return nibble(q, j) | (int)(fifth >> j & 1) << 4; }

void decode_q4_0(float *restrict out, const uint8_t *restrict b, size_t n)
{
    for (; n; n -= SMALL, b += 18, out += SMALL) {
        float d = load_f16(b);
        for (int j = 0; j < HALF; j++)
            out[j] = d * (float)((b[2 + j] & 15) - 8);
        for (int j = 0; j < HALF; j++)
            out[HALF + j] = d * (float)((b[2 + j] >> 4) - 8);
    }
}

void decode_q4_1(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SMALL, b += 20, out += SMALL) {
        float d = load_f16(b), m = load_f16(b + 2);
        for (int j = 0; j < SMALL; j++)
            out[j] = d * (float)nibble(b + 4, j) + m;
    }
}

void decode_q5_0(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SMALL, b += 22, out += SMALL) {
        float d = load_f16(b);
        uint32_t fifth = load_u32(b + 2);
        for (int j = 0; j < SMALL; j++)
            out[j] = d * (float)(five_bits(b + 6, fifth, j) - 16);
    }
}

void decode_q5_1(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SMALL, b += 24, out += SMALL) {
        float d = load_f16(b), m = load_f16(b + 2);
        uint32_t fifth = load_u32(b + 4);
        for (int j = 0; j < SMALL; j++)
            out[j] = d * (float)five_bits(b + 8, fifth, j) + m;
    }
}

void decode_q8_0(float *restrict out, const uint8_t *restrict b, size_t n)
{
    for (; n; n -= SMALL, b += 34, out += SMALL) {
        float d = load_f16(b);
        for (int j = 0; j < SMALL; j++)
            out[j] = d * (float)(int8_t)b[2 + j];
    }
}

void decode_q1_0(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= 128, b += 18, out += 128) {
        float d = load_f16(b);
        for (int j = 0; j < 128; j++)
            out[j] = b[2 + j / 8] >> j % 8 & 1 ? d : -d;
    }
}

void decode_iq4_nl(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SMALL, b += 18, out += SMALL) {
        float d = load_f16(b);
        for (int j = 0; j < SMALL; j++)
            out[j] = d * (float)codes_iq4_nl[nibble(b + 2, j)];
    }
}

/* 2^(e - 128), half the scale: the table holds twice the values. Below e = 2 the result is subnormal. */
static float half_e8m0(uint8_t e) { return f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23); }

void decode_mxfp4(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SMALL, b += 17, out += SMALL) {
        float d = half_e8m0(b[0]);
        for (int j = 0; j < SMALL; j++)
            out[j] = d * (float)codes_e2m1[nibble(b + 1, j)];
    }
}

/* Half of an unsigned E4M3 (bias 7; bit 7 means nothing). 0x7f, its NaN, counts as 0. */
static float half_ue4m3(uint8_t x)
{
    uint32_t e = x >> 3 & 15, m = x & 7;
    if (x == 0x7f)
        return 0;
    return e ? f32_from_bits((e + 119) << 23 | m << 20) : (float)m * 0x1p-10f;
}

void decode_nvfp4(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= 64, b += 36)
        for (int s = 0; s < 4; s++, out += 16) {
            float d = half_ue4m3(b[s]);
            const uint8_t *q = b + 4 + 8 * s;
            for (int j = 0; j < 8; j++) {
                out[j] = d * (float)codes_e2m1[q[j] & 15];
                out[j + 8] = d * (float)codes_e2m1[q[j] >> 4];
            }
        }
}
