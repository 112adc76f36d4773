/* The public API: see stoker.h. Opening, the table of jobs, events, text. The work is done in step/schedule.c; report.c shows it. */
#include "engine/engine.h"
#include "engine/constraint_cache.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/reqmem.h"
#include "base/thread.h"
#include "engine/public_error.h"
#include "engine/rates.h"
#include "model/pooling.h"
#include "text/tools/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAFTS = 8 }; /* of a step, where nobody says how many */
static const uint64_t CACHE_DISK = (uint64_t)8 << 30;

#ifndef STOKER_VERSION
#define STOKER_VERSION "0.1.0"
#endif

const char *stoker_version(void) { return STOKER_VERSION; }

/* ---- options --------------------------------------------------------------------------------------------------------------- */

/* -1: there is none of this name. */
static int kv_type_by_name(const char *name)
{
    for (int t = 0; t < KV_TYPES; t++)
        if (strcmp(name, kv_type_name((enum kv_type)t)) == 0)
            return t;
    return -1;
}

static int read_pooling(struct session_options *to, const char *name, struct error *err)
{
    int pooling = name ? pooling_by_name(name) : POOLING_OFF;
    if (pooling < 0)
        return error_set(err, ERR_INPUT, "--pooling %.40s: none, mean, cls, last and rank are possible", name);
    to->pooling = (enum pooling)pooling;
    return 0;
}

static int read_names(struct session_options *to, const struct stoker_options *o, struct error *err)
{
    static const char *const readers[] = {
        [READER_AUTO] = "auto", [READER_URING] = "uring", [READER_THREADS] = "threads", [READER_BUFFERED] = "buffered"};
    if (o->kv) {
        int t = kv_type_by_name(o->kv);
        if (t < 0)
            return error_set(err, ERR_INPUT, "--kv %.40s: f16, f32 and q8_0 are possible", o->kv);
        to->plan_request.kv = (enum kv_type)t;
    }
    to->tier = cpu_best_tier();
    if (o->cpu_tier) {
        int t = cpu_tier_by_name(o->cpu_tier);
        if (t < 0)
            return error_set(err, ERR_INPUT, "--cpu-tier %.40s: %s are possible", o->cpu_tier, cpu_tier_list());
        to->tier = (enum cpu_tier)t < to->tier ? (enum cpu_tier)t : to->tier;
    }
    if (!o->reader)
        return 0;
    for (int i = READER_URING; i <= READER_BUFFERED; i++)
        if (strcmp(o->reader, readers[i]) == 0) {
            to->plan_request.reader.backend = (enum reader_backend)i;
            return 0;
        }
    return error_set(err, ERR_INPUT, "--reader %.40s: uring, threads and buffered are possible", o->reader);
}

/* A path is told from a word by its form. */
static int is_path(const char *text)
{
    size_t n = strlen(text);
    return strchr(text, '/') != NULL || (n > 5 && strcmp(text + n - 5, ".gguf") == 0);
}

static int read_options(struct session_options *to, const struct stoker_options *o, struct error *err)
{
    static const struct stoker_options none;
    o = o ? o : &none;
    *to = (struct session_options){.chat_template = o->chat_template,
                                   .tool_format = o->tool_format,
                                   .progress = o->progress,
                                   .progress_arg = o->progress_arg,
                                   .route_trace = o->route_trace,
                                   .cache_log = o->cache_log,
                                   .spin_ms = o->spin_ms,
                                   .use = (enum session_use)o->use};
    struct plan_request *w = &to->plan_request;
    w->how = o->memory == 0                   ? PLAN_FROM_MACHINE
             : o->memory == STOKER_MEMORY_MIN ? PLAN_MINIMUM
             : o->memory == STOKER_MEMORY_MAX ? PLAN_WHOLE
                                              : PLAN_BYTES;
    w->memory = o->memory;
    w->n_ctx = o->n_ctx;
    w->defaults = (struct plan_defaults){o->defaults.n_ctx,       o->defaults.n_parallel,     o->defaults.n_snapshots,
                                         o->defaults.cache_ram,   o->defaults.capture_memory, o->defaults.capture_least,
                                         o->defaults.capture_rows};
    w->rates = (struct speed_rates){o->rates.drive, o->rates.memory, o->rates.product, o->rates.unpack_rows,
                                    o->rates.dot,   o->rates.vector, o->rates.attend,  o->rates.state};
    w->n_parallel = o->n_parallel;
    w->n_chunk = o->n_chunk;
    w->n_snapshots = o->n_snapshots;
    w->n_threads = o->n_threads;
    w->n_draft = o->n_draft;
    to->drafter = o->draft && is_path(o->draft) ? o->draft : NULL;
    w->nextn = o->draft && (strcmp(o->draft, "auto") == 0 || strcmp(o->draft, "mtp") == 0);
    w->priced = to->drafter || (o->draft && strcmp(o->draft, "auto") == 0);
    w->ngrams = w->nextn || to->drafter || (o->draft && strcmp(o->draft, "ngram") == 0);
    w->nextn = w->nextn && !o->importance; /* what is collected is the text's */
    if (w->ngrams && !w->n_draft)
        w->n_draft = DRAFTS;
    w->exact = o->exact;
    w->lock = o->lock;
    w->n_slots = o->n_slots;
    memcpy(w->slots, o->slots, sizeof w->slots);
    w->n_pages = o->n_pages;
    w->cache_ram = o->cache_ram;
    w->server = o->server;
    w->steer = o->steer_memory;
    w->capture = o->capture_memory;
    w->library = o->library;
    w->importance = o->importance;
    w->cache_dir = o->cache_dir != NULL;
    w->n_queue = o->n_queue;
    w->reader.mirror = o->mirror;
    w->reader.depth = o->reader_depth;
    w->reader.timeout_seconds = o->read_timeout;
    if (w->n_ctx < 0 || w->n_parallel < 0 || w->n_chunk < 0 || w->n_threads < 0 || w->n_parallel > MAX_PARALLEL ||
        w->defaults.n_parallel > MAX_PARALLEL || w->n_threads > POOL_MAX_THREADS || w->n_chunk > 1 << 16)
        return error_set(err, ERR_INPUT,
                         "--ctx %d, --parallel %d, --chunk %d, --threads %d: at most %d sequences, %d rows and %d "
                         "threads, and nothing negative",
                         w->n_ctx, w->n_parallel, w->n_chunk, w->n_threads, MAX_PARALLEL, 1 << 16, POOL_MAX_THREADS);
    if (o->draft && !w->ngrams && strcmp(o->draft, "off") != 0)
        return error_set(err, ERR_INPUT, "--draft %.40s: off, ngram, mtp, auto and the path of a model are possible",
                         o->draft);
    if (o->n_draft < 0 || o->n_draft > STOKER_DRAFT_MOST)
        return error_set(err, ERR_INPUT, "--draft-max %d: at most %d tokens are drafted in a step", o->n_draft,
                         STOKER_DRAFT_MOST);
    if (o->route_trace && w->n_draft) /* refused rows would be written as rows of the text */
        return error_set(err, ERR_INPUT, "--route-trace and --draft exclude each other: leave one of them out");
    if (o->n_queue < 0 || o->n_queue > MAX_QUEUE || o->n_pages < 0)
        return error_set(err, ERR_INPUT, "--queue %d, %d pages: at most %d requests wait, and nothing is negative",
                         o->n_queue, o->n_pages, MAX_QUEUE);
    if (o->reader_depth < 0 || o->reader_depth > READER_MAX_DEPTH || !(o->read_timeout >= 0 && o->read_timeout <= 1e6))
        return error_set(err, ERR_INPUT, "--reader-depth %d, --read-timeout %g: up to %d pieces and 1000000 seconds",
                         o->reader_depth, o->read_timeout, READER_MAX_DEPTH);
    if (!(o->spin_ms >= 0 && o->spin_ms <= POOL_SPIN_MOST_MS))
        return error_set(err, ERR_INPUT, "--spin %g: up to %d milliseconds", o->spin_ms, POOL_SPIN_MOST_MS);
    if (o->tool_format && !tool_format_find(o->tool_format, err))
        return -1;
    return read_pooling(to, o->pooling, err) || read_names(to, o, err) ? -1 : 0;
}

/* ---- open and close -------------------------------------------------------------------------------------------------------- */

static int open_disk(struct stoker *s, const struct stoker_options *o, struct error *err)
{
    if (!o || !o->cache_dir)
        return 0;
    return prefix_disk_open(&s->disk, &s->session->prefix,
                            &(struct prefix_disk_options){.path = o->cache_dir,
                                                          .most = o->cache_disk ? o->cache_disk : CACHE_DISK,
                                                          .max_page = s->session->plan.max_page,
                                                          .writes = !o->cache_on_request},
                            err);
}

static int open_queue(struct stoker *s, struct error *err)
{
    s->n_job = s->n_queue + 2 * s->session->plan.n_parallel;
    s->job = calloc((size_t)s->n_job, sizeof *s->job);
    s->submit_wakeup = queue_create(1, sizeof(int));
    s->constraints = constraint_cache_create(&(struct constraint_cache_options){
        .memory = s->session->plan.constraints, .budget = &s->session->constraint_budget, .most_waiting = s->n_queue});
    if (!s->job || !s->submit_wakeup || !s->constraints)
        return error_set(err, ERR_MEMORY, "no memory for the engine's queue");
    return capture_open(&s->capture, s->session->plan.capture, s->session->model->op.k, s->submit_wakeup, err);
}

static int start(struct stoker *s, struct error *err)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 2 * POOL_STACK);
    int failed = thread_create(&s->thread, &attr, s->session->model->p.pooling ? embed_run : engine_run, s);
    pthread_attr_destroy(&attr);
    return failed ? error_set(err, ERR_MEMORY, "starting the engine's thread failed") : 0;
}

/* Beside a model that makes vectors there may be one that judges pairs, and the other way round. */
static int check_beside(const struct session *s, const struct stoker_options *o, int has_drafter, struct error *err)
{
    const char *path = s->file->file->path;
    enum pooling own = s->model->p.pooling;
    int is_rank = own == POOLING_RANK;
    if (own && has_drafter)
        return error_set(err, ERR_INPUT,
                         "a model for --draft stands beside a model that generates text, and %s does not", path);
    if (own && (is_rank ? o->rerank : o->embed))
        return error_set(err, ERR_INPUT, "%s gives %s itself: leave %s out", path, is_rank ? "scores" : "vectors",
                         is_rank ? "--rerank" : "--embed");
    return 0;
}

/* The headers of a model, and of those beside it, whose plan is part of its own. */
static int prepare(struct session **out, struct session **beside, const char *path, const struct stoker_options *opt,
                   struct session_options *o, int keep, struct error *err)
{
    int failed = beside_prepare(beside, opt, o, err) ? -1 : session_prepare(out, path, o, keep, err);
    if (!failed && o->drafter && !(*out)->model->p.pooling)
        failed = drafter_check(*out, beside[PLAN_DRAFT - PLAN_EMBED], err);
    return failed || (opt && check_beside(*out, opt, o->drafter != NULL, err)) ? -1 : 0;
}

void engine_name_templates(struct stoker *s)
{
    const struct session *of = s->session;
    s->templates.file = of->file;
    s->templates.tokenizer = of->tokenizer;
    s->templates.tokenizer_error = of->model->p.pooling ? of->no_text : of->tokenizer_error;
    s->templates.chat = of->chat;
}

static void dispose(struct stoker *s)
{
    beside_close(s);
    prefix_disk_close(s->disk);
    capture_close(&s->capture);
    queue_destroy(s->submit_wakeup);
    free(s->job);
    constraint_cache_destroy(s->constraints);
    session_close(s->session);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->steer.reading);
    free(s);
}

/* 0, always. */
static int show_plan(const struct stoker *s, const struct stoker_options *opt, const struct session_options *o)
{
    struct stoker_plan p;
    if (!opt || !opt->planned)
        return 0;
    engine_report_plan(s->session, s->session->kv, o->tier, &p);
    opt->planned(opt->planned_arg, &p);
    return 0;
}

int stoker_open(struct stoker **out, const char *path, const struct stoker_options *opt, struct stoker_error *public)
{
    struct error err = {0};
    struct session_options o;
    struct session *beside[PLAN_FURTHER] = {0};
    struct stoker *s = calloc(1, sizeof *s);
    if (!s) {
        error_set(&err, ERR_MEMORY, "no memory for an engine");
        return error_to_public(public, &err);
    }
    pthread_mutex_init(&s->lock, NULL);
    energy_open(&s->energy, opt && opt->root ? opt->root : "", clock_seconds());
    pthread_mutex_init(&s->steer.reading, NULL);
    s->steer.most = opt ? opt->steer_memory : 0;
    atomic_init(&s->steer.left, s->steer.most);
    atomic_init(&s->steer.lists_left, STEER_LISTS);
    s->n_queue = opt && opt->n_queue ? opt->n_queue : QUEUE;
    price_init(&s->price);
    int failed = read_options(&o, opt, &err) || prepare(&s->session, beside, path, opt, &o, 0, &err) ||
                 show_plan(s, opt, &o) || session_load(s->session, &o, &err) || open_disk(s, opt, &err) ||
                 open_queue(s, &err) || beside_open(s, beside, &o, &err) || start(s, &err);
    for (int i = 0; i < PLAN_FURTHER; i++)
        session_close(beside[i]);
    if (failed) {
        dispose(s);
        return error_to_public(public, &err);
    }
    s->advised = sampling_defaults();
    sampling_read(&s->advised, s->session->file);
    engine_name_templates(s);
    *out = s;
    return 0;
}

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

void stoker_close(struct stoker *s)
{
    if (!s)
        return;
    atomic_store(&s->stop, 1);
    for (int i = 0; i < s->session->plan.n_parallel; i++)
        atomic_store(&s->session->tables.seq[i].cancelled, 1);
    for (int e = 0; e < PLAN_ENCODERS; e++)
        for (int i = 0; s->encoder[e] && i < s->encoder[e]->session->plan.n_parallel; i++)
            atomic_store(&s->encoder[e]->session->tables.seq[i].cancelled, 1);
    queue_wake(s->submit_wakeup);
    pthread_join(s->thread, NULL);
    capture_close(&s->capture); /* what was sent is written before the jobs are gone */
    for (int i = 0; i < s->n_job; i++)
        engine_free_job(&s->job[i]);
    dispose(s);
}

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

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

void stoker_cancel(struct stoker *s, stoker_id id)
{
    pthread_mutex_lock(&s->lock);
    struct job *j = job_of(s, id);
    if (j && j->state < JOB_DONE) {
        atomic_store(&j->cancelled, 1);
        if (j->seq)
            atomic_store(&j->seq->cancelled, 1);
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

void stoker_free(void *p) { reqmem_free(p); }

/* ---- text ------------------------------------------------------------------------------------------------------------------ */

int stoker_n_vocab(const struct stoker *s) { return s->session->model->p.n_vocab; }

static int give_tokens(struct token_list *l, int failed, stoker_token **out, size_t *n, const struct error *err,
                       struct stoker_error *public)
{
    if (failed) {
        token_list_free(l);
        return error_to_public(public, err);
    }
    *out = l->id;
    *n = l->n;
    return 0;
}

int stoker_tokenize(const struct stoker *s, const char *text, size_t length, int add_special, int parse_special,
                    stoker_token **out, size_t *n, struct stoker_error *err)
{
    struct error e = s->session->tokenizer_error;
    struct token_list l = {0};
    int failed = !s->session->tokenizer ||
                 tokenizer_encode(s->session->tokenizer, text, length, add_special, parse_special, &l, &e);
    return give_tokens(&l, failed, out, n, &e, err);
}

struct stoker_text {
    struct detok detok;
    char text[];
};

struct stoker_text *stoker_text_open(const struct stoker *s)
{
    const struct tokenizer *t = s->session->tokenizer;
    struct stoker_text *x = t ? malloc(sizeof *x + detok_most(t)) : NULL;
    if (x)
        detok_begin(&x->detok, t, 0, 1);
    return x;
}

size_t stoker_text_next(struct stoker_text *t, stoker_token id, const char **text)
{
    *text = t->text;
    return detok_next(&t->detok, id, t->text);
}

size_t stoker_text_end(struct stoker_text *t, const char **text)
{
    *text = t->text;
    return detok_end(&t->detok, t->text);
}

void stoker_text_close(struct stoker_text *t) { free(t); }

/* ---- the plan alone --------------------------------------------------------------------------------------------------------- */

static int plan_alone(struct stoker_plan *out, const char *path, const struct stoker_options *opt, int header_only,
                      struct stoker_error *public)
{
    struct error err = {0};
    struct session_options o;
    struct session *s = NULL, *beside[PLAN_FURTHER] = {0};
    *out = (struct stoker_plan){0};
    int result = read_options(&o, opt, &err);
    o.header_only = header_only;
    if (result == 0)
        result = prepare(&s, beside, path, opt, &o, 1, &err);
    if (s)
        engine_report_plan(s, s->kv, o.tier, out);
    session_close(s);
    for (int i = 0; i < PLAN_FURTHER; i++)
        session_close(beside[i]);
    return result ? error_to_public(public, &err) : 0;
}

int stoker_plan(struct stoker_plan *out, const char *path, const struct stoker_options *opt, struct stoker_error *err)
{
    return plan_alone(out, path, opt, 0, err);
}

int stoker_plan_header(struct stoker_plan *out, const char *path, const struct stoker_options *opt,
                       struct stoker_error *err)
{
    return plan_alone(out, path, opt, 1, err);
}

int stoker_measure(struct stoker_rates *out, const char *path, const struct stoker_options *opt,
                   struct stoker_error *public)
{
    struct error err = {0};
    struct session_options o;
    struct session *s = NULL;
    struct speed_rates r;
    *out = (struct stoker_rates){0};
    int result = read_options(&o, opt, &err) || (session_prepare(&s, path, &o, 1, &err) && !s) ||
                 rates_measure(&r, s->model, o.plan_request.kv, o.tier, s->plan.n_threads, &err);
    session_close(s);
    if (result)
        return error_to_public(public, &err);
    *out = (struct stoker_rates){r.drive, r.memory, r.product, r.unpack_rows, r.dot, r.vector, r.attend, r.state};
    return 0;
}

int stoker_roofs(struct stoker_roofs *out, const char *path, const struct stoker_options *opt,
                 struct stoker_error *public)
{
    struct error err = {0};
    struct session_options o;
    struct session *s = NULL;
    *out = (struct stoker_roofs){0};
    int result = read_options(&o, opt, &err) || (session_prepare(&s, path, &o, 1, &err) && !s) ||
                 rates_roofs(out, s->model, o.plan_request.kv, o.tier, s->plan.n_threads, &err);
    session_close(s);
    return result ? error_to_public(public, &err) : 0;
}
