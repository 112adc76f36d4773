/* Fields of OpenAI's chat as a request: see request.h. Every field is checked, used or not. */
#include "server/request/request.h"

#include "base/reqmem.h"
#include "server/request/origin.h"
#include "server/request/own_tools.h"
#include "server/request/prediction.h"
#include "server/request/prefix_key.h"
#include "server/request/service.h"
#include "server/request/tools.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void request_free(struct request *w)
{
    json_decref(w->chat);
    json_decref(w->places);
    for (size_t i = 0; i < w->n_prompt; i++)
        reqmem_free(w->prompt[i].token);
    reqmem_free(w->prompt);
    reqmem_free(w->prediction.token);
    reqmem_free(w->bias);
    if (w->steer)
        steer_list_free(w->steer);
    reqmem_free(w->steer);
    if (w->capture)
        capture_wanted_free(w->capture);
    reqmem_free(w->capture);
    if (w->own)
        own_tools_free(w->own);
    reqmem_free(w->own);
    out_free(&w->tools_text);
    out_free(&w->schema_text);
    *w = (struct request){0};
}

const char *request_constraint_field(const struct request *w)
{
    return w->reply.answer.language != STOKER_ANY_TEXT ? "response_format" : w->reply.tools ? "tools" : NULL;
}

void request_rename(const struct request *w, struct refusal *r)
{
    origin_rename(w->places, r);
    origin_rename(w->origins, r);
}

static int refused(const struct request *w, struct refusal *r)
{
    request_rename(w, r);
    return -1;
}

/* ---- sampling and limits --------------------------------------------------------------------------------------------------- */

static int read_numbers(struct request *w, const json_t *body, struct refusal *r)
{
    struct stoker_sampling *p = &w->sampling;
    const struct {
        const char *name;
        double *out;
    } real[] = {{"temperature", &p->temperature},
                {"top_p", &p->top_p},
                {"min_p", &p->min_p},
                {"presence_penalty", &p->presence_penalty},
                {"frequency_penalty", &p->frequency_penalty},
                {"repeat_penalty", &p->repeat_penalty}};
    struct stoker_sampling_range may = {0};
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        if (stoker_sampling_range(real[i].name, 1, &may) != 0 ||
            json_get_real(body, NULL, real[i].name, may.min, may.min_open, may.max, real[i].out, r) < 0)
            return -1;
    int64_t top_k = p->top_k, seed = 0, off = -1; /* what clients of other servers send for none */
    if (stoker_sampling_range("top_k", 1, &may) != 0 ||
        json_get_int(body, NULL, "top_k", off, (int64_t)may.max, &top_k, r) < 0)
        return -1;
    p->top_k = top_k == off ? 0 : (int)top_k;
    int has_seed = json_get_int(body, NULL, "seed", INT64_MIN, INT64_MAX, &seed, r);
    if (has_seed > 0) {
        p->seed = (uint64_t)seed;
        p->has_seed = 1;
    }
    return has_seed < 0 ? -1 : 0;
}

/* A token id as the key of an object; -1: it is none. */
static stoker_token id_of(const char *key, int n_vocab)
{
    size_t n = strlen(key);
    if (n == 0 || n > 9 || strspn(key, "0123456789") != n)
        return -1;
    long id = strtol(key, NULL, 10);
    return id < n_vocab ? (stoker_token)id : -1;
}

static int read_bias(struct request *w, const struct server *s, const json_t *body, struct refusal *r)
{
    const json_t *bias;
    const char *key;
    json_t *value;
    const struct json_at at = {NULL, "logit_bias", 0};
    int got = json_get_object(body, NULL, "logit_bias", &bias, r);
    if (got <= 0)
        return got;
    if (json_object_size(bias) > STOKER_BIAS_MOST)
        return json_refuse(r, "invalid_value", NULL, "logit_bias", "has %zu tokens; it may have %d",
                           json_object_size(bias), (int)STOKER_BIAS_MOST);
    w->bias = reqmem_malloc((json_object_size(bias) + 1) * sizeof *w->bias);
    if (!w->bias)
        return refuse_memory(r);
    json_object_foreach((json_t *)bias, key, value)
    {
        double b;
        stoker_token id = id_of(key, stoker_n_vocab(s->engine));
        if (id < 0)
            return json_refuse(r, "invalid_value", NULL, "logit_bias", "has a key that is no token id from 0 to %d",
                               stoker_n_vocab(s->engine) - 1);
        if (json_get_real(bias, &at, key, -100, 0, 100, &b, r) < 0)
            return -1;
        if (!json_is_null(value))
            w->bias[w->n_bias++] = (struct stoker_logit_bias){id, b <= -100 ? -INFINITY : b};
    }
    w->sampling.bias = w->bias;
    w->sampling.n_bias = w->n_bias;
    return 0;
}

static int add_stop(struct request *w, const json_t *v, const struct json_at *at, struct refusal *r)
{
    size_t n = json_string_length(v);
    if (!json_is_string(v))
        return json_refuse(r, "invalid_type", at, NULL, "must be a string, not %s", json_kind(v));
    if (n == 0 || n > REQUEST_STOP_BYTES)
        return json_refuse(r, "invalid_value", at, NULL, "has %zu bytes; a stop string has 1 to %d", n,
                           (int)REQUEST_STOP_BYTES);
    w->stop[w->n_stop++] = (struct stoker_string){json_string_value(v), n};
    return 0;
}

static int read_stop(struct request *w, const json_t *body, struct refusal *r)
{
    static const char field[] = "stop";
    const json_t *v = json_get(body, field);
    const struct json_at at = {NULL, field, 0};
    if (!v)
        return 0;
    if (json_is_string(v))
        return add_stop(w, v, &at, r);
    if (!json_is_array(v))
        return json_refuse(r, "invalid_type", NULL, field, "must be a string or an array of strings, not %s",
                           json_kind(v));
    if (json_array_size(v) > REQUEST_STOPS)
        return json_refuse(r, "invalid_value", NULL, field, "has %zu strings; it may have %d", json_array_size(v),
                           (int)REQUEST_STOPS);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (add_stop(w, json_array_get(v, i), &(struct json_at){&at, NULL, i}, r) < 0)
            return -1;
    return 0;
}

static int read_limits(struct request *w, const struct server *s, const json_t *body, struct refusal *r)
{
    int64_t most = -1, n = 1, least = !w->may_score_only;
    if (json_get_int(body, NULL, "max_tokens", least, INT64_MAX, &most, r) < 0 ||
        json_get_int(body, NULL, "max_completion_tokens", least, INT64_MAX, &most, r) < 0 ||
        json_get_int(body, NULL, "n", 1, s->plan.n_parallel < REQUEST_CHOICES ? s->plan.n_parallel : REQUEST_CHOICES,
                     &n, r) < 0)
        return -1;
    w->only_score = most == 0;
    w->max_tokens = (int)(most > INT32_MAX ? INT32_MAX : most > 0 ? most : 0);
    w->n = (int)n;
    return read_stop(w, body, r);
}

int request_read_scores(struct request *w, const json_t *body, struct refusal *r)
{
    static const char field[] = "prompt_logprobs";
    int64_t top = 0;
    int stream = 0;
    w->prompt_logprobs = json_get_int(body, NULL, field, 0, STOKER_TOP, &top, r);
    if (w->prompt_logprobs < 0 || json_get_bool(body, NULL, "stream", &stream, r) < 0)
        return -1;
    if (w->prompt_logprobs && stream)
        return json_refuse(r, "unsupported", NULL, field, "cannot be had together with stream");
    w->scores = w->may_score_only = w->prompt_logprobs;
    w->top_scores = w->top_prompt_logprobs = (int)top;
    return 0;
}

static int read_switches(struct request *w, const json_t *body, struct refusal *r)
{
    int cache = 1;
    const struct {
        const char *name;
        int *out;
    } known[] = {{"stream", &w->stream},
                 {"return_progress", &w->wants_progress},
                 {"cache_prompt", &cache},
                 {"ignore_eos", &w->ignore_end}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (json_get_bool(body, NULL, known[i].name, known[i].out, r) < 0)
            return -1;
    w->no_cache = !cache;
    const json_t *options;
    const struct json_at at = {NULL, "stream_options", 0};
    int got = json_get_object(body, NULL, "stream_options", &options, r);
    return got > 0 ? json_get_bool(options, &at, "include_usage", &w->include_usage, r) : got;
}

/* Under either name; the engine's errors know the first. */
static int read_steer(struct request *w, struct server *s, const json_t *body, struct refusal *r)
{
    static const char *const names[] = {"steer", "control_vectors"};
    const json_t *list[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++)
        if (json_get_array(body, NULL, names[i], &list[i], r) < 0)
            return -1;
    int other = !list[0] && list[1];
    const struct json_at at = {NULL, names[other], 0};
    if (list[0] && list[1])
        return json_refuse(r, "invalid_value", NULL, names[1], "stands beside steer, which says the same: send one");
    if (!(w->steer = reqmem_calloc(1, sizeof *w->steer)))
        return refuse_memory(r);
    if (other && ((!w->places && !(w->places = json_object())) || origin_note(w->places, &at, NULL, "%s", names[0])))
        return refuse_memory(r);
    if (list[other])
        return steer_read(w->steer, &s->vectors, list[other], &at, r);
    vectors_list(&s->vectors, w->steer);
    return 0;
}

static int read_capture(struct request *w, struct server *s, const json_t *body, struct refusal *r)
{
    static const char field[] = "capture";
    const json_t *o;
    int got = json_get_object(body, NULL, field, &o, r);
    if (got <= 0)
        return got;
    if (!s->opt.engine.capture_memory && !s->opt.engine.defaults.capture_memory)
        return refuse(r, 403, "capture_disabled", field, "this server records nothing: start it with --capture-memory");
    if (w->n > 1)
        return json_refuse(r, "invalid_value", NULL, "n", "must be 1 where activations are recorded");
    if (!(w->capture = reqmem_calloc(1, sizeof *w->capture)))
        return refuse_memory(r);
    return capture_read(w->capture, s, o, &(struct json_at){NULL, field, 0}, r);
}

static int read_sampling(struct request *w, struct server *s, const json_t *body, struct refusal *r)
{
    w->sampling = s->opt.sampling;
    if (read_numbers(w, body, r) < 0 || read_bias(w, s, body, r) < 0 || read_limits(w, s, body, r) < 0 ||
        read_switches(w, body, r) < 0 || read_steer(w, s, body, r) < 0 || read_capture(w, s, body, r) < 0)
        return -1;
    return 0;
}

int request_read_sampling(struct request *w, struct server *s, const json_t *body, struct refusal *r)
{
    return read_sampling(w, s, body, r) < 0 ? refused(w, r) : 0;
}

/* ---- messages -------------------------------------------------------------------------------------------------------------- */

static int check_part(const json_t *part, const struct json_at *at, struct refusal *r)
{
    const char *text;
    size_t n;
    if (!json_is_dict(part))
        return json_refuse(r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(part));
    int got = json_get_text(part, at, "type", &text, &n, r);
    if (got < 0)
        return -1;
    if (got == 0)
        return json_missing(r, at, "type");
    if (strcmp(text, "text") != 0)
        return json_refuse(r, "unsupported", at, NULL, "is of type \"%.40s\"; stoker reads parts of type text", text);
    got = json_get_text(part, at, "text", &text, &n, r);
    return got == 0 ? json_missing(r, at, "text") : got < 0 ? -1 : 0;
}

static int check_content(const json_t *message, const struct json_at *at, int may_miss, struct refusal *r)
{
    const json_t *v = json_get(message, "content");
    const struct json_at here = {at, "content", 0};
    if (!v)
        return may_miss ? 0 : json_missing(r, at, "content");
    if (json_is_string(v))
        return 0;
    if (!json_is_array(v))
        return json_refuse(r, "invalid_type", at, "content", "must be a string or an array of parts, not %s",
                           json_kind(v));
    for (size_t i = 0; i < json_array_size(v); i++)
        if (check_part(json_array_get(v, i), &(struct json_at){&here, NULL, i}, r) < 0)
            return -1;
    return 0;
}

static int check_call(const json_t *call, const struct json_at *at, struct refusal *r)
{
    const char *text;
    size_t n;
    const json_t *function;
    const struct json_at here = {at, "function", 0};
    if (!json_is_dict(call))
        return json_refuse(r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(call));
    if (json_get_text(call, at, "id", &text, &n, r) < 0)
        return -1;
    int got = json_get_object(call, at, "function", &function, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "function");
    got = json_get_text(function, &here, "name", &text, &n, r);
    return got == 0 ? json_missing(r, &here, "name") : got < 0 ? -1 : 0;
}

/* What call ids and arguments say is the prompt's business: stoker_prompt(). */
static int check_message(const json_t *message, const struct json_at *at, struct refusal *r)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    enum { ASSISTANT = 3 };
    int role;
    const json_t *calls;
    const char *text;
    size_t n;
    const struct json_at here = {at, "tool_calls", 0};
    if (!json_is_dict(message))
        return json_refuse(r, "invalid_type", at, NULL, "must be an object, not %s", json_kind(message));
    int got = json_get_word(message, at, "role", roles, sizeof roles / sizeof *roles, &role, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "role");
    if (check_content(message, at, role == ASSISTANT, r) < 0 || json_get_text(message, at, "name", &text, &n, r) < 0 ||
        json_get_text(message, at, "tool_call_id", &text, &n, r) < 0 ||
        json_get_text(message, at, "reasoning_content", &text, &n, r) < 0)
        return -1;
    got = json_get_array(message, at, "tool_calls", &calls, r);
    for (size_t i = 0; got > 0 && i < json_array_size(calls); i++)
        if (check_call(json_array_get(calls, i), &(struct json_at){&here, NULL, i}, r) < 0)
            return -1;
    return got < 0 ? -1 : 0;
}

/* most: how many there may be; 0: that was seen to where they were made of another dialect's, which are fewer. */
static int check_messages(const json_t *body, size_t most, struct refusal *r)
{
    const json_t *messages;
    const struct json_at at = {NULL, "messages", 0};
    int got = json_get_array(body, NULL, "messages", &messages, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, NULL, "messages");
    size_t n = json_array_size(messages);
    if (n == 0 || (most && n > most))
        return json_refuse(r, "invalid_value", NULL, "messages", "has %zu messages; it must have 1 to %d", n,
                           (int)REQUEST_MESSAGES);
    for (size_t i = 0; i < n; i++)
        if (check_message(json_array_get(messages, i), &(struct json_at){&at, NULL, i}, r) < 0)
            return -1;
    return 0;
}

/* ---- what the answer must be ----------------------------------------------------------------------------------------------- */

/* "json_schema" {name, schema, strict}. */
static int read_schema(struct request *w, const json_t *format, const struct json_at *at, struct refusal *r)
{
    const struct json_at here = {at, "json_schema", 0};
    const json_t *o, *schema;
    const char *name;
    size_t n;
    int strict = 0;
    int got = json_get_object(format, at, "json_schema", &o, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, at, "json_schema");
    if (json_get_text(o, &here, "name", &name, &n, r) < 0 || json_get_bool(o, &here, "strict", &strict, r) < 0)
        return -1;
    schema = json_get(o, "schema");
    if (!schema)
        return json_missing(r, &here, "schema");
    if (!json_is_dict(schema) && !json_is_boolean(schema))
        return json_refuse(r, "invalid_type", &here, "schema", "must be an object, not %s", json_kind(schema));
    out_value(&w->schema_text, schema);
    if (w->schema_text.n > REQUEST_SCHEMA) /* said at once: a large request holds memory that others wait for */
        return refuse(r, 400, "invalid_value", at->key, "schema error at %s#: it has %zu bytes: at most %d", at->key,
                      w->schema_text.n, (int)REQUEST_SCHEMA);
    w->reply.answer.language = strict ? STOKER_JSON_SCHEMA : STOKER_JSON_SCHEMA_LENIENT;
    return 0;
}

static int read_format(struct request *w, const json_t *body, struct refusal *r)
{
    static const char *const types[] = {"text", "json_object", "json_schema"};
    enum { TEXT, OBJECT };
    const struct json_at at = {NULL, "response_format", 0};
    const json_t *format;
    int type, got = json_get_object(body, NULL, "response_format", &format, r);
    if (got <= 0)
        return got;
    got = json_get_word(format, &at, "type", types, 3, &type, r);
    if (got <= 0)
        return got < 0 ? -1 : json_missing(r, &at, "type");
    if (type == TEXT)
        return 0;
    if (type == OBJECT) {
        out_print(&w->schema_text, "{\"type\":\"object\"}");
        w->reply.answer.language = STOKER_JSON_SCHEMA_LENIENT;
    } else if (read_schema(w, format, &at, r) < 0) {
        return -1;
    }
    if (w->schema_text.failed)
        return refuse_memory(r);
    w->reply.answer.text = w->schema_text.text;
    w->reply.answer.n = w->schema_text.n;
    w->reply.answer.field = at.key;
    return 0;
}

static int read_answer(struct request *w, const struct server *s, const json_t *body, struct refusal *r)
{
    int close = s->opt.close_at_limit != 0;
    if (read_format(w, body, r) < 0 || json_get_bool(body, NULL, "close_at_limit", &close, r) < 0)
        return -1;
    w->reply.free_limit = w->reply.answer.free_limit = !close;
    return 0;
}

int request_read_answer(struct request *w, const struct server *s, const json_t *body, struct refusal *r)
{
    return read_answer(w, s, body, r) < 0 ? refused(w, r) : 0;
}

static int read_logprobs(struct request *w, const json_t *body, struct refusal *r)
{
    int64_t top = 0;
    int got = json_get_bool(body, NULL, "logprobs", &w->logprobs, r);
    if (got >= 0)
        got = json_get_int(body, NULL, "top_logprobs", 0, STOKER_TOP, &top, r);
    if (got > 0 && !w->logprobs)
        return json_refuse(r, "invalid_value", NULL, "top_logprobs", "needs logprobs to be true");
    w->top_logprobs = (int)top;
    return got < 0 ? -1 : 0;
}

/* ---- the rest -------------------------------------------------------------------------------------------------------------- */

/* What is accepted and changes nothing, and what stoker cannot do. */
static int check_unused(const json_t *body, struct refusal *r)
{
    static const char *const texts[] = {"user", "service_tier", "prompt_cache_key", "safety_identifier"},
                             *const objects[] = {"metadata"}, *const missing[] = {"functions", "audio"};
    const char *text;
    const json_t *value;
    size_t n;
    int store;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (json_get_text(body, NULL, texts[i], &text, &n, r) < 0)
            return -1;
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
        if (json_get_object(body, NULL, objects[i], &value, r) < 0)
            return -1;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (json_get(body, missing[i]))
            return json_refuse(r, "unsupported", NULL, missing[i], "is not supported");
    const struct json_at at = {NULL, "modalities", 0};
    int got = json_get_array(body, NULL, "modalities", &value, r);
    for (size_t i = 0; got > 0 && i < json_array_size(value); i++) {
        const char *kind = json_string_value(json_array_get(value, i));
        if (!kind || strcmp(kind, "text") != 0)
            return json_refuse(r, "unsupported", &(struct json_at){&at, NULL, i}, NULL, "must be \"text\"");
    }
    return got < 0 || json_get_bool(body, NULL, "store", &store, r) < 0 ? -1 : 0;
}

/* What the template is told about thinking: the request's word, else that of reasoning_effort "none", else the server's. */
static int read_thinking(struct request *w, const struct server *s, json_t *body, struct refusal *r)
{
    const struct json_at at = {NULL, "chat_template_kwargs", 0};
    const char *effort = "";
    const json_t *variables;
    size_t n;
    int on, think = s->opt.think;
    int given = json_get_bool(body, NULL, "enable_thinking", &on, r);
    int got = given < 0 ? -1 : json_get_text(body, NULL, "reasoning_effort", &effort, &n, r);
    if (got < 0)
        return -1;
    if (got > 0 && strcmp(effort, "none") == 0)
        think = 0;
    got = json_get_object(body, NULL, "chat_template_kwargs", &variables, r);
    if (got > 0 && (got = json_get_bool(variables, &at, "enable_thinking", &on, r)) > 0)
        given = 1;
    if (got < 0)
        return -1;
    if (given || think < 0)
        return 0;
    w->body = NULL;
    return json_put(r, body, "enable_thinking", json_boolean(think));
}

static int stabilize_chat(struct request *w, const struct server *s, struct refusal *r)
{
    json_t *messages = json_object_get(w->chat, "messages");
    uint64_t user = prefix_key_user(messages);
    if (stabilize(messages, s->opt.stabilize, w->stabilized, &w->places) != 0)
        return refuse_memory(r);
    w->prefix_key = prefix_key_chat(messages, user);
    for (int i = 0; i < STABILIZE_RULES; i++)
        if (w->stabilized[i])
            w->body = NULL;
    if (json_array_size(messages) == 0)
        return json_refuse(r, "invalid_value", NULL, "messages", "holds nothing to answer");
    return 0;
}

static int read_prompt(struct request *w, const struct server *s, json_t *body, const char *text, size_t n,
                       struct refusal *r)
{
    w->chat = json_incref(body);
    w->body = text;
    w->n_body = n;
    if (check_messages(body, w->origins ? 0 : REQUEST_MESSAGES, r) < 0 || tools_read(w, body, r) < 0 ||
        own_tools_read(w, s, body, r) < 0 || read_thinking(w, s, body, r) < 0)
        return -1;
    return stabilize_chat(w, s, r);
}

int request_read_prompt(struct request *w, const struct server *s, json_t *body, const char *text, size_t n,
                        struct refusal *r)
{
    return read_prompt(w, s, body, text, n, r) < 0 ? refused(w, r) : 0;
}

int request_read_chat(struct request *w, struct server *s, json_t *body, const char *text, size_t n, struct refusal *r)
{
    w->reply.unchecked = s->opt.no_tool_grammar;
    if (read_prompt(w, s, body, text, n, r) < 0 || read_sampling(w, s, body, r) < 0 ||
        tools_read_choice(w, body, r) < 0 || read_answer(w, s, body, r) < 0 || read_logprobs(w, body, r) < 0 ||
        prediction_read(w, s, body, r) < 0 || own_tools_check(w, r) < 0 || check_unused(body, r) < 0)
        return refused(w, r);
    return 0;
}
