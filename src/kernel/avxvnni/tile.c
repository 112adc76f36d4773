/* The tile of AVX2 with the VNNI instructions of CPUs that have them without AVX-512. */
#if defined(__x86_64__)
#include "kernel/avx2/tile.h"

void fill_tile_avxvnni(struct kernels *k) { fill_tile(k); }

#endif
