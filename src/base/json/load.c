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
 * Nobody else may use that key, so what has it is a number, or an object that is kept as text, in which quotes, backslashes and line ends
 * are escaped on the way. The key has one spelling: a control character is always escaped, and this escape has no letters. */
#include "base/json/load.h"

#include "base/json/scan.h"
#include "base/reqmem.h"

#include <string.h>

enum { FIRST = 4096, VALUE = 56, OBJECT = 224, LIST = 128, STRING = 144, TOKEN = 16 };

static const char key[] = "\"\\u0001\"", before_spelled[] = "{\"\\u0001\":\"", behind_spelled[] = "\"}";

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

/* ---- objects that are kept as text ------------------------------------------------------------------------------------------------ */

/* How much of the way to a place the token at hand has come. */
struct path {
    const struct json_place *place;
    unsigned n;
};

static int is_step(const struct json_place *place, unsigned i, const char *quoted, size_t n)
{
    const char *name = i < place->n ? place->way[i] : NULL;
    if (i >= place->n || !quoted || !name)
        return i < place->n && !quoted && !name;
    return n == strlen(name) + 2 && memcmp(quoted + 1, name, n - 2) == 0;
}

/* Goes on to a token, [token, token + n) behind which s is. 1: an object begins that is kept. */
static int path_take(struct path *p, const struct json_scan *s, const char *token, size_t n)
{
    unsigned above = s->depth ? s->depth - 1u : 0; /* steps to the innermost container that is open now */
    int is_key = s->token == JSON_KEY, opens = s->token == '{' || s->token == '[';
    if (!p->place || (!is_key && !opens && s->token != '}' && s->token != ']'))
        return 0;
    if (!is_key && !opens) {
        p->n = p->n > s->depth ? s->depth : p->n;
        return 0;
    }
    if (p->n < above)
        return 0;
    int kept = s->token == '{' && p->n == above && above == p->place->n;
    p->n = above + (s->token != '{' && (unsigned)is_step(p->place, above, is_key ? token : NULL, n));
    return kept;
}

/* A character that jansson's text cannot have as it is: the letter of its escape, or 0. */
static char escape_of(char c)
{
    return c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : c == '"' || c == '\\' ? c : 0;
}

static int has_half_pair(const char *text, size_t n)
{
    const char *first = memchr(text, '\\', n);
    struct json_piece piece;
    for (size_t at = first ? (size_t)(first - text) : n; at < n && json_piece(text, n, &at, &piece);)
        if (piece.is == JSON_HALF_PAIR)
            return 1;
    return 0;
}

/* 1: the token at hand begins an object that is kept; *s and *at are behind its end. One that is broken is not kept, nor is anything behind
 * it: the sentence is jansson's. */
static int take_kept(struct path *p, struct json_scan *s, const char *text, size_t n, size_t *at)
{
    if (!path_take(p, s, text + s->from, *at - s->from))
        return 0;
    struct json_scan begun = *s;
    size_t behind = *at;
    enum scan r = SCAN_OK;
    while (s->depth >= begun.depth && r == SCAN_OK) {
        r = json_token(s, text, n, at, 1);
        if (r == SCAN_OK && (s->token == '"' || s->token == JSON_KEY) && has_half_pair(text + s->from, *at - s->from))
            r = SCAN_BAD;
    }
    if (r == SCAN_OK)
        return 1;
    *s = begun;
    *at = behind;
    p->place = NULL;
    return 0;
}

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

static size_t string_bytes(size_t token) { return STRING + token + token / 32; } /* large pieces are whole pages */

static size_t escaped_bytes(const char *text, size_t n)
{
    size_t bytes = n;
    for (size_t i = 0; i < n; i++)
        bytes += escape_of(text[i]) != 0;
    return bytes;
}

static size_t most_bytes(const char *text, size_t n, const struct json_place *keep)
{
    struct path path = {keep, 0};
    size_t bytes = FIRST, longest = 0, beside = 0, buffer = TOKEN, at = 0, last;
    struct json_scan s;
    json_scan_begin(&s, JSON_DEEPEST);
    while (json_token(&s, text, n, &at, 1) == SCAN_OK) {
        size_t from = s.from;
        int kept = take_kept(&path, &s, text, n, &at);
        last = kept ? escaped_bytes(text + from, at - from) : at - from;
        longest = larger(longest, last);
        if (kept || (s.token == '0' && is_spelled(text + from, last))) {
            bytes += string_bytes(last) + OBJECT + VALUE + STRING + VALUE;
            longest = larger(longest, last + 2);
            beside = larger(beside, larger(sizeof key, kept ? 0 : last));
            continue;
        }
        bytes += s.token == '}' || s.token == ']' || s.token == JSON_KEY ? 0 : VALUE;
        bytes += s.token == '{' ? OBJECT : s.token == '[' ? LIST : 0;
        if (s.token == '"' || s.token == JSON_KEY)
            bytes += string_bytes(last);
        if (s.token != '"')
            beside = larger(beside, last);
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
    int is_text;    /* the piece is of the text, byte by byte */
    char escape[2]; /* a piece */
    enum { PLAIN, BEFORE, SPELLED, BEHIND } next;
    size_t spelled; /* bytes that are left of the number or object that comes next */
    size_t scanned;
    struct json_scan scan;
    struct path path;
    /* json_error_null_byte_in_key: a key that only spelled values have. json_error_invalid_syntax: a zero outside a string, which jansson
     * overlooks behind a number. Nothing more is fed. */
    enum json_error_code fault;
};

static struct feed feed_of(const char *text, size_t n, const struct json_place *keep)
{
    struct feed f = {.text = text, .n = n, .path = {keep, 0}};
    json_scan_begin(&f.scan, JSON_DEEPEST);
    return f;
}

/* Up to the next number that is to be spelled, or the next object that is to be kept. What the scanner refuses is fed as it is: the
 * sentence is jansson's. */
static size_t plain_bytes(struct feed *f)
{
    f->spelled = 0;
    while (json_token(&f->scan, f->text, f->n, &f->scanned, 1) == SCAN_OK) {
        size_t from = f->scan.from, n = f->scanned - from;
        const char *token = f->text + from;
        if (f->scan.token == JSON_KEY && n == sizeof key - 1 && memcmp(token, key, n) == 0)
            f->fault = json_error_null_byte_in_key;
        if (take_kept(&f->path, &f->scan, f->text, f->n, &f->scanned) || (f->scan.token == '0' && is_spelled(token, n)))
            f->spelled = f->scanned - from;
        if (f->fault || f->spelled)
            return from - f->at;
    }
    if (f->scanned < f->n && !f->text[f->scanned] && f->scan.state != JSON_IN_STRING) {
        f->fault = json_error_invalid_syntax;
        f->scanned++; /* places are behind what is wrong, as jansson's */
    }
    return f->n - f->at;
}

/* Of a value that is kept: up to a character that has to be escaped, or this one. */
static void feed_spelled(struct feed *f)
{
    size_t n = 0;
    char letter = escape_of(f->text[f->at]);
    while (n < f->spelled && !escape_of(f->text[f->at + n]))
        n++;
    if (letter) {
        f->escape[0] = '\\', f->escape[1] = letter;
        f->piece = f->escape, f->n_piece = 2, f->is_text = 0;
        n = 1;
    } else {
        f->n_piece = n;
    }
    f->at += n, f->spelled -= n;
    f->next = f->spelled ? SPELLED : BEHIND;
}

static void feed_fixed(struct feed *f, const char *piece, int next)
{
    f->piece = piece, f->n_piece = strlen(piece), f->is_text = 0;
    f->next = next;
}

/* 0: there is none. */
static int next_piece(struct feed *f)
{
    if (f->fault || (f->next == BEFORE && !f->spelled))
        return 0;
    f->piece = f->text + f->at;
    f->is_text = 1;
    if (f->next == BEFORE) {
        feed_fixed(f, before_spelled, SPELLED);
    } else if (f->next == BEHIND) {
        feed_fixed(f, behind_spelled, PLAIN);
    } else if (f->next == SPELLED) {
        feed_spelled(f);
    } else {
        f->at += f->n_piece = plain_bytes(f);
        f->next = BEFORE;
    }
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
static size_t place_in_text(const char *text, size_t n, const struct json_place *keep, size_t at)
{
    struct feed f = feed_of(text, n, keep);
    for (size_t fed = 0, begin = 0; next_piece(&f); begin = f.at) {
        if (at <= fed + f.n_piece)
            return f.is_text ? begin + (at - fed) : begin;
        fed += f.n_piece;
    }
    return n;
}

json_t *json_load_keeping(const char *text, size_t n, size_t flags, const struct json_place *keep, json_error_t *why)
{
    struct feed f = feed_of(text, n, keep);
    if (reqmem_reserve(most_bytes(text, n, keep))) {
        *why = (json_error_t){.line = -1, .column = -1, .text = "no memory to load"};
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory; /* where json_error_code() looks */
        return NULL;
    }
    json_t *v = json_load_callback(feed, &f, flags, why);
    reqmem_release();
    if (v && !f.fault)
        return v;
    why->position = f.fault ? (int)f.scanned : (int)place_in_text(text, n, keep, (size_t)why->position);
    if (f.fault)
        why->text[JSON_ERROR_TEXT_LENGTH - 1] = (char)f.fault;
    json_decref(v);
    return NULL;
}

json_t *json_load_reserved(const char *text, size_t n, size_t flags, json_error_t *why)
{
    return json_load_keeping(text, n, flags, NULL, why);
}

/* ---- spelled values -------------------------------------------------------------------------------------------------------- */

const char *json_spelled(const json_t *v)
{
    return json_is_object(v) ? json_string_value(json_object_get(v, "\1")) : NULL;
}

int json_is_kept(const json_t *v)
{
    const char *spelled = json_spelled(v);
    return spelled && *spelled == '{';
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
