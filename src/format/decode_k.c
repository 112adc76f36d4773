/* Decoding the k family and the ternary types: 256 values a block.
 *
 *   q2_k   [16 scale | min << 4][64 of 2 bits][f16 d][f16 dmin]     16 groups: (d s) q - (dmin m)
 *   q3_k   [32 third bits][64 of 2 bits][12 scales][f16 d]          16 groups: (d (s - 32)) (q - 4)
 *   q4_k   [f16 d][f16 dmin][12 scales and mins][128 nibbles]        8 groups: (d s) q - (dmin m)
 *   q5_k   [f16 d][f16 dmin][12][32 fifth bits][128 nibbles]         8 groups: (d s) q - (dmin m)
 *   q6_k   [128 nibbles][64 of 2 bits][16 i8 scales][f16 d]         16 groups: (d s) (q - 32)
 *   tq1_0  [48 of 5 trits][4 of 4 trits][f16 d]                     d (t - 1)
 *   tq2_0  [64 of 2 bits][f16 d]                                    d (q - 1)
 *
 * Two-bit planes: 32 bytes serve 128 values, byte l holding values l, l + 32, l + 64, l + 96 from its low bits up. Nibble
 * planes: 32 bytes serve 64 values the same way; q6_k's 64 bytes serve 128: byte l holds values l and l + 64. */
#include "base/half.h"
#include "format/decode.h"

enum { SUPER = 256 };

/* Two bits of value i in a two-bit plane. */
static int two_bits(const uint8_t *plane, int i) { return plane[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3; }

/* Four bits of value i in a nibble plane of q4_k and q5_k. */
static int four_bits(const uint8_t *plane, int i) { return plane[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15; }

void decode_q2_k(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 84, out += SUPER) {
        float d = load_f16(b + 80), dmin = load_f16(b + 82);
        for (int i = 0; i < SUPER; i++) {
            float scale = d * (float)(b[i / 16] & 15), min = dmin * (float)(b[i / 16] >> 4);
            out[i] = scale * (float)two_bits(b + 16, i) - min;
        }
    }
}

/* Scale g of 16: low nibbles in bytes 0..7 (groups 8..15 in their upper halves), the two high bits in bytes 8..11. */
static int q3_scale(const uint8_t *s, int g)
{
    return (s[g % 8] >> g / 8 * 4 & 15) | (s[8 + g % 4] >> g / 4 * 2 & 3) << 4;
}

void decode_q3_k(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 110, out += SUPER) {
        float d = load_f16(b + 108);
        for (int i = 0; i < SUPER; i++) {
            float scale = d * (float)(q3_scale(b + 96, i / 16) - 32);
            int third = b[i % 32] >> i / 32 & 1;
            out[i] = scale * (float)(two_bits(b + 32, i) + 4 * third - 4);
        }
    }
}

/* Scale and min g of 8, six bits each in 12 bytes: whole in bytes 0..3 and 4..7 for g < 4; for the others the low nibbles
 * lie in bytes 8..11 and the high two bits on top of the first eight bytes. */
static void k_scale_min(const uint8_t *s, int g, int *scale, int *min)
{
    if (g < 4) {
        *scale = s[g] & 63;
        *min = s[g + 4] & 63;
    } else {
        *scale = (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
        *min = s[g + 4] >> 4 | s[g] >> 6 << 4;
    }
}

void decode_q4_k(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 144, out += SUPER) {
        float d = load_f16(b), dmin = load_f16(b + 2);
        for (int g = 0; g < 8; g++) {
            int s, m;
            k_scale_min(b + 4, g, &s, &m);
            float scale = d * (float)s, min = dmin * (float)m;
            for (int i = 32 * g; i < 32 * g + 32; i++)
                out[i] = scale * (float)four_bits(b + 16, i) - min;
        }
    }
}

void decode_q5_k(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 176, out += SUPER) {
        float d = load_f16(b), dmin = load_f16(b + 2);
        for (int g = 0; g < 8; g++) {
            int s, m;
            k_scale_min(b + 4, g, &s, &m);
            float scale = d * (float)s, min = dmin * (float)m;
            for (int i = 32 * g; i < 32 * g + 32; i++) {
                int fifth = b[16 + i % 32] >> g & 1;
                out[i] = scale * (float)(four_bits(b + 48, i) | fifth << 4) - min;
            }
        }
    }
}

void decode_q6_k(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 210, out += SUPER) {
        float d = load_f16(b + 208);
        for (int i = 0; i < SUPER; i++) {
            float scale = d * (float)(int8_t)b[192 + i / 16];
            int low = b[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
            out[i] = scale * (float)((low | two_bits(b + 128, i) << 4) - 32);
        }
    }
}

/* Trit t of a byte, which holds them as a fraction of 256 in base 3: multiplying by 3^t (mod 256) shifts the leading trits
 * out, times 3 lifts the next one above the point. */
static int trit(uint8_t byte, int t)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    return (uint8_t)(byte * power[t]) * 3 >> 8;
}

void decode_tq1_0(float *out, const uint8_t *b, size_t n)
{
    /* runs of bytes: trit 0 of the whole run, then trit 1, ... */
    static const struct {
        int at, bytes, trits;
    } runs[3] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
    for (; n; n -= SUPER, b += 54) {
        float d = load_f16(b + 52);
        for (int r = 0; r < 3; r++)
            for (int t = 0; t < runs[r].trits; t++)
                for (int j = 0; j < runs[r].bytes; j++)
                    *out++ = d * (float)(trit(b[runs[r].at + j], t) - 1);
    }
}

void decode_tq2_0(float *out, const uint8_t *b, size_t n)
{
    for (; n; n -= SUPER, b += 66, out += SUPER) {
        float d = load_f16(b + 64);
        for (int i = 0; i < SUPER; i++)
            out[i] = d * (float)(two_bits(b, i) - 1);
    }
}
