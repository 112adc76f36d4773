/* The generation core: see answer.h; the struct behind it: inside.h.
 *
 *     answer_run    refuses as long as nothing was sent; then follow()
 *     follow        take all events -> out -> client, wait for either; until all choices have ended or the client has disconnected
 *     end_requests  takes the last event of every request: after that the engine uses nothing of this call */
#include "server/answer/inside.h"
#include "server/request/service.h"

#include "base/clock.h"
#include "base/reqmem.h"

#include <math.h>
#include <string.h>

enum { FIRST_WORD_MS = 1000, SILENCE_MS = 5000 };
enum { AGAIN_MS = 50 };

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

static int forbids(const struct stoker_sampling *how)
{
    for (size_t i = 0; i < how->n_bias; i++)
        if (how->bias[i].bias == -INFINITY)
            return 1;
    return 0;
}

/* The scores of a choice's prompt; its first choice computes them, once for all. */
static struct answer_scores *scores_of(const struct run *run, const struct task *t)
{
    return run->a.scores ? &run->a.scores[t->choice->index / (size_t)run->a.request->n] : NULL;
}

static int is_scored(const struct run *run, const struct task *t)
{
    return run->a.scores && t->choice->index % (size_t)run->a.request->n == 0;
}

/* 1: the choice tells of scores that another one still computes. */
static int awaits_scores(const struct run *run, const struct task *t)
{
    return run->a.scores && !is_scored(run, t) && !scores_of(run, t)->whole;
}

/* 1: done, 0: the queue is full, -1: refused. */
static int submit(struct run *run, struct task *t)
{
    const struct request *w = run->a.request;
    struct stoker_error err;
    if (!t->reply && answer_open_reply(t) < 0)
        return -1;
    if (w->lists_end && !t->end_top &&
        !(t->end_top = reqmem_malloc(((size_t)w->top_logprobs + 1) * sizeof *t->end_top)))
        return refuse_memory(&run->refusal);
    struct stoker_request q = {.prompt = t->prompt->token,
                               .n_prompt = t->prompt->n,
                               .max_tokens = run->max_tokens,
                               .only_score = w->only_score,
                               .sampling = run->sampling,
                               .wants_logprobs = w->logprobs,
                               .n_top_logprobs = w->top_logprobs,
                               .end_top = t->end_top,
                               .constraint = stoker_reply_constraint(t->reply),
                               .may_be_cut = answer_may_be_cut(w),
                               .wants_progress = 1,
                               .ignore_end = w->ignore_end,
                               .snapshot_at = run->snapshot_at,
                               .n_snapshot_at = run->n_snapshot,
                               .no_cache = w->no_cache,
                               .prediction = w->prediction.token,
                               .n_prediction = w->prediction.n,
                               .steer = w->steer ? w->steer->how : NULL,
                               .n_steer = w->steer ? w->steer->n : 0,
                               .capture = run->a.capture ? &run->a.capture->how : NULL,
                               .notify = http_notify,
                               .notify_arg = run->a.http};
    if (run->a.server->opt.cache_per_key && (q.salt = http_key(run->a.http)))
        q.n_salt = strlen(q.salt);
    if (is_scored(run, t)) {
        const struct answer_scores *scores = scores_of(run, t);
        q.score_from = t->prompt->score_from ? t->prompt->score_from : 1;
        q.score = scores->score;
        q.score_top = scores->top;
        q.n_score_top = w->top_scores;
    }
    run->undecided |= q.constraint && forbids(&run->sampling);
    q.sampling.choice = (uint32_t)(t->choice->index % (size_t)w->n);
    if (stoker_submit(run->a.engine, &q, &t->id, &err) == 0)
        return t->submitted = t->live = 1;
    if (err.code == STOKER_ERR_BUSY && (t->choice->index > 0 || run->round > 0))
        return 0; /* its turn comes when one of its siblings has ended; an answer that was begun goes on */
    if (err.code == STOKER_ERR_BUSY && strcmp(err.field, "capture") == 0) {
        run->refusal.retry_after = 1;
        return refuse(&run->refusal, 503, "busy", NULL, "%s", err.text);
    }
    if (err.code == STOKER_ERR_MEMORY && run->a.capture)
        return refuse(&run->refusal, 413, "capture_too_large", "capture", "%s", err.text);
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
    int n_free = run->a.server->plan.n_parallel, done = 1;
    for (size_t i = 0; i < run->a.n_choice; i++)
        n_free -= run->task[i].live;
    for (size_t i = 0; i < run->a.n_choice && n_free > 0 && done > 0; i++) {
        if (run->task[i].submitted || awaits_scores(run, &run->task[i]))
            continue;
        done = submit(run, &run->task[i]);
        n_free--;
    }
    return done < 0 ? -1 : 0;
}

/* ---- the client ------------------------------------------------------------------------------------------------------------ */

/* Free the log-probabilities of tokens that a stream has sent, unless its last event repeats the whole answer. */
static void free_sent(struct run *run)
{
    for (size_t i = 0; i < run->a.n_choice && !run->say->whole_in_pieces; i++) {
        struct choice *c = &run->a.choice[i];
        if (c->n_sent < c->n_token)
            continue;
        for (size_t k = 0; k < c->n_token; k++)
            reqmem_free(c->token[k].top);
        c->n_token = c->n_sent = 0;
    }
}

void answer_send(struct run *run)
{
    struct out *out = &run->a.out;
    if (out->failed) {
        answer_no_memory(run);
    } else if (out->n && run->a.request->stream) {
        run->disconnected |= http_stream_write(run->a.http, out->text, out->n) != 0;
        run->last_write = clock_seconds();
    }
    out->n = 0; /* also what the events of a whole answer wrote (whole_in_pieces) */
    if (run->a.request->stream)
        free_sent(run);
}

void answer_break_silence(struct run *run)
{
    answer_open_stream(run);
    if (run->say->silence)
        run->say->silence(&run->a);
    else
        out_print(&run->a.out, ": ping\n\n");
    answer_send(run);
}

/* 1: the queue is full, and no choice runs whose end would be an event to wait for: the request must be submitted again later. */
static int waits_for_queue(const struct run *run)
{
    int left = 0;
    for (size_t i = 0; i < run->a.n_choice; i++) {
        if (run->task[i].live)
            return 0;
        left += !run->task[i].submitted;
    }
    return left > 0;
}

/* Wait until there is an event, a change of the connection, or a deadline. */
static void wait(struct run *run)
{
    double left = -1;
    int again = 0;
    if (run->a.request->stream && (http_streaming(run->a.http) || !run->undecided)) {
        int most = http_streaming(run->a.http) ? SILENCE_MS : FIRST_WORD_MS;
        left = most - 1e3 * (clock_seconds() - run->last_write);
        left = left < 0 ? 0 : left + 1;
    }
    if (waits_for_queue(run) && (left < 0 || left > AGAIN_MS)) {
        again = 1;
        left = AGAIN_MS;
    }
    enum http_waited w = http_wait(run->a.http, (int)left);
    if (w == HTTP_TIMEOUT && run->a.request->stream && !again)
        answer_break_silence(run);
    run->disconnected |= w == HTTP_DISCONNECTED;
    if (w == HTTP_CUT) {
        refuse_draining(&run->refusal);
        run->failed = 1;
    }
}

/* All there are. Until the first choice has spoken the others wait: what it found cached opens the stream. */
static void take_events(struct run *run)
{
    for (size_t i = 0; i < run->a.n_choice; i++) {
        struct task *t = &run->task[i];
        struct stoker_event e;
        while (t->live && !run->failed && stoker_next_event(run->a.engine, t->id, 0, &e) == 1)
            answer_event(t, &e);
        if (!run->begun)
            return;
    }
}

int answer_all_ended(const struct answer *a)
{
    for (size_t i = 0; i < a->n_choice; i++)
        if (!a->choice[i].ended)
            return 0;
    return 1;
}

static void follow(struct run *run)
{
    while (!run->failed && !run->disconnected) {
        take_events(run);
        if (!run->failed)
            answer_send(run);
        if (run->failed || run->disconnected || answer_all_ended(&run->a))
            return;
        if (run->wants_round && answer_next_round(run) < 0)
            run->failed = !run->disconnected;
        else if (answer_all_ended(&run->a))
            continue;
        else if (submit_some(run) < 0)
            run->failed = 1;
        else
            wait(run);
    }
}

/* ---- the end --------------------------------------------------------------------------------------------------------------- */

/* Cancel the requests that still run and take their last events. After that the engine has no reference to this exchange. */
static void end_requests(struct run *run)
{
    struct stoker_event e;
    for (size_t i = 0; run->task && i < run->a.n_choice; i++)
        if (run->task[i].live)
            stoker_cancel(run->a.engine, run->task[i].id);
    for (size_t i = 0; run->task && i < run->a.n_choice; i++)
        while (run->task[i].live && stoker_next_event(run->a.engine, run->task[i].id, -1, &e) == 1)
            run->task[i].live = e.kind != STOKER_END && e.kind != STOKER_FAILED;
}

/* An incomplete answer must not look complete: the stream ends with a failure event or, without memory for one, without its end. */
static void break_off(struct run *run)
{
    struct answer *a = &run->a;
    out_free(&a->out);
    refusal_tell_memory(&run->refusal, a->http->memory);
    reqmem_spare(a->http->memory, REQMEM_REFUSAL);
    run->say->failure(a, &run->refusal);
    reqmem_spare(a->http->memory, 0);
    if (a->out.failed)
        return;
    answer_send(run);
    http_stream_end(a->http);
}

static void end_stream(struct run *run)
{
    run->say->end(&run->a);
    answer_send(run);
    if (run->failed)
        break_off(run);
    else
        http_stream_end(run->a.http);
}

static void write_end(struct run *run)
{
    struct answer *a = &run->a;
    if (run->disconnected)
        return;
    if (run->failed) {
        request_rename(a->request, &run->refusal);
        answer_capture_free(run);
    }
    if (run->failed && !http_streaming(a->http)) {
        http_refuse(a->http, &run->refusal);
    } else if (run->failed) {
        break_off(run);
    } else if (a->request->stream) {
        end_stream(run);
    } else if (a->request->capture_to_file) {
        answer_capture_send(run);
    } else {
        run->say->whole(a);
        http_answer_json(a->http, &a->out);
    }
}

static void free_choice(struct choice *c)
{
    for (size_t i = 0; i < c->n_call; i++) {
        out_free(&c->call[i]->arguments);
        reqmem_free(c->call[i]);
    }
    for (size_t i = 0; i < c->n_token; i++)
        reqmem_free(c->token[i].top);
    reqmem_free(c->call);
    reqmem_free(c->token);
    out_free(&c->reasoning);
    out_free(&c->content);
}

static void free_run(struct run *run)
{
    for (size_t i = 0; run->task && i < run->a.n_choice; i++) {
        stoker_reply_close(run->task[i].reply);
        reqmem_free(run->task[i].end_top);
    }
    for (size_t i = 0; run->a.choice && i < run->a.n_choice; i++)
        free_choice(&run->a.choice[i]);
    for (size_t i = 0; run->a.scores && i < run->a.n_choice / (size_t)run->a.request->n; i++) {
        reqmem_free(run->a.scores[i].score);
        reqmem_free(run->a.scores[i].top);
    }
    answer_capture_free(run);
    reqmem_free(run->a.scores);
    reqmem_free(run->task);
    reqmem_free(run->a.choice);
    out_free(&run->a.out);
    reqmem_free(run->chat.token);
}

void answer_run(struct http_exchange *x, const struct dialect_events *d, const struct request *w, void *own)
{
    struct run run = {.say = d, .sampling = w->sampling, .max_tokens = w->max_tokens};
    run.a = (struct answer){.request = w, .http = x, .server = x->server, .engine = x->server->engine, .own = own};
    run.a.created = server_now();
    if (!run.sampling.has_seed)
        run.sampling.seed = stoker_seed(); /* one for all choices */
    run.sampling.has_seed = 1;
    run.submitted = run.last_write = clock_seconds();
    run.failed = answer_prepare(&run) < 0 || submit_some(&run) < 0;
    http_next(x);
    follow(&run);
    end_requests(&run);
    double first = run.first_token > 0 ? run.first_token - 1e-9 * (double)x->began_ns : -1;
    if (run.begun || run.disconnected)
        server_count(x, run.a.n_prompt, run.a.n_cached, run.a.n_generated, first, run.disconnected);
    write_end(&run);
    free_run(&run);
}
