/* The tile of NEON with the instructions that multiply pairs of rows. */
#if defined(__aarch64__)
#include "kernel/neon/tile.h"

void fill_tile_i8mm(struct kernels *k) { fill_tile(k); }

#endif
