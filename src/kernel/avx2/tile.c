/* The tile of AVX2 with products of 16-bit pairs. */
#if defined(__x86_64__)
#include "kernel/avx2/tile.h"

void fill_tile_avx2(struct kernels *k) { fill_tile(k); }

#endif
