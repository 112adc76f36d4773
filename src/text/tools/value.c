/* See value.h. A recursive descent over a complete text; nesting up to JSON_DEPTH. */
#include "text/tools/value.h"

#include "base/hex.h"
#include "base/json/scan.h"
#include "base/utf8.h"
#include "text/tools/list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GEMMA_QUOTE "<|\"|>"
enum { GEMMA_QUOTE_N = 5 };

struct cursor {
    const char *at, *end;
    struct buffer *out;
    int gemma, depth;
};

static int value(struct cursor *c);

static int is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && is_space(*c->at))
        c->at++;
}

static int take(struct cursor *c, char byte)
{
    if (c->at == c->end || *c->at != byte)
        return 0;
    c->at++;
    return 1;
}

static int starts_with(const char *at, const char *end, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(end - at) >= n && !memcmp(at, word, n);
}

/* \xHH, \uHHHH, \UHHHHHHHH and \ooo; c->at behind the letter or at the first octal digit. */
static int python_code(struct cursor *c, int digits, int base)
{
    int n = 0;
    uint32_t u = 0, low = 0, pair;
    for (int d; n < digits && c->at < c->end && (d = hex_digit(*c->at)) >= 0 && d < base; n++, c->at++)
        u = u * (uint32_t)base + (uint32_t)d;
    if (n == 0 || (base == 16 && n < digits))
        return -1;
    if (starts_with(c->at, c->end, "\\u") && c->end - c->at >= 6)
        hex_read(c->at + 2, 4, 4, &low);
    if ((pair = utf8_of_pair(u, low)) != 0)
        c->at += 6;
    struct buffer one = {0};
    buffer_put_code_point(&one, pair ? pair : u);
    buffer_put_escaped(c->out, one.text ? one.text : "", one.n);
    c->out->failed |= one.failed;
    buffer_free(&one);
    return 0;
}

static int python_escape(struct cursor *c)
{
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    if (c->at == c->end)
        return -1;
    char k = *c->at;
    const char *known = k ? strchr(from, k) : NULL;
    if (k >= '0' && k <= '7')
        return python_code(c, 3, 8);
    c->at++;
    if (known)
        buffer_put_escaped(c->out, &to[known - from], 1);
    else if (k == 'x' || k == 'u' || k == 'U')
        return python_code(c, k == 'x' ? 2 : k == 'u' ? 4 : 8, 16);
    else if (k == '/')
        buffer_puts(c->out, "/"); /* JSON's */
    else if (k != '\n') {         /* no escape: Python keeps the backslash */
        buffer_put_escaped(c->out, "\\", 1);
        c->at--;
    }
    return 0;
}

static int python_string(struct cursor *c)
{
    char quote = *c->at++;
    buffer_puts(c->out, "\"");
    while (c->at < c->end && *c->at != quote) {
        const char *plain = c->at;
        while (c->at < c->end && *c->at != quote && *c->at != '\\') {
            if (*c->at == '\n')
                return -1;
            c->at++;
        }
        buffer_put_escaped(c->out, plain, (size_t)(c->at - plain));
        if (take(c, '\\') && python_escape(c) != 0)
            return -1;
    }
    buffer_puts(c->out, "\"");
    return take(c, quote) ? 0 : -1;
}

static int gemma_string(struct cursor *c)
{
    c->at += GEMMA_QUOTE_N;
    const char *close = memmem(c->at, (size_t)(c->end - c->at), GEMMA_QUOTE, GEMMA_QUOTE_N);
    if (!close)
        return -1;
    buffer_put_string(c->out, c->at, (size_t)(close - c->at));
    c->at = close + GEMMA_QUOTE_N;
    return 0;
}

static int is_string(const struct cursor *c)
{
    if (c->gemma)
        return starts_with(c->at, c->end, GEMMA_QUOTE);
    return c->at < c->end && (*c->at == '"' || *c->at == '\'');
}

static int string(struct cursor *c) { return c->gemma ? gemma_string(c) : python_string(c); }

/* A key of gemma4 without quotes: what stands before the colon. */
static int bare_key(struct cursor *c)
{
    const char *from = c->at;
    while (c->at < c->end && !strchr(":,{}[]", *c->at))
        c->at++;
    const char *end = c->at;
    while (end > from && is_space(end[-1]))
        end--;
    if (end == from)
        return -1;
    buffer_put_string(c->out, from, (size_t)(end - from));
    return 0;
}

static int member(struct cursor *c)
{
    if (!is_string(c) && !c->gemma)
        return -1;
    if ((is_string(c) ? string(c) : bare_key(c)) != 0)
        return -1;
    skip_space(c);
    if (!take(c, ':'))
        return -1;
    buffer_puts(c->out, ": ");
    return value(c);
}

/* List, tuple or dict; a trailing comma is Python's. A tuple of one needs it: (x) is x. */
static int container(struct cursor *c)
{
    char open = *c->at++, close = open == '{' ? '}' : open == '[' ? ']' : ')';
    size_t mark = c->out->n;
    int n = 0, comma = 0;
    if (++c->depth > JSON_DEPTH)
        return -1;
    buffer_puts(c->out, open == '{' ? "{" : "[");
    for (skip_space(c); !take(c, close); skip_space(c)) {
        if (n && !comma)
            return -1;
        if (n)
            buffer_puts(c->out, ", ");
        if ((open == '{' ? member(c) : value(c)) != 0)
            return -1;
        n++;
        skip_space(c);
        comma = take(c, ',');
    }
    c->depth--;
    if (comma && c->gemma)
        return -1;
    if (open == '(' && n == 1 && !comma) {
        memmove(c->out->text + mark, c->out->text + mark + 1, c->out->n - mark - 1);
        c->out->n--;
        return 0;
    }
    buffer_puts(c->out, open == '{' ? "}" : "]");
    return 0;
}

static int word(struct cursor *c)
{
    static const char *const words[][2] = {{"None", "null"}, {"null", "null"},   {"true", "true"},
                                           {"True", "true"}, {"false", "false"}, {"False", "false"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (starts_with(c->at, c->end, words[i][0])) {
            c->at += strlen(words[i][0]);
            buffer_puts(c->out, words[i][1]);
            return 0;
        }
    return -1;
}

static int number(struct cursor *c)
{
    struct json_scan s;
    size_t at = 0;
    json_scan_begin(&s, JSON_DEPTH);
    if (json_scan(&s, c->at, (size_t)(c->end - c->at), &at, 1) != SCAN_OK || s.kind != '0')
        return -1;
    buffer_put(c->out, c->at, at);
    c->at += at;
    return 0;
}

static int value(struct cursor *c)
{
    skip_space(c);
    if (c->at == c->end)
        return -1;
    if (is_string(c))
        return string(c);
    if (*c->at == '{' || *c->at == '[' || (*c->at == '(' && !c->gemma))
        return container(c);
    if (*c->at == '-' || (*c->at >= '0' && *c->at <= '9'))
        return number(c);
    return word(c);
}

int value_python(struct buffer *out, const char *text, size_t n)
{
    struct cursor c = {text, text + n, out, 0, 0};
    if (value(&c) != 0)
        return -1;
    skip_space(&c);
    return c.at == c.end ? 0 : -1;
}

int value_gemma_member(struct buffer *out, const char *text, size_t n)
{
    struct cursor c = {text, text + n, out, 1, 0};
    skip_space(&c);
    if (member(&c) != 0)
        return -1;
    skip_space(&c);
    return c.at == c.end ? 0 : -1;
}

int value_end(const char *text, size_t n, size_t *at, char *quote, int *depth, int gemma)
{
    while (*at < n) {
        char c = text[*at];
        if (gemma && c == '<') {
            size_t have = n - *at < GEMMA_QUOTE_N ? n - *at : GEMMA_QUOTE_N;
            if (!memcmp(text + *at, GEMMA_QUOTE, have)) {
                if (have < GEMMA_QUOTE_N)
                    return 0;
                *quote = !*quote;
                *at += GEMMA_QUOTE_N - 1;
            }
        } else if (*quote && !gemma) {
            if (c == '\\' && *at + 1 == n)
                return 0;
            *at += c == '\\';
            if (c == *quote)
                *quote = 0;
        } else if (!*quote) {
            if (*depth == 0 && (c == ',' || c == ')' || c == ']' || c == '}'))
                return 1;
            if (!gemma && (c == '"' || c == '\''))
                *quote = c;
            *depth += (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
        }
        ++*at;
    }
    return 0;
}

/* ---- values in tags ------------------------------------------------------------------------------------------------ */

/* The types that a JSON text has: an integer is a number too, 3.0 an integer. */
static unsigned types_of(char kind, const char *text, size_t n)
{
    switch (kind) {
    case '{':
        return TYPE_OBJECT;
    case '[':
        return TYPE_ARRAY;
    case 't':
    case 'f':
        return TYPE_BOOLEAN;
    case 'n':
        return TYPE_NULL;
    case '0': {
        char digits[64] = "";
        memcpy(digits, text, n < sizeof digits - 1 ? n : sizeof digits - 1);
        double x = strtod(digits, NULL);
        return TYPE_NUMBER | (isfinite(x) && floor(x) == x ? TYPE_INTEGER : 0);
    }
    default:
        return 0;
    }
}

int value_is_text(const json_t *schema, const json_t *root) { return tool_schema_types(schema, root) == TYPE_STRING; }

int value_typed(struct buffer *out, const json_t *schema, const json_t *root, const char *text, size_t n)
{
    unsigned allowed = tool_schema_types(schema, root);
    const char *from = text, *end = text + n;
    size_t mark = out->n;
    while (from < end && is_space(*from))
        from++;
    while (end > from && is_space(end[-1]))
        end--;
    size_t trimmed = (size_t)(end - from);
    char kind = json_whole(from, trimmed);
    if (kind && kind != '"' && (!allowed || types_of(kind, from, trimmed) & allowed)) {
        buffer_put(out, from, trimmed);
        return 0;
    }
    if (!kind && allowed && trimmed && value_python(out, from, trimmed) == 0 && !out->failed) {
        char first = out->text[mark];
        int literal = *from == 'T' || *from == 'F' || *from == 'N' || *from == '[' || *from == '{' || *from == '(';
        if (literal && types_of(first, "", 0) & allowed)
            return 0;
    }
    out->n = mark;
    buffer_put_string(out, text, n);
    return 1;
}

int tool_reads_string(const json_t *schema, const json_t *root, const char *text, size_t n)
{
    struct buffer out = {0};
    int is_string = value_is_text(schema, root) || value_typed(&out, schema, root, text, n);
    is_string = out.failed ? -1 : is_string;
    buffer_free(&out);
    return is_string;
}
