/* POST /v1/chat/completions: a request is its body, field by field; server.md, part 3. */
#include "server/dialect/openai.h"
#include "server/http/new_id.h"
#include "server/request/own_tools.h"
#include "server/request/service.h"

#include <string.h>

struct chat {
    char id[40];
    struct out head;     /* what every chunk begins with */
    int names_reasoning; /* 1: the request has "think": such clients read reasoning by the name "reasoning" */
};

/* ---- stream ---------------------------------------------------------------------------------------------------------------- */

static void open_chunk(struct answer *a)
{
    const struct chat *chat = a->own;
    out_bytes(&a->out, chat->head.text, chat->head.n);
}

/* finish: NULL: not yet. */
static void close_chunk(struct answer *a, struct choice *c, const char *finish)
{
    struct out *o = &a->out;
    if (a->request->logprobs) {
        out_print(o, "},\"logprobs\":{\"content\":[");
        openai_logprobs(o, a, c, c->n_sent);
        out_print(o, "],\"refusal\":null}");
        c->n_sent = c->n_token;
    } else {
        out_print(o, "},\"logprobs\":null");
    }
    if (finish)
        out_print(o, ",\"finish_reason\":\"%s\"%s}]", finish, c->parse_error ? ",\"parse_error\":true" : "");
    else
        out_print(o, ",\"finish_reason\":null}]");
    openai_end_chunk(a, finish != NULL);
}

static void open_delta(struct answer *a, const struct choice *c)
{
    open_chunk(a);
    out_print(&a->out, "[{\"index\":%zu,\"delta\":{", c->index);
}

static int on_prepared(struct answer *a)
{
    struct chat *chat = a->own;
    server_new_id(chat->id, "chatcmpl-", 24);
    openai_head(&chat->head, a, chat->id, a->request->stream ? "chat.completion.chunk" : "chat.completion");
    return chat->head.failed ? -1 : 0;
}

static void on_begin(struct answer *a)
{
    for (size_t i = 0; i < a->n_choice; i++) {
        open_delta(a, &a->choice[i]);
        out_print(&a->out, "\"role\":\"assistant\",\"content\":\"\"");
        close_chunk(a, &a->choice[i], NULL);
    }
}

static void on_progress(struct answer *a)
{
    open_chunk(a);
    out_print(&a->out, "[],\"prompt_progress\":{\"total\":%zu,\"cache\":%zu,\"processed\":%zu,\"time_ms\":%.0f}}\n\n",
              a->n_prompt, a->n_cached, a->progress_done, 1e3 * a->progress_seconds);
}

static void put_text(struct answer *a, struct choice *c, const char *field, const char *text, size_t n)
{
    open_delta(a, c);
    out_print(&a->out, "\"%s\":", field);
    out_string(&a->out, text, n);
    close_chunk(a, c, NULL);
}

/* Without a comma before it. */
static void put_reasoning(struct out *o, const struct chat *chat, const char *text, size_t n)
{
    out_print(o, "\"reasoning_content\":");
    out_string(o, text, n);
    if (chat->names_reasoning) {
        out_print(o, ",\"reasoning\":");
        out_string(o, text, n);
    }
}

static void on_reasoning(struct answer *a, struct choice *c, const char *text, size_t n)
{
    const struct chat *chat = a->own;
    open_delta(a, c);
    put_reasoning(&a->out, chat, text, n);
    close_chunk(a, c, NULL);
}

static void on_content(struct answer *a, struct choice *c, const char *text, size_t n)
{
    put_text(a, c, "content", text, n);
}

/* id, type, name, and the beginning of the arguments' string */
static void put_call(struct out *o, const struct call *call)
{
    out_print(o, "\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", call->id);
    out_text(o, call->name);
    out_print(o, ",\"arguments\":");
}

static void on_call(struct answer *a, struct choice *c, struct call *call)
{
    open_delta(a, c);
    out_print(&a->out, "\"tool_calls\":[{\"index\":%zu,", c->n_call - 1);
    put_call(&a->out, call);
    out_print(&a->out, "\"\"}}]");
    close_chunk(a, c, NULL);
}

static void on_arguments(struct answer *a, struct choice *c, struct call *call, const char *text, size_t n)
{
    (void)call;
    open_delta(a, c);
    out_print(&a->out, "\"tool_calls\":[{\"index\":%zu,\"function\":{\"arguments\":", c->n_call - 1);
    out_string(&a->out, text, n);
    out_print(&a->out, "}}]");
    close_chunk(a, c, NULL);
}

/* What a search has found of tools, or how far another call of a tool of an MCP server is. */
static void put_mcp_event(struct out *o, const struct answer *a, const struct lookup *l)
{
    const struct mcp_talk *t = &a->request->own->mcp;
    const json_t *query = json_get(l->arguments, "query");
    out_print(o, "[],\"mcp_event\":{\"type\":\"%s\",\"status\":\"%s\",", *l->server ? "call" : "search",
              l->is_done ? "completed" : "in_progress");
    if (*l->server) {
        out_print(o, "\"server\":");
        out_text(o, l->server);
        out_print(o, ",\"name\":");
        out_text(o, l->name);
        out_print(o, ",\"arguments\":");
        out_string(o, l->text, l->n_text);
    } else {
        out_print(o, "\"query\":");
        out_string(o, json_string_value(query), json_string_length(query));
    }
    if (l->progress) {
        out_print(o, ",\"progress\":");
        out_text(o, l->progress);
    }
    if (l->is_done && !*l->server) {
        out_print(o, ",\"tools\":[");
        for (int i = 0; i < t->n_hit; i++) {
            out_print(o, i ? "," : "");
            out_text(o, t->tools->tool[t->hit[i]].name);
        }
        out_print(o, "]");
    }
    if (l->is_done)
        out_print(o, ",\"is_error\":%s", t->is_error ? "true" : "false");
    out_print(o, "}}\n\n");
}

/* The search begins, and what it has found. */
static void put_library_event(struct out *o, const struct answer *a, const struct lookup *l)
{
    int is_search = strcmp(l->name, "search_library") == 0;
    const json_t *subject = json_get(l->arguments, is_search ? "query" : "id");
    out_print(o, "[],\"library_event\":{\"type\":\"%s\",\"status\":\"%s\",\"%s\":", is_search ? "search" : "open",
              l->is_done ? "completed" : "in_progress", is_search ? "query" : "id");
    out_string(o, json_string_value(subject), json_string_length(subject));
    out_print(o, l->is_done ? ",\"results\":[" : "");
    for (size_t i = 0; i < l->n_found; i++) {
        int number = l->found[i].number;
        const struct passage *p = passages_get(&a->request->own->talk.passages, number);
        out_print(o, "%s{\"n\":%d,\"title\":", i ? "," : "", number);
        out_text(o, p->title);
        out_print(o, ",\"url\":");
        out_text(o, p->url);
        out_print(o, "}");
    }
    out_print(o, l->is_done ? "]}}\n\n" : "}}\n\n");
}

/* A chunk without choices, as of progress. */
static void on_lookup(struct answer *a, const struct lookup *l)
{
    open_chunk(a);
    (l->server ? put_mcp_event : put_library_event)(&a->out, a, l);
}

static void on_choice_end(struct answer *a, struct choice *c)
{
    open_delta(a, c);
    if (a->request->own && a->request->own->talk.library) {
        out_print(&a->out, "\"content\":\"\"");
        openai_annotations(&a->out, a, c);
    }
    close_chunk(a, c, openai_finish[c->finish]);
}

static void on_end(struct answer *a)
{
    const struct chat *chat = a->own;
    openai_end_stream(a, &chat->head);
}

/* ---- whole ----------------------------------------------------------------------------------------------------------------- */

static void put_message(struct out *o, const struct answer *a, const struct choice *c)
{
    const struct chat *chat = a->own;
    out_print(o, "{\"role\":\"assistant\",\"content\":");
    if (c->n_call && c->content.n == 0)
        out_print(o, "null");
    else
        out_string(o, c->content.text, c->content.n);
    out_print(o, ",\"refusal\":null");
    openai_annotations(o, a, c);
    if (c->reasoning.n) {
        out_print(o, ",");
        put_reasoning(o, chat, c->reasoning.text, c->reasoning.n);
    }
    for (size_t i = 0; i < c->n_call; i++) {
        out_print(o, i ? ",{" : ",\"tool_calls\":[{");
        put_call(o, c->call[i]);
        out_string(o, c->call[i]->arguments.text, c->call[i]->arguments.n);
        out_print(o, "}}");
    }
    out_print(o, c->n_call ? "]}" : "}");
}

static void on_whole(struct answer *a)
{
    struct out *o = &a->out;
    const struct chat *chat = a->own;
    out_bytes(o, chat->head.text, chat->head.n);
    for (size_t i = 0; i < a->n_choice; i++) {
        const struct choice *c = &a->choice[i];
        out_print(o, "%s{\"index\":%zu,\"message\":", i ? "," : "[", i);
        put_message(o, a, c);
        out_print(o, ",\"logprobs\":");
        if (a->request->logprobs) {
            out_print(o, "{\"content\":[");
            openai_logprobs(o, a, c, 0);
            out_print(o, "],\"refusal\":null}");
        } else {
            out_print(o, "null");
        }
        out_print(o, ",\"finish_reason\":\"%s\"%s}", openai_finish[c->finish],
                  c->parse_error ? ",\"parse_error\":true" : "");
    }
    out_print(o, "]");
    openai_prompt_logprobs(o, a, 0);
    openai_end_answer(a);
}

static size_t scores_bytes(const struct answer *a) { return openai_prompt_logprobs_bytes(a, 0); }

static const struct dialect_events events = {.stream_type = "text/event-stream",
                                             .prepared = on_prepared,
                                             .begin = on_begin,
                                             .progress = on_progress,
                                             .scores_bytes = scores_bytes,
                                             .reasoning = on_reasoning,
                                             .content = on_content,
                                             .call = on_call,
                                             .arguments = on_arguments,
                                             .lookup = on_lookup,
                                             .choice_end = on_choice_end,
                                             .end = on_end,
                                             .failure = openai_failure,
                                             .whole = on_whole};

void openai_chat(struct http_exchange *x)
{
    struct refusal r = {0};
    struct request w = {.stopped = answer_nobody_waits, .stopped_arg = x};
    struct chat chat = {0};
    json_t *body = openai_body(x, &r);
    chat.names_reasoning = json_get(body, "think") != NULL;
    if (body && request_read_scores(&w, body, &r) == 0 &&
        request_read_chat(&w, x->server, body, x->body, x->n_body, &r) == 0)
        answer_run(x, &events, &w, &chat);
    if (r.status)
        http_refuse(x, &r);
    out_free(&chat.head);
    request_free(&w);
    json_decref(body);
}
