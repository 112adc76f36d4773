/* The tables of the codebook types: what an index of iq1, iq2, iq3 or a nibble of iq4 and the FP4 types stands for.
 *
 * An entry of a grid holds one value a byte, the first in the lowest byte (so a little-endian load of 8 or 4 bytes gives them
 * in order). iq2 and iq3 hold magnitudes, signs come with the block; iq1 holds int8 of -1, 0, 1. */
#ifndef FORMAT_GRIDS_H
#define FORMAT_GRIDS_H

#include <stdint.h>

extern const uint64_t grid_iq1[2048]; /* iq1_s and iq1_m */
extern const uint64_t grid_iq2_xxs[256];
extern const uint64_t grid_iq2_xs[512];
extern const uint64_t grid_iq2_s[1024];
extern const uint32_t grid_iq3_xxs[256];
extern const uint32_t grid_iq3_s[512];

extern const int8_t codes_iq4_nl[16]; /* iq4_nl and iq4_xs */
extern const int8_t codes_e2m1[16];   /* mxfp4 and nvfp4: twice the value of the FP4 code */

/* Eight signs (bit j set: value j is negative) from the seven that are stored (seven < 128): an even number of them is negative. */
static inline unsigned grid_signs(unsigned seven)
{
    unsigned parity = seven ^ seven >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return seven | (parity & 1) << 7;
}

#endif
