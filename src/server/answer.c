/* The generation core: see answer.h.
 *
 *     answer_run    refusals while nothing is said; then follow()
 *     follow        take all events -> out -> client, wait for either; until all choices have ended or the client is gone
 *     take_event    an engine's event of one choice: token -> reply -> on_piece -> struct choice and the dialect
 *     finish        every request's last event is taken: nothing of this call is used by the engine afterwards */
#include "server/answer.h"

#include "base/clock.h"
#include "base/room.h"
#include "server/origin.h"
#include "server/prefix_key.h"
#include "server/resume_points.h"
#include "server/routes.h"
#include "server/server.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_WORD_MS = 1000, SILENCE_MS = 5000 };
enum { AGAIN_MS = 50 };

struct run;

/* One choice with its request and its reply. */
struct task {
    struct run *run;
    struct choice *choice;
    const struct wish_prompt *prompt; /* of its own, or the chat's */
    struct stoker_reply *reply;
    stoker_id id;
    int submitted, live; /* live: its last event was not taken yet */
    int over;            /* the reply has seen the end: what else comes is not looked at */
    size_t mark;         /* tokens when the last piece came: those behind it belong to the next */
    size_t n_cached;
};

struct run {
    struct answer a;
    const struct dialect_events *say;
    struct wish_prompt chat; /* of a wish with a chat */
    struct stoker_sampling sampling;
    size_t snapshot_at[RESUME_POINTS], n_snapshot;
    struct task *task; /* [a.n_choice] */
    struct refusal refusal;
    int begun, failed;                   /* begin was told; refusal is to be */
    int gone;                            /* the client */
    double submitted, first_token, said; /* seconds of the clock; first_token 0: none yet */
};

/* ---- what there is to read ------------------------------------------------------------------------------------------------- */

static void tell_stabilized(struct http_exchange *x, const struct wish *w)
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

static int make_prompt(struct http_exchange *x, const struct wish *w, struct stoker_prompt *out, struct refusal *r)
{
    struct stoker_error err;
    struct out written = {0};
    char path[STOKER_PATH];
    tell_stabilized(x, w);
    if (!w->body) {
        http_forget_body(x);
        out_value(&written, w->chat);
    }
    if (written.failed) {
        out_free(&written);
        return refuse(r, 500, NULL, NULL, "no memory for a prompt");
    }
    int failed = stoker_prompt(stoker_templates_of(x->server->engine), w->body ? w->body : written.text,
                               w->body ? w->n_body : written.n, out, path, &err);
    out_free(&written);
    return failed ? refuse_error(r, *path ? path : "messages", &err) : 0;
}

int answer_prompt(struct http_exchange *x, const struct wish *w, struct stoker_prompt *out, struct refusal *r)
{
    if (make_prompt(x, w, out, r) == 0)
        return 0;
    origin_rename(w->origins, r);
    return -1;
}

static int too_long(struct run *run, size_t n)
{
    const struct wish *w = run->a.wish;
    const char *param = w->chat ? "messages" : "prompt";
    int n_ctx = run->a.server->plan.n_ctx;
    if (n < (size_t)n_ctx)
        return 0;
    if (w->anthropic)
        return refuse(&run->refusal, 400, "context_length_exceeded", param,
                      "prompt is too long: %zu tokens > %d maximum", n, n_ctx);
    return refuse(&run->refusal, 400, "context_length_exceeded", param,
                  "the prompt has %zu tokens, the context %d: shorten it, or serve with a longer --ctx", n, n_ctx);
}

static void tell_prefix_key(struct http_exchange *x, const struct wish *w)
{
    uint64_t key = w->chat ? w->prefix_key : prefix_key_tokens(w->prompt[0].token, w->prompt[0].n);
    http_set(x, "x-stoker-prefix-key", "%016" PRIx64, key);
}

/* Of a chat only its tokens are kept: its text may be larger than all else of the request. */
static int prepare_chat(struct run *run)
{
    struct answer *a = &run->a;
    struct stoker_prompt p;
    if (make_prompt(a->http, a->wish, &p, &run->refusal) < 0)
        return -1;
    int rc = too_long(run, p.n_token);
    if (rc == 0 && !(run->chat.token = room_malloc((p.n_token + 1) * sizeof *p.token)))
        rc = refuse(&run->refusal, 500, NULL, NULL, "no memory for a prompt");
    if (rc == 0) {
        memcpy(run->chat.token, p.token, p.n_token * sizeof *p.token);
        run->chat.n = p.n_token;
        run->n_snapshot = resume_points(stoker_templates_of(a->engine), &p, run->snapshot_at);
    }
    stoker_prompt_free(&p);
    return rc;
}

/* Prompts as tokens, and how many choices there are of each. */
static int prepare_prompts(struct run *run)
{
    struct answer *a = &run->a;
    const struct wish *w = a->wish;
    if (w->chat && prepare_chat(run) < 0)
        return -1;
    http_forget_body(a->http);
    tell_prefix_key(a->http, w);
    size_t n_prompt = w->chat ? 1 : w->n_prompt;
    const struct wish_prompt *prompt = w->chat ? &run->chat : w->prompt;
    a->n_choice = n_prompt * (size_t)w->n;
    a->choice = calloc(a->n_choice, sizeof *a->choice);
    run->task = calloc(a->n_choice, sizeof *run->task);
    if (!a->choice || !run->task)
        return refuse(&run->refusal, 500, NULL, NULL, "no memory for an answer");
    for (size_t i = 0; i < n_prompt; i++) {
        a->n_prompt += prompt[i].n;
        if (too_long(run, prompt[i].n))
            return -1;
    }
    for (size_t i = 0; i < a->n_choice; i++) {
        a->choice[i].index = i;
        run->task[i] = (struct task){.run = run, .choice = &a->choice[i], .prompt = &prompt[i / (size_t)w->n]};
    }
    return 0;
}

/* ---- pieces of a choice ---------------------------------------------------------------------------------------------------- */

static int out_of_memory(struct run *run)
{
    run->failed = 1;
    return refuse(&run->refusal, 500, NULL, NULL, "no memory for an answer");
}

static struct call *add_call(struct task *t, const struct stoker_piece *p)
{
    struct choice *c = t->choice;
    struct call **grown = realloc(c->call, (c->n_call + 1) * sizeof *grown);
    struct call *call = grown ? calloc(1, sizeof *call + strlen(p->name) + 1) : NULL;
    if (grown)
        c->call = grown;
    if (!call)
        return NULL;
    call->name = memcpy(call + 1, p->name, strlen(p->name) + 1);
    server_new_id(call->id, "call_", 24);
    c->call[c->n_call++] = call;
    return call;
}

static void take_call(struct task *t, const struct stoker_piece *p, int told)
{
    struct answer *a = &t->run->a;
    const struct dialect_events *say = t->run->say;
    struct choice *c = t->choice;
    struct call *call = p->kind == STOKER_PIECE_CALL ? add_call(t, p) : c->n_call ? c->call[c->n_call - 1] : NULL;
    if (!call) {
        out_of_memory(t->run);
        return;
    }
    if (p->kind == STOKER_PIECE_ARGUMENTS)
        out_bytes(&call->arguments, p->text, p->n);
    call->ended |= p->kind == STOKER_PIECE_CALL_END;
    if (call->arguments.failed)
        out_of_memory(t->run);
    else if (told && p->kind == STOKER_PIECE_CALL)
        say->call(a, c, call);
    else if (told && p->kind == STOKER_PIECE_ARGUMENTS)
        say->arguments(a, c, call, p->text, p->n);
    else if (told && say->call_end)
        say->call_end(a, c, call);
}

static void take_text(struct task *t, const struct stoker_piece *p, int told)
{
    struct answer *a = &t->run->a;
    struct choice *c = t->choice;
    int thought = p->kind == STOKER_PIECE_REASONING;
    struct out *text = thought ? &c->reasoning : &c->content;
    out_bytes(text, p->text, p->n);
    if (text->failed)
        out_of_memory(t->run);
    else if (told)
        (thought ? t->run->say->reasoning : t->run->say->content)(a, c, p->text, p->n);
}

static void on_piece(void *arg, const struct stoker_piece *p)
{
    struct task *t = arg;
    struct choice *c = t->choice;
    int told = (t->run->a.wish->stream || t->run->say->told_whole) && !t->run->failed;
    if (p->kind == STOKER_PIECE_REASONING) {
        c->n_reasoning += c->n_generated - t->mark;
        t->run->a.n_reasoning += c->n_generated - t->mark;
    }
    t->mark = c->n_generated;
    if (p->kind == STOKER_PIECE_REASONING || p->kind == STOKER_PIECE_CONTENT) {
        if (p->n)
            take_text(t, p, told);
    } else if (p->kind == STOKER_PIECE_BAD_CALL) {
        c->parse_error = 1;
    } else if (p->kind != STOKER_PIECE_CUT_CALL) { /* what a cut call had is with it already */
        take_call(t, p, told);
    }
}

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

static void tell_warnings(struct run *run, const struct stoker_reply *reply)
{
    struct out all = {0};
    const char *warning;
    for (size_t i = 0; (warning = stoker_reply_warning(reply, i)); i++)
        out_print(&all, "%s%s", i ? "; " : "", warning);
    if (all.n && !all.failed)
        http_set(run->a.http, "x-stoker-schema-warnings", "%.*s", (int)all.n, all.text);
    out_free(&all);
}

/* An answer that may not be cut needs room for itself. */
static int check_room(struct run *run, const struct task *t)
{
    const struct wish *w = run->a.wish;
    size_t room = (size_t)run->a.server->plan.n_ctx - t->prompt->n, least = stoker_reply_shortest(t->reply);
    if (w->max_tokens && (size_t)w->max_tokens < room)
        room = (size_t)w->max_tokens;
    if (least <= room)
        return 0;
    return refuse(&run->refusal, 400, "invalid_value", "max_tokens",
                  "max_tokens leaves room for %zu tokens, the shortest answer of what is asked for has %zu", room,
                  least);
}

/* Why a reply cannot be opened. Sentences about a schema name its field: "schema error at tools[3].function.parameters#/type: ..". */
static int refuse_reply(struct run *run, const struct stoker_error *err)
{
    static const char schema[] = "schema error at ";
    const struct stoker_reply_options *o = &run->a.wish->reply;
    const char *at = strncmp(err->text, schema, sizeof schema - 1) ? err->text : err->text + sizeof schema - 1;
    char path[STOKER_PATH];
    if (strncmp(at, "tools[", 6) == 0)
        snprintf(path, sizeof path, "%.*s", (int)strcspn(at, "# :"), at);
    else
        snprintf(path, sizeof path, "%s",
                 o->answer.language != STOKER_ANY_TEXT ? "response_format"
                 : o->tools                            ? "tools"
                                                       : "stop");
    struct stoker_error told = *err;
    if (*at == '#')
        snprintf(told.text, sizeof told.text, "%s%s%.300s", schema, path, at);
    return refuse_error(&run->refusal, path, &told);
}

static int open_replies(struct run *run)
{
    const struct wish *w = run->a.wish;
    struct stoker_error err;
    for (size_t i = 0; i < run->a.n_choice; i++) {
        struct task *t = &run->task[i];
        struct stoker_reply_options o = w->reply;
        o.prompt = t->prompt->token;
        o.n_prompt = t->prompt->n;
        o.stop = w->stop;
        o.n_stop = w->n_stop;
        if (stoker_reply_open(&t->reply, run->a.engine, &o, on_piece, t, &err) != 0)
            return refuse_reply(run, &err);
        if (check_room(run, t) < 0)
            return -1;
    }
    tell_warnings(run, run->task[0].reply);
    return 0;
}

/* 1: done, 0: the queue is full, -1: refused. */
static int submit(struct run *run, struct task *t)
{
    const struct wish *w = run->a.wish;
    struct stoker_error err;
    struct stoker_request q = {.prompt = t->prompt->token,
                               .n_prompt = t->prompt->n,
                               .max_tokens = w->max_tokens,
                               .sampling = run->sampling,
                               .wants_logprobs = w->logprobs,
                               .n_top_logprobs = w->top_logprobs,
                               .constraint = stoker_reply_constraint(t->reply),
                               .wants_progress = 1,
                               .ignore_end = w->ignore_end,
                               .snapshot_at = run->snapshot_at,
                               .n_snapshot_at = run->n_snapshot,
                               .no_cache = w->no_cache,
                               .notify = http_notify,
                               .notify_arg = run->a.http};
    if (run->a.server->opt.cache_per_key && (q.salt = http_key(run->a.http)))
        q.n_salt = strlen(q.salt);
    q.sampling.choice = (uint32_t)(t->choice->index % (size_t)w->n);
    if (stoker_submit(run->a.engine, &q, &t->id, &err) == 0)
        return t->submitted = t->live = 1;
    if (err.code == STOKER_ERR_BUSY && t->choice->index > 0)
        return 0; /* its turn comes when one of its siblings has ended */
    refuse_error(&run->refusal, NULL, &err);
    if (err.code == STOKER_ERR_BUSY) {
        struct stoker_stats now;
        stoker_stats_of(run->a.engine, &now);
        double wait = ceil(now.expected_wait_seconds);
        run->refusal.retry_after = wait < 1 ? 1 : wait > 600 ? 600 : (int)wait;
        server_count_rejected(run->a.server);
    }
    return -1;
}

/* In order, no more at a time than run at a time: the queue is for everybody. */
static int submit_some(struct run *run)
{
    int room = run->a.server->plan.n_parallel, done = 1;
    for (size_t i = 0; i < run->a.n_choice; i++)
        room -= run->task[i].live;
    for (size_t i = 0; i < run->a.n_choice && room > 0 && done > 0; i++) {
        if (run->task[i].submitted)
            continue;
        done = submit(run, &run->task[i]);
        room--;
    }
    return done < 0 ? -1 : 0;
}

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

/* The status line of a stream goes out with the first thing that is said. */
static void open_stream(struct run *run)
{
    if (run->a.wish->stream && !http_streaming(run->a.http))
        http_stream_begin(run->a.http, run->say->stream_type);
}

static void begin(struct run *run)
{
    if (run->begun)
        return;
    run->begun = 1;
    if (run->a.wish->stream) {
        open_stream(run);
        run->say->begin(&run->a);
    }
}

static int keep_logprobs(struct choice *c, const struct stoker_event *e)
{
    size_t n_top = e->u.token.n_top < STOKER_TOP ? e->u.token.n_top : STOKER_TOP;
    if ((c->n_token & (c->n_token - 1)) == 0) { /* room for the next power of two */
        struct answer_token *grown = room_realloc(c->token, (c->n_token ? 2 * c->n_token : 1) * sizeof *grown);
        if (!grown)
            return -1;
        c->token = grown;
    }
    struct answer_token *t = &c->token[c->n_token];
    *t = (struct answer_token){.likely = {e->u.token.id, e->u.token.logprob}, .n_top = n_top};
    if (n_top && !(t->top = room_malloc(n_top * sizeof *t->top)))
        return -1;
    if (n_top)
        memcpy(t->top, e->u.token.top, n_top * sizeof *t->top);
    c->n_token++;
    return 0;
}

static void take_token(struct task *t, const struct stoker_event *e)
{
    struct run *run = t->run;
    struct stoker_error err;
    if (t->over)
        return;
    if (run->first_token == 0)
        run->first_token = clock_seconds();
    t->choice->n_generated++;
    run->a.n_generated++;
    if (run->a.wish->logprobs && keep_logprobs(t->choice, e))
        out_of_memory(run);
    t->over = stoker_reply_token(t->reply, e->u.token.id, &err);
    if (t->over < 0) {
        refuse_error(&run->refusal, NULL, &err);
        run->failed = 1;
    }
    if (t->over)
        stoker_cancel(run->a.engine, t->id);
}

static void take_end(struct task *t, const struct stoker_event *e)
{
    struct run *run = t->run;
    struct answer *a = &run->a;
    struct choice *c = t->choice;
    struct stoker_error err;
    if (e->u.end.reason == STOKER_END_CANCELLED && !t->over) {
        refuse(&run->refusal, 503, "draining", NULL, "the answer was cancelled: the server is stopping");
        run->failed = 1;
        return;
    }
    if (!t->over && e->u.end.end_sampled) {
        c->n_generated++;
        a->n_generated++;
    }
    if (stoker_reply_end(t->reply, &err) != 0) {
        refuse_error(&run->refusal, NULL, &err);
        run->failed = 1;
        return;
    }
    int stop = stoker_reply_stop(t->reply);
    if (stop >= 0)
        c->stop = &a->wish->stop[stop];
    c->ended = 1;
    c->finish = e->u.end.reason == STOKER_END_LENGTH && !t->over ? FINISH_LENGTH
                : c->n_call                                      ? FINISH_CALLS
                                                                 : FINISH_STOP;
    if (c->index == 0) {
        a->seed = e->u.end.seed;
        a->prompt_seconds = e->u.end.prompt_seconds;
        a->generate_seconds = e->u.end.generate_seconds;
    }
    if (a->wish->stream && !run->failed)
        run->say->choice_end(a, c);
}

/* What a prompt's first choice found of it; siblings find more, for they come later. */
static void note_cached(struct task *t, size_t n_cached)
{
    if (t->choice->index % (size_t)t->run->a.wish->n == 0 && t->n_cached == 0)
        t->run->a.n_cached += t->n_cached = n_cached;
}

static void take_progress(struct task *t, const struct stoker_event *e)
{
    struct run *run = t->run;
    struct answer *a = &run->a;
    note_cached(t, e->u.progress.cached);
    begin(run);
    a->progress_done = e->u.progress.done;
    a->progress_seconds = clock_seconds() - run->submitted;
    if (t->choice->index == 0 && a->wish->stream && a->wish->wants_progress && run->say->progress)
        run->say->progress(a);
}

static void take_failure(struct task *t, const struct stoker_event *e)
{
    const char *param = e->error.code == STOKER_ERR_INPUT ? "max_tokens" : NULL;
    refuse_error(&t->run->refusal, param, &e->error);
    t->run->failed = 1;
}

static void take_event(struct task *t, const struct stoker_event *e)
{
    if (e->kind == STOKER_END)
        note_cached(t, e->u.end.n_cached);
    if (e->kind == STOKER_TOKEN || e->kind == STOKER_END)
        begin(t->run);
    if (e->kind == STOKER_PROGRESS)
        take_progress(t, e);
    else if (e->kind == STOKER_TOKEN)
        take_token(t, e);
    else if (e->kind == STOKER_END)
        take_end(t, e);
    else
        take_failure(t, e);
    t->live = e->kind == STOKER_PROGRESS || e->kind == STOKER_TOKEN;
}

/* All there are. Until the first choice has spoken the others wait: what it found cached opens the stream. */
static void take_events(struct run *run)
{
    for (size_t i = 0; i < run->a.n_choice; i++) {
        struct task *t = &run->task[i];
        struct stoker_event e;
        while (t->live && !run->failed && stoker_next_event(run->a.engine, t->id, 0, &e) == 1)
            take_event(t, &e);
        if (!run->begun)
            return;
    }
}

/* ---- the client ------------------------------------------------------------------------------------------------------------ */

/* What a stream has been told of log-probabilities is not needed any more, unless its end says it all again. */
static void forget_told(struct run *run)
{
    for (size_t i = 0; i < run->a.n_choice && !run->say->told_whole; i++) {
        struct choice *c = &run->a.choice[i];
        if (c->n_told < c->n_token)
            continue;
        for (size_t k = 0; k < c->n_token; k++)
            room_free(c->token[k].top);
        c->n_token = c->n_told = 0;
    }
}

static void send(struct run *run)
{
    struct out *out = &run->a.out;
    if (out->failed) {
        out_of_memory(run);
    } else if (out->n && run->a.wish->stream) {
        run->gone |= http_stream_write(run->a.http, out->text, out->n) != 0;
        run->said = clock_seconds();
    }
    out->n = 0; /* also what a whole answer was told for its order alone */
    if (run->a.wish->stream)
        forget_told(run);
}

static void break_silence(struct run *run)
{
    open_stream(run);
    if (run->say->silence)
        run->say->silence(&run->a);
    else
        out_print(&run->a.out, ": ping\n\n");
    send(run);
}

/* The queue is full and no choice runs whose end would be told: only asking again helps. */
static int waits_for_room(const struct run *run)
{
    int left = 0;
    for (size_t i = 0; i < run->a.n_choice; i++) {
        if (run->task[i].live)
            return 0;
        left += !run->task[i].submitted;
    }
    return left > 0;
}

/* Until there is something to do. */
static void wait(struct run *run)
{
    double left = -1;
    int again = 0;
    if (run->a.wish->stream) {
        int most = http_streaming(run->a.http) ? SILENCE_MS : FIRST_WORD_MS;
        left = most - 1e3 * (clock_seconds() - run->said);
        left = left < 0 ? 0 : left + 1;
    }
    if (waits_for_room(run) && (left < 0 || left > AGAIN_MS)) {
        again = 1;
        left = AGAIN_MS;
    }
    enum http_waited w = http_wait(run->a.http, (int)left);
    if (w == HTTP_TIMEOUT && run->a.wish->stream && !again)
        break_silence(run);
    run->gone |= w == HTTP_GONE;
    if (w == HTTP_CUT) {
        refuse(&run->refusal, 503, "draining", NULL, "the server is stopping");
        run->failed = 1;
    }
}

static int all_ended(const struct run *run)
{
    for (size_t i = 0; i < run->a.n_choice; i++)
        if (!run->a.choice[i].ended)
            return 0;
    return 1;
}

static void follow(struct run *run)
{
    while (!run->failed && !run->gone) {
        take_events(run);
        if (!run->failed)
            send(run);
        if (run->failed || run->gone || all_ended(run))
            return;
        if (submit_some(run) < 0)
            run->failed = 1;
        else
            wait(run);
    }
}

/* ---- the end --------------------------------------------------------------------------------------------------------------- */

/* Requests that still run are cancelled, and their last events taken: then the engine knows this exchange no more. */
static void settle(struct run *run)
{
    struct stoker_event e;
    for (size_t i = 0; run->task && i < run->a.n_choice; i++)
        if (run->task[i].live)
            stoker_cancel(run->a.engine, run->task[i].id);
    for (size_t i = 0; run->task && i < run->a.n_choice; i++)
        while (run->task[i].live && stoker_next_event(run->a.engine, run->task[i].id, -1, &e) == 1)
            run->task[i].live = e.kind == STOKER_PROGRESS || e.kind == STOKER_TOKEN;
}

/* What is not whole must not look so: a stream ends with a failure, or without its end. */
static void break_off(struct run *run)
{
    struct answer *a = &run->a;
    out_free(&a->out);
    refusal_tell_room(&run->refusal);
    room_spare(ROOM_REFUSAL);
    run->say->failure(a, &run->refusal);
    room_spare(0);
    if (a->out.failed)
        return;
    send(run);
    http_stream_end(a->http);
}

static void end_stream(struct run *run)
{
    run->say->end(&run->a);
    send(run);
    if (run->failed)
        break_off(run);
    else
        http_stream_end(run->a.http);
}

static void speak_last(struct run *run)
{
    struct answer *a = &run->a;
    if (run->gone)
        return;
    if (run->failed)
        origin_rename(a->wish->origins, &run->refusal);
    if (run->failed && !http_streaming(a->http)) {
        http_refuse(a->http, &run->refusal);
    } else if (run->failed) {
        break_off(run);
    } else if (a->wish->stream) {
        end_stream(run);
    } else {
        run->say->whole(a);
        http_answer_json(a->http, &a->out);
    }
}

static void free_choice(struct choice *c)
{
    for (size_t i = 0; i < c->n_call; i++) {
        out_free(&c->call[i]->arguments);
        free(c->call[i]);
    }
    for (size_t i = 0; i < c->n_token; i++)
        room_free(c->token[i].top);
    free(c->call);
    room_free(c->token);
    out_free(&c->reasoning);
    out_free(&c->content);
}

static void free_run(struct run *run)
{
    for (size_t i = 0; run->task && i < run->a.n_choice; i++)
        stoker_reply_close(run->task[i].reply);
    for (size_t i = 0; run->a.choice && i < run->a.n_choice; i++)
        free_choice(&run->a.choice[i]);
    free(run->task);
    free(run->a.choice);
    out_free(&run->a.out);
    room_free(run->chat.token);
}

void answer_run(struct http_exchange *x, const struct dialect_events *d, const struct wish *w, void *own)
{
    struct run run = {.say = d, .sampling = w->sampling};
    run.a = (struct answer){.wish = w, .http = x, .server = x->server, .engine = x->server->engine, .own = own};
    run.a.created = server_now();
    if (!run.sampling.has_seed)
        run.sampling.seed = stoker_seed(); /* one for all choices */
    run.sampling.has_seed = 1;
    run.submitted = run.said = clock_seconds();
    run.failed = prepare_prompts(&run) < 0 || open_replies(&run) < 0 || submit_some(&run) < 0;
    http_next(x);
    follow(&run);
    settle(&run);
    double first = run.first_token > 0 ? run.first_token - 1e-9 * (double)x->began_ns : -1;
    if (run.begun || run.gone)
        server_count(x, run.a.n_prompt, run.a.n_cached, run.a.n_generated, first, run.gone);
    speak_last(&run);
    free_run(&run);
}
