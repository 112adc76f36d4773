/* See load.h. One pass over the text finds what jansson 2.14 takes for it, at most:
 *
 *     value, place of it      32 of a number, and 24 of the list that holds it, while that grows
 *     object, list, string    the value and its first table; a key's entry and its share of the table
 *     token                   a buffer that doubles; of a key, and of what is no string, another as large beside it
 *
 * It counts more than there is where the text is not JSON, never less: jansson stops at the first fault.
 *
 * Then jansson is fed the text in pieces, in which a number that it would not keep is written as a string in an object:
 *
 *     [1, 1.50]    [1,   {"\u0001":"   1.50   "}   ]
 *
 * Nobody else may use that key, so what has it is a number. It has one spelling: a control character is always escaped, and this
 * escape has no letters. */
#include "base/json/load.h"

#include "base/json/scan.h"
#include "base/reqmem.h"

#include <string.h>

enum { FIRST = 4096, VALUE = 56, OBJECT = 224, LIST = 128, STRING = 144, TOKEN = 16 };

static const char key[] = "\"\\u0001\"", before_number[] = "{\"\\u0001\":\"", behind_number[] = "\"}";

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static int fits_int64(const char *text, size_t n)
{
    static const char most[] = "9223372036854775807", least[] = "9223372036854775808";
    int negative = *text == '-';
    text += negative, n -= (size_t)negative;
    return n < 19 ? !(negative && *text == '0') : n == 19 && memcmp(text, negative ? least : most, 19) <= 0;
}

/* 1: a number of JSON that jansson would refuse or spell in another way. */
static int is_spelled(const char *text, size_t n)
{
    return memchr(text, '.', n) || memchr(text, 'e', n) || memchr(text, 'E', n) || !fits_int64(text, n);
}

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

static size_t string_bytes(size_t token) { return STRING + token + token / 32; } /* large pieces are whole pages */

static size_t most_bytes(const char *text, size_t n)
{
    size_t bytes = FIRST, longest = 0, beside = 0, buffer = TOKEN, at = 0, last;
    struct json_scan s;
    json_scan_begin(&s, JSON_DEEPEST);
    while (json_token(&s, text, n, &at, 1) == SCAN_OK) {
        last = at - s.from;
        longest = larger(longest, last);
        bytes += s.token == '}' || s.token == ']' || s.token == JSON_KEY ? 0 : VALUE;
        bytes += s.token == '{' ? OBJECT : s.token == '[' ? LIST : 0;
        if (s.token == '"' || s.token == JSON_KEY)
            bytes += string_bytes(last);
        if (s.token != '"')
            beside = larger(beside, last);
        if (s.token == '0' && is_spelled(text + s.from, last)) {
            bytes += string_bytes(last) + OBJECT + VALUE + STRING;
            longest = larger(longest, last + 2);
            beside = larger(beside, sizeof key);
        }
    }
    /* What is no token is one to jansson: the rest at most, with a word in front that goes on. */
    last = n - (s.state > JSON_AT_END ? s.from : at) + sizeof "false";
    longest = larger(longest, last);
    while (buffer < longest + 2)
        buffer *= 2;
    return bytes + string_bytes(last) + buffer + larger(beside, last);
}

/* ---- loading --------------------------------------------------------------------------------------------------------------- */

/* The text on its way to jansson. */
struct feed {
    const char *text;
    size_t n, at;      /* what of it is in pieces already */
    const char *piece; /* [n_piece] the rest of the piece that is being fed */
    size_t n_piece;
    enum { PLAIN, BEFORE, NUMBER, BEHIND } next;
    size_t number; /* bytes of the one that comes next */
    size_t scanned;
    struct json_scan scan;
    /* json_error_null_byte_in_key: a key that only spelled numbers have. json_error_invalid_syntax: a zero outside a string, which jansson
     * overlooks behind a number. Nothing more is fed. */
    enum json_error_code fault;
};

static struct feed feed_of(const char *text, size_t n)
{
    struct feed f = {.text = text, .n = n};
    json_scan_begin(&f.scan, JSON_DEEPEST);
    return f;
}

/* Up to the next number that is to be spelled. What the scanner refuses is fed as it is: the sentence is jansson's. */
static size_t plain_bytes(struct feed *f)
{
    f->number = 0;
    while (json_token(&f->scan, f->text, f->n, &f->scanned, 1) == SCAN_OK) {
        const char *token = f->text + f->scan.from;
        size_t n = f->scanned - f->scan.from;
        if (f->scan.token == JSON_KEY && n == sizeof key - 1 && memcmp(token, key, n) == 0)
            f->fault = json_error_null_byte_in_key;
        if (f->scan.token == '0' && is_spelled(token, n))
            f->number = n;
        if (f->fault || f->number)
            return f->scan.from - f->at;
    }
    if (f->scanned < f->n && !f->text[f->scanned] && f->scan.state != JSON_IN_STRING) {
        f->fault = json_error_invalid_syntax;
        f->scanned++; /* places are behind what is wrong, as jansson's */
    }
    return f->n - f->at;
}

/* 0: there is none. */
static int next_piece(struct feed *f)
{
    static const char *const fixed[] = {[BEFORE] = before_number, [BEHIND] = behind_number};
    if (f->fault || (f->next == BEFORE && !f->number))
        return 0;
    f->piece = f->text + f->at;
    f->n_piece = f->next == PLAIN ? plain_bytes(f) : f->number;
    if (fixed[f->next]) {
        f->piece = fixed[f->next];
        f->n_piece = strlen(f->piece);
    } else {
        f->at += f->n_piece;
    }
    f->next = (f->next + 1) % 4;
    if (f->fault)
        f->n_piece = 0;
    return !f->fault;
}

static size_t feed(void *buffer, size_t n, void *data)
{
    struct feed *f = data;
    char *to = buffer;
    while (n && (f->n_piece || next_piece(f))) {
        size_t k = f->n_piece < n ? f->n_piece : n;
        memcpy(to, f->piece, k);
        f->piece += k, f->n_piece -= k;
        to += k, n -= k;
    }
    return (size_t)(to - (char *)buffer);
}

/* The byte of the text that was byte at of what was fed. */
static size_t place_in_text(const char *text, size_t n, size_t at)
{
    struct feed f = feed_of(text, n);
    for (size_t fed = 0, begin = 0; next_piece(&f); begin = f.at) {
        int is_text = f.next == BEFORE || f.next == BEHIND; /* what was before these */
        if (at <= fed + f.n_piece)
            return is_text ? begin + (at - fed) : begin;
        fed += f.n_piece;
    }
    return n;
}

json_t *json_load_reserved(const char *text, size_t n, size_t flags, json_error_t *why)
{
    struct feed f = feed_of(text, n);
    if (reqmem_reserve(most_bytes(text, n))) {
        *why = (json_error_t){.line = -1, .column = -1, .text = "no memory to load"};
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory; /* where json_error_code() looks */
        return NULL;
    }
    json_t *v = json_load_callback(feed, &f, flags, why);
    reqmem_release();
    if (v && !f.fault)
        return v;
    why->position = f.fault ? (int)f.scanned : (int)place_in_text(text, n, (size_t)why->position);
    if (f.fault)
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = (char)f.fault;
    json_decref(v);
    return NULL;
}

/* ---- spelled numbers ------------------------------------------------------------------------------------------------------- */

const char *json_spelled(const json_t *v)
{
    return json_is_object(v) ? json_string_value(json_object_get(v, "\1")) : NULL;
}

int json_is_dict(const json_t *v) { return json_is_object(v) && !json_spelled(v); }

/* In what jansson writes, no string can hold a brace and the key behind it: its quotes would be escaped. */
char *json_dump_spelled(const json_t *v, size_t flags)
{
    char *text = json_dumps(v, flags), *to = text, *from = text, *found;
    while (from && (found = strstr(from, "{\"\\u0001\""))) {
        memmove(to, from, (size_t)(found - from));
        to += found - from;
        from = strchr(found + sizeof key, '"') + 1;
        char *end = strchr(from, '"');
        memmove(to, from, (size_t)(end - from));
        to += end - from;
        from = strchr(end, '}') + 1;
    }
    if (from)
        memmove(to, from, strlen(from) + 1);
    return text;
}
