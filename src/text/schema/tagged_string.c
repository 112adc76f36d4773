/* Strings between tags: their characters as they are, without quotes and escapes, up to the closing tag: tool_calls.md 8.
 *
 * The tag does not occur in them, nor does what would be read as something else: struct schema_text says what that is. Both are patterns
 * that are barred, beside those of the schema, but where patterns of the schema keep them out anyway. Long lengths are counted in pieces
 * of text that do not make the tag. */
#include "base/utf8.h"
#include "text/schema/inner.h"
#include "text/schema/string.h"

#include <string.h>

/* A length of text that may hold the beginning of a tag is counted in copies of the tag's automaton. */
enum { TAG_STATES = 4000, FEW_TAG_STATES = 1200, PIECE = 4 };

/* Code points of pieces that do not make the tag: all but the first of the tag; that one and what does not go on with the tag; and so
 * on. */
struct pieces {
    struct schema *s;
    uint32_t stop[PIECE];     /* the tag's first code points */
    const char *never, *also; /* ASCII that is in no piece, and that no text begins with; or NULL */
};

static size_t add_text(struct grammar_range *range, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    for (size_t i = 0; i < n; i++)
        range[i] = (struct grammar_range){(unsigned char)text[i], (unsigned char)text[i]};
    return n;
}

/* A code point but these two and those that are in no piece. */
static grammar_expr any_but(const struct pieces *c, uint32_t a, uint32_t b, int is_first)
{
    struct grammar_range range[2 + 4 + 4] = {{a, a}, {b, b}};
    size_t n = 2 + add_text(range + 2, c->never);
    n += add_text(range + n, is_first ? c->also : NULL);
    return grammar_class(c->s->m, range, n, 1);
}

static grammar_expr just(const struct pieces *c, uint32_t code_point)
{
    return grammar_class(c->s->m, &(struct grammar_range){code_point, code_point}, 1, 0);
}

/* A piece of at most so many code points. */
static grammar_expr piece(const struct pieces *c, int longest)
{
    struct grammar_maker *m = c->s->m;
    grammar_expr e[PIECE + 1], begin = grammar_text(m, "", 0);
    size_t n = 0;
    for (int i = 0; i < longest; i++) {
        e[n++] = schema_sequence(c->s, begin, any_but(c, c->stop[0], c->stop[i], i == 0));
        begin = schema_sequence(c->s, begin, just(c, c->stop[i]));
    }
    if (longest > 2) /* the first one twice: << */
        e[n++] = schema_sequence(c->s, schema_sequence(c->s, just(c, c->stop[0]), just(c, c->stop[0])),
                                 any_but(c, c->stop[0], c->stop[1], 0));
    return grammar_choice(m, e, n);
}

/* So many pieces that their code points are within the bounds, whatever lengths they have. -1: there is no such number. */
static grammar_expr counted(const struct shape *x, const struct pieces *c, int longest)
{
    struct grammar_maker *m = x->s->m;
    struct pieces behind = *c;
    int64_t min = x->min_length, max = x->max_length < 0 ? -1 : x->max_length / longest;
    if (max >= 0 && (max < min || max == 0))
        return -1;
    behind.also = NULL;
    grammar_expr more = string_repeated(x->s, piece(&behind, longest), min > 0 ? min - 1 : 0, max < 0 ? -1 : max - 1);
    grammar_expr some = schema_sequence(x->s, piece(c, longest), more);
    return min == 0 ? grammar_optional(m, some) : some;
}

/* Long lengths are counted in pieces. Text without the tag's first character has all of them, other text those that it has in any case,
 * however long its pieces are. */
static grammar_expr long_text(const struct shape *x)
{
    const struct schema_text *t = x->s->text;
    struct pieces c = {.s = x->s, .never = t->never_last, .also = t->never_first};
    grammar_expr e[3];
    size_t n = 0, at = 0, length;
    for (int i = 0; i < PIECE; i++, at += length)
        utf8_read(t->stop + at, strlen(t->stop + at), &length, &c.stop[i]);
    for (int longest = 1; longest <= PIECE; longest *= 2) {
        e[n] = counted(x, &c, longest);
        n += e[n] >= 0;
    }
    return grammar_choice(x->s->m, e, n);
}

static int bar(struct shape *x, struct string_patterns *p, const char *pattern)
{
    struct error err = {0};
    size_t at = p->n + p->n_barred;
    if (regex_read(&p->r[at], x->s->compile, pattern, strlen(pattern), &err))
        return x->s->compile->end ? schema_ended(x->s) : grammar_fail(x->s->m, "%s", err.text), -1;
    p->list[at] = &p->r[at];
    p->n_barred++;
    return 0;
}

/* 0: one of the patterns keeps all of these characters out of the text. */
static int may_hold(const struct string_patterns *p, const char *ascii, size_t n)
{
    for (size_t i = 0; i < p->n; i++) {
        int holds = 0;
        for (size_t k = 0; k < n; k++)
            holds |= regex_may_hold(p->list[i], (unsigned char)ascii[k]);
        if (!holds)
            return 0;
    }
    return 1;
}

/* What is to be kept out of a text besides what its patterns keep out: the tag, and the texts that t->barred matches. */
struct kept_out {
    int tag, barred;
};

static struct kept_out keep_out(const struct string_patterns *p, const struct schema_text *t)
{
    const char *first = t->never_first ? t->never_first : "", *last = t->never_last ? t->never_last : "";
    int by_ends = may_hold(p, first, strlen(first)) || may_hold(p, last, strlen(last));
    return (struct kept_out){may_hold(p, t->stop, 1), t->barred && (t->by_text || by_ends)};
}

static int is_long(const struct shape *x, size_t n_stop, int most)
{
    return (x->max_length >= 0 ? x->max_length : x->min_length) > most / (int64_t)n_stop;
}

/* Lengths that are too long to be counted so are left out. -1: the schema is strict. */
static int leave_lengths(struct shape *x, size_t n_stop)
{
    static const char *const keywords[] = {"minLength", "maxLength"};
    if (!is_long(x, n_stop, TAG_STATES))
        return 0;
    for (uint32_t i = 0; i < 2 * x->terms->n; i++) {
        const struct schema_node *keyword = node_keyword(x->terms->t[i / 2].node, keywords[i % 2]);
        if (keyword && schema_refuse(x->s, keyword, "a length above %d cannot be enforced in text between tags",
                                     TAG_STATES / (int)n_stop))
            return -1;
    }
    x->min_length = 0;
    x->max_length = -1;
    return 0;
}

/* Patterns that have too many states are left out, and what they kept out is barred. */
static grammar_expr leave_patterns(struct shape *x, struct string_patterns *p, struct kept_out have)
{
    const struct schema_text *t = x->s->text;
    for (size_t i = 0; i < p->n; i++)
        if (schema_refuse(x->s, p->at[i], "%s needs more than %d states in text between tags", p->at[i]->key,
                          REGEX_STATES))
            return 0;
    if (leave_lengths(x, strlen(t->stop)) || (!have.tag && bar(x, p, t->stop)) ||
        (t->barred && !have.barred && bar(x, p, t->barred)))
        return 0;
    struct string_patterns bars = {.list = p->list + p->n, .n_barred = p->n_barred};
    return string_product(x, &bars, &regex_raw);
}

grammar_expr schema_raw_string(struct shape *x)
{
    struct schema *s = x->s;
    const struct schema_text *t = s->text;
    struct string_patterns p = {0};
    if (string_no_length(x))
        return string_no_length_left(x);
    const struct schema_node *outside = s->at;
    int failed = string_collect(x, &p);
    struct kept_out out = keep_out(&p, t);
    int counts = out.tag && p.n == 0 && !t->by_text && is_long(x, strlen(t->stop), FEW_TAG_STATES);
    grammar_expr e = 0;
    if (!failed && !counts)
        failed = (out.tag && (leave_lengths(x, strlen(t->stop)) || bar(x, &p, t->stop))) ||
                 (out.barred && bar(x, &p, t->barred));
    if (!failed && p.n == 0 && x->min_length <= 0 && x->max_length < 0 && !t->barred) {
        e = grammar_without(s->m, t->stop, strlen(t->stop));
    } else if (!failed && counts) {
        e = string_rule(x, &p, long_text(x), 0);
    } else if (!failed) {
        e = p.n_barred ? string_product(x, &p, &regex_raw) : string_content(x, &p, &regex_raw, -1);
        if (e < 0)
            e = leave_patterns(x, &p, out);
        e = string_rule(x, &p, e, 0);
    }
    s->at = outside;
    string_forget(&p);
    return e;
}
