/* Texts of a file, made harmless: for a terminal and for JSON. */
#ifndef CLI_INSPECT_FILE_TEXT_H
#define CLI_INSPECT_FILE_TEXT_H

#include "format/gguf.h"

struct json_t;

struct gguf_string text_of(const char *t);

/* In one line, at most `most` bytes of it; bytes that are not UTF-8 and control characters in numbers. */
void put_text(struct gguf_string s, size_t most);

/* What is not UTF-8 becomes U+FFFD. NULL: no memory. The caller owns it. */
struct json_t *json_text(struct gguf_string s);

#endif
