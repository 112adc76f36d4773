/* Events of the engine for a choice: its tokens go through the reply, whose pieces are added to struct choice and handed to the
 * dialect.
 *
 *     answer_event    token -> reply -> answer_piece -> struct choice and the dialect;  the end, a failure, progress */
#include "server/answer/inside.h"
#include "server/http/new_id.h"
#include "server/request/own_tools.h"
#include "server/request/service.h"

#include "base/clock.h"
#include "base/reqmem.h"

#include <string.h>

int answer_no_memory(struct run *run)
{
    run->failed = 1;
    return refuse_memory(&run->refusal);
}

/* ---- pieces ---------------------------------------------------------------------------------------------------------------- */

static struct call *add_call(struct task *t, const struct stoker_piece *p)
{
    struct choice *c = t->choice;
    struct call **grown = reqmem_realloc(c->call, (c->n_call + 1) * sizeof *grown);
    struct call *call = grown ? reqmem_calloc(1, sizeof *call + strlen(p->name) + 1) : NULL;
    if (grown)
        c->call = grown;
    if (!call)
        return NULL;
    call->name = memcpy(call + 1, p->name, strlen(p->name) + 1);
    server_new_id(call->id, "call_", 24);
    c->call[c->n_call++] = call;
    return call;
}

static void take_call(struct task *t, const struct stoker_piece *p, int to_dialect)
{
    struct answer *a = &t->run->a;
    const struct dialect_events *say = t->run->say;
    struct choice *c = t->choice;
    struct call *call = p->kind == STOKER_PIECE_CALL ? add_call(t, p) : c->n_call ? c->call[c->n_call - 1] : NULL;
    if (!call) {
        answer_no_memory(t->run);
        return;
    }
    if (p->kind == STOKER_PIECE_ARGUMENTS)
        out_bytes(&call->arguments, p->text, p->n);
    call->ended |= p->kind == STOKER_PIECE_CALL_END;
    if (call->arguments.failed)
        answer_no_memory(t->run);
    else if (to_dialect && p->kind == STOKER_PIECE_CALL)
        say->call(a, c, call);
    else if (to_dialect && p->kind == STOKER_PIECE_ARGUMENTS)
        say->arguments(a, c, call, p->text, p->n);
    else if (to_dialect && say->call_end)
        say->call_end(a, c, call);
}

static void take_text(struct task *t, const struct stoker_piece *p, int to_dialect)
{
    struct answer *a = &t->run->a;
    struct choice *c = t->choice;
    int thought = p->kind == STOKER_PIECE_REASONING;
    struct out *text = thought ? &c->reasoning : &c->content;
    out_bytes(text, p->text, p->n);
    if (text->failed)
        answer_no_memory(t->run);
    else if (to_dialect)
        (thought ? t->run->say->reasoning : t->run->say->content)(a, c, p->text, p->n);
}

static int is_own_call(struct task *t, const struct stoker_piece *p)
{
    const struct own_tools *own = t->run->a.request->own;
    if (p->kind == STOKER_PIECE_CALL)
        t->is_own_call = own && toolbox_is_free(&own->box, p->name);
    return t->is_own_call;
}

void answer_piece(void *arg, const struct stoker_piece *p)
{
    struct task *t = arg;
    struct choice *c = t->choice;
    int to_dialect = (t->run->a.request->stream || t->run->say->whole_in_pieces) && !t->run->failed;
    if (p->kind == STOKER_PIECE_REASONING) {
        c->n_reasoning += c->n_generated - t->mark;
        t->run->a.n_reasoning += c->n_generated - t->mark;
    }
    t->mark = c->n_generated;
    if (p->kind == STOKER_PIECE_REASONING || p->kind == STOKER_PIECE_CONTENT) {
        if (p->n)
            take_text(t, p, to_dialect);
    } else if (p->kind == STOKER_PIECE_BAD_CALL) {
        c->parse_error = 1;
    } else if (is_own_call(t, p)) {
        return;                                    /* it runs when the answer has ended: rounds.c */
    } else if (p->kind != STOKER_PIECE_CUT_CALL) { /* what a cut call had is with it already */
        take_call(t, p, to_dialect);
    }
}

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

/* The status line of a stream is sent with its first event. */
void answer_open_stream(struct run *run)
{
    if (run->a.request->stream && !http_streaming(run->a.http))
        http_stream_begin(run->a.http, run->say->stream_type);
}

static void begin(struct run *run)
{
    if (run->begun)
        return;
    run->begun = 1;
    if (run->a.request->stream) {
        answer_open_stream(run);
        run->say->begin(&run->a);
    }
}

static int keep_logprobs(struct choice *c, struct stoker_logprob likely, const struct stoker_logprob *top, size_t n_top)
{
    n_top = n_top < STOKER_TOP ? n_top : STOKER_TOP;
    if ((c->n_token & (c->n_token - 1)) == 0) { /* grows to the next power of two */
        struct answer_token *grown = reqmem_realloc(c->token, (c->n_token ? 2 * c->n_token : 1) * sizeof *grown);
        if (!grown)
            return -1;
        c->token = grown;
    }
    struct answer_token *t = &c->token[c->n_token];
    *t = (struct answer_token){.likely = likely, .n_top = n_top};
    if (n_top && !(t->top = reqmem_malloc(n_top * sizeof *t->top)))
        return -1;
    if (n_top)
        memcpy(t->top, top, n_top * sizeof *t->top);
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
    t->n_accepted += (size_t)e->u.token.drafted;
    t->n_predicted_accepted += (size_t)e->u.token.predicted;
    const struct stoker_logprob likely = {e->u.token.id, e->u.token.logprob};
    if (run->a.request->logprobs && keep_logprobs(t->choice, likely, e->u.token.top, e->u.token.n_top))
        answer_no_memory(run);
    t->over = stoker_reply_token(t->reply, e->u.token.id, &err);
    if (t->over < 0) {
        refuse_error(&run->refusal, NULL, &err);
        run->failed = 1;
    }
    if (t->over)
        stoker_cancel(run->a.engine, t->id);
}

/* What held behind a stop string is not in the answer, and is not told as accepted. */
static void count_drafts(struct task *t, const struct stoker_event *e)
{
    struct answer *a = &t->run->a;
    a->n_drafted += e->u.end.n_drafted;
    a->n_accepted += t->n_accepted;
    a->n_predicted += e->u.end.n_predicted;
    a->n_predicted_accepted += t->n_predicted_accepted;
    t->n_accepted = t->n_predicted_accepted = 0;
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
        if (a->request->lists_end && keep_logprobs(c, e->u.end.end_token, t->end_top, e->u.end.n_end_top))
            answer_no_memory(run);
    }
    count_drafts(t, e);
    if (stoker_reply_end(t->reply, &err) != 0) {
        refuse_error(&run->refusal, NULL, &err);
        run->failed = 1;
        return;
    }
    if (a->capture)
        answer_capture_ended(t, e->u.end.n_captured);
    int stop = stoker_reply_stop(t->reply), is_cut = e->u.end.reason == STOKER_END_LENGTH && !t->over;
    if (c->index == 0) {
        a->seed = e->u.end.seed;
        a->prompt_seconds += e->u.end.prompt_seconds;
        a->generate_seconds += e->u.end.generate_seconds;
    }
    if (a->request->own && !is_cut && stop < 0 && c->n_call == 0 && stoker_reply_n_call(t->reply) > 0) {
        run->wants_round = 1;
        return;
    }
    if (stop >= 0)
        c->stop = &a->request->stop[stop];
    c->ended = 1;
    c->finish = is_cut ? FINISH_LENGTH : c->n_call ? FINISH_CALLS : FINISH_STOP;
    if (a->request->stream && !run->failed)
        run->say->choice_end(a, c);
}

/* What a prompt's first choice found of it; siblings find more, for they come later. */
static void note_cached(struct task *t, size_t n_cached)
{
    if (t->choice->index % (size_t)t->run->a.request->n == 0 && t->n_cached == 0)
        t->run->a.n_cached += t->n_cached = n_cached;
}

static void take_progress(struct task *t, const struct stoker_event *e)
{
    struct run *run = t->run;
    struct answer *a = &run->a;
    note_cached(t, e->u.progress.cached);
    begin(run);
    a->progress_done = run->n_prompt_before + e->u.progress.done;
    a->progress_seconds = clock_seconds() - run->submitted;
    if (t->choice->index == 0 && a->request->stream && a->request->wants_progress && run->say->progress)
        run->say->progress(a);
}

static void take_scores(struct task *t, const struct stoker_event *e)
{
    struct run *run = t->run;
    size_t prompt = t->choice->index / (size_t)run->a.request->n;
    if (e->u.scores.first + e->u.scores.n < t->prompt->n)
        return;
    run->a.scores[prompt].whole = 1;
    if (run->begun && run->a.request->stream && run->say->scored)
        run->say->scored(&run->a, prompt);
}

static void take_failure(struct task *t, const struct stoker_event *e)
{
    const char *field = request_constraint_field(t->run->a.request);
    refuse_error(&t->run->refusal, e->error.code == STOKER_ERR_INPUT ? field ? field : "max_tokens" : NULL, &e->error);
    t->run->failed = 1;
}

void answer_event(struct task *t, const struct stoker_event *e)
{
    if (e->kind == STOKER_END)
        note_cached(t, e->u.end.n_cached);
    if (e->kind == STOKER_TOKEN || e->kind == STOKER_END)
        begin(t->run);
    if (e->kind == STOKER_PROGRESS)
        take_progress(t, e);
    else if (e->kind == STOKER_SCORES)
        take_scores(t, e);
    else if (e->kind == STOKER_TOKEN)
        take_token(t, e);
    else if (e->kind == STOKER_END)
        take_end(t, e);
    else
        take_failure(t, e);
    t->live = e->kind != STOKER_END && e->kind != STOKER_FAILED;
    if (!t->live && !t->run->wants_round) {
        stoker_reply_close(t->reply);
        t->reply = NULL;
    }
}
