/* What `stoker inspect` tells of a control vector besides what it tells of any GGUF file. */
#ifndef CLI_COMMON_VECTOR_ABOUT_H
#define CLI_COMMON_VECTOR_ABOUT_H

#include "format/gguf.h"
#include "format/vector.h"

#include <jansson.h>

/* 1: its tensors are called directions. */
int is_vector_file(const struct gguf *g);

/* A summary on stdout. */
void vector_print(const struct vector *v);

/* An object of the same; NULL: no memory. The caller drops it. */
json_t *vector_json(const struct vector *v);

#endif
