/* Arrays: elements at fixed positions, then the rest.
 *
 * Written from the end: what may follow i elements is the closing bracket, if they are enough, or a comma and what follows i + 1. */
#include "text/schema/inner.h"

#include <stdlib.h>
#include <string.h>

/* The schema of element i that one term asks for; NULL: none. */
static const struct schema_node *element(const struct schema_node *node, uint32_t i)
{
    const struct schema_node *prefix = node_keyword(node, "prefixItems"), *items = node_keyword(node, "items");
    const struct schema_node *rest = items;
    if (items && items->kind == NODE_ARRAY) { /* draft 7 */
        prefix = items;
        rest = node_keyword(node, "additionalItems");
    }
    if (!prefix || prefix->kind != NODE_ARRAY || i >= prefix->n)
        return rest;
    const struct schema_node *x = prefix->child;
    while (i-- > 0)
        x = x->next;
    return x;
}

static uint32_t prefix_length(const struct schema_node *node)
{
    const struct schema_node *items = node_keyword(node, "items"), *prefix = node_keyword(node, "prefixItems");
    prefix = items && items->kind == NODE_ARRAY ? items : prefix;
    return prefix && prefix->kind == NODE_ARRAY ? prefix->n : 0;
}

/* Element i of all terms. says[terms]: scratch. */
static grammar_expr element_value(struct shape *x, uint32_t i, uint8_t *says)
{
    struct schema *s = x->s;
    struct terms l = {0};
    for (uint32_t t = 0; t < x->terms->n; t++) {
        schema_work(s, 64 + i); /* elements are gone through */
        const struct schema_node *node = element(x->terms->t[t].node, i);
        says[t] = node != NULL;
        if (node)
            terms_add(s, &l, node, -1);
    }
    const struct schema_node *closes = terms_unevaluated(s, x->terms, "unevaluatedItems", says);
    if (closes)
        return schema_empty(s, closes, "no more elements are allowed");
    return l.n ? schema_terms(s, &l) : schema_free(s, 1);
}

static grammar_expr three(struct schema *s, grammar_expr a, grammar_expr b, grammar_expr c)
{
    return grammar_sequence(s->m, (grammar_expr[]){a, b, c}, 3);
}

/* A rule for what would otherwise be written out at every place that an element may stand. */
static grammar_expr once(struct schema *s, grammar_expr e)
{
    int32_t rule = grammar_rule(s->m, "element");
    grammar_define(s->m, rule, e);
    return grammar_call(s->m, rule);
}

/* What follows n elements, all of them with positions of their own. rest: the value of all others, -1 there are none. */
static grammar_expr behind(struct shape *x, int64_t n, grammar_expr rest)
{
    struct schema *s = x->s;
    grammar_expr space = schema_space(s), close = schema_sequence(s, space, schema_word(s, "]"));
    int64_t min = x->min_items > n ? x->min_items - n : 0, max = x->max_items < 0 ? -1 : x->max_items - n;
    if (rest < 0 || max == 0)
        return min ? schema_empty(s, x->terms->t[0].node, "minItems %lld asks for elements that are not allowed",
                                  (long long)x->min_items)
                   : close;
    grammar_expr more = schema_sequence(s, schema_mark(s, ","), rest);
    return schema_sequence(s, grammar_repeat(s->m, more, (int32_t)min, max < 0 ? GRAMMAR_MANY : (int32_t)max), close);
}

/* Places that have schemas of their own, of those that may be filled. */
static int64_t fixed_items(const struct shape *x)
{
    int64_t fixed = 0;
    for (uint32_t t = 0; t < x->terms->n; t++) {
        uint32_t n = prefix_length(x->terms->t[t].node);
        fixed = n > fixed ? n : fixed;
    }
    return x->max_items >= 0 && fixed > x->max_items ? x->max_items : fixed;
}

/* value[most]: what may stand at each place. How many can stand in a row. */
static int64_t read_values(struct shape *x, grammar_expr *value, int64_t most)
{
    uint8_t *says = compile_alloc(x->s->compile, x->terms->n + 1, 1);
    int64_t n = 0;
    if (!says)
        return schema_ended(x->s), 0;
    for (; n < most && !schema_failed(x->s) && (x->max_items < 0 || n < x->max_items); n++) {
        value[n] = element_value(x, (uint32_t)n, says);
        if (schema_is_empty(x->s, value[n]))
            break;
    }
    compile_free(x->s->compile, says);
    return n;
}

/* What follows the first of n > 0 values that stand in a row; rest: see behind(). */
static grammar_expr behind_first(struct shape *x, const grammar_expr *value, int64_t n, grammar_expr rest)
{
    struct schema *s = x->s;
    grammar_expr follow = behind(x, n, rest);
    for (int64_t i = n - 2; i >= 0 && !schema_failed(s); i--) {
        grammar_expr part[2] = {three(s, schema_mark(s, ","), value[i + 1], follow), 0};
        size_t parts = 1;
        if (x->min_items <= i + 1)
            part[parts++] = schema_sequence(s, schema_space(s), schema_word(s, "]"));
        follow = schema_is_empty(s, follow) && parts == 2 ? part[1] : grammar_choice(s->m, part, parts);
    }
    return follow;
}

static grammar_expr elements(struct shape *x)
{
    struct schema *s = x->s;
    int64_t fixed = fixed_items(x);
    grammar_expr *value = compile_alloc(s->compile, (size_t)(fixed + 1), sizeof *value);
    if (!value)
        return schema_ended(s);
    int was_empty = s->was_empty;
    int64_t n = read_values(x, value, fixed + 1);
    /* if all fixed ones and the rest can stand there, the last is of the rest */
    grammar_expr rest = n == fixed + 1 ? once(s, value[fixed]) : -1;
    n = rest >= 0 ? fixed : n;
    grammar_expr first = n > 0 ? value[0] : rest;
    grammar_expr follow = n > 0 ? behind_first(x, value, n, rest) : behind(x, 1, rest);
    compile_free(s->compile, value);
    grammar_expr part[2];
    size_t parts = 0;
    if (x->min_items <= 0)
        part[parts++] = schema_word(s, "]");
    if (first >= 0 && !schema_is_empty(s, follow) && (x->max_items != 0))
        part[parts++] = schema_sequence(s, first, follow);
    if (schema_failed(s))
        return 0;
    if (parts == 0)
        return schema_empty(s, x->terms->t[0].node, "no array has minItems %lld elements that fit",
                            (long long)x->min_items);
    s->was_empty = was_empty;
    return three(s, schema_word(s, "["), schema_space(s), grammar_choice(s->m, part, parts));
}

static int check_keywords(struct shape *x)
{
    static const char *const names[] = {"items", "prefixItems", "additionalItems"};
    for (uint32_t t = 0; t < x->terms->n; t++)
        for (int i = 0; i < 3; i++) {
            const struct schema_node *k = node_keyword(x->terms->t[t].node, names[i]);
            int schema = k && (k->kind == NODE_OBJECT || k->kind == NODE_TRUE || k->kind == NODE_FALSE);
            int list = k && k->kind == NODE_ARRAY && i < 2;
            if (k && !(i == 1 ? list : schema || list))
                return schema_fail(x->s, k, "%s is not a schema%s", names[i], i == 1 ? " list" : ""), -1;
        }
    return 0;
}

grammar_expr schema_array(struct shape *x)
{
    struct schema *s = x->s;
    if (x->max_items >= 0 && x->min_items > x->max_items)
        return schema_empty(s, x->terms->t[0].node,
                            "minItems and maxItems of the schemas of this place leave no array");
    if (check_keywords(x))
        return 0;
    if (schema_nest(x))
        return 0;
    grammar_expr e = elements(x);
    schema_leave(x);
    return e;
}
