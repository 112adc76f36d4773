/* A connection: a thread that reads requests, checks them, runs their handlers, until one side closes.
 *
 *     head     parse.c finds its end and reads it
 *     checks   before the body is read: host, origin, route, key, loading, encoding, length
 *     body     whole: body.c
 *     handler  routes.c; answers by answer.c
 *
 * Every wait has an absolute end: the head within --header-timeout of its first byte, the body within --body-timeout and a second a
 * MiB, an idle connection after 75 s, one that never asked after --header-timeout. So whatever a client sends, and however slowly,
 * costs a thread that sleeps, and nobody else anything.
 *
 * Why not a library: docs/DECISIONS.md. */
#include "server/http/http.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/http/inside.h"
#include "server/http/new_id.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { IDLE_MS = 75000, LINGER_MS = 2000 };

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

static uint64_t in_seconds(double s) { return clock_ns() + (uint64_t)(s * 1e9); }

/* 1: c->head is a request's; 0: the connection is to be closed; -1: *r. Who has not asked anything yet may not stay idle for long:
 * connections are few. */
static int read_head(struct http_connection *c, struct refusal *r)
{
    uint64_t until = c->served ? clock_ns() + IDLE_MS * UINT64_C(1000000) : in_seconds(c->app->header_timeout);
    int begun = 0;
    for (;;) {
        if (c->n_in && !begun) {
            begun = 1;
            c->x.began_ns = clock_ns();
            until = in_seconds(c->app->header_timeout);
        }
        long n = c->n_in ? http_head_size(c->in, c->n_in, r) : 0;
        if (n < 0)
            return -1;
        if (n > 0) {
            free(c->head_text);
            c->head_text = malloc((size_t)n + 1);
            if (!c->head_text)
                return refuse_memory(r);
            memcpy(c->head_text, c->in, (size_t)n);
            c->head_text[n] = 0;
            http_use_in(c, (size_t)n);
            return http_head_parse(&c->head, c->head_text, (size_t)n, r) ? -1 : 1;
        }
        enum http_came came = http_read_more(c, until);
        if (came == HTTP_CAME_LATE && begun)
            return refuse(r, 408, NULL, NULL, "the request's head was not complete within %.10g s",
                          c->app->header_timeout);
        if (came != HTTP_CAME)
            return 0;
    }
}

/* ---- one request ----------------------------------------------------------------------------------------------------------- */

static void name_exchange(struct http_connection *c)
{
    const char *id = http_head_field(&c->head, "x-request-id");
    size_t n = id ? strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") : 0;
    if (n > 0 && n < HTTP_ID && id[n] == 0)
        memcpy(c->x.id, id, n + 1);
    else
        server_new_id(c->x.id, "req_", 24);
}

static void begin_exchange(struct http_connection *c)
{
    uint64_t began = c->x.began_ns;
    c->x = (struct http_exchange){.server = c->app->server,
                                  .memory = &c->memory,
                                  .connection = c,
                                  .began_ns = began,
                                  .method = "",
                                  .path = "",
                                  .body = ""};
    c->head = (struct http_head){.length = -1};
    c->n_set = 0;
    c->key = NULL;
    c->why[0] = 0;
    c->status = c->streaming = c->chunked = c->close = c->unread = 0;
    atomic_store(&c->notified, 0);
}

/* OPTIONS: what a path can, and whether a page of another site may. Such a page may send what headers it likes: SDKs have dozens of their
 * own (x-stainless-...), and none that is understood here lets anybody in. */
static void answer_options(struct http_connection *c, const char *cors, const char *allow)
{
    const char *asked = http_head_field(&c->head, "access-control-request-headers");
    http_set(&c->x, "Allow", "%s", *allow ? allow : "GET, HEAD, POST, OPTIONS");
    if (cors) {
        http_set(&c->x, "Vary", "Access-Control-Request-Headers");
        http_set(&c->x, "Access-Control-Allow-Headers", "%s",
                 asked && http_names_ok(asked)
                     ? asked
                     : "authorization, content-type, x-api-key, anthropic-version, anthropic-beta, "
                       "anthropic-dangerous-direct-browser-access, openai-organization, openai-project");
        http_set(&c->x, "Access-Control-Allow-Methods", "%s", *allow ? allow : "GET, HEAD, POST, OPTIONS");
        http_set(&c->x, "Access-Control-Max-Age", "600");
    }
    http_answer(&c->x, 204, NULL, NULL, 0);
}

static int check_encoding(const struct http_connection *c, struct refusal *r)
{
    const char *encoding = http_head_field(&c->head, "content-encoding");
    if (encoding && *encoding && strcasecmp(encoding, "identity") != 0)
        return refuse(r, 415, NULL, NULL, "Content-Encoding \"%.40s\" is not understood; send the body as it is",
                      encoding);
    if (c->head.length > 0 && (uint64_t)c->head.length > c->app->max_body)
        return refuse(r, 413, NULL, NULL, "the body is larger than %llu bytes, the limit of --max-body",
                      (unsigned long long)c->app->max_body);
    return 0;
}

/* Everything that is known before the body. 1: the request is answered. */
static int check(struct http_connection *c, const char **cors, struct refusal *r)
{
    struct http_exchange *x = &c->x;
    char allow[ROUTE_ALLOW];
    const struct route *route = http_route_find(c->app, x->method, x->path, allow);
    int is_framed = route && route->flags & ROUTE_FRAMED;
    if (http_check_host(c->app, &c->head, r) || http_check_origin(c->app, &c->head, is_framed, cors, r))
        return -1;
    if (*cors) {
        http_set(x, "Access-Control-Allow-Origin", "%s", *cors);
        http_set(x, "Vary", "Origin");
        http_set(x, "Access-Control-Expose-Headers", "*"); /* x-request-id, Retry-After and our own */
    }
    x->route = route;
    if (strcmp(x->method, "OPTIONS") == 0) {
        answer_options(c, *cors, allow);
        return 1;
    }
    if (!(x->route && x->route->flags & ROUTE_OPEN) && http_check_key(c->app, &c->head, &c->key, r))
        return -1;
    if (!*allow)
        return refuse(r, 404, "unknown_route", NULL, "there is no route %.100s", x->path);
    if (!x->route) {
        http_set(x, "Allow", "%s", allow);
        return refuse(r, 405, NULL, NULL, "%s is not a method of %.100s; possible: %s", x->method, x->path, allow);
    }
    size_t fixed = strcspn(x->route->path, "*");
    x->rest = x->route->path[fixed] ? x->path + fixed : "";
    return check_encoding(c, r);
}

static void run_handler(struct http_connection *c, struct refusal *r)
{
    struct http_exchange *x = &c->x;
    if (http_enter(c->app, x->route->flags & ROUTE_EARLY, r))
        return;
    http_wait_for_memory(c);
    x->route->handle(x);
    if (!c->status && !c->disconnected)
        refuse(r, 500, NULL, NULL, "the server did not answer this request: please report it");
    if (c->streaming == 1) /* cut: without its end nobody takes it for whole */
        c->close = 1;
    http_leave(c->app);
}

static void log_exchange(const struct http_connection *c)
{
    const struct http_exchange *x = &c->x;
    double ms = (double)(clock_ns() - x->began_ns) * 1e-6;
    http_count(c->app, x->route, c->status);
    if (c->status == 200 && x->route && x->route->flags & ROUTE_QUIET)
        return;
    log_line(LOG_INFO, "%s %s %.100s %d prompt %zu cached %zu generated %zu %.1f ms%s%s%s", x->id,
             *x->method ? x->method : "-",
             x->route   ? x->route->path
             : *x->path ? x->path
                        : "-",
             c->status, x->n_prompt, x->n_cached, x->n_generated, ms, c->disconnected ? ", client gone" : "",
             *c->why ? ": " : "", c->why);
}

/* One request. 0: the connection is to be closed. */
static int serve_one(struct http_connection *c)
{
    struct refusal r = {0};
    const char *cors = NULL;
    int answered = 0;
    begin_exchange(c);
    reqmem_enter(&c->memory, 0);
    int there = read_head(c, &r);
    if (there == 0) {
        reqmem_leave();
        return 0;
    }
    name_exchange(c);
    if (there < 0) {
        c->close = c->unread = 1;
    } else {
        c->x.method = c->head.method;
        c->x.path = c->head.path;
        c->close = !c->head.keep_alive;
        c->unread = c->head.chunked || c->head.length > 0;
        answered = check(c, &cors, &r);
    }
    if (!answered && !r.status && (c->head.chunked || c->head.length > 0))
        http_read_body(c, &r);
    reqmem_enter(&c->memory, c->body_capacity);
    if (!answered && !r.status && !c->disconnected) {
        c->x.body = c->body ? c->body : "";
        c->x.n_body = c->n_body;
        run_handler(c, &r);
    }
    if (r.status && !c->status && !c->disconnected) {
        c->close |= c->unread || r.status == 503;
        http_refuse(&c->x, &r);
    }
    c->served = 1;
    http_leave_large(c);
    http_forget_body(&c->x);
    reqmem_leave();
    log_exchange(c);
    return !c->disconnected && !c->close && !c->unread;
}

/* A client that still sends must be able to read our answer: closing at once would reset the connection. */
static void linger(struct http_connection *c)
{
    uint64_t until = clock_ns() + LINGER_MS * UINT64_C(1000000);
    shutdown(c->fd, SHUT_WR);
    do
        c->n_in = 0;
    while (http_read_more(c, until) == HTTP_CAME);
}

void *http_serve(void *connection)
{
    struct http_connection *c = connection;
    while (serve_one(c))
        continue;
    if (c->unread && !c->disconnected)
        linger(c);
    http_forget(c);
    return NULL;
}
