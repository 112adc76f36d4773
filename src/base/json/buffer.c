/* See buffer.h. Doubling; the text is not terminated. */
#include "base/json/buffer.h"

#include "base/reqmem.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

void buffer_put(struct buffer *b, const char *text, size_t n)
{
    if (n == 0 || b->failed)
        return;
    if (n > b->cap - b->n) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap - b->n < n && cap <= SIZE_MAX / 4)
            cap *= 2;
        char *grown = cap - b->n < n ? NULL : reqmem_realloc(b->text, cap);
        if (!grown) {
            b->failed = 1;
            return;
        }
        b->text = grown;
        b->cap = cap;
    }
    memcpy(b->text + b->n, text, n);
    b->n += n;
}

void buffer_puts(struct buffer *b, const char *text) { buffer_put(b, text, strlen(text)); }

void buffer_put_escaped(struct buffer *b, const char *text, size_t n)
{
    size_t plain = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
        const char *known = c ? strchr(from, c) : NULL;
        char escape[8];
        buffer_put(b, text + plain, i - plain);
        if (known)
            snprintf(escape, sizeof escape, "\\%c", to[known - from]);
        else
            snprintf(escape, sizeof escape, "\\u%04x", c);
        buffer_puts(b, escape);
        plain = i + 1;
    }
    buffer_put(b, text + plain, n - plain);
}

void buffer_put_string(struct buffer *b, const char *text, size_t n)
{
    buffer_put(b, "\"", 1);
    buffer_put_escaped(b, text, n);
    buffer_put(b, "\"", 1);
}

void buffer_put_code_point(struct buffer *b, uint32_t c)
{
    char u[4];
    buffer_put(b, u, utf8_write(c, u));
}

void buffer_put_valid(struct buffer *b, const char *text, size_t n)
{
    for (size_t good; n > 0; text += good, n -= good) {
        size_t length = 0;
        good = utf8_valid(text, n);
        buffer_put(b, text, good);
        if (good == n)
            return;
        utf8_head(text + good, n - good, &length);
        buffer_puts(b, UTF8_REPLACEMENT);
        good += length;
    }
}

void buffer_free(struct buffer *b)
{
    reqmem_free(b->text);
    *b = (struct buffer){0};
}
