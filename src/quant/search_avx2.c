/* The search with registers of eight numbers, compiled for AVX2 (Makefile): the same bits, since nothing is fused but bounds. See
 * search.h. */
#if defined(__x86_64__)
#include "quant/search_block.h"

const struct search search_avx2 = {search_scratch, search_begin, search_blocks};
#endif
