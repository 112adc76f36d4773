/* What an answer begins with: the request's prompts as tokens, headers about them, replies that fit what is asked for. All that a
 * request can still be refused for is found here, before anything is sent: what holds for the first choice holds for the others. */
#include "server/answer/inside.h"

#include "base/reqmem.h"
#include "base/sha256.h"
#include "server/request/own_tools.h"
#include "server/request/prefix_key.h"
#include "server/request/service.h"

#include <inttypes.h>
#include <string.h>

/* ---- prompts --------------------------------------------------------------------------------------------------------------- */

static void tell_stabilized(struct http_exchange *x, const struct request *w)
{
    char names[32] = "";
    for (int i = 0; i < STABILIZE_RULES; i++) {
        if (!w->stabilized[i])
            continue;
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%sR%d", n ? "," : "", i + 1);
        atomic_fetch_add(&x->server->count.stabilized[i], w->stabilized[i]);
    }
    if (*names)
        http_set(x, "x-stoker-stabilized", "%s", names);
}

/* The client is gone, or the server stops: asked while a template is rendered and while a constraint is compiled. */
int answer_nobody_waits(void *exchange)
{
    struct http_exchange *x = exchange;
    enum http_waited waited = http_wait(x, 0);
    if (waited == HTTP_NOTIFIED)
        http_notify(x); /* it was meant for somebody else */
    return waited == HTTP_DISCONNECTED || waited == HTTP_CUT;
}

/* Whether it was the client, when the prompt or the reply was given up. */
int answer_client_left(struct http_exchange *x)
{
    return answer_nobody_waits(x) && http_wait(x, 0) == HTTP_DISCONNECTED;
}

static int make_prompt(struct http_exchange *x, const struct request *w, struct stoker_prompt *out, struct refusal *r)
{
    struct stoker_error err;
    struct out written = {0};
    char path[STOKER_PATH];
    if (!w->body) {
        http_forget_body(x);
        out_value(&written, w->chat);
    }
    if (written.failed) {
        out_free(&written);
        return refuse_memory(r);
    }
    if (!w->own)
        json_object_del(w->chat, "messages"); /* their texts are in the body, or written; and soon in the prompt */
    int failed = stoker_prompt(stoker_templates_of(x->server->engine), w->body ? w->body : written.text,
                               w->body ? w->n_body : written.n, answer_nobody_waits, x, out, path, &err);
    out_free(&written);
    if (failed && err.code == STOKER_ERR_CANCELLED)
        return refuse_draining(r);
    return failed ? refuse_error(r, *path ? path : "messages", &err) : 0;
}

int answer_prompt(struct http_exchange *x, const struct request *w, struct stoker_prompt *out, struct refusal *r)
{
    tell_stabilized(x, w);
    if (make_prompt(x, w, out, r) == 0)
        return 0;
    request_rename(w, r);
    return -1;
}

static int too_long(struct run *run, size_t n)
{
    const struct request *w = run->a.request;
    const char *param = w->chat ? "messages" : "prompt";
    int n_ctx = run->a.server->plan.n_ctx;
    if (n < (size_t)n_ctx + (w->only_score != 0)) /* where nothing is generated the prompt may fill the context */
        return 0;
    if (w->anthropic)
        return refuse(&run->refusal, 400, "context_length_exceeded", param,
                      "prompt is too long: %zu tokens > %d maximum", n, n_ctx);
    return refuse(&run->refusal, 400, "context_length_exceeded", param,
                  "the prompt has %zu tokens, the context %d: shorten it, or serve with a longer --ctx", n, n_ctx);
}

static void tell_prefix_key(struct http_exchange *x, const struct request *w)
{
    uint64_t key = w->chat ? w->prefix_key : prefix_key_tokens(w->prompt[0].token, w->prompt[0].n);
    http_set(x, "x-stoker-prefix-key", "%016" PRIx64, key);
}

/* Of a chat only its tokens are kept: its text may be larger than all else of the request. */
int answer_render(struct run *run)
{
    struct answer *a = &run->a;
    struct stoker_prompt p;
    if (make_prompt(a->http, a->request, &p, &run->refusal) < 0) {
        run->disconnected |= answer_client_left(a->http);
        return -1;
    }
    int rc = run->round ? 0 : too_long(run, p.n_token);
    reqmem_free(run->chat.token);
    run->chat = (struct request_prompt){.n = 0};
    if (rc == 0 && !(run->chat.token = reqmem_malloc((p.n_token + 1) * sizeof *p.token)))
        rc = refuse_memory(&run->refusal);
    if (rc == 0) {
        memcpy(run->chat.token, p.token, p.n_token * sizeof *p.token);
        run->chat.n = p.n_token;
        run->n_snapshot = resume_points(stoker_templates_of(a->engine), &p, run->snapshot_at);
    }
    stoker_prompt_free(&p);
    return rc;
}

/* Memory for the scores of all prompts, and for them as text: what does not fit is refused before anything is computed. */
static int prepare_scores(struct run *run, size_t n_prompt)
{
    struct answer *a = &run->a;
    size_t n_top = (size_t)a->request->top_scores;
    if (!a->request->scores)
        return 0;
    if (!(a->scores = reqmem_calloc(n_prompt, sizeof *a->scores)))
        return refuse_memory(&run->refusal);
    for (size_t i = 0; i < n_prompt; i++) {
        struct answer_scores *s = &a->scores[i];
        size_t n = a->prompt[i].n;
        s->whole = n == 1 || a->prompt[i].score_from == n;
        s->score = reqmem_malloc(n * sizeof *s->score);
        s->top = reqmem_malloc((n * n_top + 1) * sizeof *s->top); /* one more: it is never NULL */
        if (!s->score || !s->top)
            return refuse_memory(&run->refusal);
    }
    if (run->say->scores_bytes)
        out_reserve(&a->out, run->say->scores_bytes(a));
    return a->out.failed ? refuse_memory(&run->refusal) : 0;
}

/* Prompts as tokens, and how many choices there are of each. */
static int prepare_prompts(struct run *run)
{
    struct answer *a = &run->a;
    const struct request *w = a->request;
    if (w->chat)
        tell_stabilized(a->http, w);
    if (w->chat && answer_render(run) < 0)
        return -1;
    http_forget_body(a->http);
    tell_prefix_key(a->http, w);
    size_t n_prompt = w->chat ? 1 : w->n_prompt;
    const struct request_prompt *prompt = w->chat ? &run->chat : w->prompt;
    a->n_choice = n_prompt * (size_t)w->n;
    a->choice = reqmem_calloc(a->n_choice, sizeof *a->choice);
    run->task = reqmem_calloc(a->n_choice, sizeof *run->task);
    if (!a->choice || !run->task)
        return refuse_memory(&run->refusal);
    for (size_t i = 0; i < n_prompt; i++) {
        a->n_prompt += prompt[i].n;
        if (too_long(run, prompt[i].n))
            return -1;
    }
    for (size_t i = 0; i < a->n_choice; i++) {
        a->choice[i].index = i;
        run->task[i] = (struct task){.run = run, .choice = &a->choice[i], .prompt = &prompt[i / (size_t)w->n]};
    }
    a->prompt = prompt;
    return prepare_scores(run, n_prompt);
}

/* ---- steering -------------------------------------------------------------------------------------------------------------- */

/* The list is checked, and told: of several prompts by what it does to each of them, in order. */
static int prepare_steer(struct run *run)
{
    struct answer *a = &run->a;
    const struct steer_list *l = a->request->steer;
    struct stoker_error err;
    size_t n = a->n_choice / (size_t)a->request->n;
    char digest[65] = "";
    uint8_t hash[SHA256_BYTES];
    struct sha256 all;
    int any = 0;
    sha256_begin(&all);
    for (size_t i = 0; l && l->n && i < n; i++) {
        if (stoker_steer_digest(a->engine, l->how, l->n, a->prompt[i].n, digest, &err))
            return refuse_error(&run->refusal, "steer", &err);
        sha256_add(&all, digest, strlen(digest) + 1);
        any |= *digest;
    }
    sha256_end(&all, hash);
    if (!any)
        return 0;
    if (n == 1)
        snprintf(a->steer, sizeof a->steer, "%.16s", digest);
    for (int i = 0; n > 1 && i < STEER_DIGITS / 2; i++)
        snprintf(a->steer + 2 * i, 3, "%02x", hash[i]);
    http_set(a->http, "x-stoker-steer", "%s", a->steer);
    return 0;
}

/* ---- replies --------------------------------------------------------------------------------------------------------------- */

enum { WARNINGS_MOST = 960 }; /* bytes; a header's value is cut at 1,023 */

/* As many whole sentences as there is room for, and how many are left. */
static void tell_warnings(struct run *run, const struct stoker_reply *reply)
{
    struct out all = {0};
    const char *warning;
    size_t more = 0;
    for (size_t i = 0; (warning = stoker_reply_warning(reply, i)); i++)
        if (more == 0 && all.n + strlen(warning) + 2 <= WARNINGS_MOST)
            out_print(&all, "%s%s", i ? "; " : "", warning);
        else
            more++;
    if (more)
        out_print(&all, "; and %zu more", more);
    if (all.n && !all.failed)
        http_set(run->a.http, "x-stoker-schema-warnings", "%.*s", (int)all.n, all.text);
    out_free(&all);
}

/* Whether the limit may cut off an answer whose shortest form is longer: a format that an answer must have gives way to the client's
 * max_tokens, as it does with OpenAI's API. A call that was asked for does not: half a call is none. */
int answer_may_be_cut(const struct request *w)
{
    return w->reply.answer.language != STOKER_ANY_TEXT && w->reply.choice != STOKER_TOOLS_REQUIRED;
}

/* An answer that may not be cut needs tokens for itself. */
static int check_space(struct run *run, const struct task *t)
{
    const struct request *w = run->a.request;
    const char *field = request_constraint_field(w);
    size_t most = (size_t)run->a.server->plan.n_ctx - t->prompt->n, least = stoker_reply_shortest(t->reply);
    if (w->only_score)
        return 0;
    if (run->max_tokens && (size_t)run->max_tokens < most)
        most = (size_t)run->max_tokens;
    if (least <= most || (least < SIZE_MAX && answer_may_be_cut(w)))
        return 0;
    if (least == SIZE_MAX)
        return refuse(
            &run->refusal, 400, "invalid_value", field,
            "%s: what it asks for is longer than any answer can be; lower the lengths and counts of its schema",
            field ? field : "the answer");
    return refuse(&run->refusal, 400, "invalid_value", "max_tokens",
                  "max_tokens allows %zu tokens, the shortest answer of what is asked for has %zu", most, least);
}

/* Why a reply cannot be opened. */
static int refuse_reply(struct run *run, const struct stoker_error *err)
{
    const char *field = request_constraint_field(run->a.request);
    if (err->code == STOKER_ERR_CANCELLED) {
        run->disconnected |= answer_client_left(run->a.http);
        return refuse_draining(&run->refusal);
    }
    if (err->code == STOKER_ERR_BUSY) {
        refuse(&run->refusal, 503, "busy", NULL, "%s", err->text);
        run->refusal.retry_after = 1;
        server_count_rejected(run->a.server);
        return -1;
    }
    return refuse_error(&run->refusal, field ? field : "stop", err);
}

int answer_open_reply(struct task *t)
{
    struct run *run = t->run;
    const struct request *w = run->a.request;
    struct stoker_error err;
    struct stoker_reply_options o = w->reply;
    o.prompt = t->prompt->token;
    o.n_prompt = t->prompt->n;
    o.stop = w->stop;
    o.n_stop = w->n_stop;
    if (w->own) {
        o.tools = w->own->box.governs.text; /* which may be another list in each round */
        o.n_tools = w->own->box.governs.n;
    }
    if (run->round && o.choice == STOKER_TOOLS_REQUIRED) { /* it has called */
        o.choice = STOKER_TOOLS_AUTO;
        o.tool = NULL;
    }
    if (answer_is_last_round(run)) {
        o.choice = STOKER_TOOLS_NONE;
        o.tool = NULL;
    }
    o.stopped = answer_nobody_waits;
    o.stopped_arg = run->a.http;
    if (stoker_reply_open(&t->reply, run->a.engine, &o, answer_piece, t, &err) != 0)
        return refuse_reply(run, &err);
    return check_space(run, t);
}

int answer_prepare(struct run *run)
{
    if (prepare_prompts(run) < 0 || prepare_steer(run) < 0 || answer_open_reply(&run->task[0]) < 0 ||
        answer_capture_prepare(run) < 0)
        return -1;
    if (run->say->prepared && run->say->prepared(&run->a))
        return refuse_memory(&run->refusal);
    tell_warnings(run, run->task[0].reply);
    return 0;
}
