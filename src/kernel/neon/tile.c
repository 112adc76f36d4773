/* The tile of NEON with the dot product instructions. */
#if defined(__aarch64__)
#include "kernel/neon/tile.h"

void fill_tile_neon(struct kernels *k) { fill_tile(k); }

#endif
