/* See piece.h. */
#include "cli/common/piece.h"

#include "base/utf8.h"

#include <stdio.h>

void print_piece(const char *p, size_t n)
{
    putchar('"');
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t c;
        if (utf8_read(p + i, n - i, &length, &c) == UTF8_WHOLE && c >= ' ' && (c < 0x7F || c > 0x9F))
            printf("%s%.*s", c == '"' || c == '\\' ? "\\" : "", (int)length, p + i);
        else if (c == '\n' || c == '\t')
            fputs(c == '\n' ? "\\n" : "\\t", stdout);
        else
            for (size_t k = 0; k < length; k++)
                printf("\\x%02X", (uint8_t)p[i + k]);
    }
    putchar('"');
}

json_t *piece_json(const char *p, size_t n)
{
    json_t *text = json_stringn(p, n);
    if (text)
        return text;
    json_t *bytes = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)p[i]));
    return bytes;
}
