/* See chunks.h. */
#include "eval/chunks.h"

#include "base/error.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 100, GROUPS = 2, MOST_ROWS = 1 << 16 }; /* MOST_ROWS: of a step */

/* A chunk on its way. */
struct flight {
    const struct eval_chunks *c;
    size_t chunk;
    stoker_id id;               /* 0: none, or its last event was taken */
    stoker_token *token;        /* [n_ctx] */
    struct stoker_score *score; /* [n_ctx] */
    struct stoker_error why;    /* of a chunk that failed */
    atomic_int row_failed;      /* 1: a row has, and that thread alone sets row_error */
    struct error row_error;
};

/* Chunks that were submitted at once, so that the step that they fill holds all of them. */
struct group {
    struct flight flight[EVAL_IN_FLIGHT]; /* [n] */
    size_t n;
};

struct run {
    struct stoker *engine;
    const struct eval_chunks *c;
    struct group group[GROUPS];
    size_t most, begun; /* chunks of a group; chunks that were submitted */
};

/* How many chunks fit whole into a step, and into sequences. */
static size_t at_a_time(const struct stoker *s, int n_ctx)
{
    struct stoker_plan p;
    stoker_plan_of(s, &p);
    int n = p.n_chunk / n_ctx;
    n = n < p.n_parallel ? n : p.n_parallel;
    return n < 1 ? 1 : n < EVAL_IN_FLIGHT ? (size_t)n : EVAL_IN_FLIGHT;
}

size_t eval_chunks_window(const struct stoker *s, int n_ctx) { return GROUPS * at_a_time(s, n_ctx); }

size_t eval_chunks_bytes(int n_ctx, size_t of_token)
{
    size_t rows = EVAL_IN_FLIGHT * (size_t)n_ctx, most = (size_t)n_ctx > MOST_ROWS ? (size_t)n_ctx : MOST_ROWS;
    return GROUPS * (rows < most ? rows : most) * (sizeof(stoker_token) + sizeof(struct stoker_score) + of_token);
}

/* ---- a group ------------------------------------------------------------------------------------------------------------------ */

static int error_of(struct error *err, size_t chunk, const struct stoker_error *why)
{
    return error_set(err, why->code == STOKER_ERR_MEMORY ? ERR_MEMORY : ERR_IO, "chunk %zu: %s", chunk, why->text);
}

static void on_score(void *arg, size_t pos, const float *logits)
{
    struct flight *f = arg;
    struct error err = {0};
    double logprob = f->score[pos].logprob;
    if (isfinite(logprob) &&
        f->c->on_row(f->c->arg, f->chunk, (int)pos, logits, logits[f->token[pos]] - logprob, &err) &&
        !atomic_exchange(&f->row_failed, 1))
        f->row_error = err;
}

static struct stoker_request request_of(struct run *r, struct flight *f)
{
    const struct eval_chunks *c = r->c;
    f->c = c;
    f->chunk = r->begun++;
    memcpy(f->token, c->token + f->chunk * (size_t)c->n_ctx, (size_t)c->n_ctx * sizeof *f->token);
    if (c->bos >= 0)
        f->token[0] = c->bos;
    return (struct stoker_request){.prompt = f->token,
                                   .n_prompt = (size_t)c->n_ctx,
                                   .score_from = (size_t)c->score_from,
                                   .score = f->score,
                                   .on_score = c->on_row ? on_score : NULL,
                                   .on_score_arg = f,
                                   .only_score = 1,
                                   .no_cache = 1};
}

/* 1: a chunk is left, and is the next one. */
static int find_next(struct run *r)
{
    const struct eval_chunks *c = r->c;
    while (r->begun < c->n_chunk && c->wanted && !c->wanted(c->arg, r->begun))
        r->begun++;
    return r->begun < c->n_chunk;
}

/* An empty one where no chunk is left. */
static int begin_group(struct run *r, struct group *g, struct error *err)
{
    struct stoker_request q[EVAL_IN_FLIGHT];
    stoker_id id[EVAL_IN_FLIGHT];
    struct stoker_error why;
    for (g->n = 0; g->n < r->most && find_next(r); g->n++)
        q[g->n] = request_of(r, &g->flight[g->n]);
    if (g->n && stoker_submit_all(r->engine, q, g->n, id, &why))
        return error_of(err, g->flight[0].chunk, &why);
    for (size_t i = 0; i < g->n; i++)
        g->flight[i].id = id[i];
    return 0;
}

/* To its last event. 1: stopped before that. */
static int finish_flight(const struct run *r, struct flight *f)
{
    struct stoker_event e = {.kind = STOKER_PROGRESS};
    while (f->id) {
        if (r->c->stopped(r->c->arg))
            return 1;
        if (stoker_next_event(r->engine, f->id, WAIT_MS, &e) != 1)
            continue;
        if (e.kind == STOKER_SCORES)
            r->c->on_progress(r->c->arg, e.u.scores.n);
        if (e.kind == STOKER_FAILED)
            f->why = e.error;
        if (e.kind == STOKER_END || e.kind == STOKER_FAILED)
            f->id = 0;
    }
    return 0;
}

/* All of it. 0; 1: stopped before that; 2: a chunk has failed. */
static int finish_group(const struct run *r, struct group *g)
{
    int failed = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (finish_flight(r, &g->flight[i]))
            return 1;
        failed |= g->flight[i].why.code || atomic_load(&g->flight[i].row_failed);
    }
    return failed ? 2 : 0;
}

static int deliver_flight(const struct run *r, const struct flight *f, struct error *err)
{
    if (f->why.code)
        return error_of(err, f->chunk, &f->why);
    if (atomic_load(&f->row_failed))
        return error_set(err, f->row_error.code, "%s", f->row_error.text);
    return r->c->on_chunk(r->c->arg, f->chunk, f->score, err);
}

static int deliver(const struct run *r, const struct group *g, struct error *err)
{
    for (size_t i = 0; i < g->n; i++)
        if (deliver_flight(r, &g->flight[i], err))
            return -1;
    return 0;
}

/* What has ended of a group that was stopped: nobody computes it again. */
static int deliver_ended(const struct run *r, const struct group *g, struct error *err)
{
    for (size_t i = 0; i < g->n && !g->flight[i].id; i++)
        if (deliver_flight(r, &g->flight[i], err))
            return -1;
    return 0;
}

/* ---- a run -------------------------------------------------------------------------------------------------------------------- */

static void end_flight(const struct run *r, struct flight *f)
{
    struct stoker_event e = {.kind = STOKER_SCORES};
    if (f->id)
        stoker_cancel(r->engine, f->id);
    while (f->id && e.kind != STOKER_END && e.kind != STOKER_FAILED && stoker_next_event(r->engine, f->id, -1, &e) == 1)
        ;
    free(f->token);
    free(f->score);
}

static int alloc_flights(struct run *r, struct error *err)
{
    size_t n = (size_t)r->c->n_ctx;
    for (size_t i = 0; i < GROUPS * r->most; i++) {
        struct flight *f = &r->group[i % GROUPS].flight[i / GROUPS];
        f->token = malloc(n * sizeof *f->token);
        f->score = malloc(n * sizeof *f->score);
        if (!f->token || !f->score)
            return error_set(err, ERR_MEMORY, "no memory for the scores of a chunk");
    }
    return 0;
}

static int run_groups(struct run *r, struct error *err)
{
    struct group *now = &r->group[0], *next = &r->group[1];
    if (begin_group(r, now, err))
        return -1;
    while (now->n) {
        int how = finish_group(r, now);
        if (how == 1)
            return deliver_ended(r, now, err) ? -1 : 1;
        next->n = 0;
        int begun = how == 0 ? begin_group(r, next, err) : 0;
        if (deliver(r, now, err) || begun)
            return -1;
        struct group *done = now;
        now = next;
        next = done;
    }
    return 0;
}

int eval_chunks_run(struct stoker *s, const struct eval_chunks *c, struct error *err)
{
    struct run r = {.engine = s, .c = c, .most = at_a_time(s, c->n_ctx), .begun = c->first};
    int status = alloc_flights(&r, err);
    if (status == 0)
        status = run_groups(&r, err);
    for (size_t i = 0; i < GROUPS * EVAL_IN_FLIGHT; i++)
        end_flight(&r, &r.group[i % GROUPS].flight[i / GROUPS]);
    return status;
}
