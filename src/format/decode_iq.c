/* Decoding the codebook types: 256 values a block, 4 or 8 of them at a time out of a grid (grids.h).
 *
 *   iq2_xxs  [f16 d][8 x: 4 indices, u32 4 x 7 signs | scale << 28]             d (s + 1/2) / 4
 *   iq2_xs   [f16 d][32 u16 index 9 | signs 7][8 scale pairs]                   d (s + 1/2) / 4, per 16 values
 *   iq2_s    [f16 d][32 indices][32 signs][8 x 2 high bits][8 scale pairs]      d (s + 1/2) / 4, per 16 values
 *   iq3_xxs  [f16 d][64 indices][8 u32 4 x 7 signs | scale << 28]               d (s + 1/2) / 2
 *   iq3_s    [f16 d][64 indices][8 ninth bits][32 signs][4 scale pairs]         d (2 s + 1)
 *   iq1_s    [f16 d][32 indices][8 u16 4 x 3 high bits | scale << 12 | delta]   d (2 s + 1) (grid +- 1/8)
 *   iq1_m    [32 indices][16 x: 3 high bits | delta, twice][4 u16: 4 x scale, 4 bits of f16 d]
 *   iq4_xs   [f16 d][u16 high scale bits][4 low scale nibble pairs][128 nibbles]  d (s - 32) table
 *
 * Below, a group is 32 values and a cell is 8 (one index of a grid of eights, two of a grid of fours). */
#include "base/half.h"
#include "format/decode.h"
#include "format/grids.h"

enum { SUPER = 256 };

/* n values of a cell, each the scale times its byte of the grid, negative where its bit of signs is set. */
static void cell(float *out, float scale, uint64_t grid, unsigned signs, int n)
{
    for (int j = 0; j < n; j++) {
        float v = scale * (float)(grid >> 8 * j & 255);
        out[j] = signs >> j & 1 ? -v : v;
    }
}

/* d (s + 1/2) / 4: the scale of the iq2 types. */
static float iq2_scale(float d, unsigned s) { return d * (0.5f + (float)s) * 0.25f; }

void decode_iq2_xxs(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 66) {
        float d = load_f16(b);
        for (int g = 0; g < 8; g++) {
            const uint8_t *index = b + 2 + 8 * g;
            uint32_t rest = load_u32(index + 4);
            for (int c = 0; c < 4; c++, out += 8)
                cell(out, iq2_scale(d, rest >> 28), grid_iq2_xxs[index[c]], grid_signs(rest >> 7 * c & 127), 8);
        }
    }
}

void decode_iq2_xs(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 74) {
        float d = load_f16(b);
        for (int c = 0; c < 32; c++, out += 8) {
            unsigned code = load_u16(b + 2 + 2 * c), s = b[66 + c / 4] >> c % 4 / 2 * 4 & 15;
            cell(out, iq2_scale(d, s), grid_iq2_xs[code & 511], grid_signs(code >> 9), 8);
        }
    }
}

void decode_iq2_s(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 82) {
        float d = load_f16(b);
        for (int c = 0; c < 32; c++, out += 8) {
            unsigned high = b[66 + c / 4] >> c % 4 * 2 & 3, s = b[74 + c / 4] >> c % 4 / 2 * 4 & 15;
            cell(out, iq2_scale(d, s), grid_iq2_s[b[2 + c] | high << 8], b[34 + c], 8);
        }
    }
}

void decode_iq3_xxs(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 98) {
        float d = load_f16(b);
        for (int c = 0; c < 32; c++, out += 8) {
            uint32_t rest = load_u32(b + 66 + c / 4 * 4);
            float scale = d * (0.5f + (float)(rest >> 28)) * 0.5f;
            unsigned signs = grid_signs(rest >> c % 4 * 7 & 127);
            cell(out, scale, grid_iq3_xxs[b[2 + 2 * c]], signs, 4);
            cell(out + 4, scale, grid_iq3_xxs[b[3 + 2 * c]], signs >> 4, 4);
        }
    }
}

void decode_iq3_s(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 110) {
        float d = load_f16(b);
        for (int h = 0; h < 64; h++, out += 4) { /* half cells */
            unsigned ninth = b[66 + h / 8] >> h % 8 & 1, s = b[106 + h / 16] >> h % 16 / 8 * 4 & 15;
            unsigned signs = b[74 + h / 2] >> h % 2 * 4;
            cell(out, d * (float)(2 * s + 1), grid_iq3_s[b[2 + h] | ninth << 8], signs, 4);
        }
    }
}

/* Eight values of the ternary grid, moved by 1/8 towards or away from zero. */
static void ternary_cell(float *out, float scale, uint64_t grid, int down)
{
    float delta = down ? -0.125f : 0.125f;
    for (int j = 0; j < 8; j++)
        out[j] = scale * ((float)(int8_t)(grid >> 8 * j & 255) + delta);
}

void decode_iq1_s(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 50) {
        float d = load_f16(b);
        for (int c = 0; c < 32; c++, out += 8) {
            unsigned rest = load_u16(b + 34 + c / 4 * 2), high = rest >> c % 4 * 3 & 7;
            float scale = d * (float)(2 * (rest >> 12 & 7) + 1);
            ternary_cell(out, scale, grid_iq1[b[2 + c] | high << 8], rest >> 15 & 1);
        }
    }
}

void decode_iq1_m(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 56) {
        unsigned bits = 0; /* of d: the top four of each scale word, lowest first */
        for (int w = 0; w < 4; w++)
            bits |= (unsigned)(load_u16(b + 48 + 2 * w) >> 12) << 4 * w;
        float d = f16_to_f32((uint16_t)bits);
        for (int c = 0; c < 32; c++, out += 8) {
            unsigned rest = b[32 + c / 2] >> c % 2 * 4 & 15;
            unsigned s = load_u16(b + 48 + c / 8 * 2) >> c % 8 / 2 * 3 & 7;
            ternary_cell(out, d * (float)(2 * s + 1), grid_iq1[b[c] | (rest & 7) << 8], rest >> 3 & 1);
        }
    }
}

void decode_iq4_xs(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 136) {
        float d = load_f16(b);
        for (int g = 0; g < 8; g++, out += 32) {
            int low = b[4 + g / 2] >> g % 2 * 4 & 15, high = load_u16(b + 2) >> 2 * g & 3;
            float scale = d * (float)((low | high << 4) - 32);
            const uint8_t *q = b + 8 + 16 * g;
            for (int j = 0; j < 16; j++) {
                out[j] = scale * (float)codes_iq4_nl[q[j] & 15];
                out[j + 16] = scale * (float)codes_iq4_nl[q[j] >> 4];
            }
        }
    }
}
