/* What all files of schemas use: messages with the location in the schema, warnings, marks and words of JSON, targets of references. */
#include "text/schema/inner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { POINTER = 300 };

static void location(const struct schema *s, const struct schema_node *at, char *out, size_t capacity)
{
    const char *prefix = s->how.location ? s->how.location : "";
    int n = snprintf(out, capacity, "schema error at %.150s#", prefix);
    if (at && n > 0 && (size_t)n < capacity)
        node_pointer(at, out + n, capacity - (size_t)n);
}

/* The node at hand, for what the compilation has to say when it ends. */
static void write_location(const void *of, char *out, size_t capacity)
{
    const struct schema *s = of;
    location(s, s->at, out, capacity);
}

void schema_enter(struct schema *s, struct compile_location *outside)
{
    *outside = s->compile->location;
    s->compile->location = (struct compile_location){write_location, s, s->how.location};
}

grammar_expr schema_ended(struct schema *s) { return s->m ? grammar_ended(s->m) : 0; }

grammar_expr schema_name_field(struct schema *s)
{
    grammar_error_field(s->m, s->how.location ? s->how.location : "");
    return 0;
}

grammar_expr schema_fail(struct schema *s, const struct schema_node *at, const char *format, ...)
{
    char where[POINTER], what[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    location(s, at, where, sizeof where);
    if (!s->m)
        return 0;
    grammar_fail(s->m, "%s: %s", where, what);
    return schema_name_field(s);
}

grammar_expr schema_empty(struct schema *s, const struct schema_node *at, const char *format, ...)
{
    if (!s->was_empty) {
        char what[200];
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        location(s, at, s->reason, POINTER < sizeof s->reason ? POINTER : sizeof s->reason);
        size_t n = strlen(s->reason);
        snprintf(s->reason + n, sizeof s->reason - n, ": %s", what);
        s->was_empty = 1;
    }
    return grammar_choice(s->m, NULL, 0);
}

int schema_is_empty(const struct schema *s, grammar_expr e) { return e == grammar_choice(s->m, NULL, 0); }

/* Only nodes of the schema's text are marked, so their numbers tell them apart. */
static uint8_t *mark_of(struct schema *s, const struct schema_node *node)
{
    if (node->id < s->n_mark)
        return &s->mark[node->id];
    uint32_t n = node->id * 2 + 256;
    uint8_t *grown = compile_grow(s->compile, s->mark, n, 1);
    if (!grown)
        return NULL;
    memset(grown + s->n_mark, 0, n - s->n_mark);
    s->mark = grown;
    s->n_mark = n;
    return &grown[node->id];
}

int schema_mark_node(struct schema *s, const struct schema_node *node, enum node_mark mark)
{
    uint8_t *marks = mark_of(s, node);
    int had = !marks || *marks & mark;
    if (marks)
        *marks |= (uint8_t)mark;
    return had;
}

const struct schema_node *schema_member(struct schema *s, const struct schema_node *o, const char *name, size_t n)
{
    schema_work(s, 4 + n / 16 + 2 * (uint64_t)node_probes(o));
    return node_member_n(o, name, n);
}

void schema_warn(struct schema *s, const struct schema_node *at, const char *text)
{
    char where[POINTER];
    uint64_t depth = 0;
    if (schema_mark_node(s, at, MARK_WARNED))
        return;
    for (const struct schema_node *x = at; x; x = x->parent)
        depth++;
    if (schema_work(s, 64 + depth)) /* the pointer is written from its beginning */
        return;
    if (s->n_warning == s->capacity_warning) {
        size_t capacity = s->capacity_warning * 2 + 8;
        const char **grown = compile_grow(s->compile, s->warning, capacity, sizeof *grown);
        if (!grown)
            return;
        s->warning = grown;
        s->capacity_warning = capacity;
    }
    location(s, at, where, sizeof where);
    char *copy = pool_alloc(&s->pool, strlen(where) + strlen(text) + 3, 1);
    if (!copy)
        return;
    sprintf(copy, "%s: %s", where + strlen("schema error "), text);
    s->warning[s->n_warning++] = copy;
}

int schema_refuse(struct schema *s, const struct schema_node *keyword, const char *format, ...)
{
    char what[300];
    va_list args;
    if (!s->how.strict && keyword->id < s->n_mark && s->mark[keyword->id] & MARK_WARNED)
        return 0;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (s->how.strict)
        schema_fail(s, keyword, "%s", what);
    else
        schema_warn(s, keyword, what);
    return s->how.strict;
}

/* A schema of this place that is open further out too. A schema alone that comes back to itself is a rule, so here it came back with
 * others, and each time with other ones. NULL: none. */
static const struct schema_node *comes_back(const struct shape *x)
{
    for (const struct shape *o = x->outside; o; o = o->outside)
        for (uint32_t i = 0; i < x->terms->n && schema_work(x->s, o->terms->n) == 0; i++)
            for (uint32_t k = 0; k < o->terms->n; k++)
                if (x->terms->t[i].node == o->terms->t[k].node)
                    return x->terms->t[i].node;
    return NULL;
}

int schema_nest(struct shape *x)
{
    struct schema *s = x->s;
    x->outside = s->inside;
    if (s->level == SCHEMA_DEPTH) {
        const struct schema_node *again = x->terms->n > 1 ? comes_back(x) : NULL;
        if (again)
            schema_fail(s, again,
                        "this schema contains itself through allOf, each time beside other schemas: more than %d "
                        "such combinations are inside each other",
                        SCHEMA_DEPTH);
        else
            schema_fail(s, x->terms->t[0].node, "nested deeper than %d", SCHEMA_DEPTH);
        return -1;
    }
    s->inside = x;
    s->level++;
    s->brackets++;
    return 0;
}

void schema_leave(struct shape *x)
{
    x->s->inside = x->outside;
    x->s->level--;
}

grammar_expr schema_sequence(struct schema *s, grammar_expr a, grammar_expr b)
{
    return grammar_sequence(s->m, (grammar_expr[]){a, b}, 2);
}

grammar_expr schema_word(struct schema *s, const char *text) { return grammar_text(s->m, text, strlen(text)); }

/* Nothing, a space, or one or two newlines and an indentation of at most 64. */
grammar_expr schema_space(struct schema *s)
{
    if (s->space >= 0)
        return s->space;
    if (s->how.white != SCHEMA_ANY_SPACE || s->how.syntax == SCHEMA_GEMMA)
        return s->space = schema_word(s, "");
    static const struct grammar_range indent[] = {{' ', ' '}, {'\t', '\t'}};
    grammar_expr newline = grammar_choice(s->m, (grammar_expr[]){schema_word(s, "\n"), schema_word(s, "\r\n")}, 2);
    grammar_expr lines = schema_sequence(s, grammar_repeat(s->m, newline, 1, 2),
                                         grammar_repeat(s->m, grammar_class(s->m, indent, 2, 0), 0, 64));
    int32_t rule = grammar_rule(s->m, "white space");
    grammar_define(s->m, rule,
                   grammar_choice(s->m, (grammar_expr[]){schema_word(s, ""), schema_word(s, " "), lines}, 3));
    return s->space = grammar_call(s->m, rule);
}

grammar_expr schema_mark(struct schema *s, const char *mark)
{
    int blank = s->how.white == SCHEMA_SPACED && s->how.syntax != SCHEMA_GEMMA;
    return schema_sequence(s, schema_word(s, mark), blank ? schema_word(s, " ") : schema_space(s));
}

/* The part of the document into which a reference leads: the nearest that has a name of its own, else the whole. */
static const struct schema_node *resource_of(struct schema *s, const struct schema_node *ref)
{
    uint64_t steps = 0;
    const struct schema_node *x = ref->parent, *id = NULL;
    for (; x && x->parent; x = x->parent) {
        id = x->kind == NODE_OBJECT ? node_keyword(x, "$id") : NULL;
        steps += 8;
        if (id && id->kind == NODE_STRING && id->n > 0 && id->text[0] != '#')
            break;
    }
    schema_work(s, steps);
    return x ? x : s->root;
}

const struct schema_node *schema_target(struct schema *s, const struct schema_node *ref)
{
    if (ref->kind != NODE_STRING)
        return schema_fail(s, ref, "$ref is not a string"), NULL;
    if (ref->n == 0 || ref->text[0] != '#')
        return schema_fail(s, ref, "$ref to \"%.100s\": only references into this schema (#/...) are supported",
                           ref->text),
               NULL;
    const struct schema_node *target = node_at(s->compile, resource_of(s, ref), ref->text + 1, ref->n - 1, 1);
    uint64_t steps = 16 + ref->n;
    for (const struct schema_node *x = target; x && x->parent; x = x->parent) /* elements are gone through */
        steps += 4 + (x->parent->kind == NODE_ARRAY ? x->index : 2 * node_probes(x->parent));
    schema_work(s, steps);
    if (!target && !s->compile->end)
        schema_fail(s, ref, "$ref to \"%.100s\", which does not exist", ref->text);
    return target;
}
