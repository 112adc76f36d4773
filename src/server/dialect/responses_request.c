/* A body of OpenAI's Responses as one of the chat, which the rest of the server understands; server.md, part 4.
 *
 *     instructions, input           messages        reasoning + message + function_call.. of one turn are one assistant's message
 *     function (flat), custom,      tools           custom ones have one argument, input; hosted types are left out
 *     namespace
 *     file_search                   library         file_search.h
 *     max_output_tokens             max_tokens      text.format        response_format
 *     reasoning.effort              reasoning_effort
 *
 * Here is checked what has another form there; the rest is handed over as it came, with a note of what it is called here. */
#include "server/dialect/responses_request.h"

#include "server/dialect/file_search.h"
#include "server/request/origin.h"
#include "server/request/request.h"

#include <stdio.h>
#include <string.h>

struct conversion {
    struct responses_request *q;
    json_t *messages, *tools; /* of q->chat */
    json_t *turn;             /* the assistant's message that the next item may belong to; NULL: a new one */
    int has_library;          /* of the server */
    struct refusal *r;
};

/* A field that must be a text. Its JSON value is borrowed. */
static json_t *text_of(struct conversion *c, const json_t *o, const struct json_at *at, const char *key)
{
    const char *text;
    size_t n;
    int got = json_get_text(o, at, key, &text, &n, c->r);
    if (got == 0)
        json_missing(c->r, at, key);
    return got > 0 ? json_object_get(o, key) : NULL;
}

/* The next message of the chat, or its part "%s", is the field key of this item. */
static int note(struct conversion *c, const struct json_at *at, const char *key, const char *part)
{
    size_t n = json_array_size(c->messages);
    return origin_note(c->q->origins, at, key, "messages[%zu]%s", n, part) ? refuse_memory(c->r) : 0;
}

/* The same of the assistant's message that is being put together. */
static int note_turn(struct conversion *c, const struct json_at *at, const char *key, const char *part)
{
    size_t n = json_array_size(c->messages) - 1;
    return origin_note(c->q->origins, at, key, "messages[%zu]%s", n, part) ? refuse_memory(c->r) : 0;
}

/* ---- input ----------------------------------------------------------------------------------------------------------------- */

/* Text parts of Responses as text parts of the chat, pictures as a remark where they may be; NULL: *c->r. */
static json_t *parts_of(struct conversion *c, const json_t *list, const struct json_at *at, json_t *picture)
{
    json_t *parts = json_array();
    if (!parts)
        refuse_memory(c->r);
    for (size_t i = 0; parts && i < json_array_size(list); i++) {
        const json_t *part = json_array_get(list, i), *text = NULL;
        const struct json_at here = {at, NULL, i};
        if (!json_is_dict(part))
            json_refuse(c->r, "invalid_type", &here, NULL, "must be an object, not %s", json_kind(part));
        else if (json_is(part, "type", "refusal"))
            text = text_of(c, part, &here, "refusal");
        else if (picture && json_is(part, "type", "input_image"))
            text = picture;
        else if (!json_is(part, "type", "input_text") && !json_is(part, "type", "output_text") &&
                 !json_is(part, "type", "text"))
            json_refuse(c->r, "unsupported", &here, NULL, "must be of type input_text or output_text");
        else
            text = text_of(c, part, &here, "text");
        if (json_add(c->r, parts, text ? json_pack("{s:s, s:O}", "type", "text", "text", text) : NULL) < 0) {
            json_decref(parts);
            return NULL;
        }
    }
    return parts;
}

/* A string, or parts, as above. A new reference; NULL: *c->r. */
static json_t *content_of(struct conversion *c, const json_t *item, const struct json_at *at, const char *key,
                          json_t *picture)
{
    json_t *v = json_get(item, key);
    const struct json_at here = {at, key, 0};
    if (!v)
        json_missing(c->r, at, key);
    else if (json_is_string(v))
        return json_incref(v);
    else if (json_is_array(v))
        return parts_of(c, v, &here, picture);
    else
        json_refuse(c->r, "invalid_type", at, key, "must be a string or an array of parts, not %s", json_kind(v));
    return NULL;
}

static int add_message(struct conversion *c, const char *role, json_t *content)
{
    if (!content)
        return -1;
    return json_add(c->r, c->messages, json_pack("{s:s, s:o}", "role", role, "content", content));
}

/* The assistant's message that is being put together; at: of its first item. NULL: no memory. */
static json_t *turn_of(struct conversion *c, const struct json_at *at)
{
    if (!c->turn && note(c, at, NULL, "") == 0 &&
        json_add(c->r, c->messages, json_pack("{s:s, s:s}", "role", "assistant", "content", "")) == 0)
        c->turn = json_array_get(c->messages, json_array_size(c->messages) - 1);
    return c->turn;
}

static int add_item_message(struct conversion *c, const json_t *item, const struct json_at *at)
{
    static const char *const roles[] = {"user", "assistant", "system", "developer"};
    enum { ASSISTANT = 1 };
    int role, got = json_get_word(item, at, "role", roles, sizeof roles / sizeof *roles, &role, c->r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(c->r, at, "role");
    json_t *content = content_of(c, item, at, "content", NULL);
    if (role != ASSISTANT) {
        c->turn = NULL;
        note(c, at, NULL, "");
        return add_message(c, roles[role], content);
    }
    if (!content)
        return -1;
    const json_t *before = json_object_get(c->turn, "content");
    if (json_object_get(c->turn, "tool_calls") || json_string_length(before) || json_array_size(before))
        c->turn = NULL; /* it has spoken, or called: this is the next one */
    if (!turn_of(c, at) || note_turn(c, at, "content", ".content") < 0) {
        json_decref(content);
        return -1;
    }
    return json_put(c->r, c->turn, "content", content);
}

/* Takes arguments. */
static int add_call(struct conversion *c, const json_t *item, const struct json_at *at, json_t *arguments)
{
    json_t *id = text_of(c, item, at, "call_id"), *name = id ? text_of(c, item, at, "name") : NULL;
    if (!name || !arguments || !turn_of(c, at)) {
        json_decref(arguments);
        return refuse_memory(c->r); /* unless it was refused */
    }
    char part[48];
    size_t n_call = json_array_size(json_object_get(c->turn, "tool_calls"));
    snprintf(part, sizeof part, ".tool_calls[%zu]", n_call);
    note_turn(c, at, NULL, part);
    snprintf(part, sizeof part, ".tool_calls[%zu].function", n_call);
    note_turn(c, at, NULL, part);
    json_t *calls = json_object_get(c->turn, "tool_calls");
    if (!calls && json_put(c->r, c->turn, "tool_calls", calls = json_array()) < 0) {
        json_decref(arguments);
        return -1;
    }
    return json_add(c->r, calls,
                    json_pack("{s:O, s:s, s:{s:O, s:o}}", "id", id, "type", "function", "function", "name", name,
                              "arguments", arguments));
}

static int add_custom_call(struct conversion *c, const json_t *item, const struct json_at *at)
{
    json_t *input = text_of(c, item, at, "input");
    if (!input)
        return -1;
    struct out o = {0};
    out_print(&o, "{\"input\": ");
    out_string(&o, json_string_value(input), json_string_length(input));
    out_print(&o, "}");
    json_t *arguments = o.failed ? NULL : json_stringn(o.text, o.n);
    out_free(&o);
    return add_call(c, item, at, arguments);
}

static int add_result(struct conversion *c, const json_t *item, const struct json_at *at)
{
    c->turn = NULL;
    json_t *id = text_of(c, item, at, "call_id");
    if (!id || note(c, at, NULL, "") < 0 || note(c, at, "call_id", ".tool_call_id") < 0 ||
        note(c, at, "output", ".content") < 0)
        return -1;
    json_t *picture = json_string("[image omitted]"); /* what a tool has shown: the conversation goes on */
    int failed = !picture ? refuse_memory(c->r) : add_message(c, "tool", content_of(c, item, at, "output", picture));
    json_decref(picture);
    if (failed)
        return -1;
    json_t *m = json_array_get(c->messages, json_array_size(c->messages) - 1);
    return json_put(c->r, m, "tool_call_id", json_incref(id));
}

/* The text of an earlier answer's reasoning, for templates that show it; its summary where the text itself was not sent back. */
static int add_reasoning(struct conversion *c, const json_t *item, const struct json_at *at)
{
    struct out text = {0};
    const json_t *list = json_object_get(item, "content");
    if (json_array_size(list) == 0)
        list = json_object_get(item, "summary");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_object_get(json_array_get(list, i), "text");
        if (text.n && json_string_length(t))
            out_bytes(&text, "\n", 1);
        out_bytes(&text, json_string_value(t), json_string_length(t));
    }
    c->turn = NULL; /* reasoning begins a turn */
    int failed = text.failed;
    if (text.n && !failed)
        failed = !turn_of(c, at) || json_put(c->r, c->turn, "reasoning_content", json_stringn(text.text, text.n)) < 0;
    out_free(&text);
    return failed ? refuse_memory(c->r) : 0;
}

/* A search of an earlier answer: its passages are known where they come back, and the library is asked for again. */
static int add_search(struct conversion *c, const json_t *item, const struct json_at *at)
{
    json_t *call = json_get(c->q->chat, "library") ? file_search_recall(&c->q->passages, item, c->r) : NULL;
    if (!call)
        return c->r->status ? -1 : 0;
    int failed = add_call(c, call, at, json_incref(json_object_get(call, "arguments"))) < 0 ||
                 add_result(c, call, at) < 0;
    json_decref(call);
    return failed ? -1 : 0;
}

static int add_item(struct conversion *c, const json_t *item, const struct json_at *at)
{
    const char *type;
    size_t n;
    if (!json_is_dict(item))
        return json_refuse(c->r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(item));
    int got = json_get_text(item, at, "type", &type, &n, c->r);
    if (got < 0)
        return -1;
    if (got == 0 || strcmp(type, "message") == 0)
        return add_item_message(c, item, at);
    if (strcmp(type, "function_call") == 0) {
        json_t *arguments = text_of(c, item, at, "arguments");
        return arguments ? add_call(c, item, at, json_incref(arguments)) : -1;
    }
    if (strcmp(type, "custom_tool_call") == 0)
        return add_custom_call(c, item, at);
    if (strcmp(type, "function_call_output") == 0 || strcmp(type, "custom_tool_call_output") == 0)
        return add_result(c, item, at);
    if (strcmp(type, "file_search_call") == 0)
        return add_search(c, item, at);
    return strcmp(type, "reasoning") == 0 ? add_reasoning(c, item, at) : 0;
}

static int add_input(struct conversion *c, const json_t *body)
{
    const char *text;
    size_t n;
    const struct json_at at = {NULL, "input", 0};
    json_t *input = json_get(body, "input");
    int got = json_get_text(body, NULL, "instructions", &text, &n, c->r);
    if (got > 0)
        note(c, NULL, "instructions", "");
    if (got < 0 || (got > 0 && add_message(c, "system", json_incref(json_object_get(body, "instructions"))) < 0))
        return -1;
    if (!input)
        return json_missing(c->r, NULL, "input");
    if (json_is_string(input) && note(c, NULL, "input", "") == 0)
        return add_message(c, "user", json_incref(input));
    if (!json_is_array(input))
        return json_refuse(c->r, "invalid_type", NULL, "input", "must be a string or an array of items, not %s",
                           json_kind(input));
    for (size_t i = 0; i < json_array_size(input); i++)
        if (add_item(c, json_array_get(input, i), &(struct json_at){&at, NULL, i}) < 0)
            return -1;
    n = json_array_size(c->messages);
    if (n == 0)
        return json_refuse(c->r, "invalid_value", NULL, "input", "holds no message to answer");
    n -= got > 0; /* the instructions */
    if (n > REQUEST_MESSAGES)
        return json_refuse(c->r, "invalid_value", NULL, "input", "holds %zu messages; it may hold %d", n,
                           (int)REQUEST_MESSAGES);
    return 0;
}

/* ---- tools ----------------------------------------------------------------------------------------------------------------- */

/* A tool as the chat has it; parameters is taken. */
static int add_function(struct conversion *c, const json_t *tool, const struct json_at *at, json_t *parameters)
{
    json_t *name = text_of(c, tool, at, "name"), *f = json_object();
    if (!name) {
        json_decref(parameters);
        json_decref(f);
        return -1;
    }
    static const char *const same[] = {"name", "description", "strict"};
    if (parameters)
        json_put(c->r, f, "parameters", parameters);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_get(tool, same[i]))
            json_put(c->r, f, same[i], json_incref(json_get(tool, same[i])));
    if (origin_note(c->q->origins, at, NULL, "tools[%zu].function", json_array_size(c->tools)))
        refuse_memory(c->r);
    json_add(c->r, c->tools, json_pack("{s:s, s:o}", "type", "function", "function", f));
    return c->r->status ? -1 : 0;
}

static int add_flat(struct conversion *c, const json_t *tool, const struct json_at *at)
{
    return add_function(c, tool, at, json_incref(json_get(tool, "parameters")));
}

static int add_custom(struct conversion *c, const json_t *tool, const struct json_at *at)
{
    json_t *parameters = json_pack("{s:s, s:{s:{s:s}}, s:[s], s:b}", "type", "object", "properties", "input", "type",
                                   "string", "required", "input", "additionalProperties", 0);
    if (!parameters)
        return refuse_memory(c->r);
    if (add_function(c, tool, at, parameters) < 0)
        return -1;
    return json_put(c->r, c->q->custom, json_string_value(json_object_get(tool, "name")), json_true());
}

static int add_namespace(struct conversion *c, const json_t *space, const struct json_at *at)
{
    const json_t *tools;
    const struct json_at here = {at, "tools", 0};
    json_t *name = text_of(c, space, at, "name");
    int got = name ? json_get_array(space, at, "tools", &tools, c->r) : -1;
    for (size_t i = 0; got > 0 && i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        const struct json_at item = {&here, NULL, i};
        if (!json_is_dict(tool))
            got = json_refuse(c->r, "invalid_type", &item, NULL, "must be an object, not %s", json_kind(tool));
        else if (add_flat(c, tool, &item) < 0 ||
                 json_put(c->r, c->q->spaces, json_string_value(json_object_get(tool, "name")), json_incref(name)) < 0)
            got = -1;
    }
    return got < 0 ? -1 : 0;
}

/* A hosted tool is not here: the model is not told of it. */
static void leave_out(struct conversion *c, const char *type)
{
    out_print(&c->q->left, "%s%.60s", c->q->left.n ? ", " : "", type);
}

static int add_tools(struct conversion *c, const json_t *body)
{
    const json_t *tools;
    const struct json_at at = {NULL, "tools", 0};
    int got = json_get_array(body, NULL, "tools", &tools, c->r);
    for (size_t i = 0; got > 0 && i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        const struct json_at here = {&at, NULL, i};
        if (!json_is_dict(tool))
            return json_refuse(c->r, "invalid_type", &here, NULL, "must be an object, not %s", json_kind(tool));
        json_t *type = text_of(c, tool, &here, "type");
        if (!type)
            return -1;
        if (json_is(tool, "type", "function"))
            got = add_flat(c, tool, &here) < 0 ? -1 : 1;
        else if (json_is(tool, "type", "custom"))
            got = add_custom(c, tool, &here) < 0 ? -1 : 1;
        else if (json_is(tool, "type", "namespace"))
            got = add_namespace(c, tool, &here) < 0 ? -1 : 1;
        else if (json_is(tool, "type", "file_search") && c->has_library)
            got = file_search_read(c->q->chat, c->q->origins, body, tool, &here, c->r) < 0 ? -1 : 1;
        else
            leave_out(c, json_string_value(type));
    }
    return got < 0 ? -1 : 0;
}

/* The field of chats; the tool file_search says the same. */
static int set_library(struct conversion *c, const json_t *body)
{
    static const char field[] = "library";
    json_t *value = json_get(body, field);
    return value && !json_is_false(value) ? json_put(c->r, c->q->chat, field, json_incref(value)) : 0;
}

/* {"type": "file_search"}: the library is searched before anything else. */
static int choose_search(struct conversion *c, const struct json_at *at)
{
    if (!c->has_library)
        return json_refuse(c->r, "unsupported", at, "type",
                           "is \"file_search\", but this server has no library: start it with --library");
    if (!json_get(c->q->chat, "library"))
        return json_refuse(c->r, "invalid_value", at, "type", "is \"file_search\", which is not among tools");
    return json_put(c->r, c->q->chat, "tool_choice",
                    json_pack("{s:s, s:{s:s}}", "type", "function", "function", "name", "search_library"));
}

static int set_tool_choice(struct conversion *c, const json_t *body)
{
    const struct json_at at = {NULL, "tool_choice", 0};
    json_t *choice = json_get(body, "tool_choice");
    if (!json_is_dict(choice))
        return choice ? json_put(c->r, c->q->chat, "tool_choice", json_incref(choice)) : 0;
    if (json_is(choice, "type", "file_search"))
        return choose_search(c, &at);
    if (!json_is(choice, "type", "function") && !json_is(choice, "type", "custom"))
        return json_refuse(c->r, "unsupported", &at, "type", "must be \"function\", \"custom\" or \"file_search\"");
    json_t *name = text_of(c, choice, &at, "name");
    return name ? json_put(c->r, c->q->chat, "tool_choice",
                           json_pack("{s:s, s:{s:O}}", "type", "function", "function", "name", name))
                : -1;
}

/* ---- other fields ---------------------------------------------------------------------------------------------------------- */

/* text.format: flat here, nested there. */
static int set_format(struct conversion *c, const json_t *body)
{
    static const char *const types[] = {"text", "json_object", "json_schema"};
    enum { SCHEMA = 2 };
    const struct json_at at = {NULL, "text", 0}, here = {&at, "format", 0};
    const json_t *text, *format;
    int type, got = json_get_object(body, NULL, "text", &text, c->r);
    if (got > 0)
        got = json_get_object(text, &at, "format", &format, c->r);
    if (got <= 0)
        return got;
    got = json_get_word(format, &here, "type", types, 3, &type, c->r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(c->r, &here, "type");
    json_t *nested = json_pack("{s:s}", "type", types[type]);
    if (type == SCHEMA)
        json_put(c->r, nested, "json_schema", json_incref((json_t *)format)); /* its type is not looked at */
    return json_put(c->r, c->q->chat, "response_format", nested);
}

static int set_effort(struct conversion *c, const json_t *body)
{
    const struct json_at at = {NULL, "reasoning", 0};
    const json_t *reasoning;
    const char *effort;
    size_t n;
    int got = json_get_object(body, NULL, "reasoning", &reasoning, c->r);
    if (got > 0)
        got = json_get_text(reasoning, &at, "effort", &effort, &n, c->r);
    return got > 0 ? json_put(c->r, c->q->chat, "reasoning_effort", json_incref(json_object_get(reasoning, "effort")))
                   : got;
}

static int is_included(const json_t *include, const char *what)
{
    int found = 0;
    for (size_t i = 0; i < json_array_size(include); i++) {
        const char *name = json_string_value(json_array_get(include, i));
        found |= name && strcmp(name, what) == 0;
    }
    return found;
}

/* What answers tell besides. Log-probabilities are asked for by top_logprobs too. */
static int set_include(struct conversion *c, const json_t *body)
{
    int64_t top = 0;
    const json_t *include = NULL;
    int got = json_get_int(body, NULL, "top_logprobs", 0, 20, &top, c->r);
    if (got < 0 || json_get_array(body, NULL, "include", &include, c->r) < 0)
        return -1;
    c->q->wants_results = is_included(include, "file_search_call.results");
    if (!is_included(include, "message.output_text.logprobs") && !(got && top))
        return 0;
    return json_put(c->r, c->q->chat, "logprobs", json_true()) < 0
               ? -1
               : json_put(c->r, c->q->chat, "top_logprobs", json_integer(top));
}

static int set_limit(struct conversion *c, const json_t *body)
{
    int64_t most;
    int got = json_get_int(body, NULL, "max_output_tokens", 1, INT64_MAX, &most, c->r);
    return got > 0 ? json_put(c->r, c->q->chat, "max_tokens", json_integer(most)) : got;
}

/* What would change the answer, and is not here. */
static int check_unsupported(const json_t *body, struct refusal *r)
{
    static const char *const names[] = {"previous_response_id", "conversation", "prompt"};
    int background = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_get(body, names[i]))
            return json_refuse(r, "unsupported", NULL, names[i],
                               "is not supported: nothing is stored; send the whole conversation as input");
    if (json_get_bool(body, NULL, "background", &background, r) < 0)
        return -1;
    return background ? json_refuse(r, "unsupported", NULL, "background", "must be false") : 0;
}

static int copy_fields(struct conversion *c, const json_t *body)
{
    static const char *const same[] = {"temperature",
                                       "top_p",
                                       "min_p",
                                       "top_k",
                                       "presence_penalty",
                                       "frequency_penalty",
                                       "repeat_penalty",
                                       "seed",
                                       "logit_bias",
                                       "stop",
                                       "stream",
                                       "parallel_tool_calls",
                                       "close_at_limit",
                                       "ignore_eos",
                                       "metadata",
                                       "cache_prompt",
                                       "steer",
                                       "control_vectors",
                                       "user",
                                       "chat_template_kwargs",
                                       "safety_identifier",
                                       "store",
                                       "service_tier"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_get(body, same[i]) &&
            json_put(c->r, c->q->chat, same[i], json_incref(json_object_get(body, same[i]))) < 0)
            return -1;
    return 0;
}

/* Fields that have another name there, wherever they stand. */
static int note_names(struct conversion *c)
{
    static const char *const names[][2] = {{"messages", "input"},
                                           {"response_format", "text.format"},
                                           {"response_format.json_schema", "text.format"},
                                           {"tool_choice.function", "tool_choice"},
                                           {"max_tokens", "max_output_tokens"},
                                           {"reasoning_effort", "reasoning.effort"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (origin_note(c->q->origins, NULL, names[i][1], "%s", names[i][0]))
            return refuse_memory(c->r);
    return 0;
}

int responses_request(struct responses_request *q, const json_t *body, int has_library, struct refusal *r)
{
    *q = (struct responses_request){
        .chat = json_object(), .origins = json_object(), .custom = json_object(), .spaces = json_object()};
    struct conversion c = {.q = q, .messages = json_array(), .tools = json_array(), .has_library = has_library, .r = r};
    json_put(r, q->chat, "messages", c.messages);
    json_put(r, q->chat, "tools", c.tools); /* taken, whatever became of the other */
    if (r->status)
        return -1;
    if (note_names(&c) < 0 || check_unsupported(body, r) < 0 || set_library(&c, body) < 0 || add_tools(&c, body) < 0 ||
        add_input(&c, body) < 0 || set_tool_choice(&c, body) < 0 || set_format(&c, body) < 0 ||
        set_effort(&c, body) < 0 || set_include(&c, body) < 0 || set_limit(&c, body) < 0 || copy_fields(&c, body) < 0)
        return -1;
    return q->left.failed ? refuse_memory(r) : r->status ? -1 : 0;
}

void responses_request_free(struct responses_request *q)
{
    json_decref(q->chat);
    json_decref(q->origins);
    json_decref(q->custom);
    json_decref(q->spaces);
    out_free(&q->left);
    passages_free(&q->passages);
}
