/* Small routes of our own and of llama-server: state, models, tokens, templates (server.md, part 7). Statistics: stats.c. */
#include "server/own/own.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "server/answer/answer.h"
#include "server/http/http.h"
#include "server/http/json.h"
#include "server/request/request.h"
#include "server/request/service.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static const char *truth(int v) { return v ? "true" : "false"; }

/* ---- state ----------------------------------------------------------------------------------------------------------------- */

/* While loading and draining the front has answered already. */
void own_health(struct http_exchange *x)
{
    static const char ok[] = "{\"status\":\"ok\"}";
    http_answer(x, 200, "application/json", ok, sizeof ok - 1);
}

static void put_sampling(struct out *o, const struct stoker_sampling *p)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"temperature", p->temperature},
                   {"top_k", p->top_k},
                   {"top_p", p->top_p},
                   {"min_p", p->min_p},
                   {"typical_p", p->typical_p},
                   {"repeat_penalty", p->repeat_penalty},
                   {"presence_penalty", p->presence_penalty},
                   {"frequency_penalty", p->frequency_penalty},
                   {"repeat_last_n", p->repeat_last_n}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        out_print(o, "%s\"%s\":", i ? "," : "", numbers[i].name);
        out_real(o, numbers[i].value);
    }
}

void own_props(struct http_exchange *x)
{
    static const char *const stabilize[] = {"off", "strip", "move"};
    const struct server *s = x->server;
    struct stoker_template_caps caps;
    struct out o = {0};
    stoker_templates_caps(stoker_templates_of(s->engine), &caps);
    out_print(&o, "{\"model_alias\":");
    out_text(&o, s->opt.alias.n ? s->opt.alias.text[0] : s->model_id);
    out_print(&o, ",\"model_path\":");
    out_text(&o, s->model_file);
    out_print(&o, ",\"n_ctx\":%d,\"total_slots\":%d,\"queue_limit\":%d,\"chat_template\":", s->plan.n_ctx,
              s->plan.n_parallel, s->opt.queue);
    out_string(&o, caps.source ? caps.source : "", caps.source ? caps.n_source : 0);
    out_print(&o, ",\"chat_template_caps\":{\"supports_tools\":%s,\"supports_system\":%s,\"supports_thinking\":%s}",
              truth(caps.tools), truth(caps.system), truth(caps.thinking));
    out_print(
        &o,
        ",\"modalities\":{\"vision\":false,\"audio\":false},\"default_generation_settings\":{\"n_ctx\":%d,\"params\":{",
        s->plan.n_ctx);
    put_sampling(&o, &s->opt.sampling);
    out_print(&o, "}},\"library\":%s,\"mcp\":%s,\"stabilize\":\"%s\",\"build_info\":\"stoker %s\"}",
              truth(s->library != NULL), truth(s->opt.mcp != NULL), stabilize[s->opt.stabilize], stoker_version());
    http_answer_json(x, &o);
}

/* ---- models ---------------------------------------------------------------------------------------------------------------- */

static void put_model(struct out *o, const struct served *m)
{
    char stamp[32];
    const struct stoker_about *about = m->about;
    time_t at = (time_t)about->modified;
    struct tm tm;
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
    out_print(o, "{\"id\":");
    out_text(o, m->id);
    out_print(
        o, ",\"object\":\"model\",\"created\":%" PRId64 ",\"owned_by\":\"stoker\",\"type\":\"model\",\"display_name\":",
        about->modified);
    out_text(o, *about->name ? about->name : m->id);
    out_print(o,
              ",\"created_at\":\"%s\",\"meta\":{\"n_ctx\":%d,\"n_ctx_train\":%" PRIu64 ",\"n_params\":%" PRIu64
              ",\"size\":%" PRIu64 ",\"arch\":",
              stamp, m->n_ctx, about->n_ctx_train, about->n_params, about->bytes);
    out_text(o, about->arch);
    out_print(o, "}}");
}

void own_models(struct http_exchange *x)
{
    struct out o = {0};
    struct served all[SERVED_MOST];
    int n = server_all(x->server, all);
    out_print(&o, "{\"object\":\"list\",\"data\":[");
    for (int i = 0; i < n; i++) {
        out_print(&o, i ? "," : "");
        put_model(&o, &all[i]);
    }
    out_print(&o, "],\"has_more\":false,\"first_id\":");
    out_text(&o, all[0].id);
    out_print(&o, ",\"last_id\":");
    out_text(&o, all[n - 1].id);
    out_print(&o, "}");
    http_answer_json(x, &o);
}

void own_model(struct http_exchange *x)
{
    char name[SERVER_MODEL_ID];
    size_t n = 0;
    struct refusal r = {0};
    struct out o = {0};
    struct served m;
    for (const char *p = x->rest; *p && n < sizeof name; p++) {
        int coded = *p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0;
        name[n++] = coded ? (char)(hex_digit(p[1]) << 4 | hex_digit(p[2])) : *p;
        p += coded ? 2 : 0;
    }
    if (server_find(x->server, name, n, &m, &r)) {
        http_refuse(x, &r);
        return;
    }
    put_model(&o, &m);
    http_answer_json(x, &o);
}

/* ---- tokens ---------------------------------------------------------------------------------------------------------------- */

static void put_piece(struct out *o, const char *piece, size_t n)
{
    size_t at = 0, k = 0;
    while (at < n && utf8_head(piece + at, n - at, &k) == UTF8_WHOLE)
        at += k;
    if (at == n) {
        out_string(o, piece, n);
        return;
    }
    out_print(o, "[");
    for (size_t i = 0; i < n; i++)
        out_print(o, "%s%d", i ? "," : "", (unsigned char)piece[i]);
    out_print(o, "]");
}

int own_send(struct http_exchange *x, struct out *o, size_t piece)
{
    if (o->n <= piece || o->failed)
        return o->failed ? -1 : 0;
    if (!http_streaming(x))
        http_stream_begin(x, "application/json");
    int status = http_stream_write(x, o->text, o->n);
    o->n = 0;
    return status;
}

static void put_token(const struct stoker *s, struct out *o, stoker_token id)
{
    size_t n;
    const char *piece = stoker_templates_piece(stoker_templates_of(s), id, &n);
    out_print(o, "{\"id\":%d,\"piece\":", (int)id);
    put_piece(o, piece, n);
    out_print(o, "}");
}

static void put_tokens(struct http_exchange *x, struct out *o, const stoker_token *id, size_t n, int pieces)
{
    out_print(o, "{\"tokens\":[");
    for (size_t i = 0; i < n && own_send(x, o, OWN_PIECE) == 0; i++) {
        out_print(o, "%s", i ? "," : "");
        if (pieces)
            put_token(x->server->engine, o, id[i]);
        else
            out_print(o, "%d", (int)id[i]);
    }
    out_print(o, "]}");
}

/* The text of a body that must have one. */
static int read_content(const json_t *body, const char **text, size_t *n, struct refusal *r)
{
    int there = json_get_text(body, NULL, "content", text, n, r);
    return there ? there : json_missing(r, NULL, "content");
}

static int tokenize(struct http_exchange *x, json_t *body, struct out *o, struct refusal *r)
{
    struct stoker_error err = {0};
    const char *text = "";
    size_t length = 0, n = 0;
    int add_special = 0, parse_special = 1, pieces = 0;
    stoker_token *id = NULL;
    if (read_content(body, &text, &length, r) < 0 || json_get_bool(body, NULL, "add_special", &add_special, r) < 0 ||
        json_get_bool(body, NULL, "parse_special", &parse_special, r) < 0 ||
        json_get_bool(body, NULL, "with_pieces", &pieces, r) < 0)
        return -1;
    http_forget_body(x);
    if (stoker_tokenize(x->server->engine, text, length, add_special, parse_special, &id, &n, &err))
        return refuse_error(r, "content", &err);
    put_tokens(x, o, id, n, pieces);
    stoker_free(id);
    return 0;
}

/* The ids of a body's tokens, each of the vocabulary. */
static int read_tokens(const struct stoker *s, const json_t *body, const json_t **tokens, struct refusal *r)
{
    const json_t *item;
    size_t i;
    int there = json_get_array(body, NULL, "tokens", tokens, r);
    if (there <= 0)
        return there ? -1 : json_missing(r, NULL, "tokens");
    json_array_foreach(*tokens, i, item)
    {
        const struct json_at list = {NULL, "tokens", 0}, at = {&list, NULL, i};
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item))
            return json_refuse(r, "invalid_type", &at, NULL, "must be a token's id, not %s", json_kind(item));
        if (id < 0 || id >= stoker_n_vocab(s))
            return json_refuse(r, "invalid_value", &at, NULL, "must be a token's id, from 0 to %d",
                               stoker_n_vocab(s) - 1);
    }
    return 0;
}

static void put_content(const struct stoker *s, struct out *o, const json_t *tokens)
{
    struct out text = {0};
    const json_t *item;
    size_t i, n;
    json_array_foreach(tokens, i, item)
    {
        const char *piece = stoker_templates_piece(stoker_templates_of(s), (stoker_token)json_integer_value(item), &n);
        out_bytes(&text, piece, n);
    }
    out_print(o, "{\"content\":");
    out_string(o, text.text, text.n);
    out_print(o, "}");
    o->failed |= text.failed;
    out_free(&text);
}

static int detokenize(struct http_exchange *x, json_t *body, struct out *o, struct refusal *r)
{
    const struct stoker *s = x->server->engine;
    struct stoker_error err;
    stoker_token *none = NULL;
    size_t n_none, i;
    const json_t *tokens = NULL;
    const json_t *item;
    int pieces = 0;
    http_forget_body(x);
    if (read_tokens(s, body, &tokens, r) < 0 || json_get_bool(body, NULL, "with_pieces", &pieces, r) < 0)
        return -1;
    if (stoker_tokenize(s, "", 0, 0, 0, &none, &n_none, &err) != 0) /* stoker does not know the tokenizer */
        return refuse_error(r, "tokens", &err);
    stoker_free(none);
    if (!pieces) {
        put_content(s, o, tokens);
        return 0;
    }
    out_print(o, "{\"tokens\":[");
    json_array_foreach(tokens, i, item)
    {
        if (own_send(x, o, OWN_PIECE))
            break;
        out_print(o, "%s", i ? "," : "");
        put_token(s, o, (stoker_token)json_integer_value(item));
    }
    out_print(o, "]}");
    return 0;
}

static int apply_template(struct http_exchange *x, json_t *body, struct out *o, struct refusal *r)
{
    struct request w = {.stopped = answer_nobody_waits, .stopped_arg = x};
    struct stoker_prompt p;
    int rc = request_read_prompt(&w, x->server, body, x->body, x->n_body, r);
    if (rc == 0 && (rc = answer_prompt(x, &w, &p, r)) == 0) {
        http_forget_body(x);
        out_print(o, "{\"prompt\":");
        out_string(o, p.text, p.n_text);
        out_print(o, "}");
        stoker_prompt_free(&p);
    }
    request_free(&w);
    return rc;
}

/* What make writes to *o of the body, or its refusal. */
static void answer_body(struct http_exchange *x,
                        int (*make)(struct http_exchange *x, json_t *body, struct out *o, struct refusal *r))
{
    struct refusal r = {0};
    struct out o = {0};
    json_t *body = json_read(x->body, x->n_body, &r);
    if (!body || make(x, body, &o, &r) != 0)
        http_refuse(x, &r);
    else if (!http_streaming(x))
        http_answer_json(x, &o);
    else if (own_send(x, &o, 0) == 0) /* else it is cut */
        http_stream_end(x);
    out_free(&o);
    json_decref(body);
}

void own_tokenize(struct http_exchange *x) { answer_body(x, tokenize); }
void own_detokenize(struct http_exchange *x) { answer_body(x, detokenize); }
void own_apply_template(struct http_exchange *x) { answer_body(x, apply_template); }

/* ---- the rest -------------------------------------------------------------------------------------------------------------- */

void own_cache_clear(struct http_exchange *x)
{
    struct out o = {0};
    out_print(&o, "{\"cleared_bytes\":%" PRIu64 "}", stoker_cache_clear(x->server->engine));
    http_answer_json(x, &o);
}

void own_not_supported(struct http_exchange *x)
{
    struct refusal r = {0};
    refuse(&r, 501, NULL, NULL, "%s is not supported: this server answers chats and completions", x->path);
    http_refuse(x, &r);
}
