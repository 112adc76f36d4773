/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A number is a pure function of its coordinates, so
 * no state travels with a sampler, and a retry or another batch draws the same number. sampling.md 1. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* One block of four numbers: the function of the paper. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* The number at (seed, index, stream, choice). */
uint64_t rng_u64(uint64_t seed, uint64_t index, uint32_t stream, uint32_t choice);

/* 64 random bits from the operating system; where it has none, the clock. */
uint64_t rng_seed(void);

#endif
