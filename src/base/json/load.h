/* Loading JSON from outside: within the memory of a request (base/reqmem.h), and with every number as it was written.
 *
 * jansson ignores that its buffer for a token could not grow, and then writes behind it; so all that a load can need is reserved before,
 * and the load itself is refused nothing.
 *
 * jansson holds integers of 64 bits and finite doubles. Every other number, and how a double was spelled, it refuses or forgets: 1e400,
 * 18446744073709551616, 1.50. Such a number is loaded as a value that keeps its text: spelled. To jansson that value is an object of one
 * member; whoever takes an object apart asks json_is_dict(), not json_is_object(). */
#ifndef BASE_JSON_LOAD_H
#define BASE_JSON_LOAD_H

#include <jansson.h>
#include <stddef.h>

/* As json_loadb(), with spelled numbers for all that are not plain integers within int64. A key that is U+0001 alone is refused, as
 * one with a NUL is (json_error_null_byte_in_key). Where there is no memory, NULL, and why is json_error_out_of_memory. The value
 * is the caller's: json_decref(). why->position is in bytes of text. */
json_t *json_load_reserved(const char *text, size_t n, size_t flags, json_error_t *why);

/* The text of a spelled number, valid JSON; NULL: v is something else. */
const char *json_spelled(const json_t *v);

/* 1: an object, and no spelled number. */
int json_is_dict(const json_t *v);

/* As json_dumps() without JSON_INDENT, spelled numbers as they were written. Freed as jansson's memory is. */
char *json_dump_spelled(const json_t *v, size_t flags);

#endif
