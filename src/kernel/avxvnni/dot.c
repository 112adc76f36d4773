/* The dot and the pair of AVX2 with the VNNI instructions of CPUs that have them without AVX-512. */
#if defined(__x86_64__)
#include "kernel/avx2/dot.h"

void fill_dot_avxvnni(struct kernels *k) { fill_dot(k); }

#endif
