/* The k family, iq4_xs and the ternary types, 256 values a block: see encoders.h; their bytes: format/decode_k.c and decode_iq.c.
 *
 * Each group of 16 or 32 values has a scale of its own, as a small whole number of the block's; codes are found with what is stored. */
#include "quant/encoders.h"

#include "format/grids.h"

enum { SUPER = 256 };

static void put_two_bits(uint8_t *plane, int i, int v)
{
    plane[i / 128 * 32 + i % 32] |= (uint8_t)((v & 3) << i % 128 / 32 * 2);
}
static void put_four_bits(uint8_t *plane, int i, int v)
{
    plane[i / 64 * 32 + i % 32] |= (uint8_t)((v & 15) << i % 64 / 32 * 4);
}

/* ---- scales without minima: q3_k, q6_k, iq4_xs ------------------------------------------------------------------------------------- */

/* Scales of the groups as whole numbers in [-half, half), the extreme one as -half. */
static void group_scales(const float *x, int group, int lowest_level, int half, struct block *b)
{
    float s[SUPER / 16];
    int n = SUPER / group;
    for (int g = 0; g < n; g++)
        s[g] = extreme_of(x + g * group, group) / (float)lowest_level;
    b->d = as_f16(extreme_of(s, n) / (float)-half);
    for (int g = 0; g < n; g++)
        b->scale[g] = b->d != 0 ? round_to(s[g] / b->d, -half, half - 1) : 0;
}

/* Codes around zero, in [-half, half), stored above zero. */
static void centred(const float *x, int half, struct block *b)
{
    for (int i = 0; i < SUPER; i++) {
        float s = b->d * (float)b->scale[i / 16];
        b->code[i] = (s != 0 ? round_to(x[i] / s, -half, half - 1) : 0) + half;
    }
}

void nearest_q6_k(const float *x, struct block *b)
{
    group_scales(x, 16, -32, 128, b);
    centred(x, 32, b);
}

void pack_q6_k(const struct block *b, uint8_t *out)
{
    put_f16(out + 208, b->d);
    for (int g = 0; g < 16; g++)
        out[192 + g] = (uint8_t)(int8_t)b->scale[g];
    for (int half = 0; half < 2; half++) {
        const int *c = b->code + 128 * half;
        uint8_t *four = out + 64 * half, *two = out + 128 + 32 * half;
        for (int i = 0; i < 64; i++)
            four[i] = (uint8_t)((c[i] & 15) | (c[i + 64] & 15) << 4);
        for (int i = 0; i < 32; i++)
            two[i] = (uint8_t)(c[i] >> 4 | c[i + 32] >> 4 << 2 | c[i + 64] >> 4 << 4 | c[i + 96] >> 4 << 6);
    }
}

void nearest_q3_k(const float *x, struct block *b)
{
    group_scales(x, 16, -4, 32, b);
    centred(x, 4, b);
}

void pack_q3_k(const struct block *b, uint8_t *out)
{
    memset(out, 0, 110);
    put_f16(out + 108, b->d);
    for (int g = 0; g < 16; g++) {
        int s = b->scale[g] + 32;
        out[96 + g % 8] |= (uint8_t)((s & 15) << g / 8 * 4);
        out[96 + 8 + g % 4] |= (uint8_t)(s >> 4 << g / 4 * 2);
    }
    for (int i = 0; i < SUPER; i++) {
        put_two_bits(out + 32, i, b->code[i]);
        out[i % 32] |= (uint8_t)(b->code[i] >> 2 << i / 32);
    }
}

void nearest_iq4_xs(const float *x, struct block *b)
{
    group_scales(x, 32, -127, 32, b);
    for (int i = 0; i < SUPER; i++) {
        float s = b->d * (float)b->scale[i / 32];
        b->code[i] = s != 0 ? nearest_of(x[i] / s, codes_iq4_nl, 16) : 0;
    }
}

void pack_iq4_xs(const struct block *b, uint8_t *out)
{
    unsigned high = 0;
    memset(out, 0, 136);
    put_f16(out, b->d);
    for (int g = 0; g < 8; g++) {
        int s = b->d != 0 ? b->scale[g] + 32 : 32;
        out[4 + g / 2] |= (uint8_t)((s & 15) << g % 2 * 4);
        high |= (unsigned)(s >> 4) << 2 * g;
        for (int j = 0; j < 32; j++)
            out[8 + 16 * g + j % 16] |= (uint8_t)(b->code[32 * g + j] << j / 16 * 4);
    }
    put_u16(out + 2, high);
}

/* ---- scales and minima: q2_k, q4_k, q5_k -------------------------------------------------------------------------------------------- */

/* Values of a group lie at scale * code - min, and min is not below 0. most: of scale and min. */
static void above_minima(const float *x, int group, int most_code, int most, struct block *b)
{
    float s[16], low[16], most_s = 0, most_low = 0;
    int n = SUPER / group;
    for (int g = 0; g < n; g++) {
        const float *v = x + g * group;
        float least = 0, largest = v[0];
        for (int i = 0; i < group; i++) {
            least = v[i] < least ? v[i] : least;
            largest = v[i] > largest ? v[i] : largest;
        }
        s[g] = (largest - least) / (float)most_code;
        low[g] = -least;
        most_s = s[g] > most_s ? s[g] : most_s;
        most_low = low[g] > most_low ? low[g] : most_low;
    }
    b->d = as_f16(most_s / (float)most);
    b->dmin = as_f16(most_low / (float)most);
    for (int g = 0; g < n; g++) {
        b->scale[g] = b->d > 0 ? round_to(s[g] / b->d, 0, most) : 0;
        b->min[g] = b->dmin > 0 ? round_to(low[g] / b->dmin, 0, most) : 0;
    }
    for (int i = 0; i < SUPER; i++) {
        float scale = b->d * (float)b->scale[i / group], min = b->dmin * (float)b->min[i / group];
        b->code[i] = scale > 0 ? round_to((x[i] + min) / scale, 0, most_code) : 0;
    }
}

void nearest_q2_k(const float *x, struct block *b) { above_minima(x, 16, 3, 15, b); }
void nearest_q4_k(const float *x, struct block *b) { above_minima(x, 32, 15, 63, b); }
void nearest_q5_k(const float *x, struct block *b) { above_minima(x, 32, 31, 63, b); }

void pack_q2_k(const struct block *b, uint8_t *out)
{
    memset(out, 0, 84);
    for (int g = 0; g < 16; g++)
        out[g] = (uint8_t)(b->scale[g] | b->min[g] << 4);
    put_f16(out + 80, b->d);
    put_f16(out + 82, b->dmin);
    for (int i = 0; i < SUPER; i++)
        put_two_bits(out + 16, i, b->code[i]);
}

/* Six bits each of 8 scales and minima in 12 bytes: the inverse of k_scale_min() of the decoder. */
static void put_scales_and_minima(uint8_t *out, const struct block *b)
{
    for (int g = 0; g < 4; g++) {
        out[g] = (uint8_t)(b->scale[g] | b->scale[g + 4] >> 4 << 6);
        out[g + 4] = (uint8_t)(b->min[g] | b->min[g + 4] >> 4 << 6);
        out[g + 8] = (uint8_t)((b->scale[g + 4] & 15) | (b->min[g + 4] & 15) << 4);
    }
}

void pack_q4_k(const struct block *b, uint8_t *out)
{
    memset(out, 0, 144);
    put_f16(out, b->d);
    put_f16(out + 2, b->dmin);
    put_scales_and_minima(out + 4, b);
    for (int i = 0; i < SUPER; i++)
        put_four_bits(out + 16, i, b->code[i]);
}

void pack_q5_k(const struct block *b, uint8_t *out)
{
    memset(out, 0, 176);
    put_f16(out, b->d);
    put_f16(out + 2, b->dmin);
    put_scales_and_minima(out + 4, b);
    for (int i = 0; i < SUPER; i++) {
        put_four_bits(out + 48, i, b->code[i]);
        out[16 + i % 32] |= (uint8_t)(b->code[i] >> 4 << i / 32);
    }
}

/* ---- ternary ------------------------------------------------------------------------------------------------------------------------- */

/* The mean magnitude of those that are not small. */
static float ternary_scale(const float *x)
{
    float all[8] = {0}, large[8] = {0}, n = 0;
    for (int i = 0; i < SUPER; i++)
        all[i % 8] += fabsf(x[i]) * (1.0f / SUPER);
    float bound = 0.7f * join_sums(all);
    for (int i = 0; i < SUPER; i++)
        if (fabsf(x[i]) > bound) {
            large[i % 8] += fabsf(x[i]) * (1.0f / SUPER);
            n += 1.0f / SUPER;
        }
    return n > 0 ? join_sums(large) / n : 0;
}

void nearest_trits(const float *x, struct block *b)
{
    b->d = as_f16(ternary_scale(x));
    for (int i = 0; i < SUPER; i++)
        b->code[i] = b->d > 0 ? round_to(x[i] / b->d, -1, 1) + 1 : 1;
}

void pack_tq2_0(const struct block *b, uint8_t *out)
{
    memset(out, 0, 66);
    put_f16(out + 64, b->d);
    for (int i = 0; i < SUPER; i++)
        put_two_bits(out, i, b->code[i]);
}

/* Five trits (four: of the last bytes) are a number in base 3, first trit highest; the byte is that number as a fraction of 256, rounded
 * up, which the decoder shifts the trits out of. */
void pack_tq1_0(const struct block *b, uint8_t *out)
{
    static const struct {
        int at, bytes, trits;
    } runs[3] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
    const int *code = b->code;
    put_f16(out + 52, b->d);
    for (int r = 0; r < 3; r++) {
        for (int j = 0; j < runs[r].bytes; j++) {
            int number = 0;
            for (int t = 0; t < 5; t++)
                number = 3 * number + (t < runs[r].trits ? code[t * runs[r].bytes + j] : 0);
            out[runs[r].at + j] = (uint8_t)((number * 256 + 242) / 243);
        }
        code += runs[r].bytes * runs[r].trits;
    }
}
