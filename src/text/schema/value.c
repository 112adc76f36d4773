/* Texts of each type: inner.h. */
#include "text/schema/inner.h"

#include <stdlib.h>
#include <string.h>

static grammar_expr named(struct schema *s, const char *name, grammar_expr e)
{
    int32_t rule = grammar_rule(s->m, name);
    grammar_define(s->m, rule, e);
    return grammar_call(s->m, rule);
}

static const char *word(const struct schema *s, const char *json, const char *python)
{
    return s->how.syntax == SCHEMA_PYTHON ? python : json;
}

static grammar_expr boolean(struct schema *s)
{
    return grammar_choice(
        s->m, (grammar_expr[]){schema_word(s, word(s, "true", "True")), schema_word(s, word(s, "false", "False"))}, 2);
}

static grammar_expr null(struct schema *s) { return schema_word(s, word(s, "null", "None")); }

/* ---- numbers -------------------------------------------------------------------------------------------------------------------- */

static grammar_expr numbers(struct schema *s, int integer)
{
    static const struct number_bound none = {0};
    grammar_expr *known = integer ? &s->integer : &s->number;
    if (*known < 0)
        *known = named(s, integer ? "integer" : "number",
                       integer ? number_integers(s->m, &none, &none) : number_decimals(s->m, &none, &none));
    return *known;
}

static grammar_expr number(struct shape *x)
{
    struct schema *s = x->s;
    int integer = !(x->types & SCHEMA_NUMBER);
    const struct schema_node *bound = x->low_node ? x->low_node : x->high_node;
    if (x->step) {
        int possible;
        grammar_expr e = number_multiples(s->m, x->step, &x->low, &x->high, &possible);
        if (possible)
            return schema_is_empty(s, e) ? schema_empty(s, bound, "no multiple of %u fits these bounds", x->step) : e;
        for (uint32_t i = 0; i < x->terms->n; i++) {
            const struct schema_node *of = node_keyword(x->terms->t[i].node, "multipleOf");
            if (of && schema_refuse(s, of, "multipleOf cannot be enforced together with these bounds"))
                return 0;
        }
    }
    if (!x->low.text && !x->high.text)
        return numbers(s, integer);
    if (!number_exists(s->compile, integer, &x->low, &x->high)) /* an integer between 1.2 and 1.8 */
        return schema_empty(s, bound,
                            integer ? "no integer fits these bounds; integers are those of 64 bits, from "
                                      "-9223372036854775808 to 9223372036854775807"
                                    : "no number fits these bounds");
    return named(s, "number in a range",
                 integer ? number_integers(s->m, &x->low, &x->high) : number_decimals(s->m, &x->low, &x->high));
}

/* ---- anything ----------------------------------------------------------------------------------------------------------------------- */

static grammar_expr free_array(struct schema *s, grammar_expr item)
{
    grammar_expr space = schema_space(s), close = schema_word(s, "]");
    grammar_expr more = grammar_repeat(s->m, schema_sequence(s, schema_mark(s, ","), item), 0, GRAMMAR_MANY);
    grammar_expr some = grammar_sequence(s->m, (grammar_expr[]){item, more, space, close}, 4);
    grammar_expr inside = grammar_choice(s->m, (grammar_expr[]){close, some}, 2);
    return grammar_sequence(s->m, (grammar_expr[]){schema_word(s, "["), space, inside}, 3);
}

static grammar_expr free_object(struct schema *s, grammar_expr item)
{
    grammar_expr space = schema_space(s), close = schema_word(s, "}");
    grammar_expr member = grammar_sequence(s->m, (grammar_expr[]){schema_any_key(s), schema_mark(s, ":"), item}, 3);
    grammar_expr more = grammar_repeat(s->m, schema_sequence(s, schema_mark(s, ","), member), 0, GRAMMAR_MANY);
    grammar_expr some = grammar_sequence(s->m, (grammar_expr[]){member, more, space, close}, 4);
    grammar_expr inside = grammar_choice(s->m, (grammar_expr[]){close, some}, 2);
    return grammar_sequence(s->m, (grammar_expr[]){schema_word(s, "{"), space, inside}, 3);
}

/* Any value inside depth brackets. Made from the innermost outwards; a rule for each depth. */
grammar_expr schema_free(struct schema *s, int depth)
{
    for (int d = SCHEMA_FREE_DEPTH; d >= depth && !schema_failed(s); d--) {
        if (s->free_value[d] >= 0)
            continue;
        grammar_expr e[6] = {schema_any_string(s), numbers(s, 0), boolean(s), null(s)};
        size_t n = 4;
        if (d < SCHEMA_FREE_DEPTH) {
            e[n++] = free_array(s, s->free_value[d + 1]);
            e[n++] = free_object(s, s->free_value[d + 1]);
        }
        s->free_value[d] = named(s, "any value", grammar_choice(s->m, e, n));
    }
    return schema_failed(s) ? 0 : s->free_value[depth];
}

/* ---- all types -------------------------------------------------------------------------------------------------------------------- */

int schema_says_something(const struct terms *l)
{
    static const char *const words[] = {"minimum",    "maximum",         "exclusiveMinimum", "exclusiveMaximum",
                                        "multipleOf", "minLength",       "maxLength",        "pattern",
                                        "format",     "items",           "prefixItems",      "minItems",
                                        "maxItems",   "properties",      "required",         "additionalProperties",
                                        "enum",       "minProperties",   "maxProperties",    "patternProperties",
                                        "const",      "additionalItems", "unevaluatedItems", "unevaluatedProperties"};
    for (uint32_t i = 0; i < l->n; i++)
        for (size_t w = 0; w < sizeof words / sizeof *words; w++)
            if (node_keyword(l->t[i].node, words[w]))
                return 1;
    return 0;
}

/* A value of a list; -1: it is not of the part that is made, or cannot be written there. */
static grammar_expr listed(struct schema *s, const struct schema_node *value, enum schema_part part)
{
    if (part != PART_ALL && (part == PART_STRINGS) != (value->kind == NODE_STRING))
        return -1;
    return part == PART_STRINGS ? s->text->written(s->text->arg, value->text, value->n) : schema_written(s, value);
}

static grammar_expr one_of_values(struct shape *x, enum schema_part part)
{
    struct schema *s = x->s;
    const struct schema_node *list = NULL;
    for (uint32_t i = 0; i < x->terms->n && !list; i++) {
        const struct schema_node *value = node_keyword(x->terms->t[i].node, "const");
        list = value ? value : node_keyword(x->terms->t[i].node, "enum");
    }
    int single = list->n_key == 5; /* const */
    const struct schema_node *value = single ? list : list->child;
    grammar_expr *e = compile_alloc(s->compile, list->n + 2, sizeof *e);
    size_t n = 0, fitting = 0;
    if (!e)
        return schema_ended(s);
    for (; value && !schema_failed(s); value = single ? NULL : value->next)
        if (schema_fits(s, x->terms, value)) {
            fitting++;
            e[n] = listed(s, value, part);
            n += e[n] >= 0;
        }
    grammar_expr all = n         ? grammar_choice(s->m, e, n)
                       : fitting ? schema_empty(s, list, "no value of this list can be written between the tags")
                                 : schema_empty(s, list, "no value of this list fits the other keywords");
    compile_free(s->compile, e);
    return all;
}

/* The object whose members are written one by one. Values of enum and const are whole. */
static grammar_expr by_member(struct shape *x)
{
    static const char *const lists[] = {"enum", "const"};
    struct schema *s = x->s;
    if (x->has_enum && schema_is_empty(s, one_of_values(x, PART_ALL)))
        return schema_failed(s) ? 0 : grammar_choice(s->m, NULL, 0);
    for (uint32_t i = 0; i < 2 * x->terms->n && x->has_enum; i++) {
        const struct schema_node *list = node_keyword(x->terms->t[i / 2].node, lists[i % 2]);
        if (list &&
            schema_refuse(s, list, "%s cannot be enforced for arguments that are written one by one", list->key))
            return 0;
    }
    x->members = s->members;
    return schema_object(x);
}

static grammar_expr value_of(struct shape *x, enum schema_part part)
{
    struct schema *s = x->s;
    grammar_expr e[6];
    size_t n = 0;
    if (part == PART_MEMBERS)
        return by_member(x);
    if (x->has_enum)
        return one_of_values(x, part);
    if (part == PART_ALL && x->types == SCHEMA_ANY && !schema_says_something(x->terms))
        return schema_free(s, 0);
    if (part == PART_STRINGS)
        return x->types & SCHEMA_STRING ? schema_raw_string(x) : grammar_choice(s->m, NULL, 0);
    if (part == PART_OTHERS)
        x->types &= ~(unsigned)SCHEMA_STRING;
    if (x->types & SCHEMA_STRING)
        e[n++] = schema_string(x);
    if (x->types & SCHEMA_INTEGER)
        e[n++] = number(x);
    if (x->types & SCHEMA_BOOLEAN)
        e[n++] = boolean(s);
    if (x->types & SCHEMA_NULL)
        e[n++] = null(s);
    if (x->types & SCHEMA_ARRAY)
        e[n++] = schema_array(x);
    if (x->types & SCHEMA_OBJECT)
        e[n++] = schema_object(x);
    size_t kept = 0;
    for (size_t i = 0; i < n && !schema_failed(s); i++)
        if (!schema_is_empty(s, e[i]))
            e[kept++] = e[i];
    return schema_failed(s) ? 0 : grammar_choice(s->m, e, kept);
}

grammar_expr shape_value(struct shape *x)
{
    struct schema *s = x->s;
    enum schema_part part = s->part;
    s->part = PART_ALL;
    grammar_expr e = value_of(x, part);
    s->part = part;
    return e;
}
