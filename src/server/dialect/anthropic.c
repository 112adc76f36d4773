/* Anthropic's Messages: POST /v1/messages and /v1/messages/count_tokens.
 *
 *     message_start  (content_block_start content_block_delta* content_block_stop)*  message_delta  message_stop
 *
 * A block is open from its first piece until a piece of another kind comes; a whole answer has the blocks of the stream. The body's way
 * in: anthropic_request.c. */
#include "server/dialect/anthropic.h"
#include "base/reqmem.h"
#include "server/answer/answer.h"
#include "server/dialect/anthropic_request.h"
#include "server/dialect/dialect.h"
#include "server/http/http.h"
#include "server/http/new_id.h"
#include "server/request/request.h"
#include "server/request/service.h"

#include <string.h>

/* Thinking comes back from clients with its signature, which is not looked at; SDKs want one that is not empty. */
#define SIGNATURE "c3Rva2Vy"

enum block_kind { NO_BLOCK, TEXT_BLOCK, THINKING_BLOCK, TOOL_BLOCK };

struct block {
    enum block_kind kind;
    size_t from;             /* where its text begins in the choice's; it ends where the next of its kind begins */
    const struct call *call; /* of a TOOL_BLOCK */
};

struct message {
    char id[32];
    int begun;
    enum block_kind open;
    struct block *block; /* [n_block], so far, with the open one */
    size_t n_block, block_capacity;
    int failed; /* no memory for one */
};

/* ---- pieces of both forms -------------------------------------------------------------------------------------------------- */

static void put_usage(struct out *o, const struct answer *a)
{
    out_print(o,
              "{\"input_tokens\":%zu,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":%zu,"
              "\"output_tokens\":%zu}",
              a->n_prompt - a->n_cached, a->n_cached, a->n_generated);
}

/* {"id" .. "model": of a message, open. */
static void put_head(struct out *o, const struct answer *a)
{
    const struct message *m = a->own;
    out_print(o, "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", m->id);
    out_text(o, a->server->model_id);
}

/* "stop_reason" and "stop_sequence". */
static void put_stop(struct out *o, const struct choice *c)
{
    static const char *const reasons[] = {
        [FINISH_STOP] = "end_turn", [FINISH_LENGTH] = "max_tokens", [FINISH_CALLS] = "tool_use"};
    out_print(o, "\"stop_reason\":\"%s\",\"stop_sequence\":", c->stop ? "stop_sequence" : reasons[c->finish]);
    if (c->stop)
        out_string(o, c->stop->text, c->stop->n);
    else
        out_print(o, "null");
}

/* {"type": "tool_use", "id", "name", open. */
static void put_tool_use(struct out *o, const struct call *call)
{
    out_print(o, "{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":", call->id + strlen("call_"));
    out_text(o, call->name);
}

/* ---- stream ---------------------------------------------------------------------------------------------------------------- */

static void event(struct answer *a, const char *type)
{
    out_print(&a->out, "event: %s\ndata: {\"type\":\"%s\"", type, type);
}

static void event_end(struct answer *a) { out_print(&a->out, "}\n\n"); }

static void on_begin(struct answer *a)
{
    ((struct message *)a->own)->begun = 1;
    event(a, "message_start");
    out_print(&a->out, ",\"message\":");
    put_head(&a->out, a);
    out_print(&a->out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    put_usage(&a->out, a);
    out_print(&a->out, "}");
    event_end(a);
}

static void delta(struct answer *a, const char *type, const char *key, const char *text, size_t n)
{
    struct message *m = a->own;
    event(a, "content_block_delta");
    out_print(&a->out, ",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":", m->n_block - 1, type, key);
    out_string(&a->out, text, n);
    out_print(&a->out, "}");
    event_end(a);
}

static void close_block(struct answer *a)
{
    struct message *m = a->own;
    if (m->open == NO_BLOCK)
        return;
    if (m->open == THINKING_BLOCK)
        delta(a, "signature_delta", "signature", SIGNATURE, strlen(SIGNATURE));
    event(a, "content_block_stop");
    out_print(&a->out, ",\"index\":%zu", m->n_block - 1);
    event_end(a);
    m->open = NO_BLOCK;
}

static void add_block(struct message *m, struct block b)
{
    if (m->n_block == m->block_capacity) {
        struct block *grown = reqmem_realloc(m->block, (2 * m->block_capacity + 4) * sizeof *grown);
        if (!grown) {
            m->failed = 1;
            return;
        }
        m->block = grown;
        m->block_capacity = 2 * m->block_capacity + 4;
    }
    m->block[m->n_block++] = b;
}

static void open_block(struct answer *a, struct block b)
{
    struct message *m = a->own;
    close_block(a);
    add_block(m, b);
    a->out.failed |= m->failed;
    m->open = b.kind;
    event(a, "content_block_start");
    out_print(&a->out, ",\"index\":%zu,\"content_block\":", m->n_block - 1);
    if (b.kind == TOOL_BLOCK) {
        put_tool_use(&a->out, b.call);
        out_print(&a->out, ",\"input\":{}}");
    } else {
        out_print(&a->out, b.kind == TEXT_BLOCK ? "{\"type\":\"text\",\"text\":\"\"}"
                                                : "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    }
    event_end(a);
}

static void on_reasoning(struct answer *a, struct choice *c, const char *text, size_t n)
{
    if (((struct message *)a->own)->open != THINKING_BLOCK)
        open_block(a, (struct block){.kind = THINKING_BLOCK, .from = c->reasoning.n - n});
    delta(a, "thinking_delta", "thinking", text, n);
}

static void on_content(struct answer *a, struct choice *c, const char *text, size_t n)
{
    if (((struct message *)a->own)->open != TEXT_BLOCK)
        open_block(a, (struct block){.kind = TEXT_BLOCK, .from = c->content.n - n});
    delta(a, "text_delta", "text", text, n);
}

static void on_call(struct answer *a, struct choice *c, struct call *call)
{
    (void)c;
    open_block(a, (struct block){.kind = TOOL_BLOCK, .call = call});
}

static void on_arguments(struct answer *a, struct choice *c, struct call *call, const char *text, size_t n)
{
    (void)c, (void)call;
    delta(a, "input_json_delta", "partial_json", text, n);
}

static void on_choice_end(struct answer *a, struct choice *c)
{
    (void)c;
    close_block(a);
}

static void on_end(struct answer *a)
{
    event(a, "message_delta");
    out_print(&a->out, ",\"delta\":{");
    put_stop(&a->out, a->choice);
    out_print(&a->out, "},\"usage\":");
    put_usage(&a->out, a);
    event_end(a);
    event(a, "message_stop");
    event_end(a);
}

/* SDKs want message_start as the first event. */
static void on_silence(struct answer *a)
{
    if (!((struct message *)a->own)->begun) {
        out_print(&a->out, ": ping\n\n");
        return;
    }
    event(a, "ping");
    event_end(a);
}

static void on_failure(struct answer *a, const struct refusal *r)
{
    out_print(&a->out, "event: error\ndata: ");
    write_error(&a->out, DIALECT_ANTHROPIC, r, a->http->id);
    out_print(&a->out, "\n\n");
}

/* ---- whole answer ---------------------------------------------------------------------------------------------------------- */

/* Where the text of block i ends: at the next block of its kind, or with all of it. */
static size_t end_of(const struct message *m, size_t i, size_t all)
{
    for (size_t k = i + 1; k < m->n_block; k++)
        if (m->block[k].kind == m->block[i].kind)
            return m->block[k].from;
    return all;
}

static void put_block(struct out *o, const struct message *m, size_t i, const struct choice *c)
{
    const struct block *b = &m->block[i];
    const struct out *text = b->kind == THINKING_BLOCK ? &c->reasoning : &c->content;
    if (b->kind == TOOL_BLOCK) {
        int is_whole = b->call->ended && b->call->arguments.n; /* cut off it would be no JSON */
        put_tool_use(o, b->call);
        out_print(o, ",\"input\":");
        out_bytes(o, is_whole ? b->call->arguments.text : "{}", is_whole ? b->call->arguments.n : 2);
    } else {
        out_print(o,
                  b->kind == THINKING_BLOCK ? "{\"type\":\"thinking\",\"thinking\":" : "{\"type\":\"text\",\"text\":");
        out_string(o, text->text + b->from, end_of(m, i, text->n) - b->from);
        if (b->kind == THINKING_BLOCK)
            out_print(o, ",\"signature\":\"%s\"", SIGNATURE);
    }
    out_print(o, "}");
}

static void put_content(struct out *o, const struct message *m, const struct choice *c)
{
    out_print(o, "[");
    for (size_t i = 0; i < m->n_block; i++) {
        out_print(o, "%s", i ? "," : "");
        put_block(o, m, i, c);
    }
    out_print(o, "]");
}

static void on_whole(struct answer *a)
{
    const struct message *m = a->own;
    a->out.failed |= m->failed;
    put_head(&a->out, a);
    out_print(&a->out, ",\"content\":");
    put_content(&a->out, m, a->choice);
    out_print(&a->out, ",");
    put_stop(&a->out, a->choice);
    out_print(&a->out, ",\"usage\":");
    put_usage(&a->out, a);
    out_print(&a->out, "}");
}

/* ---- routes ---------------------------------------------------------------------------------------------------------------- */

static const struct dialect_events events = {.stream_type = "text/event-stream",
                                             .whole_in_pieces = 1,
                                             .begin = on_begin,
                                             .reasoning = on_reasoning,
                                             .content = on_content,
                                             .call = on_call,
                                             .arguments = on_arguments,
                                             .choice_end = on_choice_end,
                                             .end = on_end,
                                             .silence = on_silence,
                                             .failure = on_failure,
                                             .whole = on_whole};

static void answer_message(struct http_exchange *x, const struct request *w, struct refusal *r)
{
    struct message m = {0};
    (void)r;
    server_new_id(m.id, "msg_", 24);
    answer_run(x, &events, w, &m);
    reqmem_free(m.block);
}

static void answer_count(struct http_exchange *x, const struct request *w, struct refusal *r)
{
    struct stoker_prompt p;
    struct out o = {0};
    if (answer_prompt(x, w, &p, r) != 0)
        return;
    out_print(&o, "{\"input_tokens\":%zu}", p.n_token);
    stoker_prompt_free(&p);
    http_answer_json(x, &o);
}

static void set_headers(struct http_exchange *x, const json_t *ignored)
{
    struct out list = {0};
    json_t *type;
    size_t i;
    json_array_foreach(ignored, i, type) out_print(&list, "%s%s", i ? "," : "", json_string_value(type));
    if (list.n && !list.failed)
        http_set(x, "x-stoker-ignored-tools", "%.*s", (int)list.n, list.text);
    out_free(&list);
    http_set(x, "request-id", "%s", x->id); /* where Anthropic's SDKs look for it */
}

static int model_ok(const struct http_exchange *x, const json_t *body, struct refusal *r)
{
    const char *name = NULL;
    size_t n = 0;
    return json_get_text(body, NULL, "model", &name, &n, r) < 0 ? -1 : server_model_ok(x->server, name, n, 1, r);
}

/* Reads the body and hands its request on; whoever refuses, now or then, fills *r. */
static void serve(struct http_exchange *x, int counting,
                  void (*answer)(struct http_exchange *x, const struct request *w, struct refusal *r))
{
    struct refusal r = {0};
    struct anthropic_request request = {0};
    struct request w = {.anthropic = 1};
    json_t *body = json_read_keeping(x->body, x->n_body, &anthropic_kept, &r);
    if (body && model_ok(x, body, &r) == 0 && anthropic_request_read(&request, body, counting, &r) == 0) {
        w.origins = request.origins;
        json_object_del(body, "messages"); /* the chat has their texts */
        if (request_read_chat(&w, x->server, request.chat, NULL, 0, &r) == 0) {
            set_headers(x, request.ignored);
            answer(x, &w, &r);
        }
    }
    if (r.status)
        http_refuse(x, &r);
    request_free(&w);
    anthropic_request_free(&request);
    json_decref(body);
}

void anthropic_messages(struct http_exchange *x) { serve(x, 0, answer_message); }

void anthropic_count_tokens(struct http_exchange *x) { serve(x, 1, answer_count); }
