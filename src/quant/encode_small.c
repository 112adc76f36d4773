/* Blocks of one scale, or a scale and a minimum, over 16 to 128 values: see encoders.h; their bytes: format/decode_small.c. */
#include "quant/encoders.h"

#include "format/grids.h"

enum { SMALL = 32, HALF = 16 };

/* Codes of 32 values as nibbles: the first half of them low, the second half high. */
static void put_nibbles(uint8_t *out, const int *code)
{
    for (int j = 0; j < HALF; j++)
        out[j] = (uint8_t)((code[j] & 15) | (code[j + HALF] & 15) << 4);
}

static void put_fifth_bits(uint8_t *out, const int *code)
{
    uint32_t fifth = 0;
    for (int j = 0; j < SMALL; j++)
        fifth |= (uint32_t)(code[j] >> 4 & 1) << j;
    memcpy(out, &fifth, 4);
}

/* Codes around zero: the extreme value gets the lowest code, -half. Returns the scale, stored at out. */
static void centred(const float *x, int half, uint8_t *out, int *code)
{
    float d = put_f16(out, extreme_of(x, SMALL) / (float)-half);
    for (int i = 0; i < SMALL; i++)
        code[i] = d != 0 ? round_to(x[i] / d, -half, half - 1) + half : half;
}

/* Codes from the smallest value up, with scale and minimum stored at out. */
static void from_minimum(const float *x, int most_code, uint8_t *out, int *code)
{
    float low = x[0], high = x[0];
    for (int i = 1; i < SMALL; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float d = put_f16(out, (high - low) / (float)most_code), m = put_f16(out + 2, low);
    for (int i = 0; i < SMALL; i++)
        code[i] = d > 0 ? round_to((x[i] - m) / d, 0, most_code) : 0;
}

void encode_q4_0(const float *x, int64_t n, uint8_t *out)
{
    for (int code[SMALL]; n; n -= SMALL, x += SMALL, out += 18) {
        centred(x, 8, out, code);
        put_nibbles(out + 2, code);
    }
}

void encode_q5_0(const float *x, int64_t n, uint8_t *out)
{
    for (int code[SMALL]; n; n -= SMALL, x += SMALL, out += 22) {
        centred(x, 16, out, code);
        put_fifth_bits(out + 2, code);
        put_nibbles(out + 6, code);
    }
}

void encode_q4_1(const float *x, int64_t n, uint8_t *out)
{
    for (int code[SMALL]; n; n -= SMALL, x += SMALL, out += 20) {
        from_minimum(x, 15, out, code);
        put_nibbles(out + 4, code);
    }
}

void encode_q5_1(const float *x, int64_t n, uint8_t *out)
{
    for (int code[SMALL]; n; n -= SMALL, x += SMALL, out += 24) {
        from_minimum(x, 31, out, code);
        put_fifth_bits(out + 4, code);
        put_nibbles(out + 8, code);
    }
}

void encode_q8_0(const float *x, int64_t n, uint8_t *out)
{
    for (; n; n -= SMALL, x += SMALL, out += 34) {
        float d = put_f16(out, fabsf(extreme_of(x, SMALL)) / 127.0f);
        for (int i = 0; i < SMALL; i++)
            out[2 + i] = (uint8_t)(int8_t)(d > 0 ? round_to(x[i] / d, -127, 127) : 0);
    }
}

/* One bit: the sign. The mean magnitude is the best scale. */
void encode_q1_0(const float *x, int64_t n, uint8_t *out)
{
    enum { BLOCK = 128 };
    for (; n; n -= BLOCK, x += BLOCK, out += 18) {
        float sum[8] = {0};
        memset(out, 0, 18);
        for (int i = 0; i < BLOCK; i++) {
            sum[i % 8] += fabsf(x[i]) * (1.0f / BLOCK);
            out[2 + i / 8] |= (uint8_t)((x[i] >= 0) << i % 8);
        }
        put_f16(out, join_sums(sum));
    }
}

void encode_iq4_nl(const float *x, int64_t n, uint8_t *out)
{
    for (int code[SMALL]; n; n -= SMALL, x += SMALL, out += 18) {
        float d = put_f16(out, extreme_of(x, SMALL) / -127.0f);
        for (int i = 0; i < SMALL; i++)
            code[i] = nearest_of(d != 0 ? x[i] / d : 0, codes_iq4_nl, 16);
        put_nibbles(out + 2, code);
        if (d == 0) /* no level is 0, but 0 times any is */
            memset(out + 2, 0, HALF);
    }
}

/* A power of two for 32 values: the largest magnitude lies in [4, 8) of it. */
void encode_mxfp4(const float *x, int64_t n, uint8_t *out)
{
    for (int code[SMALL]; n; n -= SMALL, x += SMALL, out += 17) {
        int e = 0;
        float most = fabsf(extreme_of(x, SMALL));
        frexpf(most, &e); /* most is in [2^(e-1), 2^e) */
        e = most > 0 ? e - 1 - 2 + 127 : 0;
        e = e < 0 ? 0 : e > 254 ? 254 : e;
        out[0] = (uint8_t)e;
        for (int i = 0; i < SMALL; i++) /* the table has twice the values */
            code[i] = nearest_of(2 * ldexpf(x[i], 127 - e), codes_e2m1, 16);
        put_nibbles(out + 1, code);
    }
}

/* An unsigned E4M3 with bias 7. */
static float ue4m3(int code)
{
    int e = code >> 3, m = code & 7;
    return e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);
}

static int nearest_ue4m3(float v)
{
    int best = 0;
    for (int k = 1; k < 127; k++)
        best = fabsf(v - ue4m3(k)) < fabsf(v - ue4m3(best)) ? k : best;
    return best;
}

void encode_nvfp4(const float *x, int64_t n, uint8_t *out)
{
    enum { BLOCK = 64, GROUP = 16 };
    for (; n; n -= BLOCK, out += 36)
        for (int s = 0; s < BLOCK / GROUP; s++, x += GROUP) {
            int code[GROUP], scale = nearest_ue4m3(fabsf(extreme_of(x, GROUP)) / 6.0f);
            float d = ue4m3(scale);
            out[s] = (uint8_t)scale;
            for (int i = 0; i < GROUP; i++)
                code[i] = nearest_of(d > 0 ? 2 * (x[i] / d) : 0, codes_e2m1, 16);
            for (int i = 0; i < GROUP / 2; i++)
                out[4 + 8 * s + i] = (uint8_t)(code[i] | code[i + GROUP / 2] << 4);
        }
}
