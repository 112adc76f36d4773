/* What OpenAI's dialects have in common: see openai.h. */
#include "server/dialect/openai.h"
#include "base/utf8.h"
#include "server/dialect/dialect.h"
#include "server/request/own_tools.h"
#include "server/request/service.h"

#include <inttypes.h>
#include <string.h>

const char *const openai_finish[] = {[FINISH_STOP] = "stop", [FINISH_LENGTH] = "length", [FINISH_CALLS] = "tool_calls"};

json_t *openai_body(struct http_exchange *x, struct refusal *r)
{
    const char *model = NULL;
    size_t n = 0;
    json_t *body = json_read(x->body, x->n_body, r);
    if (body && json_get_text(body, NULL, "model", &model, &n, r) >= 0 &&
        server_model_ok(x->server, model, n, 0, r) == 0)
        return body;
    json_decref(body);
    return NULL;
}

void openai_head(struct out *o, const struct answer *a, const char *id, const char *object)
{
    enum { DIGITS = 8 }; /* the header has more of them */
    out_print(o, "%s{\"id\":\"%s\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":",
              a->request->stream ? "data: " : "", id, object, a->created);
    out_text(o, a->server->model_id);
    out_print(o, ",\"system_fingerprint\":\"%s%s%.*s\",\"choices\":", a->server->fingerprint, *a->steer ? "+s" : "",
              DIGITS, a->steer);
}

int openai_next_citation(const struct answer *a, const char *text, size_t n, struct openai_citation *c)
{
    struct citation found;
    if (!a->request->own || !a->request->own->talk.library)
        return 0;
    while (citation_next(&a->request->own->talk.passages, text, n, &c->at, &found)) {
        if (!found.of)
            continue;
        c->start += utf8_count(text + c->counted, found.from - c->counted);
        c->end = c->start + found.n;
        c->counted = found.from;
        c->number = found.number;
        c->of = found.of;
        return 1;
    }
    return 0;
}

void openai_annotations(struct out *o, const struct answer *a, const struct choice *c)
{
    struct openai_citation found = {0};
    if (!a->request->own || !a->request->own->talk.library)
        return;
    out_print(o, ",\"annotations\":[");
    for (int n = 0; openai_next_citation(a, c->content.text, c->content.n, &found); n++) {
        out_print(o, "%s{\"type\":\"url_citation\",\"url_citation\":{\"url\":", n ? "," : "");
        out_text(o, found.of->url);
        out_print(o, ",\"title\":");
        out_text(o, found.of->title);
        out_print(o, ",\"start_index\":%zu,\"end_index\":%zu}}", found.start, found.end);
    }
    out_print(o, "]");
}

void openai_steer(struct out *o, const struct answer *a)
{
    if (!*a->steer)
        return;
    out_print(o, ",\"steer\":");
    steer_write(o, a->request->steer);
}

static void put_usage(struct out *o, const struct answer *a)
{
    out_print(o,
              "{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu,"
              "\"prompt_tokens_details\":{\"cached_tokens\":%zu},"
              "\"completion_tokens_details\":{\"reasoning_tokens\":%zu",
              a->n_prompt, a->n_generated, a->n_prompt + a->n_generated, a->n_cached, a->n_reasoning);
    if (a->request->prediction.n)
        out_print(o, ",\"accepted_prediction_tokens\":%zu,\"rejected_prediction_tokens\":%zu", a->n_predicted_accepted,
                  a->n_predicted - a->n_predicted_accepted);
    out_print(o, "}}");
}

static double per_second(size_t n, double seconds) { return seconds > 0 ? (double)n / seconds : 0; }

static void put_timings(struct out *o, const struct answer *a)
{
    size_t computed = a->n_prompt - a->n_cached;
    out_print(o,
              ",\"timings\":{\"cache_n\":%zu,\"prompt_n\":%zu,\"prompt_ms\":%.3f,\"prompt_per_second\":%.3f,"
              "\"predicted_n\":%zu,\"predicted_ms\":%.3f,\"predicted_per_second\":%.3f",
              a->n_cached, computed, 1e3 * a->prompt_seconds, per_second(computed, a->prompt_seconds), a->n_generated,
              1e3 * a->generate_seconds, per_second(a->n_generated, a->generate_seconds));
    if (a->n_drafted)
        out_print(o, ",\"draft_n\":%zu,\"draft_n_accepted\":%zu", a->n_drafted, a->n_accepted);
    out_print(o, "},\"seed\":%" PRId64, (int64_t)a->seed);
    openai_steer(o, a);
    answer_activations(o, a);
}

void openai_end_answer(struct answer *a)
{
    out_print(&a->out, ",\"usage\":");
    put_usage(&a->out, a);
    put_timings(&a->out, a);
    out_print(&a->out, "}");
}

void openai_end_chunk(struct answer *a, int ends_choice)
{
    if (a->request->include_usage)
        out_print(&a->out, ",\"usage\":null");
    else if (ends_choice && answer_all_ended(a))
        put_timings(&a->out, a);
    out_print(&a->out, "}\n\n");
}

void openai_end_stream(struct answer *a, const struct out *head)
{
    if (a->request->include_usage) {
        out_bytes(&a->out, head->text, head->n);
        out_print(&a->out, "[]");
        openai_end_answer(a);
        out_print(&a->out, "\n\n");
    }
    out_print(&a->out, "data: [DONE]\n\n");
}

static const char *piece(const struct answer *a, stoker_token id, size_t *n)
{
    return stoker_templates_piece(stoker_templates_of(a->engine), id, n);
}

void openai_token_text(struct out *o, const struct answer *a, stoker_token id)
{
    size_t n;
    const char *text = piece(a, id, &n);
    if (utf8_valid(text, n) == n) {
        out_string(o, text, n);
        return;
    }
    out_print(o, "\"bytes:");
    for (size_t i = 0; i < n; i++)
        out_print(o, "\\\\x%02x", (uint8_t)text[i]);
    out_print(o, "\"");
}

static void put_logprob(struct out *o, const struct answer *a, const struct stoker_logprob *l)
{
    size_t n;
    const char *text = piece(a, l->id, &n);
    out_print(o, "{\"token\":");
    out_string(o, text, n);
    out_print(o, ",\"logprob\":");
    out_real(o, l->logprob);
    out_print(o, ",\"bytes\":[");
    for (size_t i = 0; i < n; i++)
        out_print(o, "%s%d", i ? "," : "", (unsigned char)text[i]);
    out_print(o, "]");
}

void openai_logprobs(struct out *o, const struct answer *a, const struct choice *c, size_t from)
{
    for (size_t i = from; i < c->n_token; i++) {
        const struct answer_token *t = &c->token[i];
        if (i > from)
            out_print(o, ",");
        put_logprob(o, a, &t->likely);
        out_print(o, ",\"top_logprobs\":[");
        for (size_t k = 0; k < t->n_top; k++) {
            if (k)
                out_print(o, ",");
            put_logprob(o, a, &t->top[k]);
            out_print(o, "}");
        }
        out_print(o, "]}");
    }
}

static void put_score(struct out *o, const struct answer *a, const struct stoker_logprob *l, int rank)
{
    out_print(o, "\"%d\":{\"logprob\":", l->id);
    out_real(o, l->logprob);
    out_print(o, ",\"rank\":%d,\"decoded_token\":", rank);
    openai_token_text(o, a, l->id);
    out_print(o, "}");
}

/* The likeliest tokens, and the prompt's own where it is not one of them. */
void openai_prompt_logprobs(struct out *o, const struct answer *a, size_t prompt)
{
    const struct request_prompt *p = &a->prompt[prompt];
    const struct request *w = a->request;
    if (!w->prompt_logprobs)
        return;
    out_print(o, ",\"prompt_logprobs\":[null");
    for (size_t i = 1; i < p->n && !o->failed; i++) {
        const struct stoker_score *s = &a->scores[prompt].score[i];
        const struct stoker_logprob *top = a->scores[prompt].top + i * (size_t)w->top_scores;
        int n = w->top_prompt_logprobs < s->n_top ? w->top_prompt_logprobs : s->n_top;
        out_print(o, ",{");
        for (int k = 0; k < n; k++) {
            out_print(o, k ? "," : "");
            put_score(o, a, &top[k], k + 1);
        }
        if (s->rank > n) {
            out_print(o, n ? "," : "");
            put_score(o, a, &(struct stoker_logprob){p->token[i], s->logprob}, s->rank);
        }
        out_print(o, "}");
    }
    out_print(o, "]");
}

/* An entry as most are: what it takes is known before it is computed, but for ids, digits and texts. */
size_t openai_prompt_logprobs_bytes(const struct answer *a, size_t prompt)
{
    static const char entry[] = "\"1000\":{\"logprob\":-12.34567890123456,\"rank\":10,\"decoded_token\":\" the\"},";
    const struct request *w = a->request;
    size_t n = w->top_prompt_logprobs ? (size_t)w->top_prompt_logprobs : 1;
    return w->prompt_logprobs ? a->prompt[prompt].n * n * (sizeof entry - 1) : 0;
}

void openai_failure(struct answer *a, const struct refusal *r)
{
    out_print(&a->out, "data: ");
    write_error(&a->out, DIALECT_OPENAI, r, a->http->id);
    out_print(&a->out, "\n\n");
}
