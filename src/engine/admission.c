/* See admission.h. */
#include "engine/admission.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/public_error.h"

#include <stdlib.h>
#include <string.h>

/* ---- events and ends -------------------------------------------------------------------------------------------------------- */

void job_send(const struct job *j, const struct stoker_event *e)
{
    queue_push(j->events, e);
    if (j->notify)
        j->notify(j->notify_arg);
}

int job_may_send(const struct job *j) { return queue_free(j->events) > 2; }

static void count_end(struct stoker *s, const struct job *j, const struct stoker_event *last)
{
    struct counters *t = &s->counters;
    t->cancelled += last->kind == STOKER_END && last->u.end.reason == STOKER_END_CANCELLED;
    t->failed += last->kind == STOKER_FAILED;
    if (j->started > 0) {
        double took = clock_seconds() - j->started;
        t->service_seconds = t->service_seconds > 0 ? 0.8 * t->service_seconds + 0.2 * took : took;
    }
}

/* Takes the job's sequence away. known: what it computed stays in the prefix cache. */
static void release_sequence(struct stoker *s, struct job *j, int known)
{
    struct sequence *seq = j->seq;
    if (!seq)
        return;
    if (known && !j->no_cache)
        prefix_remember(&s->session->prefix, &j->cursor, seq, j->history, PREFIX_ENDING);
    prefix_leave(&s->session->prefix, &j->cursor);
    pthread_mutex_lock(&s->lock);
    j->seq = NULL;
    pthread_mutex_unlock(&s->lock);
    seq->steer = NULL;
    seq->taps = NULL;
    s->active[seq - s->session->tables.seq] = NULL;
    seq_clear(seq);
}

/* The last event is sent under the lock. Who takes it needs the lock too, so notify() is not called any more after that. */
static void tell_end(struct stoker *s, struct job *j, const struct stoker_event *last)
{
    pthread_mutex_lock(&s->lock);
    j->state = JOB_DONE;
    count_end(s, j, last);
    job_send(j, last);
    pthread_mutex_unlock(&s->lock);
}

/* 1: what the job records is written; where that failed its last event says so. */
static int is_written(struct job *j)
{
    struct error err = {0};
    if (capture_is_pending(j->capture, &err))
        return 0;
    if (err.code && j->capture->last.kind == STOKER_END) {
        j->capture->last = (struct stoker_event){.kind = STOKER_FAILED};
        error_to_public(&j->capture->last.error, &err);
    }
    return 1;
}

static void finish(struct stoker *s, struct job *j, const struct stoker_event *last)
{
    release_sequence(s, j, last->kind == STOKER_END);
    constraint_end(j->constraint_state);
    free(j->mask);
    j->constraint_state = NULL;
    j->mask = NULL;
    if (!j->capture) {
        tell_end(s, j, last);
        return;
    }
    capture_drop(j->capture);
    j->capture->last = *last;
    if (is_written(j)) {
        tell_end(s, j, &j->capture->last);
        return;
    }
    pthread_mutex_lock(&s->lock);
    j->state = JOB_WRITING;
    pthread_mutex_unlock(&s->lock);
}

void end_written(struct stoker *s)
{
    struct error err = {0};
    for (int i = 0; s->capture.ring && i < s->n_job; i++) {
        struct job *j = &s->job[i];
        pthread_mutex_lock(&s->lock);
        int writes = j->state == JOB_WRITING, runs = j->state == JOB_PROMPT || j->state == JOB_DECODE;
        pthread_mutex_unlock(&s->lock);
        if (writes && is_written(j))
            tell_end(s, j, &j->capture->last);
        else if (runs && j->capture && capture_has_failed(j->capture, &err))
            job_fail(s, j, &err);
    }
}

void job_end(struct stoker *s, struct job *j, enum stoker_end_reason reason)
{
    double now = clock_seconds(), first = j->first_token > 0 ? j->first_token : now;
    struct stoker_event e = {.kind = STOKER_END};
    e.u.end.reason = reason;
    e.u.end.n_prompt = j->n_prompt;
    e.u.end.n_cached = j->n_cached;
    e.u.end.n_generated = j->n_generated;
    e.u.end.end_sampled = j->end_sampled;
    e.u.end.n_drafted = j->draft.n_drafted;
    e.u.end.n_accepted = j->draft.n_accepted;
    e.u.end.n_predicted = j->draft.n_predicted;
    e.u.end.n_predicted_accepted = j->draft.n_predicted_accepted;
    e.u.end.n_captured = j->capture ? j->capture->next - j->capture->from : 0;
    e.u.end.end_token = j->pick.end_token;
    e.u.end.n_end_top = j->pick.n_end_top;
    e.u.end.seed = j->pick.how.seed;
    e.u.end.prompt_seconds = j->started > 0 ? first - j->started : 0; /* 0: it never began */
    e.u.end.generate_seconds = now - first;
    finish(s, j, &e);
}

void job_fail(struct stoker *s, struct job *j, const struct error *why)
{
    struct stoker_event e = {.kind = STOKER_FAILED};
    error_to_public(&e.error, why);
    finish(s, j, &e);
}

/* ---- the queue -------------------------------------------------------------------------------------------------------------- */

int any_active(const struct stoker *s)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i])
            return 1;
    return 0;
}

static struct sequence *free_sequence(struct stoker *s)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (!s->active[i])
            return &s->session->tables.seq[i];
    return NULL;
}

/* The waiting job that was submitted first. */
static struct job *next_queued(struct stoker *s)
{
    struct job *first = NULL;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->n_job; i++)
        if (s->job[i].state == JOB_QUEUED && (!first || s->job[i].id < first->id))
            first = &s->job[i];
    pthread_mutex_unlock(&s->lock);
    return first;
}

void end_cancelled(struct stoker *s)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i] && atomic_load(&s->active[i]->cancelled))
            job_end(s, s->active[i], STOKER_END_CANCELLED);
    for (int i = 0; i < s->n_job; i++) { /* also of those without a sequence */
        pthread_mutex_lock(&s->lock);
        int ends = s->job[i].state == JOB_QUEUED && atomic_load(&s->job[i].cancelled);
        pthread_mutex_unlock(&s->lock);
        if (ends)
            job_end(s, &s->job[i], STOKER_END_CANCELLED);
    }
}

void fail_all(struct stoker *s, const struct error *why)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i])
            job_fail(s, s->active[i], why);
    for (struct job *j; (j = next_queued(s));)
        job_fail(s, j, why);
}

/* ---- admission -------------------------------------------------------------------------------------------------------------- */

static int begin_constraint(struct stoker *s, struct job *j, struct error *err)
{
    struct constraint *c = j->constraint->constraint;
    int64_t allowed = (int64_t)(j->max_history - j->n_prompt),
            shortest = j->constraint->close_at_limit ? constraint_shortest(c) : 0;
    if (shortest == INT64_MAX)
        return error_set(err, ERR_INPUT,
                         "the constraint asks for an answer longer than any can be; lower its lengths and counts");
    if (shortest > allowed && !j->may_be_cut)
        return error_set(
            err, ERR_INPUT,
            "the shortest answer that fits the constraint has %lld tokens, the answer may have %lld: allow it "
            "more (max_tokens), or ask for less",
            (long long)shortest, (long long)allowed);
    j->cut_at_limit = shortest > allowed;
    if (!(j->mask = malloc((size_t)s->session->model->p.n_vocab)))
        return error_set(err, ERR_MEMORY, "no memory for a mask of %d tokens", s->session->model->p.n_vocab);
    return constraint_begin(&j->constraint_state, c, err);
}

/* The states at the first and the last position that the job requested are worth most, whichever job took them. */
static void renew_requested_states(struct prefix_cache *c, const struct job *j)
{
    if (j->n_snapshot_at && j->snapshot_at[j->n_snapshot_at - 1] <= j->n_done)
        prefix_renew(c, &j->cursor, j->history, (int)j->snapshot_at[j->n_snapshot_at - 1]);
    if (j->n_snapshot_at && j->snapshot_at[0] <= j->n_done)
        prefix_renew(c, &j->cursor, j->history, (int)j->snapshot_at[0]);
}

size_t job_resumable(const struct job *j)
{
    size_t scored = score_resumable(j), recorded = capture_resumable(j->capture);
    return scored < recorded ? scored : recorded;
}

void job_resume(struct stoker *s, struct job *j)
{
    struct prefix_cache *c = &s->session->prefix;
    prefix_leave(c, &j->cursor);
    seq_clear(j->seq);
    j->waits = 0;
    j->n_done = 0;
    if (!j->no_cache)
        j->n_done = (size_t)prefix_resume(c, &j->cursor, j->seq, j->history, (int)job_resumable(j));
    renew_requested_states(c, j);
    j->n_resumed = j->n_done;
    j->n_wanted = 0;
    if (j->n_generated == 0)
        j->n_cached = j->n_done;
}

/* Are there pages for all positions up to the job's next token, if it makes any? Windows always have theirs. */
static int has_pages(const struct stoker *s, const struct job *j)
{
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_pool *pool = &s->session->model->kv[k];
        int needed = (int)((j->n_history - (size_t)j->score.only) / KV_PAGE) + 1 - j->seq->n_page[k];
        if (pool->n_layer && pool->window.n <= 0 && prefix_available(&s->session->prefix, k) < needed)
            return 0;
    }
    return 1;
}

static void take_sequence(struct stoker *s, struct job *j, struct sequence *seq)
{
    s->active[seq - s->session->tables.seq] = j;
    seq->steer = j->steer ? &j->steer->list : NULL;
    seq->taps = j->capture ? &j->capture->taps : NULL;
    pthread_mutex_lock(&s->lock);
    j->seq = seq;
    j->state = JOB_PROMPT;
    pthread_mutex_unlock(&s->lock);
}

void job_requeue(struct stoker *s, struct job *j, int known)
{
    release_sequence(s, j, known);
    j->n_done = 0;
    pthread_mutex_lock(&s->lock);
    j->state = JOB_QUEUED;
    pthread_mutex_unlock(&s->lock);
}

/* 0: the job has to wait for pages, and so have those after it. */
static int admit(struct stoker *s, struct job *j)
{
    struct error err = {0};
    int alone = !any_active(s);
    if (reader_check_files(s->session->reader, &err)) {
        job_fail(s, j, &err);
        return 1;
    }
    if (atomic_load(&j->cancelled)) {
        job_end(s, j, STOKER_END_CANCELLED);
        return 1;
    }
    take_sequence(s, j, free_sequence(s));
    job_resume(s, j);
    j->fetches = s->disk && !j->no_cache ? 2 * ((int)(j->n_history / KV_PAGE) + 2) : 0;
    if (!alone && !has_pages(s, j)) {
        job_requeue(s, j, 0);
        return 0;
    }
    if (j->started > 0)
        return 1;
    j->started = clock_seconds();
    if (j->constraint && begin_constraint(s, j, &err))
        job_fail(s, j, &err);
    return 1;
}

static void clear_prefixes(struct stoker *s)
{
    prefix_clear(&s->session->prefix);
    if (s->disk)
        prefix_disk_clear(s->disk);
}

void keep_prefixes_if_asked(struct stoker *s)
{
    struct error err = {0};
    if (atomic_exchange(&s->keeps, 0) && prefix_disk_begin_writing(s->disk, &err))
        log_line(LOG_WARN, "prefixes are not kept: %s", err.text);
}

void admit_all(struct stoker *s)
{
    int ring, again = 1;
    while (again && !atomic_load(&s->stop)) {
        struct job *j = free_sequence(s) ? next_queued(s) : NULL;
        if (atomic_exchange(&s->clears,
                            0)) /* after the look at the queue: jobs submitted after the call find nothing cached */
            clear_prefixes(s);
        keep_prefixes_if_asked(s);
        end_written(s);
        int busy = prefix_disk_write_behind(s->disk);
        int idle = !j && !any_active(s) && !beside_has_work(s);
        busy |= idle && (session_read_idle(s->session) | beside_read_idle(s));
        engine_report(s);
        again = j ? admit(s, j) : idle && (queue_pop(s->submit_wakeup, &ring, busy ? 2 : 100) || busy);
    }
}

/* ---- pages ------------------------------------------------------------------------------------------------------------------ */

static struct job *youngest(const struct stoker *s)
{
    struct job *j = NULL;
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i] && (!j || s->active[i]->id > j->id))
            j = s->active[i];
    return j;
}

int job_reserve(struct stoker *s, struct job *j, size_t n_pos)
{
    while (seq_reserve(j->seq, (int)n_pos)) {
        struct job *other = youngest(s);
        if (prefix_evict(&s->session->prefix))
            continue;
        if (other == j)
            return -1;
        job_requeue(s, other, 1);
        pthread_mutex_lock(&s->lock);
        s->counters.preempted++;
        pthread_mutex_unlock(&s->lock);
    }
    return 0;
}
