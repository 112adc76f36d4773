/* POST /v1/completions: prompts go on as they are, without a template; server.md, part 3.
 *
 *     prompt   string | [string..] | [id..] | [[id..]..]      each a prompt of its own, with n choices */
#include "server/dialect/openai.h"
#include "server/http/new_id.h"
#include "server/request/service.h"

#include "base/reqmem.h"
#include "base/utf8.h"

#include <string.h>

enum { PROMPTS = 256, TOP = 5, DEFAULT_TOKENS = 16 };

struct completion {
    char id[40];
    struct out head;   /* what every chunk begins with */
    struct out *echo;  /* [n_prompt] what comes first in each choice; NULL: nothing does */
    int echoes;        /* 1: something does */
    int echo_scores;   /* 1: with the log-probabilities of its tokens */
    size_t *first;     /* [n_prompt] from this token on */
    size_t *n_written; /* [n_choice] code points of the tokens that were sent: where the next one's text begins */
};

/* ---- prompts --------------------------------------------------------------------------------------------------------------- */

static int add_text(struct request *w, const struct server *s, const json_t *v, const struct json_at *at,
                    struct refusal *r)
{
    char path[64];
    struct stoker_error err;
    struct request_prompt *p = &w->prompt[w->n_prompt];
    if (!json_is_string(v))
        return json_refuse(r, "invalid_type", at, NULL, "must be a string, not %s", json_kind(v));
    if (stoker_tokenize(s->engine, json_string_value(v), json_string_length(v), 1, 1, &p->token, &p->n, &err) != 0)
        return refuse_error(r, json_path(path, sizeof path, at, NULL), &err);
    w->n_prompt++;
    return p->n ? 0 : json_refuse(r, "invalid_value", at, NULL, "is empty: nothing to go on from");
}

static int add_tokens(struct request *w, const struct server *s, const json_t *v, const struct json_at *at,
                      struct refusal *r)
{
    int n_vocab = stoker_n_vocab(s->engine);
    struct request_prompt *p = &w->prompt[w->n_prompt];
    if (json_array_size(v) == 0)
        return json_refuse(r, "invalid_value", at, NULL, "is empty: nothing to go on from");
    p->token = reqmem_malloc(json_array_size(v) * sizeof *p->token);
    if (!p->token)
        return refuse_memory(r);
    w->n_prompt++;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *id = json_array_get(v, i);
        const struct json_at here = {at, NULL, i};
        if (!json_is_integer(id))
            return json_refuse(r, "invalid_type", &here, NULL, "must be a token id, not %s", json_kind(id));
        json_int_t value = json_integer_value(id);
        if (value < 0 || value >= n_vocab)
            return json_refuse(r, "invalid_value", &here, NULL, "is %lld; token ids go from 0 to %d", (long long)value,
                               n_vocab - 1);
        p->token[p->n++] = (stoker_token)value;
    }
    return 0;
}

int openai_prompts(struct request *w, const struct server *s, const json_t *body, struct refusal *r)
{
    const json_t *v = json_get(body, "prompt");
    const struct json_at at = {NULL, "prompt", 0};
    if (!v)
        return json_missing(r, NULL, "prompt");
    int list = json_is_array(v) && !json_is_integer(json_array_get(v, 0));
    size_t n = list ? json_array_size(v) : 1;
    if (n > PROMPTS)
        return json_refuse(r, "invalid_value", NULL, "prompt", "has %zu prompts; it may have %d", n, (int)PROMPTS);
    w->prompt = reqmem_calloc(n + 1, sizeof *w->prompt);
    if (!w->prompt)
        return refuse_memory(r);
    if (!list)
        return json_is_array(v) ? add_tokens(w, s, v, &at, r) : add_text(w, s, v, &at, r);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(v, i);
        const struct json_at here = {&at, NULL, i};
        if ((json_is_array(item) ? add_tokens : add_text)(w, s, item, &here, r) < 0)
            return -1;
    }
    return n ? 0 : json_refuse(r, "invalid_value", NULL, "prompt", "is empty: nothing to go on from");
}

/* A prompt as its client sees it: its string, or the texts of its tokens. */
static int put_echo(struct completion *c, const struct request *w, const struct server *s, const json_t *prompt,
                    struct refusal *r)
{
    const struct stoker_templates *t = stoker_templates_of(s->engine);
    c->echo = reqmem_calloc(w->n_prompt, sizeof *c->echo);
    if (!c->echo)
        return refuse_memory(r);
    for (size_t i = 0; i < w->n_prompt; i++) {
        const json_t *v = json_is_array(prompt) && !json_is_integer(json_array_get(prompt, 0))
                              ? json_array_get(prompt, i)
                              : prompt;
        if (json_is_string(v))
            out_bytes(&c->echo[i], json_string_value(v), json_string_length(v));
        for (size_t k = 0; !json_is_string(v) && k < w->prompt[i].n; k++) {
            size_t n;
            const char *text = stoker_templates_piece(t, w->prompt[i].token[k], &n);
            out_bytes(&c->echo[i], text, n);
        }
        if (c->echo[i].failed)
            return refuse_memory(r);
    }
    return 0;
}

/* Code points that token i of an echoed prompt adds to the text; *at: its bytes so far. A string has no tokens that the tokenizer put in
 * front of it, nor the blank that some tokenizers do. */
static size_t width_in_echo(const struct out *echo, const char *text, size_t n, size_t *at)
{
    int fits = n > 0 && n <= echo->n - *at && memcmp(echo->text + *at, text, n) == 0;
    if (!fits && n > 1 && text[0] == ' ') {
        text++, n--;
        fits = n <= echo->n - *at && memcmp(echo->text + *at, text, n) == 0;
    }
    *at += fits ? n : 0;
    return fits ? utf8_count(text, n) : 0;
}

/* ---- fields ---------------------------------------------------------------------------------------------------------------- */

/* Before the limits: where the prompt is told again, an answer may have no tokens. */
static int read_echo(struct request *w, struct completion *c, const json_t *body, struct refusal *r)
{
    if (json_get_bool(body, NULL, "echo", &c->echoes, r) < 0 || request_read_scores(w, body, r) < 0)
        return -1;
    w->may_score_only |= c->echoes;
    return 0;
}

/* The first token that begins at this code point of a string, or behind it. */
static size_t token_behind(const struct server *s, const struct request_prompt *p, const struct out *echo, size_t from)
{
    const struct stoker_templates *t = stoker_templates_of(s->engine);
    size_t at = 0, n, k = 0;
    for (size_t offset = 0; k < p->n && offset < from; k++) {
        const char *text = stoker_templates_piece(t, p->token[k], &n);
        offset += width_in_echo(echo, text, n, &at);
    }
    return k;
}

/* From where the lists have the prompt's tokens; what is before need not be computed for them. */
static int read_from(struct request *w, struct completion *c, const struct server *s, const json_t *body,
                     struct refusal *r)
{
    const json_t *prompt = json_get(body, "prompt");
    int64_t from = 0;
    int has = json_get_int(body, NULL, "logprobs_from", 0, INT64_MAX, &from, r);
    if (has < 0)
        return -1;
    if (has && !c->echo_scores)
        return json_refuse(r, "invalid_value", NULL, "logprobs_from",
                           "needs echo and logprobs: it says from where the prompt's log-probabilities are listed");
    if (!(c->first = reqmem_calloc(w->n_prompt, sizeof *c->first)))
        return refuse_memory(r);
    for (size_t i = 0; has && i < w->n_prompt; i++) {
        struct request_prompt *p = &w->prompt[i];
        int is_text = json_is_string(prompt) || json_is_string(json_array_get(prompt, i));
        c->first[i] = is_text               ? token_behind(s, p, &c->echo[i], (size_t)from)
                      : (size_t)from < p->n ? (size_t)from
                                            : p->n;
        if (!w->prompt_logprobs)
            p->score_from = c->first[i];
    }
    return 0;
}

static int read_rest(struct request *w, struct completion *c, const struct server *s, const json_t *body,
                     struct refusal *r)
{
    int echo = c->echoes;
    int64_t top = 0, best_of = 1;
    int has_top = json_get_int(body, NULL, "logprobs", 0, TOP, &top, r);
    if (has_top < 0 || json_get_int(body, NULL, "best_of", 1, 20, &best_of, r) < 0)
        return -1;
    if (best_of > 1)
        return json_refuse(r, "unsupported", NULL, "best_of", "must be 1");
    const char *suffix = json_string_value(json_get(body, "suffix"));
    if (json_get(body, "suffix") && !(suffix && !*suffix))
        return json_refuse(r, "unsupported", NULL, "suffix", "is not supported");
    w->logprobs = has_top;
    w->top_logprobs = (int)top;
    w->reply.plain = 1;
    if (!w->max_tokens && !w->only_score)
        w->max_tokens = DEFAULT_TOKENS;
    c->echo_scores = echo && has_top;
    if (c->echo_scores) {
        w->scores = w->lists_end = 1;
        w->top_scores = w->top_scores > (int)top ? w->top_scores : (int)top;
    }
    c->n_written = reqmem_calloc(w->n_prompt * (size_t)w->n, sizeof *c->n_written);
    if (!c->n_written)
        return refuse_memory(r);
    return (echo && put_echo(c, w, s, json_get(body, "prompt"), r)) || read_from(w, c, s, body, r) ? -1 : 0;
}

/* ---- choices --------------------------------------------------------------------------------------------------------------- */

/* Alternatives by their texts; of those that look the same the likeliest. */
static void put_alternatives(struct out *o, const struct answer *a, const struct stoker_logprob *top, size_t n)
{
    struct out seen[TOP] = {0};
    out_print(o, "{");
    for (size_t k = 0; k < n && k < TOP; k++) {
        int twice = 0;
        openai_token_text(&seen[k], a, top[k].id);
        if (seen[k].failed) {
            o->failed = 1;
            break;
        }
        for (size_t i = 0; i < k; i++)
            twice |= seen[i].n == seen[k].n && memcmp(seen[i].text, seen[k].text, seen[k].n) == 0;
        if (twice)
            continue;
        out_print(o, "%s%.*s:", k ? "," : "", (int)seen[k].n, seen[k].text);
        out_real(o, top[k].logprob);
    }
    out_print(o, "}");
    for (size_t k = 0; k < TOP; k++)
        out_free(&seen[k]);
}

static const struct out *echo_of(const struct answer *a, const struct choice *c)
{
    const struct completion *own = a->own;
    return own->echo ? &own->echo[c->index / (size_t)a->request->n] : NULL;
}

/* A token whose log-probability is told: of the prompt, or of the answer. */
struct listed_token {
    stoker_token id;
    int has_logprob; /* 0: the first of a prompt */
    double logprob;
    const struct stoker_logprob *top; /* [n_top] */
    size_t n_top;
};

/* What is told of a choice: the prompt's tokens [first, first + n_echo), then those of the answer from the first that was not sent. */
struct listing {
    const struct answer *a;
    const struct choice *c;
    size_t first, n_echo, n;
};

static struct listing listing_of(const struct answer *a, const struct choice *c, int with_prompt)
{
    const struct completion *own = a->own;
    size_t prompt = c->index / (size_t)a->request->n, is_told = with_prompt && own->echo_scores;
    size_t first = is_told ? own->first[prompt] : 0, n = is_told ? a->prompt[prompt].n - first : 0;
    return (struct listing){a, c, first, n, n + c->n_token - c->n_sent};
}

static struct listed_token token_at(const struct listing *t, size_t i)
{
    const struct request *w = t->a->request;
    if (i >= t->n_echo) {
        const struct answer_token *k = &t->c->token[t->c->n_sent + i - t->n_echo];
        return (struct listed_token){k->likely.id, 1, k->likely.logprob, k->top, k->n_top};
    }
    size_t prompt = t->c->index / (size_t)w->n;
    i += t->first;
    stoker_token id = t->a->prompt[prompt].token[i];
    if (i == 0)
        return (struct listed_token){.id = id};
    const struct answer_scores *s = &t->a->scores[prompt];
    int n = w->top_logprobs < s->score[i].n_top ? w->top_logprobs : s->score[i].n_top;
    return (struct listed_token){id, 1, s->score[i].logprob, s->top + i * (size_t)w->top_scores, (size_t)n};
}

static void put_logprob(struct out *o, const struct listed_token *k)
{
    if (k->has_logprob)
        out_real(o, k->logprob);
    else
        out_print(o, "null");
}

static void put_top(struct out *o, const struct answer *a, const struct listed_token *k)
{
    if (k->has_logprob)
        put_alternatives(o, a, k->top, k->n_top);
    else
        out_print(o, "null");
}

/* Where the tokens stand in the text, in code points. An answer begins where its echo ends, wherever the prompt's tokens were found. */
static void put_offsets(struct out *o, const struct listing *t, size_t *offset)
{
    const struct stoker_templates *templates = stoker_templates_of(t->a->engine);
    const struct out *echo = echo_of(t->a, t->c);
    const struct request_prompt *p = &t->a->prompt[t->c->index / (size_t)t->a->request->n];
    size_t at = 0, n, i = 0;
    for (size_t k = 0; k < t->first + t->n_echo; k++) {
        const char *text = stoker_templates_piece(templates, p->token[k], &n);
        if (k >= t->first)
            out_print(o, "%s%zu", i++ ? "," : "", *offset);
        *offset += width_in_echo(echo, text, n, &at);
    }
    if (t->first + t->n_echo)
        *offset = utf8_count(echo->text, echo->n);
    for (; i < t->n; i++) {
        const char *text = stoker_templates_piece(templates, token_at(t, i).id, &n);
        out_print(o, "%s%zu", i ? "," : "", *offset);
        *offset += utf8_count(text, n);
    }
}

/* *offset: code points before the first. */
static void put_logprobs(struct out *o, const struct listing *t, size_t *offset)
{
    out_print(o, "{\"tokens\":[");
    for (size_t i = 0; i < t->n; i++) {
        out_print(o, i ? "," : "");
        openai_token_text(o, t->a, token_at(t, i).id);
    }
    out_print(o, "],\"token_logprobs\":[");
    for (size_t i = 0; i < t->n; i++) {
        struct listed_token k = token_at(t, i);
        out_print(o, i ? "," : "");
        put_logprob(o, &k);
    }
    out_print(o, "],\"top_logprobs\":[");
    for (size_t i = 0; i < t->n; i++) {
        struct listed_token k = token_at(t, i);
        out_print(o, i ? "," : "");
        put_top(o, t->a, &k);
    }
    out_print(o, "],\"text_offset\":[");
    put_offsets(o, t, offset);
    out_print(o, "]}");
}

/* finish: NULL: not yet. with_prompt 1: the text began with the prompt. Ends the array of choices. */
static void end_choice(struct answer *a, struct choice *c, int with_prompt, const char *finish)
{
    struct out *o = &a->out;
    struct completion *own = a->own;
    const struct listing all = listing_of(a, c, with_prompt);
    out_print(o, ",\"logprobs\":");
    if (a->request->logprobs)
        put_logprobs(o, &all, &own->n_written[c->index]);
    else
        out_print(o, "null");
    c->n_sent = c->n_token;
    openai_prompt_logprobs(o, a, c->index / (size_t)a->request->n);
    if (finish)
        out_print(o, ",\"finish_reason\":\"%s\"}", finish);
    else
        out_print(o, ",\"finish_reason\":null}");
}

/* ---- stream ---------------------------------------------------------------------------------------------------------------- */

static void put_chunk(struct answer *a, struct choice *c, const char *text, size_t n, int with_prompt,
                      const char *finish)
{
    struct out *o = &a->out;
    const struct completion *own = a->own;
    out_bytes(o, own->head.text, own->head.n);
    out_print(o, "[{\"index\":%zu,\"text\":", c->index);
    out_string(o, text, n);
    end_choice(a, c, with_prompt, finish);
    out_print(o, "]");
    openai_end_chunk(a, finish != NULL);
}

static void put_echoes(struct answer *a, size_t prompt)
{
    size_t n = (size_t)a->request->n;
    for (size_t i = prompt * n; i < (prompt + 1) * n; i++) {
        const struct out *echo = echo_of(a, &a->choice[i]);
        if (echo)
            put_chunk(a, &a->choice[i], echo->text, echo->n, 1, NULL);
    }
}

static int on_prepared(struct answer *a)
{
    struct completion *own = a->own;
    server_new_id(own->id, "cmpl-", 24);
    openai_head(&own->head, a, own->id, "text_completion");
    return own->head.failed ? -1 : 0;
}

/* The prompts, but for those whose scores are still to come. */
static void on_begin(struct answer *a)
{
    for (size_t i = 0; i < a->n_choice / (size_t)a->request->n; i++)
        if (!a->scores || a->scores[i].whole)
            put_echoes(a, i);
}

static void on_content(struct answer *a, struct choice *c, const char *text, size_t n)
{
    put_chunk(a, c, text, n, 0, NULL);
}

static void on_choice_end(struct answer *a, struct choice *c) { put_chunk(a, c, "", 0, 0, openai_finish[c->finish]); }

static void on_end(struct answer *a)
{
    const struct completion *own = a->own;
    openai_end_stream(a, &own->head);
}

/* ---- whole ----------------------------------------------------------------------------------------------------------------- */

static void on_whole(struct answer *a)
{
    struct out *o = &a->out, text = {0};
    const struct completion *own = a->own;
    out_bytes(o, own->head.text, own->head.n);
    for (size_t i = 0; i < a->n_choice; i++) {
        struct choice *c = &a->choice[i];
        const struct out *echo = echo_of(a, c);
        text.n = 0;
        if (echo)
            out_bytes(&text, echo->text, echo->n);
        out_bytes(&text, c->content.text, c->content.n);
        out_print(o, "%s{\"index\":%zu,\"text\":", i ? "," : "[", i);
        out_string(o, text.text, text.n);
        end_choice(a, c, 1, openai_finish[c->finish]);
    }
    o->failed |= text.failed;
    out_free(&text);
    out_print(o, "]");
    openai_end_answer(a);
}

/* Of a choice of this prompt. */
static size_t listing_bytes(const struct answer *a, size_t prompt)
{
    static const char entry[] = "\" the\",-12.34567890123456,{},10000,", alternative[] = "\" the\":-12.34567890123456,";
    const struct completion *own = a->own;
    size_t n = a->prompt[prompt].n - own->first[prompt],
           each = sizeof entry - 1 + (size_t)a->request->top_logprobs * (sizeof alternative - 1);
    return own->echo_scores ? n * each : 0;
}

/* A stream sends them prompt by prompt. */
static size_t scores_bytes(const struct answer *a)
{
    size_t n = (size_t)a->request->n, most = 0, all = 0;
    for (size_t i = 0; i < a->n_choice / n; i++) {
        size_t bytes = n * (openai_prompt_logprobs_bytes(a, i) + listing_bytes(a, i));
        most = bytes > most ? bytes : most;
        all += bytes;
    }
    return a->request->stream ? most : all;
}

/* Plain answers have neither reasoning nor calls. */
static const struct dialect_events events = {.stream_type = "text/event-stream",
                                             .prepared = on_prepared,
                                             .begin = on_begin,
                                             .scored = put_echoes,
                                             .scores_bytes = scores_bytes,
                                             .content = on_content,
                                             .choice_end = on_choice_end,
                                             .end = on_end,
                                             .failure = openai_failure,
                                             .whole = on_whole};

void openai_completions(struct http_exchange *x)
{
    struct refusal r = {0};
    struct request w = {0};
    struct completion c = {0};
    json_t *body = openai_body(x, &r);
    if (body && read_echo(&w, &c, body, &r) == 0 && request_read_sampling(&w, x->server, body, &r) == 0 &&
        openai_prompts(&w, x->server, body, &r) == 0 && read_rest(&w, &c, x->server, body, &r) == 0)
        answer_run(x, &events, &w, &c);
    if (r.status)
        http_refuse(x, &r);
    for (size_t i = 0; c.echo && i < w.n_prompt; i++)
        out_free(&c.echo[i]);
    reqmem_free(c.echo);
    reqmem_free(c.n_written);
    reqmem_free(c.first);
    out_free(&c.head);
    request_free(&w);
    json_decref(body);
}
