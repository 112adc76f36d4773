/* See asks.h. */
#include "eval/asks.h"

#include "base/error.h"
#include "eval/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WAIT_MS = 100 };

/* A request on its way. */
struct flight {
    size_t i;
    stoker_id id;       /* 0: none */
    int over;           /* its last event was taken */
    int cancelled;      /* its answer is whole */
    size_t n_generated; /* tokens of it: of those behind its end the engine may have made some */
    struct eval_ask ask;
    struct stoker_score *score; /* [n_token], or NULL */
    struct stoker_reply *reply; /* of answers */
    char *text;                 /* of the answer: behind `out`, once that is closed */
    size_t n_text;
    FILE *out;
    struct stoker_event end;
};

struct run {
    struct stoker *engine;
    const struct eval_asks *a;
    struct flight flight[EVAL_ASKS_MOST]; /* [n], that of request i at i % n */
    size_t n, begun, done;
};

size_t eval_asks_bytes(size_t n_token)
{
    enum { TOKENIZED_TWICE = 2 }; /* once more while a prompt is made */
    return EVAL_ASKS_MOST * n_token * (sizeof(struct stoker_score) + TOKENIZED_TWICE * sizeof(stoker_token));
}

static size_t at_a_time(const struct stoker *s)
{
    struct stoker_plan p;
    stoker_plan_of(s, &p);
    return p.n_parallel < EVAL_ASKS_MOST ? (size_t)p.n_parallel : EVAL_ASKS_MOST;
}

/* ---- the beginning -------------------------------------------------------------------------------------------------------- */

/* Content, and the texts of what began like a call and is none, as they come. */
static void on_piece(void *arg, const struct stoker_piece *p)
{
    struct flight *f = arg;
    if (p->kind == STOKER_PIECE_CONTENT || p->kind == STOKER_PIECE_CUT_CALL)
        fwrite(p->text, 1, p->n, f->out);
}

static int open_reply(struct run *r, struct flight *f, struct error *err)
{
    struct stoker_error why;
    f->out = open_memstream(&f->text, &f->n_text);
    if (!f->out)
        return error_set(err, ERR_MEMORY, "no memory for an answer");
    f->ask.reply.prompt = f->ask.token;
    f->ask.reply.n_prompt = f->ask.n_token;
    return stoker_reply_open(&f->reply, r->engine, &f->ask.reply, on_piece, f, &why)
               ? eval_error(err, f->ask.item, &why)
               : 0;
}

static int submit(struct run *r, struct flight *f, struct error *err)
{
    const struct eval_ask *a = &f->ask;
    struct stoker_error why;
    size_t before = a->score_from - 1; /* where those that begin alike resume */
    struct stoker_request q = {.prompt = a->token,
                               .n_prompt = a->n_token,
                               .max_tokens = a->max_tokens,
                               .may_be_cut = 1, /* an answer that is too long is a result */
                               .sampling = a->sampling,
                               .score_from = a->score_from,
                               .score = f->score,
                               .only_score = a->score_from > 0,
                               .constraint = f->reply ? stoker_reply_constraint(f->reply) : NULL,
                               .snapshot_at = &before,
                               .n_snapshot_at = a->score_from > 1};
    return stoker_submit(r->engine, &q, &f->id, &why) ? eval_error(err, a->item, &why) : 0;
}

static int begin_flight(struct run *r, struct error *err)
{
    struct flight *f = &r->flight[r->begun % r->n];
    *f = (struct flight){.i = r->begun++};
    if (r->a->begin(r->a->arg, f->i, &f->ask, err))
        return -1;
    if (f->ask.score_from && !(f->score = calloc(f->ask.n_token, sizeof *f->score)))
        return error_set(err, ERR_MEMORY, "no memory for %zu scores", f->ask.n_token);
    if (!f->ask.score_from && open_reply(r, f, err))
        return -1;
    return submit(r, f, err);
}

/* ---- the end -------------------------------------------------------------------------------------------------------------- */

/* Takes an event if one comes in time; 1: one came. -1: *err. */
static int take_event(struct run *r, struct flight *f, int timeout_ms, struct error *err)
{
    struct stoker_event e;
    struct stoker_error why;
    int got = f->over ? 0 : stoker_next_event(r->engine, f->id, timeout_ms, &e);
    if (got < 0)
        return error_set(err, ERR_IO, "%s: the engine knows nothing of its request", f->ask.item);
    if (got == 0)
        return 0;
    if (e.kind == STOKER_TOKEN && !f->cancelled) {
        f->n_generated++;
        int over = stoker_reply_token(f->reply, e.u.token.id, &why);
        if (over < 0)
            return eval_error(err, f->ask.item, &why);
        if (over)
            stoker_cancel(r->engine, f->id);
        f->cancelled = over;
    }
    if (e.kind != STOKER_END && e.kind != STOKER_FAILED)
        return 1;
    f->over = 1;
    f->id = 0;
    f->end = e;
    return e.kind == STOKER_FAILED ? eval_error(err, f->ask.item, &e.error) : 1;
}

/* Everything that has come: a request whose events are not taken pauses. -1: *err. */
static int drain(struct run *r, struct error *err)
{
    for (size_t i = r->done; i < r->begun; i++) {
        int status = 1;
        while (status == 1)
            status = take_event(r, &r->flight[i % r->n], 0, err);
        if (status < 0)
            return -1;
    }
    return 0;
}

static int are_finite(const struct flight *f, struct error *err)
{
    for (size_t i = f->ask.score_from; f->score && i < f->ask.n_token; i++)
        if (!isfinite(f->score[i].logprob))
            return error_set(err, ERR_FORMAT, "%s: the token at position %zu has no probability", f->ask.item, i);
    return 0;
}

static int tell(struct run *r, struct flight *f, struct error *err)
{
    struct stoker_error why;
    if (f->reply && stoker_reply_end(f->reply, &why))
        return eval_error(err, f->ask.item, &why);
    if (f->out) {
        int failed = fclose(f->out);
        f->out = NULL;
        if (failed)
            return error_set(err, ERR_MEMORY, "%s: no memory for its answer", f->ask.item);
    }
    const struct eval_answer answer = {.score = f->score,
                                       .text = f->text,
                                       .n_text = f->n_text,
                                       .reply = f->reply,
                                       .n_cached = f->end.u.end.n_cached,
                                       .n_generated = f->n_generated,
                                       .cut = f->end.u.end.reason == STOKER_END_LENGTH};
    return are_finite(f, err) || r->a->end(r->a->arg, f->i, &f->ask, &answer, err) ? -1 : 0;
}

static void free_flight(struct run *r, struct flight *f)
{
    struct stoker_event e = {.kind = STOKER_SCORES};
    if (f->id)
        stoker_cancel(r->engine, f->id);
    while (f->id && e.kind != STOKER_END && e.kind != STOKER_FAILED && stoker_next_event(r->engine, f->id, -1, &e) == 1)
        ;
    stoker_reply_close(f->reply);
    if (f->out)
        fclose(f->out);
    free(f->text);
    free(f->score);
    free(f->ask.token);
    *f = (struct flight){0};
}

/* The oldest request to its end. 1: stopped before that. */
static int finish_flight(struct run *r, struct error *err)
{
    struct flight *f = &r->flight[r->done % r->n];
    while (!f->over) {
        if (r->a->stopped(r->a->arg))
            return 1;
        if (take_event(r, f, WAIT_MS, err) < 0 || drain(r, err))
            return -1;
    }
    int status = tell(r, f, err);
    free_flight(r, f);
    r->done++;
    return status;
}

static int may_begin(const struct run *r)
{
    const struct eval_asks *a = r->a;
    return r->begun < a->n && r->begun < r->done + r->n && (!a->after || r->done >= a->after(a->arg, r->begun));
}

int eval_asks_run(struct stoker *s, const struct eval_asks *a, struct error *err)
{
    struct run r = {.engine = s, .a = a, .n = at_a_time(s), .begun = a->first, .done = a->first};
    int status = 0;
    while (status == 0 && r.done < a->n) {
        while (status == 0 && may_begin(&r))
            status = begin_flight(&r, err);
        if (status == 0)
            status = finish_flight(&r, err);
    }
    for (size_t i = 0; i < r.n; i++)
        free_flight(&r, &r.flight[i]);
    return status;
}
