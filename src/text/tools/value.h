/* Values of calls that are not written as JSON, turned into JSON. */
#ifndef TEXT_TOOLS_VALUE_H
#define TEXT_TOOLS_VALUE_H

#include "base/json/buffer.h"

#include <jansson.h>

/* A Python literal (string, number, True, False, None and JSON's spellings, list, tuple, dict with string keys), white space
 * around it allowed. 0, or -1: it is none, and what *out then holds behind its old end is to be dropped. */
int value_python(struct buffer *out, const char *text, size_t n);

/* A member of an object of gemma4: key:value with keys bare or as strings; values <|"|>text<|"|>, JSON numbers and words, None,
 * {key:value,..}, [..]. Writes "key": value. */
int value_gemma_member(struct buffer *out, const char *text, size_t n);

/* A value written as text, typed by its schema (tool_calls.md 4); NULL: no schema. python: lists and objects may be Python
 * literals. 1: it is written as a string. */
int value_typed(struct buffer *out, const json_t *schema, const json_t *root, const char *text, size_t n);

/* 1: by its schema the value is text, whatever it looks like. */
int value_is_text(const json_t *schema, const json_t *root);

/* How far a literal goes that ends before a comma or closing bracket outside quotes and brackets: at, quote and depth are kept
 * from call to call. 1: it ends before text[*at]. gemma: the quotes are <|"|>. */
int value_end(const char *text, size_t n, size_t *at, char *quote, int *depth, int gemma);

#endif
