/* See tools.h. */
#include "server/request/tools.h"

#include <string.h>

static int is_name(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("_.:-", c))))
            return 0;
    }
    return n >= 1 && n <= 128;
}

static const json_t *name_of(const json_t *tool) { return json_object_get(json_object_get(tool, "function"), "name"); }

static int check_tool(const json_t *tool, const struct json_at *at, json_t *names, struct refusal *r)
{
    static const char *const types[] = {"function"};
    const struct json_at here = {at, "function", 0};
    const json_t *function, *parameters;
    const char *text, *name;
    size_t n;
    int type, strict;
    if (!json_is_dict(tool))
        return json_refuse(r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(tool));
    if (json_get_word(tool, at, "type", types, 1, &type, r) < 0)
        return -1;
    int got = json_get_object(tool, at, "function", &function, r);
    if (got > 0)
        got = json_get_text(function, &here, "name", &name, &n, r);
    else if (got == 0)
        return json_missing(r, at, "function");
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, &here, "name");
    if (!is_name(name, n))
        return json_refuse(r, "invalid_value", &here, "name", "must be 1 to 128 of A-Z a-z 0-9 _ . : -");
    if (json_object_get(names, name))
        return json_refuse(r, "invalid_value", &here, "name", "is \"%s\", as that of an earlier tool", name);
    if (json_put(r, names, name, json_true()) < 0 || json_get_text(function, &here, "description", &text, &n, r) < 0 ||
        json_get_object(function, &here, "parameters", &parameters, r) < 0 ||
        json_get_bool(function, &here, "strict", &strict, r) < 0)
        return -1;
    return 0;
}

int tools_read(struct request *w, const json_t *body, struct refusal *r)
{
    const json_t *tools;
    const struct json_at at = {NULL, "tools", 0};
    int got = json_get_array(body, NULL, "tools", &tools, r);
    size_t n = got > 0 ? json_array_size(tools) : 0;
    if (got < 0 || n == 0)
        return got < 0 ? -1 : 0;
    if (n > REQUEST_TOOLS)
        return json_refuse(r, "invalid_value", NULL, "tools", "has %zu tools; it may have %d", n, (int)REQUEST_TOOLS);
    json_t *names = json_object();
    for (size_t i = 0; got > 0 && i < n; i++)
        if (check_tool(json_array_get(tools, i), &(struct json_at){&at, NULL, i}, names, r) < 0)
            got = -1;
    json_decref(names);
    if (got < 0)
        return -1;
    out_value(&w->tools_text, tools);
    if (w->tools_text.failed)
        return refuse_memory(r);
    w->reply.tools = w->tools_text.text;
    w->reply.n_tools = w->tools_text.n;
    return 0;
}

static const json_t *find_tool(const json_t *body, const char *name)
{
    const json_t *tools = json_object_get(body, "tools");
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (strcmp(json_string_value(name_of(json_array_get(tools, i))), name) == 0)
            return json_array_get(tools, i);
    return NULL;
}

/* {"type": "function", "function": {"name": ..}} */
static int read_named_choice(struct request *w, const json_t *body, const json_t *choice, struct refusal *r)
{
    static const char *const types[] = {"function"};
    const struct json_at at = {NULL, "tool_choice", 0}, here = {&at, "function", 0};
    const json_t *function;
    const char *name;
    size_t n;
    int type;
    if (json_get_word(choice, &at, "type", types, 1, &type, r) < 0)
        return -1;
    int got = json_get_object(choice, &at, "function", &function, r);
    if (got > 0)
        got = json_get_text(function, &here, "name", &name, &n, r);
    else if (got == 0)
        return json_missing(r, &at, "function");
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, &here, "name");
    if (!find_tool(body, name))
        return json_refuse(r, "invalid_value", &here, "name", "is no name of tools");
    w->reply.choice = STOKER_TOOLS_REQUIRED;
    w->reply.tool = name;
    return 0;
}

int tools_read_choice(struct request *w, const json_t *body, struct refusal *r)
{
    static const char *const words[] = {"none", "auto", "required"};
    static const enum stoker_tool_choice choices[] = {STOKER_TOOLS_NONE, STOKER_TOOLS_AUTO, STOKER_TOOLS_REQUIRED};
    const json_t *choice = json_get(body, "tool_choice");
    int word = 1, parallel = 1;
    if (json_get_bool(body, NULL, "parallel_tool_calls", &parallel, r) < 0)
        return -1;
    w->reply.one_call = !parallel;
    if (json_is_dict(choice))
        return read_named_choice(w, body, choice, r);
    if (json_get_word(body, NULL, "tool_choice", words, 3, &word, r) < 0)
        return -1;
    w->reply.choice = choices[word];
    if (w->reply.choice == STOKER_TOOLS_REQUIRED && !w->reply.tools)
        return json_refuse(r, "invalid_value", NULL, "tool_choice", "is \"required\", but there are no tools");
    return 0;
}
