/* Arguments that are not one JSON object: values in tags (qwen_xml, seed_oss, minimax_m2, dsml, glm) and keyword arguments
 * (lfm2). Members come in the order of the schema; a string is any text without its closing tag, an enumeration its texts, and
 * everything else JSON that fits the schema. */
#include "base/json/load.h"
#include "base/reqmem.h"
#include "text/answer/tool_grammar_inner.h"
#include "text/schema/schema.h"

#include <stdlib.h>
#include <string.h>

/* ---- values in tags -------------------------------------------------------------------------------------------------- */

static grammar_expr free_text(struct tool_maker *k)
{
    const char *stop = k->format->xml->value_end;
    return grammar_without(k->maker, stop, strlen(stop));
}

/* The values of an enumeration that are strings (or, strings 0, the others), as text; -1: there is none. */
static grammar_expr enumeration(struct tool_maker *k, const json_t *schema, int strings)
{
    const json_t *values = json_object_get(schema, "enum"), *constant = json_object_get(schema, "const");
    size_t n = constant ? 1 : json_array_size(values), n_expr = 0;
    grammar_expr *e = n ? compile_zeroed(k->compile, n, sizeof *e) : NULL;
    if (!e)
        return n ? grammar_ended(k->maker) : -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = constant ? constant : json_array_get(values, i);
        if (json_is_string(v) != strings)
            continue;
        char *text = strings ? NULL : json_dump_spelled(v, JSON_ENCODE_ANY);
        e[n_expr++] = strings ? grammar_text(k->maker, json_string_value(v), json_string_length(v))
                      : text  ? tool_word(k, text)
                              : grammar_no_memory(k->maker, "an enumeration");
        reqmem_free(text); /* of jansson, whose memory in a server is a request's */
    }
    grammar_expr all = n_expr ? grammar_choice(k->maker, e, n_expr) : -1;
    compile_free(k->compile, e);
    return all;
}

/* A value that is a string, as text; -1: the schema allows none. */
static grammar_expr text_value(struct tool_maker *k, const json_t *schema, unsigned types)
{
    if (types && !(types & TYPE_STRING))
        return -1;
    if (json_object_get(schema, "enum") || json_object_get(schema, "const"))
        return enumeration(k, schema, 1);
    return free_text(k);
}

/* A value that is no string, as JSON; -1: none. A value of no known type is text already. */
static grammar_expr json_value(struct tool_maker *k, struct schema *s, const char *pointer, const json_t *schema,
                               unsigned types)
{
    if (json_object_get(schema, "enum") || json_object_get(schema, "const"))
        return enumeration(k, schema, 0);
    return types && types != TYPE_STRING ? schema_value(s, pointer) : -1;
}

static grammar_expr opening(struct tool_maker *k, grammar_expr name)
{
    const struct tool_xml *x = k->format->xml;
    grammar_expr key = JOIN(tool_marked(k, x->key), name, tool_word(k, x->key_end));
    if (x->value)
        return JOIN(key, tool_word(k, "\n"), tool_word(k, x->value));
    return x->newlines == XML_STRIP ? JOIN(key, tool_word(k, "\n")) : key;
}

static grammar_expr close_tag(struct tool_maker *k)
{
    const struct tool_xml *x = k->format->xml;
    grammar_expr tag = JOIN(tool_marked(k, x->value_end), tool_word(k, "\n"));
    return x->newlines == XML_STRIP ? JOIN(tool_word(k, "\n"), tag) : tag;
}

static grammar_expr parameter(struct tool_maker *k, struct tool_entry *e, const struct schema_property *p)
{
    const json_t *schema = tool_argument_schema(e->def, p->name, p->n);
    unsigned types = tool_schema_types(schema, e->def->parameters);
    grammar_expr text = text_value(k, schema, types), open = opening(k, grammar_text(k->maker, p->name, p->n));
    grammar_expr json = p->pointer ? json_value(k, e->schema, p->pointer, schema, types) : -1;
    if (k->format->xml->string_attribute) { /* it says which of the two follows */
        if (text >= 0)
            text = JOIN(tool_word(k, " string=\"true\">"), text);
        if (json >= 0)
            json = JOIN(tool_word(k, " string=\"false\">"), json);
    } else if (text >= 0 && types != TYPE_STRING && !json_object_get(schema, "enum") &&
               !json_object_get(schema, "const")) {
        json = -1; /* any text holds all JSON */
    }
    grammar_expr either[2];
    size_t n = 0;
    if (text >= 0)
        either[n++] = text;
    if (json >= 0)
        either[n++] = json;
    return JOIN(open, grammar_choice(k->maker, either, n), close_tag(k));
}

/* A parameter that the schema does not name. */
static grammar_expr other_parameter(struct tool_maker *k)
{
    static const struct grammar_range letters[] = {{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}, {'-', '-'}};
    grammar_expr name = grammar_repeat(k->maker, grammar_class(k->maker, letters, 5, 0), 1, 64);
    return JOIN(opening(k, name), tool_word(k, k->format->xml->string_attribute ? " string=\"true\">" : ""),
                free_text(k), close_tag(k));
}

grammar_expr xml_arguments(struct tool_maker *k, struct tool_entry *e)
{
    const struct schema_property *p;
    size_t n = schema_properties(e->schema, "", &p);
    grammar_expr *part = compile_zeroed(k->compile, n + 1, sizeof *part);
    if (!part)
        return grammar_ended(k->maker);
    for (size_t i = 0; i < n; i++) {
        part[i] = parameter(k, e, &p[i]);
        if (!p[i].required)
            part[i] = grammar_optional(k->maker, part[i]);
    }
    if (e->def->schema && schema_is_open(e->schema, ""))
        part[n++] = grammar_repeat(k->maker, other_parameter(k), 0, GRAMMAR_MANY);
    grammar_expr all = tool_join(k, part, n);
    compile_free(k->compile, part);
    return all;
}

static grammar_expr xml_call(struct tool_maker *k, size_t i)
{
    const struct tool_xml *x = k->format->xml;
    return JOIN(tool_marked(k, x->call), tool_word(k, k->tool[i].def->name), tool_word(k, x->call_name_end),
                tool_word(k, "\n"), k->tool[i].arguments, tool_marked(k, x->call_end), tool_word(k, "\n"));
}

grammar_expr xml_grammar(struct tool_maker *k)
{
    grammar_expr call = tool_any(k, xml_call);
    if (!k->format->marker[ROLE_BEGIN2]) /* qwen_xml: one function a block */
        call = tool_several(k, call, tool_word(k, ""));
    return JOIN(tool_word(k, "\n"), call, tool_mark(k, ROLE_END));
}

static grammar_expr glm_call(struct tool_maker *k, size_t i)
{
    return JOIN(tool_word(k, k->tool[i].def->name), tool_word(k, "\n"), k->tool[i].arguments, tool_mark(k, ROLE_END));
}

grammar_expr glm_grammar(struct tool_maker *k) { return tool_any(k, glm_call); }

/* ---- keyword arguments ------------------------------------------------------------------------------------------------- */

static grammar_expr keyword(struct tool_maker *k, struct tool_entry *e, const struct schema_property *p)
{
    if (!p->pointer)
        return grammar_fail(k->maker, "tools: %s requires an argument that its schema does not describe", e->def->name);
    return JOIN(grammar_text(k->maker, p->name, p->n), tool_word(k, "="), schema_value(e->schema, p->pointer));
}

/* Optional members and commas between those that are there: from the last one to the first, each with what may follow it, when
 * something stands before (1) and when not (0). Rules, so that what follows is compiled once. */
grammar_expr lfm2_arguments(struct tool_maker *k, struct tool_entry *e)
{
    const struct schema_property *p;
    size_t n = schema_properties(e->schema, "", &p);
    grammar_expr rest[2] = {tool_word(k, ""), tool_word(k, "")};
    for (size_t i = n; i-- > 0;) {
        grammar_expr member = keyword(k, e, &p[i]), here[2];
        here[0] = JOIN(member, rest[1]);
        here[1] = JOIN(tool_word(k, ", "), member, rest[1]);
        for (int s = 0; s < 2; s++) {
            int32_t rule = grammar_rule(k->maker, e->def->name);
            if (!p[i].required)
                here[s] = grammar_choice(k->maker, (grammar_expr[]){here[s], rest[s]}, 2);
            grammar_define(k->maker, rule, here[s]);
            rest[s] = grammar_call(k->maker, rule);
        }
    }
    return rest[0];
}

static grammar_expr lfm2_call(struct tool_maker *k, size_t i)
{
    return JOIN(tool_word(k, k->tool[i].def->name), tool_word(k, "("), k->tool[i].arguments, tool_word(k, ")"));
}

grammar_expr lfm2_grammar(struct tool_maker *k)
{
    return JOIN(tool_word(k, "["), tool_several(k, tool_any(k, lfm2_call), tool_word(k, ", ")), tool_word(k, "]"),
                tool_mark(k, ROLE_END));
}
