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

#include "base/reqmem.h"

#include <string.h>

enum { FIRST = 4096, VALUE = 56, OBJECT = 224, LIST = 128, STRING = 144, TOKEN = 16 };

static const char key[] = "\"\\u0001\"", before_number[] = "{\"\\u0001\":\"", behind_number[] = "\"}";

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* Where the token that begins at i ends: behind its last byte, or a little behind the text. */
static size_t token_end(const char *text, size_t n, size_t i)
{
    if (text[i++] != '"') {
        while (i < n && !memchr(" \t\r\n,:[]{}\"", text[i], 12)) /* a zero too */
            i++;
        return i;
    }
    while (i < n && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return i + 1;
}

/* ---- numbers --------------------------------------------------------------------------------------------------------------- */

static size_t digits(const char *text, size_t n, size_t i)
{
    size_t from = i;
    while (i < n && text[i] >= '0' && text[i] <= '9')
        i++;
    return i - from;
}

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
    size_t i = *text == '-', k = digits(text, n, i);
    if (k == 0 || (k > 1 && text[i] == '0'))
        return 0;
    i += k;
    if (i == n)
        return !fits_int64(text, n);
    if (text[i] == '.') {
        k = digits(text, n, ++i);
        i += k;
    }
    if (k && i < n && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        i += i < n && (text[i] == '+' || text[i] == '-');
        k = digits(text, n, i);
        i += k;
    }
    return k && i == n;
}

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

static size_t most_bytes(const char *text, size_t n)
{
    size_t bytes = FIRST, longest = 0, beside = 0, last = 0, buffer = TOKEN;
    for (size_t i = 0, end; i < n; i = end) {
        end = i + 1;
        if (text[i] == '{') {
            bytes += OBJECT + VALUE;
        } else if (text[i] == '[') {
            bytes += LIST + VALUE;
        } else if (text[i] == ',') {
            bytes += VALUE;
        } else if (text[i] == ':') {
            beside = larger(beside, last); /* it was a key */
        } else if (!memchr(" \t\r\n]}", text[i], 6)) {
            end = token_end(text, n, i);
            last = end - i;
            longest = larger(longest, last);
            int spelled = end <= n && is_spelled(text + i, last);
            if (text[i] == '"' || spelled)
                bytes += STRING + last + last / 32; /* large pieces are whole pages */
            else
                beside = larger(beside, last);
            if (spelled) {
                bytes += OBJECT + VALUE + STRING;
                longest = larger(longest, last + 2);
                beside = larger(beside, sizeof key);
            }
        }
    }
    while (buffer < longest + 2)
        buffer *= 2;
    return bytes + buffer + beside;
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
    /* json_error_null_byte_in_key: a key that only spelled numbers have. json_error_invalid_syntax: a zero outside a string, which jansson
     * overlooks behind a number. Nothing more is fed. */
    enum json_error_code fault;
};

static int is_key(const struct feed *f, size_t i, size_t end)
{
    if (end - i != sizeof key - 1 || memcmp(f->text + i, key, sizeof key - 1) != 0)
        return 0;
    while (end < f->n && memchr(" \t\r\n", f->text[end], 4))
        end++;
    return end < f->n && f->text[end] == ':';
}

/* Up to the next number that is to be spelled. */
static size_t plain_bytes(struct feed *f)
{
    size_t i = f->at;
    f->number = 0;
    for (size_t end; i < f->n && !f->number && !f->fault; i = f->number ? i : end) {
        end = i + 1;
        if (memchr(" \t\r\n,:[]{}", f->text[i], 10))
            continue;
        end = token_end(f->text, f->n, i);
        end = end < f->n ? end : f->n;
        if (!f->text[i] || is_key(f, i, end))
            f->fault = f->text[i] ? json_error_null_byte_in_key : json_error_invalid_syntax;
        f->number = is_spelled(f->text + i, end - i) ? end - i : 0;
    }
    return i - f->at;
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
    struct feed f = {.text = text, .n = n};
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
    struct feed f = {.text = text, .n = n};
    if (reqmem_reserve(most_bytes(text, n))) {
        *why = (json_error_t){.line = -1, .column = -1, .text = "no memory to load"};
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory; /* where json_error_code() looks */
        return NULL;
    }
    json_t *v = json_load_callback(feed, &f, flags, why);
    reqmem_release();
    if (v)
        return v;
    why->position = f.fault ? (int)f.at : (int)place_in_text(text, n, (size_t)why->position);
    if (f.fault)
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = (char)f.fault;
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
