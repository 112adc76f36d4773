/* Keywords of all terms put together: the narrowest bounds, the types that are left. What contradicts itself in one schema is an
 * error; what only the terms together make impossible is an empty language, which a union may survive. */
#include "text/schema/inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned type_of_name(const struct schema_node *x)
{
    static const struct {
        const char *name;
        unsigned type;
    } names[] = {{"null", SCHEMA_NULL},       {"boolean", SCHEMA_BOOLEAN},
                 {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER | SCHEMA_INTEGER},
                 {"string", SCHEMA_STRING},   {"array", SCHEMA_ARRAY},
                 {"object", SCHEMA_OBJECT}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (node_is_text(x, names[i].name))
            return names[i].type;
    return 0;
}

unsigned shape_types(struct schema *s, const struct schema_node *node)
{
    const struct schema_node *type = node_keyword(node, "type"), *nullable = node_keyword(node, "nullable");
    unsigned types = 0;
    if (!type)
        return SCHEMA_ANY;
    if (type->kind != NODE_STRING && (type->kind != NODE_ARRAY || type->n == 0))
        return schema_fail(s, type, "type is not a name or a list of names"), 0;
    for (const struct schema_node *x = type->kind == NODE_ARRAY ? type->child : type; x; x = x->next) {
        unsigned one = type_of_name(x);
        schema_work(s, 4);
        if (!one)
            return schema_fail(s, type, "unknown type \"%.60s\"", x->kind == NODE_STRING ? x->text : "?"), 0;
        types |= one;
        if (type->kind != NODE_ARRAY)
            break;
    }
    return types | (nullable && nullable->kind == NODE_TRUE ? SCHEMA_NULL : 0);
}

int64_t shape_count(struct schema *s, const struct schema_node *node, const char *keyword)
{
    const struct schema_node *x = node_keyword(node, keyword);
    if (!x)
        return -1;
    size_t n;
    const char *text = node_number(x, &n);
    schema_work(s, 16 + n / 2);
    if (x->kind != NODE_NUMBER || x->text[0] == '-' || !decimal_is_integer(text, n))
        return schema_fail(s, x, "%s is not a count", keyword), -2;
    if (decimal_compare(text, n, "1000000000", 10) > 0)
        return 1000000000;
    return (int64_t)strtod(text, NULL);
}

/* ---- what cannot be enforced -------------------------------------------------------------------------------------------------------- */

static void refuse_keywords(struct schema *s, const struct schema_node *node, unsigned types)
{
    static const struct {
        const char *name;
        unsigned types;
    } refused[] = {{"not", SCHEMA_ANY},
                   {"if", SCHEMA_ANY},
                   {"$dynamicRef", SCHEMA_ANY},
                   {"$recursiveRef", SCHEMA_ANY},
                   {"$anchor", SCHEMA_ANY},
                   {"contains", SCHEMA_ARRAY},
                   {"minContains", SCHEMA_ARRAY},
                   {"maxContains", SCHEMA_ARRAY},
                   {"propertyNames", SCHEMA_OBJECT},
                   {"dependentRequired", SCHEMA_OBJECT},
                   {"dependentSchemas", SCHEMA_OBJECT},
                   {"dependencies", SCHEMA_OBJECT}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const struct schema_node *x = node_keyword(node, refused[i].name);
        if (x && types & refused[i].types && schema_refuse(s, x, "%s cannot be enforced", refused[i].name))
            return;
    }
    static const struct {
        const char *name;
        unsigned types;
        enum node_kind harmless;
    } some[] = {{"uniqueItems", SCHEMA_ARRAY, NODE_FALSE},
                {"unevaluatedItems", SCHEMA_ARRAY, NODE_TRUE},
                {"unevaluatedProperties", SCHEMA_OBJECT, NODE_TRUE}};
    for (int i = 0; i < 3; i++) {
        const struct schema_node *x = node_keyword(node, some[i].name);
        int closes = i > 0 && x && x->kind == NODE_FALSE; /* closed arrays and objects see to it */
        if (x && types & some[i].types && x->kind != some[i].harmless && !closes &&
            schema_refuse(s, x, "%s cannot be enforced", some[i].name))
            return;
    }
}

/* ---- numbers -------------------------------------------------------------------------------------------------------------------- */

static void narrow_beyond(struct shape *x, struct number_bound *b, const struct schema_node *keyword, int is_low)
{
    size_t n;
    const char *text = node_number(keyword, &n);
    schema_work(x->s, 16 + (n + b->n_beyond) / 2);
    int order = b->beyond ? decimal_compare(text, n, b->beyond, b->n_beyond) : 0;
    if (b->beyond && (is_low ? order <= 0 : order >= 0))
        return;
    b->beyond = text;
    b->n_beyond = n;
}

static void narrow(struct shape *x, const struct schema_node *keyword, int is_low, int exclusive)
{
    struct number_bound *b = is_low ? &x->low : &x->high;
    const struct schema_node **of = is_low ? &x->low_node : &x->high_node;
    if (exclusive)
        narrow_beyond(x, b, keyword, is_low);
    int order = b->text ? node_compare_numbers(x->s->compile, keyword, *of) : 0;
    if (b->text && (is_low ? order < 0 : order > 0))
        return;
    if (b->text && order == 0) {
        b->exclusive |= exclusive;
        return;
    }
    b->text = node_number(keyword, &b->n);
    b->exclusive = exclusive;
    *of = keyword;
}

static void narrow_numbers(struct shape *x, const struct schema_node *node)
{
    static const char *const names[2][2] = {{"maximum", "exclusiveMaximum"}, {"minimum", "exclusiveMinimum"}};
    for (int low = 0; low < 2; low++) {
        const struct schema_node *plain = node_keyword(node, names[low][0]), *out = node_keyword(node, names[low][1]);
        int old = out && out->kind == NODE_TRUE; /* draft 4: a flag of the other keyword */
        if (plain && plain->kind != NODE_NUMBER)
            schema_fail(x->s, plain, "%s is not a number", names[low][0]);
        else if (plain)
            narrow(x, plain, low, old);
        if (out && out->kind == NODE_NUMBER)
            narrow(x, out, low, 1);
        else if (out && out->kind != NODE_TRUE && out->kind != NODE_FALSE)
            schema_fail(x->s, out, "%s is not a number", names[low][1]);
    }
}

static void narrow_step(struct shape *x, const struct schema_node *node)
{
    const struct schema_node *of = node_keyword(node, "multipleOf");
    if (!of)
        return;
    size_t n;
    const char *text = node_number(of, &n);
    schema_work(x->s, 16 + n / 2);
    if (of->kind != NODE_NUMBER || decimal_compare(text, n, "0", 1) <= 0) {
        schema_fail(x->s, of, "multipleOf is not a number above 0");
        return;
    }
    int small = decimal_is_integer(text, n) && decimal_compare(text, n, "1000", 4) <= 0;
    uint64_t step = small ? (uint64_t)strtod(text, NULL) : 0, a = x->step, b = step;
    while (a && b) { /* the least common multiple */
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    if (x->step && step)
        step = x->step / a * step;
    if (!step || step > 1000 || x->types & SCHEMA_NUMBER)
        schema_refuse(x->s, of, "multipleOf can be enforced for integers and steps of 1 to 1000 only");
    else
        x->step = (uint32_t)step;
}

/* ---- counts ----------------------------------------------------------------------------------------------------------------------- */

static void narrow_count(struct shape *x, const struct schema_node *node, const char *least, const char *most,
                         int64_t *min, int64_t *max)
{
    int64_t a = shape_count(x->s, node, least), b = shape_count(x->s, node, most);
    if (a >= 0 && b >= 0 && a > b)
        schema_fail(x->s, node_keyword(node, least), "%s %lld is above %s %lld", least, (long long)a, most,
                    (long long)b);
    if (a > *min)
        *min = a;
    if (b >= 0 && (*max < 0 || b < *max))
        *max = b;
}

static void check_enum(struct shape *x, const struct schema_node *node)
{
    const struct schema_node *list = node_keyword(node, "enum");
    x->has_enum |= list || node_keyword(node, "const");
    if (list && list->kind != NODE_ARRAY)
        schema_fail(x->s, list, "enum is not a list");
    else if (list && list->n == 0)
        schema_fail(x->s, list, "enum is empty: no value fits");
}

static int check_numbers(struct shape *x)
{
    if (!x->low.text || !x->high.text || !(x->types & SCHEMA_INTEGER))
        return 0;
    const struct schema_node *least = x->low_node, *most = x->high_node;
    int order = node_compare_numbers(x->s->compile, least, most);
    if (order < 0 || (order == 0 && !x->low.exclusive && !x->high.exclusive))
        return 0;
    const char *low = least->key, *high = most->key;
    if (least->parent == most->parent)
        schema_fail(x->s, least, "%s %.*s leaves nothing below %s %.*s", low, (int)least->n, least->text, high,
                    (int)most->n, most->text);
    else if (x->types == SCHEMA_INTEGER || x->types == (SCHEMA_INTEGER | SCHEMA_NUMBER))
        schema_empty(x->s, least, "%s %.*s leaves nothing below another schema's %s", low, (int)least->n, least->text,
                     high);
    x->types &= ~(unsigned)(SCHEMA_INTEGER | SCHEMA_NUMBER);
    return x->types ? 0 : -1;
}

int shape_make(struct shape *x, struct schema *s, const struct terms *l)
{
    *x = (struct shape){
        .s = s, .terms = l, .types = SCHEMA_ANY, .max_length = -1, .max_items = -1, .max_properties = -1};
    for (uint32_t i = 0; i < l->n && !schema_failed(s); i++) {
        const struct schema_node *node = l->t[i].node;
        if (node->kind == NODE_FALSE) {
            schema_empty(s, node, "no value fits the schema false");
            return -1;
        }
        unsigned types = node->kind == NODE_TRUE ? SCHEMA_ANY : shape_types(s, node);
        if (types && !(x->types & types)) {
            schema_empty(s, node, "no type is left that fits this and the other schemas of the place");
            return -1;
        }
        x->types &= types;
    }
    for (uint32_t i = 0; i < l->n && !schema_failed(s); i++) {
        const struct schema_node *node = l->t[i].node;
        if (node->kind != NODE_OBJECT)
            continue;
        refuse_keywords(s, node, x->types);
        check_enum(x, node);
        narrow_numbers(x, node);
        if (x->types & SCHEMA_INTEGER)
            narrow_step(x, node);
        narrow_count(x, node, "minLength", "maxLength", &x->min_length, &x->max_length);
        narrow_count(x, node, "minItems", "maxItems", &x->min_items, &x->max_items);
        narrow_count(x, node, "minProperties", "maxProperties", &x->min_properties, &x->max_properties);
    }
    return schema_failed(s) ? -1 : check_numbers(x);
}
