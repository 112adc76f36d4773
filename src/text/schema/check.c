/* Does a value fit? For the values of enum and const, which other keywords may narrow. Thousands of values are held against one
 * schema, so what a look at it takes is counted as it is: by bytes, members and probes. */
#include "base/utf8.h"
#include "text/schema/decimal.h"
#include "text/schema/string.h"

#include <stdlib.h>
#include <string.h>

static int fits_node(struct schema *s, const struct schema_node *node, uint32_t done, const struct schema_node *v,
                     int depth);

static int is_integer(struct schema *s, const struct schema_node *v)
{
    size_t n;
    const char *text = node_number(v, &n);
    schema_work(s, 4 + n / 4);
    return decimal_is_integer(text, n);
}

static unsigned type_of(struct schema *s, const struct schema_node *v)
{
    switch (v->kind) {
    case NODE_NULL:
        return SCHEMA_NULL;
    case NODE_TRUE:
    case NODE_FALSE:
        return SCHEMA_BOOLEAN;
    case NODE_NUMBER:
        return is_integer(s, v) ? SCHEMA_INTEGER : SCHEMA_NUMBER;
    case NODE_STRING:
        return SCHEMA_STRING;
    case NODE_ARRAY:
        return SCHEMA_ARRAY;
    default:
        return SCHEMA_OBJECT;
    }
}

/* Numbers that differ: whether they do so as doubles, or the first is of digits alone, which are read as they are. */
static int is_read_apart(struct schema *s, const struct schema_node *x, const struct schema_node *y)
{
    size_t n, n_y;
    const char *text = node_number(x, &n), *of_y = node_number(y, &n_y);
    schema_work(s, (n + n_y) / 2);
    size_t digits = 0; /* what stands behind the number belongs to something else */
    while (digits < n && !strchr(".eE", text[digits]))
        digits++;
    return digits == n || strtod(text, NULL) != strtod(of_y, NULL);
}

static int is_above(struct schema *s, const struct schema_node *v, const struct schema_node *bound, int sign,
                    int or_equal)
{
    if (!bound || bound->kind != NODE_NUMBER)
        return 1;
    int order = sign * node_compare_numbers(s->compile, v, bound);
    return or_equal ? order >= 0 : order > 0 && is_read_apart(s, v, bound);
}

static int is_multiple(struct schema *s, const struct schema_node *v, const struct schema_node *step)
{
    size_t n, n_step;
    const char *text = node_number(v, &n),
               *step_text = step && step->kind == NODE_NUMBER ? node_number(step, &n_step) : NULL;
    if (!step_text || decimal_compare(step_text, n_step, "0", 1) <= 0) /* what no step is, is told elsewhere */
        return 1;
    schema_work(s, 16 + (n + n_step) / 2);
    return decimal_is_multiple(text, n, step_text, n_step);
}

static int fits_number(struct schema *s, const struct schema_node *node, const struct schema_node *v)
{
    return is_multiple(s, v, node_keyword(node, "multipleOf")) && is_above(s, v, node_keyword(node, "minimum"), 1, 1) &&
           is_above(s, v, node_keyword(node, "maximum"), -1, 1) &&
           is_above(s, v, node_keyword(node, "exclusiveMinimum"), 1, 0) &&
           is_above(s, v, node_keyword(node, "exclusiveMaximum"), -1, 0);
}

static int within(struct schema *s, const struct schema_node *node, const char *least, const char *most, int64_t n)
{
    int64_t a = shape_count(s, node, least), b = shape_count(s, node, most);
    return n >= a && (b < 0 || n <= b);
}

/* A pattern that values are held against is read once. */
struct checked {
    struct checked *next;
    const struct schema_node *at;
    struct regex pattern;
    int left_out;
};

/* The pattern that a keyword, or a key of patternProperties, has. NULL: it cannot be enforced, or the schema is refused. */
static struct regex *check_with(struct schema *s, const struct schema_node *at, const char *text, size_t n)
{
    struct checked *c = s->checked;
    struct error err = {0};
    for (; c && c->at != at; c = c->next)
        schema_work(s, 1);
    if (c)
        return c->left_out ? NULL : &c->pattern;
    if (!(c = pool_alloc(&s->pool, 1, sizeof *c)))
        return NULL;
    *c = (struct checked){.next = s->checked, .at = at};
    c->left_out = regex_read(&c->pattern, s->compile, text, n, &err) != 0;
    if (c->left_out && !s->compile->end && err.code == ERR_UNSUPPORTED)
        schema_refuse(s, at, "%s", err.text);
    else if (c->left_out && !s->compile->end)
        schema_fail(s, at, "%s", err.text);
    s->checked = c;
    return c->left_out ? NULL : &c->pattern;
}

void schema_forget_patterns(struct schema *s)
{
    for (struct checked *c = s->checked; c; c = c->next)
        if (!c->left_out)
            regex_free(&c->pattern);
}

static int fits_string(struct schema *s, const struct schema_node *node, const struct schema_node *v)
{
    const struct schema_node *pattern = node_keyword(node, "pattern");
    if (node_keyword(node, "minLength") || node_keyword(node, "maxLength")) {
        schema_work(s, v->n / 8);
        if (!within(s, node, "minLength", "maxLength", (int64_t)utf8_count(v->text, v->n)))
            return 0;
    }
    const struct schema_node *format = node_keyword(node, "format");
    const char *meant = format && format->kind == NODE_STRING ? string_format(format) : NULL;
    struct regex *of_pattern = pattern && pattern->kind == NODE_STRING
                                   ? check_with(s, pattern, pattern->text, pattern->n)
                                   : NULL,
                 *of_format = meant ? check_with(s, format, meant, strlen(meant)) : NULL;
    return (!of_pattern || regex_holds(of_pattern, v->text, v->n)) &&
           (!of_format || regex_holds(of_format, v->text, v->n));
}

static int fits_array(struct schema *s, const struct schema_node *node, const struct schema_node *v, int depth)
{
    const struct schema_node *prefix = node_keyword(node, "prefixItems"), *items = node_keyword(node, "items");
    const struct schema_node *rest = items;
    if (items && items->kind == NODE_ARRAY) {
        prefix = items;
        rest = node_keyword(node, "additionalItems");
    }
    const struct schema_node *next = prefix && prefix->kind == NODE_ARRAY ? prefix->child : NULL;
    schema_work(s, v->n);
    if (!within(s, node, "minItems", "maxItems", v->n))
        return 0;
    for (const struct schema_node *e = v->child; e; e = e->next) {
        const struct schema_node *want = next ? next : rest;
        next = next ? next->next : NULL;
        if (want && !fits_node(s, want, 0, e, depth + 1))
            return 0;
    }
    return 1;
}

/* A member of an object under the patterns that its key matches: 1, 0, or -1 where it matches none. */
static int fits_patterns(struct schema *s, const struct schema_node *patterns, const struct schema_node *member,
                         int depth)
{
    int fits = -1;
    for (const struct schema_node *p = patterns && patterns->kind == NODE_OBJECT ? patterns->child : NULL;
         p && fits != 0 && !schema_failed(s); p = p->next) {
        struct regex *r = check_with(s, p, p->key, p->n_key);
        if (r && regex_holds(r, member->key, member->n_key))
            fits = fits_node(s, p, 0, member, depth + 1);
    }
    return fits;
}

static int fits_object(struct schema *s, const struct schema_node *node, const struct schema_node *v, int depth)
{
    const struct schema_node *properties = node_keyword(node, "properties"), *required = node_keyword(node, "required");
    const struct schema_node *more = node_keyword(node, "additionalProperties"),
                             *patterns = node_keyword(node, "patternProperties");
    if (!within(s, node, "minProperties", "maxProperties", v->n))
        return 0;
    for (const struct schema_node *r = required && required->kind == NODE_ARRAY ? required->child : NULL; r;
         r = r->next)
        if (schema_failed(s) || (r->kind == NODE_STRING && !schema_member(s, v, r->text, r->n)))
            return 0;
    for (const struct schema_node *m = v->child; m; m = m->next) {
        const struct schema_node *want = schema_member(s, properties, m->key, m->n_key);
        int by_pattern = fits_patterns(s, patterns, m, depth);
        want = want || by_pattern >= 0 ? want : more;
        if (by_pattern == 0 || (want && !fits_node(s, want, 0, m, depth + 1)))
            return 0;
    }
    return 1;
}

/* ---- unevaluatedProperties, unevaluatedItems: JSON Schema 2020-12, Core 11 -------------------------------------------------------- */

/* A member or element, number `at`, of v. */
struct part {
    const struct schema_node *v, *x;
    uint32_t at;
};

static const struct schema_node *unevaluated(const struct schema_node *node, const struct schema_node *v)
{
    return node_keyword(node, v->kind == NODE_OBJECT ? "unevaluatedProperties" : "unevaluatedItems");
}

static int own_evaluates(struct schema *s, const struct schema_node *node, const struct part *p, int depth)
{
    const struct schema_node *items = node_keyword(node, "items"), *prefix = node_keyword(node, "prefixItems");
    if (p->v->kind == NODE_OBJECT)
        return schema_member(s, node_keyword(node, "properties"), p->x->key, p->x->n_key) ||
               fits_patterns(s, node_keyword(node, "patternProperties"), p->x, depth) >= 0 ||
               node_keyword(node, "additionalProperties");
    if (items && items->kind == NODE_ARRAY)
        return p->at < items->n || node_keyword(node, "additionalItems");
    return items || (prefix && prefix->kind == NODE_ARRAY && p->at < prefix->n);
}

static int beside_evaluates(struct schema *s, const struct schema_node *node, const struct part *p, int depth);

static int branch_evaluates(struct schema *s, const struct schema_node *b, const struct part *p, int depth)
{
    return b->kind == NODE_OBJECT && (unevaluated(b, p->v) || beside_evaluates(s, b, p, depth + 1)) &&
           fits_node(s, b, 0, p->v, depth + 1);
}

static int some_evaluates(struct schema *s, const struct schema_node *group, const struct part *p, int depth)
{
    for (const struct schema_node *b = group && group->kind == NODE_ARRAY ? group->child : NULL; b && !schema_failed(s);
         b = b->next)
        if (branch_evaluates(s, b, p, depth))
            return 1;
    return 0;
}

/* Does a keyword beside the node's unevaluated... evaluate the part? Of branches those count that the value fits. */
static int beside_evaluates(struct schema *s, const struct schema_node *node, const struct part *p, int depth)
{
    schema_work(s, 64 + 8 * (uint64_t)node_probes(node));
    if (depth > SCHEMA_DEPTH || schema_failed(s))
        return 0;
    const struct schema_node *ref = node_keyword(node, "$ref"), *target = ref ? schema_target(s, ref) : NULL;
    return own_evaluates(s, node, p, depth) || (target && branch_evaluates(s, target, p, depth)) ||
           some_evaluates(s, node_keyword(node, "allOf"), p, depth) ||
           some_evaluates(s, node_keyword(node, "anyOf"), p, depth) ||
           some_evaluates(s, node_keyword(node, "oneOf"), p, depth);
}

static int fits_unevaluated(struct schema *s, const struct schema_node *node, const struct schema_node *v, int depth)
{
    const struct schema_node *rest = unevaluated(node, v);
    struct part p = {v, v->child, 0};
    for (; rest && p.x && !schema_failed(s); p.x = p.x->next, p.at++)
        if (!beside_evaluates(s, node, &p, depth) && !fits_node(s, rest, 0, p.x, depth + 1))
            return 0;
    return 1;
}

static int fits_list(struct schema *s, const struct schema_node *node, const struct schema_node *v)
{
    const struct schema_node *list = node_keyword(node, "enum"), *fixed = node_keyword(node, "const");
    int found = !list || list->kind != NODE_ARRAY || v->parent == list || schema_lists(s, list, v);
    return found && (!fixed || node_equal(s->compile, fixed, v));
}

static int fits_some(struct schema *s, const struct schema_node *group, const struct schema_node *v, int depth, int all)
{
    if (!group || group->kind != NODE_ARRAY)
        return 1;
    for (const struct schema_node *b = group->child; b && !schema_failed(s); b = b->next)
        if (fits_node(s, b, 0, v, depth + 1) != all)
            return !all;
    return all;
}

static int fits_node(struct schema *s, const struct schema_node *node, uint32_t done, const struct schema_node *v,
                     int depth)
{
    schema_work(s, 64 + 8 * (uint64_t)node_probes(node)); /* some 15 keywords are looked for */
    if (node->kind != NODE_OBJECT || depth > SCHEMA_DEPTH)
        return node->kind != NODE_FALSE;
    const struct schema_node *ref = node_keyword(node, "$ref");
    const struct schema_node *target = ref && !(done & TERM_REF) ? schema_target(s, ref) : NULL;
    unsigned type = type_of(s, v);
    if (schema_failed(s) || !(shape_types(s, node) & type) || !fits_list(s, node, v))
        return 0;
    if ((type & (SCHEMA_INTEGER | SCHEMA_NUMBER) && !fits_number(s, node, v)) ||
        (type == SCHEMA_STRING && !fits_string(s, node, v)) ||
        (type == SCHEMA_ARRAY && !fits_array(s, node, v, depth)) ||
        (type == SCHEMA_OBJECT && !fits_object(s, node, v, depth)) ||
        (type & (SCHEMA_ARRAY | SCHEMA_OBJECT) && !fits_unevaluated(s, node, v, depth)))
        return 0;
    if (target && !fits_node(s, target, 0, v, depth + 1))
        return 0;
    return (done & TERM_ALL || fits_some(s, node_keyword(node, "allOf"), v, depth, 1)) &&
           (done & TERM_ANY || fits_some(s, node_keyword(node, "anyOf"), v, depth, 0)) &&
           (done & TERM_ONE || fits_some(s, node_keyword(node, "oneOf"), v, depth, 0));
}

int schema_fits(struct schema *s, const struct terms *l, const struct schema_node *value)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (schema_failed(s) || !fits_node(s, l->t[i].node, l->t[i].done, value, 0))
            return 0;
    return 1;
}
