/* The values of const and enum as sets: lists of thousands are intersected, and held against each other, in the time of reading them. */
#include "text/schema/inner.h"

#include <string.h>

struct value_set {
    struct value_set *next; /* of the same bucket */
    const struct schema_node *list, **slot;
    uint32_t n_slot; /* a power of two, at most half of them taken; empty ones are NULL */
};

static const struct schema_node **slot_of(struct schema *s, const struct value_set *set,
                                          const struct schema_node *value)
{
    uint32_t at = (uint32_t)(node_hash(s->compile, value) >> 32) & (set->n_slot - 1);
    schema_work(s, 8);
    while (set->slot[at] && !schema_failed(s) && !node_equal(s->compile, set->slot[at], value)) {
        at = (at + 1) & (set->n_slot - 1);
        schema_work(s, 4);
    }
    return &set->slot[at];
}

static const struct value_set *set_of(struct schema *s, const struct schema_node *list)
{
    struct value_set **bucket = &s->values[list->id % (sizeof s->values / sizeof *s->values)], *set = *bucket;
    for (; set && set->list != list; set = set->next)
        schema_work(s, 1);
    if (set)
        return set;
    uint32_t n_slot = 4;
    while (n_slot < 2 * list->n)
        n_slot *= 2;
    set = pool_alloc(&s->pool, 1, sizeof *set);
    const struct schema_node **slot = set ? pool_alloc(&s->pool, n_slot, sizeof *slot) : NULL;
    if (!slot)
        return schema_ended(s), NULL;
    *set = (struct value_set){*bucket, list, slot, n_slot};
    for (const struct schema_node *v = list->child; v && !schema_failed(s); v = v->next)
        *slot_of(s, set, v) = v;
    return *bucket = set;
}

int schema_lists(struct schema *s, const struct schema_node *list, const struct schema_node *value)
{
    const struct value_set *set = set_of(s, list);
    return set && *slot_of(s, set, value);
}

/* The values that a schema names; NULL: it does not. A single one is a list without siblings. */
static const struct schema_node *named(const struct schema_node *x, const struct schema_node **list)
{
    const struct schema_node *value = node_keyword(x, "const"), *many = node_keyword(x, "enum");
    *list = !value && many && many->kind == NODE_ARRAY ? many : NULL;
    return value ? value : *list ? many->child : NULL;
}

static int holds(struct schema *s, const struct schema_node *list, const struct schema_node *first,
                 const struct schema_node *value)
{
    return list ? schema_lists(s, list, value) : node_equal(s->compile, first, value);
}

int schema_values_apart(struct schema *s, const struct schema_node *x, const struct schema_node *y)
{
    const struct schema_node *of_x, *of_y, *v = named(x, &of_x), *w = named(y, &of_y);
    schema_work(s, 16);
    if (!v || !w)
        return 0;
    if (of_x && (!of_y || of_x->n > of_y->n)) /* the shorter list is gone through */
        return schema_values_apart(s, y, x);
    for (; v && !schema_failed(s); v = of_x ? v->next : NULL)
        if (holds(s, of_y, w, v))
            return 0;
    return 1;
}
