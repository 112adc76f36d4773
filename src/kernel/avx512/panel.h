/* The panel of the AVX-512 tile: one step of 32 weight rows, lanes = rows. See avx512/tile.c. */
#ifndef KERNEL_AVX512_PANEL_H
#define KERNEL_AVX512_PANEL_H

#include "kernel/avx512/simd.h"
#include "kernel/unpack.h"

enum { PANEL_R = 2, PANEL_ROWS = 16 * PANEL_R, PANEL_STEP_ZP = 128 };

struct panel {
    __m512i code[64][PANEL_R];  /* four unsigned codes of sixteen rows */
    __m512i scale[16][PANEL_R]; /* int32, a group of the K family */
    __m512i min[8][PANEL_R];    /* pairs of int16: minima 2 i and 2 i + 1 */
    __m512 d[16][PANEL_R], dmin[PANEL_R];
    __m512 m[8][PANEL_R];
};

/* Sixteen rows, rs bytes apart, from p to half r of the panel; n_blocks: blocks of 32 values in this step. */
typedef void panel_fn(struct panel *P, int r, const uint8_t *p, size_t rs, int n_blocks);
panel_fn panel_q4_k, panel_q6_k, panel_q8_0, panel_q4_0, panel_q4_1, panel_q5_0, panel_q5_1, panel_iq4_nl, panel_mxfp4,
    panel_nvfp4, panel_q1_0;

/* A type of the x256 family, by its unpacker to a step: codes + PANEL_STEP_ZP, minima for each sixteen values. */
void panel_step(struct panel *P, int r, const uint8_t *p, size_t rs, enum block_type t);

#endif
