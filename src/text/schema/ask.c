/* Questions about a value: its types, and whether they say all. For formats that write arguments one by one. */
#include "text/schema/inner.h"

#include <string.h>

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
        const struct schema_node *node = l->t[t].node, *any = node_keyword(node, "anyOf"),
                                 *one = node_keyword(node, "oneOf");
        const struct schema_node *list = node_keyword(node, "enum"), *fixed = node_keyword(node, "const");
        schema_work(s, 16 + (list ? list->n / 4 : 0));
        unsigned declared = node_keyword(node, "type") ? shape_types(s, node) : SCHEMA_ANY;
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

unsigned schema_types(struct schema *s, const struct terms *value)
{
    struct terms flat;
    terms_flatten(s, value, &flat);
    return schema_failed(s) ? SCHEMA_ANY : types_of(s, &flat, 0);
}

/* left: branches that may still be looked at. */
static int says_types_only(struct schema *s, const struct terms *value, int *left)
{
    static const char *const unions[] = {"anyOf", "oneOf"};
    struct terms flat;
    terms_flatten(s, value, &flat);
    if (--*left < 0 || schema_failed(s) || schema_says_something(&flat))
        return 0;
    for (uint32_t t = 0; t < 2 * flat.n; t++) {
        const struct schema_node *group = node_keyword(flat.t[t / 2].node, unions[t % 2]);
        for (const struct schema_node *b = group && group->kind == NODE_ARRAY ? group->child : NULL; b; b = b->next) {
            struct terms branch = {0};
            terms_add(s, &branch, b, -1);
            if (!says_types_only(s, &branch, left))
                return 0;
        }
    }
    return 1;
}

int schema_says_types_only(struct schema *s, const struct terms *value)
{
    int left = 1000;
    return says_types_only(s, value, &left);
}
