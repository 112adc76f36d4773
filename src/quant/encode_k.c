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

/* Scales of the groups as whole numbers in [-half, half), the extreme one as -half. d is stored at out; returned as it is there. */
static float group_scales(const float *x, int group, int lowest_level, int half, uint8_t *out, int *scale)
{
    float s[SUPER / 16];
    int n = SUPER / group;
    for (int g = 0; g < n; g++)
        s[g] = extreme_of(x + g * group, group) / (float)lowest_level;
    float d = put_f16(out, extreme_of(s, n) / (float)-half);
    for (int g = 0; g < n; g++)
        scale[g] = d != 0 ? round_to(s[g] / d, -half, half - 1) : 0;
    return d;
}

/* The code of x around zero by a scale, in [-half, half). */
static int centred(float x, float scale, int half) { return scale != 0 ? round_to(x / scale, -half, half - 1) : 0; }

void encode_q6_k(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SUPER, x += SUPER, out += 210) {
        int scale[16];
        memset(out, 0, 210);
        float d = group_scales(x, 16, -32, 128, out + 208, scale);
        for (int g = 0; g < 16; g++)
            out[192 + g] = (uint8_t)(int8_t)scale[g];
        for (int i = 0; i < SUPER; i++) {
            int code = centred(x[i], d * (float)scale[i / 16], 32) + 32;
            out[i / 128 * 64 + i % 64] |= (uint8_t)((code & 15) << i % 128 / 64 * 4);
            put_two_bits(out + 128, i, code >> 4);
        }
    }
}

void encode_q3_k(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SUPER, x += SUPER, out += 110) {
        int scale[16];
        memset(out, 0, 110);
        float d = group_scales(x, 16, -4, 32, out + 108, scale);
        for (int g = 0; g < 16; g++) {
            int s = scale[g] + 32;
            out[96 + g % 8] |= (uint8_t)((s & 15) << g / 8 * 4);
            out[96 + 8 + g % 4] |= (uint8_t)(s >> 4 << g / 4 * 2);
        }
        for (int i = 0; i < SUPER; i++) {
            int code = centred(x[i], d * (float)scale[i / 16], 4) + 4;
            put_two_bits(out + 32, i, code);
            out[i % 32] |= (uint8_t)(code >> 2 << i / 32);
        }
    }
}

void encode_iq4_xs(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SUPER, x += SUPER, out += 136) {
        int scale[8];
        unsigned high = 0;
        memset(out, 0, 136);
        float d = group_scales(x, 32, -127, 32, out, scale);
        for (int g = 0; g < 8; g++) {
            int s = scale[g] + 32;
            float of_group = d * (float)scale[g];
            out[4 + g / 2] |= (uint8_t)((s & 15) << g % 2 * 4);
            high |= (unsigned)(s >> 4) << 2 * g;
            for (int j = 0; of_group != 0 && j < 32; j++)
                out[8 + 16 * g + j % 16] |= (uint8_t)(nearest_of(x[32 * g + j] / of_group, codes_iq4_nl, 16)
                                                      << j / 16 * 4);
        }
        put_u16(out + 2, high);
    }
}

/* ---- scales and minima: q2_k, q4_k, q5_k -------------------------------------------------------------------------------------------- */

struct minima {
    int scale[16], min[16]; /* of the groups, in whole numbers */
    float d, dmin;          /* as they are stored */
};

/* Values of a group lie at scale * code - min, and min is not below 0. most: of scale and min. */
static void group_minima(struct minima *m, const float *x, int group, int most_code, int most, uint8_t *d,
                         uint8_t *dmin)
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
    m->d = put_f16(d, most_s / (float)most);
    m->dmin = put_f16(dmin, most_low / (float)most);
    for (int g = 0; g < n; g++) {
        m->scale[g] = m->d > 0 ? round_to(s[g] / m->d, 0, most) : 0;
        m->min[g] = m->dmin > 0 ? round_to(low[g] / m->dmin, 0, most) : 0;
    }
}

static int code_above(const struct minima *m, int g, float x, int most_code)
{
    float scale = m->d * (float)m->scale[g], min = m->dmin * (float)m->min[g];
    return scale > 0 ? round_to((x + min) / scale, 0, most_code) : 0;
}

void encode_q2_k(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SUPER, x += SUPER, out += 84) {
        struct minima m;
        memset(out, 0, 84);
        group_minima(&m, x, 16, 3, 15, out + 80, out + 82);
        for (int g = 0; g < 16; g++)
            out[g] = (uint8_t)(m.scale[g] | m.min[g] << 4);
        for (int i = 0; i < SUPER; i++)
            put_two_bits(out + 16, i, code_above(&m, i / 16, x[i], 3));
    }
}

/* Six bits each of 8 scales and minima in 12 bytes: the inverse of k_scale_min() of the decoder. */
static void put_scales_and_minima(uint8_t *out, const struct minima *m)
{
    for (int g = 0; g < 4; g++) {
        out[g] = (uint8_t)(m->scale[g] | m->scale[g + 4] >> 4 << 6);
        out[g + 4] = (uint8_t)(m->min[g] | m->min[g + 4] >> 4 << 6);
        out[g + 8] = (uint8_t)((m->scale[g + 4] & 15) | (m->min[g + 4] & 15) << 4);
    }
}

void encode_q4_k(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SUPER, x += SUPER, out += 144) {
        struct minima m;
        memset(out, 0, 144);
        group_minima(&m, x, 32, 15, 63, out, out + 2);
        put_scales_and_minima(out + 4, &m);
        for (int i = 0; i < SUPER; i++)
            put_four_bits(out + 16, i, code_above(&m, i / 32, x[i], 15));
    }
}

void encode_q5_k(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SUPER, x += SUPER, out += 176) {
        struct minima m;
        memset(out, 0, 176);
        group_minima(&m, x, 32, 31, 63, out, out + 2);
        put_scales_and_minima(out + 4, &m);
        for (int i = 0; i < SUPER; i++) {
            int code = code_above(&m, i / 32, x[i], 31);
            put_four_bits(out + 48, i, code);
            out[16 + i % 32] |= (uint8_t)(code >> 4 << i / 32);
        }
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

static int trit(float x, float d) { return d > 0 ? round_to(x / d, -1, 1) + 1 : 1; }

void encode_tq2_0(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SUPER, x += SUPER, out += 66) {
        memset(out, 0, 66);
        float d = put_f16(out + 64, ternary_scale(x));
        for (int i = 0; i < SUPER; i++)
            put_two_bits(out, i, trit(x[i], d));
    }
}

/* Five trits (four: of the last bytes) are a number in base 3, first trit highest; the byte is that number as a fraction of 256, rounded
 * up, which the decoder shifts the trits out of. */
void encode_tq1_0(const float *x, int64_t n, uint8_t *out)
{
    static const struct {
        int at, bytes, trits;
    } runs[3] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
    for (; n; n -= SUPER, out += 54) {
        float d = put_f16(out + 52, ternary_scale(x));
        for (int r = 0; r < 3; r++) {
            for (int j = 0; j < runs[r].bytes; j++) {
                int number = 0;
                for (int t = 0; t < 5; t++)
                    number = 3 * number + (t < runs[r].trits ? trit(x[t * runs[r].bytes + j], d) : 0);
                out[runs[r].at + j] = (uint8_t)((number * 256 + 242) / 243);
            }
            x += runs[r].bytes * runs[r].trits;
        }
    }
}
