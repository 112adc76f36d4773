/* See jsonval.h. */
#include "eval/jsonval.h"

#include "base/error.h"
#include "base/json/load.h"
#include "base/json/scan.h"
#include "eval/items.h"

#include <stdlib.h>
#include <string.h>

const char *const eval_json_rate_name[EVAL_JSON_RATES] = {"parses", "valid",   "value",          "name",
                                                          "args",   "wrapped", "backslash_name", "truncated"};

/* ---- items ---------------------------------------------------------------------------------------------------------------- */

int eval_json_is_tool(const json_t *item) { return json_object_get(item, "tools") != NULL; }

int eval_json_check(void *unused, const json_t *item, struct error *err)
{
    const json_t *messages = json_object_get(item, "messages"), *expect = json_object_get(item, "expect");
    (void)unused;
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return error_set(err, ERR_INPUT, "\"messages\" is no list of messages");
    if (!json_object_get(item, "schema") == !eval_json_is_tool(item))
        return error_set(err, ERR_INPUT, "has neither \"schema\" nor \"tools\", or both");
    if (eval_json_is_tool(item) && !json_is_string(json_object_get(expect, "name")))
        return error_set(err, ERR_INPUT, "\"expect\" has no \"name\" of a tool");
    return 0;
}

static const json_t *tool_of(const json_t *item, const char *name)
{
    size_t i;
    const json_t *tool;
    json_array_foreach(json_object_get(item, "tools"), i, tool)
    {
        const json_t *f = json_object_get(tool, "function");
        const char *is = json_string_value(json_object_get(f, "name"));
        if (is && strcmp(is, name) == 0)
            return f;
    }
    return NULL;
}

/* NULL: there is none. */
static const json_t *schema_of(const json_t *item, const char *tool)
{
    return tool ? json_object_get(tool_of(item, tool), "parameters") : json_object_get(item, "schema");
}

char *eval_json_schema(const json_t *item, const char *tool)
{
    const json_t *schema = schema_of(item, tool);
    return schema ? json_dump_spelled(schema, JSON_PRESERVE_ORDER | JSON_ENCODE_ANY) : NULL;
}

/* Has references into the schema lead to where it is a definition. Values of other keywords than these are no schemas, but names of
 * members may be any. -1: no memory. */
static int move_references(json_t *schema)
{
    static const char *const values[] = {"const", "enum", "default", "examples"};
    const char *key;
    json_t *member;
    size_t i;
    void *next;
    if (json_is_array(schema))
        json_array_foreach(schema, i, member) if (move_references(member)) return -1;
    if (!json_is_dict(schema))
        return 0;
    json_object_foreach_safe(schema, next, key, member)
    {
        const char *to = strcmp(key, "$ref") == 0 ? json_string_value(member) : NULL;
        int is_value = 0;
        for (i = 0; i < sizeof values / sizeof *values; i++)
            is_value |= strcmp(values[i], key) == 0;
        if (to && *to == '#' && json_object_set_new(schema, key, json_sprintf("#/$defs/schema%s", to + 1)))
            return -1;
        if (!to && !is_value && move_references(member))
            return -1;
    }
    return 0;
}

/* The schema of this one value: all of the schema is a definition, so that it may lead to itself. NULL: no memory. */
static json_t *with_value(const json_t *schema, json_t *value)
{
    json_t *moved = json_deep_copy(schema);
    if (!moved || move_references(moved)) {
        json_decref(moved);
        return NULL;
    }
    return json_pack("{s:{s:o}, s:[{s:s}, {s:O}]}", "$defs", "schema", moved, "allOf", "$ref", "#/$defs/schema",
                     "const", value);
}

int eval_json_fits(const json_t *item, const char *tool, json_t *value, struct error *err)
{
    const json_t *schema = schema_of(item, tool);
    struct stoker_error why;
    if (!schema || json_is_false(schema))
        return 0;
    json_t *of_value = with_value(schema, value);
    char *text = of_value ? json_dump_spelled(of_value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    struct stoker_answer a = {.language = STOKER_JSON_SCHEMA_LENIENT, .text = text, .n = text ? strlen(text) : 0};
    int fits = text ? stoker_answer_check(&a, &why) == 0 : error_set(err, ERR_MEMORY, "no memory for an answer");
    if (text && !fits && why.code == STOKER_ERR_MEMORY)
        fits = error_set(err, ERR_MEMORY, "%s", why.text);
    free(text);
    json_decref(of_value);
    return fits;
}

static int check_schema(char *schema, const char *what, struct error *err)
{
    struct stoker_error why;
    struct stoker_answer a = {.language = STOKER_JSON_SCHEMA_LENIENT, .text = schema, .n = schema ? strlen(schema) : 0};
    int failed = !schema                         ? error_set(err, ERR_MEMORY, "no memory for its schema")
                 : stoker_answer_check(&a, &why) ? error_set(err, ERR_INPUT, "%s: %s", what, why.text)
                                                 : 0;
    free(schema);
    return failed;
}

int eval_json_check_constraint(const json_t *item, struct error *err)
{
    const char *name = json_string_value(json_object_get(json_object_get(item, "expect"), "name"));
    if (!eval_json_is_tool(item))
        return check_schema(eval_json_schema(item, NULL), "\"schema\"", err);
    if (json_array_size(json_object_get(item, "tools")) == 0)
        return error_set(err, ERR_INPUT, "\"tools\" is no list of tools, or has none");
    if (!tool_of(item, name))
        return error_set(err, ERR_INPUT, "\"expect\" names the tool \"%.80s\", which \"tools\" does not have", name);
    if (!json_is_dict(json_object_get(tool_of(item, name), "parameters")))
        return error_set(err, ERR_INPUT, "the tool \"%.80s\" has no \"parameters\" to hold a call against", name);
    return check_schema(eval_json_schema(item, name), "\"parameters\"", err);
}

int eval_json_applies(const json_t *item, enum eval_json_rate rate)
{
    switch (rate) {
    case EVAL_JSON_VALUE:
        return json_object_get(item, "expect_value") != NULL;
    case EVAL_JSON_NAME:
        return eval_json_is_tool(item);
    case EVAL_JSON_ARGS:
        return json_object_get(json_object_get(item, "expect"), "arguments") != NULL;
    case EVAL_JSON_WRAPPED:
        return !eval_json_is_tool(item);
    default:
        return 1;
    }
}

/* ---- values --------------------------------------------------------------------------------------------------------------- */

/* 1: v is a number, as a double. */
static int number_of(const json_t *v, double *out)
{
    const char *text = json_spelled(v);
    if (text && *text != '{')
        *out = strtod(text, NULL);
    else if (json_is_number(v))
        *out = json_number_value(v);
    else
        return 0;
    return 1;
}

static int equal(const json_t *a, const json_t *b);

static int equal_members(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        if (!equal(value, json_object_get(b, key)))
            return 0;
    }
    return json_object_size(a) == json_object_size(b);
}

/* As JSON values: members in any order, numbers by value. Nesting is bounded by jansson's loader. */
static int equal(const json_t *a, const json_t *b)
{
    double x, y;
    if (json_is_integer(a) && json_is_integer(b))
        return json_integer_value(a) == json_integer_value(b);
    if (number_of(a, &x))
        return number_of(b, &y) && !(x < y || x > y);
    if (json_is_dict(a) && json_is_dict(b))
        return equal_members(a, b);
    if (!json_is_array(a) || json_array_size(a) != json_array_size(b))
        return json_equal(a, b);
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!equal(json_array_get(a, i), json_array_get(b, i)))
            return 0;
    return json_is_array(b);
}

/* ---- answers -------------------------------------------------------------------------------------------------------------- */

/* The value in an answer: all of it, or from its first brace to the one that closes that. NULL: there is none. */
static json_t *find_value(const char *text, int *wrapped)
{
    enum { FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY };
    size_t n = strlen(text), at = 0;
    struct json_scan scan;
    json_error_t why;
    json_t *whole = json_load_reserved(text, n, FLAGS, &why);
    *wrapped = 0;
    if (whole)
        return whole;
    const char *from = memchr(text, '{', n);
    if (!from)
        return NULL;
    n -= (size_t)(from - text);
    json_scan_begin(&scan, JSON_DEPTH);
    if (json_scan(&scan, from, n, &at, 0) != SCAN_OK)
        return NULL;
    *wrapped = 1;
    return json_load_reserved(from, at, FLAGS, &why);
}

/* \name\ behind a brace, a bracket, a comma or a colon, outside of strings. */
static int has_backslash_name(const char *text)
{
    char before = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '\\' && before && strchr("{[,:", before)) {
            size_t n = strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_");
            if (n && p[n + 1] == '\\')
                return 1;
        }
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++)
                p += *p == '\\' && p[1];
            if (!*p)
                return 0;
        }
        before = strchr(" \t\r\n", *p) ? before : *p;
    }
    return 0;
}

int eval_json_judge(const json_t *item, const struct eval_json_answer *a, unsigned char *right, struct error *err)
{
    int tool = eval_json_is_tool(item), wrapped = 0, valid = 0;
    const char *text = tool ? a->arguments : a->text;
    const json_t *expect = json_object_get(item, "expect");
    json_t *value = text ? find_value(text, &wrapped) : NULL;
    memset(right, 0, EVAL_JSON_RATES);
    right[EVAL_JSON_TRUNCATED] = (unsigned char)(a->truncated != 0);
    right[EVAL_JSON_BACKSLASH] = (unsigned char)has_backslash_name(a->text);
    right[EVAL_JSON_NAME] = tool && a->name && strcmp(a->name, json_string_value(json_object_get(expect, "name"))) == 0;
    right[EVAL_JSON_PARSES] = value && !(tool && wrapped);
    if (right[EVAL_JSON_PARSES]) {
        valid = eval_json_fits(item, tool ? a->name : NULL, value, err);
        right[EVAL_JSON_VALID] = valid > 0;
        right[EVAL_JSON_WRAPPED] = (unsigned char)wrapped;
        right[EVAL_JSON_VALUE] = eval_json_applies(item, EVAL_JSON_VALUE) &&
                                 equal(json_object_get(item, "expect_value"), value);
        right[EVAL_JSON_ARGS] = eval_json_applies(item, EVAL_JSON_ARGS) &&
                                equal(json_object_get(expect, "arguments"), value);
    }
    json_decref(value);
    return valid < 0 ? -1 : 0;
}
