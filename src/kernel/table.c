/* One table of kernels a tier, filled upward once: a tier that lacks a kernel has the next lower one, which gives the same
 * bits. Tiers above the CPU's own stay empty: what fills them is compiled for CPUs of that tier, as their kernels are. */
#include "kernel/tiers.h"

#include <pthread.h>

static struct kernels tables[TIER_COUNT];

size_t kernel_tile_scratch(int n_rows) { return TILE_PANEL_BYTES + (size_t)n_rows * TILE_GROUP * sizeof(float); }

typedef void fill_fn(struct kernels *k);

#if defined(__x86_64__)
static void fill_avxvnni(struct kernels *k)
{
    if (cpu_has_avxvnni()) {
        fill_tile_avxvnni(k);
        fill_dot_avxvnni(k);
    } else { /* the CPU has AVX-512 */
        fill_avxvnni_evex(k);
    }
}

static void fill_lookups_avx512(struct kernels *k)
{
    if (cpu_gathers_fast(cpu_is_intel(), ""))
        fill_dot_gather_avx512(k);
    else
        fill_dot_codebook_avx512(k);
}
#endif

static fill_fn *const fills[TIER_COUNT][12] = {
    [TIER_SCALAR] = {fill_dot_scalar, fill_float_scalar, fill_vec_scalar, fill_attn_scalar, fill_recur_scalar,
                     fill_cache_scalar, fill_codes_scalar},
#if defined(__x86_64__)
    [TIER_AVX2] = {fill_quantise_avx2, fill_tile_avx2, fill_dot_avx2, fill_float_avx2, fill_vec_avx2, fill_attn_avx2,
                   fill_recur_avx2, fill_codes_avx2},
    [TIER_AVXVNNI] = {fill_avxvnni},
    [TIER_AVX512] = {fill_quantise_avx512, fill_tile_avx512, fill_dot_avx512, fill_dot_k_avx512, fill_lookups_avx512,
                     fill_float_avx512, fill_vec_avx512, fill_attn_avx512, fill_recur_avx512, fill_codes_avx512},
#elif defined(__aarch64__)
    [TIER_NEON] = {fill_quantise_neon, fill_tile_neon, fill_dot_neon, fill_float_neon, fill_vec_neon, fill_attn_neon,
                   fill_recur_neon, fill_codes_neon},
    [TIER_I8MM] = {fill_tile_i8mm},
#endif
};

static void fill(void)
{
    enum cpu_tier best = cpu_best_tier();
    for (int t = 0; t <= (int)best; t++) {
        if (t > 0)
            tables[t] = tables[t - 1];
        tables[t].tier = (enum cpu_tier)t;
        for (fill_fn *const *f = fills[t]; *f; f++)
            (*f)(&tables[t]);
    }
}

const struct kernels *kernels_for(enum cpu_tier cap)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    enum cpu_tier best = cpu_best_tier();
    pthread_once(&once, fill);
    return &tables[cap < best ? cap : best];
}

int kernel_tier_of(enum cpu_tier cap, enum block_type t)
{
    const struct kernels *k = kernels_for(cap);
    int tier = 0;
    if (!k->dot[t] && !k->tilef[t])
        return -1;
    for (; tier < (int)k->tier; tier++) { /* tables are copies of the lower ones: the first that has it brought it */
        const struct kernels *low = &tables[tier];
        if (k->tilef[t] ? low->tilef[t] == k->tilef[t] : low->dot[t] == k->dot[t] || low->tile[t] == k->tile[t])
            break;
    }
    return tier;
}
