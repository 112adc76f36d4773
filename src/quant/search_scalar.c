/* The search as every machine computes it: see search.h. */
#include "quant/search_block.h"

const struct search search_scalar = {search_scratch, search_begin, search_blocks};
