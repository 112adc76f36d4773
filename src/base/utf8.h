/* Code points as bytes: the one place that decodes and encodes UTF-8 (RFC 3629; Unicode 15, table 3-7). No overlong forms, no
 * surrogates, nothing above U+10FFFF. A character is a code point here. Inline: masks and tokenizers ask of every byte. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

enum utf8_head { UTF8_WHOLE, UTF8_PARTIAL, UTF8_BROKEN };

/* What the n > 0 bytes of a text begin with: a whole character of *length bytes; all n <= 3 bytes of a character that may still be
 * completed; or an ill-formed sequence whose maximal subpart has *length >= 1 bytes. */
static inline enum utf8_head utf8_head(const void *text, size_t n, size_t *length)
{
    const uint8_t *p = text;
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

/* Bytes of a text before the first that is not UTF-8; n: there is none. */
static inline size_t utf8_valid(const char *text, size_t n)
{
    size_t at = 0, length;
    while (at < n && utf8_head(text + at, n - at, &length) == UTF8_WHOLE)
        at += length;
    return at;
}

/* utf8_head(), and which character it is: U+FFFD unless UTF8_WHOLE, one for each ill-formed sequence. */
static inline enum utf8_head utf8_read(const void *text, size_t n, size_t *length, uint32_t *character)
{
    const uint8_t *p = text;
    enum utf8_head head = utf8_head(text, n, length);
    if (head != UTF8_WHOLE)
        *character = 0xFFFD;
    else if (*length == 1)
        *character = p[0];
    else if (*length == 2)
        *character = (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    else if (*length == 3)
        *character = (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    else
        *character = (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
    return head;
}

/* Writes a character to out [4]; returns its bytes, 1 to 4. A number that is no character (a surrogate, above U+10FFFF) is written as
 * U+FFFD. */
static inline size_t utf8_write(uint32_t character, void *out)
{
    uint8_t *p = out;
    uint32_t c = character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF) ? 0xFFFD : character;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        p[i] = (uint8_t)(0x80 | (c & 0x3F));
    p[0] = (uint8_t)(lead[n] | c);
    return n;
}

/* The character that a pair of UTF-16 surrogates stands for; 0: they do not form a pair. */
static inline uint32_t utf8_of_pair(uint32_t high, uint32_t low)
{
    int is_pair = high >= 0xD800 && high <= 0xDBFF && low >= 0xDC00 && low <= 0xDFFF;
    return is_pair ? 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00) : 0;
}

/* 1: this byte of well-formed UTF-8 begins a character; 0: it continues one. */
static inline int utf8_begins(char byte) { return ((uint8_t)byte & 0xC0) != 0x80; }

/* Characters of a well-formed text; elsewhere the bytes that continue nothing are not counted. */
static inline size_t utf8_count(const void *text, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += (size_t)utf8_begins(((const char *)text)[i]);
    return count;
}

/* Bytes of the longest beginning of a text that has at most n and cuts no character; of what is not UTF-8 at most three are cut, too. */
static inline size_t utf8_cut(const char *text, size_t n)
{
    size_t length = 0, back = 0;
    while (length < n && text[length])
        length++;
    while (back < 3 && back < length && !utf8_begins(text[length - back]))
        back++;
    return length - back;
}

/* 1: a character that changes in which order others are shown, or ends a line without being seen: U+061C, U+200E, U+200F, U+2028 to
 * U+202E, U+2066 to U+2069. */
static inline int utf8_is_order(const uint8_t *p, size_t length)
{
    return (length == 2 && p[0] == 0xD8 && p[1] == 0x9C) ||
           (length == 3 && p[0] == 0xE2 &&
            ((p[1] == 0x80 && (p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xA8 && p[2] <= 0xAE))) ||
             (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9)));
}

/* Make a text that ends in NUL fit for a line of a terminal and for JSON, in place: control characters, those that change the order in
 * which others are shown, and bytes that are not UTF-8 become '?'. */
static inline void utf8_make_plain(char *text)
{
    size_t left = 0, length;
    while (text[left])
        left++;
    for (uint8_t *p = (uint8_t *)text; left > 0; p += length, left -= length) {
        enum utf8_head head = utf8_head(p, left, &length);
        int is_c1 = length == 2 && p[0] == 0xC2 && p[1] < 0xA0;
        int plain = head == UTF8_WHOLE && *p >= 0x20 && *p != 0x7F && !is_c1 && !utf8_is_order(p, length);
        for (size_t i = 0; i < length && !plain; i++)
            p[i] = '?';
    }
}

#endif
