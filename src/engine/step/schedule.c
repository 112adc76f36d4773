/* The engine thread: it makes steps of rows, picks tokens and sends events.
 *
 * A step holds the next row of every decoding job, and prompt rows up to the plan's chunk, assigned in shares of at most a page to the
 * jobs that have prompts left, oldest first. While a job decodes, a step has no more prompt rows than about a second allows, so that
 * its next token does not wait longer. Tokens may be drafted (propose.h): then a decoding job has rows for them behind its own, and they
 * are verified row by row (verify.h). A layer of the model that drafts follows what holds (nextn.h), and so does another model (follow.h).
 * A job whose event queue is full takes no part in steps until its caller reads. Rows that left a step (cancelled, or one of their experts
 * is unreadable) end their job; the others continue with the same bits. */
#include "base/clock.h"
#include "base/error.h"
#include "engine/admission.h"
#include "engine/step/cuts.h"
#include "engine/step/follow.h"
#include "engine/step/masks.h"
#include "engine/step/nextn.h"
#include "engine/step/propose.h"
#include "engine/step/verify.h"
#include "model/tables.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST_ROWS = 64 };              /* prompt rows of a step, however slow steps are */
static const double longest_step = 1.0; /* seconds, while somebody decodes */
static const double energy_every = 1.0; /* seconds: far less than counters take to begin again */
static const double longest_fetch = 0.2;

/* ---- what others compute ---------------------------------------------------------------------------------------------------- */

/* Is an older job computing what this one will share? Then this one waits for it. */
static int awaits_other(const struct stoker *s, const struct job *j)
{
    if (j->no_cache || j->n_done > j->n_resumed)
        return 0;
    for (int i = 0; i < s->session->plan.n_parallel; i++) {
        const struct job *o = s->active[i];
        size_t same = 0;
        if (!o || o->id >= j->id || o->no_cache || o->state != JOB_PROMPT)
            continue;
        while (same < o->n_prompt && same < job_resumable(j) && o->history[same] == j->history[same])
            same++;
        same = (size_t)prefix_alike(&o->cursor.of, (int)o->n_prompt, &j->cursor.of, (int)same);
        same = cuts_last(s, o, same);
        if (o->n_done < same && same >= j->n_done + KV_PAGE)
            return 1;
    }
    return 0;
}

/* Prefix files may hold more of the prompt than memory does. Reads them for a moment, between which others compute. 1: there is more. */
static int fetches(struct stoker *s, struct job *j)
{
    double begin = clock_seconds();
    int fetched = 0;
    while (j->fetches && clock_seconds() - begin < longest_fetch) {
        int more = prefix_disk_fetch(s->disk, &j->cursor.of, j->history, (int)job_resumable(j), s->rows_per_second);
        fetched |= more;
        j->fetches = more ? j->fetches - 1 : 0;
    }
    j->fetched |= fetched;
    if (!j->fetches && j->fetched && j->n_done == j->n_resumed)
        job_resume(s, j);
    return j->fetches > 0;
}

/* May it have a row in this step? The last one of a prompt, whose logits choose a token, waits for the mask. */
static int is_ready(struct stoker *s, struct job *j)
{
    if (j->state == JOB_DECODE)
        return job_may_send(j) && !masks_awaited_by(j);
    if (score_is_left(j) && !job_may_send(j))
        return 0;
    if (j->fetches && fetches(s, j))
        return 0;
    int waited = j->waits;
    j->waits = awaits_other(s, j);
    if (waited && !j->waits)
        job_resume(s, j);
    return !j->waits && !(masks_awaited_by(j) && j->n_done + 1 == j->n_history);
}

/* ---- making a step ---------------------------------------------------------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
    const struct share *x = a, *y = b;
    return (x->job->id > y->job->id) - (x->job->id < y->job->id);
}

static int prompt_capacity(const struct stoker *s, int decoding)
{
    int capacity = s->session->plan.n_chunk - decoding, timely = (int)(s->rows_per_second * longest_step);
    if (capacity < 1)
        return 1;
    if (decoding == 0 || s->rows_per_second <= 0)
        return capacity;
    timely = timely > FEWEST_ROWS ? timely : FEWEST_ROWS;
    return timely < capacity ? timely : capacity;
}

/* Jobs that record take part with the rows that find memory, older ones first; one without rests. */
static void find_memory(struct stoker *s, struct step *p)
{
    int left = 0, n = 0;
    size_t bytes;
    for (int i = 0; i < p->n; i++) {
        p->share[i].most = INT_MAX;
        left += p->share[i].job->capture != NULL;
    }
    if (left == 0)
        return;
    bytes = capture_free(&s->capture);
    for (int i = 0; i < p->n; i++) {
        struct share *e = &p->share[i];
        if (e->job->capture)
            e->most = capture_most(e->job->capture, e->job->n_done, e->rows ? e->rows : s->session->plan.n_chunk,
                                   &bytes, left--);
        if (e->most > 0)
            p->share[n++] = *e;
    }
    p->n = n;
}

/* No cut is among the rows of drafts but at their end. */
static int drafts_of(struct stoker *s, struct share *e, int most)
{
    struct job *j = e->job;
    most = propose_most(s, j, most);
    while (e->room < most && !cuts_at(s, j, j->n_done + (size_t)e->room + 1))
        e->room++;
    return e->room > 0 ? propose(s, j, e->room) : 0;
}

/* Drafted rows behind those of jobs that decode, in equal shares; who leaves some of its own leaves them to younger ones. Where they have a
 * price, those that are worth most; and none beside prompts, which would wait for them. Returns how many. */
static int add_drafts(struct stoker *s, struct step *p, int decoding)
{
    const struct plan *plan = &s->session->plan;
    if (p->n == 0) /* all wait, for masks or for who reads them: what is known of steps stays as it is */
        return 0;
    int prompts = decoding < p->n, free_rows = plan->n_chunk - decoding - prompts, sum = 0;
    int all = plan->n_draft < free_rows ? plan->n_draft : free_rows,
        left = plan->priced && (prompts || price_rests(&s->price)) ? 0 : all;
    double begin = plan->priced ? clock_seconds() : 0;
    for (int i = 0; i < p->n && left > 0; i++) {
        struct share *e = &p->share[i];
        if (e->job->state != JOB_DECODE)
            continue;
        e->drafts = drafts_of(s, e, plan->priced ? left : (left + decoding - 1) / decoding);
        left -= plan->priced ? 0 : e->drafts;
        decoding--;
    }
    if (plan->priced && !prompts)
        propose_priced(s, p, all, begin);
    else
        propose_by_layer(s, p, left);
    for (int i = 0; i < p->n; i++) {
        propose_by_coin(s, p->share[i].job, p->share[i].drafts);
        p->share[i].rows += p->share[i].drafts;
        sum += p->share[i].drafts;
    }
    return sum;
}

/* At most so many prompt rows, up to the next cut, and without the last one while its mask is not there. */
static int rows_to_cut(const struct stoker *s, const struct job *j, int most)
{
    size_t end = j->n_history - (size_t)masks_awaited_by(j), rest = end - j->n_done;
    int rows = 1;
    while (rows < most && (size_t)rows < rest && !cuts_at(s, j, j->n_done + (size_t)rows))
        rows++;
    return rows;
}

/* Rows for all jobs that are ready: prompts in shares of a page, or of less where a step is too short for a page each. */
static void assign_rows(struct stoker *s, struct step *p)
{
    int decoding = 0, capacity, share, assigned = 1;
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i] && is_ready(s, s->active[i]))
            p->share[p->n++] = (struct share){.job = s->active[i], .rows = s->active[i]->state == JOB_DECODE};
    qsort(p->share, (size_t)p->n, sizeof *p->share, by_age);
    find_memory(s, p);
    for (int i = 0; i < p->n; i++)
        decoding += p->share[i].rows;
    capacity = prompt_capacity(s, decoding + add_drafts(s, p, decoding));
    share = decoding < p->n ? (capacity + p->n - decoding - 1) / (p->n - decoding) : 0;
    share = share < KV_PAGE ? share : KV_PAGE;
    while (capacity > 0 && assigned > 0) {
        assigned = 0;
        for (int i = 0; i < p->n && capacity > 0; i++) {
            struct share *e = &p->share[i];
            if (e->job->state == JOB_DECODE)
                continue;
            int most = e->rows + (capacity < share ? capacity : share),
                rows = rows_to_cut(s, e->job, most < e->most ? most : e->most);
            assigned += rows - e->rows;
            capacity -= rows - e->rows;
            e->rows = rows;
        }
    }
}

/* Who gives way leaves what the model's layer has not yet seen as well. */
static int reserve(struct stoker *s, struct job *j, size_t n_pos)
{
    if (seq_reserve(j->seq, (int)n_pos) == 0)
        return 0;
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i])
            nextn_catch_up(s, s->active[i]);
    return job_reserve(s, j, n_pos);
}

/* For drafts nobody gives anything up: without a free page they end with the last one. */
static void find_pages_of_drafts(struct share *e)
{
    struct job *j = e->job;
    size_t page_end = (j->n_done / KV_PAGE + 1) * KV_PAGE;
    if (seq_reserve(j->seq, (int)j->n_done + e->rows) && j->n_done + (size_t)e->rows > page_end) {
        e->rows = (int)(page_end - j->n_done);
        e->drafts = e->rows - 1;
    }
}

/* Pages for them. The oldest job is sure to get its own. Prompts take what there is; a job that gets none skips this step. Drafts take
 * what all of them leave. */
static void find_pages(struct stoker *s, struct step *p)
{
    for (int i = 0; i < p->n; i++) {
        struct share *e = &p->share[i];
        struct job *j = e->job;
        if (!j->seq) /* it gave its pages up to an older one */
            e->rows = e->drafts = 0;
        int own = e->rows - e->drafts;
        while (own > 0 && reserve(s, j, j->n_done + (size_t)own)) {
            size_t end = (j->n_done + (size_t)own - 1) / KV_PAGE * KV_PAGE;
            own = end > j->n_done ? (int)(end - j->n_done) : 0;
        }
        e->drafts = own > 0 ? e->drafts : 0;
        e->rows = own + e->drafts;
    }
    for (int i = 0; i < p->n; i++)
        if (p->share[i].drafts)
            find_pages_of_drafts(&p->share[i]);
}

static void add_rows(struct stoker *s, struct step *p, struct share *e)
{
    struct job *j = e->job;
    e->first = p->batch.n_rows;
    e->logits_index = -1;
    if (e->drafts)
        session_draft(s->session, &p->batch, j->seq, e->drafts);
    for (int i = 0; i < e->rows; i++) {
        size_t at = j->n_done + (size_t)i;
        int last = at + 1 >= j->n_history && !j->score.only;
        if (batch_add(s->session, &p->batch, j->seq, j->history[at], (int)at, last)) {
            e->rows = i;
            e->drafts = e->drafts && i > 0 ? i - 1 : 0;
            return;
        }
        if (last && e->logits_index < 0)
            e->logits_index = p->batch.n_logits - 1;
        if (score_wants(j, at))
            batch_score(s->session, &p->batch);
    }
}

static void prepare_step(struct stoker *s, struct step *p)
{
    p->batch = session_batch(s->session);
    p->took = (struct step_cost){.seconds = 0};
    p->n = 0;
    masks_work(s);
    assign_rows(s, p);
    masks_end(s);
    find_pages(s, p);
    for (int decode = 0; decode <= 1; decode++) {
        for (int i = 0; i < p->n; i++)
            if (p->share[i].rows && (p->share[i].job->state == JOB_DECODE) == decode)
                add_rows(s, p, &p->share[i]);
        if (!decode)
            p->batch.n_prompt = p->batch.n_rows;
    }
    for (int i = 0; i < p->n; i++)
        if (p->share[i].rows && p->share[i].job->capture)
            capture_reserve(p->share[i].job->capture, p->share[i].job->n_done, p->share[i].rows);
}

static size_t rows_of(const struct step *p, const struct job *j)
{
    for (int i = 0; i < p->n; i++)
        if (p->share[i].job == j)
            return (size_t)p->share[i].rows;
    return 0;
}

/* Rows of tables that this step takes, and those of later ones: of the next chunk of each prompt, read while this one computes; of answers
 * that this step leaves out; and what was asked for when shares were larger. What a step asked for and nobody takes is read in vain. */
static void want_rows(const struct stoker *s, const struct step *p)
{
    struct model *m = s->session->model;
    for (int i = 0; i < p->n; i++)
        model_want(m, p->share[i].job->history, p->share[i].job->n_done, (size_t)p->share[i].rows,
                   p->share[i].rows > 1 + p->share[i].drafts ? READ_SWEEP : READ_NOW);
    for (int i = 0; i < s->session->plan.n_parallel; i++) {
        struct job *j = s->active[i];
        size_t rows = j ? rows_of(p, j) : 0, next = j ? j->n_done + rows : 0, end;
        if (!j || (!rows && j->state != JOB_DECODE))
            continue;
        next = next < j->n_history ? next : j->n_history; /* behind it are drafts */
        end = next + (rows ? rows : 1);
        end = end > j->n_wanted ? end : j->n_wanted;
        j->n_wanted = end < j->n_history ? end : j->n_history;
        model_want(m, j->history, next, j->n_wanted - next, READ_AHEAD);
    }
}

/* ---- finishing a step ------------------------------------------------------------------------------------------------------- */

/* Once the rows of the choice are committed. */
static void conclude(struct stoker *s, struct job *j, const struct choice *c)
{
    if (c->outcome != GOES_ON)
        nextn_catch_up(s, j);
    if (c->outcome == FAILS)
        job_fail(s, j, &c->err);
    else if (c->outcome == ENDS)
        job_end(s, j, c->reason);
    else
        model_want(s->session->model, j->history, j->n_history - 1, 1, READ_NOW);
}

static void count_prompt(struct stoker *s, const struct job *j)
{
    pthread_mutex_lock(&s->lock);
    s->counters.prompt_tokens += j->n_prompt;
    s->counters.cached_tokens += j->n_cached;
    s->counters.cache_hits[j->fetched ? STOKER_DISK : STOKER_RAM] += j->n_cached > 0;
    pthread_mutex_unlock(&s->lock);
}

static void send_progress(const struct job *j)
{
    struct stoker_event e = {.kind = STOKER_PROGRESS};
    e.u.progress.done = j->n_done;
    e.u.progress.cached = j->n_cached;
    e.u.progress.total = j->n_prompt;
    job_send(j, &e);
}

/* Until the first mask is there biases may turn out to leave no token, and a caller who was told of progress may have told others. */
static int may_tell_progress(const struct job *j)
{
    return j->wants_progress && j->n_generated == 0 && !(j->pick.forbids && masks_awaited_by(j)) && job_may_send(j);
}

/* 1: the job has failed. */
static int tell_scores(struct stoker *s, struct job *j, int rows)
{
    struct error err = {0};
    struct stoker_event e;
    int n = score_finish(j, j->n_done + (size_t)rows, &e, &err);
    if (n < 0)
        job_fail(s, j, &err);
    if (n <= 0)
        return n < 0;
    pthread_mutex_lock(&s->lock);
    s->counters.scored_tokens += e.u.scores.n;
    pthread_mutex_unlock(&s->lock);
    job_send(j, &e);
    return 0;
}

static void advance(struct stoker *s, struct job *j, int rows)
{
    j->n_done += (size_t)rows;
    cuts_remember(s, j);
    if (j->state == JOB_DECODE)
        return;
    propose_learn(s, j, rows);
    if (may_tell_progress(j))
        send_progress(j);
    if (j->n_done < j->n_history)
        return;
    if (j->n_generated == 0)
        count_prompt(s, j);
    pthread_mutex_lock(&s->lock);
    j->state = JOB_DECODE;
    pthread_mutex_unlock(&s->lock);
}

/* The token of a job's last row, or what came of its drafts. */
static void pick(struct stoker *s, const struct step *p, struct share *e)
{
    struct job *j = e->job;
    if (!e->drafts) {
        verify_choose(s, j, step_logits(s, p, e->logits_index), NULL, &e->choice);
        draft_compare(&j->draft, &s->price, j->history, j->n_history, 0, 0);
    }
    conclude(s, j, &e->choice);
}

/* Its rows left the step. Perhaps only a draft's had to, which nobody chose: the job computes again what it has lost, and drafts nothing
 * any more. It fails where its own row does. */
static void left_step(struct stoker *s, const struct share *e, const struct error *why)
{
    struct job *j = e->job;
    nextn_catch_up(s, j);
    if (atomic_load(&j->cancelled)) {
        job_end(s, j, STOKER_END_CANCELLED);
    } else if (e->drafts) {
        j->draft.is_off = 1;
        job_requeue(s, j, 1);
    } else {
        job_fail(s, j, why);
    }
}

/* Publishes pages, advances jobs and chooses their tokens. Pages are published before the windows move on. */
static void finish_step(struct stoker *s, struct step *p, const struct error *why)
{
    verify_drafts(s, p);
    nextn_learn(s, p);
    verify_price(s, p);
    for (int i = 0; i < p->n; i++) {
        struct share *e = &p->share[i];
        if (e->rows && !p->batch.dead[e->first] && !e->job->no_cache)
            prefix_publish(&s->session->prefix, &e->job->cursor, e->job->seq, e->job->history,
                           (int)e->job->n_done + e->rows);
    }
    session_commit(&p->batch);
    for (int i = 0; i < p->n; i++) {
        struct share *e = &p->share[i];
        if (e->rows == 0)
            continue;
        if (e->job->capture && !p->batch.dead[e->first])
            capture_send(e->job->capture, e->job->history);
        if (!p->batch.dead[e->first]) {
            if (tell_scores(s, e->job, e->rows))
                continue;
            advance(s, e->job, e->rows);
            if (e->logits_index >= 0)
                pick(s, p, e);
            else if (e->job->score.only && e->job->n_done == e->job->n_history)
                job_end(s, e->job, STOKER_END_LENGTH);
        } else
            left_step(s, e, why);
    }
}

static uint64_t joins(const struct stoker *s) { return pool_join_ns(s->session->model->op.pool); }

static void count_step(struct stoker *s, struct step *p, double begin, uint64_t joins_before)
{
    double now = clock_seconds(), seconds = now - begin;
    struct counters *t = &s->counters;
    const struct batch *b = &p->batch;
    uint64_t steered = 0;
    p->took.seconds = seconds;
    for (int i = 0; i < p->n; i++)
        steered += p->share[i].job->steer ? (uint64_t)p->share[i].rows : 0;
    double all = seconds + p->took.drafting + p->took.catching_up, rate = b->n_rows / (all > 1e-9 ? all : 1e-9);
    if (b->n_prompt >= FEWEST_ROWS / 2)
        s->rows_per_second = s->rows_per_second > 0 ? (s->rows_per_second + rate) / 2 : rate;
    pthread_mutex_lock(&s->lock);
    t->steps++;
    t->rows += (uint64_t)b->n_rows;
    t->steered_rows += steered;
    t->step_seconds += seconds;
    t->expert_seconds = s->session->model->expert_seconds;
    t->join_seconds += (double)(joins(s) - joins_before) * 1e-9;
    memcpy(t->calls, s->session->model->calls, sizeof t->calls);
    histogram_add(&t->step_time, seconds);
    if (now - s->energy.seconds >= energy_every)
        energy_sample(&s->energy, now);
    pthread_mutex_unlock(&s->lock);
}

/* A scored row, in a thread of the pool. */
static void on_row(void *arg, int row, const float *logits)
{
    const struct step *p = arg;
    const struct share *e = p->share;
    while (e->rows == 0 || row < e->first || row >= e->first + e->rows)
        e++;
    score_row(e->job, e->job->n_done + (size_t)(row - e->first), logits, p->n_vocab);
}

static void step(struct stoker *s)
{
    struct error row_error = {0};
    struct step p;
    prepare_step(s, &p);
    if (p.batch.n_rows == 0) {
        struct timespec ms = {0, 1000000};
        if (!masks_awaited(s)) /* all jobs wait until their callers read events */
            nanosleep(&ms, NULL);
        return;
    }
    p.n_vocab = s->session->model->p.n_vocab;
    p.batch.row_error = &row_error;
    p.batch.on_row = on_row;
    p.batch.on_row_arg = &p;
    follow_prompts(s, &p);
    double begin = clock_seconds();
    uint64_t joins_before = joins(s);
    want_rows(s, &p);
    verify_count(s, &p, -1);
    model_forward(s->session->model, &p.batch);
    verify_count(s, &p, 1);
    count_step(s, &p, begin, joins_before);
    finish_step(s, &p, &row_error);
}

/* Others may go on from where they ended. */
static void catch_up_cancelled(struct stoker *s)
{
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        if (s->active[i] && atomic_load(&s->active[i]->cancelled))
            nextn_catch_up(s, s->active[i]);
}

void *engine_run(void *engine)
{
    struct stoker *s = engine;
    const struct error closing = {ERR_CANCELLED, "the engine was closed"};
    while (!atomic_load(&s->stop)) {
        admit_all(s);
        catch_up_cancelled(s);
        end_cancelled(s);
        end_written(s);
        engine_report(s);
        double begin = clock_seconds();
        if (any_active(s))
            step(s);
        beside_turn(s, clock_seconds() - begin);
    }
    fail_all(s, &closing);
    beside_end(s, &closing);
    keep_prefixes_if_asked(s);
    prefix_disk_close(s->disk);
    s->disk = NULL;
    session_end_reading(s->session);
    return NULL;
}
