/* The dot and the pair of the codebook types, AVX-512, for CPUs whose gathers are as fast as loads (cpu.h). */
#if defined(__x86_64__)
#include "kernel/avx512/dot_cells.h"
#include "kernel/dot_rows.h"
#include "kernel/tiers.h"

#define DOT_GATHER(name, TYPE)                                                                                         \
    DOT(dot_##name, step_cells(acc, TYPE, BY_GATHERS, 1, p, rs, x, at))                                                \
    PAIR(pair_##name, step_cells(acc, TYPE, BY_GATHERS, 2, p, rs, x, at))

CODEBOOK_TYPES(DOT_GATHER)
IQ1_TYPES(DOT_GATHER)
DOT_GATHER(iq2_s, TYPE_IQ2_S)

void fill_dot_gather_avx512(struct kernels *k)
{
    static const struct own_dot own[] = {CODEBOOK_TYPES(OWN_DOT) IQ1_TYPES(OWN_DOT) OWN_DOT(iq2_s, TYPE_IQ2_S)};
    fill_dots(k, own, sizeof own / sizeof own[0]);
}

#endif
