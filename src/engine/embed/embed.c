/* Texts that become vectors: the engine thread's loop for requests of a model that pools (submit.c), and steps that pause.
 *
 * A text goes through all layers in one step, for its rows may see each other, and nothing is kept of it. A step takes whole texts, oldest
 * request first, as long as the plan's rows, sequences and pages last. Each text has a sequence of its own, so that its sums do not depend
 * on what is beside it. Definition: embeddings.md 2. */
#include "base/clock.h"
#include "base/coroutine.h"
#include "base/error.h"
#include "engine/admission.h"
#include "engine/embed/stack.h"
#include "model/pooling.h"

#include <stdlib.h>

static const double energy_every = 1.0;    /* seconds */
static const double longest_piece = 0.010; /* seconds of a step until it pauses within a layer, too */

/* ---- a step ----------------------------------------------------------------------------------------------------------------- */

/* A text in a step. */
struct part {
    struct job *job;
    size_t text;
    int row, hidden, n_hidden; /* its first row; of its rows that are needed, the first one's place and how many */
};

struct step {
    struct batch batch;
    struct part part[MAX_PARALLEL]; /* [n], each in the sequence of its number */
    int n;
};

/* The oldest request behind id `after` that is not done. */
static struct job *next_job(struct stoker *s, stoker_id after)
{
    struct job *first = NULL;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->n_job; i++) {
        struct job *j = &s->job[i];
        if ((j->state == JOB_QUEUED || j->state == JOB_PROMPT) && j->id > after && (!first || j->id < first->id))
            first = j;
    }
    pthread_mutex_unlock(&s->lock);
    return first;
}

static int fits(const struct stoker *s, const struct step *p, const struct stoker_tokens *t)
{
    const struct plan *plan = &s->session->plan;
    int n = (int)t->n, pages = (n + KV_PAGE - 1) / KV_PAGE;
    if (p->n == plan->n_parallel || p->batch.n_rows + n > plan->n_chunk)
        return 0;
    for (int k = 0; k < KV_KINDS; k++)
        if (s->session->model->kv[k].n_layer && s->session->model->kv[k].n_free < pages)
            return 0;
    return 1;
}

static void add_text(struct stoker *s, struct step *p, struct job *j, size_t text)
{
    const struct stoker_tokens *t = &j->embed->of.text[text];
    struct part *part = &p->part[p->n];
    struct sequence *seq = &s->session->tables.seq[p->n++];
    int first, end;
    pooled_rows(&s->session->model->p, (int)t->n, &first, &end);
    *part = (struct part){j, text, p->batch.n_rows, p->batch.n_logits, end - first};
    for (int i = 0; i < (int)t->n; i++)
        batch_add(s->session, &p->batch, seq, t->id[i], i, i >= first && i < end);
}

/* Vectors that a job may have until its caller takes more events: as many as its queue has room for, two less, and its places, one less,
 * for the vector whose event was taken last is still its caller's. */
static size_t vectors_left(const struct job *j)
{
    const struct stoker_embed *of = &j->embed->of;
    size_t free = queue_free(j->events), waiting = EVENTS - free;
    size_t places = of->n_place && of->n_place < of->n_text ? of->n_place - 1 : EVENTS;
    free = free > 2 ? free - 2 : 0;
    places = places > waiting ? places - waiting : 0;
    return free < places ? free : places;
}

/* As many texts of a job as the step and its caller take. 0: no more of the jobs behind it. */
static int add_texts(struct stoker *s, struct step *p, struct job *j)
{
    struct embed_job *e = j->embed;
    size_t text = e->n_done, end = text + vectors_left(j);
    int first = p->n;
    while (text < e->of.n_text && text < end && fits(s, p, &e->of.text[text]))
        add_text(s, p, j, text++);
    if (p->n > first && j->started == 0)
        j->started = clock_seconds();
    pthread_mutex_lock(&s->lock);
    e->first_seq = first;
    e->n_seq = p->n - first;
    j->state = p->n > first ? JOB_PROMPT : j->state;
    for (int i = first; atomic_load(&j->cancelled) && i < p->n; i++)
        atomic_store(&s->session->tables.seq[i].cancelled, 1);
    pthread_mutex_unlock(&s->lock);
    return text == e->of.n_text || text == end;
}

static void prepare(struct stoker *s, struct step *p)
{
    p->n = 0;
    p->batch = session_batch(s->session);
    int more = 1;
    struct job *j;
    for (stoker_id last = 0; more && (j = next_job(s, last));) {
        last = j->id; /* whose end may be taken, and its memory with it, before we look for the next */
        if (atomic_load(&j->cancelled))
            job_end(s, j, STOKER_END_CANCELLED);
        else
            more = add_texts(s, p, j);
    }
    p->batch.n_prompt = p->batch.n_rows;
}

/* The vector of a text goes to the caller, and its event. */
static void tell(struct stoker *s, const struct step *p, const struct part *part)
{
    struct model *m = s->session->model;
    struct embed_job *e = part->job->embed;
    struct stoker_event ev = {.kind = STOKER_VECTOR};
    size_t width = (size_t)pooled_width(m), rows = m->p.pooling == POOLING_NONE ? (size_t)part->n_hidden : 1;
    const float *hidden = p->batch.hidden + (size_t)part->hidden * (size_t)m->p.n_embd;
    ev.u.vector.text = part->text;
    if (e->of.n_place)
        e->at = e->of.out + part->text % e->of.n_place * e->of.place;
    ev.u.vector.is_no_number = pool_text(m, hidden, part->n_hidden, e->at) != 0;
    e->at += rows * width;
    e->n_done++;
    job_send(part->job, &ev);
}

static void count_prompt(struct stoker *s, const struct job *j)
{
    pthread_mutex_lock(&s->lock);
    s->counters.prompt_tokens += j->n_prompt;
    pthread_mutex_unlock(&s->lock);
}

static void count_text(struct stoker *s, const struct part *part)
{
    pthread_mutex_lock(&s->lock);
    s->counters.texts++;
    s->counters.text_tokens += part->job->embed->of.text[part->text].n;
    pthread_mutex_unlock(&s->lock);
}

/* The texts [first, end) of one job. */
static void finish_job(struct stoker *s, const struct step *p, int first, int end, const struct error *why)
{
    struct job *j = p->part[first].job;
    int left = 0;
    pthread_mutex_lock(&s->lock);
    j->embed->n_seq = 0;
    pthread_mutex_unlock(&s->lock);
    for (int i = first; i < end; i++) {
        left = p->batch.dead[p->part[i].row];
        if (left)
            break;
        count_text(s, &p->part[i]); /* the caller may take the text's memory back when it is told */
        tell(s, p, &p->part[i]);
    }
    if (left && atomic_load(&j->cancelled)) {
        job_end(s, j, STOKER_END_CANCELLED);
    } else if (left) {
        job_fail(s, j, why);
    } else if (j->embed->n_done == j->embed->of.n_text) {
        count_prompt(s, j);
        job_end(s, j, STOKER_END_TEXT);
    }
}

static void count_step(struct stoker *s, const struct step *p, double seconds)
{
    struct counters *t = &s->counters;
    double now = clock_seconds();
    pthread_mutex_lock(&s->lock);
    t->steps++;
    t->rows += (uint64_t)p->batch.n_rows;
    t->step_seconds += seconds;
    t->expert_seconds = s->session->model->expert_seconds; /* of a step that paused among experts with that pause */
    histogram_add(&t->step_time, seconds);
    if (now - s->energy.seconds >= energy_every)
        energy_sample(&s->energy, now);
    pthread_mutex_unlock(&s->lock);
}

/* Behind the forward pass, which took so long. */
static void finish_step(struct stoker *s, const struct step *p, double seconds)
{
    const struct error *row_error = p->batch.row_error;
    int n = p->n;
    count_step(s, p, seconds);
    for (int first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && p->part[end].job == p->part[first].job; end++)
            ;
        finish_job(s, p, first, end, row_error);
    }
    for (int i = 0; i < n; i++)
        seq_clear(&s->session->tables.seq[i]);
}

static void step(struct stoker *s, struct step *p)
{
    struct error row_error = {0};
    double begin = clock_seconds();
    p->batch.row_error = &row_error;
    model_forward(s->session->model, &p->batch);
    finish_step(s, p, clock_seconds() - begin);
}

/* The engine's own model; seconds it took. */
static double turn(struct stoker *s)
{
    struct step p;
    int ring;
    double begin = clock_seconds();
    prepare(s, &p);
    if (p.n)
        step(s, &p);
    else if (next_job(s, 0)) /* its caller reads no events */
        queue_pop(s->submit_wakeup, &ring, 1);
    else if (!beside_has_work(s))
        queue_pop(s->submit_wakeup, &ring, session_read_idle(s->session) | beside_read_idle(s) ? 2 : 100);
    return clock_seconds() - begin;
}

void *embed_run(void *engine)
{
    struct stoker *s = engine;
    const struct error closing = {ERR_CANCELLED, "the engine was closed"};
    while (!atomic_load(&s->stop)) {
        engine_report(s);
        beside_turn(s, turn(s));
    }
    fail_all(s, &closing);
    beside_end(s, &closing);
    session_end_reading(s->session);
    return NULL;
}

/* ---- without a thread: steps that pause ------------------------------------------------------------------------------------- */

/* A step on a stack of its own. */
struct encoding {
    struct stoker *s, *main;
    struct step step;
    struct error row_error;
    struct coroutine *stack;
    int is_paused, is_within;    /* it has paused; its piece began within a layer */
    double turn, piece, seconds; /* when its turn and its piece began; of the step, without its pauses */
    double took;                 /* the last piece, seconds */
};

int encoding_open(struct stoker *s, struct stoker *main, struct error *err)
{
    s->encoding = calloc(1, sizeof *s->encoding);
    if (!s->encoding)
        return error_set(err, ERR_MEMORY, "no memory for the steps of an encoder");
    s->encoding->s = s;
    s->encoding->main = main;
    return coroutine_create(&s->encoding->stack, err);
}

void encoding_close(struct encoding *e)
{
    if (e)
        coroutine_destroy(e->stack);
    free(e);
}

size_t encoding_stack_used(const struct stoker *s) { return coroutine_stack_used(s->encoding->stack); }

int encoding_has_work(struct stoker *s) { return s->encoding->is_paused || next_job(s, 0); }

/* The end of a piece: it pauses if somebody may be waiting for a token. */
static void end_piece(struct encoding *e, double now, int is_within)
{
    e->took = now - e->piece;
    if (!atomic_load(&e->main->stop) && engine_has_work(e->main)) {
        coroutine_pause(e->stack);
        now = clock_seconds();
    }
    e->piece = now;
    e->is_within = is_within;
}

/* What was left of a layer is no piece of its own unless it is long. */
static void on_layer(void *encoding)
{
    struct encoding *e = encoding;
    double now = clock_seconds();
    if (!e->is_within || now - e->piece >= longest_piece)
        end_piece(e, now, 0);
}

static void on_part(void *encoding)
{
    struct encoding *e = encoding;
    double now = clock_seconds();
    if (now - e->piece >= longest_piece)
        end_piece(e, now, 1);
}

/* Pooling multiplies too, but not on this stack. */
static void forward(void *encoding)
{
    struct encoding *e = encoding;
    struct model *m = e->s->session->model;
    m->op.pause = on_part;
    m->op.pause_arg = e;
    model_forward(m, &e->step.batch);
    m->op.pause = NULL;
}

static void begin_step(struct encoding *e)
{
    e->row_error = (struct error){0};
    e->step.batch.row_error = &e->row_error;
    e->step.batch.on_layer = on_layer;
    e->step.batch.on_layer_arg = e;
    e->seconds = 0;
    e->is_within = 0;
}

void encoding_end(struct stoker *s)
{
    while (s->encoding && s->encoding->is_paused)
        encoding_turn(s);
}

double encoding_turn(struct stoker *s)
{
    struct encoding *e = s->encoding;
    if (!e->is_paused) {
        engine_report(s);
        prepare(s, &e->step);
        if (e->step.n == 0)
            return 0;
        begin_step(e);
    }
    e->turn = e->piece = clock_seconds();
    e->is_paused = !(e->is_paused ? coroutine_resume(e->stack) : coroutine_begin(e->stack, forward, e));
    double now = clock_seconds();
    e->seconds += now - e->turn;
    e->took = e->is_paused ? e->took : now - e->piece;
    if (!e->is_paused)
        finish_step(s, &e->step, e->seconds);
    return e->took > 0 ? e->took : 1e-9;
}
