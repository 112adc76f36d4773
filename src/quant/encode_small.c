/* Blocks of one scale, or a scale and a minimum, over 16 to 128 values: see encoders.h; their bytes: format/decode_small.c. */
#include "quant/encoders.h"

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
    put_u32(out, fifth);
}

/* Codes around zero: the extreme value gets the lowest code, -half. */
static void centred(const float *x, int half, struct block *b)
{
    b->d = as_f16(extreme_of(x, SMALL) / (float)-half);
    for (int i = 0; i < SMALL; i++)
        b->code[i] = b->d != 0 ? round_to(x[i] / b->d, -half, half - 1) + half : half;
}

/* Codes from the smallest value up; the minimum is stored with its sign. */
static void from_minimum(const float *x, int most_code, struct block *b)
{
    float low = x[0], high = x[0];
    for (int i = 1; i < SMALL; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    b->d = as_f16((high - low) / (float)most_code);
    b->dmin = as_f16(low);
    for (int i = 0; i < SMALL; i++)
        b->code[i] = b->d > 0 ? round_to((x[i] - b->dmin) / b->d, 0, most_code) : 0;
}

void nearest_q4_0(const float *x, struct block *b) { centred(x, 8, b); }
void nearest_q5_0(const float *x, struct block *b) { centred(x, 16, b); }
void nearest_q4_1(const float *x, struct block *b) { from_minimum(x, 15, b); }
void nearest_q5_1(const float *x, struct block *b) { from_minimum(x, 31, b); }

void nearest_q8_0(const float *x, struct block *b)
{
    b->d = as_f16(fabsf(extreme_of(x, SMALL)) / 127.0f);
    for (int i = 0; i < SMALL; i++)
        b->code[i] = (b->d > 0 ? round_to(x[i] / b->d, -127, 127) : 0) + 127;
}

void pack_q4_0(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    put_nibbles(out + 2, b->code);
}

void pack_q5_0(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    put_fifth_bits(out + 2, b->code);
    put_nibbles(out + 6, b->code);
}

void pack_q4_1(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    put_f16(out + 2, b->dmin);
    put_nibbles(out + 4, b->code);
}

void pack_q5_1(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    put_f16(out + 2, b->dmin);
    put_fifth_bits(out + 4, b->code);
    put_nibbles(out + 8, b->code);
}

void pack_q8_0(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    for (int i = 0; i < SMALL; i++)
        out[2 + i] = (uint8_t)(int8_t)(b->code[i] - 127);
}

/* One bit: the sign. */
enum { SIGNS = 128 };

void find_q1_0(const float *x, const float *w, struct block *b)
{
    float sum[8] = {0}, weight[8] = {0};
    for (int i = 0; i < SIGNS; i++) {
        sum[i % 8] += w[i] * fabsf(x[i]) * (1.0f / SIGNS);
        weight[i % 8] += w[i] * (1.0f / SIGNS);
        b->code[i] = x[i] >= 0;
    }
    float all = join_sums(weight);
    b->d = as_f16(all > 0 ? join_sums(sum) / all : 0);
}

void pack_q1_0(const struct block *b, uint8_t *out)
{
    memset(out, 0, 18);
    put_f16(out, b->d);
    for (int i = 0; i < SIGNS; i++)
        out[2 + i / 8] |= (uint8_t)(b->code[i] << i % 8);
}

void nearest_iq4_nl(const float *x, struct block *b)
{
    b->d = as_f16(extreme_of(x, SMALL) / -127.0f);
    for (int i = 0; i < SMALL; i++) /* no level is 0, but 0 times any is */
        b->code[i] = b->d != 0 ? nearest_of(x[i] / b->d, codes_iq4_nl, 16) : 0;
}

void pack_iq4_nl(const struct block *b, uint8_t *out) { pack_q4_0(b, out); }

/* A power of two for 32 values: the largest magnitude lies in [4, 8) of it. */
void nearest_mxfp4(const float *x, struct block *b)
{
    int e = 0;
    float most = fabsf(extreme_of(x, SMALL));
    frexpf(most, &e); /* most is in [2^(e-1), 2^e) */
    e = most > 0 ? e - 1 - 2 + 127 : 0;
    e = e < 0 ? 0 : e > 254 ? 254 : e;
    b->scale[0] = e;
    for (int i = 0; i < SMALL; i++) /* the table has twice the values */
        b->code[i] = nearest_e2m1(2 * ldexpf(x[i], 127 - e));
}

void pack_mxfp4(const struct block *b, uint8_t *out)
{
    out[0] = (uint8_t)b->scale[0];
    put_nibbles(out + 1, b->code);
}

/* Of equally near ones the first, which is 0 where v is so large that all are. */
static int nearest_ue4m3(float v)
{
    int k = ue4m3_below(v);
    float off = fabsf(v - ue4m3(k));
    if (k < UE4M3_MOST && fabsf(v - ue4m3(k + 1)) < off)
        return k + 1;
    while (k > 0 && fabsf(v - ue4m3(k - 1)) == off)
        k--;
    return k;
}

enum { FP4_GROUP = 16, FP4_GROUPS = 4 };

void nearest_nvfp4(const float *x, struct block *b)
{
    for (int g = 0; g < FP4_GROUPS; g++, x += FP4_GROUP) {
        b->scale[g] = nearest_ue4m3(fabsf(extreme_of(x, FP4_GROUP)) / 6.0f);
        float d = ue4m3(b->scale[g]);
        for (int i = 0; i < FP4_GROUP; i++)
            b->code[FP4_GROUP * g + i] = nearest_e2m1(d > 0 ? 2 * (x[i] / d) : 0);
    }
}

void pack_nvfp4(const struct block *b, uint8_t *out)
{
    for (int g = 0; g < FP4_GROUPS; g++) {
        const int *code = b->code + FP4_GROUP * g;
        out[g] = (uint8_t)b->scale[g];
        for (int i = 0; i < FP4_GROUP / 2; i++)
            out[4 + 8 * g + i] = (uint8_t)(code[i] | code[i + FP4_GROUP / 2] << 4);
    }
}
