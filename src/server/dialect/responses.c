/* POST /v1/responses, without a memory of its own: every request holds its whole conversation; server.md, part 4.
 *
 *     created in_progress  (item.added  deltas  item.done)*  completed | incomplete | failed
 *
 * The answer is a list of items in the order in which they came: reasoning, message, call, search. An item is a stretch of the choice's
 * texts that ends where another kind begins, or a call that the server has run. A whole answer is told the same pieces, so it has the same
 * items. */
#include "base/json/load.h"
#include "base/reqmem.h"
#include "server/dialect/file_search.h"
#include "server/dialect/openai.h"
#include "server/dialect/responses_request.h"
#include "server/http/new_id.h"
#include "server/request/own_tools.h"
#include "server/request/service.h"

#include <inttypes.h>
#include <string.h>

enum item_kind { ITEM_REASONING, ITEM_MESSAGE, ITEM_CALL, ITEM_CUSTOM, ITEM_SEARCH };

struct item {
    enum item_kind kind;
    char id[32];
    size_t from, to;             /* of the choice's reasoning or content */
    size_t from_token, to_token; /* of a message: of the choice's log-probabilities */
    const struct call *call;
    struct file_search *search;
    int done, n_passage; /* n_passage: of a message that is done: later passages are not what it cites */
};

struct response {
    char id[40];
    const json_t *body;
    const struct responses_request *request;
    struct item *item; /* [n_item] */
    size_t n_item, cap_item;
    unsigned sequence;
    int64_t created;
};

static const char *word(const json_t *o, const char *key) { return json_string_value(json_get(o, key)); }

/* ---- items ----------------------------------------------------------------------------------------------------------------- */

static void put_texts(struct out *o, const struct answer *a, const struct item *it)
{
    const struct choice *c = &a->choice[0];
    const struct out *from = it->kind == ITEM_REASONING ? &c->reasoning : &c->content;
    if (it->to > it->from)
        out_string(o, from->text + it->from, it->to - it->from);
    else
        out_print(o, "\"\"");
}

static void put_logprobs(struct out *o, const struct answer *a, const struct item *it, size_t from)
{
    struct choice shown = a->choice[0];
    shown.n_token = it->to_token;
    out_print(o, "[");
    if (a->request->logprobs)
        openai_logprobs(o, a, &shown, from);
    out_print(o, "]");
}

/* The next passage that a message cites; *c is zeroed before the first. 0: there is none any more. */
static int next_annotation(const struct answer *a, const struct item *it, struct openai_citation *c)
{
    while (it->to > it->from && openai_next_citation(a, a->choice[0].content.text + it->from, it->to - it->from, c))
        if (c->number <= it->n_passage)
            return 1;
    return 0;
}

static void put_annotation(struct out *o, const struct openai_citation *c)
{
    out_print(o, "{\"type\":\"url_citation\",\"url\":");
    out_text(o, c->of->url);
    out_print(o, ",\"title\":");
    out_text(o, c->of->title);
    out_print(o, ",\"start_index\":%zu,\"end_index\":%zu}", c->start, c->end);
}

static void put_part(struct out *o, const struct answer *a, const struct item *it)
{
    struct openai_citation c = {0};
    out_print(o, it->kind == ITEM_REASONING ? "{\"type\":\"reasoning_text\",\"text\":"
                                            : "{\"type\":\"output_text\",\"text\":");
    put_texts(o, a, it);
    if (it->kind == ITEM_MESSAGE) {
        out_print(o, ",\"annotations\":[");
        for (int i = 0; it->done && next_annotation(a, it, &c); i++) {
            out_print(o, i ? "," : "");
            put_annotation(o, &c);
        }
        out_print(o, "],\"logprobs\":");
        put_logprobs(o, a, it, it->from_token);
    }
    out_print(o, "}");
}

/* The one argument of a custom tool; NULL: there is none (yet), or no memory, which out remembers. */
static json_t *custom_input(const struct call *call, struct out *out)
{
    const struct out *text = &call->arguments;
    json_error_t why;
    json_t *o = json_load_reserved(text->text ? text->text : "", text->n, JSON_ALLOW_NUL, &why);
    out->failed |= !o && json_error_code(&why) == json_error_out_of_memory;
    json_t *input = json_incref(json_object_get(o, "input"));
    json_decref(o);
    return input;
}

/* arguments or input: whole, or empty when the item is added. */
static void put_call(struct out *o, const struct answer *a, const struct item *it)
{
    const struct response *own = a->own;
    const char *space = word(own->request->spaces, it->call->name);
    out_print(o, "\"call_id\":\"%s\",\"name\":", it->call->id);
    out_text(o, it->call->name);
    if (space) {
        out_print(o, ",\"namespace\":");
        out_text(o, space);
    }
    json_t *input = it->kind == ITEM_CUSTOM && it->done ? custom_input(it->call, o) : NULL;
    out_print(o, it->kind == ITEM_CUSTOM ? ",\"input\":" : ",\"arguments\":");
    if (it->kind == ITEM_CUSTOM)
        out_string(o, json_string_value(input), json_string_length(input));
    else
        out_string(o, it->call->arguments.text, it->done ? it->call->arguments.n : 0);
    json_decref(input);
}

static const char *item_status(const struct answer *a, const struct item *it)
{
    const struct choice *c = &a->choice[0];
    const struct response *own = a->own;
    int cut = c->ended && c->finish == FINISH_LENGTH && it == &own->item[own->n_item - 1];
    return !it->done                             ? "in_progress"
           : it->search && it->search->is_failed ? "failed"
           : cut                                 ? "incomplete"
                                                 : "completed";
}

static void put_item(struct out *o, const struct answer *a, const struct item *it)
{
    static const char *const types[] = {"reasoning", "message", "function_call", "custom_tool_call",
                                        "file_search_call"};
    out_print(o, "{\"id\":\"%s\",\"type\":\"%s\",", it->id, types[it->kind]);
    if (it->kind == ITEM_REASONING)
        out_print(o, "\"summary\":[],\"content\":[");
    else
        out_print(o, "\"status\":\"%s\",", item_status(a, it));
    if (it->kind == ITEM_MESSAGE)
        out_print(o, "\"role\":\"assistant\",\"content\":[");
    if (it->call)
        put_call(o, a, it);
    else if (it->search)
        file_search_put(o, it->search);
    else if (it->done ||
             it->kind == ITEM_REASONING) /* readers of streams add to the part that an item of reasoning begins with */
        put_part(o, a, it);
    out_print(o, it->call || it->search ? "}" : "]}");
}

/* ---- the response ---------------------------------------------------------------------------------------------------------- */

static void put_field(struct out *o, const char *name, const json_t *v, const char *otherwise)
{
    out_print(o, ",\"%s\":", name);
    if (v)
        out_value(o, v);
    else
        out_print(o, "%s", otherwise);
}

/* The fields of the request that an answer repeats, with the defaults of those that are absent. */
static void put_settings(struct out *o, const struct answer *a, const json_t *body)
{
    const json_t *text = json_get(body, "text"), *reasoning = json_get(body, "reasoning");
    put_field(o, "instructions", json_get(body, "instructions"), "null");
    put_field(o, "max_output_tokens", json_get(body, "max_output_tokens"), "null");
    put_field(o, "max_tool_calls", json_get(body, "max_tool_calls"), "null");
    put_field(o, "parallel_tool_calls", json_get(body, "parallel_tool_calls"), "true");
    out_print(o, ",\"previous_response_id\":null,\"reasoning\":{\"effort\":");
    out_text(o, word(reasoning, "effort"));
    out_print(o, ",\"summary\":");
    out_text(o, word(reasoning, "summary"));
    out_print(o, "},\"store\":false,\"temperature\":");
    out_real(o, a->request->sampling.temperature);
    put_field(o, "text", NULL, "{\"format\":");
    if (json_get(text, "format"))
        out_value(o, json_get(text, "format"));
    else
        out_print(o, "{\"type\":\"text\"}");
    out_print(o, "}");
    put_field(o, "tool_choice", json_get(body, "tool_choice"), "\"auto\"");
    put_field(o, "tools", json_get(body, "tools"), "[]");
    out_print(o, ",\"top_p\":");
    out_real(o, a->request->sampling.top_p);
    out_print(o, ",\"truncation\":\"disabled\"");
    put_field(o, "metadata", json_get(body, "metadata"), "{}");
    openai_steer(o, a);
}

static void put_usage(struct out *o, const struct answer *a)
{
    out_print(o,
              "{\"input_tokens\":%zu,\"input_tokens_details\":{\"cached_tokens\":%zu},\"output_tokens\":%zu,"
              "\"output_tokens_details\":{\"reasoning_tokens\":%zu},\"total_tokens\":%zu}",
              a->n_prompt, a->n_cached, a->n_generated, a->n_reasoning, a->n_prompt + a->n_generated);
}

/* failed: what broke the answer off, or NULL. */
static void put_response(struct out *o, const struct answer *a, const char *status, const struct refusal *failed)
{
    const struct response *own = a->own;
    out_print(o, "{\"id\":\"%s\",\"object\":\"response\",\"created_at\":%" PRId64 ",\"status\":\"%s\"", own->id,
              own->created, status);
    out_print(o, ",\"background\":false,\"error\":");
    if (failed) {
        out_print(o, "{\"code\":\"%s\",\"message\":", failed->status / 100 == 4 ? "invalid_prompt" : "server_error");
        out_text(o, failed->text);
        out_print(o, "}");
    } else {
        out_print(o, "null");
    }
    out_print(o, ",\"incomplete_details\":%s,\"model\":",
              strcmp(status, "incomplete") == 0 ? "{\"reason\":\"max_output_tokens\"}" : "null");
    out_text(o, a->server->model_id);
    put_settings(o, a, own->body);
    out_print(o, ",\"output\":[");
    for (size_t i = 0; i < own->n_item; i++) {
        out_print(o, i ? "," : "");
        put_item(o, a, &own->item[i]);
    }
    out_print(o, "],\"usage\":");
    if (a->choice[0].ended)
        put_usage(o, a);
    else
        out_print(o, "null");
    out_print(o, "}");
}

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

/* event: response.NAME, and what its data begins with. */
static struct out *open_event(struct answer *a, const char *name)
{
    struct response *own = a->own;
    out_print(&a->out, "event: response.%s\ndata: {\"type\":\"response.%s\",\"sequence_number\":%u", name, name,
              own->sequence++);
    return &a->out;
}

static void close_event(struct answer *a) { out_print(&a->out, "}\n\n"); }

static void tell_response(struct answer *a, const char *name, const char *status, const struct refusal *failed)
{
    struct out *o = open_event(a, name);
    out_print(o, ",\"response\":");
    put_response(o, a, status, failed);
    close_event(a);
}

static void tell_item(struct answer *a, const char *name, const struct item *it)
{
    const struct response *own = a->own;
    struct out *o = open_event(a, name);
    out_print(o, ",\"output_index\":%zu,\"item\":", (size_t)(it - own->item));
    put_item(o, a, it);
    close_event(a);
}

/* An event about the inside of the item that is open: the newest. */
static struct out *open_inside(struct answer *a, const char *name)
{
    const struct response *own = a->own;
    const struct item *it = &own->item[own->n_item - 1];
    struct out *o = open_event(a, name);
    out_print(o, ",\"item_id\":\"%s\",\"output_index\":%zu", it->id, own->n_item - 1);
    if (!it->call && !it->search)
        out_print(o, ",\"content_index\":0");
    return o;
}

static void tell_part(struct answer *a, const char *name, const struct item *it)
{
    struct out *o = open_inside(a, name);
    out_print(o, ",\"part\":");
    put_part(o, a, it);
    close_event(a);
}

static void tell_annotations(struct answer *a, const struct item *it)
{
    struct openai_citation c = {0};
    for (int i = 0; next_annotation(a, it, &c); i++) {
        struct out *o = open_inside(a, "output_text.annotation.added");
        out_print(o, ",\"annotation_index\":%d,\"annotation\":", i);
        put_annotation(o, &c);
        close_event(a);
    }
}

/* What a message cites, and the whole text again, at the end of an item. */
static void tell_text(struct answer *a, const struct item *it)
{
    if (it->kind == ITEM_MESSAGE)
        tell_annotations(a, it);
    struct out *o = open_inside(a, it->kind == ITEM_REASONING ? "reasoning_text.done" : "output_text.done");
    out_print(o, ",\"text\":");
    put_texts(o, a, it);
    if (it->kind == ITEM_MESSAGE) {
        out_print(o, ",\"logprobs\":");
        put_logprobs(o, a, it, it->from_token);
    }
    close_event(a);
}

static void tell_custom(struct answer *a, const struct item *it)
{
    static const char *const names[] = {"custom_tool_call_input.delta", "custom_tool_call_input.done"};
    json_t *input = custom_input(it->call, &a->out);
    for (int i = 0; i < 2; i++) {
        struct out *o = open_inside(a, names[i]);
        out_print(o, i ? ",\"input\":" : ",\"delta\":");
        out_string(o, json_string_value(input), json_string_length(input));
        close_event(a);
    }
    json_decref(input);
}

static void tell_arguments(struct answer *a, const struct item *it)
{
    struct out *o = open_inside(a, "function_call_arguments.done");
    out_print(o, ",\"name\":");
    out_text(o, it->call->name);
    out_print(o, ",\"arguments\":");
    out_string(o, it->call->arguments.text, it->call->arguments.n);
    close_event(a);
}

/* n_token: of the choice's tokens, those up to the end of the item. */
static void end_item_at(struct answer *a, size_t n_token)
{
    struct response *own = a->own;
    struct item *it = own->n_item ? &own->item[own->n_item - 1] : NULL;
    if (!it || it->done)
        return;
    it->done = 1;
    if (it->kind == ITEM_MESSAGE) {
        it->to_token = n_token;
        it->n_passage = a->request->own ? a->request->own->talk.passages.n : 0;
    }
    if (!a->request->stream)
        return;
    if (it->kind == ITEM_CUSTOM) {
        tell_custom(a, it);
    } else if (it->kind == ITEM_CALL) {
        tell_arguments(a, it);
    } else if (it->kind != ITEM_SEARCH) {
        tell_text(a, it);
        if (it->kind == ITEM_MESSAGE)
            tell_part(a, "content_part.done", it);
    }
    tell_item(a, "output_item.done", it);
}

static void end_item(struct answer *a) { end_item_at(a, a->choice[0].n_token); }

/* The open item if it is of that kind and no call, else a new one. NULL: no memory, which the answer's end will tell. */
static struct item *item_of(struct answer *a, enum item_kind kind, const struct call *call)
{
    static const char *const prefixes[] = {"rs_", "msg_", "fc_", "ctc_", "fs_"};
    struct response *own = a->own;
    struct choice *c = &a->choice[0];
    if (own->n_item && !call && !own->item[own->n_item - 1].done && own->item[own->n_item - 1].kind == kind)
        return &own->item[own->n_item - 1];
    end_item(a);
    if (own->n_item == own->cap_item) {
        size_t cap = own->cap_item ? 2 * own->cap_item : 8;
        struct item *grown = reqmem_realloc(own->item, cap * sizeof *grown);
        a->out.failed |= !grown;
        if (!grown)
            return NULL;
        own->item = grown;
        own->cap_item = cap;
    }
    struct item *it = &own->item[own->n_item++];
    *it = (struct item){.kind = kind, .call = call, .from_token = c->n_sent, .to_token = c->n_sent};
    server_new_id(it->id, prefixes[kind], 24);
    return it;
}

static void add_text(struct answer *a, enum item_kind kind, size_t end, const char *text, size_t n)
{
    static const char *const names[] = {"reasoning_text.delta", "output_text.delta"};
    struct response *own = a->own;
    struct choice *c = &a->choice[0];
    size_t before = own->n_item;
    struct item *it = item_of(a, kind, NULL);
    if (!it)
        return;
    if (own->n_item > before) {
        it->from = it->to = end - n;
        if (a->request->stream) {
            tell_item(a, "output_item.added", it);
            if (kind == ITEM_MESSAGE)
                tell_part(a, "content_part.added", it);
        }
    }
    it->to = end;
    it->to_token = c->n_token;
    if (a->request->stream) {
        struct out *o = open_inside(a, names[kind]);
        out_print(o, ",\"delta\":");
        out_string(o, text, n);
        if (kind == ITEM_MESSAGE) {
            out_print(o, ",\"logprobs\":");
            put_logprobs(o, a, it, c->n_sent);
        }
        close_event(a);
    }
    c->n_sent = c->n_token;
}

static void on_begin(struct answer *a)
{
    tell_response(a, "created", "in_progress", NULL);
    tell_response(a, "in_progress", "in_progress", NULL);
}

static void on_reasoning(struct answer *a, struct choice *c, const char *text, size_t n)
{
    add_text(a, ITEM_REASONING, c->reasoning.n, text, n);
}

static void on_content(struct answer *a, struct choice *c, const char *text, size_t n)
{
    add_text(a, ITEM_MESSAGE, c->content.n, text, n);
}

static void on_call(struct answer *a, struct choice *c, struct call *call)
{
    const struct response *own = a->own;
    int custom = json_object_get(own->request->custom, call->name) != NULL;
    struct item *it = item_of(a, custom ? ITEM_CUSTOM : ITEM_CALL, call);
    c->n_sent = c->n_token;
    if (it && a->request->stream)
        tell_item(a, "output_item.added", it);
}

/* A custom tool's input is inside of what comes: it is told when it is whole. */
static void on_arguments(struct answer *a, struct choice *c, struct call *call, const char *text, size_t n)
{
    const struct response *own = a->own;
    (void)call;
    c->n_sent = c->n_token;
    if (!a->request->stream || !own->n_item || own->item[own->n_item - 1].kind == ITEM_CUSTOM)
        return;
    struct out *o = open_inside(a, "function_call_arguments.delta");
    out_print(o, ",\"delta\":");
    out_string(o, text, n);
    close_event(a);
}

static void on_call_end(struct answer *a, struct choice *c, struct call *call)
{
    (void)c;
    (void)call;
    end_item(a);
}

/* The tokens of a call of ours are no text's. */
static void begin_search(struct answer *a, const struct lookup *l)
{
    static const char *const names[] = {"file_search_call.in_progress", "file_search_call.searching"};
    const struct response *own = a->own;
    struct choice *c = &a->choice[0];
    if (own->n_item)
        end_item_at(a, own->item[own->n_item - 1].to_token);
    c->n_sent = c->n_token;
    struct file_search *search = file_search_begin(l);
    struct item *it = search ? item_of(a, ITEM_SEARCH, NULL) : NULL;
    if (!it) {
        file_search_free(search);
        a->out.failed = 1;
        return;
    }
    it->search = search;
    if (!a->request->stream)
        return;
    tell_item(a, "output_item.added", it);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        open_inside(a, names[i]);
        close_event(a);
    }
}

/* A search of the library, or an article that is opened: the server has no other tools here. */
static void on_lookup(struct answer *a, const struct lookup *l)
{
    const struct response *own = a->own;
    if (!l->is_done) {
        begin_search(a, l);
        return;
    }
    struct file_search *search = own->item[own->n_item - 1].search;
    a->out.failed |= file_search_end(search, a, l, own->request->wants_results) != 0;
    if (a->request->stream && !search->is_failed) {
        open_inside(a, "file_search_call.completed");
        close_event(a);
    }
    end_item(a);
}

/* An answer without a word, at all or behind its searches, is an empty message. */
static void end_items(struct answer *a)
{
    struct response *own = a->own;
    if (own->n_item == 0 || own->item[own->n_item - 1].search)
        add_text(a, ITEM_MESSAGE, a->choice[0].content.n, "", 0);
    end_item(a);
}

static void on_choice_end(struct answer *a, struct choice *c)
{
    (void)c;
    end_items(a);
}

static const char *status_of(const struct answer *a)
{
    return a->choice[0].finish == FINISH_LENGTH ? "incomplete" : "completed";
}

static void on_end(struct answer *a) { tell_response(a, status_of(a), status_of(a), NULL); }

static void on_failure(struct answer *a, const struct refusal *r)
{
    if (((struct response *)a->own)->sequence == 0)
        on_begin(a);
    tell_response(a, "failed", "failed", r);
}

static void on_whole(struct answer *a)
{
    end_items(a);
    put_response(&a->out, a, status_of(a), NULL);
}

static const struct dialect_events events = {.stream_type = "text/event-stream",
                                             .whole_in_pieces = 1,
                                             .begin = on_begin,
                                             .reasoning = on_reasoning,
                                             .content = on_content,
                                             .call = on_call,
                                             .arguments = on_arguments,
                                             .call_end = on_call_end,
                                             .lookup = on_lookup,
                                             .choice_end = on_choice_end,
                                             .end = on_end,
                                             .failure = on_failure,
                                             .whole = on_whole};

void openai_responses(struct http_exchange *x)
{
    struct refusal r = {0};
    struct request w = {.stopped = answer_nobody_waits, .stopped_arg = x};
    struct responses_request q = {0};
    struct response response = {.request = &q, .created = server_now()};
    json_t *body = openai_body(x, &r);
    response.body = body;
    server_new_id(response.id, "resp_", 24);
    int read = body && responses_request(&q, body, x->server->library != NULL, &r) == 0;
    w.origins = q.origins;
    if (read)
        json_object_del(body, "input"); /* the chat has its texts */
    if (read && request_read_chat(&w, x->server, q.chat, NULL, 0, &r) == 0) {
        if (q.left.n)
            http_set(x, "x-stoker-ignored-tools", "%.*s", (int)q.left.n, q.left.text);
        file_search_keep(&w, &q.passages);
        answer_run(x, &events, &w, &response);
    }
    if (r.status)
        http_refuse(x, &r);
    for (size_t i = 0; i < response.n_item; i++)
        file_search_free(response.item[i].search);
    reqmem_free(response.item);
    responses_request_free(&q);
    request_free(&w);
    json_decref(body);
}
