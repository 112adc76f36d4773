/* Tensors that keep their type whatever is asked for (quantize.md 3.2). */
#ifndef QUANT_PROTECT_H
#define QUANT_PROTECT_H

#include "format/gguf.h"

/* Why this tensor is kept, in words; static. NULL: it may be quantised. */
const char *protect_reason(const struct gguf_tensor *t);

#endif
