/* See scan.h. The state between two bytes says what may come next; objects and arrays are a stack of bits. */
#include "base/json/scan.h"

#include "base/hex.h"
#include "base/utf8.h"

#include <string.h>

/* From N_ZERO on the number is whole, and behind that it goes on with every digit. */
enum number { N_MINUS, N_DOT, N_E, N_SIGN, N_ZERO, N_INT, N_FRACTION, N_EXPONENT, N_NONE };

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define HIGH_BITS (0x80 * EACH_BYTE)

void json_scan_begin(struct json_scan *s, unsigned most_depth)
{
    s->state = JSON_AT_VALUE;
    s->kind = ' ';
    s->depth = 0;
    s->most_depth = (uint16_t)most_depth;
}

int json_in_object(const struct json_scan *s) { return s->object[(s->depth - 1) / 8] >> (s->depth - 1) % 8 & 1; }

static int is_space(char c) { return c <= ' ' && (c == ' ' || c == '\t' || c == '\n' || c == '\r'); }

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static enum scan open_container(struct json_scan *s, int object)
{
    if (s->depth == s->most_depth) {
        s->state = JSON_TOO_DEEP;
        return SCAN_BAD;
    }
    uint8_t bit = (uint8_t)(1u << s->depth % 8);
    s->object[s->depth / 8] = (uint8_t)(object ? s->object[s->depth / 8] | bit : s->object[s->depth / 8] & ~bit);
    s->depth++;
    s->state = object ? JSON_AT_FIRST_KEY : JSON_AT_FIRST_VALUE;
    return SCAN_OK;
}

/* A value is complete. */
static enum scan value_done(struct json_scan *s)
{
    s->state = s->depth ? JSON_AT_COMMA : JSON_AT_END;
    return SCAN_OK;
}

static enum scan close_container(struct json_scan *s, char c)
{
    s->token = c;
    s->depth--;
    return value_done(s);
}

static enum scan begin_string(struct json_scan *s, char token)
{
    s->token = token;
    s->plain = 1;
    s->state = JSON_IN_STRING;
    return SCAN_MORE;
}

static enum scan begin_value(struct json_scan *s, char c)
{
    int number = c == '-' || is_digit(c);
    s->token = number ? '0' : c;
    if (s->kind == ' ')
        s->kind = s->token;
    switch (c) {
    case '{':
    case '[':
        return open_container(s, c == '{');
    case '"':
        return begin_string(s, c);
    case 't':
    case 'f':
    case 'n':
        s->word = c == 't' ? "rue" : c == 'f' ? "alse" : "ull";
        s->state = JSON_IN_WORD;
        return SCAN_MORE;
    default:
        if (!number)
            return SCAN_BAD;
        s->state = JSON_IN_NUMBER;
        s->number = c == '-' ? N_MINUS : c == '0' ? N_ZERO : N_INT;
        return SCAN_MORE;
    }
}

/* A byte between tokens that is no white space. */
static enum scan structure_byte(struct json_scan *s, char c)
{
    switch (s->state) {
    case JSON_AT_FIRST_KEY:
        if (c == '}')
            return close_container(s, c);
        /* fall through */
    case JSON_AT_KEY:
        return c == '"' ? begin_string(s, JSON_KEY) : SCAN_BAD;
    case JSON_AT_COLON:
        if (c != ':')
            return SCAN_BAD;
        s->state = JSON_AT_VALUE;
        return SCAN_MORE;
    case JSON_AT_COMMA:
        if (c == (json_in_object(s) ? '}' : ']'))
            return close_container(s, c);
        if (c != ',')
            return SCAN_BAD;
        s->state = json_in_object(s) ? JSON_AT_KEY : JSON_AT_VALUE;
        return SCAN_MORE;
    case JSON_AT_FIRST_VALUE:
        if (c == ']')
            return close_container(s, c);
        /* fall through */
    case JSON_AT_VALUE:
        return begin_value(s, c);
    default:
        return SCAN_BAD;
    }
}

/* Of a backslash and a letter; 0: they mean nothing, or \u. */
static char meaning_of(char letter)
{
    switch (letter) {
    case '"':
    case '\\':
    case '/':
        return letter;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

static enum scan escape_byte(struct json_scan *s, char c)
{
    if (s->state == JSON_IN_ESCAPE) {
        if (c != 'u' && !meaning_of(c))
            return SCAN_BAD;
        s->state = c == 'u' ? JSON_IN_HEX : JSON_IN_STRING;
        s->hex = 4;
        return SCAN_MORE;
    }
    if (hex_digit(c) < 0)
        return SCAN_BAD;
    if (--s->hex == 0)
        s->state = JSON_IN_STRING;
    return SCAN_MORE;
}

/* Not 0: among these eight bytes are control bytes, quotes or backslashes. */
static uint64_t have_special(uint64_t x)
{
    uint64_t quote = x ^ '"' * EACH_BYTE, backslash = x ^ '\\' * EACH_BYTE;
    return (((x - ' ' * EACH_BYTE) & ~x) | ((quote - EACH_BYTE) & ~quote) | ((backslash - EACH_BYTE) & ~backslash)) &
           HIGH_BITS;
}

static enum scan string_bytes(struct json_scan *s, const char *text, size_t n, size_t *at)
{
    size_t i = *at;
    uint64_t x, all = 0;
    unsigned char c = 0;
    for (; n - i >= 8 && (memcpy(&x, text + i, 8), !have_special(x)); i += 8)
        all |= x;
    while (i < n && (c = (unsigned char)text[i]) >= 0x20 && c != '"' && c != '\\') {
        all |= c;
        i++;
    }
    s->plain &= !(all & HIGH_BITS);
    *at = i;
    if (i == n)
        return SCAN_MORE;
    if (c < 0x20)
        return SCAN_BAD;
    ++*at;
    if (c == '\\') {
        s->plain = 0;
        s->state = JSON_IN_ESCAPE;
        return SCAN_MORE;
    }
    if (s->token != JSON_KEY)
        return value_done(s);
    s->state = JSON_AT_COLON;
    return SCAN_OK;
}

static enum scan word_bytes(struct json_scan *s, const char *text, size_t n, size_t *at)
{
    while (*at < n && text[*at] == *s->word) {
        ++*at;
        if (!*++s->word)
            return value_done(s);
    }
    return *at < n ? SCAN_BAD : SCAN_MORE;
}

/* State after c, N_NONE when c is no part of the number. */
static enum number number_next(enum number n, char c)
{
    int digit = is_digit(c), e = c == 'e' || c == 'E';
    switch (n) {
    case N_MINUS:
        return c == '0' ? N_ZERO : digit ? N_INT : N_NONE;
    case N_ZERO:
        return c == '.' ? N_DOT : e ? N_E : N_NONE;
    case N_INT:
        return digit ? N_INT : c == '.' ? N_DOT : e ? N_E : N_NONE;
    case N_DOT:
    case N_FRACTION:
        return digit ? N_FRACTION : e && n == N_FRACTION ? N_E : N_NONE;
    case N_E:
        return c == '+' || c == '-' ? N_SIGN : digit ? N_EXPONENT : N_NONE;
    default:
        return digit ? N_EXPONENT : N_NONE;
    }
}

static enum scan number_bytes(struct json_scan *s, const char *text, size_t n, size_t *at)
{
    enum number number = s->number, next = number;
    size_t i = *at;
    int digit = 0;
    for (; i < n; i++, number = next) {
        digit = is_digit(text[i]);
        if (digit && number > N_ZERO)
            continue;
        next = number_next(number, text[i]);
        if (next == N_NONE)
            break;
    }
    s->number = (uint8_t)number;
    *at = i;
    if (i == n)
        return SCAN_MORE;
    return number < N_ZERO || digit ? SCAN_BAD : value_done(s); /* 01 is no number */
}

enum scan json_token(struct json_scan *s, const char *text, size_t n, size_t *at, int final)
{
    while (*at < n) {
        enum scan r;
        if (s->state < JSON_IN_STRING) {
            while (is_space(text[*at]))
                if (++*at == n)
                    return SCAN_MORE;
            s->from = *at;
            r = structure_byte(s, text[*at]);
            *at += r != SCAN_BAD;
        } else if (s->state == JSON_IN_STRING) {
            r = string_bytes(s, text, n, at);
        } else if (s->state == JSON_IN_NUMBER) {
            r = number_bytes(s, text, n, at);
        } else if (s->state == JSON_IN_WORD) {
            r = word_bytes(s, text, n, at);
        } else if (s->state == JSON_TOO_DEEP) {
            r = SCAN_BAD;
        } else {
            r = escape_byte(s, text[*at]);
            *at += r != SCAN_BAD;
        }
        if (r != SCAN_MORE)
            return r;
    }
    return final && s->state == JSON_IN_NUMBER && s->number >= N_ZERO ? value_done(s) : SCAN_MORE;
}

enum scan json_scan(struct json_scan *s, const char *text, size_t n, size_t *at, int final)
{
    enum scan r;
    do
        r = json_token(s, text, n, at, final);
    while (r == SCAN_OK && s->state != JSON_AT_END);
    return r;
}

char json_whole(const char *text, size_t n)
{
    struct json_scan s;
    size_t at = 0;
    json_scan_begin(&s, JSON_DEPTH);
    while (json_token(&s, text, n, &at, 1) == SCAN_OK)
        continue;
    return at == n && s.state == JSON_AT_END ? s.kind : 0;
}

/* ---- members --------------------------------------------------------------------------------------------------------------- */

int json_next(struct json_scan *s, const char *text, size_t n, size_t *at, struct json_item *item)
{
    if (s->kind == ' ' && (json_token(s, text, n, at, 1) != SCAN_OK || s->depth == 0))
        return 0;
    if (json_token(s, text, n, at, 1) != SCAN_OK || s->depth == 0)
        return 0;
    *item = (struct json_item){0};
    if (s->token == JSON_KEY) {
        item->key = s->from;
        item->key_n = *at - s->from;
        if (json_token(s, text, n, at, 1) != SCAN_OK)
            return 0;
    }
    item->value = s->from;
    while (s->depth > 1)
        if (json_token(s, text, n, at, 1) != SCAN_OK)
            return 0;
    item->value_n = *at - item->value;
    return 1;
}

int json_member(const char *text, size_t n, const char *name, struct json_item *item)
{
    struct json_scan s;
    struct json_item i;
    size_t at = 0;
    int found = 0;
    json_scan_begin(&s, JSON_DEEPEST);
    while (json_next(&s, text, n, &at, &i)) {
        struct buffer key = {0};
        if (i.key_n)
            json_unescape(&key, text + i.key, i.key_n);
        if (i.key_n && key.n == strlen(name) && !memcmp(key.text ? key.text : "", name, key.n)) {
            *item = i;
            found = 1;
        }
        buffer_free(&key);
    }
    return found;
}

/* ---- strings --------------------------------------------------------------------------------------------------------------- */

/* Bytes before the first escape or ill-formed sequence. */
static size_t bytes_as_written(const char *text, size_t n)
{
    size_t i = 0, length;
    uint64_t x;
    while (n - i >= 8 && (memcpy(&x, text + i, 8), !((x & HIGH_BITS) | have_special(x))))
        i += 8;
    for (; i < n && text[i] != '\\'; i += length)
        if (utf8_head(text + i, n - i, &length) != UTF8_WHOLE)
            break;
    return i;
}

/* Of n bytes from a backslash on, how many are its escape. */
static size_t read_escape(const char *text, size_t n, struct json_piece *p)
{
    uint32_t code, low = 0;
    p->text = p->character;
    p->is = JSON_ESCAPED;
    if (text[1] != 'u') {
        p->character[0] = meaning_of(text[1]);
        p->n = 1;
        return 2;
    }
    hex_read(text + 2, 4, 4, &code);
    if (n >= 12 && text[6] == '\\' && text[7] == 'u')
        hex_read(text + 8, 4, 4, &low);
    uint32_t pair = utf8_of_pair(code, low);
    if (!pair && code >= 0xD800 && code <= 0xDFFF)
        p->is = JSON_HALF_PAIR;
    p->n = utf8_write(pair ? pair : code, p->character);
    return pair ? 12 : 6;
}

int json_piece(const char *text, size_t n, size_t *at, struct json_piece *p)
{
    size_t left = n - 1 - *at; /* before the closing quote */
    if (left == 0)
        return 0;
    p->text = text + *at;
    p->n = bytes_as_written(p->text, left);
    p->is = JSON_AS_WRITTEN;
    if (p->n == 0 && *p->text == '\\') {
        *at += read_escape(p->text, left, p);
        return 1;
    }
    if (p->n == 0) {
        p->is = JSON_NOT_UTF8;
        utf8_head(p->text, left, &p->n);
    }
    *at += p->n;
    return 1;
}

void json_unescape(struct buffer *out, const char *text, size_t n)
{
    struct json_piece p;
    for (size_t at = 1; json_piece(text, n, &at, &p);)
        buffer_put(out, p.text, p.n);
}
