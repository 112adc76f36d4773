/* The dot and the pair of AVX2 with products of 16-bit pairs. */
#if defined(__x86_64__)
#include "kernel/avx2/dot.h"

void fill_dot_avx2(struct kernels *k) { fill_dot(k); }

#endif
