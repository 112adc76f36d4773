/* The engine thread: takes jobs in order of arrival, makes steps of rows, picks tokens, sends events.
 *
 * A step holds prompt rows of jobs in order of arrival, up to the plan's chunk, then one row of every decoding job. A job whose
 * event queue is full rests until its caller reads. Rows that left a step (cancelled, or an expert of theirs unreadable) end
 * their job; the others go on with the same bits. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

static void send(const struct job *j, const struct stoker_event *e)
{
    queue_push(j->events, e);
    if (j->notify)
        j->notify(j->notify_arg);
}

/* The last event always finds room: one place of the queue is kept for it. */
static int may_send(const struct job *j) { return queue_room(j->events) > 2; }

static void add_up(struct stoker *s, const struct job *j, const struct stoker_event *last)
{
    struct tally *t = &s->tally;
    t->cancelled += last->kind == STOKER_END && last->u.end.reason == STOKER_END_CANCELLED;
    t->failed += last->kind == STOKER_FAILED;
    if (j->started > 0) {
        double took = clock_seconds() - j->started;
        t->service_seconds = t->service_seconds > 0 ? 0.8 * t->service_seconds + 0.2 * took : took;
    }
}

/* The last event goes out under the lock: whoever takes it needs the lock too, so that nobody is told anything afterwards. */
static void finish(struct stoker *s, struct job *j, const struct stoker_event *last)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i] == j)
            s->active[i] = NULL;
    int keep = j->keep && last->kind == STOKER_END;
    constraint_end(j->guard);
    j->guard = NULL;
    if (j->seq && !keep)
        seq_clear(j->seq);
    pthread_mutex_lock(&s->lock);
    if (!keep)
        j->seq = NULL;
    j->state = JOB_DONE;
    add_up(s, j, last);
    send(j, last);
    pthread_mutex_unlock(&s->lock);
}

static void finish_end(struct stoker *s, struct job *j, enum stoker_end_reason reason)
{
    double now = clock_seconds(), first = j->first_token > 0 ? j->first_token : now;
    struct stoker_event e = {.kind = STOKER_END};
    e.u.end.reason = reason;
    e.u.end.n_prompt = j->n_prompt;
    e.u.end.n_cached = j->n_cached;
    e.u.end.n_generated = j->n_generated;
    e.u.end.end_sampled = j->end_sampled;
    e.u.end.seed = j->pick.how.seed;
    e.u.end.prompt_seconds = j->started > 0 ? first - j->started : 0; /* it may never have begun */
    e.u.end.generate_seconds = now - first;
    finish(s, j, &e);
}

static void finish_failed(struct stoker *s, struct job *j, const struct error *why)
{
    struct stoker_event e = {.kind = STOKER_FAILED};
    error_to_public(&e.error, why);
    finish(s, j, &e);
}

/* ---- admission ------------------------------------------------------------------------------------------------------------- */

/* The finished request that this one continues: its sequence, rewound to what the prompts share. */
static struct sequence *take_over(struct stoker *s, struct job *j)
{
    struct sequence *seq = NULL;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; j->resume && i < s->n_job; i++) {
        struct job *old = &s->job[i];
        if (old->id != j->resume || old->state < JOB_DONE || !old->seq)
            continue;
        size_t same = 0;
        while (same < old->n_done && same + 1 < j->n_prompt && old->history[same] == j->history[same])
            same++;
        seq = old->seq;
        old->seq = NULL;
        atomic_store(&seq->cancelled, 0); /* that was said to the finished one */
        j->n_done = j->n_cached = (size_t)seq_rewind(seq, (int)same);
    }
    pthread_mutex_unlock(&s->lock);
    return seq;
}

static int in_use(const struct stoker *s, const struct sequence *seq)
{
    for (int i = 0; i < s->n_job; i++)
        if (s->job[i].state != JOB_FREE && s->job[i].seq == seq)
            return 1;
    return 0;
}

/* A sequence that nobody has; else one that was only kept for a continuation. */
static struct sequence *free_sequence(struct stoker *s)
{
    struct sequence *found = NULL;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->session->plan.n_parallel && !found; i++)
        if (!in_use(s, &s->session->seq[i]))
            found = &s->session->seq[i];
    for (int i = 0; i < s->n_job && !found; i++)
        if (s->job[i].state >= JOB_DONE && s->job[i].seq) {
            found = s->job[i].seq;
            s->job[i].seq = NULL;
        }
    pthread_mutex_unlock(&s->lock);
    if (found)
        seq_clear(found);
    return found;
}

static int has_place(const struct stoker *s)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (!s->active[i])
            return 1;
    return 0;
}

static int begin_constraint(struct job *j, struct error *err)
{
    struct constraint *c = j->constraint->constraint;
    int64_t room = (int64_t)(j->room - j->n_prompt),
            shortest = j->constraint->close_at_limit ? constraint_shortest(c) : 0;
    if (shortest > room)
        return error_set(
            err, ERR_INPUT,
            "the shortest answer that fits the constraint has %lld tokens, the answer may have %lld; raise "
            "--max-tokens",
            (long long)shortest, (long long)room);
    return constraint_begin(&j->guard, c, err);
}

static void admit(struct stoker *s, struct job *j)
{
    struct error err = {0};
    if (reader_check_files(s->session->reader, &err)) {
        finish_failed(s, j, &err);
        return;
    }
    if (atomic_load(&j->cancelled)) {
        finish_end(s, j, STOKER_END_CANCELLED);
        return;
    }
    struct sequence *seq = take_over(s, j);
    if (!seq)
        seq = free_sequence(s);
    int place = 0;
    while (s->active[place])
        place++;
    pthread_mutex_lock(&s->lock);
    j->seq = seq;
    j->state = JOB_PROMPT;
    s->tally.prompt_tokens += j->n_prompt;
    s->tally.cached_tokens += j->n_cached;
    pthread_mutex_unlock(&s->lock);
    s->active[place] = j;
    j->started = clock_seconds();
    if (j->constraint && begin_constraint(j, &err))
        finish_failed(s, j, &err);
}

static int any_active(const struct stoker *s)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i])
            return 1;
    return 0;
}

/* Of the jobs that wait, the one that came first. */
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

static void admit_all(struct stoker *s)
{
    int ring;
    while (has_place(s) && !atomic_load(&s->stop)) {
        struct job *j = next_queued(s);
        if (j)
            admit(s, j);
        else if (any_active(s) || !queue_pop(s->bell, &ring, 100))
            return;
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------------------------ */

/* Rows of a step and whose they are. */
struct plan_of_step {
    struct batch batch;
    struct job *wanting[MOST_PARALLEL]; /* whose logits row i of the step's logits are */
    struct job *prompt[MOST_PARALLEL];  /* jobs with prompt rows in it, and how many */
    size_t prompt_rows[MOST_PARALLEL];
    int n_prompt_jobs;
};

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Prompts are cut where a state is to be remembered: pages can be gone back to anywhere, states only where they were. The end of
 * the prompt of a request that will be continued is such a place, unless wishes take all that there are. */
static int remembers(const struct job *j, size_t pos)
{
    if (!j->seq->state)
        return 0;
    if (bsearch(&pos, j->snapshot_at, j->n_snapshot_at, sizeof pos, by_size))
        return 1;
    return j->keep && pos == j->n_prompt && j->n_snapshot_at < (size_t)j->seq->n_snapshot;
}

static void add_prompt(struct stoker *s, struct plan_of_step *p, struct job *j)
{
    size_t rows = 0;
    while (j->n_done + rows < j->n_prompt && (rows == 0 || !remembers(j, j->n_done + rows))) {
        size_t at = j->n_done + rows;
        int last = at + 1 == j->n_prompt;
        if (batch_add(s->session, &p->batch, j->seq, j->history[at], (int)at, last))
            break;
        if (last)
            p->wanting[p->batch.n_wants - 1] = j;
        rows++;
    }
    if (rows == 0)
        return;
    p->prompt[p->n_prompt_jobs] = j;
    p->prompt_rows[p->n_prompt_jobs++] = rows;
}

/* Decoding jobs wait for nobody: their rows are kept free before prompts fill the step. */
static struct plan_of_step plan_step(struct stoker *s)
{
    struct plan_of_step p = {.batch = session_batch(s->session)};
    int n = s->session->plan.n_parallel, decoding = 0, room = p.batch.room;
    for (int i = 0; i < n; i++)
        decoding += s->active[i] && s->active[i]->state == JOB_DECODE;
    p.batch.room = room > decoding ? room - decoding : 1;
    for (int i = 0; i < n; i++)
        if (s->active[i] && s->active[i]->state == JOB_PROMPT)
            add_prompt(s, &p, s->active[i]);
    p.batch.room = room;
    p.batch.n_prompt = p.batch.n_rows;
    for (int i = 0; i < n; i++) {
        struct job *j = s->active[i];
        if (!j || j->state != JOB_DECODE || !may_send(j))
            continue;
        if (batch_add(s->session, &p.batch, j->seq, j->history[j->n_done], (int)j->n_done, 1) == 0)
            p.wanting[p.batch.n_wants - 1] = j;
    }
    return p;
}

/* A job whose rows left the step ends: cancelled, or failed with the step's sentence. Returns 1 if it did; then it may be
 * somebody else's already, and the step forgets it. */
static int left(struct stoker *s, struct plan_of_step *p, struct job *j, const struct error *why)
{
    for (int r = 0; r < p->batch.n_rows; r++) {
        if (p->batch.seq[r] != j->seq || !p->batch.dead[r])
            continue;
        for (int i = 0; i < p->batch.n_wants; i++)
            if (p->wanting[i] == j)
                p->wanting[i] = NULL;
        if (atomic_load(&j->cancelled))
            finish_end(s, j, STOKER_END_CANCELLED);
        else
            finish_failed(s, j, why);
        return 1;
    }
    return 0;
}

/* An answer that had to be closed in time was ended by the limit, however well it ends. */
static enum stoker_end_reason text_end(const struct job *j)
{
    return j->guard && constraint_forced(j->guard) ? STOKER_END_LENGTH : STOKER_END_TEXT;
}

static void first_token(struct stoker *s, struct job *j)
{
    j->first_token = clock_seconds();
    pthread_mutex_lock(&s->lock);
    histogram_add(&s->tally.first_token_time, j->first_token - j->submitted);
    pthread_mutex_unlock(&s->lock);
}

static void pick(struct stoker *s, struct job *j, const float *logits)
{
    struct session *ses = s->session;
    struct error err = {0};
    const uint8_t *allowed = ses->tokenizer ? tokenizer_sampleable(ses->tokenizer) : NULL;
    if (ses->tokenizer && tokenizer_n_vocab(ses->tokenizer) < ses->model->p.n_vocab)
        allowed = NULL;
    /* The end token needs no room of its own. */
    if (j->guard && constraint_mask(j->guard, (int64_t)(j->room - j->n_history) + 1, s->mask, &err) < 0) {
        finish_failed(s, j, &err);
        return;
    }
    if (j->guard)
        allowed = s->mask;
    int32_t id = j->script ? j->script[j->n_generated] : pick_token(s, j, logits, allowed, &err);
    if (id < 0) {
        finish_failed(s, j, &err);
        return;
    }
    if (j->n_generated == 0)
        first_token(s, j);
    if (!j->ignore_end && ses->tokenizer && tokenizer_is_end(ses->tokenizer, id)) {
        j->end_sampled = 1;
        finish_end(s, j, text_end(j));
        return;
    }
    if (j->guard && constraint_accept(j->guard, id, &err)) {
        finish_failed(s, j, &err);
        return;
    }
    struct stoker_event e = pick_event(s, j, logits, id);
    j->n_generated++;
    pthread_mutex_lock(&s->lock);
    s->tally.generated_tokens++;
    pthread_mutex_unlock(&s->lock);
    j->history[j->n_history++] = id;
    send(j, &e);
    if (j->guard && constraint_finished(j->guard))
        finish_end(s, j, text_end(j));
    else if (j->n_history == j->room)
        finish_end(s, j, STOKER_END_LENGTH);
}

static void advance_prompts(struct stoker *s, const struct plan_of_step *p)
{
    for (int i = 0; i < p->n_prompt_jobs; i++) {
        struct job *j = p->prompt[i];
        j->n_done += p->prompt_rows[i];
        if (remembers(j, j->n_done))
            seq_snapshot(j->seq);
        if (j->n_done == j->n_prompt) {
            pthread_mutex_lock(&s->lock);
            j->state = JOB_DECODE;
            pthread_mutex_unlock(&s->lock);
        }
        if (!j->wants_progress || !may_send(j))
            continue;
        struct stoker_event e = {.kind = STOKER_PROGRESS};
        e.u.progress.done = j->n_done;
        e.u.progress.cached = j->n_cached;
        e.u.progress.total = j->n_prompt;
        send(j, &e);
    }
}

/* What a finished step means for its jobs. */
static void settle(struct stoker *s, struct plan_of_step *p, const struct error *why)
{
    int n = p->n_prompt_jobs;
    p->n_prompt_jobs = 0;
    for (int i = 0; i < n; i++)
        if (!left(s, p, p->prompt[i], why)) {
            p->prompt[p->n_prompt_jobs] = p->prompt[i];
            p->prompt_rows[p->n_prompt_jobs++] = p->prompt_rows[i];
        }
    advance_prompts(s, p);
    for (int i = 0; i < p->batch.n_wants; i++) {
        struct job *j = p->wanting[i];
        int row = p->batch.wants[i];
        if (!j || (row >= p->batch.n_prompt && left(s, p, j, why)))
            continue;
        if (row >= p->batch.n_prompt)
            j->n_done++;
        pick(s, j, p->batch.logits + (size_t)i * (size_t)s->session->model->p.n_vocab);
    }
}

static void end_cancelled(struct stoker *s)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i] && atomic_load(&s->active[i]->cancelled))
            finish_end(s, s->active[i], STOKER_END_CANCELLED);
    for (int i = 0; i < s->n_job; i++) { /* also those that still wait for a sequence */
        pthread_mutex_lock(&s->lock);
        int ends = s->job[i].state == JOB_QUEUED && atomic_load(&s->job[i].cancelled);
        pthread_mutex_unlock(&s->lock);
        if (ends)
            finish_end(s, &s->job[i], STOKER_END_CANCELLED);
    }
}

static void count_step(struct stoker *s, const struct batch *b, double seconds)
{
    struct tally *t = &s->tally;
    pthread_mutex_lock(&s->lock);
    t->steps++;
    t->rows += (uint64_t)b->n_rows;
    t->step_seconds += seconds;
    t->expert_seconds = s->session->model->expert_seconds;
    memcpy(t->calls, s->session->model->calls, sizeof t->calls);
    histogram_add(&t->step_time, seconds);
    pthread_mutex_unlock(&s->lock);
}

static void step(struct stoker *s)
{
    struct error err = {0}, row_error = {0};
    struct plan_of_step p = plan_step(s);
    if (p.batch.n_rows == 0) { /* everybody waits for a reader of events */
        struct timespec ms = {0, 1000000};
        nanosleep(&ms, NULL);
        return;
    }
    p.batch.row_error = &row_error;
    double begin = clock_seconds();
    if (session_forward(s->session, &p.batch, &err)) {
        memset(p.batch.dead, 1, (size_t)p.batch.n_rows);
        row_error = err;
    }
    count_step(s, &p.batch, clock_seconds() - begin);
    settle(s, &p, &row_error);
    engine_show_slots(s);
}

static void drain(struct stoker *s)
{
    struct error closing = {ERR_CANCELLED, "the engine was closed"};
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i])
            finish_failed(s, s->active[i], &closing);
    for (struct job *j; (j = next_queued(s));)
        finish_failed(s, j, &closing);
}

void *engine_run(void *engine)
{
    struct stoker *s = engine;
    while (!atomic_load(&s->stop)) {
        admit_all(s);
        end_cancelled(s);
        if (any_active(s))
            step(s);
    }
    drain(s);
    session_end_reading(s->session);
    return NULL;
}
