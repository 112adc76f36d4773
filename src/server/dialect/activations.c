/* POST /activations: a chat, or a completion of one prompt, of which the answer is what was recorded: a file, or JSON. The text of the
 * answer is a by-product: without max_tokens there is none. */
#include "server/dialect/openai.h"
#include "server/request/service.h"

#include <inttypes.h>

static void on_whole(struct answer *a)
{
    struct out *o = &a->out;
    const struct choice *c = &a->choice[0];
    out_print(o, "{\"object\":\"activations\",\"created\":%" PRId64 ",\"model\":", a->created);
    out_text(o, a->server->model_id);
    out_print(o, ",\"text\":");
    out_string(o, c->content.text, c->content.n);
    out_print(
        o, ",\"finish_reason\":\"%s\",\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu}",
        openai_finish[c->finish], a->n_prompt, a->n_generated, a->n_prompt + a->n_generated);
    openai_steer(o, a);
    answer_activations(o, a);
    out_print(o, "}");
}

/* It is no stream. */
static const struct dialect_events events = {.whole = on_whole};

static int check_body(struct request *w, const struct server *s, json_t *body, struct refusal *r)
{
    static const char *const formats[] = {"safetensors", "json"};
    int format = 0, stream = 0;
    if (json_get_word(body, NULL, "format", formats, 2, &format, r) < 0 ||
        json_get_bool(body, NULL, "stream", &stream, r) < 0)
        return -1;
    if (stream)
        return json_refuse(r, "unsupported", NULL, "stream", "must be false: the answer is one file");
    if (!json_get(body, "capture"))
        return json_missing(r, NULL, "capture");
    if (json_get(body, "messages") && json_get(body, "prompt"))
        return json_refuse(r, "invalid_value", NULL, "prompt", "stands beside messages: send one of them");
    w->capture_to_file = format == 0;
    if (w->capture_to_file && s->spool.dir < 0)
        return refuse(r, 403, "capture_disabled", "format",
                      "this server makes no files: start it with --capture-dir and a folder for them, or send "
                      "\"format\":\"json\"");
    w->may_score_only = 1;
    if (json_get(body, "max_tokens") || json_get(body, "max_completion_tokens"))
        return 0;
    return json_put(r, body, "max_tokens", json_integer(0));
}

static int read_body(struct request *w, struct http_exchange *x, json_t *body, struct refusal *r)
{
    struct server *s = x->server;
    if (check_body(w, s, body, r) < 0)
        return -1;
    if (json_get(body, "messages"))
        return request_read_chat(w, s, body, x->body, x->n_body, r);
    w->reply.plain = 1;
    return request_read_sampling(w, s, body, r) < 0 ? -1 : openai_prompts(w, s, body, r);
}

void openai_activations(struct http_exchange *x)
{
    struct refusal r = {0};
    struct request w = {.stopped = answer_nobody_waits, .stopped_arg = x};
    json_t *body = openai_body(x, &r);
    if (body && read_body(&w, x, body, &r) == 0)
        answer_run(x, &events, &w, NULL);
    if (r.status)
        http_refuse(x, &r);
    request_free(&w);
    json_decref(body);
}
