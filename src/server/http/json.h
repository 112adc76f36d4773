/* JSON in, strictly, and JSON out, quickly.
 *
 * In: json_read() makes jansson values of a body that is UTF-8, nests at most JSON_DEPTH deep, repeats no key, has no bytes behind
 * the value, no lone surrogates. "\u0000" is a character: use lengths. (In a key jansson refuses it.) Numbers are of any size and keep
 * their text: base/json/load.h.
 * A body with more than JSON_VALUES values is refused too: what a value costs in memory is bounded by that.
 *
 * The getters look up a field and check it. They return 1 the field is there, 0 it is absent or null, -1 *r tells why not: invalid_type,
 * invalid_value, with the path. A path is a chain of json_at on the stack of whoever walks, and becomes text only in a refusal:
 *
 *     struct json_at m = {NULL, "messages", 0}, item = {&m, NULL, i};                 messages[i]
 *     json_get_text(message, &item, "content", &text, &n, r)                          "messages[2].content must be a string ..."
 *
 * at NULL: the body itself. Texts and values belong to the object they came from; *out is unchanged but after 1.
 *
 * Out: struct out is a growing text; what fails (no memory) is remembered, so only the end is checked. */
#ifndef SERVER_HTTP_JSON_H
#define SERVER_HTTP_JSON_H

#include "base/json/load.h"
#include "base/json/scan.h"
#include "server/http/refusal.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_VALUES = 1 << 18 };

/* n bytes of text as an object: a new reference; NULL: *r is filled (invalid_utf8, json_too_deep, duplicate_key,
 * invalid_json, invalid_type, or no memory). */
json_t *json_read(const char *text, size_t n, struct refusal *r);
/* The same of an array. */
json_t *json_read_array(const char *text, size_t n, struct refusal *r);
/* As json_read(); objects at a place may have any keys, and are kept as text (json_get_kept()). */
json_t *json_read_keeping(const char *text, size_t n, const struct json_place *keep, struct refusal *r);

struct json_at {
    const struct json_at *up;
    const char *key; /* NULL: an element, index */
    size_t index;
};

/* "messages[2].content" of at and key (either may be NULL), cut to size bytes. Returns out. */
char *json_path(char *out, size_t size, const struct json_at *at, const char *key);

/* 400 about the field key of at (key NULL: at itself). The sentence begins with the path: format goes on, "must be ...". Returns -1. */
int json_refuse(struct refusal *r, const char *code, const struct json_at *at, const char *key, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* 400 missing_field. Returns -1. */
int json_missing(struct refusal *r, const struct json_at *at, const char *key);

/* "a string", "an object", "null" ...: the kind of a value, for sentences; static. */
const char *json_kind(const json_t *v);

/* The value of a key, borrowed; NULL: absent or null. */
json_t *json_get(const json_t *o, const char *key);

/* Getters: 1: *out is the value of key; 0: absent or null, and *out is unchanged; -1: *r refuses it by the path of at and key. */
int json_get_bool(const json_t *o, const struct json_at *at, const char *key, int *out, struct refusal *r);
/* An integer (1.0 is none) within [low, high]. */
int json_get_int(const json_t *o, const struct json_at *at, const char *key, int64_t low, int64_t high, int64_t *out,
                 struct refusal *r);
/* A number within [low, high]; low_open: low itself is refused. INFINITY as high: no bound. */
int json_get_real(const json_t *o, const struct json_at *at, const char *key, double low, int low_open, double high,
                  double *out, struct refusal *r);
int json_get_text(const json_t *o, const struct json_at *at, const char *key, const char **text, size_t *n,
                  struct refusal *r);
int json_get_array(const json_t *o, const struct json_at *at, const char *key, const json_t **out, struct refusal *r);
int json_get_object(const json_t *o, const struct json_at *at, const char *key, const json_t **out, struct refusal *r);
/* An object, or one that is kept as text: for out_value() and out_spaced() alone. */
int json_get_kept(const json_t *o, const struct json_at *at, const char *key, const json_t **out, struct refusal *r);
/* A string that is one of names (n of them): its index. invalid_value names them all. */
int json_get_word(const json_t *o, const struct json_at *at, const char *key, const char *const *names, size_t n,
                  int *out, struct refusal *r);

/* Append to an array or set a key of an object that is being made. The reference v is taken, also on failure; v NULL: there was no memory
 * for it. -1: *r is a refusal for want of memory. */
int json_add(struct refusal *r, json_t *array, json_t *v);
int json_put(struct refusal *r, json_t *object, const char *key, json_t *v);

/* 1: the field key of o is this text. */
int json_is(const json_t *o, const char *key, const char *text);

/* ---- out ------------------------------------------------------------------------------------------------------------------- */

struct out {
    char *text; /* [n], not terminated; of the requests' memory (base/reqmem.h): out_free() */
    size_t n, cap;
    int failed; /* no memory: text is not whole */
};

/* Frees the text and empties *o. The others append; where memory is short they set failed and append nothing any more. */
void out_free(struct out *o);
void out_reserve(struct out *o, size_t n); /* memory for n more bytes, now; what is appended may still be more */
void out_bytes(struct out *o, const char *text, size_t n);
void out_print(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Quoted and escaped; bytes that are not UTF-8 become U+FFFD. */
void out_string(struct out *o, const char *text, size_t n);
void out_text(struct out *o, const char *text); /* the same of a text that ends in NUL; NULL: null */
void out_real(struct out *o, double v);         /* shortest that reads back the same; not finite: null */
/* A value, keys in the order in which they were read, numbers as they were written: a model is shown what the client wrote. What is kept as
 * text is written as others are, each of its keys as often as it has it. */
void out_value(struct out *o, const json_t *v);
void out_spaced(struct out *o, const json_t *v); /* {"a": 1, "b": [2, 3]}: the way models write */

#endif
