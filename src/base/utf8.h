/* Well-formed UTF-8, byte by byte (RFC 3629; Unicode 15, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

enum utf8_head { UTF8_WHOLE, UTF8_PARTIAL, UTF8_BROKEN };

/* What the n > 0 bytes at p begin with: a whole character of *length bytes; all n <= 3 bytes of a character that may still be
 * completed; or an ill-formed sequence whose maximal subpart has *length >= 1 bytes. */
static inline enum utf8_head utf8_head(const uint8_t *p, size_t n, size_t *length)
{
    uint8_t lead = p[0], low = 0x80, high = 0xBF; /* bounds of the second byte */
    size_t need;
    *length = 1;
    if (lead < 0x80)
        return UTF8_WHOLE;
    if (lead >= 0xC2 && lead <= 0xDF)
        need = 2;
    else if (lead >= 0xE0 && lead <= 0xEF)
        need = 3;
    else if (lead >= 0xF0 && lead <= 0xF4)
        need = 4;
    else
        return UTF8_BROKEN;
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i < need; i++) {
        *length = i;
        if (i == n)
            return UTF8_PARTIAL;
        if (p[i] < low || p[i] > high)
            return UTF8_BROKEN;
        low = 0x80;
        high = 0xBF;
    }
    *length = need;
    return UTF8_WHOLE;
}

/* Make a text fit for a line of a terminal and for JSON: control characters and bytes that are not UTF-8 become '?'. */
static inline void utf8_make_plain(char *text)
{
    size_t left = 0, length;
    while (text[left])
        left++;
    for (uint8_t *p = (uint8_t *)text; left > 0; p += length, left -= length) {
        enum utf8_head head = utf8_head(p, left, &length);
        int plain = head == UTF8_WHOLE && *p >= 0x20 && *p != 0x7F;
        for (size_t i = 0; i < length && !plain; i++)
            p[i] = '?';
    }
}

#endif
