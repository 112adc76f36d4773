/* Patterns to trees: recursive descent. What ECMA-262 allows but no grammar can hold, and what only other dialects have (\A, \012, a++,
 * \pL), is ERR_UNSUPPORTED, with the text of the place; what is no pattern is ERR_INPUT. */
#include "base/error.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "text/regex/nfa.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 256, MOST_BYTES = 1 << 16, MOST_TIMES = 1 << 24 };

struct reader {
    struct regex *r;
    const char *text;
    size_t n, at;
    int depth;
    struct error *err;
};

static int fail(struct reader *x, size_t at, enum error_code code, const char *what)
{
    return error_set(x->err, code, "%s at \"%.*s\" (byte %zu)", what, (int)(x->n - at < 12 ? x->n - at : 12),
                     x->text + at, at);
}

static int32_t node(struct reader *x, struct regex_node n)
{
    struct regex *r = x->r;
    if (r->n_node == REGEX_STATES)
        return fail(x, x->at < x->n ? x->at : 0, ERR_INPUT, "the pattern has more than 20000 parts");
    if (r->n_node == r->capacity_node) {
        uint32_t capacity = r->capacity_node * 2 + 64;
        struct regex_node *grown = compile_grow(r->compile, r->node, capacity, sizeof *grown);
        if (!grown)
            return compile_refused(r->compile, x->err);
        r->node = grown;
        r->capacity_node = capacity;
    }
    n.next = -1;
    r->node[r->n_node] = n;
    return (int32_t)r->n_node++;
}

static int peek(const struct reader *x) { return x->at < x->n ? (unsigned char)x->text[x->at] : -1; }

static int looking_at(const struct reader *x, const char *what)
{
    size_t n = strlen(what);
    return x->n - x->at >= n && memcmp(x->text + x->at, what, n) == 0;
}

/* ---- characters ---------------------------------------------------------------------------------------------------------------- */

static int hex(struct reader *x, size_t n, uint32_t *out)
{
    size_t got = hex_read(x->text + x->at, x->n - x->at, n, out);
    x->at += got;
    if (got < n)
        return fail(x, x->at < x->n ? x->at : x->n - 1, ERR_INPUT, "an escape needs more hexadecimal digits");
    return 0;
}

/* \uHHHH (a pair of surrogates is one character) or \u{...}; behind the u. */
static int unicode_escape(struct reader *x, size_t from, uint32_t *c)
{
    if (peek(x) == '{') {
        size_t digits = 0;
        x->at++;
        *c = 0;
        for (uint32_t d; peek(x) != '}'; digits++, *c = *c << 4 | d)
            if (digits == 6 || hex(x, 1, &d))
                return fail(x, from, ERR_INPUT, "a bad escape");
        x->at++;
    } else if (hex(x, 4, c)) {
        return -1;
    }
    uint32_t low;
    if (*c >= 0xD800 && *c <= 0xDBFF && looking_at(x, "\\u")) {
        x->at += 2;
        if (hex(x, 4, &low))
            return -1;
        uint32_t pair = utf8_of_pair(*c, low);
        *c = pair ? pair : *c;
    }
    if (*c > 0x10FFFF || (*c >= 0xD800 && *c <= 0xDFFF))
        return fail(x, from, ERR_INPUT, "an escape of something that is no character");
    return 0;
}

/* Behind a backslash: one character. 1: it is no single character. */
static int escaped_char(struct reader *x, int in_class, uint32_t *c)
{
    size_t from = x->at - 1;
    int e = peek(x);
    static const char plain[] = "tnrfv", meant[] = "\t\n\r\f\v";
    const char *found = e > 0 ? strchr(plain, e) : NULL;
    if (e < 0)
        return fail(x, from, ERR_INPUT, "a backslash at the end");
    if (found) {
        *c = (unsigned char)meant[found - plain];
    } else if (e == '0' && !(x->at + 1 < x->n && x->text[x->at + 1] >= '0' && x->text[x->at + 1] <= '9')) {
        *c = 0;
    } else if (e == 'b' && in_class) {
        *c = 8;
    } else if (e == 'x') {
        x->at++;
        return hex(x, 2, c);
    } else if (e == 'u') {
        x->at++;
        return unicode_escape(x, from, c);
    } else if (e == 'c' && x->at + 1 < x->n &&
               ((x->text[x->at + 1] | 0x20) >= 'a' && (x->text[x->at + 1] | 0x20) <= 'z')) {
        *c = (uint32_t)x->text[++x->at] & 31;
    } else if (e < 0x80 && !(e >= '0' && e <= '9') && !((e | 0x20) >= 'a' && (e | 0x20) <= 'z')) {
        *c = (uint32_t)e; /* punctuation stands for itself */
    } else {
        return 1;
    }
    x->at++;
    return 0;
}

static int plain_char(struct reader *x, uint32_t *c)
{
    size_t length;
    if (utf8_read(x->text + x->at, x->n - x->at, &length, c) != UTF8_WHOLE)
        return fail(x, x->at, ERR_INPUT, "not valid UTF-8");
    x->at += length;
    return 0;
}

/* Behind a backslash: a class. 1: none. */
static int escaped_class(struct reader *x)
{
    size_t from = x->at - 1;
    int e = peek(x), added;
    if (e == 'p' || e == 'P') {
        size_t open = x->at + 1, close = open;
        while (close < x->n && x->text[close] != '}')
            close++;
        if (open >= x->n || x->text[open] != '{' || close == x->n)
            return fail(x, from, ERR_UNSUPPORTED, "a property is written \\p{Name}");
        added = regex_property(x->r, x->text + open + 1, close - open - 1, e == 'P');
        if (added == -2)
            return fail(x, from, ERR_UNSUPPORTED, "an unknown Unicode property");
        x->at = close + 1;
    } else {
        added = e < 0 ? -2 : regex_escape_class(x->r, e);
        if (added == -2)
            return 1;
        x->at++;
    }
    return added ? compile_refused(x->r->compile, x->err) : 0;
}

static int32_t class_node(struct reader *x, uint32_t from)
{
    return node(x, (struct regex_node){.kind = REGEX_CLASS, .child = -1, .range = from, .n = x->r->n_range - from});
}

static int32_t one_class(struct reader *x, const struct grammar_range *range, size_t n, int negated)
{
    uint32_t from = x->r->n_range;
    if (regex_add(x->r, range, n, negated))
        return compile_refused(x->r->compile, x->err);
    return class_node(x, from);
}

/* One end of a range of a class, or a class in it (1). */
static int class_atom(struct reader *x, uint32_t *c)
{
    size_t from = x->at;
    if (peek(x) != '\\')
        return plain_char(x, c);
    x->at++;
    int class = escaped_class(x);
    if (class <= 0)
        return class < 0 ? -1 : 1;
    int one = escaped_char(x, 1, c);
    return one == 1 ? fail(x, from, ERR_UNSUPPORTED, "an unknown escape in a class") : one;
}

static int32_t class(struct reader *x)
{
    size_t open = x->at++;
    uint32_t from = x->r->n_range;
    int negated = peek(x) == '^';
    x->at += (size_t)negated;
    while (peek(x) != ']') {
        struct grammar_range r;
        size_t here = x->at;
        if (peek(x) < 0)
            return fail(x, open, ERR_INPUT, "a class is not closed");
        int whole = class_atom(x, &r.first);
        if (whole < 0)
            return -1;
        r.last = r.first;
        if (peek(x) == '-' && x->at + 1 < x->n && x->text[x->at + 1] != ']' && !whole) {
            x->at++;
            int last = class_atom(x, &r.last);
            if (last)
                return last < 0 ? -1 : fail(x, here, ERR_INPUT, "a range that ends in a class");
            if (r.first > r.last)
                return fail(x, here, ERR_INPUT, "a reversed range");
        }
        if (!whole && regex_add(x->r, &r, 1, 0))
            return compile_refused(x->r->compile, x->err);
    }
    x->at++;
    if (negated) {
        uint32_t n = x->r->n_range - from;
        struct grammar_range *copy = compile_alloc(x->r->compile, n + 1, sizeof *copy);
        int failed = !copy;
        if (copy && n)
            memcpy(copy, x->r->range + from, n * sizeof *copy);
        x->r->n_range = from;
        failed = failed || regex_add(x->r, copy, n, 1);
        compile_free(x->r->compile, copy);
        if (failed)
            return compile_refused(x->r->compile, x->err);
    }
    return class_node(x, from);
}

/* ---- structure ------------------------------------------------------------------------------------------------------------------ */

static int32_t choice(struct reader *x);

static int32_t group(struct reader *x)
{
    size_t open = x->at;
    static const struct {
        const char *text, *why;
    } refused[] = {{"(?=", "look-ahead is not supported"},
                   {"(?!", "look-ahead is not supported"},
                   {"(?<=", "look-behind is not supported"},
                   {"(?<!", "look-behind is not supported"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (looking_at(x, refused[i].text))
            return fail(x, open, ERR_UNSUPPORTED, refused[i].why);
    if (looking_at(x, "(?:")) {
        x->at += 3;
    } else if (looking_at(x, "(?<") || looking_at(x, "(?P<")) {
        while (peek(x) >= 0 && peek(x) != '>')
            x->at++;
        if (peek(x) < 0)
            return fail(x, open, ERR_INPUT, "the name of a group is not closed");
        x->at++;
    } else if (looking_at(x, "(?")) {
        return fail(x, open, ERR_UNSUPPORTED, "flags are not supported");
    } else {
        x->at++;
    }
    if (++x->depth > MOST_DEPTH)
        return fail(x, open, ERR_INPUT, "groups nested deeper than 256");
    int32_t e = choice(x);
    x->depth--;
    if (e >= 0 && peek(x) != ')')
        return fail(x, open, ERR_INPUT, "a group is not closed");
    x->at++;
    return e;
}

static int32_t escape(struct reader *x)
{
    size_t from = x->at++;
    uint32_t ranges = x->r->n_range;
    int e = peek(x), whole = escaped_class(x);
    uint32_t c;
    if (whole < 1)
        return whole < 0 ? -1 : class_node(x, ranges);
    if (e == 'b' || e == 'B')
        return fail(x, from, ERR_UNSUPPORTED, "word borders are not supported");
    if ((e >= '1' && e <= '9') || e == 'k')
        return fail(x, from, ERR_UNSUPPORTED, "back references are not supported");
    int one = escaped_char(x, 0, &c);
    if (one)
        return one == 1 ? fail(x, from, ERR_UNSUPPORTED, "an unknown escape") : -1;
    return one_class(x, &(struct grammar_range){c, c}, 1, 0);
}

/* {m}, {m,}, {m,n} at a brace: 1, else 0 and nothing read. */
static int count(struct reader *x, int32_t *min, int32_t *max)
{
    size_t at = x->at + 1, from = at;
    int64_t value[2] = {0, 0};
    int n = 0;
    for (;; at++) {
        int c = at < x->n ? x->text[at] : -1;
        if (c >= '0' && c <= '9' && n < 2) {
            value[n] = value[n] > MOST_TIMES ? value[n] : value[n] * 10 + (c - '0');
        } else if (c == ',' && n == 0 && at > from) {
            n = 1;
            from = at + 1;
        } else if (c == '}' && (n == 1 || at > from)) {
            break;
        } else {
            return 0;
        }
    }
    *min = (int32_t)(value[0] > MOST_TIMES ? MOST_TIMES : value[0]);
    *max = n == 0 ? *min : at == from ? GRAMMAR_MANY : (int32_t)(value[1] > MOST_TIMES ? MOST_TIMES : value[1]);
    x->at = at + 1;
    return 1;
}

/* One item, or -2: none begins here. */
static int32_t atom(struct reader *x)
{
    static const struct grammar_range line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
    int c = peek(x);
    int32_t min, max;
    uint32_t one;
    size_t from = x->at;
    if (c == '{' && count(x, &min, &max))
        return fail(x, from, ERR_INPUT, "nothing to repeat");
    switch (c) {
    case -1:
    case '|':
    case ')':
        return -2;
    case '(':
        return group(x);
    case '[':
        return class(x);
    case '.':
        x->at++;
        return one_class(x, line_ends, 3, 1);
    case '^':
        x->at++;
        return node(x, (struct regex_node){.kind = REGEX_BEGIN, .child = -1});
    case '$':
        x->at++;
        return node(x, (struct regex_node){.kind = REGEX_END, .child = -1});
    case '*':
    case '+':
    case '?':
        return fail(x, x->at, ERR_INPUT, "nothing to repeat");
    case '\\':
        return escape(x);
    default:
        if (plain_char(x, &one))
            return -1;
        return one_class(x, &(struct grammar_range){one, one}, 1, 0);
    }
}

static int32_t repeated(struct reader *x, int32_t item)
{
    size_t from = x->at;
    int32_t min = 0, max = GRAMMAR_MANY;
    int c = peek(x);
    if (c == '{') {
        if (!count(x, &min, &max))
            return item;
        if (max != GRAMMAR_MANY && max < min)
            return fail(x, from, ERR_INPUT, "a reversed count");
    } else if (c == '*' || c == '+' || c == '?') {
        min = c == '+';
        max = c == '?' ? 1 : GRAMMAR_MANY;
        x->at++;
    } else {
        return item;
    }
    if (peek(x) == '?') /* lazy or greedy is the same set of texts */
        x->at++;
    c = peek(x);
    if (c == '+')
        return fail(x, from, ERR_UNSUPPORTED, "possessive repetitions are not supported");
    if (c == '*' || c == '?')
        return fail(x, x->at, ERR_INPUT, "nothing to repeat");
    return node(x, (struct regex_node){.kind = REGEX_REPEAT, .child = item, .min = min, .max = max});
}

static int32_t sequence(struct reader *x)
{
    int32_t first = -1, last = -1, n = 0;
    for (;;) {
        int32_t item = atom(x);
        if (item == -2)
            break;
        if (item >= 0)
            item = repeated(x, item);
        if (item < 0)
            return -1;
        if (last >= 0)
            x->r->node[last].next = item;
        else
            first = item;
        last = item;
        n++;
    }
    if (n == 1)
        return first;
    return node(x, (struct regex_node){.kind = n ? REGEX_SEQUENCE : REGEX_EMPTY, .child = first});
}

static int32_t choice(struct reader *x)
{
    int32_t first = sequence(x), last = first;
    if (first < 0 || peek(x) != '|')
        return first;
    while (peek(x) == '|') {
        x->at++;
        int32_t next = sequence(x);
        if (next < 0)
            return -1;
        x->r->node[last].next = next;
        last = next;
    }
    return node(x, (struct regex_node){.kind = REGEX_CHOICE, .child = first});
}

/* Where an anchor is in a repetition it would hold in one round only. */
static int check_anchors(struct regex *r, struct error *err)
{
    for (uint32_t i = 0; i < r->n_node; i++) {
        struct regex_node *n = &r->node[i];
        n->anchored = n->kind == REGEX_BEGIN || n->kind == REGEX_END;
        int whole = n->kind == REGEX_SEQUENCE || n->kind == REGEX_CHOICE;
        for (int32_t c = n->child; c >= 0; c = whole ? r->node[c].next : -1)
            n->anchored |= r->node[c].anchored;
        if (n->kind == REGEX_REPEAT && n->anchored && n->max != 1)
            return error_set(err, ERR_UNSUPPORTED, "an anchor (^ or $) in a repetition is not supported");
    }
    return 0;
}

int regex_read(struct regex *r, struct compile *compile, const char *pattern, size_t n, struct error *err)
{
    struct reader x = {.r = r, .text = pattern, .n = n, .err = err};
    *r = (struct regex){.compile = compile, .root = -1};
    if (n > MOST_BYTES)
        return error_set(err, ERR_INPUT, "a pattern of %zu bytes: at most %d", n, MOST_BYTES);
    r->range = compile_alloc(r->compile, 1, sizeof *r->range); /* of empty classes too there is a place */
    if (!r->range)
        return compile_refused(compile, err);
    r->capacity_range = 1;
    r->root = choice(&x);
    if (r->root >= 0 && x.at < n)
        r->root = fail(&x, x.at, ERR_INPUT, "a closing bracket without an opening one");
    if (r->root >= 0 && check_anchors(r, err) == 0)
        return 0;
    regex_free(r);
    return -1;
}

void regex_free(struct regex *r)
{
    compile_free(r->compile, r->node);
    compile_free(r->compile, r->range);
    compile_free(r->compile, r->named);
    r->named = NULL;
    if (r->nfa)
        nfa_free(r->nfa);
    compile_free(r->compile, r->nfa);
    r->nfa = NULL;
    r->node = NULL;
    r->range = NULL;
}
