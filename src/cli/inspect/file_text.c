/* See file_text.h. */
#include "cli/inspect/file_text.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_control(uint32_t c) { return c < ' ' || (c >= 0x7F && c < 0xA0); }

struct gguf_string text_of(const char *t) { return (struct gguf_string){t, strlen(t)}; }

void put_text(struct gguf_string s, size_t most)
{
    size_t at = 0, length;
    for (; at < s.length && at < most; at += length) {
        uint32_t c;
        if (utf8_read(s.text + at, s.length - at, &length, &c) == UTF8_WHOLE && !is_control(c))
            fwrite(s.text + at, 1, length, stdout);
        else if (c == '\n')
            fputs("\\n", stdout);
        else
            for (size_t i = 0; i < length; i++)
                printf("\\x%02x", (uint8_t)s.text[at + i]);
    }
    if (at < s.length)
        printf("... (%" PRIu64 " bytes)", s.length);
}

json_t *json_text(struct gguf_string s)
{
    char *out = malloc(3 * s.length + 1);
    size_t n = 0, length;
    if (!out)
        return NULL;
    for (size_t at = 0; at < s.length; at += length) {
        uint32_t c;
        utf8_read(s.text + at, s.length - at, &length, &c);
        n += utf8_write(c, out + n);
    }
    json_t *j = json_stringn(out, n);
    free(out);
    return j;
}
