/* MD5 (RFC 1321): what ZIM archives end with. It finds damage, not forgery. */
#ifndef LIBRARY_ZIM_MD5_H
#define LIBRARY_ZIM_MD5_H

#include <stddef.h>
#include <stdint.h>

enum { MD5_BYTES = 16 };

struct md5 {
    uint32_t h[4];
    uint8_t block[64];
    uint64_t n; /* bytes so far */
};

/* begin, any number of add, then end, after which only begin may follow. Nothing to free. data may be NULL where n is 0. */
void md5_begin(struct md5 *s);
void md5_add(struct md5 *s, const void *data, size_t n);
void md5_end(struct md5 *s, uint8_t out[MD5_BYTES]);

#endif
