/* A body of Anthropic's Messages as a body of OpenAI's chat, which the rest of the server understands.
 *
 *     system           the first message                    tools            functions; typed server tools are left out
 *     text blocks      text parts                           tool_choice      any -> required, tool -> that function
 *     tool_use         tool_calls of the message            stop_sequences   stop
 *     tool_result      a message of role tool, in front of  thinking         enable_thinking
 *                      what else the user's message says    output_config    response_format, reasoning_effort
 *     thinking         reasoning_content
 *
 * Here is checked what has another form there; the rest is handed over as it came, with a note of what it is called here. Values are
 * shared with the body, not copied. */
#include "server/dialect/anthropic_request.h"

#include "server/request/origin.h"
#include "server/request/request.h"

#include <string.h>

static const char *const way[] = {"messages", NULL, "content", NULL, "input"};
const struct json_place anthropic_kept = {way, 5};

struct conversion {
    json_t *chat, *messages; /* messages: of chat */
    json_t *uses;            /* an object: ids of the tool_use blocks so far */
    json_t *ignored, *origins;
    struct refusal *r;
    size_t n_result; /* tool_result blocks so far */
};

static int is_picture(const json_t *block)
{
    return json_is(block, "type", "image") || json_is(block, "type", "document");
}

/* The next message of the chat is this of the body. */
static int note_message(struct conversion *c, const struct json_at *at)
{
    return origin_note(c->origins, at, NULL, "messages[%zu]", json_array_size(c->messages)) ? refuse_memory(c->r) : 0;
}

/* ---- content ------------------------------------------------------------------------------------------------------------- */

static json_t *text_part(json_t *text) { return json_pack("{s:s, s:O}", "type", "text", "text", text); }

/* A text block as a part. */
static int add_text(struct conversion *c, json_t *parts, const json_t *block, const struct json_at *at)
{
    const char *text;
    size_t n;
    int there = json_get_text(block, at, "text", &text, &n, c->r);
    if (there <= 0)
        return there < 0 ? -1 : json_missing(c->r, at, "text");
    return json_add(c->r, parts, text_part(json_object_get(block, "text")));
}

/* A text, or text blocks as parts; pictures as a remark where they may be. *out: a new reference. */
static int read_texts(struct conversion *c, json_t *content, const struct json_at *at, int pictures, json_t **out)
{
    json_t *block;
    size_t i;
    *out = NULL;
    if (json_is_string(content)) {
        *out = json_incref(content);
        return 0;
    }
    if (!json_is_array(content))
        return json_refuse(c->r, "invalid_type", at, NULL, "must be a string or an array of blocks, not %s",
                           json_kind(content));
    json_t *parts = json_array();
    json_array_foreach(content, i, block)
    {
        struct json_at place = {at, NULL, i};
        if (json_is(block, "type", "text"))
            add_text(c, parts, block, &place);
        else if (pictures && is_picture(block))
            json_add(c->r, parts, json_pack("{s:s, s:s}", "type", "text", "text", "[image omitted]"));
        else
            json_refuse(c->r, "unsupported", &place, NULL, "must be a text block");
    }
    if (!parts || c->r->status) {
        json_decref(parts);
        return parts ? -1 : refuse_memory(c->r);
    }
    *out = parts;
    return 0;
}

static int add_message(struct conversion *c, const char *role, json_t *content)
{
    return json_add(c->r, c->messages, json_pack("{s:s, s:o}", "role", role, "content", content));
}

static int read_system(struct conversion *c, json_t *content, const struct json_at *at)
{
    json_t *texts;
    if (note_message(c, at) != 0 || read_texts(c, content, at, 0, &texts) != 0)
        return -1;
    return add_message(c, "system", texts);
}

/* ---- blocks of a turn ------------------------------------------------------------------------------------------------------ */

/* A message of role tool. */
static int read_tool_result(struct conversion *c, const json_t *block, const struct json_at *at)
{
    struct json_at place = {at, "content", 0};
    const char *id;
    size_t n;
    int is_error = 0, there = json_get_text(block, at, "tool_use_id", &id, &n, c->r);
    json_t *content = json_get(block, "content"), *texts = NULL;
    if (there <= 0)
        return there < 0 ? -1 : json_missing(c->r, at, "tool_use_id");
    if (c->n_result++ == REQUEST_MESSAGES)
        return json_refuse(c->r, "invalid_value", at, NULL,
                           "is one tool_result block more than the %d that there may be", (int)REQUEST_MESSAGES);
    if (!json_object_get(c->uses, id))
        return json_refuse(c->r, "invalid_value", at, "tool_use_id", "names no tool_use block of an earlier message");
    if (json_get_bool(block, at, "is_error", &is_error, c->r) < 0)
        return -1;
    if (content ? read_texts(c, content, &place, 1, &texts) != 0 : !(texts = json_string("")))
        return content ? -1 : refuse_memory(c->r);
    note_message(c, at);
    return json_add(c->r, c->messages,
                    json_pack("{s:s, s:O, s:o}", "role", "tool", "tool_call_id", json_object_get(block, "tool_use_id"),
                              "content", texts));
}

/* Calls with their arguments as text, which is how chats have them. */
static int read_tool_use(struct conversion *c, json_t *calls, const json_t *block, const struct json_at *at)
{
    const char *id, *name;
    size_t n;
    const json_t *input = NULL;
    int has_id = json_get_text(block, at, "id", &id, &n, c->r);
    int has_name = has_id < 0 ? -1 : json_get_text(block, at, "name", &name, &n, c->r);
    int has_input = has_name < 0 ? -1 : json_get_kept(block, at, "input", &input, c->r);
    if (has_input < 0)
        return -1;
    if (!has_id || !has_name || !has_input)
        return json_missing(c->r, at, !has_id ? "id" : !has_name ? "name" : "input");
    if (json_object_get(c->uses, id))
        return json_refuse(c->r, "invalid_value", at, "id", "is the id of an earlier tool_use block");
    struct out text = {0};
    out_spaced(&text, input);
    json_t *arguments = text.failed ? NULL : json_stringn(text.text, text.n);
    out_free(&text);
    if (json_put(c->r, c->uses, id, json_true()) != 0) {
        json_decref(arguments);
        return -1;
    }
    return json_add(c->r, calls,
                    json_pack("{s:O, s:s, s:{s:O, s:o}}", "id", json_object_get(block, "id"), "type", "function",
                              "function", "name", json_object_get(block, "name"), "arguments", arguments));
}

static int read_thinking(struct conversion *c, struct out *reasoning, const json_t *block, const struct json_at *at)
{
    const char *text;
    size_t n;
    int there = json_get_text(block, at, "thinking", &text, &n, c->r);
    if (there <= 0)
        return there < 0 ? -1 : json_missing(c->r, at, "thinking");
    if (reasoning->n)
        out_bytes(reasoning, "\n", 1);
    out_bytes(reasoning, text, n);
    return 0;
}

/* ---- messages -------------------------------------------------------------------------------------------------------------- */

static int unknown_block(struct conversion *c, const json_t *block, const struct json_at *at, const char *allowed)
{
    if (is_picture(block))
        return json_refuse(c->r, "unsupported", at, NULL, "is an %s block; this model reads text only",
                           json_string_value(json_object_get(block, "type")));
    if (!json_is_dict(block))
        return json_refuse(c->r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(block));
    return json_refuse(c->r, "unsupported", at, "type", "must be %s", allowed);
}

/* Results first: they belong to the calls of the message before. */
static int read_user(struct conversion *c, json_t *content, const struct json_at *at)
{
    json_t *parts = json_array(), *block;
    size_t i, results = 0;
    json_array_foreach(content, i, block)
    {
        struct json_at place = {at, NULL, i};
        if (json_is(block, "type", "text"))
            add_text(c, parts, block, &place);
        else if (json_is(block, "type", "tool_result"))
            results += read_tool_result(c, block, &place) == 0;
        else
            unknown_block(c, block, &place, "text or tool_result");
    }
    if (!parts || c->r->status || (results && json_array_size(parts) == 0)) {
        json_decref(parts);
        return !parts ? refuse_memory(c->r) : c->r->status ? -1 : 0;
    }
    note_message(c, at->up);
    return add_message(c, "user", parts);
}

static int read_assistant(struct conversion *c, json_t *content, const struct json_at *at)
{
    json_t *parts = json_array(), *calls = json_array(), *block;
    struct out reasoning = {0};
    size_t i;
    json_array_foreach(content, i, block)
    {
        struct json_at place = {at, NULL, i};
        if (json_is(block, "type", "text"))
            add_text(c, parts, block, &place);
        else if (json_is(block, "type", "tool_use"))
            read_tool_use(c, calls, block, &place);
        else if (json_is(block, "type", "thinking"))
            read_thinking(c, &reasoning, block, &place);
        else if (!json_is(block, "type", "redacted_thinking"))
            unknown_block(c, block, &place, "text, tool_use, thinking or redacted_thinking");
    }
    json_t *m = json_pack("{s:s}", "role", "assistant");
    if (json_array_size(parts))
        json_put(c->r, m, "content", json_incref(parts));
    else
        json_put(c->r, m, "content", json_array_size(calls) ? json_null() : json_string(""));
    if (json_array_size(calls))
        json_put(c->r, m, "tool_calls", json_incref(calls));
    if (reasoning.n)
        json_put(c->r, m, "reasoning_content", reasoning.failed ? NULL : json_stringn(reasoning.text, reasoning.n));
    note_message(c, at->up);
    json_add(c->r, c->messages, m);
    out_free(&reasoning);
    json_decref(parts);
    json_decref(calls);
    return c->r->status ? -1 : 0;
}

static int read_message(struct conversion *c, json_t *message, const struct json_at *at)
{
    static const char *const roles[] = {"user", "assistant", "system"};
    struct json_at place = {at, "content", 0};
    int role;
    if (!json_is_dict(message))
        return json_refuse(c->r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(message));
    int there = json_get_word(message, at, "role", roles, 3, &role, c->r);
    if (there <= 0)
        return there < 0 ? -1 : json_missing(c->r, at, "role");
    json_t *content = json_get(message, "content");
    if (!content)
        return json_missing(c->r, at, "content");
    if (json_is_string(content) && note_message(c, at) == 0)
        return add_message(c, roles[role], json_incref(content));
    if (!json_is_array(content))
        return json_refuse(c->r, "invalid_type", &place, NULL, "must be a string or an array of blocks, not %s",
                           json_kind(content));
    return role == 0   ? read_user(c, content, &place)
           : role == 1 ? read_assistant(c, content, &place)
                       : read_system(c, content, &place);
}

static int read_messages(struct conversion *c, const json_t *body)
{
    static const struct json_at system_at = {NULL, "system", 0}, at = {NULL, "messages", 0};
    const json_t *list;
    json_t *system = json_get(body, "system"), *message;
    size_t i;
    if (system && read_system(c, system, &system_at) != 0)
        return -1;
    int there = json_get_array(body, NULL, "messages", &list, c->r);
    if (there <= 0)
        return there < 0 ? -1 : json_missing(c->r, NULL, "messages");
    if (json_array_size(list) == 0 || json_array_size(list) > REQUEST_MESSAGES)
        return json_refuse(c->r, "invalid_value", NULL, "messages", "must hold 1 to %d messages, not %zu",
                           (int)REQUEST_MESSAGES, json_array_size(list));
    json_array_foreach(list, i, message)
    {
        struct json_at place = {&at, NULL, i};
        if (read_message(c, message, &place) != 0)
            return -1;
    }
    return 0;
}

/* ---- tools ----------------------------------------------------------------------------------------------------------------- */

/* One tool as a function, or its type among the ignored ones. names: those so far. */
static int read_tool(struct conversion *c, json_t *functions, json_t *names, const json_t *tool,
                     const struct json_at *at)
{
    const char *name, *type = NULL;
    size_t n;
    const json_t *schema = NULL;
    int strict;
    if (!json_is_dict(tool))
        return json_refuse(c->r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(tool));
    if (json_get_text(tool, at, "type", &type, &n, c->r) < 0)
        return -1;
    if (type && strcmp(type, "custom") != 0)
        return json_add(c->r, c->ignored, json_incref(json_object_get(tool, "type")));
    int has_name = json_get_text(tool, at, "name", &name, &n, c->r);
    int has_schema = has_name < 0 ? -1 : json_get_object(tool, at, "input_schema", &schema, c->r);
    if (has_schema < 0 || json_get_text(tool, at, "description", &type, &n, c->r) < 0 ||
        json_get_bool(tool, at, "strict", &strict, c->r) < 0)
        return -1;
    if (!has_name || !has_schema)
        return json_missing(c->r, at, has_name ? "input_schema" : "name");
    if (json_object_get(names, name))
        return json_refuse(c->r, "invalid_value", at, "name", "is the name of an earlier tool");
    json_t *function = json_pack("{s:O, s:O}", "name", json_object_get(tool, "name"), "parameters", schema);
    static const char *const same[] = {"description", "strict"};
    for (size_t i = 0; i < 2; i++)
        if (json_get(tool, same[i]))
            json_put(c->r, function, same[i], json_incref(json_get(tool, same[i])));
    size_t n_tool = json_array_size(functions);
    if (origin_note(c->origins, at, NULL, "tools[%zu].function", n_tool) ||
        origin_note(c->origins, at, "input_schema", "tools[%zu].function.parameters", n_tool) ||
        json_put(c->r, names, name, json_true()) != 0) {
        json_decref(function);
        return refuse_memory(c->r);
    }
    return json_add(c->r, functions, json_pack("{s:s, s:o}", "type", "function", "function", function));
}

static int read_tools(struct conversion *c, const json_t *body)
{
    static const struct json_at at = {NULL, "tools", 0};
    const json_t *list;
    json_t *tool;
    size_t i;
    int there = json_get_array(body, NULL, "tools", &list, c->r);
    if (there <= 0)
        return there;
    json_t *functions = json_array(), *names = json_object();
    json_array_foreach(list, i, tool)
    {
        struct json_at place = {&at, NULL, i};
        if (read_tool(c, functions, names, tool, &place) != 0)
            break;
    }
    if (json_array_size(functions))
        json_put(c->r, c->chat, "tools", json_incref(functions));
    json_decref(functions);
    json_decref(names);
    return c->r->status ? -1 : 0;
}

static int has_tool(const struct conversion *c, const char *name)
{
    json_t *tool;
    size_t i;
    json_array_foreach(json_object_get(c->chat, "tools"), i, tool)
    {
        const char *its = json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
        if (its && strcmp(its, name) == 0)
            return 1;
    }
    return 0;
}

static int read_tool_choice(struct conversion *c, const json_t *body)
{
    static const struct json_at at = {NULL, "tool_choice", 0};
    static const char *const types[] = {"auto", "any", "tool", "none"}, *const words[] = {"auto", "required", "",
                                                                                          "none"};
    const json_t *choice;
    const char *name;
    size_t n;
    int type, alone = 0, there = json_get_object(body, NULL, "tool_choice", &choice, c->r);
    if (there <= 0)
        return there;
    if ((there = json_get_word(choice, &at, "type", types, 4, &type, c->r)) <= 0)
        return there < 0 ? -1 : json_missing(c->r, &at, "type");
    if (json_get_bool(choice, &at, "disable_parallel_tool_use", &alone, c->r) < 0)
        return -1;
    if (alone)
        json_put(c->r, c->chat, "parallel_tool_calls", json_false());
    if (type == 1 && !json_object_get(c->chat, "tools"))
        return json_refuse(c->r, "invalid_value", &at, "type", "any needs tools");
    if (type != 2)
        return json_put(c->r, c->chat, "tool_choice", json_string(words[type]));
    if ((there = json_get_text(choice, &at, "name", &name, &n, c->r)) <= 0)
        return there < 0 ? -1 : json_missing(c->r, &at, "name");
    if (!has_tool(c, name))
        return json_refuse(c->r, "invalid_value", &at, "name", "names none of the tools");
    return json_put(
        c->r, c->chat, "tool_choice",
        json_pack("{s:s, s:{s:O}}", "type", "function", "function", "name", json_object_get(choice, "name")));
}

/* ---- the rest -------------------------------------------------------------------------------------------------------------- */

/* Without the field a client expects no thinking; nor is there any in front of a call that is forced. */
static int read_thinking_mode(struct conversion *c, const json_t *body)
{
    static const struct json_at at = {NULL, "thinking", 0};
    static const char *const types[] = {"disabled", "enabled", "adaptive"};
    const json_t *thinking;
    int64_t budget;
    int type = 0, there = json_get_object(body, NULL, "thinking", &thinking, c->r);
    if (there < 0)
        return -1;
    if (there && (there = json_get_word(thinking, &at, "type", types, 3, &type, c->r)) <= 0)
        return there < 0 ? -1 : json_missing(c->r, &at, "type");
    if (there && json_get_int(thinking, &at, "budget_tokens", 1, INT32_MAX, &budget, c->r) < 0)
        return -1;
    const char *choice = json_string_value(json_object_get(json_object_get(body, "tool_choice"), "type"));
    int is_forced = choice && (strcmp(choice, "any") == 0 || strcmp(choice, "tool") == 0);
    return json_put(c->r, c->chat, "enable_thinking", json_boolean(type && !is_forced));
}

static int read_format(struct conversion *c, const json_t *format, const struct json_at *at)
{
    static const char *const types[] = {"json_schema"};
    const json_t *schema;
    int type, there = json_get_word(format, at, "type", types, 1, &type, c->r);
    if (there <= 0)
        return there < 0 ? -1 : json_missing(c->r, at, "type");
    if ((there = json_get_object(format, at, "schema", &schema, c->r)) <= 0)
        return there < 0 ? -1 : json_missing(c->r, at, "schema");
    if (origin_note(c->origins, at, NULL, "response_format") ||
        origin_note(c->origins, at, "schema", "response_format.json_schema.schema"))
        return refuse_memory(c->r);
    return json_put(
        c->r, c->chat, "response_format",
        json_pack("{s:s, s:{s:s, s:O}}", "type", "json_schema", "json_schema", "name", "output", "schema", schema));
}

/* output_config.format, formerly output_format; of the efforts those that templates know. */
static int read_output(struct conversion *c, const json_t *body)
{
    static const struct json_at at = {NULL, "output_config", 0}, new = {&at, "format", 0},
                                old = {NULL, "output_format", 0};
    static const char *const efforts[] = {"low", "medium", "high", "xhigh", "max"};
    const json_t *config = NULL, *format = NULL;
    int effort, there = 0;
    if (json_get_object(body, NULL, "output_config", &config, c->r) < 0)
        return -1;
    if (config && (there = json_get_word(config, &at, "effort", efforts, 5, &effort, c->r)) < 0)
        return -1;
    if (there)
        json_put(c->r, c->chat, "reasoning_effort", json_string(efforts[effort > 2 ? 2 : effort]));
    there = config ? json_get_object(config, &at, "format", &format, c->r) : 0;
    if (there)
        return there < 0 ? -1 : read_format(c, format, &new);
    there = json_get_object(body, NULL, "output_format", &format, c->r);
    return there <= 0 ? there : read_format(c, format, &old);
}

static int read_stops(struct conversion *c, const json_t *body)
{
    const json_t *list;
    int there = json_get_array(body, NULL, "stop_sequences", &list, c->r);
    if (there <= 0)
        return there;
    if (origin_note(c->origins, NULL, "stop_sequences", "stop"))
        return refuse_memory(c->r);
    return json_array_size(list) ? json_put(c->r, c->chat, "stop", json_incref((json_t *)list)) : 0;
}

static int read_same(struct conversion *c, const json_t *body, int counting)
{
    static const char *const same[] = {"max_tokens", "temperature", "top_p",          "top_k",
                                       "stream",     "steer",       "control_vectors"};
    if (!counting && !json_get(body, "max_tokens"))
        return json_missing(c->r, NULL, "max_tokens");
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_get(body, same[i]) && json_put(c->r, c->chat, same[i], json_incref(json_get(body, same[i]))) != 0)
            return -1;
    return 0;
}

int anthropic_request_read(struct anthropic_request *a, const json_t *body, int counting, struct refusal *r)
{
    json_t *chat = json_object(), *messages = json_array(), *uses = json_object(), *ignored = json_array();
    json_t *origins = json_object();
    struct conversion c = {chat, messages, uses, ignored, origins, r, 0};
    *a = (struct anthropic_request){chat, origins, ignored};
    int rc = json_put(r, chat, "messages", messages);
    rc = rc || read_messages(&c, body) || read_tools(&c, body) || read_tool_choice(&c, body) ||
         read_thinking_mode(&c, body) || read_output(&c, body) || read_stops(&c, body) || read_same(&c, body, counting);
    json_decref(uses);
    return rc || r->status ? -1 : 0;
}

void anthropic_request_free(struct anthropic_request *a)
{
    json_decref(a->chat);
    json_decref(a->origins);
    json_decref(a->ignored);
    *a = (struct anthropic_request){0};
}
