/* Objects: declared members in their order, each at most once, then others.
 *
 * An automaton with two rows of states, without and with a member before:
 *
 *     none[i] --> member i --> some[i + 1]          some[i] --, member i --> some[i + 1]
 *     none[i] --> none[i + 1], some[i] --> some[i + 1]      if member i is not required
 *
 * Behind the last one other keys may follow, if the schema says so, which differ from all declared names. */
#include "text/schema/inner.h"

#include <stdlib.h>
#include <string.h>

struct member {
    const char *name;
    size_t n;
    int required;
    const struct schema_node *at; /* for messages */
    grammar_expr key, value;
};

struct members {
    struct shape *x;
    struct member *m;
    uint32_t n, capacity;
    struct name_list names;  /* of m, in its order while they are collected */
    int declares, says_more; /* some term has properties; some term allows others */
    struct regex *pattern;   /* of patternProperties */
    const struct schema_node **pattern_node;
    size_t n_pattern;
    uint8_t *says; /* [terms] scratch: something of the key at hand */
};

/* ---- marks ------------------------------------------------------------------------------------------------------------------------- */

static grammar_expr open(const struct members *o)
{
    struct schema *s = o->x->s;
    return o->x->members ? schema_word(s, "") : schema_sequence(s, schema_word(s, "{"), schema_space(s));
}

/* is_empty: there are no members. */
static grammar_expr close(const struct members *o, int is_empty)
{
    struct schema *s = o->x->s;
    if (o->x->members)
        return schema_word(s, "");
    return is_empty ? schema_word(s, "}") : schema_sequence(s, schema_space(s), schema_word(s, "}"));
}

static grammar_expr comma(const struct members *o)
{
    struct schema *s = o->x->s;
    return o->x->members ? schema_word(s, o->x->members->between) : schema_mark(s, ",");
}

static grammar_expr colon(const struct members *o)
{
    return o->x->members ? schema_word(o->x->s, "") : schema_mark(o->x->s, ":");
}

static grammar_expr key_of(const struct members *o, const struct member *m)
{
    struct schema *s = o->x->s;
    return o->x->members ? schema_sequence(s, o->x->members->begin, grammar_text(s->m, m->name, m->n))
                         : schema_key(s, m->name, m->n);
}

/* ---- what is declared --------------------------------------------------------------------------------------------------------------- */

/* Of a name; new ones are added. NULL: the compilation has ended. */
static struct member *member_of(struct members *o, const char *name, size_t n, const struct schema_node *at)
{
    struct schema *s = o->x->s;
    int64_t i = schema_name(s, &o->names, name, n);
    if (i < 0)
        return NULL;
    if (i == o->n && o->n == o->capacity) {
        uint32_t capacity = o->capacity * 2 + 32;
        struct member *grown = compile_grow(s->compile, o->m, capacity, sizeof *grown);
        if (!grown)
            return schema_ended(s), NULL;
        o->m = grown;
        o->capacity = capacity;
    }
    if (i == o->n)
        o->m[o->n++] = (struct member){name, n, 0, at, 0, 0};
    return &o->m[i];
}

static int declare_own(struct members *o, const struct schema_node *properties)
{
    if (properties->kind != NODE_OBJECT)
        return schema_fail(o->x->s, properties, "properties is not an object"), -1;
    for (const struct schema_node *p = properties->child; p; p = p->next)
        if (!member_of(o, p->key, p->n_key, p))
            return -1;
    return 0;
}

/* Properties of a term and of those that it brought, in the order in which its keywords stand. */
static int declare_in_order(struct members *o, uint32_t t, uint8_t *seen)
{
    const struct terms *l = o->x->terms;
    const struct schema_node *node = l->t[t].node;
    const struct schema_node *own = node_keyword(node, "properties"), *ref = node_keyword(node, "$ref");
    const struct schema_node *all = node_keyword(node, "allOf"), *any = node_keyword(node, "anyOf"),
                             *one = node_keyword(node, "oneOf");
    seen[t] = 1;
    for (const struct schema_node *k = node->kind == NODE_OBJECT ? node->child : NULL; k; k = k->next) {
        if (schema_work(o->x->s, 1) || (k == own && declare_own(o, k)))
            return -1;
        int is_ref = k == ref;
        if (!is_ref && k->kind != NODE_ARRAY)
            continue;
        schema_work(o->x->s, 64 + 8 * (uint64_t)l->n);
        for (uint32_t i = t + 1; i < l->n; i++) { /* parts and branches are children of the keyword, a target is not */
            int brought = l->t[i].from == (int32_t)t && !seen[i];
            const struct schema_node *parent = l->t[i].node->parent;
            int here = is_ref ? parent != all && parent != any && parent != one : parent == k;
            if (brought && here && declare_in_order(o, i, seen))
                return -1;
        }
    }
    return 0;
}

static int declare_required(struct members *o, const struct schema_node *required)
{
    if (!required || required->kind == NODE_TRUE) /* draft 3 spelling, of the property itself */
        return 0;
    if (required->kind != NODE_ARRAY)
        return schema_fail(o->x->s, required, "required is not a list of names"), -1;
    for (const struct schema_node *name = required->child; name; name = name->next) {
        struct member *m = name->kind == NODE_STRING ? member_of(o, name->text, name->n, name) : NULL;
        if (o->x->s->compile->end)
            return -1;
        if (!m)
            return schema_fail(o->x->s, name, "required is not a list of names"), -1;
        m->required = 1;
    }
    return 0;
}

static int declare(struct members *o)
{
    const struct terms *l = o->x->terms;
    uint8_t *seen = pool_alloc(&o->x->s->pool, l->n + 1, 1);
    if (!seen)
        return schema_ended(o->x->s), -1;
    memset(seen, 0, l->n);
    for (uint32_t t = 0; t < l->n; t++)
        if (!seen[t] && declare_in_order(o, t, seen))
            return -1;
    for (uint32_t t = 0; t < l->n; t++)
        if (declare_required(o, node_keyword(l->t[t].node, "required")))
            return -1;
    return 0;
}

static int read_more(struct members *o)
{
    const struct terms *l = o->x->terms;
    for (uint32_t t = 0; t < l->n; t++) {
        const struct schema_node *more = node_keyword(l->t[t].node, "additionalProperties");
        if (more && more->kind != NODE_OBJECT && more->kind != NODE_TRUE && more->kind != NODE_FALSE)
            return schema_fail(o->x->s, more, "additionalProperties is not a schema"), -1;
        o->says_more |= more && more->kind != NODE_FALSE;
        o->declares |= node_keyword(l->t[t].node, "properties") != NULL;
    }
    return 0;
}

static int read_patterns(struct members *o)
{
    struct schema *s = o->x->s;
    const struct terms *l = o->x->terms;
    size_t most = 0;
    for (uint32_t t = 0; t < l->n; t++) {
        const struct schema_node *p = node_keyword(l->t[t].node, "patternProperties");
        if (p && p->kind != NODE_OBJECT)
            return schema_fail(s, p, "patternProperties is not an object"), -1;
        most += p ? p->n : 0;
    }
    o->pattern = compile_zeroed(s->compile, most + 1, sizeof *o->pattern);
    o->pattern_node = compile_zeroed(s->compile, most + 1, sizeof *o->pattern_node);
    if (!o->pattern || !o->pattern_node)
        return schema_ended(s), -1;
    for (uint32_t t = 0; t < l->n; t++) {
        const struct schema_node *p = node_keyword(l->t[t].node, "patternProperties");
        for (const struct schema_node *m = p ? p->child : NULL; m; m = m->next) {
            struct error err = {0};
            if (regex_read(&o->pattern[o->n_pattern], s->compile, m->key, m->n_key, &err)) {
                if (s->compile->end)
                    return schema_ended(s), -1;
                if (err.code != ERR_UNSUPPORTED)
                    return schema_fail(s, m, "%s", err.text), -1;
                if (schema_refuse(s, m, "%s", err.text))
                    return -1;
                continue;
            }
            o->pattern_node[o->n_pattern++] = m;
        }
    }
    return 0;
}

/* ---- values ----------------------------------------------------------------------------------------------------------------------- */

/* What a term asks of a key that it does not declare: its schema (NULL none), or *closed. pattern -1: of a key that matches none. */
static const struct schema_node *undeclared(const struct members *o, uint32_t t, const char *name, size_t n,
                                            int64_t pattern, int *closed, struct terms *l)
{
    const struct schema_node *node = o->x->terms->t[t].node, *more = node_keyword(node, "additionalProperties");
    const struct schema_node *own = node_keyword(node, "patternProperties");
    size_t from = name || pattern < 0 ? 0 : (size_t)pattern, to = name ? o->n_pattern : from + (pattern >= 0);
    int matched = 0;
    schema_work(o->x->s, 64 + 4 * (uint64_t)(to - from));
    for (size_t i = from; i < to; i++)
        if (o->pattern_node[i]->parent == own && (!name || regex_holds(&o->pattern[i], name, n))) {
            terms_add(o->x->s, l, o->pattern_node[i], -1);
            matched = 1;
        }
    o->says[t] = matched || more;
    if (matched)
        return NULL;
    *closed |= more && more->kind == NODE_FALSE;
    return more;
}

/* A value behind a name, which is NULL where it is not declared; as JSON without a mark between them. */
static grammar_expr behind_name(const struct members *o, const char *name, size_t n, const struct terms *l)
{
    struct schema *s = o->x->s;
    if (o->x->members)
        return schema_behind_name(s, o->x->members, name, n, l);
    return l->n ? schema_terms(s, l) : schema_free(s, 1);
}

/* The value of a declared member: all that the terms say of its name. */
static grammar_expr value_of(struct members *o, const struct member *m)
{
    struct schema *s = o->x->s;
    struct terms l = {0};
    int closed = 0;
    for (uint32_t t = 0; t < o->x->terms->n && !schema_failed(s); t++) {
        const struct schema_node *node = o->x->terms->t[t].node;
        const struct schema_node *declared = node_keyword(node, "properties"),
                                 *own = schema_member(s, declared, m->name, m->n), *more = NULL;
        schema_work(s, 64 + 4 * (uint64_t)node_probes(node));
        if (own)
            terms_add(s, &l, own, -1);
        int ignored = 0, *out = own ? &ignored : &closed;
        more = undeclared(o, t, m->name, m->n, -1, out, &l);
        o->says[t] |= own != NULL;
        if (more && !own && more->kind == NODE_OBJECT)
            terms_add(s, &l, more, -1);
    }
    if (closed || (!schema_failed(s) && terms_unevaluated(s, o->x->terms, "unevaluatedProperties", o->says)))
        return schema_empty(s, m->at, "another schema of this place does not allow the property \"%.80s\"", m->name);
    return behind_name(o, m->name, m->n, &l);
}

/* ---- other keys --------------------------------------------------------------------------------------------------------------------- */

/* What follows a key that matches one pattern, or none of them (-1): its value. -1: there are none. */
static grammar_expr behind_key(struct members *o, int64_t pattern)
{
    struct schema *s = o->x->s;
    struct terms l = {0};
    int closed = pattern < 0 && !o->says_more && (o->declares || o->n_pattern);
    for (uint32_t t = 0; t < o->x->terms->n && !schema_failed(s); t++) {
        const struct schema_node *more = undeclared(o, t, NULL, 0, pattern, &closed, &l);
        if (more && more->kind == NODE_OBJECT)
            terms_add(s, &l, more, -1);
    }
    if (closed || schema_failed(s) || terms_unevaluated(s, o->x->terms, "unevaluatedProperties", o->says))
        return -1;
    int was_empty = s->was_empty;
    grammar_expr value = behind_name(o, NULL, 0, &l);
    s->was_empty = was_empty;
    return schema_is_empty(s, value) ? -1 : schema_sequence(s, colon(o), value);
}

/* Keys that are not declared, told apart by the patterns, each with what follows it. */
static grammar_expr keys_and_values(struct members *o, const grammar_expr *only, grammar_expr none)
{
    struct schema *s = o->x->s;
    const struct regex **list = compile_alloc(s->compile, o->n_pattern + 1, sizeof *list);
    struct regex_name *name = compile_alloc(s->compile, o->n + 1, sizeof *name);
    grammar_expr e = -1;
    int bare = o->x->members || s->how.syntax == SCHEMA_GEMMA; /* a word, which is not empty */
    if (list && name) {
        for (size_t i = 0; i < o->n_pattern; i++)
            list[i] = &o->pattern[i];
        for (uint32_t i = 0; i < o->n; i++)
            name[i] = (struct regex_name){o->m[i].name, o->m[i].n};
        struct regex_product p = {.pattern = list,
                                  .n_pattern = o->n_pattern,
                                  .only = only,
                                  .none = none,
                                  .min = bare,
                                  .max = -1,
                                  .name = name,
                                  .n_name = o->n};
        struct regex_code_points code_points = schema_key_code_points(s, bare);
        e = regex_product(&p, s->m, &code_points);
    }
    compile_free(s->compile, list);
    compile_free(s->compile, name);
    if (s->compile->end)
        return schema_ended(s);
    if (e < 0)
        return schema_fail(s, o->x->terms->t[0].node, "the names of other properties need more than %d states",
                           REGEX_STATES);
    if (schema_is_empty(s, e))
        return e;
    return o->x->members ? schema_sequence(s, o->x->members->begin, e) : schema_before_key(s, e);
}

/* Members that are not declared. An expression without texts: there are none. */
static grammar_expr others(struct members *o)
{
    struct schema *s = o->x->s;
    const struct schema_members *bare = o->x->members;
    if (bare && !bare->others)
        return grammar_choice(s->m, NULL, 0);
    grammar_expr *only = compile_alloc(s->compile, o->n_pattern + 1, sizeof *only);
    if (!only)
        return schema_ended(s);
    grammar_expr none = behind_key(o, -1), all;
    int some = none >= 0;
    for (size_t i = 0; i < o->n_pattern && !schema_failed(s); i++) {
        only[i] = behind_key(o, (int64_t)i);
        if (only[i] >= 0 && !bare)
            only[i] = schema_behind_key(s, only[i]);
        some |= only[i] >= 0;
    }
    if (schema_failed(s) || !some)
        all = grammar_choice(s->m, NULL, 0);
    else if (o->n || o->n_pattern)
        all = keys_and_values(o, only, none < 0 || bare ? none : schema_behind_key(s, none));
    else if (bare)
        all = grammar_sequence(s->m, (grammar_expr[]){bare->begin, schema_bare_key(s), none}, 3);
    else
        all = schema_sequence(s, schema_any_key(s), none);
    compile_free(s->compile, only);
    if (schema_failed(s) || schema_is_empty(s, all))
        return all;
    int32_t rule = grammar_rule(s->m, "other property");
    grammar_define(s->m, rule, all);
    return grammar_call(s->m, rule);
}

/* ---- the automaton ------------------------------------------------------------------------------------------------------------ */

/* Keys of such a list may repeat each other, and whoever reads the object counts a key once. */
static int check_distinct(struct members *o)
{
    struct schema *s = o->x->s;
    for (uint32_t t = 0; t < o->x->terms->n; t++) {
        const struct schema_node *node = o->x->terms->t[t].node;
        if (shape_count(s, node, "minProperties") > 1 &&
            schema_refuse(s, node_keyword(node, "minProperties"),
                          "minProperties above 1 cannot be enforced where no property is declared: keys may repeat"))
            return -1;
    }
    return 0;
}

/* An object without declared members: a counted list. */
static grammar_expr map(struct members *o, grammar_expr other)
{
    struct schema *s = o->x->s;
    int64_t min = o->x->min_properties > 0 ? o->x->min_properties : 0, max = o->x->max_properties;
    grammar_expr part[2];
    size_t parts = 0;
    if (min > 1 && !schema_is_empty(s, other) && check_distinct(o))
        return 0;
    if (min == 0)
        part[parts++] = close(o, 1);
    if (!schema_is_empty(s, other) && max != 0) {
        grammar_expr more = grammar_repeat(s->m, schema_sequence(s, comma(o), other), (int32_t)(min ? min - 1 : 0),
                                           max < 0 ? GRAMMAR_MANY : (int32_t)max - 1);
        part[parts++] = grammar_sequence(s->m, (grammar_expr[]){other, more, close(o, 0)}, 3);
    }
    return parts ? grammar_choice(s->m, part, parts)
                 : schema_empty(s, o->x->terms->t[0].node,
                                "minProperties %lld asks for properties that are not allowed", (long long)min);
}

/* Numbers of members of an object with declared ones: only what the automaton can see. */
static int check_counts(struct members *o, int has_others, int *need_one, int *most_one)
{
    struct shape *x = o->x;
    struct schema *s = x->s;
    int64_t required = 0;
    for (uint32_t i = 0; i < o->n; i++)
        required += o->m[i].required;
    *need_one = x->min_properties == 1 && required == 0;
    *most_one = x->max_properties == 1;
    int low = x->min_properties <= required || *need_one;
    int high = x->max_properties < 0 || *most_one || x->max_properties == 0 ||
               (!has_others && x->max_properties >= o->n);
    if (x->max_properties >= 0 && required > x->max_properties)
        return schema_empty(s, x->terms->t[0].node, "more properties are required than maxProperties allows"), -1;
    for (uint32_t t = 0; t < x->terms->n && (!low || !high); t++) {
        const struct schema_node *k = node_keyword(x->terms->t[t].node, low ? "maxProperties" : "minProperties");
        if (k && schema_refuse(s, k, "%s cannot be enforced together with declared properties", k->key))
            return -1;
    }
    return 0;
}

struct steps {
    struct grammar_step *step;
    size_t n;
};

static void add(struct steps *l, uint32_t from, uint32_t to, grammar_expr e)
{
    l->step[l->n++] = (struct grammar_step){from, to, e};
}

static grammar_expr automaton(struct members *o, grammar_expr other)
{
    struct schema *s = o->x->s;
    struct steps l = {compile_zeroed(s->compile, (size_t)o->n * 6 + 8, sizeof *l.step), 0};
    uint32_t n = o->n, none = 2, some = none + n + 1, member = some + n + 1;
    grammar_expr empty = schema_word(s, "");
    int need_one, most_one, has_others = !schema_is_empty(s, other);
    if (!l.step)
        return schema_ended(s);
    if (check_counts(o, has_others, &need_one, &most_one)) {
        compile_free(s->compile, l.step);
        return grammar_choice(s->m, NULL, 0);
    }
    add(&l, 0, none, empty);
    for (uint32_t i = 0; i < n; i++) {
        struct member *m = &o->m[i];
        if (!schema_is_empty(s, m->value) && o->x->max_properties != 0) {
            add(&l, none + i, member + i, empty);
            if (!most_one)
                add(&l, some + i, member + i, comma(o));
            add(&l, member + i, some + i + 1, grammar_sequence(s->m, (grammar_expr[]){m->key, colon(o), m->value}, 3));
        }
        if (!m->required) {
            add(&l, none + i, none + i + 1, empty);
            add(&l, some + i, some + i + 1, empty);
        }
    }
    if (has_others && o->x->max_properties != 0) {
        add(&l, none + n, some + n, other);
        if (!most_one)
            add(&l, some + n, some + n, schema_sequence(s, comma(o), other));
    }
    if (!need_one)
        add(&l, none + n, 1, close(o, 1));
    add(&l, some + n, 1, close(o, 0));
    grammar_expr e = grammar_machine(s->m, member + n, l.step, l.n);
    compile_free(s->compile, l.step);
    return e;
}

static int by_name(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = memcmp(x->name, y->name, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static grammar_expr members(struct members *o)
{
    struct schema *s = o->x->s;
    if (declare(o) || read_more(o) || read_patterns(o))
        return 0;
    for (uint32_t i = 0; i < o->n && !schema_failed(s); i++) {
        struct member *m = &o->m[i];
        int was_empty = s->was_empty;
        m->key = key_of(o, m);
        m->value = value_of(o, m);
        if (!schema_is_empty(s, m->value))
            continue;
        if (m->required)
            return schema_empty(s, m->at, "no value fits the required property \"%.80s\"", m->name);
        s->was_empty = was_empty;
    }
    if (s->how.syntax == SCHEMA_GEMMA && o->n)
        qsort(o->m, o->n, sizeof *o->m, by_name);
    grammar_expr other = schema_failed(s) ? 0 : others(o);
    if (schema_failed(s))
        return 0;
    grammar_expr inside = o->n ? automaton(o, other) : map(o, other);
    if (schema_failed(s) || schema_is_empty(s, inside))
        return inside;
    return schema_sequence(s, open(o), inside);
}

grammar_expr schema_object(struct shape *x)
{
    struct schema *s = x->s;
    if (x->max_properties >= 0 && x->min_properties > x->max_properties)
        return schema_empty(s, x->terms->t[0].node, "minProperties and maxProperties leave no object");
    if (schema_nest(x))
        return 0;
    struct members *o = compile_zeroed(s->compile, 1, sizeof *o);
    uint8_t *says = compile_alloc(s->compile, x->terms->n + 1, 1);
    if (!o || !says) {
        compile_free(s->compile, o);
        compile_free(s->compile, says);
        schema_leave(x);
        return schema_ended(s);
    }
    o->x = x;
    o->says = says;
    grammar_expr e = members(o);
    for (size_t i = 0; i < o->n_pattern; i++)
        regex_free(&o->pattern[i]);
    compile_free(s->compile, o->pattern);
    compile_free(s->compile, o->pattern_node);
    compile_free(s->compile, o->m);
    compile_free(s->compile, o->names.name);
    compile_free(s->compile, o->names.slot);
    compile_free(s->compile, says);
    compile_free(s->compile, o);
    schema_leave(x);
    return e;
}
