/* Ollama's dialect, as far as clients need it to chat: /api/version, tags, ps, show, chat, generate.
 *
 *     {"model", "created_at", "message" or "response": a piece, "done": false}   a line a piece
 *     {"model", "created_at", ..., "done": true, "done_reason", counts, times}   the last one, or the whole answer
 *
 * Times are nanoseconds. The bodies' way in: ollama_request.c. */
#include "server/dialect/ollama.h"

#include "base/clock.h"
#include "base/reqmem.h"
#include "base/sha256.h"
#include "server/answer/answer.h"
#include "server/dialect/dialect.h"
#include "server/dialect/ollama_request.h"
#include "server/http/http.h"
#include "server/request/request.h"
#include "server/request/service.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

/* Clients compare it to know what they may use. */
#define OLLAMA_VERSION "0.12.0"

enum { STAMP = 48, DIGEST = 65 };

/* No model is unloaded before the server ends; clients parse a time. */
#define NEVER "9999-12-31T23:59:59Z"

struct request_info {
    const char *model; /* [n_model] as the client named it */
    size_t n_model;
    int generate; /* else chat */
};

/* "2026-11-20T14:03:02.123456Z" */
static const char *stamp(char *out, struct timespec t)
{
    struct tm tm;
    char date[24];
    gmtime_r(&t.tv_sec, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, STAMP, "%s.%06ldZ", date, t.tv_nsec / 1000);
    return out;
}

/* ---- lines of an answer ---------------------------------------------------------------------------------------------------- */

/* {"model", "created_at", with a comma behind. */
static void put_head(struct out *o, const struct request_info *t)
{
    struct timespec now;
    char text[STAMP];
    clock_gettime(CLOCK_REALTIME, &now);
    out_print(o, "{\"model\":");
    out_string(o, t->model, t->n_model);
    out_print(o, ",\"created_at\":\"%s\",", stamp(text, now));
}

static void put_call(struct out *o, const struct call *call)
{
    out_print(o, "{\"function\":{\"name\":");
    out_text(o, call->name);
    out_print(o, ",\"arguments\":");
    out_bytes(o, call->arguments.text, call->arguments.n);
    out_print(o, "}}");
}

struct piece {
    const char *text, *thinking;
    size_t n_text, n_thinking;
    struct call *const *call; /* [n_call] the ended ones are written */
    size_t n_call;
};

/* "message": {..} or "response": "..", without a comma. */
static void put_piece(struct out *o, const struct request_info *t, const struct piece *p)
{
    size_t n = 0;
    out_print(o, t->generate ? "\"response\":" : "\"message\":{\"role\":\"assistant\",\"content\":");
    out_string(o, p->text ? p->text : "", p->n_text);
    if (p->n_thinking) {
        out_print(o, ",\"thinking\":");
        out_string(o, p->thinking, p->n_thinking);
    }
    if (t->generate)
        return;
    for (size_t i = 0; i < p->n_call; i++) {
        if (!p->call[i]->ended)
            continue;
        out_print(o, n++ ? "," : ",\"tool_calls\":[");
        put_call(o, p->call[i]);
    }
    out_print(o, n ? "]}" : "}");
}

static void put_line(struct answer *a, const struct piece *p)
{
    put_head(&a->out, a->own);
    put_piece(&a->out, a->own, p);
    out_print(&a->out, ",\"done\":false}\n");
}

static void put_last(struct answer *a, const struct piece *p)
{
    put_head(&a->out, a->own);
    put_piece(&a->out, a->own, p);
    out_print(&a->out,
              ",\"done\":true,\"done_reason\":\"%s\",\"total_duration\":%lld,\"load_duration\":0,"
              "\"prompt_eval_count\":%zu,\"prompt_eval_duration\":%lld,\"prompt_cached_count\":%zu,\"eval_count\":%zu,"
              "\"eval_duration\":%lld}",
              a->choice->finish == FINISH_LENGTH ? "length" : "stop", (long long)(clock_ns() - a->http->began_ns),
              a->n_prompt, (long long)(a->prompt_seconds * 1e9), a->n_cached, a->n_generated,
              (long long)(a->generate_seconds * 1e9));
}

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

static void on_begin(struct answer *a) { (void)a; }

static void on_reasoning(struct answer *a, struct choice *c, const char *text, size_t n)
{
    (void)c;
    put_line(a, &(struct piece){.thinking = text, .n_thinking = n});
}

static void on_content(struct answer *a, struct choice *c, const char *text, size_t n)
{
    (void)c;
    put_line(a, &(struct piece){.text = text, .n_text = n});
}

/* A call is one object: it is written when it is complete. */
static void on_call(struct answer *a, struct choice *c, struct call *call) { (void)a, (void)c, (void)call; }

static void on_arguments(struct answer *a, struct choice *c, struct call *call, const char *text, size_t n)
{
    (void)a, (void)c, (void)call, (void)text, (void)n;
}

static void on_call_end(struct answer *a, struct choice *c, struct call *call)
{
    (void)c;
    put_line(a, &(struct piece){.call = &call, .n_call = 1});
}

static void on_choice_end(struct answer *a, struct choice *c) { (void)a, (void)c; }

static void on_end(struct answer *a)
{
    put_last(a, &(struct piece){0});
    out_print(&a->out, "\n");
}

static void on_silence(struct answer *a) { put_line(a, &(struct piece){0}); }

static void on_failure(struct answer *a, const struct refusal *r)
{
    write_error(&a->out, DIALECT_OLLAMA, r, a->http->id);
    out_print(&a->out, "\n");
}

static void on_whole(struct answer *a)
{
    const struct choice *c = a->choice;
    put_last(a, &(struct piece){.text = c->content.text,
                                .n_text = c->content.n,
                                .thinking = c->reasoning.text,
                                .n_thinking = c->reasoning.n,
                                .call = c->call,
                                .n_call = c->n_call});
}

static const struct dialect_events events = {.stream_type = "application/x-ndjson",
                                             .begin = on_begin,
                                             .reasoning = on_reasoning,
                                             .content = on_content,
                                             .call = on_call,
                                             .arguments = on_arguments,
                                             .call_end = on_call_end,
                                             .choice_end = on_choice_end,
                                             .end = on_end,
                                             .silence = on_silence,
                                             .failure = on_failure,
                                             .whole = on_whole};

/* ---- chat and generate ----------------------------------------------------------------------------------------------------- */

/* "model", or "name" as some clients say; *name stays NULL without either. */
static int read_name(const json_t *body, const char **name, size_t *n, struct refusal *r)
{
    int there = json_get_text(body, NULL, "model", name, n, r);
    if (there == 0)
        there = json_get_text(body, NULL, "name", name, n, r);
    return there < 0 ? -1 : 0;
}

static int read_model(const struct http_exchange *x, const json_t *body, struct request_info *t, struct refusal *r)
{
    const char *name = NULL;
    size_t n = 0;
    if (read_name(body, &name, &n, r))
        return -1;
    t->model = name ? name : x->server->model_id;
    t->n_model = name ? n : strlen(t->model);
    return server_model_ok(x->server, name, n, 0, r);
}

/* 0 and "0s" ask that the model be unloaded, which it is not: it stays in its plan. */
static int is_unload(const json_t *keep_alive)
{
    const char *text = json_string_value(keep_alive);
    return (json_is_number(keep_alive) && json_number_value(keep_alive) == 0) || (text && strcmp(text, "0") == 0) ||
           (text && strcmp(text, "0s") == 0);
}

static void answer_load(struct http_exchange *x, const struct request_info *t, int unload)
{
    struct out o = {0};
    put_head(&o, t);
    put_piece(&o, t, &(struct piece){0});
    out_print(&o, ",\"done\":true,\"done_reason\":\"%s\"}", unload ? "unload" : "load");
    http_answer_json(x, &o);
}

/* A prompt that no template touches. */
static int read_raw(struct request *w, const struct http_exchange *x, const struct ollama_request *o, struct refusal *r)
{
    struct stoker_error err = {0};
    w->reply.plain = 1;
    if (request_read_sampling(w, x->server, o->chat, r) != 0 || request_read_answer(w, x->server, o->chat, r) != 0)
        return -1;
    w->prompt = reqmem_calloc(1, sizeof *w->prompt);
    if (!w->prompt)
        return refuse_memory(r);
    w->n_prompt = 1;
    if (stoker_tokenize(server_engine(x->server), o->raw, o->n_raw, 1, 1, &w->prompt->token, &w->prompt->n, &err) != 0)
        return refuse_error(r, "prompt", &err);
    return 0;
}

static void serve(struct http_exchange *x, int generate)
{
    struct refusal r = {0};
    struct ollama_request request = {0};
    struct request w = {0};
    struct request_info t = {.generate = generate};
    json_t *body = json_read_keeping(x->body, x->n_body, &ollama_kept, &r);
    int n_ctx = x->server->plan.n_ctx;
    if (body && read_model(x, body, &t, &r) == 0 &&
        (generate ? ollama_generate_read(&request, body, n_ctx, &r) : ollama_chat_read(&request, body, n_ctx, &r)) ==
            0) {
        w.origins = request.origins;
        if (!request.raw)
            json_object_del(body, generate ? "prompt" : "messages"); /* the chat has their texts */
        if (request.load)
            answer_load(x, &t, is_unload(json_get(body, "keep_alive")));
        else if ((request.raw ? read_raw(&w, x, &request, &r)
                              : request_read_chat(&w, x->server, request.chat, NULL, 0, &r)) == 0)
            answer_run(x, &events, &w, &t);
    }
    if (r.status)
        http_refuse(x, &r);
    request_free(&w);
    ollama_request_free(&request);
    json_decref(body);
}

void ollama_chat(struct http_exchange *x) { serve(x, 0); }

void ollama_generate(struct http_exchange *x) { serve(x, 1); }

/* ---- the model ------------------------------------------------------------------------------------------------------------- */

/* "12.3M", "4.7B" */
static void put_size(struct out *o, uint64_t n)
{
    int is_large = n >= 1000000000;
    out_print(o, "\"%.1f%c\"", (double)n / (is_large ? 1e9 : 1e6), is_large ? 'B' : 'M');
}

static void put_details(struct out *o, const struct served *m)
{
    out_print(o, "\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":");
    out_text(o, m->about->arch);
    out_print(o, ",\"families\":[");
    out_text(o, m->about->arch);
    out_print(o, "],\"parameter_size\":");
    put_size(o, m->about->n_params);
    out_print(o, ",\"quantization_level\":\"");
    for (const char *c = m->about->type; *c; c++)
        out_print(o, "%c", toupper((unsigned char)*c));
    out_print(o, "\"}");
}

/* Stands for the file: its bytes are never hashed whole, they may be hundreds of gigabytes. */
static void put_digest(struct out *o, const struct served *m)
{
    uint8_t digest[SHA256_BYTES];
    sha256(m->fingerprint, strlen(m->fingerprint), digest);
    for (size_t i = 0; i < sizeof digest; i++)
        out_print(o, "%02x", digest[i]);
}

static void put_modified(struct out *o, const struct served *m)
{
    char text[STAMP];
    out_print(o, "\"modified_at\":\"%s\"", stamp(text, (struct timespec){.tv_sec = m->about->modified}));
}

void ollama_version(struct http_exchange *x)
{
    struct out o = {0};
    out_print(&o, "{\"version\":\"" OLLAMA_VERSION "\",\"stoker\":\"%s\"}", stoker_version());
    http_answer_json(x, &o);
}

/* name: the model's id, or an alias; one without a tag gets ":latest". */
static void put_row(struct out *o, const struct served *m, const char *name, int running)
{
    static const char *const keys[] = {"name", "model"};
    out_print(o, "{");
    for (size_t i = 0; i < 2; i++) {
        char tagged[SERVER_MODEL_ID + sizeof ":latest"];
        snprintf(tagged, sizeof tagged, "%.255s%s", name, strchr(name, ':') ? "" : ":latest");
        out_print(o, "\"%s\":", keys[i]);
        out_text(o, tagged);
        out_print(o, ",");
    }
    put_modified(o, m);
    out_print(o, ",\"size\":%llu,\"digest\":\"", (unsigned long long)m->about->bytes);
    put_digest(o, m);
    out_print(o, "\",");
    put_details(o, m);
    if (running)
        out_print(o, ",\"expires_at\":\"" NEVER "\",\"size_vram\":0,\"context_length\":%d", m->n_ctx);
    out_print(o, "}");
}

/* {"models":[{...}]}; running: with what is told of loaded ones. Clients look their model up by the name that they have for it: aliases are
 * rows of their own. */
static void answer_models(struct http_exchange *x, int running)
{
    struct served all[SERVED_MOST];
    int n = server_all(x->server, all);
    struct out o = {0};
    out_print(&o, "{\"models\":[");
    for (int i = 0; i < n; i++) {
        out_print(&o, i ? "," : "");
        put_row(&o, &all[i], all[i].id, running);
        for (size_t k = 0; k < all[i].alias->n; k++) {
            out_print(&o, ",");
            put_row(&o, &all[i], all[i].alias->text[k], running);
        }
    }
    out_print(&o, "]}");
    http_answer_json(x, &o);
}

void ollama_models(struct http_exchange *x) { answer_models(x, 0); }
void ollama_running(struct http_exchange *x) { answer_models(x, 1); }

/* pooling: of a model of vectors, else NULL. */
static void put_model_info(struct out *o, const struct served *m, const char *pooling)
{
    out_print(o, "\"model_info\":{\"general.architecture\":");
    out_text(o, m->about->arch);
    out_print(o, ",\"general.name\":");
    out_text(o, m->about->name);
    out_print(o, ",\"general.parameter_count\":%llu,\"%s.context_length\":%d", (unsigned long long)m->about->n_params,
              m->about->arch, m->n_ctx);
    if (pooling)
        out_print(o, ",\"%s.embedding_length\":%llu,\"%s.pooling_type\":\"%s\"", m->about->arch,
                  (unsigned long long)m->about->n_embd, m->about->arch, pooling);
    out_print(o, "}");
}

void ollama_show(struct http_exchange *x)
{
    struct refusal r = {0};
    const char *name = NULL;
    size_t n_name = 0;
    struct served m;
    struct stoker_template_caps caps;
    struct out o = {0};
    json_t *body = json_read(x->body, x->n_body, &r);
    if (!body || read_name(body, &name, &n_name, &r) || server_find(x->server, name, n_name, &m, &r)) {
        http_refuse(x, &r);
        json_decref(body);
        return;
    }
    struct stoker_encoder encoder;
    int vectors = stoker_encoder_of(m.engine, &encoder) == 0;
    stoker_templates_caps(stoker_templates_of(m.engine), &caps);
    out_print(&o, "{");
    put_details(&o, &m);
    out_print(&o, ",");
    put_model_info(&o, &m, vectors ? encoder.pooling : NULL);
    if (vectors)
        out_print(&o, ",\"capabilities\":[\"%s\"],\"template\":", encoder.is_rank ? "rerank" : "embedding");
    else
        out_print(&o, ",\"capabilities\":[\"completion\"%s%s],\"template\":", caps.source ? ",\"tools\"" : "",
                  caps.thinking ? ",\"thinking\"" : "");
    out_string(&o, caps.source ? caps.source : "", caps.n_source);
    out_print(&o, ",\"parameters\":\"num_ctx %d\",\"license\":", m.n_ctx);
    out_text(&o, m.about->license);
    out_print(&o, ",");
    put_modified(&o, &m);
    out_print(&o, "}");
    http_answer_json(x, &o);
    json_decref(body);
}

/* Nothing is fetched: a model that is here is there at once. */
void ollama_pull(struct http_exchange *x)
{
    static const char done[] = "{\"status\":\"success\"}\n";
    struct refusal r = {0};
    const char *name = NULL;
    size_t n = 0;
    int stream = 1;
    struct served m;
    json_t *body = json_read(x->body, x->n_body, &r);
    if (!body || read_name(body, &name, &n, &r) || json_get_bool(body, NULL, "stream", &stream, &r) < 0 ||
        (!name && json_missing(&r, NULL, "model")) || server_find(x->server, name, n, &m, &r))
        http_refuse(x, &r);
    else
        http_answer(x, 200, stream ? "application/x-ndjson" : "application/json", done, sizeof done - 1);
    json_decref(body);
}
