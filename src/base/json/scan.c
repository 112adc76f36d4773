/* See scan.h. The state between two bytes says what may come next; objects and arrays are a stack of bits. */
#include "base/json/scan.h"

#include "base/hex.h"
#include "base/utf8.h"

#include <string.h>

enum state {
    S_VALUE,       /* a value */
    S_FIRST_VALUE, /* a value or ] */
    S_FIRST_KEY,   /* a key or } */
    S_KEY,
    S_COLON,
    S_AFTER, /* a comma or the end of the container */
    S_STRING,
    S_ESCAPE,
    S_HEX,
    S_LITERAL,
    S_NUMBER
};

enum number { N_MINUS, N_ZERO, N_INT, N_DOT, N_FRACTION, N_E, N_SIGN, N_EXPONENT, N_NONE };

void json_scan_begin(struct json_scan *s)
{
    memset(s, 0, sizeof *s);
    s->kind = ' ';
}

static int is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static int in_object(const struct json_scan *s) { return s->object[(s->depth - 1) / 8] >> (s->depth - 1) % 8 & 1; }

static enum scan open_container(struct json_scan *s, int object)
{
    if (s->depth == JSON_DEPTH)
        return SCAN_BAD;
    uint8_t bit = (uint8_t)(1u << s->depth % 8);
    s->object[s->depth / 8] = (uint8_t)(object ? s->object[s->depth / 8] | bit : s->object[s->depth / 8] & ~bit);
    s->depth++;
    s->state = object ? S_FIRST_KEY : S_FIRST_VALUE;
    return SCAN_MORE;
}

/* A value is complete. */
static enum scan value_done(struct json_scan *s)
{
    s->state = S_AFTER;
    return s->depth ? SCAN_MORE : SCAN_OK;
}

static enum scan close_container(struct json_scan *s)
{
    s->depth--;
    return value_done(s);
}

static enum scan begin_value(struct json_scan *s, char c)
{
    if (s->kind == ' ')
        s->kind = c == '-' || (c >= '0' && c <= '9') ? '0' : c;
    switch (c) {
    case '{':
    case '[':
        return open_container(s, c == '{');
    case '"':
        s->state = S_STRING;
        s->key = 0;
        return SCAN_MORE;
    case 't':
    case 'f':
    case 'n':
        s->literal = c == 't' ? "rue" : c == 'f' ? "alse" : "ull";
        s->state = S_LITERAL;
        return SCAN_MORE;
    default:
        if (c != '-' && (c < '0' || c > '9'))
            return SCAN_BAD;
        s->state = S_NUMBER;
        s->number = c == '-' ? N_MINUS : c == '0' ? N_ZERO : N_INT;
        return SCAN_MORE;
    }
}

/* State after c, N_NONE when c is no part of the number. */
static enum number number_next(enum number n, char c)
{
    int digit = c >= '0' && c <= '9', e = c == 'e' || c == 'E';
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

static int number_is_whole(enum number n) { return n == N_ZERO || n == N_INT || n == N_FRACTION || n == N_EXPONENT; }

static enum scan string_byte(struct json_scan *s, char c)
{
    switch (s->state) {
    case S_STRING:
        if ((unsigned char)c < 0x20)
            return SCAN_BAD;
        if (c == '\\')
            s->state = S_ESCAPE;
        if (c != '"')
            return SCAN_MORE;
        if (!s->key)
            return value_done(s);
        s->state = S_COLON;
        return SCAN_MORE;
    case S_ESCAPE:
        if (!c || !strchr("\"\\/bfnrtu", c))
            return SCAN_BAD;
        s->state = c == 'u' ? S_HEX : S_STRING;
        s->hex = 4;
        return SCAN_MORE;
    default:
        if (hex_digit(c) < 0)
            return SCAN_BAD;
        if (--s->hex == 0)
            s->state = S_STRING;
        return SCAN_MORE;
    }
}

static enum scan structure_byte(struct json_scan *s, char c)
{
    switch (s->state) {
    case S_FIRST_KEY:
    case S_KEY:
        if (c == '}' && s->state == S_FIRST_KEY)
            return close_container(s);
        s->state = S_STRING;
        s->key = 1;
        return c == '"' ? SCAN_MORE : SCAN_BAD;
    case S_COLON:
        s->state = S_VALUE;
        return c == ':' ? SCAN_MORE : SCAN_BAD;
    case S_AFTER:
        if (c == ',') {
            s->state = in_object(s) ? S_KEY : S_VALUE;
            return SCAN_MORE;
        }
        return c == (in_object(s) ? '}' : ']') ? close_container(s) : SCAN_BAD;
    default:
        if (c == ']' && s->state == S_FIRST_VALUE)
            return close_container(s);
        return begin_value(s, c);
    }
}

enum scan json_scan(struct json_scan *s, const char *text, size_t n, size_t *at, int final)
{
    for (; *at < n; ++*at) {
        char c = text[*at];
        enum scan r = SCAN_MORE;
        if (s->state == S_NUMBER) {
            enum number next = number_next(s->number, c);
            if (next != N_NONE) {
                s->number = next;
                continue;
            }
            if (!number_is_whole(s->number))
                return SCAN_BAD;
            if (value_done(s) == SCAN_OK)
                return SCAN_OK;
        }
        if (s->state == S_LITERAL) {
            if (c != *s->literal++)
                return SCAN_BAD;
            if (!*s->literal)
                r = value_done(s);
        } else if (s->state >= S_STRING) {
            r = string_byte(s, c);
        } else if (!is_space(c)) {
            r = structure_byte(s, c);
        }
        if (r == SCAN_BAD)
            return r;
        if (r == SCAN_OK) {
            ++*at;
            return r;
        }
    }
    return final && s->state == S_NUMBER && s->depth == 0 && number_is_whole(s->number) ? SCAN_OK : SCAN_MORE;
}

char json_whole(const char *text, size_t n)
{
    struct json_scan s;
    size_t at = 0;
    json_scan_begin(&s);
    if (json_scan(&s, text, n, &at, 1) != SCAN_OK)
        return 0;
    while (at < n && is_space(text[at]))
        at++;
    return at == n ? s.kind : 0;
}

/* Past white space and the given byte, if it is there. */
static size_t skip(const char *text, size_t n, size_t at, char byte)
{
    while (at < n && is_space(text[at]))
        at++;
    return at < n && text[at] == byte ? at + 1 : at;
}

int json_next(const char *text, size_t n, size_t *at, struct json_item *item)
{
    struct json_scan s;
    size_t begin = skip(text, n, 0, 0);
    char open = begin < n ? text[begin] : 0;
    if (open != '{' && open != '[')
        return 0;
    *at = skip(text, n, *at <= begin ? begin + 1 : *at, ',');
    *at = skip(text, n, *at, 0);
    *item = (struct json_item){.key = *at};
    json_scan_begin(&s);
    if (open == '{') {
        if (*at == n || text[*at] != '"' || json_scan(&s, text, n, at, 1) != SCAN_OK)
            return 0;
        item->key_n = *at - item->key;
        *at = skip(text, n, skip(text, n, *at, ':'), 0);
    }
    item->value = *at;
    json_scan_begin(&s);
    if (json_scan(&s, text, n, at, 1) != SCAN_OK)
        return 0;
    item->value_n = *at - item->value;
    return 1;
}

int json_member(const char *text, size_t n, const char *name, struct json_item *item)
{
    struct json_item i;
    size_t at = 0;
    int found = 0;
    while (json_next(text, n, &at, &i)) {
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

void json_unescape(struct buffer *out, const char *text, size_t n)
{
    const char *end = text + n - 1; /* the closing quote */
    for (const char *p = text + 1; p < end;) {
        const char *plain = p;
        while (p < end && *p != '\\')
            p++;
        buffer_put(out, plain, (size_t)(p - plain));
        if (p == end)
            break;
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        char c = p[1];
        const char *known = strchr(from, c);
        p += 2;
        if (c != 'u') {
            buffer_put(out, known ? &to[known - from] : &c, 1);
            continue;
        }
        uint32_t u, low = 0, pair;
        p += hex_read(p, (size_t)(end - p), 4, &u);
        if (end - p >= 6 && p[0] == '\\' && p[1] == 'u')
            hex_read(p + 2, 4, 4, &low);
        if ((pair = utf8_of_pair(u, low)) != 0)
            p += 6;
        buffer_put_code_point(out, pair ? pair : u);
    }
}
