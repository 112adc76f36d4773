/* Reading the tools of a request: see list.h. */
#include "text/tools/list.h"

#include "base/error.h"
#include "base/json/load.h"
#include "base/json/scan.h"
#include "base/reqmem.h"
#include "text/tools/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REFERENCES = 16, MAX_BRANCHES = 1000, MAX_TOOLS = 1024 };

/* Of the i-th tool. part: what it is about, ".function.name"; the sentence goes on behind it. Always -1. */
__attribute__((format(printf, 4, 5))) static int refuse(struct error *err, size_t i, const char *part,
                                                        const char *format, ...)
{
    char rest[300];
    va_list args;
    va_start(args, format);
    vsnprintf(rest, sizeof rest, format, args);
    va_end(args);
    error_set(err, ERR_INPUT, "tools[%zu]%s%s", i, part, rest);
    return error_field(err, "tools[%zu]%s", i, part);
}

int tool_name_is_legal(const char *name, size_t n)
{
    if (n == 0 || n > 128)
        return 0;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        int alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && c != '_' && c != '.' && c != ':' && c != '-')
            return 0;
    }
    return 1;
}

/* What an argument's name may not hold where a format writes it between tags or before an equals sign. */
static int key_fits(const struct tool_format *f, const char *key)
{
    static const char identifier[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    if (f->arguments == ARGS_PYTHON)
        return key[0] && (key[0] < '0' || key[0] > '9') && !key[strspn(key, identifier)];
    if (f->arguments == ARGS_GEMMA)
        return !strstr(key, f->marker[ROLE_SEP]);
    if (!f->xml)
        return 1;
    return key[0] && !strpbrk(key, "\n\r<>") && !strstr(key, f->xml->key_end);
}

static int check_keys(const struct tool_def *t, size_t i, const struct tool_format *f, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(t->parameters, "properties"), key, value)
    {
        if (!key_fits(f, key))
            return refuse(err, i, ".function.parameters.properties",
                          ": the format %s cannot carry an argument named '%.60s'; rename it", f->name, key);
    }
    return 0;
}

static int check_name(const struct tool_list *l, size_t i, const json_t *name, const struct tool_format *f,
                      struct error *err)
{
    const char *s = json_string_value(name);
    if (!s)
        return refuse(err, i, ".function.name", " is %s; it must be a string", name ? "not a string" : "missing");
    if (!tool_name_is_legal(s, json_string_length(name)))
        return refuse(err, i, ".function.name",
                      " is '%.60s'; a name has 1 to 128 of the characters A-Z a-z 0-9 _ . : -", s);
    for (size_t k = 0; k < i; k++)
        if (!strcmp(l->tool[k].name, s))
            return refuse(err, i, ".function.name", " is '%.60s', the name of tools[%zu]; rename one", s, k);
    if (f->rules & RULE_RECIPIENTS && (!strcmp(s, "all") || !strcmp(s, "python")))
        return refuse(err, i, ".function.name", " is '%s', which the format %s reads as something else; rename it", s,
                      f->name);
    return 0;
}

static int read_tool(struct tool_list *l, size_t i, const json_t *item, const struct tool_format *f, struct error *err)
{
    const json_t *function = json_object_get(item, "function"), *name, *type = json_object_get(item, "type");
    struct tool_def *t = &l->tool[i];
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "function")))
        return refuse(err, i, ".type", " is not 'function', the only kind there is");
    if (!json_is_dict(function))
        return refuse(err, i, ".function", " is %s; it must be an object", function ? "no object" : "missing");
    name = json_object_get(function, "name");
    if (check_name(l, i, name, f, err) != 0)
        return -1;
    t->name = json_string_value(name);
    t->strict = json_is_true(json_object_get(function, "strict"));
    t->parameters = json_object_get(function, "parameters");
    if (json_is_null(t->parameters))
        t->parameters = NULL;
    if (t->parameters && !json_is_dict(t->parameters))
        return refuse(err, i, ".function.parameters", " is no object; it must be a JSON schema");
    l->n = i + 1;
    return check_keys(t, i, f, err);
}

/* Where the schemas stand in the text: numbers keep their spelling there. -1: no memory. */
static int find_schemas(struct tool_list *l, size_t n)
{
    size_t at = 0;
    struct json_scan s;
    struct json_item tool, function, schema;
    json_scan_begin(&s, JSON_DEEPEST);
    for (size_t i = 0; i < l->n && json_next(&s, l->json, n, &at, &tool); i++) {
        const char *text = l->json + tool.value;
        if (!l->tool[i].parameters)
            continue;
        if (!json_member(text, tool.value_n, "function", &function))
            return -1;
        text += function.value;
        if (!json_member(text, function.value_n, "parameters", &schema))
            return -1;
        l->tool[i].schema = text + schema.value;
        l->tool[i].n_schema = schema.value_n;
    }
    return 0;
}

int tool_list_parse(struct tool_list **out, const char *json, size_t n, const struct tool_format *f, struct error *err)
{
    json_error_t why;
    struct tool_list *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return error_set(err, ERR_MEMORY, "no memory for the tools");
    l->root = json_load_reserved(json, n, JSON_ALLOW_NUL, &why);
    if (!l->root) {
        if (json_error_code(&why) == json_error_out_of_memory)
            error_set(err, ERR_MEMORY, "no memory for the tools");
        else
            error_set(err, ERR_INPUT, "tools: cannot be read as JSON: line %d: %.100s", why.line, why.text);
        goto fail;
    }
    size_t count = json_array_size(l->root);
    if (!json_is_array(l->root) || count > MAX_TOOLS) {
        error_set(err, ERR_INPUT, "tools: must be a list of at most %d tools", MAX_TOOLS);
        goto fail;
    }
    if (!(l->tool = calloc(count + 1, sizeof *l->tool)) || !(l->json = reqmem_malloc(n + 1))) {
        error_set(err, ERR_MEMORY, "no memory for the tools");
        goto fail;
    }
    for (size_t i = 0; i < count; i++)
        if (read_tool(l, i, json_array_get(l->root, i), f, err) != 0)
            goto fail;
    memcpy(l->json, json, n);
    if (find_schemas(l, n) != 0) {
        error_set(err, ERR_MEMORY, "no memory for the tools");
        goto fail;
    }
    *out = l;
    return 0;
fail:
    tool_list_free(l);
    return -1;
}

void tool_list_free(struct tool_list *l)
{
    if (!l)
        return;
    json_decref(l->root);
    free(l->tool);
    reqmem_free(l->json);
    free(l);
}

const struct tool_def *tool_list_find(const struct tool_list *l, const char *name, size_t n)
{
    for (size_t i = 0; l && i < l->n; i++)
        if (strlen(l->tool[i].name) == n && !memcmp(l->tool[i].name, name, n))
            return &l->tool[i];
    return NULL;
}

/* "#/a/b~1c": the value there, or NULL. */
static const json_t *follow(const json_t *root, const char *pointer)
{
    if (*pointer++ != '#')
        return NULL;
    const json_t *at = root;
    while (at && *pointer == '/') {
        char step[256];
        size_t n = 0;
        for (pointer++; *pointer && *pointer != '/' && n + 1 < sizeof step; pointer++) {
            char c = *pointer;
            if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
                c = *++pointer == '0' ? '~' : '/';
            step[n++] = c;
        }
        step[n] = 0;
        at = json_is_array(at) ? json_array_get(at, strtoul(step, NULL, 10)) : json_object_get(at, step);
    }
    return *pointer ? NULL : at;
}

static const json_t *resolve(const json_t *schema, const json_t *root)
{
    for (int i = 0; i < MAX_REFERENCES && schema; i++) {
        const char *ref = json_string_value(json_object_get(schema, "$ref"));
        if (!ref)
            return schema;
        schema = follow(root, ref);
    }
    return NULL;
}

/* The first declaration of an argument, in the schema or the parts of its allOf. left: schemas that may still be looked at. */
static const json_t *declared(const json_t *schema, const json_t *root, const char *key, size_t n, int *left)
{
    size_t i;
    json_t *part;
    schema = resolve(schema, root);
    if (--*left < 0)
        return NULL;
    const json_t *found = json_object_getn(json_object_get(schema, "properties"), key, n);
    if (!found)
        json_array_foreach(json_object_get(schema, "allOf"), i,
                           part) if ((found = declared(part, root, key, n, left))) break;
    return found;
}

json_t *tool_argument_schema(const struct tool_def *t, const char *key, size_t n)
{
    int left = MAX_BRANCHES;
    if (!t || !t->parameters)
        return NULL;
    return (json_t *)resolve(declared(t->parameters, t->parameters, key, n, &left), t->parameters);
}

static unsigned named_type(const json_t *x)
{
    static const char *const names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
    const char *s = json_string_value(x);
    for (size_t i = 0; s && i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], s))
            return 1u << i;
    return 0;
}

static unsigned value_type(const json_t *x)
{
    switch (json_typeof(x)) {
    case JSON_NULL:
        return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return TYPE_BOOLEAN;
    case JSON_INTEGER:
        return TYPE_INTEGER;
    case JSON_STRING:
        return TYPE_STRING;
    case JSON_ARRAY:
        return TYPE_ARRAY;
    default:
        return !json_spelled(x) ? TYPE_OBJECT : strpbrk(json_spelled(x), ".eE") ? TYPE_NUMBER : TYPE_INTEGER;
    }
}

/* Types that both allow, 0: it does not say. An integer is a number too. */
static unsigned both(unsigned a, unsigned b)
{
    unsigned all_a = a & TYPE_NUMBER ? a | TYPE_INTEGER : a, all_b = b & TYPE_NUMBER ? b | TYPE_INTEGER : b;
    if (!a || !b)
        return a | b;
    unsigned common = (a & all_b) | (b & all_a);
    return common ? common : a; /* no value fits both */
}

static unsigned types_of_values(const json_t *schema)
{
    const json_t *constant = json_object_get(schema, "const");
    unsigned types = constant ? value_type(constant) : 0;
    size_t i;
    json_t *x;
    if (!constant)
        json_array_foreach(json_object_get(schema, "enum"), i, x) types |= value_type(x);
    return types;
}

static unsigned types_within(const json_t *schema, const json_t *root, int *left);

/* A branch that does not say its types allows any. */
static unsigned types_of_branches(const json_t *branches, const json_t *root, int *left)
{
    unsigned types = 0, one;
    size_t i;
    json_t *x;
    json_array_foreach(branches, i, x)
    {
        if (json_is_false(x))
            continue;
        if (!(one = types_within(x, root, left)))
            return 0;
        types |= one;
    }
    return types;
}

/* left: schemas that may still be looked at, so that those that refer to each other come to an end. */
static unsigned types_within(const json_t *schema, const json_t *root, int *left)
{
    unsigned types = 0;
    size_t i;
    json_t *x;
    schema = resolve(schema, root);
    if (!json_is_dict(schema) || --*left < 0)
        return 0;
    const json_t *type = json_object_get(schema, "type");
    json_array_foreach(type, i, x) types |= named_type(x);
    types |= named_type(type);
    if (types && json_is_true(json_object_get(schema, "nullable")))
        types |= TYPE_NULL;
    types = both(types, types_of_values(schema));
    types = both(types, types_of_branches(json_object_get(schema, "anyOf"), root, left));
    types = both(types, types_of_branches(json_object_get(schema, "oneOf"), root, left));
    json_array_foreach(json_object_get(schema, "allOf"), i, x) types = both(types, types_within(x, root, left));
    return types;
}

unsigned tool_schema_types(const json_t *schema, const json_t *root)
{
    int left = MAX_BRANCHES;
    return types_within(schema, root, &left);
}
