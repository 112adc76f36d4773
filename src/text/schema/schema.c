/* Schemas to expressions: references, unions, rules and messages. schema.h, inner.h. */
#include "text/schema/inner.h"

#include "base/hash.h"
#include "base/stack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_BYTES = 1 << 20,
    MOST_NODES = 10000,
    POINTER = 300,
    KEYWORDS = 256,     /* steps: all are looked for in each term */
    KEYWORDS_WIDE = 32, /* and for each probe that a lookup takes */
    /* Of the least stack in use (STACK_LEAST), beside what a server's handler has used before. What stays free is for regular expressions
     * and for values that are held against schemas, which count how deep they are. */
    STACK_MOST = 640 << 10,
    STACK_KEPT = 256 << 10
};

/* ---- lists of terms --------------------------------------------------------------------------------------------------------------- */

/* Is a term one of those that brought another one here, or that one itself? */
static int brought(const struct terms *l, int32_t term, int32_t other)
{
    while (other >= 0 && other != term)
        other = l->t[other].from;
    return other == term;
}

static void append(struct schema *s, struct terms *l, struct term t)
{
    if (schema_work(s, 4)) {
        schema_ended(s);
        return;
    }
    if (l->n == l->capacity) {
        uint32_t capacity = l->capacity * 2 + 4;
        struct term *grown = capacity > SCHEMA_TERMS ? NULL : pool_alloc(&s->pool, capacity, sizeof *grown);
        if (!grown) {
            capacity > SCHEMA_TERMS ? schema_fail(s, t.node, "too many schemas in one place") : schema_ended(s);
            return;
        }
        if (l->n)
            memcpy(grown, l->t, l->n * sizeof *grown);
        l->t = grown;
        l->capacity = capacity;
    }
    l->t[l->n++] = t;
}

void terms_add(struct schema *s, struct terms *l, const struct schema_node *node, int32_t from)
{
    schema_work(s, 4 + l->n);
    for (uint32_t i = 0; i < l->n; i++)
        if (l->t[i].node == node) {
            if (from >= 0 && brought(l, (int32_t)i, from))
                schema_fail(s, node,
                            "a $ref cycle without progress: this schema refers to itself before it says anything");
            return;
        }
    append(s, l, (struct term){node, 0, from});
}

const struct schema_node *terms_unevaluated(struct schema *s, const struct terms *l, const char *unevaluated,
                                            uint8_t *says)
{
    schema_work(s, 8 * (uint64_t)l->n);
    for (uint32_t t = l->n; t-- > 0;) { /* who brings a term stands before it */
        const struct schema_node *closes = node_keyword(l->t[t].node, unevaluated);
        if (says[t] && l->t[t].from >= 0)
            says[l->t[t].from] = 1;
        if (!says[t] && closes && closes->kind == NODE_FALSE)
            return l->t[t].node;
    }
    return NULL;
}

/* ---- references ------------------------------------------------------------------------------------------------------------------- */

static int is_schema(struct schema *s, const struct schema_node *x)
{
    if (x->kind == NODE_OBJECT || x->kind == NODE_TRUE || x->kind == NODE_FALSE)
        return 1;
    schema_fail(s, x, "this is not a schema: an object, true or false is");
    return 0;
}

void terms_flatten(struct schema *s, const struct terms *in, struct terms *out)
{
    *out = (struct terms){0};
    for (uint32_t i = 0; i < in->n; i++)
        append(s, out, in->t[i]);
    for (uint32_t i = 0; i < out->n && !schema_failed(s); i++) {
        const struct schema_node *node = out->t[i].node, *ref = node_keyword(node, "$ref"),
                                 *all = node_keyword(node, "allOf");
        uint32_t done = out->t[i].done;
        schema_work(s, 8 + 2 * (uint64_t)node_probes(node));
        out->t[i].done |= TERM_REF | TERM_ALL;
        if (!is_schema(s, node))
            return;
        if (ref && !(done & TERM_REF)) {
            const struct schema_node *target = schema_target(s, ref);
            if (target)
                terms_add(s, out, target, (int32_t)i);
        }
        if (!all || done & TERM_ALL)
            continue;
        if (all->kind != NODE_ARRAY || all->n == 0)
            schema_fail(s, all, "allOf is not a list of schemas");
        for (const struct schema_node *part = all->child; part; part = part->next)
            terms_add(s, out, part, (int32_t)i);
    }
}

/* ---- unions ----------------------------------------------------------------------------------------------------------------------- */

/* Can no value fit both? Only what is plain to see counts. */
static int apart(struct schema *s, const struct schema_node *x, const struct schema_node *y)
{
    if (!(shape_types(s, x) & shape_types(s, y)) || schema_values_apart(s, x, y))
        return 1;
    const struct schema_node *names = node_keyword(x, "required");
    const struct schema_node *of_x = node_keyword(x, "properties"), *of_y = node_keyword(y, "properties");
    schema_work(s, 32 + 4 * (uint64_t)(node_probes(x) + node_probes(y)));
    for (const struct schema_node *name = names && names->kind == NODE_ARRAY ? names->child : NULL;
         name && !schema_failed(s); name = name->next) {
        const struct schema_node *v, *w;
        if (name->kind == NODE_STRING && (v = schema_member(s, of_x, name->text, name->n)) &&
            (w = schema_member(s, of_y, name->text, name->n)) && schema_values_apart(s, v, w))
            return 1;
    }
    return 0;
}

static void check_one_of(struct schema *s, const struct schema_node *group)
{
    if (schema_mark_node(s, group, MARK_ONE_OF))
        return;
    for (const struct schema_node *x = group->child; x && group->n <= 100; x = x->next)
        for (const struct schema_node *y = x->next; y && !schema_failed(s); y = y->next)
            if (!apart(s, x, y)) {
                schema_warn(s, group, "oneOf is treated as anyOf: a value may fit more than one branch");
                return;
            }
}

static grammar_expr flat_terms(struct schema *s, struct terms *l);

/* One branch of a union joins the terms. */
static grammar_expr union_of(struct schema *s, const struct terms *l, uint32_t owner, const struct schema_node *group,
                             uint32_t flag)
{
    if (group->kind != NODE_ARRAY || group->n == 0)
        return schema_fail(s, group, "%s is not a list of schemas", flag == TERM_ANY ? "anyOf" : "oneOf");
    if (flag == TERM_ONE)
        check_one_of(s, group);
    grammar_expr *branch = compile_alloc(s->compile, group->n, sizeof *branch);
    uint32_t n = 0;
    int was_empty = s->was_empty;
    if (!branch)
        return schema_ended(s);
    for (const struct schema_node *b = group->child; b && !schema_failed(s); b = b->next) {
        struct terms with = {0}, flat;
        for (uint32_t i = 0; i < l->n; i++)
            append(s, &with, l->t[i]);
        if (!schema_failed(s))
            with.t[owner].done |= flag;
        terms_add(s, &with, b, (int32_t)owner);
        terms_flatten(s, &with, &flat);
        grammar_expr e = schema_failed(s) ? 0 : flat_terms(s, &flat);
        if (!schema_is_empty(s, e))
            branch[n++] = e;
    }
    if (n)
        s->was_empty = was_empty;
    grammar_expr e = grammar_choice(s->m, branch, n);
    compile_free(s->compile, branch);
    return e;
}

static grammar_expr flat_terms(struct schema *s, struct terms *l)
{
    int32_t most = s->how.most_nodes ? s->how.most_nodes : MOST_NODES;
    for (uint32_t i = 0; i < l->n; i++)
        schema_work(s, KEYWORDS + KEYWORDS_WIDE * node_probes(l->t[i].node));
    if (stack_is_beyond(s->stack_limit)) /* unions reach unions through $ref, as many as there are parts */
        return schema_fail(s, l->t[0].node, "schemas are inside schemas too deeply: %d KiB of stack do not hold them",
                           STACK_MOST >> 10);
    if (++s->nodes > most)
        return schema_fail(s, l->t[0].node, "the schema has more than %d parts when it is compiled", (int)most);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct schema_node *any = node_keyword(l->t[i].node, "anyOf"), *one = node_keyword(l->t[i].node, "oneOf");
        if (any && !(l->t[i].done & TERM_ANY))
            return union_of(s, l, i, any, TERM_ANY);
        if (one && !(l->t[i].done & TERM_ONE))
            return union_of(s, l, i, one, TERM_ONE);
    }
    struct shape *x = pool_alloc(&s->pool, 1, sizeof *x);
    if (!x)
        return schema_ended(s);
    if (shape_make(x, s, l))
        return grammar_choice(s->m, NULL, 0);
    return shape_value(x);
}

/* ---- each list of terms once -------------------------------------------------------------------------------------------------------- */

/* member: of a value that stands behind a name, with what belongs to the name; else n is 0. */
static struct memo *find_memo(struct schema *s, const struct terms *l, int member, const char *name, size_t n)
{
    uint64_t hash = (name ? hash64(name, n, 0) : 0) ^ l->n * 2 ^ (uint64_t)member;
    for (uint32_t i = 0; i < l->n; i++)
        hash = (hash ^ l->t[i].node->id * 16 ^ l->t[i].done) * UINT64_C(0x9e3779b97f4a7c15) >> 3;
    struct memo **bucket = &s->memo[hash % 1024], *m = *bucket;
    schema_work(s, 8 + l->n + n / 8);
    for (; m; m = m->next) {
        schema_work(s, 2);
        int same = m->hash == hash && m->key.n == l->n && m->is_member == member && !m->name == !name && m->n_name == n;
        same = same && (n == 0 || memcmp(m->name, name, n) == 0);
        for (uint32_t i = 0; i < l->n && same; i++)
            same = m->key.t[i].node == l->t[i].node && m->key.t[i].done == l->t[i].done;
        if (same)
            return m;
    }
    m = pool_alloc(&s->pool, 1, sizeof *m);
    if (!m)
        return schema_ended(s), NULL;
    *m = (struct memo){*bucket, hash, *l, name, n, member, -2, -1};
    return *bucket = m;
}

static void name_rule(struct schema *s, struct memo *m)
{
    char name[200];
    name[0] = '#';
    node_pointer(m->key.t[0].node, name + 1, sizeof name - 1);
    m->rule = grammar_rule(s->m, name);
}

/* A term that only refers is what it refers to. */
static const struct schema_node *referred(struct schema *s, const struct terms *l)
{
    const struct schema_node *node = l->n == 1 && !l->t[0].done ? l->t[0].node : NULL, *found = NULL;
    for (int hops = 0; node && node->kind == NODE_OBJECT && node->n == 1 && node_keyword(node, "$ref"); hops++) {
        if (hops == SCHEMA_DEPTH)
            return schema_fail(s, node, "a $ref cycle without progress"), NULL;
        found = node = schema_target(s, node_keyword(node, "$ref"));
    }
    return found;
}

grammar_expr schema_terms(struct schema *s, const struct terms *l)
{
    struct terms target = {0}, flat;
    const struct schema_node *ref = referred(s, l);
    if (ref) {
        terms_add(s, &target, ref, -1);
        l = &target;
    }
    struct memo *m = schema_failed(s) ? NULL : find_memo(s, l, 0, NULL, 0);
    if (!m || schema_failed(s))
        return 0;
    if (m->e == -1) { /* it is inside itself */
        if (!s->recursive)
            s->recursive = l->t[0].node;
        if (m->rule < 0)
            name_rule(s, m);
        return grammar_call(s->m, m->rule);
    }
    if (m->e >= 0)
        return m->e;
    uint32_t brackets = s->brackets;
    m->e = -1;
    const struct schema_node *outside = s->at;
    s->at = l->t[0].node;
    terms_flatten(s, l, &flat);
    grammar_expr e = schema_failed(s) ? 0 : flat_terms(s, &flat);
    s->at = outside;
    if (ref && m->rule < 0 && brackets != s->brackets)
        name_rule(s, m);
    if (m->rule >= 0) {
        grammar_define(s->m, m->rule, e);
        e = schema_is_empty(s, e) ? e : grammar_call(s->m, m->rule);
    }
    return m->e = e;
}

grammar_expr schema_behind_name(struct schema *s, const struct schema_members *how, const char *name, size_t n,
                                const struct terms *l)
{
    struct memo *m = schema_failed(s) ? NULL : find_memo(s, l, 1, name, n);
    if (!m || schema_failed(s))
        return 0;
    if (m->e < 0)
        m->e = how->behind(how->arg, name, n, l->n ? l : NULL);
    return m->e;
}

/* ---- the whole -------------------------------------------------------------------------------------------------------------------- */

static void forget_expressions(struct schema *s)
{
    s->space = s->string = s->code_point = s->integer = s->number = s->quote = -1;
    for (int i = 0; i <= SCHEMA_FREE_DEPTH; i++)
        s->free_value[i] = -1;
}

int schema_open(struct schema **out, struct grammar_maker *m, const char *text, size_t n,
                const struct schema_options *how, struct error *err)
{
    struct compile *compile = how->compile ? how->compile : m ? grammar_handle(m) : NULL;
    struct schema *s = compile_zeroed(compile, 1, sizeof *s);
    size_t most = how->most_bytes ? how->most_bytes : MOST_BYTES;
    if (!s)
        return compile ? compile_refused(compile, err) : error_set(err, ERR_MEMORY, "no memory for a schema");
    s->m = m;
    s->how = *how;
    s->compile = s->pool.compile = compile ? compile : &s->own;
    s->stack_limit = stack_limit(STACK_MOST, STACK_KEPT);
    forget_expressions(s);
    static const char object[] = "{\"type\": \"object\"}";
    const char *where = how->location ? how->location : "";
    struct error why = {0};
    struct compile_location outside;
    int failed = n > most;
    if (how->object && schema_read(&s->object, &s->pool, object, sizeof object - 1, err) != 0) {
        schema_close(s);
        return -1;
    }
    schema_enter(s, &outside);
    if (failed)
        error_set(err, ERR_INPUT, "schema error at %s#: it has %zu bytes: at most %zu", where, n, most);
    else if ((failed = schema_read(&s->root, &s->pool, text, n, &why)) != 0 && s->compile->end)
        compile_refused(s->compile, err);
    else if (failed)
        error_set(err, why.code, "schema error at %s#: %s", where, why.text);
    else if ((failed = s->root->kind != NODE_OBJECT && s->root->kind != NODE_TRUE && s->root->kind != NODE_FALSE) != 0)
        error_set(err, ERR_INPUT, "schema error at %s#: this is not a schema: an object, true or false is", where);
    s->compile->location = outside;
    if (failed) {
        schema_close(s);
        return error_field(err, "%s", where);
    }
    *out = s;
    return 0;
}

void schema_close(struct schema *s)
{
    if (!s)
        return;
    schema_forget_patterns(s);
    pool_free(&s->pool);
    compile_free(s->compile, s->warning);
    compile_free(s->compile, s->mark);
    compile_free(s->compile == &s->own ? NULL : s->compile, s);
}

/* The terms of a node. 1: an object is demanded besides. */
static int begin_value(struct schema *s, struct terms *l, const struct schema_node *node)
{
    int arguments = s->object && node == s->root;
    *l = (struct terms){0};
    terms_add(s, l, node, -1);
    if (arguments && (!node_is_text(node_keyword(node, "type"), "object") || node_keyword(node, "nullable")))
        terms_add(s, l, s->object, -1);
    s->was_empty = 0;
    s->recursive = NULL;
    return arguments;
}

/* An error where the value has no text. */
static grammar_expr end_value(struct schema *s, const struct schema_node *node, int arguments, grammar_expr e)
{
    if (schema_failed(s))
        return s->compile->end ? schema_ended(s) : 0;
    if (schema_is_empty(s, e) && s->was_empty) {
        grammar_fail(s->m, "%s%s", s->reason, arguments ? "; the arguments of a call are an object" : "");
        return schema_name_field(s);
    }
    if (schema_is_empty(s, e) || (s->recursive && !grammar_has_text(s->m, e)))
        return schema_fail(s, s->recursive ? s->recursive : node, "no finite value fits this schema");
    return e;
}

grammar_expr schema_value(struct schema *s, const char *pointer)
{
    if (!pointer)
        return schema_free(s, 0);
    const struct schema_node *node = node_at(s->compile, s->root, pointer, strlen(pointer), 0);
    if (!node)
        return s->compile->end ? schema_ended(s) : schema_fail(s, NULL, "there is nothing at \"%.100s\"", pointer);
    struct terms l;
    int arguments = begin_value(s, &l, node);
    struct compile_location outside;
    schema_enter(s, &outside);
    grammar_expr e = schema_terms(s, &l);
    s->compile->location = outside;
    return end_value(s, node, arguments, e);
}

/* The part of a value that is made of the shapes at its place, and of those alone. */
static grammar_expr part_of(struct schema *s, const struct terms *l, enum schema_part part)
{
    struct terms flat;
    const struct schema_node *outside = s->at;
    enum schema_part whole = s->part;
    s->at = l->t[0].node;
    terms_flatten(s, l, &flat);
    s->part = part;
    grammar_expr e = schema_failed(s) ? 0 : flat_terms(s, &flat);
    s->part = whole;
    s->at = outside;
    return e;
}

grammar_expr schema_object_members(struct schema *s, const struct schema_members *how)
{
    struct compile_location outside;
    struct terms l;
    int arguments = begin_value(s, &l, s->root);
    schema_enter(s, &outside);
    s->members = how;
    grammar_expr e = schema_failed(s) ? 0 : part_of(s, &l, PART_MEMBERS);
    s->members = NULL;
    s->compile->location = outside;
    return end_value(s, s->root, arguments, e);
}

void schema_parts(struct schema *s, const struct terms *value, const struct schema_text *how, grammar_expr *strings,
                  grammar_expr *others)
{
    const struct schema_node *recursive = s->recursive;
    grammar_expr *out[] = {strings, others};
    s->text = how;
    for (int i = 0; i < 2 && out[i]; i++) {
        s->recursive = NULL;
        *out[i] = schema_failed(s) ? 0 : part_of(s, value, i == 0 ? PART_STRINGS : PART_OTHERS);
        if (!schema_failed(s) && (schema_is_empty(s, *out[i]) || (s->recursive && !grammar_has_text(s->m, *out[i]))))
            *out[i] = -1;
        recursive = recursive ? recursive : s->recursive;
    }
    s->recursive = recursive;
    s->text = NULL;
}

const char *schema_warning(const struct schema *s, size_t i) { return i < s->n_warning ? s->warning[i] : NULL; }
