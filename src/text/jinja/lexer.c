/* Source to tokens. All rules of white space live here: the line feed behind a block tag is dropped, blanks before one that
 * begins its line too; - takes all white space on its side, + switches the two rules off. templates.md 1, 3.1, 3.15.
 *
 *   text {{ expression }} text {% tag %} text {# comment #} {% raw %} text {% endraw %} */
#include "base/hex.h"
#include "base/utf8.h"
#include "text/jinja/tree.h"

#include <string.h>

struct lexer {
    struct jrun *run;
    const char *source;
    size_t n, at;
    struct jtoken *token;
    size_t n_token, cap;
    int line_begins; /* what was consumed last ends with a line feed, or nothing was */
};

static void add_token(struct lexer *x, enum jtoken_kind kind, size_t pos, const struct jstring *text)
{
    if (x->n_token == x->cap) {
        x->cap = x->cap ? 2 * x->cap : 256;
        struct jtoken *grown = jalloc_array(x->run, x->cap, sizeof *grown);
        if (x->n_token)
            memcpy(grown, x->token, x->n_token * sizeof *grown);
        x->token = grown;
    }
    x->token[x->n_token++] = (struct jtoken){kind, (uint32_t)pos, text};
}

static const struct jstring *piece(struct lexer *x, size_t from, size_t to)
{
    return jstring_of(x->run, x->source + from, to - from, ORIGIN_TEMPLATE);
}

static int at_text(const struct lexer *x, size_t at, const char *text)
{
    size_t n = strlen(text);
    return x->n - at >= n && memcmp(x->source + at, text, n) == 0;
}

/* The end of white space that begins at a place; its beginning that ends there. */
static size_t space_end(const struct lexer *x, size_t at)
{
    struct jstring s = {.bytes = x->source, .n = x->n};
    for (size_t length; at < x->n && jspace(jchar_code(&s, at, &length)); at += length)
        ;
    return at;
}

static size_t space_begin(const struct lexer *x, size_t from, size_t at)
{
    struct jstring s = {.bytes = x->source, .n = x->n};
    for (size_t length; at > from;) {
        size_t before = at - 1;
        while (before > from && !utf8_begins(x->source[before]))
            before--;
        if (!jspace(jchar_code(&s, before, &length)))
            break;
        at = before;
    }
    return at;
}

/* Text from..to stands before a tag with a sign (- + or 0): where it ends after the white space rules. */
static size_t text_end(const struct lexer *x, size_t from, size_t to, char sign, int is_print)
{
    if (sign == '-')
        return space_begin(x, from, to);
    if (sign == '+' || is_print)
        return to;
    size_t line = to;
    while (line > from && x->source[line - 1] != '\n')
        line--;
    if (line == from && !x->line_begins)
        return to;
    return line < to && space_begin(x, line, to) == line ? line : to;
}

static void add_text(struct lexer *x, size_t from, size_t to, char sign, int is_print)
{
    size_t end = text_end(x, from, to, sign, is_print);
    if (end > from)
        add_token(x, JT_DATA, from, piece(x, from, end));
}

/* Behind a tag: - takes white space, otherwise a block takes one line feed. */
static void after_tag(struct lexer *x, char sign, int is_block)
{
    if (sign == '-')
        x->at = space_end(x, x->at);
    else if (is_block && sign != '+' && x->at < x->n && x->source[x->at] == '\n')
        x->at++;
    x->line_begins = x->at > 0 && x->source[x->at - 1] == '\n';
}

/* ---- inside of tags ---- */

static int is_digit(char c) { return c >= '0' && c <= '9'; }
static int is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* \xHH \uHHHH \UHHHHHHHH and octal; *at behind the letter. */
static uint32_t escape_code(struct lexer *x, size_t *at, size_t end, char letter)
{
    int n = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
    uint32_t code;
    size_t got = hex_read(x->source + *at, end - *at, (size_t)n, &code);
    *at += got;
    if (got < (size_t)n)
        jfail_compile(x->run, (uint32_t)*at, "\\%c needs %d hexadecimal digits", letter, n);
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        jfail_compile(x->run, (uint32_t)*at, "\\%c%0*x is not a character", letter, n, code);
    return code;
}

static void unescape(struct lexer *x, struct jbuffer *b, size_t *at, size_t end)
{
    static const char from[] = "ntr\\'\"abfv", to[] = "\n\t\r\\'\"\a\b\f\v";
    char c = x->source[*at], out[4];
    const char *found = strchr(from, c);
    if (c && found) {
        jbuffer_add(b, &to[found - from], 1, ORIGIN_TEMPLATE);
        ++*at;
    } else if (c == 'x' || c == 'u' || c == 'U') {
        ++*at;
        jbuffer_add(b, out, utf8_write(escape_code(x, at, end, c), out), ORIGIN_TEMPLATE);
    } else if (c >= '0' && c <= '7') {
        uint32_t code = 0;
        for (int i = 0; i < 3 && *at < end && x->source[*at] >= '0' && x->source[*at] <= '7'; i++)
            code = code * 8 + (uint32_t)(x->source[(*at)++] - '0');
        jbuffer_add(b, out, utf8_write(code, out), ORIGIN_TEMPLATE);
    } else if (c == '\n') {
        ++*at;
    } else if (c == 'N') {
        jfail_compile(x->run, (uint32_t)*at, "\\N{...} is not supported; write the character or \\u");
    } else {
        jbuffer_add(b, "\\", 1, ORIGIN_TEMPLATE);
    }
}

static void lex_string(struct lexer *x)
{
    size_t begin = x->at;
    char quote = x->source[x->at++];
    struct jbuffer b = jbuffer_new(x->run);
    size_t end = x->at;
    while (end < x->n && x->source[end] != quote)
        end += x->source[end] == '\\' ? 2 : 1;
    if (end >= x->n)
        jfail_compile(x->run, (uint32_t)begin, "a string without an end");
    size_t from = x->at;
    for (size_t at = from; at < end;) {
        if (x->source[at] != '\\') {
            at++;
            continue;
        }
        jbuffer_add(&b, x->source + from, at - from, ORIGIN_TEMPLATE);
        at++;
        unescape(x, &b, &at, end);
        from = at;
    }
    x->at = end + 1;
    if (b.n == 0) {
        add_token(x, JT_STRING, begin, piece(x, from, end));
        return;
    }
    jbuffer_add(&b, x->source + from, end - from, ORIGIN_TEMPLATE);
    add_token(x, JT_STRING, begin, jbuffer_done(&b));
}

/* Digits of a base with single _ between them: where they end. */
static size_t digits_end(const struct lexer *x, size_t at, int base)
{
    for (; at < x->n; at++) {
        int digit = hex_digit(x->source[at]);
        int underscore = x->source[at] == '_' && at + 1 < x->n && hex_digit(x->source[at + 1]) >= 0 &&
                         hex_digit(x->source[at + 1]) < base;
        if ((digit < 0 || digit >= base) && !underscore)
            break;
    }
    return at;
}

/* A number; from is not behind a point when it may be a float. */
static void lex_number(struct lexer *x)
{
    size_t begin = x->at, at = digits_end(x, begin, 10), next;
    enum jtoken_kind kind = JT_INTEGER;
    char second = begin + 1 < x->n ? (char)(x->source[begin + 1] | 32) : 0;
    int base = second == 'x' ? 16 : second == 'o' ? 8 : second == 'b' ? 2 : 10;
    if (x->source[begin] == '0' && base != 10 && digits_end(x, begin + 2, base) > begin + 2) {
        x->at = digits_end(x, begin + 2, base);
        add_token(x, JT_INTEGER, begin, piece(x, begin, x->at));
        return;
    }
    if (begin == 0 || x->source[begin - 1] != '.') {
        if (at + 1 < x->n && x->source[at] == '.' && is_digit(x->source[at + 1])) {
            at = digits_end(x, at + 1, 10);
            kind = JT_FLOAT;
        }
        next = at + 1;
        if (at < x->n && (x->source[at] | 32) == 'e') {
            next += next < x->n && (x->source[next] == '+' || x->source[next] == '-');
            if (next < x->n && is_digit(x->source[next])) {
                at = digits_end(x, next, 10);
                kind = JT_FLOAT;
            }
        }
    }
    if (kind == JT_INTEGER && x->source[begin] == '0')
        for (at = begin; at < x->n && x->source[at] == '0';)
            at++;
    x->at = at;
    add_token(x, kind, begin, piece(x, begin, at));
}

static void lex_operator(struct lexer *x, char *open, size_t *n_open)
{
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    size_t begin = x->at, n = 1;
    char c = x->source[begin];
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (at_text(x, begin, two[i]))
            n = 2;
    if (n == 1 && (c == 0 || !strchr("+-/*%~[](){}><=.:|,;", c)))
        jfail_compile(x->run, (uint32_t)begin,
                      (uint8_t)c >= 32 && (uint8_t)c < 127 ? "unexpected character '%c'"
                                                           : "unexpected character 0x%02x",
                      (uint8_t)c);
    if (c == '(' || c == '[' || c == '{') {
        if (*n_open == JTREE_MOST)
            jfail_compile(x->run, (uint32_t)begin, "brackets are nested more than %d deep", JTREE_MOST);
        open[(*n_open)++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (*n_open == 0 || open[*n_open - 1] != c)
            jfail_compile(x->run, (uint32_t)begin, "unexpected '%c'", c);
        --*n_open;
    }
    x->at += n;
    add_token(x, JT_OPERATOR, begin, piece(x, begin, x->at));
}

/* Up to the end of the tag: "}}" or "%}" outside of brackets. */
static void lex_tag(struct lexer *x, size_t begin, int is_print)
{
    char open[JTREE_MOST];
    size_t n_open = 0;
    const char *end = is_print ? "}}" : "%}";
    for (;;) {
        x->at = space_end(x, x->at);
        if (x->at >= x->n)
            jfail_compile(x->run, (uint32_t)begin, "this tag has no end (%s)", end);
        char c = x->source[x->at], sign = c == '-' || (c == '+' && !is_print) ? c : 0;
        if (n_open == 0 && at_text(x, x->at + (sign != 0), end)) {
            add_token(x, is_print ? JT_PRINT_END : JT_BLOCK_END, x->at, NULL);
            x->at += 2 + (sign != 0);
            after_tag(x, sign, !is_print);
            return;
        }
        if (c == '"' || c == '\'') {
            lex_string(x);
        } else if (is_digit(c)) {
            lex_number(x);
        } else if (is_letter(c)) {
            size_t from = x->at;
            while (x->at < x->n && (is_letter(x->source[x->at]) || is_digit(x->source[x->at])))
                x->at++;
            add_token(x, JT_NAME, from, piece(x, from, x->at));
        } else {
            lex_operator(x, open, &n_open);
        }
    }
}

/* ---- comments and raw blocks ---- */

static char sign_at(const struct lexer *x, size_t at)
{
    return at < x->n && (x->source[at] == '-' || x->source[at] == '+') ? x->source[at] : 0;
}

static void lex_comment(struct lexer *x, size_t begin)
{
    const char *end = jfind(x->run, x->source + x->at, x->n - x->at, "#}", 2);
    if (!end)
        jfail_compile(x->run, (uint32_t)begin, "this comment has no end (#})");
    size_t at = (size_t)(end - x->source);
    char sign = at > x->at ? sign_at(x, at - 1) : 0;
    x->at = at + 2;
    after_tag(x, sign, 1);
}

/* "{%", sign, name, and what closes the tag: the offset behind "%}", or 0. */
static size_t plain_tag(const struct lexer *x, size_t at, const char *name, char *first, char *last)
{
    *first = sign_at(x, at + 2);
    at = space_end(x, at + 2 + (*first != 0));
    if (!at_text(x, at, name))
        return 0;
    at = space_end(x, at + strlen(name));
    *last = sign_at(x, at);
    at += *last != 0;
    return at_text(x, at, "%}") ? at + 2 : 0;
}

/* Behind the tag raw: text up to endraw. */
static void lex_raw(struct lexer *x, size_t begin, char sign)
{
    char first, last;
    after_tag(x, sign, 0);
    for (size_t at = x->at; at + 1 < x->n; at++) {
        size_t end = x->source[at] == '{' && x->source[at + 1] == '%' ? plain_tag(x, at, "endraw", &first, &last) : 0;
        if (!end)
            continue;
        add_text(x, x->at, at, first, 0);
        x->at = end;
        after_tag(x, last, 1);
        return;
    }
    jfail_compile(x->run, (uint32_t)begin, "raw without endraw");
}

/* The next tag from x->at on. */
static size_t next_tag(const struct lexer *x)
{
    size_t at = x->at;
    while (at + 1 < x->n && !(x->source[at] == '{' &&
                              (x->source[at + 1] == '{' || x->source[at + 1] == '%' || x->source[at + 1] == '#')))
        at++;
    return at + 1 < x->n ? at : x->n;
}

static void lex_text(struct lexer *x)
{
    size_t from = x->at, tag = next_tag(x);
    if (tag == x->n) {
        if (tag > from)
            add_token(x, JT_DATA, from, piece(x, from, tag));
        x->at = tag;
        return;
    }
    char kind = x->source[tag + 1], first, last = 0;
    size_t raw_end = kind == '%' ? plain_tag(x, tag, "raw", &first, &last) : 0;
    char sign = sign_at(x, tag + 2);
    add_text(x, from, tag, sign, kind == '{');
    x->at = tag + 2 + (sign != 0);
    if (raw_end) {
        x->at = raw_end;
        lex_raw(x, tag, last);
    } else if (kind == '#') {
        lex_comment(x, tag);
    } else {
        add_token(x, kind == '{' ? JT_PRINT_BEGIN : JT_BLOCK_BEGIN, tag, NULL);
        lex_tag(x, tag, kind == '{');
    }
}

struct jtoken *jlex(struct jrun *r, const char *source, size_t n, size_t *n_token)
{
    struct lexer x = {.run = r, .source = source, .n = n, .line_begins = 1};
    while (x.at < n)
        lex_text(&x);
    add_token(&x, JT_END, n, NULL);
    *n_token = x.n_token;
    return x.token;
}
