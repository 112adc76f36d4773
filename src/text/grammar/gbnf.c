/* GBNF: recursive descent over the text, straight into expressions. constraints.md 4.
 *
 *     grammar  := (name "::=" choice newline)*          item := literal | class | "." | "(" choice ")" | name | "<" token ">"
 *     choice   := sequence ("|" sequence)*              repeat := "*" | "+" | "?" | "{" m ("," n?)? "}"
 *     sequence := (item repeat*)*
 *
 * A newline ends a rule except inside brackets, behind "::=" and behind "|". */
#include "text/grammar/gbnf.h"

#include "base/hash.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "text/grammar/compile.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 256, MOST_TIMES = 100000, NAME = 128 };

struct name {
    char text[NAME + 1];
    int32_t rule;
    size_t first_use; /* where, for messages; of a definition: SIZE_MAX */
};

struct gbnf {
    struct compile *compile;
    struct grammar_maker *m;
    const struct tokenizer *t;
    const char *text;
    size_t n, at;
    int depth;
    struct name *name;
    size_t n_name, capacity;
    uint32_t *slot; /* hash table of names: index + 1; at most half full */
    size_t n_slot;
};

/* A list of expressions that grows; the maker's error stops everything. */
struct list {
    grammar_expr *e;
    size_t n, capacity;
};

static void name_location(const struct gbnf *g, size_t at, char *out, size_t capacity)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < g->n; i++) {
        int newline = g->text[i] == '\n';
        line += (size_t)newline;
        column = newline ? 1 : column + (size_t)utf8_begins(g->text[i]);
    }
    snprintf(out, capacity, "grammar, line %zu, column %zu", line, column);
}

static void write_location(const void *of, char *out, size_t capacity)
{
    const struct gbnf *g = of;
    name_location(g, g->at, out, capacity);
}

static grammar_expr fail_at(struct gbnf *g, size_t at, const char *what)
{
    char location[80];
    name_location(g, at, location, sizeof location);
    return grammar_fail(g->m, "%s: %s", location, what);
}

static grammar_expr fail(struct gbnf *g, const char *what) { return fail_at(g, g->at, what); }
static int failed(const struct gbnf *g) { return grammar_problem(g->m) != NULL; }

static void append(struct gbnf *g, struct list *l, grammar_expr e)
{
    if (l->n == l->capacity) {
        size_t capacity = l->capacity * 2 + 8;
        grammar_expr *grown = compile_grow(g->compile, l->e, capacity, sizeof *grown);
        if (!grown) {
            grammar_ended(g->m);
            return;
        }
        l->e = grown;
        l->capacity = capacity;
    }
    l->e[l->n++] = e;
}

static int peek(const struct gbnf *g) { return g->at < g->n ? (unsigned char)g->text[g->at] : -1; }

static int looking_at(const struct gbnf *g, const char *what)
{
    size_t n = strlen(what);
    return g->n - g->at >= n && memcmp(g->text + g->at, what, n) == 0;
}

/* White space and comments; newlines too if they mean nothing here. */
static void skip(struct gbnf *g, int newlines)
{
    for (int c; (c = peek(g)) >= 0; g->at++) {
        if (c == '#')
            while (g->at + 1 < g->n && g->text[g->at + 1] != '\n')
                g->at++;
        else if (c != ' ' && c != '\t' && (!newlines || (c != '\n' && c != '\r')))
            return;
    }
}

static int is_name(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* ---- names -------------------------------------------------------------------------------------------------------------------- */

static uint32_t *slot_of(struct gbnf *g, const char *text, size_t n)
{
    size_t at = (size_t)hash64(text, n, 0) & (g->n_slot - 1);
    for (; g->slot[at]; at = (at + 1) & (g->n_slot - 1)) {
        const struct name *name = &g->name[g->slot[at] - 1];
        if (strlen(name->text) == n && memcmp(name->text, text, n) == 0)
            break;
    }
    return &g->slot[at];
}

static int grow_names(struct gbnf *g)
{
    size_t capacity = g->capacity * 2 + 64;
    struct name *grown = compile_grow(g->compile, g->name, capacity, sizeof *grown);
    g->name = grown ? grown : g->name;
    uint32_t *slot = grown ? compile_zeroed(g->compile, 2 * capacity, sizeof *slot) : NULL;
    if (!slot)
        return grammar_ended(g->m), -1;
    compile_free(g->compile, g->slot);
    g->slot = slot;
    g->n_slot = 1;
    while (g->n_slot * 2 <= 2 * capacity)
        g->n_slot *= 2;
    g->capacity = g->n_slot / 2;
    for (size_t i = 0; i < g->n_name; i++)
        *slot_of(g, g->name[i].text, strlen(g->name[i].text)) = (uint32_t)i + 1;
    return 0;
}

static struct name *find_name(struct gbnf *g, const char *text, size_t n)
{
    if (g->n_name == g->capacity && grow_names(g))
        return NULL;
    uint32_t *slot = slot_of(g, text, n);
    if (*slot)
        return &g->name[*slot - 1];
    struct name *name = &g->name[g->n_name++];
    *slot = (uint32_t)g->n_name;
    memcpy(name->text, text, n);
    name->text[n] = 0;
    name->rule = grammar_rule(g->m, name->text);
    name->first_use = g->at;
    return name;
}

static struct name *read_name(struct gbnf *g)
{
    size_t from = g->at;
    while (is_name(peek(g)))
        g->at++;
    if (g->at == from || g->at - from > NAME) {
        fail_at(g, from, g->at == from ? "expected a rule name" : "a rule name is longer than 128 letters");
        return NULL;
    }
    return find_name(g, g->text + from, g->at - from);
}

/* ---- characters ----------------------------------------------------------------------------------------------------------------- */

static int hex_digits(struct gbnf *g, size_t n, uint32_t *out)
{
    size_t got = hex_read(g->text + g->at, g->n - g->at, n, out);
    g->at += got;
    if (got < n)
        return fail(g, "an escape needs more hexadecimal digits: \\xXX, \\uXXXX or \\UXXXXXXXX"), -1;
    return 0;
}

/* One character of a literal or a class, escapes undone. */
static int read_char(struct gbnf *g, uint32_t *c)
{
    size_t length;
    if (peek(g) != '\\') {
        if (utf8_read(g->text + g->at, g->n - g->at, &length, c) != UTF8_WHOLE)
            return fail(g, "not valid UTF-8"), -1;
        g->at += length;
        return 0;
    }
    size_t from = g->at++;
    int e = peek(g);
    static const char plain[] = "nrt\\\"[]", meant[] = "\n\r\t\\\"[]";
    const char *found = e > 0 ? strchr(plain, e) : NULL;
    g->at++;
    if (found)
        return *c = (unsigned char)meant[found - plain], 0;
    if (e == 'x' || e == 'u' || e == 'U') {
        if (hex_digits(g, e == 'x' ? 2 : e == 'u' ? 4 : 8, c))
            return -1;
        if (*c > 0x10FFFF || (*c >= 0xD800 && *c <= 0xDFFF))
            return fail_at(g, from, "an escape of something that is no character"), -1;
        return 0;
    }
    return fail_at(g, from, "unknown escape: \\n \\r \\t \\\\ \\\" \\[ \\] \\xXX \\uXXXX \\UXXXXXXXX are known"), -1;
}

static grammar_expr one_char(struct gbnf *g, uint32_t c)
{
    char text[4];
    return grammar_text(g->m, text, utf8_write(c, text));
}

static grammar_expr literal(struct gbnf *g)
{
    size_t from = g->at++;
    struct list part = {0};
    for (;;) {
        uint32_t c;
        if (peek(g) < 0) {
            fail_at(g, from, "unexpected end of input: a literal is not closed");
            break;
        }
        if (peek(g) == '"') {
            g->at++;
            break;
        }
        if (read_char(g, &c))
            break;
        append(g, &part, one_char(g, c));
    }
    grammar_expr e = grammar_sequence(g->m, part.e, part.n);
    compile_free(g->compile, part.e);
    return e;
}

/* NUL is in no class that does not name it: it ends a text in the common engine, and nobody means it. */
static const struct grammar_range nul = {0, 0};

static grammar_expr class(struct gbnf *g)
{
    size_t from = g->at++, n = 0, capacity = 0;
    struct grammar_range *range = NULL;
    int negated = peek(g) == '^';
    g->at += (size_t)negated;
    while (!failed(g)) {
        if (peek(g) < 0) {
            fail_at(g, from, "unexpected end of input: a class is not closed");
            break;
        }
        if (peek(g) == ']') {
            g->at++;
            break;
        }
        struct grammar_range r;
        size_t here = g->at;
        if (read_char(g, &r.first))
            break;
        r.last = r.first;
        if (peek(g) == '-' && g->at + 1 < g->n && g->text[g->at + 1] != ']') {
            g->at++;
            if (read_char(g, &r.last))
                break;
        }
        if (r.first > r.last)
            fail_at(g, here, "a range of a class is reversed");
        if (n + 1 >= capacity) {
            size_t larger = capacity * 2 + 8;
            struct grammar_range *grown = compile_grow(g->compile, range, larger, sizeof *grown);
            if (!grown) {
                grammar_ended(g->m);
                break;
            }
            range = grown;
            capacity = larger;
        }
        range[n++] = r;
    }
    if (negated && n < capacity)
        range[n++] = nul;
    grammar_expr e = failed(g) ? 0 : grammar_class(g->m, n ? range : &nul, n ? n : (size_t)negated, negated);
    compile_free(g->compile, range);
    return e;
}

/* ---- items ---------------------------------------------------------------------------------------------------------------------- */

static grammar_expr token(struct gbnf *g, int other)
{
    size_t from = g->at, end = ++g->at;
    while (end < g->n && g->text[end] != '>' && g->text[end] != '\n')
        end++;
    int32_t id = -1;
    if (end == g->n || g->text[end] != '>')
        return fail_at(g, from, "a token is not closed: <[id]> or <text>");
    if (!g->t)
        return fail_at(g, from, "tokens cannot be named here: there is no vocabulary");
    if (peek(g) == '[' && g->text[end - 1] == ']') {
        int64_t value = 0;
        size_t i = g->at + 1;
        for (; i < end - 1 && g->text[i] >= '0' && g->text[i] <= '9' && value < INT32_MAX; i++)
            value = value * 10 + (g->text[i] - '0');
        if (i == end - 1 && i > g->at + 1 && value < tokenizer_n_vocab(g->t))
            id = (int32_t)value;
    } else { /* the text of a token is often written with its own brackets: <think> */
        id = tokenizer_find(g->t, g->text + from, end + 1 - from);
        if (id < 0)
            id = tokenizer_find(g->t, g->text + g->at, end - g->at);
    }
    if (id < 0)
        return fail_at(g, from, "this is not one token of the vocabulary");
    g->at = end + 1;
    return other ? grammar_other_token(g->m, id) : grammar_token(g->m, id);
}

static grammar_expr choice(struct gbnf *g, int nested);

static grammar_expr group(struct gbnf *g)
{
    size_t from = g->at++;
    if (++g->depth > MOST_DEPTH)
        return fail_at(g, from, "brackets are nested deeper than 256");
    grammar_expr e = choice(g, 1);
    g->depth--;
    if (failed(g))
        return 0;
    if (peek(g) != ')')
        return fail_at(g, from, "unexpected end of input: a bracket is not closed");
    g->at++;
    return e;
}

/* An item, or -1: none begins here. */
static grammar_expr item(struct gbnf *g)
{
    int c = peek(g);
    if (c == '"')
        return literal(g);
    if (c == '[')
        return class(g);
    if (c == '(')
        return group(g);
    if (c == '<')
        return token(g, 0);
    if (looking_at(g, "!<")) {
        g->at++;
        return token(g, 1);
    }
    if (c == '.') {
        g->at++;
        return grammar_class(g->m, &nul, 1, 1);
    }
    if (!is_name(c))
        return -1;
    struct name *name = read_name(g);
    return name ? grammar_call(g->m, name->rule) : 0;
}

static int read_number(struct gbnf *g, int32_t *out)
{
    int64_t value = 0;
    size_t from = g->at;
    for (; peek(g) >= '0' && peek(g) <= '9'; g->at++)
        value = value > MOST_TIMES ? value : value * 10 + (peek(g) - '0');
    if (g->at == from)
        return fail(g, "expected a count"), -1;
    if (value > MOST_TIMES)
        return fail_at(g, from, "a count above 100000"), -1;
    *out = (int32_t)value;
    return 0;
}

static grammar_expr counted(struct gbnf *g, grammar_expr e)
{
    size_t from = g->at++;
    int32_t min, max;
    skip(g, 0);
    if (read_number(g, &min))
        return 0;
    max = min;
    skip(g, 0);
    if (peek(g) == ',') {
        g->at++;
        skip(g, 0);
        max = GRAMMAR_MANY;
        if (peek(g) != '}' && read_number(g, &max))
            return 0;
        skip(g, 0);
    }
    if (peek(g) != '}')
        return fail(g, "a count is not closed: {m}, {m,} or {m,n}");
    g->at++;
    if (max != GRAMMAR_MANY && max < min)
        return fail_at(g, from, "a reversed count: the first number is larger than the second");
    return grammar_repeat(g->m, e, min, max);
}

static grammar_expr repeats(struct gbnf *g, grammar_expr e, int nested)
{
    for (int times = 0; !failed(g); times++) {
        size_t before = g->at;
        skip(g, nested);
        int c = peek(g);
        if (c != '*' && c != '+' && c != '?' && c != '{') {
            g->at = before;
            return e;
        }
        if (times == 16)
            return fail(g, "more than 16 repetitions of one item");
        if (c == '{') {
            e = counted(g, e);
            continue;
        }
        g->at++;
        e = grammar_repeat(g->m, e, c == '+', c == '?' ? 1 : GRAMMAR_MANY);
    }
    return 0;
}

static grammar_expr sequence(struct gbnf *g, int nested)
{
    struct list part = {0};
    while (!failed(g)) {
        skip(g, nested);
        int c = peek(g);
        if (c == '*' || c == '+' || c == '?' || c == '{')
            fail(g, "nothing to repeat here: a repetition stands behind an item");
        grammar_expr e = failed(g) ? 0 : item(g);
        if (e < 0)
            break;
        append(g, &part, repeats(g, e, nested));
    }
    grammar_expr e = failed(g) ? 0 : grammar_sequence(g->m, part.e, part.n);
    compile_free(g->compile, part.e);
    return e;
}

static grammar_expr choice(struct gbnf *g, int nested)
{
    struct list part = {0};
    skip(g, 1);
    append(g, &part, sequence(g, nested));
    while (!failed(g) && peek(g) == '|') {
        g->at++;
        skip(g, 1);
        append(g, &part, sequence(g, nested));
    }
    grammar_expr e = failed(g) ? 0 : grammar_choice(g->m, part.e, part.n);
    compile_free(g->compile, part.e);
    return e;
}

static void definition(struct gbnf *g)
{
    size_t from = g->at;
    struct name *name = read_name(g);
    if (!name)
        return;
    size_t index = (size_t)(name - g->name);
    if (name->first_use == SIZE_MAX)
        fail_at(g, from, "this rule was defined before");
    skip(g, 0);
    if (!looking_at(g, "::="))
        fail(g, "expected ::= behind the name of a rule");
    g->at += 3;
    grammar_expr e = failed(g) ? 0 : choice(g, 0);
    if (failed(g))
        return;
    int c = peek(g);
    if (c >= 0 && c != '\n' && c != '\r')
        fail(g, c == ')' ? "a closing bracket without an opening one" : "this begins nothing that a rule may hold");
    g->name[index].first_use = SIZE_MAX;
    grammar_define(g->m, g->name[index].rule, e);
}

grammar_expr gbnf_parse(struct grammar_maker *m, const char *text, size_t n, const struct tokenizer *t)
{
    struct gbnf g = {.compile = grammar_handle(m), .m = m, .t = t, .text = text, .n = n};
    grammar_expr root = 0;
    struct compile_location outside = g.compile->location;
    g.compile->location = (struct compile_location){write_location, &g};
    if (memchr(text, 0, n) || n > 1 << 20)
        fail_at(&g, 0, n > 1 << 20 ? "longer than 1 MiB" : "a NUL byte");
    for (skip(&g, 1); !failed(&g) && g.at < n; skip(&g, 1))
        definition(&g);
    for (size_t i = 0; !failed(&g) && i < g.n_name; i++)
        if (g.name[i].first_use != SIZE_MAX) {
            char what[NAME + 64] = "undefined rule \"";
            strcat(strcat(what, g.name[i].text), "\"");
            fail_at(&g, g.name[i].first_use, what);
        }
    size_t i = 0;
    while (i < g.n_name && strcmp(g.name[i].text, "root") != 0)
        i++;
    if (!failed(&g) && i == g.n_name)
        fail_at(&g, 0, "no root: the rule \"root\" is where a grammar starts");
    else if (!failed(&g))
        root = grammar_call(m, g.name[i].rule);
    g.compile->location = outside;
    compile_free(g.compile, g.name);
    compile_free(g.compile, g.slot);
    return root;
}
