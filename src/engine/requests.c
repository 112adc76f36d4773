/* Requests of text: checked, made jobs of the engine's table, and their events taken; the caller's half of a job. The other half is the
 * engine's thread's (admission.c). Texts that become vectors have requests of their own: embed/submit.c. */
#include "engine/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/public_error.h"

#include <stdlib.h>
#include <string.h>

/* ---- checking --------------------------------------------------------------------------------------------------------------- */

/* A larger context helps up to what the model was trained on: with one of that size an answer has a position at least. */
static int refuse_long_prompt(size_t n_prompt, int n_ctx, int n_trained, struct error *err)
{
    size_t trained = (size_t)n_trained, enough = n_prompt + 512 < trained ? n_prompt + 512 : trained;
    if (n_prompt < enough && enough > (size_t)n_ctx)
        return error_set(err, ERR_INPUT, "the prompt has %zu tokens, the context %d; try --ctx %zu", n_prompt, n_ctx,
                         enough);
    return error_set(err, ERR_INPUT,
                     "the prompt has %zu tokens, the context %d, and the model was trained on %d; shorten the prompt",
                     n_prompt, n_ctx, n_trained);
}

static int check_request(const struct stoker *s, const struct stoker_request *r, struct error *err)
{
    int n_ctx = s->session->plan.n_ctx, n_vocab = s->session->model->p.n_vocab;
    size_t most = (size_t)n_ctx - !r->only_score; /* an answer needs a position */
    if (s->session->model->p.pooling) {
        *err = s->session->no_text;
        return -1;
    }
    if (r->n_prompt == 0)
        return error_set(err, ERR_INPUT, "the prompt is empty: nothing to answer");
    if (r->n_prompt > most)
        return refuse_long_prompt(r->n_prompt, n_ctx, s->session->model->p.n_ctx_train, err);
    for (size_t i = 0; i < r->n_snapshot_at; i++)
        if (r->snapshot_at[i] > r->n_prompt || r->snapshot_at[i] <= (i ? r->snapshot_at[i - 1] : 0))
            return error_set(err, ERR_INPUT,
                             "snapshot_at[%zu] is %zu; positions ascend from 1 to the %zu tokens of the prompt", i,
                             r->snapshot_at[i], r->n_prompt);
    for (size_t i = 0; i < r->n_prompt; i++)
        if (r->prompt[i] < 0 || r->prompt[i] >= n_vocab)
            return error_set(err, ERR_INPUT, "token %zu of the prompt is %d; the vocabulary has ids 0 to %d", i,
                             r->prompt[i], n_vocab - 1);
    if (r->script && r->max_tokens <= 0)
        return error_set(err, ERR_INPUT, "a script needs max_tokens: how many tokens it has");
    for (int i = 0; r->script && i < r->max_tokens; i++)
        if (r->script[i] < 0 || r->script[i] >= n_vocab)
            return error_set(err, ERR_INPUT, "token %d of the script is %d; the vocabulary has ids 0 to %d", i,
                             r->script[i], n_vocab - 1);
    return 0;
}

/* ---- the table of jobs ------------------------------------------------------------------------------------------------------ */

void engine_free_job(struct job *j)
{
    free(j->history);
    steer_close(j->steer);
    capture_job_close(j->capture);
    free(j->snapshot_at);
    free(j->embed);
    queue_destroy(j->events);
    pick_close(&j->pick);
    memset(j, 0, sizeof *j);
}

struct job *engine_unused_job(struct stoker *s)
{
    for (int i = 0; i < s->n_job; i++)
        if (s->job[i].state == JOB_FREE)
            return &s->job[i];
    return NULL;
}

static struct job *job_of(struct stoker *s, stoker_id id)
{
    for (int i = 0; i < s->n_job; i++)
        if (s->job[i].state != JOB_FREE && s->job[i].id == id)
            return &s->job[i];
    return NULL;
}

/* A request that was checked, until a job takes it over. */
struct checked {
    struct pick pick;
    struct score score;
    struct job_steer *steer;
    struct job_capture *capture;
};

static int is_token(const struct stoker *s, stoker_token id) { return id >= 0 && id < s->session->model->p.n_vocab; }

/* The job owns what was checked from now on. */
static int fill_job(const struct stoker *s, struct job *j, const struct stoker_request *r, struct checked *c,
                    struct error *err)
{
    uint64_t root = prefix_root(&s->session->prefix, r->salt, r->n_salt);
    size_t max_history = r->only_score ? r->n_prompt : (size_t)s->session->plan.n_ctx;
    if (r->max_tokens > 0 && (size_t)r->max_tokens < max_history - r->n_prompt)
        max_history = r->n_prompt + (size_t)r->max_tokens;
    *j = (struct job){.n_history = r->n_prompt,
                      .n_prompt = r->n_prompt,
                      .max_history = max_history,
                      .pick = c->pick,
                      .score = c->score,
                      .draft = {.source = s->session->plan.n_draft ? r->draft : NULL,
                                .arg = r->draft_arg,
                                .coin = r->script ? r->draft_coin : 0},
                      .steer = c->steer,
                      .capture = c->capture,
                      .ignore_end = r->ignore_end,
                      .no_cache = r->no_cache,
                      .may_be_cut = r->may_be_cut,
                      .cursor = {.of = {root, c->steer ? &c->steer->list : NULL}},
                      .stats_at_first_token = r->stats_at_first_token,
                      .wants_progress = r->wants_progress,
                      .notify = r->notify,
                      .notify_arg = r->notify_arg,
                      .submitted = clock_seconds(),
                      .constraint = r->only_score ? NULL : r->constraint};
    *c = (struct checked){.steer = NULL};
    size_t answer = max_history - r->n_prompt;
    size_t predicted = s->session->plan.ngrams ? (r->n_prediction < answer ? r->n_prediction : answer) : 0;
    j->history = malloc((max_history + (r->script ? answer : 0) + predicted) * sizeof *j->history);
    j->events = queue_create(EVENTS, sizeof(struct stoker_event));
    j->snapshot_at = malloc((r->n_snapshot_at + 1) * sizeof *j->snapshot_at);
    if (!j->history || !j->events || !j->snapshot_at) {
        engine_free_job(j);
        return error_set(err, ERR_MEMORY, "no memory for a request of %zu tokens", r->n_prompt);
    }
    memcpy(j->history, r->prompt, r->n_prompt * sizeof *j->history);
    for (; j->n_snapshot_at < r->n_snapshot_at; j->n_snapshot_at++)
        j->snapshot_at[j->n_snapshot_at] = r->snapshot_at[j->n_snapshot_at];
    if (r->script) {
        j->script = j->history + max_history;
        memcpy(j->script, r->script, answer * sizeof *j->script);
    }
    j->prediction = j->history + max_history + (r->script ? answer : 0);
    while (j->n_prediction < predicted && is_token(s, r->prediction[j->n_prediction])) {
        j->prediction[j->n_prediction] = r->prediction[j->n_prediction];
        j->n_prediction++;
    }
    return 0;
}

/* A job for each request, or for none of them. Call it under the lock. 1: too many requests wait. */
static int queue_jobs(struct stoker *s, const struct stoker_request *r, struct checked *c, size_t n, stoker_id *id,
                      struct error *err)
{
    int status = 0;
    size_t queued = 0;
    while (queued < n && status == 0) {
        struct job *j = engine_queued(s) < s->n_queue ? engine_unused_job(s) : NULL;
        status = j ? fill_job(s, j, &r[queued], &c[queued], err) : 1;
        if (status == 0) {
            j->state = JOB_QUEUED;
            id[queued++] = j->id = ++s->next_id;
        }
    }
    while (status && queued > 0)
        engine_free_job(job_of(s, id[--queued]));
    s->counters.requests += status ? 0 : n;
    s->counters.rejected += status > 0 ? n : 0;
    return status;
}

int engine_submitted(struct stoker *s, int status, const struct error *err, struct stoker_error *public)
{
    if (status > 0 && public)
        *public = (struct stoker_error){STOKER_ERR_BUSY, "too many requests are waiting; try again later", ""};
    if (status)
        return status > 0 ? -1 : error_to_public(public, err);
    int any = 0;
    queue_push(s->submit_wakeup, &any);
    return 0;
}

int stoker_submit_all(struct stoker *s, const struct stoker_request *r, size_t n, stoker_id *id,
                      struct stoker_error *public)
{
    struct error err = {0};
    struct checked *c = calloc(n + 1, sizeof *c);
    int status = c ? 0 : error_set(&err, ERR_MEMORY, "no memory for %zu requests", n);
    for (size_t i = 0; i < n && status == 0; i++)
        status = check_request(s, &r[i], &err) || score_open(&c[i].score, &r[i], &err) ||
                         steer_open(&c[i].steer, s, &r[i], &err) || capture_job_open(&c[i].capture, s, &r[i], &err) ||
                         pick_open(&c[i].pick, s, &r[i], &err)
                     ? -1
                     : 0;
    if (status == 0) {
        pthread_mutex_lock(&s->lock);
        status = queue_jobs(s, r, c, n, id, &err);
        pthread_mutex_unlock(&s->lock);
    }
    for (size_t i = 0; c && i < n; i++) {
        pick_close(&c[i].pick);
        steer_close(c[i].steer);
        capture_job_close(c[i].capture);
    }
    free(c);
    return engine_submitted(s, status, &err, public);
}

int stoker_submit(struct stoker *s, const struct stoker_request *r, stoker_id *id, struct stoker_error *err)
{
    return stoker_submit_all(s, r, 1, id, err);
}

/* ---- events ----------------------------------------------------------------------------------------------------------------- */

int stoker_next_event(struct stoker *s, stoker_id id, int timeout_ms, struct stoker_event *ev)
{
    pthread_mutex_lock(&s->lock);
    struct job *j = job_of(s, id);
    int gone = !j || j->taken;
    if (!gone)
        j->readers++;
    pthread_mutex_unlock(&s->lock);
    if (gone)
        return -1;
    int got = queue_pop(j->events, ev, timeout_ms);
    pthread_mutex_lock(&s->lock);
    if (got && (ev->kind == STOKER_END || ev->kind == STOKER_FAILED)) {
        got = j->taken ? -1 : 1;
        j->taken = 1;
        if (j->readers > 1) /* other readers wait for an event too: they find that it was taken */
            queue_push(j->events, ev);
    }
    struct job_steer *steer = NULL;
    struct job_capture *capture = NULL;
    if (--j->readers == 0 && j->taken) {
        steer = j->steer;
        capture = j->capture;
        j->steer = NULL;
        j->capture = NULL;
        engine_free_job(j);
    }
    pthread_mutex_unlock(&s->lock);
    steer_close(steer); /* the last user of a large vector frees it: no step waits for that */
    capture_job_close(capture);
    return got;
}

/* Its rows leave at a layer's end, and so do those of a second model that follows it. */
static void cancel_sequence(struct stoker *s, struct sequence *seq)
{
    ptrdiff_t number = seq - s->session->tables.seq;
    atomic_store(&seq->cancelled, 1);
    if (s->drafter && number < s->drafter->session->plan.n_parallel)
        atomic_store(&s->drafter->session->tables.seq[number].cancelled, 1);
}

void stoker_cancel(struct stoker *s, stoker_id id)
{
    pthread_mutex_lock(&s->lock);
    struct job *j = job_of(s, id);
    if (j && j->state < JOB_DONE) {
        atomic_store(&j->cancelled, 1);
        if (j->seq)
            cancel_sequence(s, j->seq);
        for (int i = 0; j->embed && i < j->embed->n_seq; i++)
            atomic_store(&s->session->tables.seq[j->embed->first_seq + i].cancelled, 1);
    }
    pthread_mutex_unlock(&s->lock);
}

int stoker_generate(struct stoker *s, const struct stoker_request *req, int (*on_token)(void *arg, stoker_token t),
                    void *arg, struct stoker_event *end, struct stoker_error *err)
{
    stoker_id id;
    struct stoker_event ev;
    if (stoker_submit(s, req, &id, err))
        return -1;
    while (stoker_next_event(s, id, -1, &ev) == 1) {
        if (ev.kind == STOKER_TOKEN && on_token && on_token(arg, ev.u.token.id))
            stoker_cancel(s, id);
        if (ev.kind == STOKER_FAILED) {
            if (err)
                *err = ev.error;
            return -1;
        }
        if (ev.kind == STOKER_END) {
            if (end)
                *end = ev;
            return 0;
        }
    }
    if (err)
        *err = (struct stoker_error){STOKER_ERR_INPUT, "somebody else took the events of this request"};
    return -1;
}
