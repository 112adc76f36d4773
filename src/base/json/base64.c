/* See base64.h. */
#include "base/json/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_group(char out[4], const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    unsigned bits = 0;
    for (size_t k = 0; k < 3; k++)
        bits = bits << 8 | (k < n ? b[k] : 0);
    for (size_t k = 0; k < 4; k++)
        out[k] = k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
}

void base64_put(struct buffer *out, const void *bytes, size_t n)
{
    const char *at = bytes;
    for (size_t i = 0; i < n; i += 3) {
        char four[4];
        base64_group(four, at + i, n - i < 3 ? n - i : 3);
        buffer_put(out, four, 4);
    }
}

static int digit_of(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

int base64_decode(struct buffer *out, const char *text, size_t n)
{
    unsigned bits = 0, n_bit = 0;
    while (n > 0 && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (unsigned)digit;
        n_bit += 6;
        if (n_bit >= 8) {
            const char byte = (char)(bits >> (n_bit -= 8));
            buffer_put(out, &byte, 1);
        }
    }
    return 0;
}
