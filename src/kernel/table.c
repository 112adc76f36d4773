/* One table of kernels a tier, filled upward once: a tier that lacks a kernel has the next lower one, which gives the same
 * bits. */
#include "kernel/tiers.h"

#include <pthread.h>

static struct kernels tables[TIER_COUNT];

void fill_scalar(struct kernels *k)
{
    fill_dot_scalar(k);
    fill_float_scalar(k);
    fill_vec_scalar(k);
    fill_attn_scalar(k);
}

size_t kernel_tile_scratch(int n_rows) { return TILE_PANEL_BYTES + (size_t)n_rows * TILE_GROUP * sizeof(float); }

static void fill(void)
{
    static void (*const fills[TIER_COUNT])(struct kernels *) = {
        [TIER_SCALAR] = fill_scalar,
#if defined(__x86_64__)
        [TIER_AVX2] = fill_avx2,
        [TIER_AVX512] = fill_avx512,
#endif
    };
    for (int t = 0; t < TIER_COUNT; t++) {
        if (t > 0)
            tables[t] = tables[t - 1];
        tables[t].tier = (enum cpu_tier)t;
        if (fills[t])
            fills[t](&tables[t]);
    }
}

const struct kernels *kernels_for(enum cpu_tier cap)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    enum cpu_tier best = cpu_best_tier();
    pthread_once(&once, fill);
    return &tables[cap < best ? cap : best];
}
