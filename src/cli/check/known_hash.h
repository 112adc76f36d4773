/* What a file's SHA-256 should be, by what lies beside it. */
#ifndef CLI_CHECK_KNOWN_HASH_H
#define CLI_CHECK_KNOWN_HASH_H

#include "base/sha256.h"

/* Looks for the hash of the file at path: in PATH.sha256, in SHA256SUMS of its folder, and in its own name, or the name of what it links
 * to: caches name files by their hash. 1: *hash is set, and source [n_source] says where it was found, cut if need be; 0: nowhere. */
int known_hash(const char *path, uint8_t hash[SHA256_BYTES], char *source, size_t n_source);

/* 64 hexadecimal digits at text, and no more of them. 0: something else stands there. */
int hash_read(const char *text, uint8_t hash[SHA256_BYTES]);

#endif
