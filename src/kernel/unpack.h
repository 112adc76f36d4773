/* One form for every block type: a step of 256 weights of one row as signed codes, integer scales and float scales. The definition of
 * the products (scalar/dot.c) is written once, on this form; a faster kernel may decode differently, but to the same integers.
 *
 *   K family (x256):      w_i = d[0] * scale[i / 16] * code_i - dmin * min[i / 16]
 *   small blocks (x32):   w_i = d[i / 16] * code_i + m[i / 32]
 *
 * A scale per 32 values is written twice. */
#ifndef KERNEL_UNPACK_H
#define KERNEL_UNPACK_H

#include "base/half.h"
#include "kernel/kernel.h"

enum { STEP = 256 };

struct step {
    int8_t code[STEP];
    int16_t scale[16];
    int16_t min[16];
    float d[16], dmin;
    float m[8];
};

enum minima { MIN_NONE, MIN_INT, MIN_FLOAT };

/* n values, a multiple of the block, at most STEP. */
typedef void unpack_fn(struct step *s, const uint8_t *blocks, int n);

struct unpacking {
    enum act_family family; /* ACT_F32: not a block type of the products */
    int sub;                /* values per integer scale (K family) or per float scale (small blocks) */
    enum minima minima;
    unpack_fn *unpack;
};

extern const struct unpacking unpackings[TYPE_COUNT];

/* The same in AVX2 code (avx2/unpack.c); NULL: none for this type. */
extern unpack_fn *const unpack_avx2[TYPE_COUNT];

/* Half of 2^(e - 127), because the code table holds doubled values. */
static inline float e8m0_half(uint8_t e) { return f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23); }

/* Half of an unsigned E4M3; its NaN counts as 0. */
static inline float ue4m3_half(uint8_t b)
{
    int e = b >> 3 & 15, m = b & 7;
    if (b == 0x7f)
        return 0;
    return e == 0 ? (float)m * 0x1p-10f : f32_from_bits((uint32_t)(e + 119) << 23) * (float)(8 + m) * 0.125f;
}

/* The codebook types (scalar/unpack_iq.c). */
void unpack_iq2_xxs(struct step *s, const uint8_t *p, int n);
void unpack_iq2_xs(struct step *s, const uint8_t *p, int n);
void unpack_iq2_s(struct step *s, const uint8_t *p, int n);
void unpack_iq3_xxs(struct step *s, const uint8_t *p, int n);
void unpack_iq3_s(struct step *s, const uint8_t *p, int n);
void unpack_iq1_s(struct step *s, const uint8_t *p, int n);
void unpack_iq1_m(struct step *s, const uint8_t *p, int n);

/* Values of step b of a row of n_cols. */
static inline int step_values(int n_cols, int b) { return n_cols - b * STEP < STEP ? n_cols - b * STEP : STEP; }

/* The definition of one step: acc with the n values of s times the codes of x at (step * plane + row) added. */
float ref_step(const struct unpacking *u, const struct step *s, const struct xq *x, size_t at, int n, float acc);

#endif
