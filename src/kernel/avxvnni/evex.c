/* The same tile and dot as tile.c and dot.c in the form of the instructions that CPUs with AVX-512 have: some of these lack the other
 * one, and the tier below theirs must run there too. */
#if defined(__x86_64__)
#include "kernel/avx2/dot.h"
#include "kernel/avx2/tile.h"

void fill_avxvnni_evex(struct kernels *k)
{
    fill_tile(k);
    fill_dot(k);
}

#endif
