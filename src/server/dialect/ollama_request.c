/* Bodies of Ollama's chat and generate as bodies of OpenAI's chat, which the rest of the server understands.
 *
 *     options      fields of their own: num_predict is max_tokens (below 1: what the context has left), num_ctx is a promise that
 *                  is checked; whole numbers may be written 4096.0; top_p 0 keeps the likeliest token, repeat_penalty 0 is off
 *     format       response_format: "json" or a schema
 *     think        enable_thinking; "low", "medium", "high": reasoning_effort as well
 *     tool_calls   have no ids here and objects as arguments: they get ids in order, and results find theirs by tool_name, else in order
 *     prompt       with system: a conversation of one turn; raw: the text itself
 *
 * Here is checked what has another form there; the rest is handed over as it came, with a note of what it is called here. Options that
 * tune Ollama's own engine are ignored. Values are shared with the body, not copied. */
#include "server/dialect/ollama_request.h"

#include "server/request/origin.h"
#include "server/request/request.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A result looks through the calls that are open. */
enum { OLLAMA_ID = 24, OPEN_CALLS = 1024 };

static const char *const way[] = {"messages", NULL, "tool_calls", NULL, "function", "arguments"};
const struct json_place ollama_kept = {way, 6};

struct conversion {
    json_t *chat, *messages; /* messages: of chat */
    json_t *origins;         /* of the chat's fields */
    json_t *open;            /* an array: {"id", "name"} of calls without a result so far */
    size_t n_call;
    struct refusal *r;
};

/* A path of the chat is the field key of at here. */
static int note(struct conversion *c, const struct json_at *at, const char *key, const char *path)
{
    return origin_note(c->origins, at, key, "%s", path) ? refuse_memory(c->r) : 0;
}

/* 1: a field that says something. Clients send empty strings and lists for what they do not want. */
static int is_given(const json_t *body, const char *key)
{
    const json_t *v = json_get(body, key);
    return v && !(json_is_string(v) && json_string_length(v) == 0) && !(json_is_array(v) && json_array_size(v) == 0);
}

static int refuse_given(struct conversion *c, const json_t *o, const struct json_at *at, const char *const *keys)
{
    for (; *keys; keys++)
        if (is_given(o, *keys))
            return json_refuse(c->r, "unsupported", at, *keys, "is not supported");
    return 0;
}

/* ---- messages -------------------------------------------------------------------------------------------------------------- */

static int read_call(struct conversion *c, json_t *calls, json_t *call, const struct json_at *at)
{
    struct json_at place = {at, "function", 0};
    char id[OLLAMA_ID];
    const json_t *function, *arguments = NULL;
    const char *name;
    size_t n;
    if (!json_is_dict(call))
        return json_refuse(c->r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(call));
    int there = json_get_object(call, at, "function", &function, c->r);
    if (there <= 0)
        return there < 0 ? -1 : json_missing(c->r, at, "function");
    if ((there = json_get_text(function, &place, "name", &name, &n, c->r)) <= 0)
        return there < 0 ? -1 : json_missing(c->r, &place, "name");
    if (json_get_kept(function, &place, "arguments", &arguments, c->r) < 0)
        return -1;
    struct out text = {0};
    if (arguments)
        out_spaced(&text, arguments);
    else
        out_bytes(&text, "{}", 2);
    json_t *written = text.failed ? NULL : json_stringn(text.text, text.n);
    out_free(&text);
    snprintf(id, sizeof id, "call_%zu", c->n_call++);
    if (json_add(c->r, c->open, json_pack("{s:s, s:O}", "id", id, "name", json_object_get(function, "name"))) != 0) {
        json_decref(written);
        return -1;
    }
    return json_add(c->r, calls,
                    json_pack("{s:s, s:s, s:{s:O, s:o}}", "id", id, "type", "function", "function", "name",
                              json_object_get(function, "name"), "arguments", written));
}

static int read_calls(struct conversion *c, json_t *to, const json_t *message, const struct json_at *at)
{
    struct json_at place = {at, "tool_calls", 0};
    const json_t *list;
    json_t *call, *calls = json_array();
    size_t i;
    int there = json_get_array(message, at, "tool_calls", &list, c->r);
    if (there > 0 && json_array_size(c->open) + json_array_size(list) > OPEN_CALLS) {
        json_refuse(c->r, "invalid_value", &place, NULL, "makes more than %d calls that have no result yet",
                    (int)OPEN_CALLS);
    } else if (there > 0) {
        json_array_foreach(list, i, call)
        {
            struct json_at item = {&place, NULL, i};
            if (read_call(c, calls, call, &item) != 0)
                break;
        }
        if (json_array_size(calls))
            json_put(c->r, to, "tool_calls", json_incref(calls));
    }
    json_decref(calls);
    return c->r->status ? -1 : 0;
}

/* The call that a result answers: the first open one of its name, or the first open one where it has none. */
static int read_result(struct conversion *c, json_t *to, const json_t *message, const struct json_at *at)
{
    const char *name = NULL;
    size_t n, i;
    json_t *call;
    if (json_get_text(message, at, "tool_name", &name, &n, c->r) < 0)
        return -1;
    json_array_foreach(c->open, i, call)
    {
        if (name && strcmp(json_string_value(json_object_get(call, "name")), name) != 0)
            continue;
        int rc = json_put(c->r, to, "tool_call_id", json_incref(json_object_get(call, "id")));
        json_array_remove(c->open, i);
        return rc;
    }
    return json_refuse(c->r, "invalid_value", at, name ? "tool_name" : NULL,
                       "answers no tool call of an earlier message");
}

static int read_message(struct conversion *c, const json_t *message, const struct json_at *at)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"}, *const no[] = {"images", NULL};
    enum { ASSISTANT = 2, TOOL };
    const char *text;
    size_t n;
    int role;
    if (!json_is_dict(message))
        return json_refuse(c->r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(message));
    int there = json_get_word(message, at, "role", roles, 4, &role, c->r);
    if (there <= 0)
        return there < 0 ? -1 : json_missing(c->r, at, "role");
    if (json_get_text(message, at, "content", &text, &n, c->r) < 0 || refuse_given(c, message, at, no) != 0)
        return -1;
    json_t *content = json_get(message, "content"), *m = json_pack("{s:s}", "role", roles[role]);
    json_put(c->r, m, "content", content ? json_incref(content) : json_string(""));
    if (role == ASSISTANT && json_get_text(message, at, "thinking", &text, &n, c->r) > 0)
        json_put(c->r, m, "reasoning_content", json_incref(json_object_get(message, "thinking")));
    if (role == ASSISTANT)
        read_calls(c, m, message, at);
    if (role == TOOL)
        read_result(c, m, message, at);
    json_add(c->r, c->messages, m);
    return c->r->status ? -1 : 0;
}

/* ---- options --------------------------------------------------------------------------------------------------------------- */

static int read_limits(struct conversion *c, const json_t *options, const struct json_at *at, int n_ctx)
{
    int64_t n;
    int there = json_get_int(options, at, "num_ctx", 0, INT64_MAX, &n, c->r);
    if (there > 0 && n > n_ctx)
        return json_refuse(c->r, "invalid_value", at, "num_ctx",
                           "is %lld, but the context has %d tokens; start the server with a larger --ctx", (long long)n,
                           n_ctx);
    if (there < 0 || (there = json_get_int(options, at, "num_predict", -2, INT32_MAX, &n, c->r)) < 0)
        return -1;
    return there && n > 0 ? json_put(c->r, c->chat, "max_tokens", json_integer(n)) : 0;
}

/* What a number says, however it is spelled. 0: v is none. */
static int value_of(const json_t *v, double *value)
{
    const char *spelled = json_spelled(v);
    *value = spelled ? strtod(spelled, NULL) : json_number_value(v);
    return spelled || json_is_number(v);
}

/* The options that are looked at, those with a whole value as integers: clients have all numbers as doubles. A new reference. */
static json_t *known_options(struct conversion *c, const json_t *options)
{
    static const char *const known[] = {
        "temperature",    "min_p", "presence_penalty", "frequency_penalty", "stop", "top_p", "top_k",
        "repeat_penalty", "seed",  "num_ctx",          "num_predict"};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        json_t *v = json_get(options, known[i]);
        double value;
        int is_whole = value_of(v, &value) && !json_is_integer(v) && value == floor(value) && fabs(value) < 0x1p53;
        if (is_given(options, known[i]))
            json_put(c->r, o, known[i], is_whole ? json_integer((json_int_t)value) : json_incref(v));
    }
    return o;
}

/* Values that mean something else there. */
static int read_zeros(struct conversion *c, json_t *o)
{
    double top_p, repeat;
    if (value_of(json_object_get(o, "top_p"), &top_p) && top_p <= 0) {
        json_object_del(o, "top_p");
        json_put(c->r, o, "top_k", json_integer(1));
    }
    if (value_of(json_object_get(o, "repeat_penalty"), &repeat) && repeat == 0)
        json_put(c->r, o, "repeat_penalty", json_integer(1));
    return c->r->status ? -1 : 0;
}

/* Options that have the same name and form as fields of a chat. */
static int copy_same(struct conversion *c, const json_t *o, const struct json_at *at)
{
    static const char *const same[] = {"temperature",       "top_p",          "min_p", "top_k", "presence_penalty",
                                       "frequency_penalty", "repeat_penalty", "seed",  "stop"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_get(o, same[i]) && (note(c, at, same[i], same[i]) != 0 ||
                                     json_put(c->r, c->chat, same[i], json_incref(json_get(o, same[i]))) != 0))
            return -1;
    return 0;
}

static int read_options(struct conversion *c, const json_t *body, int n_ctx)
{
    static const struct json_at at = {NULL, "options", 0};
    const json_t *options;
    if (note(c, &at, "num_predict", "max_tokens") != 0) /* also of what is refused where none was sent */
        return -1;
    int there = json_get_object(body, NULL, "options", &options, c->r);
    if (there <= 0)
        return there;
    json_t *o = known_options(c, options);
    int rc = read_zeros(c, o) || copy_same(c, o, &at) || read_limits(c, o, &at, n_ctx) ? -1 : 0;
    json_decref(o);
    return rc;
}

static int read_format(struct conversion *c, const json_t *body)
{
    json_t *format = json_get(body, "format");
    if (!is_given(body, "format"))
        return 0;
    if (note(c, NULL, "format", "response_format") != 0 ||
        note(c, NULL, "format", "response_format.json_schema.schema") != 0)
        return -1;
    if (json_is_string(format) && strcmp(json_string_value(format), "json") == 0)
        return json_put(c->r, c->chat, "response_format", json_pack("{s:s}", "type", "json_object"));
    if (!json_is_dict(format))
        return json_refuse(c->r, json_is_string(format) ? "invalid_value" : "invalid_type", NULL, "format",
                           "must be \"json\" or a schema");
    return json_put(
        c->r, c->chat, "response_format",
        json_pack("{s:s, s:{s:s, s:O}}", "type", "json_schema", "json_schema", "name", "output", "schema", format));
}

static int read_think(struct conversion *c, const json_t *body)
{
    static const char *const efforts[] = {"low", "medium", "high"};
    const json_t *think = json_get(body, "think");
    int effort;
    if (!think)
        return 0;
    if (json_is_boolean(think))
        return json_put(c->r, c->chat, "enable_thinking", json_boolean(json_is_true(think)));
    if (!json_is_string(think))
        return json_refuse(c->r, "invalid_type", NULL, "think", "must be a boolean, low, medium or high, not %s",
                           json_kind(think));
    if (json_get_word(body, NULL, "think", efforts, 3, &effort, c->r) < 0)
        return -1;
    json_put(c->r, c->chat, "enable_thinking", json_true());
    return json_put(c->r, c->chat, "reasoning_effort", json_string(efforts[effort]));
}

/* ---- the two bodies -------------------------------------------------------------------------------------------------------- */

/* Fields of ours, which the chat has too. */
static int read_steer(struct conversion *c, const json_t *body)
{
    static const char *const same[] = {"steer", "control_vectors"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_get(body, same[i]) && json_put(c->r, c->chat, same[i], json_incref(json_get(body, same[i]))) != 0)
            return -1;
    return 0;
}

static int read_common(struct conversion *c, struct ollama_request *o, const json_t *body, int n_ctx)
{
    o->stream = 1;
    if (json_get_bool(body, NULL, "stream", &o->stream, c->r) < 0 || read_options(c, body, n_ctx) != 0 ||
        read_format(c, body) != 0 || read_think(c, body) != 0 || read_steer(c, body) != 0)
        return -1;
    return json_put(c->r, c->chat, "stream", json_boolean(o->stream));
}

static int read_chat(struct conversion *c, struct ollama_request *o, const json_t *body)
{
    static const struct json_at at = {NULL, "messages", 0};
    const json_t *list = NULL;
    json_t *message;
    size_t i;
    if (json_get_array(body, NULL, "messages", &list, c->r) < 0)
        return -1;
    o->load = json_array_size(list) == 0;
    if (json_array_size(list) > REQUEST_MESSAGES)
        return json_refuse(c->r, "invalid_value", NULL, "messages", "has %zu messages; it must have 1 to %d",
                           json_array_size(list), (int)REQUEST_MESSAGES);
    json_array_foreach(list, i, message)
    {
        struct json_at place = {&at, NULL, i};
        if (read_message(c, message, &place) != 0)
            return -1;
    }
    if (is_given(body, "tools"))
        return json_put(c->r, c->chat, "tools", json_incref(json_get(body, "tools")));
    return 0;
}

static int read_generate(struct conversion *c, struct ollama_request *o, const json_t *body)
{
    static const char *const no[] = {"suffix", "images", "template", NULL};
    const char *prompt = "", *system = "";
    size_t n_prompt = 0, n_system = 0;
    int raw = 0;
    if (json_get_text(body, NULL, "prompt", &prompt, &n_prompt, c->r) < 0 ||
        json_get_text(body, NULL, "system", &system, &n_system, c->r) < 0 ||
        json_get_bool(body, NULL, "raw", &raw, c->r) < 0 || refuse_given(c, body, NULL, no) != 0)
        return -1;
    o->load = n_prompt == 0;
    o->raw = raw ? prompt : NULL;
    o->n_raw = n_prompt;
    note(c, NULL, "prompt", "messages");
    note(c, NULL, n_system ? "system" : "prompt", "messages[0]");
    note(c, NULL, "prompt", "messages[1]");
    if (n_system)
        json_add(c->r, c->messages,
                 json_pack("{s:s, s:O}", "role", "system", "content", json_object_get(body, "system")));
    return o->load ? 0
                   : json_add(c->r, c->messages,
                              json_pack("{s:s, s:O}", "role", "user", "content", json_object_get(body, "prompt")));
}

static int read_body(struct ollama_request *o, const json_t *body, int n_ctx,
                     int (*read)(struct conversion *c, struct ollama_request *o, const json_t *body), struct refusal *r)
{
    json_t *chat = json_object(), *messages = json_array(), *open = json_array();
    struct conversion c = {.chat = chat, .messages = messages, .origins = json_object(), .open = open, .r = r};
    *o = (struct ollama_request){.chat = chat, .origins = c.origins};
    int rc = json_put(r, chat, "messages", messages) || read(&c, o, body) || read_common(&c, o, body, n_ctx);
    json_decref(open);
    return rc || r->status ? -1 : 0;
}

int ollama_chat_read(struct ollama_request *o, const json_t *body, int n_ctx, struct refusal *r)
{
    return read_body(o, body, n_ctx, read_chat, r);
}

int ollama_generate_read(struct ollama_request *o, const json_t *body, int n_ctx, struct refusal *r)
{
    return read_body(o, body, n_ctx, read_generate, r);
}

void ollama_request_free(struct ollama_request *o)
{
    json_decref(o->chat);
    json_decref(o->origins);
    *o = (struct ollama_request){0};
}
