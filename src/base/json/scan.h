/* The scanner of JSON (RFC 8259) for all who read it: which tokens a text consists of and where they stand, as it comes.
 *
 *     {"a": [1, true]}      '{'   JSON_KEY "a"   '['   '0' 1   't' true   ']'   '}'
 *
 * It keeps nothing of the text and builds nothing. Who wants values builds them of the tokens, with limits and sentences of its own:
 * load.c, text/jinja/json.c, text/schema/read.c. Nesting is a stack of bits, without recursion. Control bytes in strings, trailing commas,
 * comments, single quotes and NaN are broken; surrogates and bytes that are not UTF-8 pass, and json_piece() tells of them. */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include "base/json/buffer.h"

#include <stddef.h>
#include <stdint.h>

/* What reading as far as the text goes came to. */
enum scan { SCAN_MORE, SCAN_OK, SCAN_BAD };

enum { JSON_DEPTH = 128, JSON_DEEPEST = 2048 }; /* of requests and answers; of any text */

enum json_state {
    /* between tokens: what is due */
    JSON_AT_VALUE,
    JSON_AT_FIRST_VALUE, /* or ] */
    JSON_AT_FIRST_KEY,   /* or } */
    JSON_AT_KEY,
    JSON_AT_COLON,
    JSON_AT_COMMA, /* or the end of the container */
    JSON_AT_END,   /* nothing: the value is complete */
    /* within one */
    JSON_IN_STRING,
    JSON_IN_ESCAPE,
    JSON_IN_HEX,
    JSON_IN_WORD,
    JSON_IN_NUMBER,
    JSON_TOO_DEEP
};

enum { JSON_KEY = 'k' };

struct json_scan {
    uint8_t
        state; /* enum json_state: after SCAN_BAD, where the byte does not fit; after SCAN_MORE, where the text ends */
    uint8_t number, hex; /* state inside a number; digits of \uXXXX still to come */
    uint8_t plain;       /* the string has neither escapes nor bytes from 0x80 on */
    char kind;           /* first token of the whole value; ' ': not yet there */
    char token;          /* { } [ ] " t f n, 0 for a number, JSON_KEY */
    uint16_t depth, most_depth;
    size_t from;                      /* where the token begins: an offset into the text of the call that began it */
    const char *word;                 /* rest of true, false, null */
    uint8_t object[JSON_DEEPEST / 8]; /* by depth: 1 an object, 0 an array */
};

/* One value of any kind, nesting up to most_depth <= JSON_DEEPEST. */
void json_scan_begin(struct json_scan *s, unsigned most_depth);

/* The innermost open container, of which there is one, is an object. */
int json_in_object(const struct json_scan *s);

/* The next token of text[*at, n), moving *at behind it. SCAN_MORE: the text ends before the token does, or behind the whole value:
 * JSON_AT_END. SCAN_BAD: the byte at *at, now and in every later call. final: nothing follows text; a number then ends with it. */
enum scan json_token(struct json_scan *s, const char *text, size_t n, size_t *at, int final);

/* All tokens that are still to come, in the same way. SCAN_OK: the value is complete and ends before *at (white space in front of it
 * was skipped, none behind it). */
enum scan json_scan(struct json_scan *s, const char *text, size_t n, size_t *at, int final);

/* The whole text, white space around it allowed, is one value within JSON_DEPTH: its kind, or 0. */
char json_whole(const char *text, size_t n);

/* Walk the members of an object or the elements of a list, [text, text + n) being one whole value. s: just begun, and *at 0, before the
 * first. Offsets and lengths are in bytes of text; the key of a member keeps its quotes, and key_n is 0 in a list. 1: there was
 * another, 0: no more, or another kind of value. */
struct json_item {
    size_t key, key_n, value, value_n;
};
int json_next(struct json_scan *s, const char *text, size_t n, size_t *at, struct json_item *item);
/* The last member of a name, as json_next() gives it: 1, or 0. */
int json_member(const char *text, size_t n, const char *name, struct json_item *item);

/* The text of a string [text, text + n) with its quotes, already scanned, piece by piece. *at: 1 before the first. 0: no more. */
struct json_piece {
    enum {
        JSON_AS_WRITTEN, /* well-formed UTF-8 */
        JSON_ESCAPED,    /* the character of an escape */
        JSON_HALF_PAIR,  /* U+FFFD in place of a surrogate without its other half */
        JSON_NOT_UTF8    /* the bytes of one ill-formed sequence, as they are */
    } is;
    const char *text;
    size_t n;
    char character[4];
};
int json_piece(const char *text, size_t n, size_t *at, struct json_piece *piece);

/* Append all pieces. out->failed: no memory. */
void json_unescape(struct buffer *out, const char *text, size_t n);

#endif
