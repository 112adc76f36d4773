/* See chunks.h. */
#include "eval/chunks.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 100 };

/* A chunk on its way. */
struct flight {
    size_t chunk;
    stoker_id id;               /* 0: none */
    stoker_token *token;        /* [n_ctx] */
    struct stoker_score *score; /* [n_ctx] */
};

struct run {
    struct stoker *engine;
    const struct eval_chunks *c;
    struct flight flight[EVAL_IN_FLIGHT]; /* [n], that of chunk i at i % n */
    size_t n, begun, done;
};

static int error_of(struct error *err, size_t chunk, const struct stoker_error *why)
{
    return error_set(err, why->code == STOKER_ERR_MEMORY ? ERR_MEMORY : ERR_IO, "chunk %zu: %s", chunk, why->text);
}

/* How many chunks fit whole into a step, and into sequences. */
static size_t at_a_time(const struct stoker *s, const struct eval_chunks *c)
{
    struct stoker_plan p;
    stoker_plan_of(s, &p);
    int n = p.n_chunk / c->n_ctx;
    n = n < p.n_parallel ? n : p.n_parallel;
    return n < 1 ? 1 : n < EVAL_IN_FLIGHT ? (size_t)n : EVAL_IN_FLIGHT;
}

static int begin_flight(struct run *r, struct error *err)
{
    const struct eval_chunks *c = r->c;
    struct flight *f = &r->flight[r->begun % r->n];
    struct stoker_error why;
    f->chunk = r->begun++;
    memcpy(f->token, c->token + f->chunk * (size_t)c->n_ctx, (size_t)c->n_ctx * sizeof *f->token);
    if (c->bos >= 0)
        f->token[0] = c->bos;
    const struct stoker_request q = {.prompt = f->token,
                                     .n_prompt = (size_t)c->n_ctx,
                                     .score_from = (size_t)c->score_from,
                                     .score = f->score,
                                     .only_score = 1,
                                     .no_cache = 1};
    return stoker_submit(r->engine, &q, &f->id, &why) ? error_of(err, f->chunk, &why) : 0;
}

/* The oldest chunk to its end. 1: stopped before that. */
static int finish_flight(struct run *r, struct error *err)
{
    const struct eval_chunks *c = r->c;
    struct flight *f = &r->flight[r->done % r->n];
    struct stoker_event e;
    for (;;) {
        if (c->stopped(c->arg))
            return 1;
        if (stoker_next_event(r->engine, f->id, WAIT_MS, &e) != 1)
            continue;
        if (e.kind == STOKER_SCORES)
            c->on_progress(c->arg, e.u.scores.n);
        if (e.kind == STOKER_END || e.kind == STOKER_FAILED)
            break;
    }
    f->id = 0;
    r->done++;
    return e.kind == STOKER_FAILED ? error_of(err, f->chunk, &e.error) : c->on_chunk(c->arg, f->chunk, f->score, err);
}

static void end_flight(struct run *r, struct flight *f)
{
    struct stoker_event e = {.kind = STOKER_SCORES};
    if (f->id)
        stoker_cancel(r->engine, f->id);
    while (f->id && e.kind != STOKER_END && e.kind != STOKER_FAILED && stoker_next_event(r->engine, f->id, -1, &e) == 1)
        ;
    free(f->token);
    free(f->score);
}

int eval_chunks_run(struct stoker *s, const struct eval_chunks *c, struct error *err)
{
    struct run r = {.engine = s, .c = c, .n = at_a_time(s, c), .begun = c->first, .done = c->first};
    int status = 0;
    for (size_t i = 0; i < r.n; i++) {
        r.flight[i].token = malloc((size_t)c->n_ctx * sizeof *r.flight[i].token);
        r.flight[i].score = malloc((size_t)c->n_ctx * sizeof *r.flight[i].score);
        if (!r.flight[i].token || !r.flight[i].score)
            status = error_set(err, ERR_MEMORY, "no memory for the scores of a chunk");
    }
    while (status == 0 && r.done < c->n_chunk) {
        while (status == 0 && r.begun < c->n_chunk && r.begun < r.done + r.n)
            status = begin_flight(&r, err);
        if (status == 0)
            status = finish_flight(&r, err);
    }
    for (size_t i = 0; i < r.n; i++)
        end_flight(&r, &r.flight[i]);
    return status;
}
