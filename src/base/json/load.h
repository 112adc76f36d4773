/* Loading JSON from outside: within the memory of a request (base/reqmem.h), and with every number as it was written.
 *
 * jansson ignores that its buffer for a token could not grow, and then writes behind it; so all that a load can need is reserved before,
 * and the load itself is refused nothing.
 *
 * jansson holds integers of 64 bits and finite doubles. Every other number, and how a double was spelled, it refuses or forgets: 1e400,
 * 18446744073709551616, 1.50. Such a number is loaded as a value that keeps its text: spelled. To jansson that value is an object of one
 * member; whoever takes an object apart asks json_is_dict(), not json_is_object().
 *
 * jansson has no key twice in an object, and none with a NUL. Objects that are only passed on, the arguments of calls, may have both:
 * who loads names their places, and they are kept as their text in the same way. */
#ifndef BASE_JSON_LOAD_H
#define BASE_JSON_LOAD_H

#include <jansson.h>
#include <stddef.h>

/* Where objects are kept as text: the keys that lead there from the whole value; NULL: any element of a list. */
struct json_place {
    const char *const *way;
    unsigned n;
};

/* As json_loadb(), with spelled numbers for all that are not plain integers within int64. A key that is U+0001 alone is refused, as
 * one with a NUL is (json_error_null_byte_in_key). Where there is no memory, NULL, and why is json_error_out_of_memory. The value
 * is the caller's: json_decref(). why->position is in bytes of text. */
json_t *json_load_reserved(const char *text, size_t n, size_t flags, json_error_t *why);
/* The same, objects at a place (NULL: none) kept as text, whatever their keys are. */
json_t *json_load_keeping(const char *text, size_t n, size_t flags, const struct json_place *keep, json_error_t *why);

/* The text of a spelled number or of an object that is kept as text, valid JSON; NULL: v is something else. */
const char *json_spelled(const json_t *v);

/* 1: a value that is kept as text, and an object. */
int json_is_kept(const json_t *v);

/* 1: an object with members, not one that stands for a text. */
int json_is_dict(const json_t *v);

/* As json_dumps() without JSON_INDENT, spelled numbers as they were written; nothing in it is kept. Freed as jansson's memory is. */
char *json_dump_spelled(const json_t *v, size_t flags);

#endif
