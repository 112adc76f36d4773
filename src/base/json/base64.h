/* Base64 (RFC 4648, 4). */
#ifndef BASE_JSON_BASE64_H
#define BASE_JSON_BASE64_H

#include "base/json/buffer.h"

/* n of 1 to 3 bytes, the last ones filled up. */
void base64_group(char out[4], const void *bytes, size_t n);

void base64_put(struct buffer *out, const void *bytes, size_t n);
/* Of text[n], with or without what fills it up. -1: it is none; out has what came before. */
int base64_decode(struct buffer *out, const char *text, size_t n);

#endif
