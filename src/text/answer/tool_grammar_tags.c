/* Arguments that are not one JSON object: values in tags (qwen_xml, seed_oss, minimax_m2, dsml, glm) and keyword arguments
 * (lfm2). Members come in the order of the schema. In tags, strings are as the schema has them, without what would be read as
 * something else, and other values are JSON. */
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

/* Between the name of an argument and its value. */
static grammar_expr name_end(struct tool_maker *k)
{
    const struct tool_xml *x = k->format->xml;
    grammar_expr end = tool_word(k, x->key_end);
    if (x->value)
        return JOIN(end, tool_word(k, "\n"), tool_word(k, x->value));
    return x->newlines == XML_STRIP ? JOIN(end, tool_word(k, "\n")) : end;
}

static grammar_expr close_tag(struct tool_maker *k)
{
    const struct tool_xml *x = k->format->xml;
    grammar_expr tag = JOIN(tool_marked(k, x->value_end), tool_word(k, "\n"));
    return x->newlines == XML_STRIP ? JOIN(tool_word(k, "\n"), tag) : tag;
}

/* An argument whose strings are written. */
struct argument {
    struct tool_maker *k;
    const struct tool_entry *e;
    const json_t *schema;
    unsigned types; /* as the reader knows them; 0: any */
};

/* A closing tag in it is followed by what ends a value, and would end this one. */
static int closes_inside(const struct tool_format *f, const char *text, size_t n)
{
    const struct tool_xml *x = f->xml;
    const char *const next[] = {x->key, x->call_end ? x->call_end : f->marker[ROLE_END]};
    size_t n_stop = strlen(x->value_end);
    for (const char *end = text + n, *at = text; (at = memmem(at, (size_t)(end - at), x->value_end, n_stop)); at++) {
        const char *behind = at + n_stop;
        while (behind < end && strchr(" \t\n\r\v\f", *behind) && *behind)
            behind++;
        for (int i = 0; i < 2; i++)
            if ((size_t)(end - behind) >= strlen(next[i]) && memcmp(behind, next[i], strlen(next[i])) == 0)
                return 1;
    }
    return 0;
}

/* A string that the schema lists, if it is read back as what it is. */
static grammar_expr listed_string(void *arg, const char *text, size_t n)
{
    const struct argument *a = arg;
    struct tool_maker *k = a->k;
    const struct tool_xml *x = k->format->xml;
    int in_pair = x->newlines == XML_STRIP_PAIR && n > 0 &&
                  (text[0] == '\n' || (n > 1 && memcmp(text, "\r\n", 2) == 0));
    int stripped = in_pair || x->newlines == XML_STRIP;
    if ((stripped && n > 0 && text[n - 1] == '\r') || closes_inside(k->format, text, n))
        return -1;
    int is_string = x->string_attribute ? 1 : tool_reads_string(a->schema, a->e->def->parameters, text, n);
    if (is_string <= 0)
        return is_string < 0 ? grammar_no_memory(k->maker, "the values of an argument") : -1;
    grammar_expr e = grammar_text(k->maker, text, n);
    return in_pair ? JOIN(tool_word(k, "\n"), e, tool_word(k, "\n")) : e;
}

/* Adds "or more", to a pattern that is not empty. */
static void add_barred(struct buffer *b, const char *more)
{
    buffer_puts(b, b->n ? "|" : "");
    buffer_puts(b, more);
}

/* The texts of strings that would be read as something else: newlines that are taken for the tag's own, and where nothing but the text
 * tells a string from JSON (by_text), what JSON of these types begins with. */
static void write_barred(struct buffer *b, const struct tool_xml *x, unsigned types, int by_text)
{
#define WHITE "[ \\t\\n\\v\\f\\r]*"
    unsigned any = types ? types : ~0u;
    if (x->newlines != XML_VERBATIM)
        add_barred(b, x->newlines == XML_STRIP ? "\\r$" : "^\\r?\\n");
    if (by_text && any & (TYPE_NUMBER | TYPE_INTEGER))
        add_barred(b, "^" WHITE "-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?" WHITE "$");
    if (by_text && any & TYPE_BOOLEAN)
        add_barred(b, "^" WHITE "(true|false|True|False)" WHITE "$");
    if (by_text && any & TYPE_NULL)
        add_barred(b, "^" WHITE "(null|None)" WHITE "$");
    if (by_text && any & TYPE_OBJECT)
        add_barred(b, "^" WHITE "\\{");
    if (by_text && any & TYPE_ARRAY)
        add_barred(b, "^" WHITE "\\[");
    if (by_text && any & ~(unsigned)(TYPE_NUMBER | TYPE_INTEGER | TYPE_STRING)) /* Python's tuples and brackets */
        add_barred(b, "^" WHITE "\\(");
#undef WHITE
}

_Static_assert((int)TYPE_NULL == (int)SCHEMA_NULL, "a set of types means the same in both");
_Static_assert((int)TYPE_BOOLEAN == (int)SCHEMA_BOOLEAN, "a set of types means the same in both");
_Static_assert((int)TYPE_INTEGER == (int)SCHEMA_INTEGER, "a set of types means the same in both");
_Static_assert((int)TYPE_NUMBER == (int)SCHEMA_NUMBER, "a set of types means the same in both");
_Static_assert((int)TYPE_STRING == (int)SCHEMA_STRING, "a set of types means the same in both");
_Static_assert((int)TYPE_ARRAY == (int)SCHEMA_ARRAY, "a set of types means the same in both");
_Static_assert((int)TYPE_OBJECT == (int)SCHEMA_OBJECT, "a set of types means the same in both");

/* No type is in one set of types alone. */
static int same_types(unsigned read, unsigned allowed)
{
    unsigned all = read & TYPE_NUMBER ? read | TYPE_INTEGER : read;
    return (all ? all : SCHEMA_ANY) == allowed;
}

/* The schema's argument, or others: its strings as text, other values as JSON; -1: none. */
static void argument_values(struct tool_maker *k, struct tool_entry *e, const char *name, size_t n,
                            const struct terms *value, grammar_expr *text, grammar_expr *json)
{
    const struct tool_xml *x = k->format->xml;
    const json_t *schema = name ? tool_argument_schema(e->def, name, n) : NULL;
    struct argument a = {k, e, schema, tool_schema_types(schema, e->def->parameters)};
    *text = *json = -1;
    if (a.types && !(a.types & TYPE_STRING)) {
        *json = schema_terms(e->schema, value);
        return;
    }
    /* any text holds all JSON, and whichever type it is read as is allowed */
    int free = schema_says_types_only(e->schema, value) && same_types(a.types, schema_types(e->schema, value));
    int only_text = a.types == TYPE_STRING || (free && !x->string_attribute);
    int by_text = !free && !only_text && !x->string_attribute;
    struct buffer barred = {0};
    if (!free)
        write_barred(&barred, x, a.types, by_text);
    if (barred.n)
        buffer_put(&barred, "", 1);
    if (barred.failed)
        grammar_no_memory(k->maker, "the values of an argument");
    struct schema_text how = {.stop = x->value_end,
                              .barred = barred.n ? barred.text : NULL,
                              .by_text = by_text,
                              .never_first = x->newlines == XML_STRIP_PAIR ? "\r\n" : NULL,
                              .never_last = x->newlines == XML_STRIP ? "\r" : NULL,
                              .written = listed_string,
                              .arg = &a};
    schema_parts(e->schema, value, &how, text, only_text ? NULL : json);
    buffer_free(&barred);
}

/* The arguments of a tool, while they are made. */
struct arguments {
    struct tool_maker *k;
    struct tool_entry *e;
};

static grammar_expr xml_behind_name(void *arg, const char *name, size_t n, const struct terms *value)
{
    const struct arguments *a = arg;
    struct tool_maker *k = a->k;
    const struct tool_xml *x = k->format->xml;
    grammar_expr text = -1, json = -1, either[2];
    size_t parts = 0;
    if (value)
        argument_values(k, a->e, name, n, value, &text, &json);
    else
        text = free_text(k);
    if (text >= 0)
        either[parts++] = x->string_attribute ? JOIN(tool_word(k, " string=\"true\">"), text) : text;
    if (json >= 0 && json != grammar_choice(k->maker, NULL, 0))
        either[parts++] = x->string_attribute ? JOIN(tool_word(k, " string=\"false\">"), json) : json;
    grammar_expr values = grammar_choice(k->maker, either, parts);
    return parts ? JOIN(name_end(k), values, close_tag(k)) : values;
}

grammar_expr xml_arguments(struct tool_maker *k, struct tool_entry *e)
{
    return schema_object_members(e->schema, &(struct schema_members){.between = "",
                                                                     .others = 1,
                                                                     .begin = tool_marked(k, k->format->xml->key),
                                                                     .behind = xml_behind_name,
                                                                     .arg = &(struct arguments){k, e}});
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

static grammar_expr keyword_behind_name(void *arg, const char *name, size_t n, const struct terms *value)
{
    const struct arguments *a = arg;
    (void)name, (void)n;
    grammar_expr e = value ? schema_terms(a->e->schema, value) : schema_value(a->e->schema, NULL);
    return e == grammar_choice(a->k->maker, NULL, 0)
               ? e
               : grammar_sequence(a->k->maker, (grammar_expr[]){tool_word(a->k, "="), e}, 2);
}

grammar_expr lfm2_arguments(struct tool_maker *k, struct tool_entry *e)
{
    return schema_object_members(e->schema, &(struct schema_members){.between = ", ",
                                                                     .begin = tool_word(k, ""),
                                                                     .behind = keyword_behind_name,
                                                                     .arg = &(struct arguments){k, e}});
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
