/* Handlers of the server without its sockets: an exchange whose answer is kept, and a client that may disconnect at any time. Defines what
 * server/http/http.h and server/server.h declare, so that neither is linked. */
#ifndef TESTS_HTTP_WORLD_H
#define TESTS_HTTP_WORLD_H

#include "base/clock.h"
#include "base/reqmem.h"
#include "server/answer/answer.h"
#include "server/dialect/dialect.h"
#include "server/http/http.h"
#include "server/http/json.h"
#include "server/http/new_id.h"
#include "server/request/service.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int notified;

    int status; /* 0: no answer yet */
    int streaming, ended;
    struct out text;
    char header[4000];
    char param[300], code[60];
    size_t n_write;

    enum http_waited leaves; /* HTTP_DISCONNECTED, HTTP_CUT: what http_wait() returns after this many writes: */
    size_t leaves_after;
    int is_short;       /* from the moment a stream begins requests have no memory left */
    void (*next)(void); /* when the requests are submitted; NULL: nothing */
    size_t n_prompt, n_cached, n_generated;
    int counted, cancelled, rejected;
} http_world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

#define HTTP_PLENTY (INT64_MAX / 2)
static struct reqmem http_memory = {.most = HTTP_PLENTY}; /* of all requests */
static struct reqmem_account http_account = {.of = &http_memory};

static long long http_memory_before; /* taken when the limit was set */

/* From now on requests may take this much more than they hold. */
static inline void http_memory_set(long long n)
{
    http_memory_before += atomic_exchange(&http_memory.taken, 0);
    http_memory.most = n;
}

static inline long long http_memory_taken(void) { return http_memory_before + atomic_load(&http_memory.taken); }

void http_set(struct http_exchange *x, const char *name, const char *format, ...)
{
    (void)x;
    size_t n = strlen(http_world.header);
    n += (size_t)snprintf(http_world.header + n, sizeof http_world.header - n, "%s: ", name);
    va_list args;
    va_start(args, format);
    vsnprintf(http_world.header + n, sizeof http_world.header - n - 2, format, args);
    va_end(args);
    strcat(http_world.header, "\n");
}

const char *http_key(const struct http_exchange *x)
{
    (void)x;
    return NULL;
}

int http_answer(struct http_exchange *x, int status, const char *type, const char *body, size_t n)
{
    (void)x;
    (void)type;
    http_world.status = status;
    out_bytes(&http_world.text, body, n);
    return 0;
}

int http_refuse(struct http_exchange *x, const struct refusal *r)
{
    struct refusal copy = *r;
    refusal_tell_memory(&copy, x->memory);
    snprintf(http_world.param, sizeof http_world.param, "%s", copy.param);
    snprintf(http_world.code, sizeof http_world.code, "%s", copy.code ? copy.code : "");
    return http_answer(x, copy.status, "text/plain", copy.text, strlen(copy.text));
}

int http_answer_json(struct http_exchange *x, struct out *o)
{
    struct refusal r = {0};
    if (o->failed)
        refuse_memory(&r);
    int rc = r.status ? http_refuse(x, &r) : http_answer(x, 200, "application/json", o->text, o->n);
    out_free(o);
    return rc;
}

int http_stream_begin(struct http_exchange *x, const char *type)
{
    (void)x;
    (void)type;
    http_world.status = 200;
    http_world.streaming = 1;
    if (http_world.is_short)
        http_memory_set(0);
    return 0;
}

int http_body_begin(struct http_exchange *x, const char *type, uint64_t length)
{
    (void)length;
    return http_stream_begin(x, type);
}

int http_stream_write(struct http_exchange *x, const char *text, size_t n)
{
    (void)x;
    out_bytes(&http_world.text, text, n);
    http_world.n_write++;
    return 0;
}

int http_stream_end(struct http_exchange *x)
{
    (void)x;
    http_world.ended = 1;
    return 0;
}

int http_streaming(const struct http_exchange *x)
{
    (void)x;
    return http_world.streaming;
}

/* Memory of bodies is not counted here. */
void http_forget_body(struct http_exchange *x) { (void)x; }
void http_next(struct http_exchange *x)
{
    (void)x;
    if (http_world.next)
        http_world.next();
}

void http_notify(void *x)
{
    (void)x;
    pthread_mutex_lock(&http_world.lock);
    http_world.notified = 1;
    pthread_cond_signal(&http_world.changed);
    pthread_mutex_unlock(&http_world.lock);
}

enum http_waited http_wait(struct http_exchange *x, int timeout_ms)
{
    (void)x;
    if (http_world.leaves && http_world.n_write >= http_world.leaves_after)
        return http_world.leaves;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms < 0 ? 60 : timeout_ms / 1000;
    until.tv_nsec += timeout_ms < 0 ? 0 : timeout_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&http_world.lock);
    int late = 0;
    while (!http_world.notified && !late)
        late = pthread_cond_timedwait(&http_world.changed, &http_world.lock, &until);
    int notified = http_world.notified;
    http_world.notified = 0;
    pthread_mutex_unlock(&http_world.lock);
    return notified ? HTTP_NOTIFIED : HTTP_TIMEOUT;
}

void write_error(struct out *o, enum dialect d, const struct refusal *r, const char *request_id)
{
    (void)d;
    (void)request_id;
    out_print(o, "{\"error\":{\"message\":");
    out_string(o, r->text, strlen(r->text));
    out_print(o, "}}");
}

void server_count(struct http_exchange *x, size_t n_prompt, size_t n_cached, size_t n_generated, double ttft_seconds,
                  int cancelled)
{
    (void)x;
    (void)ttft_seconds;
    http_world.n_prompt = n_prompt;
    http_world.n_cached = n_cached;
    http_world.n_generated = n_generated;
    http_world.cancelled = cancelled;
    http_world.counted++;
}

struct stoker *server_engine(struct server *s) { return s->engine; }

void server_count_rejected(struct server *s)
{
    (void)s;
    http_world.rejected++;
}

int server_all(struct server *s, struct served out[SERVED_MOST])
{
    out[0] = (struct served){s->engine, s->model_id,   s->model_file, s->fingerprint,
                             &s->about, &s->opt.alias, s->plan.n_ctx};
    return 1;
}

int server_model_ok(struct server *s, const char *name, size_t n, int claude, struct refusal *r)
{
    (void)claude;
    return !name || (n == strlen(s->model_id) && memcmp(name, s->model_id, n) == 0)
               ? 0
               : refuse(r, 404, "model_not_found", "model", "model not found");
}

int server_find(struct server *s, const char *name, size_t n, struct served *out, struct refusal *r)
{
    server_all(s, out);
    return server_model_ok(s, name, n, 0, r);
}

int server_names(struct server *s, const struct served *m, const char *name, size_t n, struct refusal *r)
{
    (void)m;
    return server_model_ok(s, name, n, 0, r);
}

int server_encoder(struct server *s, enum stoker_role role, struct served *out)
{
    struct stoker_encoder encoder;
    (void)role;
    server_all(s, out);
    return stoker_encoder_of(s->engine, &encoder);
}

void server_new_id(char *out, const char *prefix, size_t n)
{
    static unsigned drawn;
    sprintf(out, "%s%0*u", prefix, (int)n, ++drawn);
}

int64_t server_now(void) { return 1795163316; }

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

#define HTTP_WORLD_MODEL "models/ember/ember.gguf"

static struct server http_server;

/* Setup and teardown of a cmocka group: the embedded model behind http_server. */
static inline int http_world_open(void **state)
{
    (void)state;
    struct stoker_error err;
    struct stoker_options o = {.n_ctx = 2048, .n_parallel = 4, .n_threads = 1, .memory = STOKER_MEMORY_MAX};
    if (stoker_open(&http_server.engine, HTTP_WORLD_MODEL, &o, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    stoker_plan_of(http_server.engine, &http_server.plan);
    http_server.opt.sampling = stoker_sampling_of(http_server.engine);
    http_server.opt.think = http_server.opt.close_at_limit = -1;
    strcpy(http_server.model_id, "ember");
    strcpy(http_server.fingerprint, "stoker-test");
    return 0;
}

static int http_world_close(void **state)
{
    (void)state;
    out_free(&http_world.text);
    stoker_close(http_server.engine);
    return 0;
}

/* The answer's text, NUL behind, is http_world.text. */
static void http_ask(void (*handle)(struct http_exchange *x), const char *body, size_t n)
{
    struct http_exchange x = {.server = &http_server,
                              .memory = &http_account,
                              .body = body,
                              .n_body = n,
                              .began_ns = clock_ns(),
                              .id = "req"};
    http_world.status = http_world.streaming = http_world.ended = http_world.notified = 0;
    http_world.counted = http_world.cancelled = http_world.rejected = 0;
    http_world.n_write = 0;
    http_world.header[0] = http_world.param[0] = http_world.code[0] = 0;
    http_world.text.n = 0;
    reqmem_enter(&http_account, 0);
    handle(&x);
    reqmem_leave();
    out_bytes(&http_world.text, "", 1);
    http_world.text.n--;
}

/* {fields} is refused with 400 and the name of a field, which its sentence says. code NULL: any. */
static inline void http_refused(void (*handle)(struct http_exchange *x), const char *fields, const char *code,
                                const char *param)
{
    struct out body = {0};
    out_print(&body, "{%s}", fields);
    http_ask(handle, body.text, body.n);
    out_free(&body);
    if (http_world.status != 400 || (code && strcmp(http_world.code, code)) || strcmp(http_world.param, param) ||
        !strstr(http_world.text.text, param))
        fail_msg("%.300s: %d %s %s: %s", fields, http_world.status, http_world.code, http_world.param,
                 http_world.text.text);
    assert_int_equal(http_world.counted, 0);
}

/* ---- reading what was answered -------------------------------------------------------------------------------------------- */

static inline json_t *parse(const char *text, size_t n)
{
    json_error_t e;
    json_t *o = json_loadb(text, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);
    if (!o)
        fail_msg("%s: %.*s", e.text, (int)(n < 300 ? n : 300), text);
    return o;
}

/* "" where there is none. */
static inline const char *text_of(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    return t ? t : "";
}

/* Pieces of a stream, joined. */
static inline void append(json_t *o, const char *key, const char *text)
{
    struct out all = {0};
    out_print(&all, "%s%s", text_of(o, key), text);
    json_object_set_new(o, key, json_stringn(all.text, all.n));
    out_free(&all);
}

#endif
