/* Arithmetic on sizes that came from outside: every sum and product is checked. True: *out is exact; false: it is too large for 64 bits,
 * and *out is not to be used. */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }

/* The next multiple of align (a power of two), n itself if it is one; the caller knows that it fits 64 bits. The one before likewise. */
static inline uint64_t round_up(uint64_t n, uint64_t align) { return (n + align - 1) & ~(align - 1); }
static inline uint64_t round_down(uint64_t n, uint64_t align) { return n & ~(align - 1); }

#endif
