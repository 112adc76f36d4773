/* Philox4x32-10: see rng.h. */
#include "base/rng.h"

#include "base/clock.h"

#include <sys/random.h>

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t rng_u64(uint64_t seed, uint64_t index, uint32_t stream, uint32_t choice)
{
    uint32_t out[4];
    philox4x32((uint32_t[]){(uint32_t)index, (uint32_t)(index >> 32), stream, choice},
               (uint32_t[]){(uint32_t)seed, (uint32_t)(seed >> 32)}, out);
    return out[0] | (uint64_t)out[1] << 32;
}

uint64_t rng_seed(void)
{
    uint64_t seed;
    return getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed ? seed : clock_ns();
}
