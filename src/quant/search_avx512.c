/* The search with registers of sixteen numbers where it looks at all points of a grid (lanes.h, bulk), compiled for AVX-512 (Makefile): the
 * same bits. See search.h. */
#if defined(__x86_64__)
#include "quant/search_block.h"

const struct search search_avx512 = {search_scratch, search_begin, search_blocks};
#endif
