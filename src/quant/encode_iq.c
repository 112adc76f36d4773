/* Types of grids, iq1, iq2 and iq3, as bytes: see encoders.h; their decoders: format/decode_iq.c. The numbers come from search_grid.h. */
#include "quant/encoders.h"

enum { CELLS = 32 };

/* Signs of four cells of eight, seven bits each, and a scale above them. */
static uint32_t signs_and_scale(const struct block *b, int g)
{
    uint32_t rest = (uint32_t)b->scale[g] << 28;
    for (int c = 0; c < 4; c++)
        rest |= (uint32_t)(b->signs[4 * g + c] & 127) << 7 * c;
    return rest;
}

static void put_scale_pairs(const struct block *b, int n, uint8_t *out)
{
    for (int g = 0; g < n; g += 2)
        out[g / 2] = (uint8_t)(b->scale[g] | b->scale[g + 1] << 4);
}

void pack_iq2_xxs(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    for (int g = 0; g < 8; g++) {
        for (int c = 0; c < 4; c++)
            out[2 + 8 * g + c] = (uint8_t)b->code[4 * g + c];
        put_u32(out + 2 + 8 * g + 4, signs_and_scale(b, g));
    }
}

void pack_iq2_xs(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    for (int c = 0; c < CELLS; c++)
        put_u16(out + 2 + 2 * c, (unsigned)b->code[c] | (b->signs[c] & 127) << 9);
    put_scale_pairs(b, 16, out + 66);
}

void pack_iq2_s(const struct block *b, uint8_t *out)
{
    memset(out, 0, 82);
    put_f16(out, b->d);
    for (int c = 0; c < CELLS; c++) {
        out[2 + c] = (uint8_t)(b->code[c] & 255);
        out[34 + c] = (uint8_t)b->signs[c];
        out[66 + c / 4] |= (uint8_t)(b->code[c] >> 8 << c % 4 * 2);
    }
    put_scale_pairs(b, 16, out + 74);
}

void pack_iq3_xxs(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    for (int h = 0; h < 2 * CELLS; h++)
        out[2 + h] = (uint8_t)b->code[h];
    for (int g = 0; g < 8; g++)
        put_u32(out + 66 + 4 * g, signs_and_scale(b, g));
}

void pack_iq3_s(const struct block *b, uint8_t *out)
{
    memset(out, 0, 110);
    put_f16(out, b->d);
    for (int h = 0; h < 2 * CELLS; h++) {
        out[2 + h] = (uint8_t)(b->code[h] & 255);
        out[66 + h / 8] |= (uint8_t)(b->code[h] >> 8 << h % 8);
    }
    for (int c = 0; c < CELLS; c++)
        out[74 + c] = (uint8_t)b->signs[c];
    put_scale_pairs(b, 8, out + 106);
}

void pack_iq1_s(const struct block *b, uint8_t *out)
{
    put_f16(out, b->d);
    for (int g = 0; g < 8; g++) {
        unsigned rest = (unsigned)b->scale[g] << 12 | b->signs[4 * g] << 15;
        for (int c = 0; c < 4; c++) {
            out[2 + 4 * g + c] = (uint8_t)(b->code[4 * g + c] & 255);
            rest |= (unsigned)(b->code[4 * g + c] >> 8) << 3 * c;
        }
        put_u16(out + 34 + 2 * g, rest);
    }
}

void pack_iq1_m(const struct block *b, uint8_t *out)
{
    memset(out, 0, 56);
    for (int c = 0; c < CELLS; c++) {
        out[c] = (uint8_t)(b->code[c] & 255);
        out[32 + c / 2] |= (uint8_t)(((unsigned)b->code[c] >> 8 | b->signs[c] << 3) << c % 2 * 4);
    }
    unsigned d = f16_from_f32(b->d); /* its bits lie above the scales, the lowest first */
    for (int w = 0; w < 4; w++) {
        unsigned word = (d >> 4 * w & 15) << 12;
        for (int g = 0; g < 4; g++)
            word |= (unsigned)b->scale[4 * w + g] << 3 * g;
        put_u16(out + 48 + 2 * w, word);
    }
}
