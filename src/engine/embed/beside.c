/* Models beside another: one that makes vectors, one that judges pairs, one that drafts (drafter.c). They share its process, plan, threads
 * and pool. The last one is asked by its steps (../step/follow.h); each of the others has a session, a table of jobs and a step of its own
 * (embed.c). While requests of the main model run an encoder makes one layer, or less where that is long, and then the main model's steps
 * have at least as long. Definition: embeddings.md 4. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/admission.h"
#include "engine/constraint_cache.h"
#include "model/pooling.h"

#include <stdlib.h>

static const char *const flags[PLAN_ENCODERS] = {[STOKER_EMBED] = "--embed", [STOKER_RERANK] = "--rerank"};
static const char *const ctx_flags[PLAN_ENCODERS] = {[STOKER_EMBED] = "--embed-ctx", [STOKER_RERANK] = "--rerank-ctx"};
enum { DRAFTER = PLAN_ENCODERS, DRAFTER_ROWS = 128 }; /* of its steps: answers wait for them */

_Static_assert((int)STOKER_ROLES == (int)PLAN_ENCODERS && PLAN_EMBED + DRAFTER == PLAN_DRAFT,
               "a part of the plan a role, and one for drafts");

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

/* What holds for the main model alone is left out. */
static struct session_options options_of(const struct session_options *main, enum plan_memory how)
{
    const struct plan_request *w = &main->plan_request;
    return (struct session_options){.use = SESSION_FOR_ANY,
                                    .tier = main->tier,
                                    .header_only = main->header_only,
                                    .plan_request = {.how = how,
                                                     .n_threads = w->n_threads,
                                                     .rates = w->rates,
                                                     .n_queue = w->n_queue,
                                                     .exact = w->exact,
                                                     .lock = w->lock,
                                                     .reader = {.backend = w->reader.backend,
                                                                .depth = w->reader.depth,
                                                                .timeout_seconds = w->reader.timeout_seconds}}};
}

/* It has the context and the sequences that are asked for, where they find place: one that it cannot follow drafts by other sources. */
static struct session_options drafter_options(const struct session_options *main)
{
    struct session_options o = options_of(main, PLAN_WHOLE);
    const struct plan_request *w = &main->plan_request;
    o.use = SESSION_FOR_DRAFTS;
    o.plan_request.n_queue = 0;
    o.plan_request.kv = w->kv;
    o.plan_request.n_chunk = DRAFTER_ROWS;
    o.plan_request.defaults.n_ctx = w->n_ctx ? w->n_ctx : w->defaults.n_ctx;
    o.plan_request.defaults.n_parallel = w->n_parallel ? w->n_parallel : w->defaults.n_parallel;
    return o;
}

static int check_role(const struct session *s, int role, struct error *err)
{
    const char *path = s->file->file->path;
    enum pooling pooling = s->model->p.pooling;
    if (!pooling)
        return error_set(err, ERR_UNSUPPORTED, "%s %s generates text: its file has no pooling type", flags[role], path);
    if ((pooling == POOLING_RANK) != (role == STOKER_RERANK))
        return error_set(err, ERR_UNSUPPORTED, "%s %s gives %s (pooling %s): it is one for %s", flags[role], path,
                         pooling == POOLING_RANK ? "scores" : "vectors", pooling_name(pooling), flags[!role]);
    return 0;
}

static int check_ctx(const struct session *s, int role, int asked, struct error *err)
{
    int trained = s->model->p.n_ctx_train;
    if (asked >= 0 && asked <= trained)
        return 0;
    return error_set(err, ERR_INPUT, "%s %d: %s was trained on %d positions, so that its texts have 1 to %d tokens",
                     ctx_flags[role], asked, s->file->file->path, trained, trained);
}

/* A model that makes vectors or judges pairs. */
static int prepare_encoder(struct session **out, int role, const char *path, int ctx,
                           const struct session_options *encodes, struct error *err)
{
    if (session_prepare(out, path, encodes, 0, err) || check_role(*out, role, err) || check_ctx(*out, role, ctx, err))
        return -1;
    (*out)->request.n_ctx = ctx; /* of the plans that follow */
    return 0;
}

/* What it takes at most and at least, and the plan of the first. */
static int price(struct session *s, struct plan_further *out, int drafts, struct error *err)
{
    s->request.how = PLAN_MINIMUM;
    if (plan_make(&s->plan, s->model, &s->request, err))
        return -1;
    out->least = plan_beside(&s->plan) + (drafts ? drafter_bytes(&s->plan) : 0);
    s->request.how = PLAN_WHOLE;
    if (plan_make(&s->plan, s->model, &s->request, err))
        return -1;
    out->whole = plan_beside(&s->plan) + (drafts ? drafter_bytes(&s->plan) : 0);
    out->buffered = s->plan.buffered;
    return 0;
}

int beside_prepare(struct session **out, const struct stoker_options *o, struct session_options *to, struct error *err)
{
    const char *const path[PLAN_FURTHER] = {
        [STOKER_EMBED] = o ? o->embed : NULL, [STOKER_RERANK] = o ? o->rerank : NULL, [DRAFTER] = to->drafter};
    const int ctx[PLAN_ENCODERS] = {[STOKER_EMBED] = o ? o->embed_ctx : 0, [STOKER_RERANK] = o ? o->rerank_ctx : 0};
    const struct session_options encodes = options_of(to, PLAN_WHOLE), drafts = drafter_options(to);
    for (int i = 0; i < PLAN_FURTHER; i++) {
        if (!path[i] && i < DRAFTER && ctx[i])
            return error_set(err, ERR_INPUT, "%s is for a model beside this one: name its file by %s, or leave it out",
                             ctx_flags[i], flags[i]);
        if (!path[i])
            continue;
        to->plan_request.further[i].path = path[i];
        if ((i == DRAFTER ? session_prepare(&out[i], path[i], &drafts, 0, err)
                          : prepare_encoder(&out[i], i, path[i], ctx[i], &encodes, err)) ||
            price(out[i], &to->plan_request.further[i], i == DRAFTER, err))
            return -1;
    }
    return 0;
}

/* An engine that shares thread and wake-up of main. The session is its own from now on. */
static int open_one(struct stoker *main, struct stoker **out, struct session *session, const struct session_options *o,
                    struct error *err)
{
    struct stoker *s = calloc(1, sizeof *s);
    if (!s) {
        session_close(session);
        return error_set(err, ERR_MEMORY, "no memory for an engine");
    }
    *out = s;
    s->session = session;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->steer.reading, NULL);
    s->submit_wakeup = main->submit_wakeup;
    s->n_queue = main->n_queue;
    s->n_job = s->n_queue + 2 * session->plan.n_parallel;
    s->job = calloc((size_t)s->n_job, sizeof *s->job);
    s->constraints = constraint_cache_create(
        &(struct constraint_cache_options){.budget = &session->constraint_budget, .most_waiting = s->n_queue});
    if (!s->job || !s->constraints)
        return error_set(err, ERR_MEMORY, "no memory for the queue of an encoder");
    engine_name_templates(s);
    return session_load(session, o, err) || encoding_open(s, main, err) ? -1 : 0;
}

/* Nothing else tells that it drafts for fewer of the sequences, and ends before they do. */
static void warn_of_less(const struct session *of, const struct session *drafter)
{
    int own = drafter->plan.n_ctx, asked = of->plan.n_ctx;
    int follows = drafter->plan.n_parallel, sequences = of->plan.n_parallel;
    if (follows < sequences)
        log_line(LOG_WARN,
                 "--draft %.120s drafts for %d of %d sequences: for the others what texts repeat and constraints force "
                 "is drafted alone; more --memory makes it all of them",
                 drafter->file->file->path, follows, sequences);
    if (own < asked)
        log_line(
            LOG_WARN,
            "--draft %.120s has a context of %d, %.120s one of %d: behind %d tokens what texts repeat and constraints "
            "force is drafted alone; %s",
            drafter->file->file->path, own, of->file->file->path, asked, own,
            own < drafter->model->p.n_ctx_train ? "more --memory makes it longer"
                                                : "take a model that was trained on a longer one");
}

static int open_drafter(struct stoker *s, struct session *session, const struct session_options *o, struct error *err)
{
    warn_of_less(s->session, session);
    if (session_load(session, o, err)) {
        session_close(session);
        return -1;
    }
    return drafter_open(&s->drafter, session, err);
}

int beside_open(struct stoker *s, struct session **prepared, const struct session_options *of_main, struct error *err)
{
    for (int i = 0; i < PLAN_FURTHER; i++) {
        struct session *session = prepared[i];
        struct session_options o = options_of(of_main, s->session->plan.least_further ? PLAN_MINIMUM : PLAN_WHOLE);
        if (!session)
            continue;
        session->request.how = o.plan_request.how;
        if (plan_make(&session->plan, session->model, &session->request, err))
            return -1;
        prepared[i] = NULL;
        o.plan_request = session->request;
        o.pool = s->session->pool;
        if (i == DRAFTER ? open_drafter(s, session, &o, err) : open_one(s, &s->encoder[i], session, &o, err))
            return -1;
    }
    return 0;
}

struct stoker *stoker_encoder(struct stoker *s, enum stoker_role role)
{
    enum pooling own = s->session->model->p.pooling;
    return own && (own == POOLING_RANK) == (role == STOKER_RERANK) ? s : s->encoder[role];
}

/* ---- in the engine's thread ------------------------------------------------------------------------------------------------- */

int beside_has_work(struct stoker *s)
{
    for (int i = 0; i < PLAN_ENCODERS; i++)
        if (s->encoder[i] && encoding_has_work(s->encoder[i]))
            return 1;
    return 0;
}

int beside_read_idle(struct stoker *s)
{
    int more = s->drafter && session_read_idle(s->drafter->session);
    for (int i = 0; i < PLAN_ENCODERS; i++)
        more |= s->encoder[i] && session_read_idle(s->encoder[i]->session);
    return more;
}

void beside_turn(struct stoker *s, double seconds)
{
    double piece = 0;
    int ring;
    s->encoders_wait -= seconds;
    if (!beside_has_work(s) || (s->encoders_wait > 0 && engine_has_work(s)))
        return;
    for (int i = 0; i < PLAN_ENCODERS && piece <= 0; i++) {
        struct stoker *e = s->encoder[s->next_encoder];
        s->next_encoder = (s->next_encoder + 1) % PLAN_ENCODERS;
        piece = e && encoding_has_work(e) ? encoding_turn(e) : 0;
    }
    s->encoders_wait = piece;
    if (piece <= 0 && !engine_has_work(s)) /* callers read no events */
        queue_pop(s->submit_wakeup, &ring, 1);
}

void beside_end(struct stoker *s, const struct error *why)
{
    for (int i = 0; i < PLAN_ENCODERS; i++) {
        struct stoker *e = s->encoder[i];
        if (!e)
            continue;
        encoding_end(e);
        fail_all(e, why);
        session_end_reading(e->session);
    }
    if (s->drafter)
        session_end_reading(s->drafter->session);
}

/* ---- the end ---------------------------------------------------------------------------------------------------------------- */

void beside_close(struct stoker *s)
{
    for (int i = 0; i < PLAN_ENCODERS; i++) {
        struct stoker *e = s->encoder[i];
        if (!e)
            continue;
        for (int k = 0; e->job && k < e->n_job; k++)
            engine_free_job(&e->job[k]);
        free(e->job);
        encoding_close(e->encoding);
        constraint_cache_destroy(e->constraints);
        session_close(e->session);
        pthread_mutex_destroy(&e->lock);
        pthread_mutex_destroy(&e->steer.reading);
        free(e);
        s->encoder[i] = NULL;
    }
    drafter_close(s->drafter);
    s->drafter = NULL;
}
