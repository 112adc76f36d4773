/* See safetensors.h. */
#include "format/safetensors.h"

#include "base/json/buffer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put_text(struct buffer *b, const char *text) { buffer_put_string(b, text, strlen(text)); }

static void put_texts(struct buffer *b, const struct safetensors_text *text, size_t n)
{
    buffer_puts(b, "{\"__metadata__\":{");
    for (size_t i = 0; i < n; i++) {
        buffer_puts(b, i ? "," : "");
        put_text(b, text[i].key);
        buffer_puts(b, ":");
        put_text(b, text[i].value);
    }
    buffer_puts(b, "}");
}

static void put_tensor(struct buffer *b, const struct safetensors_tensor *t)
{
    char line[160], second[24] = "";
    if (t->n_dim > 1)
        snprintf(second, sizeof second, ",%" PRIu64, t->shape[1]);
    buffer_puts(b, ",");
    put_text(b, t->name);
    snprintf(line, sizeof line,
             ":{\"dtype\":\"%s\",\"shape\":[%" PRIu64 "%s],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", t->dtype,
             t->shape[0], second, t->offset, t->offset + t->bytes);
    buffer_puts(b, line);
}

char *safetensors_header(const struct safetensors_text *text, size_t n_text, const struct safetensors_tensor *t,
                         size_t n, size_t at_least, size_t *length)
{
    struct buffer b = {0};
    uint8_t size[8] = {0};
    buffer_put(&b, (const char *)size, sizeof size);
    put_texts(&b, text, n_text);
    for (size_t i = 0; i < n; i++)
        put_tensor(&b, &t[i]);
    buffer_puts(&b, "}");
    while (!b.failed && (b.n < at_least || b.n % 64))
        buffer_puts(&b, " ");
    if (b.failed) {
        buffer_free(&b);
        return NULL;
    }
    for (int i = 0; i < 8; i++)
        b.text[i] = (char)(uint8_t)((b.n - 8) >> (8 * i));
    *length = b.n;
    return b.text;
}
