/* The public API: see stoker.h. Options, opening and closing, text, the plan alone. Requests are jobs (requests.c), whose work is done in
 * step/schedule.c; report.c shows it. */
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

enum { DRAFTS = 16 }; /* of a step, where nobody says how many */
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
    const int traced = o->route_trace || o->cache_log, is_auto = o->draft && strcmp(o->draft, "auto") == 0;
    const char *draft = o->draft && !(traced && is_auto) ? o->draft : "off";
    w->n_draft = traced && is_auto ? 0 : o->n_draft;
    to->drafter = is_path(draft) ? draft : NULL;
    w->nextn = strcmp(draft, "auto") == 0 || strcmp(draft, "mtp") == 0;
    w->priced = to->drafter || strcmp(draft, "auto") == 0;
    w->ngrams = w->nextn || to->drafter || strcmp(draft, "ngram") == 0;
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
    if (!w->ngrams && strcmp(draft, "off") != 0)
        return error_set(err, ERR_INPUT, "--draft %.40s: off, ngram, mtp, auto and the path of a model are possible",
                         o->draft);
    if (o->n_draft < 0 || o->n_draft > STOKER_DRAFT_MOST)
        return error_set(err, ERR_INPUT, "--draft-max %d: at most %d tokens are drafted in a step", o->n_draft,
                         STOKER_DRAFT_MOST);
    if (traced && w->n_draft) /* refused rows would be written as rows of the text */
        return error_set(err, ERR_INPUT,
                         "%s and --draft exclude each other: leave one of them out, or give --draft off",
                         o->route_trace ? "--route-trace" : "--cache-log");
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
                         "a model for --draft stands beside a model that generates text, and %s does not: leave it "
                         "out, or give --draft off",
                         path);
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

/* They leave at a layer's end. */
static void cancel_rows(struct session *s)
{
    for (int i = 0; i < s->plan.n_parallel; i++)
        atomic_store(&s->tables.seq[i].cancelled, 1);
}

void stoker_close(struct stoker *s)
{
    if (!s)
        return;
    atomic_store(&s->stop, 1);
    cancel_rows(s->session);
    if (s->drafter)
        cancel_rows(s->drafter->session);
    for (int e = 0; e < PLAN_ENCODERS; e++)
        if (s->encoder[e])
            cancel_rows(s->encoder[e]->session);
    queue_wake(s->submit_wakeup);
    pthread_join(s->thread, NULL);
    capture_close(&s->capture); /* what was sent is written before the jobs are gone */
    for (int i = 0; i < s->n_job; i++)
        engine_free_job(&s->job[i]);
    dispose(s);
}

/* ---- text ------------------------------------------------------------------------------------------------------------------ */

void stoker_free(void *p) { reqmem_free(p); }

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
