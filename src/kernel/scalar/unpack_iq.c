/* The codebook types to integers (unpack.h): magnitudes out of the grids of format/grids.h, signs applied, scales 2 s + 1. What
 * is fixed in a type's scale (1/4 and 1/8 of it) goes into d, exactly. The layouts are drawn in format/decode_iq.c.
 *
 * A cell is eight values: one index of a grid of eights, or two of a grid of fours. */
#include "base/half.h"
#include "format/grids.h"
#include "kernel/unpack.h"

static void cell(int8_t *code, uint64_t grid, unsigned signs)
{
    for (int j = 0; j < 8; j++) {
        int v = (int)(grid >> 8 * j & 255);
        code[j] = (int8_t)(signs >> j & 1 ? -v : v);
    }
}

/* The scale of cell c is that of its sixteen values, or of its thirty-two. */
static void odd_scale(struct step *s, int c, unsigned v) { s->scale[c / 2] = (int16_t)(2 * v + 1); }

void unpack_iq2_xxs(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p) * 0.125f;
    for (int c = 0; c < 32; c++) {
        const uint8_t *index = p + 2 + c / 4 * 8;
        uint32_t rest = load_u32(index + 4);
        cell(s->code + 8 * c, grid_iq2_xxs[index[c % 4]], grid_signs(rest >> c % 4 * 7 & 127));
        odd_scale(s, c, rest >> 28);
    }
}

void unpack_iq2_xs(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p) * 0.125f;
    for (int c = 0; c < 32; c++) {
        unsigned word = load_u16(p + 2 + 2 * c);
        cell(s->code + 8 * c, grid_iq2_xs[word & 511], grid_signs(word >> 9));
        odd_scale(s, c, p[66 + c / 4] >> c % 4 / 2 * 4 & 15);
    }
}

void unpack_iq2_s(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p) * 0.125f;
    for (int c = 0; c < 32; c++) {
        unsigned high = p[66 + c / 4] >> c % 4 * 2 & 3;
        cell(s->code + 8 * c, grid_iq2_s[p[2 + c] | high << 8], p[34 + c]);
        odd_scale(s, c, p[74 + c / 4] >> c % 4 / 2 * 4 & 15);
    }
}

void unpack_iq3_xxs(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p) * 0.25f;
    for (int c = 0; c < 32; c++) {
        const uint8_t *index = p + 2 + 2 * c;
        uint32_t rest = load_u32(p + 66 + c / 4 * 4);
        uint64_t both = grid_iq3_xxs[index[0]] | (uint64_t)grid_iq3_xxs[index[1]] << 32;
        cell(s->code + 8 * c, both, grid_signs(rest >> c % 4 * 7 & 127));
        odd_scale(s, c, rest >> 28);
    }
}

void unpack_iq3_s(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p);
    for (int c = 0; c < 32; c++) {
        unsigned ninth = p[66 + c / 4] >> c % 4 * 2;
        unsigned low = p[2 + 2 * c] | (ninth & 1) << 8, high = p[3 + 2 * c] | (ninth >> 1 & 1) << 8;
        cell(s->code + 8 * c, grid_iq3_s[low] | (uint64_t)grid_iq3_s[high] << 32, p[74 + c]);
        odd_scale(s, c, p[106 + c / 8] >> c % 8 / 4 * 4 & 15);
    }
}

/* Eight trits and their common step of 1/8: as integers of an eighth. */
static void ternary_cell(int8_t *code, uint64_t grid, unsigned down)
{
    for (int j = 0; j < 8; j++)
        code[j] = (int8_t)(8 * (int8_t)(grid >> 8 * j & 255) + (down ? -1 : 1));
}

void unpack_iq1_s(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    s->d[0] = load_f16(p) * 0.125f;
    for (int c = 0; c < 32; c++) {
        unsigned rest = load_u16(p + 34 + c / 4 * 2);
        ternary_cell(s->code + 8 * c, grid_iq1[p[2 + c] | (rest >> c % 4 * 3 & 7) << 8], rest >> 15);
        odd_scale(s, c, rest >> 12 & 7);
    }
}

void unpack_iq1_m(struct step *s, const uint8_t *p, int n)
{
    (void)n;
    unsigned d = 0; /* its bits: the top four of each word of scales */
    for (int w = 0; w < 4; w++)
        d |= (unsigned)(load_u16(p + 48 + 2 * w) >> 12) << 4 * w;
    s->d[0] = f16_to_f32((uint16_t)d) * 0.125f;
    for (int c = 0; c < 32; c++) {
        unsigned rest = p[32 + c / 2] >> c % 2 * 4 & 15;
        ternary_cell(s->code + 8 * c, grid_iq1[p[c] | (rest & 7) << 8], rest >> 3);
        odd_scale(s, c, load_u16(p + 48 + c / 8 * 2) >> c % 8 / 2 * 3 & 7);
    }
}
