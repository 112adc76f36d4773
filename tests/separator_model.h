/* The embedded model with a token of the formats of gigachat3 that ends turns, and that its vocabulary does not list as an end: one of its
 * control tokens has this text instead. Tool format: "gigachat3". */
#ifndef TESTS_SEPARATOR_MODEL_H
#define TESTS_SEPARATOR_MODEL_H

#include "temporary.h"

#include <string.h>

enum { SEPARATOR = 4094 }; /* the token */

/* A copy, whose path is filled in: the caller removes it. -1: none. */
static inline int separator_model(char path[TEMPORARY_PATH])
{
    static const char was[] = "\x0f\0\0\0\0\0\0\0<tool_response>", is[] = "\x0f\0\0\0\0\0\0\0<|message_sep|>";
    enum { MOST = 64 << 20 };
    char *bytes = malloc(MOST);
    FILE *in = fopen("models/ember/ember.gguf", "rb");
    size_t n = bytes && in ? fread(bytes, 1, MOST, in) : 0;
    char *at = n ? memmem(bytes, n, was, sizeof was - 1) : NULL;
    int fd = at ? temporary_file(path, "separator") : -1, is_bad = fd < 0;
    if (!is_bad) {
        memcpy(at, is, sizeof is - 1);
        FILE *out = fdopen(fd, "wb");
        is_bad = !out || fwrite(bytes, 1, n, out) != n || fclose(out);
    }
    if (in)
        fclose(in);
    free(bytes);
    return is_bad ? -1 : 0;
}

#endif
