/* What a file's metadata says of where the model comes from, and how it talks: for inspect. */
#ifndef CLI_INSPECT_ORIGIN_H
#define CLI_INSPECT_ORIGIN_H

#include "format/gguf.h"

struct json_t;

/* A line with what the file says of its licence, its author, all models that it was made from, who quantised it, and with which importance
 * matrix; no line where it says nothing. */
void print_origin(const struct gguf *g);

/* The rest of a line: whether there is a chat template, and which format its tool calls have. */
void print_template(const struct gguf *g);

/* The same for programs, null where the file does not say. The caller owns them. */
struct json_t *json_origin(const struct gguf *g);
struct json_t *json_tool_format(const struct gguf *g);

#endif
