/* An incremental JSON scanner (RFC 8259): says byte by byte whether a value is still whole, complete or broken, and keeps
 * nothing of it. One value of any kind, nesting up to 128; control bytes in strings, trailing commas, comments, single quotes
 * and NaN are broken. */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include "base/json/buffer.h"

#include <stddef.h>
#include <stdint.h>

/* What reading as far as the text goes came to. */
enum scan { SCAN_MORE, SCAN_OK, SCAN_BAD };

enum { JSON_DEPTH = 128 };

struct json_scan {
    uint8_t state, depth;
    uint8_t number, key;            /* state inside a number; the string is a key */
    uint8_t hex;                    /* digits of \uXXXX still to come */
    char kind;                      /* first byte of the value: { [ " t f n, or 0 for a number; ' ' before it */
    const char *literal;            /* rest of true, false, null */
    uint8_t object[JSON_DEPTH / 8]; /* by depth: 1 an object, 0 an array */
};

void json_scan_begin(struct json_scan *s);

/* Scan text[*at, n), moving *at. SCAN_OK: the value is complete and ends before *at (white space in front of it was skipped,
 * none behind it). final: nothing follows text; a number then ends with it. After SCAN_BAD *at is the byte that broke it. */
enum scan json_scan(struct json_scan *s, const char *text, size_t n, size_t *at, int final);

/* The whole text, white space around it allowed, is one value: its kind, or 0. A number's kind is '0'. */
char json_whole(const char *text, size_t n);

/* Walk the members of an object or the elements of a list, [text, text + n) being one whole value. *at: 0 before the first. Offsets and
 * lengths are in bytes of text; the key of a member keeps its quotes, and key_n is 0 in a list. 1: there was another, 0: no more, or
 * another kind of value. */
struct json_item {
    size_t key, key_n, value, value_n;
};
int json_next(const char *text, size_t n, size_t *at, struct json_item *item);
/* The last member of a name, as json_next() gives it: 1, or 0. */
int json_member(const char *text, size_t n, const char *name, struct json_item *item);

/* Append the text of a JSON string, [text, text + n) with its quotes, already scanned. Lone surrogates become U+FFFD. out->failed: no
 * memory. */
void json_unescape(struct buffer *out, const char *text, size_t n);

#endif
