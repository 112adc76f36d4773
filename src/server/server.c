/* The life of a server: socket, model, connections, end (server.h).
 *
 *     caller's thread   accepts; after server_stop() drains: waits for handlers, cuts them when --drain is over, closes connections
 *     opener            stoker_open(), while the socket already answers 503; none without a model
 *     connections       http_accept(), a thread each, detached; server_run() returns when the last has ended, or will not end
 *
 * All three hold the server, and the last one closes it: a model that is still loading, or a handler that does not end, does not keep
 * server_run() from returning.
 *
 * Memory: what requests take is counted by base/reqmem.h, the stacks and buffers of --max-conns connections by server_bytes(): the plan
 * of the engine holds both. */
#include "server/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "mcp/mcp.h"
#include "server/dialect/dialect.h"
#include "server/http/app.h"
#include "server/http/refusal.h"
#include "server/listen.h"
#include "server/routes.h"
#include "server/searching.h"
#include "toolbox/mcp_service.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLOSE_SECONDS = 10 };

/* A server, and what it holds alone. */
struct running {
    struct server server;
    struct http_app http;
    struct route without_model[ROUTES_MOST];
    struct server_model engine; /* what s->engine is opened from */
    struct searching searching;
    struct server_stopper *stopper;
    int wake; /* an eventfd: the opener has ended */
    pthread_t opener;
    struct stoker_error error; /* why the model cannot be opened */
    atomic_int opened;         /* 1: open, -1: error */
    atomic_int holders;        /* server_run(), the opener, the connections together */
};

/* ---- stopping -------------------------------------------------------------------------------------------------------------- */

static void signal_event(int event)
{
    uint64_t one = 1;
    if (write(event, &one, sizeof one) < 0)
        return; /* full: rung enough */
}

static int open_event(int *event, struct stoker_error *err)
{
    *event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *event < 0 ? server_fail(err, STOKER_ERR_IO, "no eventfd: %s", strerror(errno)) : 0;
}

int server_stopper_open(struct server_stopper *p, struct stoker_error *err)
{
    atomic_init(&p->calls, 0);
    return open_event(&p->event, err);
}

void server_stopper_close(struct server_stopper *p) { close(p->event); }

void server_stop(struct server_stopper *p)
{
    atomic_fetch_add(&p->calls, 1);
    signal_event(p->event);
}

void server_defaults(struct server_options *o)
{
    *o = (struct server_options){.host = "127.0.0.1",
                                 .port = 8080,
                                 .max_conns = 512,
                                 .queue = 128,
                                 .max_body = 32 << 20,
                                 .header_timeout = 10,
                                 .body_timeout = 60,
                                 .drain = 30,
                                 .capture_disk = 1 << 30};
    o->engine.defaults = (struct stoker_defaults){.n_ctx = 32768,
                                                  .n_parallel = 4,
                                                  .n_snapshots = 4,
                                                  .cache_ram = 512 << 20,
                                                  .capture_memory = SERVER_CAPTURE_MEMORY};
    o->engine.cache_disk = UINT64_C(8) << 30;
    o->engine.draft = "auto";
}

/* ---- memory of requests ---------------------------------------------------------------------------------------------------- */

/* A large request is read as JSON beside its body, whose longest string jansson holds in a buffer that doubles: four times its size. What
 * is made of it then takes less, or is refused. Long answers are asked for with few bytes: whatever --max-body, there is memory for one. */
static size_t large_bytes(const struct server_options *o)
{
    const size_t least = (size_t)32 << 20, large = 4 * (size_t)(o->max_body + 1);
    return large > least ? large : least;
}

/* Small requests, beside it, and the first step of every body. */
static size_t kept_bytes(const struct server_options *o)
{
    return ((size_t)16 << 20) + (size_t)o->max_conns * HTTP_BODY_FIRST;
}

uint64_t server_bytes(const struct server_options *o)
{
    return large_bytes(o) + kept_bytes(o) + (uint64_t)o->max_conns * http_connection_bytes();
}

/* ---- what the HTTP front asks ---------------------------------------------------------------------------------------------- */

static int ready(struct server *s, int early, struct refusal *r)
{
    int state = atomic_load(&s->state);
    if (state == SERVER_READY || early)
        return 0;
    if (state == SERVER_LOADING)
        refuse(r, 503, "loading", NULL, "the model is loading");
    else
        refuse_draining(r);
    r->retry_after = 1;
    return -1;
}

static void error_of_path(struct out *o, const char *path, const struct refusal *r, const char *request_id)
{
    write_error(o, dialect_of(path), r, request_id);
}

/* ---- the end --------------------------------------------------------------------------------------------------------------- */

/* What it holds of passages is of what requests may take, and so is the rest of it. */
static void close_tools(struct server *s)
{
    struct reqmem_account last = {.of = &s->memory};
    reqmem_enter(&last, 0);
    mcp_service_close(s->tools);
    reqmem_leave();
}

/* Whoever lets go of the server last closes it. */
static void release(struct running *r)
{
    if (atomic_fetch_sub(&r->holders, 1) > 1)
        return;
    spool_close(&r->server.spool);
    vectors_close(&r->server.vectors);
    close_tools(&r->server);
    mcp_close(r->server.opt.mcp);
    searching_close(&r->server, &r->searching);
    if (r->server.engine) {
        struct reqmem_account last = {.of = &r->server.memory}; /* of what requests left with the engine */
        reqmem_enter(&last, 0);
        stoker_close(r->server.engine);
        reqmem_leave();
    }
    assert(reqmem_taken(&r->server.memory) == 0);
    http_app_free(&r->http);
    free(r->http.key);
    if (r->wake >= 0)
        close(r->wake);
    free(r);
}

/* ---- opening --------------------------------------------------------------------------------------------------------------- */

/* "Ember 1M Chat" -> "ember-1m-chat"; without a name the file's stem. id and file [SERVER_MODEL_ID]. */
static void name_model(const char *path, const struct stoker_about *about, char *id, char *file, char fingerprint[64])
{
    const char *slash = strrchr(path, '/');
    snprintf(file, SERVER_MODEL_ID, "%s", slash ? slash + 1 : path);
    snprintf(id, SERVER_MODEL_ID, "%s", *about->name ? about->name : file);
    char *dot = *about->name ? NULL : strrchr(id, '.');
    if (dot && dot > id)
        *dot = 0;
    for (char *c = id; *about->name && *c; c++)
        *c = *c == ' ' ? '-' : *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
    snprintf(fingerprint, 64, "stoker-%s-%08x", stoker_version(), (unsigned)about->hash);
}

static int name_models(struct server *s, struct stoker_error *err)
{
    const char *const path[STOKER_ROLES] = {
        [STOKER_EMBED] = s->opt.engine.embed, [STOKER_RERANK] = s->opt.engine.rerank};
    if (stoker_about(&s->about, s->opt.model, err))
        return -1;
    name_model(s->opt.model, &s->about, s->model_id, s->model_file, s->fingerprint);
    for (int i = 0; i < STOKER_ROLES; i++) {
        struct server_encoder *e = &s->encoder[i];
        if (path[i] && stoker_about(&e->about, path[i], err))
            return -1;
        if (path[i])
            name_model(path[i], &e->about, e->id, e->file, e->fingerprint);
    }
    return 0;
}

/* The vectors of the command line and their list: of those of equal content the first. */
static int open_vectors(struct server *s, struct stoker_error *err)
{
    struct server_vectors all = {.n = 0};
    struct named_vector v;
    struct refusal r = {0};
    if (s->opt.open_vectors && s->opt.open_vectors(s->opt.open_vectors_arg, s->engine, &all, err))
        return -1;
    for (size_t i = 0; i < all.n_list; i++) /* until it is on the list */
        stoker_vector_hold(all.list[i].vector);
    for (size_t i = 0; i < all.n; i++)
        if (vectors_add(&s->vectors, all.vector[i], NULL, &v, &r) == 0)
            stoker_vector_close(v.vector);
    for (size_t i = 0; i < all.n_list; i++) {
        struct stoker_steer how = all.list[i];
        if (how.kind == STOKER_STEER_EXPERTS) { /* in no table: its opener gives it to the list */
            vectors_list_add(&s->vectors, &how, "experts", &r);
            stoker_vector_close(how.vector);
            stoker_vector_close(how.vector);
            continue;
        }
        if (vectors_add(&s->vectors, how.vector, NULL, &v, &r))
            continue;
        how.vector = v.vector;
        vectors_list_add(&s->vectors, &how, v.name, &r);
        stoker_vector_close(v.vector);
    }
    return r.status ? server_fail(err, STOKER_ERR_INPUT, "vectors of the command line: %s", r.text) : 0;
}

static int open_engine(struct running *r, struct stoker_error *err)
{
    struct server *s = &r->server;
    if (stoker_open(&s->engine, r->engine.path, &r->engine.options, err))
        return -1;
    s->vectors.engine = s->engine;
    stoker_plan_of(s->engine, &s->plan);
    searching_join(s, &r->searching);
    if (!s->opt.model)
        return 0;
    s->opt.sampling = stoker_sampling_of(s->engine);
    s->opt.set_sampling(s->opt.set_sampling_arg, &s->opt.sampling);
    return open_vectors(s, err);
}

static void *open_model(void *arg)
{
    struct running *r = arg;
    struct server *s = &r->server;
    int opened = -1;
    if (open_engine(r, &r->error) == 0) {
        int loading = SERVER_LOADING;
        atomic_compare_exchange_strong(&s->state, &loading, SERVER_READY);
        opened = 1;
    }
    atomic_store(&r->opened, opened);
    signal_event(r->wake);
    release(r);
    return NULL;
}

/* Without any model there is nothing to open. */
static int start_opener(struct running *r, struct stoker_error *err)
{
    if (!r->engine.path) {
        atomic_store(&r->server.state, SERVER_READY);
        return 0;
    }
    atomic_fetch_add(&r->holders, 1);
    int bad = pthread_create(&r->opener, NULL, open_model, r);
    if (bad)
        atomic_fetch_sub(&r->holders, 1);
    return bad ? server_fail(err, STOKER_ERR_IO, "no thread to open the model: %s", strerror(bad)) : 0;
}

/* ---- serving --------------------------------------------------------------------------------------------------------------- */

static void accept_all(struct http_app *app, int listener)
{
    for (int i = 0; i < 64; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            http_accept(app, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_line(LOG_WARN, "a connection waits: %s", strerror(errno));
            poll(NULL, 0, 100); /* the next try finds somebody gone */
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* Until server_stop(), or the model cannot be opened: then -1. */
static int serve(struct running *r, int listener, struct stoker_error *err)
{
    while (!atomic_load(&r->stopper->calls)) {
        uint64_t count;
        struct pollfd p[3] = {{listener, POLLIN, 0}, {r->stopper->event, POLLIN, 0}, {r->wake, POLLIN, 0}};
        if (poll(p, 3, -1) <= 0)
            continue;
        if (p[2].revents && read(r->wake, &count, sizeof count) > 0 && atomic_load(&r->opened) < 0) {
            *err = r->error;
            return -1;
        }
        if (p[0].revents)
            accept_all(&r->http, listener);
    }
    return 0;
}

/* 1: none of *n are left. Until a time, or (stops) until the next call of server_stop(). */
static int wait_for(struct running *r, const size_t *n, uint64_t until_ns, int n_stops)
{
    pthread_mutex_lock(&r->http.lock);
    while (*n && clock_ns() < until_ns && atomic_load(&r->stopper->calls) <= n_stops) {
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_nsec += 50000000; /* signals do not wake us */
        at.tv_sec += at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&r->http.changed, &r->http.lock, &at);
    }
    int none = *n == 0;
    pthread_mutex_unlock(&r->http.lock);
    return none;
}

static uint64_t requests_answered(struct http_app *app)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= app->n_route; i++)
        for (size_t k = 0; k < STATUS_MOST; k++)
            n += atomic_load(&app->requests[i][k]);
    return n;
}

static void drain(struct running *r)
{
    uint64_t second = 1000000000;
    struct http_app *app = &r->http;
    double seconds = r->server.opt.drain;
    atomic_store(&r->server.state, SERVER_DRAINING);
    pthread_mutex_lock(&app->lock);
    size_t n_running = app->n_running;
    pthread_mutex_unlock(&app->lock);
    if (n_running)
        log_line(LOG_INFO, "stopping: running requests have %.10g s to end", seconds);
    if (!wait_for(r, &app->n_running, clock_ns() + (uint64_t)(seconds * 1e9), 1)) {
        atomic_store(&app->cut, 1);
        http_wake_all(app);
        wait_for(r, &app->n_running, clock_ns() + CLOSE_SECONDS * second, INT32_MAX);
    }
    atomic_store(&app->cut, 1);
    atomic_store(&app->closing, 1);
    http_wake_all(app);
    wait_for(r, &app->n_connection, clock_ns() + CLOSE_SECONDS * second, INT32_MAX);
    log_line(LOG_INFO, "stopped; requests answered: %" PRIu64, requests_answered(app));
}

/* ---- tools for MCP clients ------------------------------------------------------------------------------------------------- */

static int open_tools(struct server *s, struct stoker_error *err)
{
    struct reqmem_account first = {.of = &s->memory};
    struct error why = {0};
    struct mcp *others = s->opt.model ? NULL : s->opt.mcp; /* beside a model they are for its chats */
    if (!s->library && !others)
        return 0;
    int only_allowed = s->opt.key.n == 0; /* who has no key may be a program that asks no person */
    reqmem_enter(&first, 0);
    int failed = mcp_service_open(&s->tools, s->library, others, only_allowed, stoker_version(), &why);
    reqmem_leave();
    return failed ? server_fail(err, STOKER_ERR_MEMORY, "%s", why.text) : 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

static void release_server(struct server *s) { release((struct running *)s); }

/* Before anybody is told where it listens. */
static int plan_model(struct running *r, struct stoker_error *err)
{
    struct server *s = &r->server;
    struct stoker_plan plan;
    s->opt.engine.server = server_bytes(&s->opt);
    s->opt.engine.library = server_library_bytes(&s->opt);
    r->engine = server_engine_of(&s->opt);
    if (r->engine.path && stoker_plan(&plan, r->engine.path, &r->engine.options, err))
        return -1;
    return s->opt.model ? name_models(s, err) : 0;
}

static int prepare(struct running *r, const struct server_options *o, struct stoker_error *err)
{
    struct server *s = &r->server;
    unsigned char(*key)[SHA256_BYTES] = calloc(o->key.n + 1, sizeof *key);
    *s = (struct server){.opt = *o, .http = &r->http, .spool.dir = -1};
    r->http = (struct http_app){.server = s,
                                .memory = &s->memory,
                                .host = o->host,
                                .max_conns = o->max_conns,
                                .max_body = o->max_body,
                                .header_timeout = o->header_timeout,
                                .body_timeout = o->body_timeout,
                                .cors = o->cors,
                                .allow_host = o->allow_host,
                                .key = key,
                                .n_key = o->key.n,
                                .ready = ready,
                                .write_error = error_of_path,
                                .ended = release_server};
    tickets_init(&s->tickets);
    size_t *n_route = &r->http.n_route;
    r->http.route = o->model ? routes_all(n_route) : routes_without_model(r->without_model, n_route);
    http_app_open(&r->http);
    if (vectors_open(&s->vectors, o->steer_dir, err) || spool_open(&s->spool, o->capture_dir, o->capture_disk, err))
        return -1;
    if (!key)
        return server_fail(err, STOKER_ERR_MEMORY, "no memory for the server");
    if (searching_open(s, err))
        return -1;
    for (size_t i = 0; i < o->key.n; i++)
        sha256(o->key.text[i], strlen(o->key.text[i]), key[i]);
    s->rates = (struct rates){.tps = -1, .prompt_tps = -1, .hit_rate = -1, .read_mbps = -1, .memory_mbps = -1};
    atomic_init(&s->roof.rate, o->roofs.memory);
    atomic_init(&s->roof.tries, o->roof_when_idle ? ROOF_TRIES : 0);
    s->started = server_now();
    if (plan_model(r, err))
        return -1;
    reqmem_init(&s->memory, large_bytes(&s->opt) + kept_bytes(&s->opt), kept_bytes(&s->opt));
    if (open_tools(s, err))
        return -1;
    return open_event(&r->wake, err);
}

/* Stopped while the model was loading: who opens it may be the last to let go, or nobody, so servers of tools end here. Where a connection
 * is left, whose handler may ask for them, they end with the process. */
static void end_tools(struct running *r)
{
    struct server *s = &r->server;
    pthread_mutex_lock(&r->http.lock);
    size_t n = r->http.n_connection;
    pthread_mutex_unlock(&r->http.lock);
    if (n)
        return;
    close_tools(s);
    s->tools = NULL;
    mcp_close(s->opt.mcp);
    s->opt.mcp = NULL;
}

static void leave_opener(struct running *r, int failed)
{
    if (failed || atomic_load(&r->opened)) {
        pthread_join(r->opener, NULL);
        return;
    }
    end_tools(r);
    pthread_detach(r->opener);
}

/* The caller's hold: 0, when it was told to stop, or -1. */
static int run(struct running *r, const struct server_options *o,
               void (*listening)(void *arg, const char *host, int port), void *arg, struct stoker_error *err)
{
    int port = 0, rc = -1, listener = prepare(r, o, err) ? -1 : server_listen(&r->server, &port, err);
    if (listener < 0)
        return -1;
    if (start_opener(r, err)) {
        close(listener);
        return -1;
    }
    listening(arg, r->server.opt.host, port);
    rc = serve(r, listener, err);
    close(listener);
    drain(r);
    if (r->engine.path)
        leave_opener(r, rc);
    return rc;
}

/* Of the process, and for every server in it the same. */
static void set_allocators(void)
{
    reqmem_prepare();
    json_set_alloc_funcs(reqmem_malloc, reqmem_free);
}

int server_run(const struct server_options *opt, struct server_stopper *stopper,
               void (*listening)(void *arg, const char *host, int port), void *arg, struct stoker_error *err)
{
    struct running *r = calloc(1, sizeof *r);
    if (!r) {
        mcp_close(opt->mcp);
        return server_fail(err, STOKER_ERR_MEMORY, "no memory for the server");
    }
    set_allocators();
    r->stopper = stopper;
    r->wake = -1;
    atomic_init(&r->holders, 2);
    int rc = run(r, opt, listening, arg, err);
    http_app_close(&r->http);
    release(r);
    return rc;
}
