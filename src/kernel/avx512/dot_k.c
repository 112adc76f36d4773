/* The dots of the x256 types of dot_k.h, AVX-512 VNNI. */
#if defined(__x86_64__)
#include "kernel/avx2/dot_k.h"
#include "kernel/tiers.h"

void fill_dot_k_avx512(struct kernels *k) { fill_dot_k(k); }

#endif
