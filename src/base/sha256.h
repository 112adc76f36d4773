/* SHA-256 (FIPS 180-4), for what must be compared or named without being guessed: API keys, the page's script. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32 };

struct sha256 {
    uint32_t h[8];
    uint8_t block[64];
    uint64_t n; /* bytes so far */
};

/* begin, any number of add, then end, after which only begin may follow. Nothing to free. data may be NULL where n is 0. */
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
void sha256_end(struct sha256 *s, uint8_t out[SHA256_BYTES]);

/* The three at once. */
void sha256(const void *data, size_t n, uint8_t out[SHA256_BYTES]);

#endif
