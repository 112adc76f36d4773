/* Hashes of bytes: tables, and fingerprints of results. XXH3 of the xxhash library; the value is the same on every machine. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of n bytes; data may be NULL where n is 0. Equal bytes with another seed have another hash. */
uint64_t hash64(const void *data, size_t n, uint64_t seed);

/* The same of bytes that come in pieces, seed 0. hash_begin(): NULL without memory. hash_end() gives the hash and frees s, which may be
 * NULL: 0. */
struct hash_stream;
struct hash_stream *hash_begin(void);
void hash_add(struct hash_stream *s, const void *data, size_t n);
uint64_t hash_end(struct hash_stream *s);

#endif
