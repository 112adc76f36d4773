/* Hexadecimal digits in texts: escapes, pointers, sizes. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* 0..15; -1: no digit. */
static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Reads the digits that the n bytes at p begin with, at most `most` <= 8. Returns how many there are, perhaps 0; *out: their value. */
static inline size_t hex_read(const char *p, size_t n, size_t most, uint32_t *out)
{
    size_t i = 0;
    *out = 0;
    for (int digit; i < n && i < most && (digit = hex_digit(p[i])) >= 0; i++)
        *out = *out << 4 | (uint32_t)digit;
    return i;
}

#endif
