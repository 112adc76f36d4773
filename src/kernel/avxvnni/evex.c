/* The same tile as tile.c in the form of the instruction that CPUs with AVX-512 have: some of these lack the other one, and the tier below
 * theirs must run there too. */
#if defined(__x86_64__)
#include "kernel/avx2/tile.h"

void fill_tile_avxvnni_evex(struct kernels *k) { fill_tile(k); }

#endif
