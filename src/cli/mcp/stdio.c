/* See stdio.h. The thread that reads answers what needs no tool; a call of a tool has a thread, so that it can be cancelled and others are
 * answered meanwhile. */
#include "cli/mcp/stdio.h"

#include "toolbox/mcp_service.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 32, DRAIN_SECONDS = 1, PIECE = 64 << 10, TOO_MANY = -32000 };

struct call {
    struct connection *of;
    char *line; /* its request, to which m points */
    struct message m;
    int is_old;
    atomic_int is_cancelled;
    struct call *next;
};

struct connection {
    struct mcp_service *service;
    int is_old;           /* it was opened with initialize; the reading thread's */
    pthread_mutex_t lock; /* stdout, calls */
    pthread_cond_t ended;
    struct call *calls; /* [n_call], in no order */
    int n_call;
    atomic_int is_gone; /* nobody waits for answers any more */
};

/* ---- writing ----------------------------------------------------------------------------------------------- */

static void write_line(struct connection *c, const struct buffer *line)
{
    pthread_mutex_lock(&c->lock);
    for (size_t at = 0; at < line->n && !atomic_load(&c->is_gone);) {
        ssize_t n = write(STDOUT_FILENO, line->text + at, line->n - at);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno != EINTR)
            atomic_store(&c->is_gone, 1);
    }
    pthread_mutex_unlock(&c->lock);
}

static void write_error(struct connection *c, struct span id, int code, const char *text)
{
    struct buffer line = {0};
    message_put_error(&line, id, code, text, NULL);
    if (!line.failed)
        write_line(c, &line);
    buffer_free(&line);
}

static int is_stopped(void *arg)
{
    struct call *call = arg;
    return atomic_load(&call->is_cancelled) || atomic_load(&call->of->is_gone);
}

static void tell(void *arg, const struct buffer *line) { write_line(((struct call *)arg)->of, line); }

static void answer(struct call *call)
{
    const struct mcp_ask ask = {&call->m, call->is_old, is_stopped, tell, call};
    struct buffer line = {0};
    mcp_service_answer(call->of->service, &ask, &line);
    if (line.failed)
        write_error(call->of, call->m.id, TOO_MANY, "there is no memory for the answer");
    else if (!is_stopped(call))
        write_line(call->of, &line);
    buffer_free(&line);
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

static void call_free(struct call *call)
{
    free(call->line);
    free(call);
}

static struct call *call_make(struct connection *c, const char *line, size_t n)
{
    struct call *call = calloc(1, sizeof *call);
    char *copy = malloc(n + 1);
    if (!call || !copy) {
        free(call);
        free(copy);
        return NULL;
    }
    memcpy(copy, line, n);
    call->of = c;
    call->is_old = c->is_old;
    call->line = copy;
    message_read(&call->m, copy, n);
    return call;
}

static void *run(void *arg)
{
    struct call *call = arg;
    struct connection *c = call->of;
    answer(call);
    pthread_mutex_lock(&c->lock);
    struct call **at = &c->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    c->n_call--;
    pthread_cond_signal(&c->ended);
    pthread_mutex_unlock(&c->lock);
    call_free(call);
    return NULL;
}

static void start(struct connection *c, struct call *call)
{
    pthread_t thread;
    pthread_mutex_lock(&c->lock);
    int failed = c->n_call == CALLS || pthread_create(&thread, NULL, run, call);
    if (!failed) {
        pthread_detach(thread);
        call->next = c->calls;
        c->calls = call;
        c->n_call++;
    }
    pthread_mutex_unlock(&c->lock);
    if (failed) {
        write_error(c, call->m.id, TOO_MANY, "too many calls are under way: 32 at most");
        call_free(call);
    }
}

static void cancel(struct connection *c, struct span id)
{
    pthread_mutex_lock(&c->lock);
    for (struct call *call = c->calls; call; call = call->next)
        if (id.n && id.n == call->m.id.n && memcmp(id.text, call->m.id.text, id.n) == 0)
            atomic_store(&call->is_cancelled, 1);
    pthread_mutex_unlock(&c->lock);
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static void take_request(struct connection *c, const char *line, size_t n, struct span id)
{
    struct call *call = call_make(c, line, n);
    if (!call) {
        write_error(c, id, TOO_MANY, "there is no memory for the request");
    } else if (span_is(call->m.method, "tools/call") || span_is(call->m.method, "tools/list")) {
        start(c, call);
    } else {
        c->is_old |= span_is(call->m.method, "initialize");
        answer(call);
        call_free(call);
    }
}

static void take_line(struct connection *c, const char *line, size_t n)
{
    struct message m;
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' '))
        n--;
    if (n == 0)
        return;
    message_read(&m, line, n);
    switch (m.kind) {
    case MESSAGE_BROKEN:
        write_error(c, m.id, MCP_NOT_JSON, "the line is no JSON");
        break;
    case MESSAGE_INVALID:
        write_error(c, m.id, MCP_NO_REQUEST, "the line is no message of JSON-RPC 2.0");
        break;
    case MESSAGE_REQUEST:
        take_request(c, line, n, m.id);
        break;
    case MESSAGE_NOTIFICATION:
        if (span_is(m.method, "notifications/cancelled"))
            cancel(c, span_member(m.params, "requestId"));
        break;
    case MESSAGE_RESULT:
    case MESSAGE_ERROR:
        break; /* nothing was asked */
    }
}

struct input {
    char *text;
    size_t n, cap;
    int is_long; /* the line has more than a message may have: it is dropped up to its end */
};

/* Takes the lines that are whole. */
static void take_lines(struct connection *c, struct input *in)
{
    size_t from = 0;
    for (char *end; (end = memchr(in->text + from, '\n', in->n - from)) != NULL;) {
        size_t n = (size_t)(end - in->text) - from;
        if (in->is_long)
            write_error(c, (struct span){NULL, 0}, MCP_NO_REQUEST, "a line has 8 MiB at most");
        else
            take_line(c, in->text + from, n);
        in->is_long = 0;
        from += n + 1;
    }
    in->n -= from;
    memmove(in->text, in->text + from, in->n);
    if (in->n > MESSAGE_MOST) {
        in->is_long = 1;
        in->n = 0;
    }
}

/* 1: more was read; 0: there is no more; -1: *in has no memory, or stdin cannot be read. */
static int read_more(struct input *in)
{
    if (in->cap - in->n < PIECE) {
        char *grown = realloc(in->text, 2 * in->cap + PIECE);
        if (!grown)
            return -1;
        in->text = grown;
        in->cap = 2 * in->cap + PIECE;
    }
    ssize_t n = read(STDIN_FILENO, in->text + in->n, PIECE);
    if (n > 0)
        in->n += (size_t)n;
    return n > 0 || (n < 0 && errno == EINTR) ? 1 : n == 0 ? 0 : -1;
}

static void drain(struct connection *c)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DRAIN_SECONDS;
    pthread_mutex_lock(&c->lock);
    while (c->n_call && pthread_cond_timedwait(&c->ended, &c->lock, &until) == 0) {
    }
    atomic_store(&c->is_gone, 1);
    while (c->n_call)
        pthread_cond_wait(&c->ended, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

int mcp_stdio(struct mcp_service *s)
{
    struct connection c = {.service = s};
    struct input in = {0};
    int more = 1;
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.ended, NULL);
    while (more > 0 && !atomic_load(&c.is_gone))
        if ((more = read_more(&in)) > 0)
            take_lines(&c, &in);
    if (more == 0 && in.n && !in.is_long)
        take_line(&c, in.text, in.n); /* the last one has no end */
    if (more < 0)
        fprintf(stderr, "stoker mcp: stdin cannot be read: %s\n", strerror(errno));
    drain(&c);
    free(in.text);
    pthread_cond_destroy(&c.ended);
    pthread_mutex_destroy(&c.lock);
    return more < 0 ? -1 : 0;
}
