/* Questions about a schema: its properties, the types of a value. For formats that write parameters one by one. */
#include "text/schema/inner.h"

#include <string.h>

static int node_terms(struct schema *s, const char *pointer, struct terms *out)
{
    const struct schema_node *node = node_at(s->root, pointer, strlen(pointer), 0);
    struct terms l = {0};
    if (!node)
        return -1;
    terms_add(s, &l, node, -1);
    terms_flatten(s, &l, out);
    return schema_failed(s) ? -1 : 0;
}

struct asked {
    struct schema_property *list;
    struct name_list names; /* in the order of the list */
    size_t n, capacity;
};

static struct schema_property *find(struct schema *s, struct asked *a, const char *name, size_t n)
{
    int64_t i = schema_name(s, &a->names, name, n);
    if (i < 0)
        return NULL;
    if ((size_t)i < a->n)
        return &a->list[i];
    if (a->n == a->capacity) {
        size_t capacity = a->capacity * 2 + 16;
        struct schema_property *grown = pool_alloc(&s->pool, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        if (a->n)
            memcpy(grown, a->list, a->n * sizeof *grown);
        a->list = grown;
        a->capacity = capacity;
    }
    a->list[a->n] = (struct schema_property){name, n, NULL, 0};
    return &a->list[a->n++];
}

static const char *pointer_of(struct schema *s, const struct schema_node *node)
{
    char pointer[4096];
    uint64_t steps = 16;
    for (const struct schema_node *x = node; x; x = x->parent)
        steps += 2 + x->n_key / 4;
    if (schema_work(s, steps))
        return NULL;
    node_pointer(node, pointer, sizeof pointer);
    return pool_copy(&s->pool, pointer, strlen(pointer));
}

size_t schema_properties(struct schema *s, const char *pointer, const struct schema_property **out)
{
    struct terms l;
    struct asked a = {0};
    *out = NULL;
    if (node_terms(s, pointer, &l))
        return 0;
    for (uint32_t t = 0; t < l.n; t++) {
        const struct schema_node *properties = node_member(l.t[t].node, "properties");
        for (const struct schema_node *p = properties && properties->kind == NODE_OBJECT ? properties->child : NULL;
             p && !schema_failed(s); p = p->next) {
            struct schema_property *found = find(s, &a, p->key, p->n_key);
            if (found && !found->pointer)
                found->pointer = pointer_of(s, p);
        }
    }
    for (uint32_t t = 0; t < l.n; t++) {
        const struct schema_node *names = node_member(l.t[t].node, "required");
        for (const struct schema_node *x = names && names->kind == NODE_ARRAY ? names->child : NULL;
             x && !schema_failed(s); x = x->next) {
            struct schema_property *found = x->kind == NODE_STRING ? find(s, &a, x->text, x->n) : NULL;
            if (found)
                found->required = 1;
        }
    }
    compile_free(s->compile, a.names.name);
    compile_free(s->compile, a.names.slot);
    *out = a.list;
    return a.n;
}

static unsigned types_of(struct schema *s, const struct terms *l, int depth);

static unsigned types_of_branches(struct schema *s, const struct schema_node *group, int depth)
{
    unsigned types = 0;
    for (const struct schema_node *b = group->kind == NODE_ARRAY ? group->child : NULL; b && !schema_failed(s);
         b = b->next) {
        struct terms one = {0}, flat;
        terms_add(s, &one, b, -1);
        terms_flatten(s, &one, &flat);
        types |= schema_failed(s) ? SCHEMA_ANY : types_of(s, &flat, depth + 1);
    }
    return types;
}

static unsigned type_of_value(const struct schema_node *v)
{
    static const unsigned of_kind[] = {SCHEMA_NULL,   SCHEMA_BOOLEAN, SCHEMA_BOOLEAN, SCHEMA_NUMBER | SCHEMA_INTEGER,
                                       SCHEMA_STRING, SCHEMA_ARRAY,   SCHEMA_OBJECT};
    return of_kind[v->kind];
}

static unsigned types_of(struct schema *s, const struct terms *l, int depth)
{
    unsigned types = SCHEMA_ANY, named = 0;
    for (uint32_t t = 0; t < l->n && depth < 32; t++) {
        const struct schema_node *node = l->t[t].node, *any = node_member(node, "anyOf"),
                                 *one = node_member(node, "oneOf");
        const struct schema_node *list = node_member(node, "enum"), *fixed = node_member(node, "const");
        schema_work(s, 16 + (list ? list->n / 4 : 0));
        unsigned declared = node_member(node, "type") ? shape_types(s, node) : SCHEMA_ANY;
        if (declared == SCHEMA_ANY && (any || one))
            declared = types_of_branches(s, any ? any : one, depth);
        for (const struct schema_node *v = list && list->kind == NODE_ARRAY ? list->child : NULL; v; v = v->next)
            named |= type_of_value(v);
        if (fixed)
            named |= type_of_value(fixed);
        types &= declared;
    }
    return types == SCHEMA_ANY && named ? named : types;
}

unsigned schema_types(struct schema *s, const char *pointer)
{
    struct terms l;
    return !pointer || node_terms(s, pointer, &l) ? SCHEMA_ANY : types_of(s, &l, 0);
}

/* left: branches that may still be looked at. */
static int says_types_only(struct schema *s, const struct schema_node *node, int *left)
{
    static const char *const unions[] = {"anyOf", "oneOf"};
    struct terms l = {0}, flat;
    terms_add(s, &l, node, -1);
    terms_flatten(s, &l, &flat);
    if (--*left < 0 || schema_failed(s) || schema_says_something(&flat))
        return 0;
    for (uint32_t t = 0; t < 2 * flat.n; t++) {
        const struct schema_node *group = node_member(flat.t[t / 2].node, unions[t % 2]);
        for (const struct schema_node *b = group && group->kind == NODE_ARRAY ? group->child : NULL; b; b = b->next)
            if (!says_types_only(s, b, left))
                return 0;
    }
    return 1;
}

int schema_says_types_only(struct schema *s, const char *pointer)
{
    const struct schema_node *node = node_at(s->root, pointer, strlen(pointer), 0);
    int left = 1000;
    return node && says_types_only(s, node, &left);
}

int schema_is_open(struct schema *s, const char *pointer)
{
    struct terms l;
    int says = 0, closed = 0, declares = 0;
    if (node_terms(s, pointer, &l))
        return 0;
    for (uint32_t t = 0; t < l.n; t++) {
        const struct schema_node *more = node_member(l.t[t].node, "additionalProperties");
        declares |= node_member(l.t[t].node, "properties") != NULL;
        says |= more && more->kind != NODE_FALSE;
        closed |= (more && more->kind == NODE_FALSE) || l.t[t].node->kind == NODE_FALSE;
    }
    return !closed && (says || !declares);
}
