/* Calls of MCP servers: what their thread does of them, and who calls. See mcp.h. */
#include "base/clock.h"
#include "base/reqmem.h"
#include "mcp/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXTENSIONS = 10, PROGRESS = 64 << 10 };

/* ---- in the thread ---------------------------------------------------------------------------------------- */

static void end_call(struct mcp_call *c, struct span result, const char *error)
{
    if (c->is_done)
        return;
    c->is_done = 1;
    call_text_free(&c->body); /* where it was never sent */
    snprintf(c->error, sizeof c->error, "%s", error);
    if (result.n && call_text_take(&c->result, result.n, c->counted))
        snprintf(c->error, sizeof c->error, "there is no memory for the result");
    else if (result.n)
        memcpy(c->result.text, result.text, result.n);
    pthread_cond_broadcast(&c->of->changed);
    if (c->notify && !c->is_dropped)
        c->notify(c->arg);
}

static struct mcp_call *call_of(struct mcp *m, const struct mcp_server *s, struct span id)
{
    long long number;
    if (span_integer(id, &number))
        for (struct mcp_call *c = m->calls; c; c = c->next)
            if (&m->server[c->server] == s && c->id == number && number && !c->is_done)
                return c;
    return NULL; /* it was never asked, is late, or answers twice */
}

static void take_progress(struct mcp *m, struct mcp_server *s, const struct message *msg)
{
    struct mcp_call *c = call_of(m, s, span_member(msg->params, "progressToken"));
    if (!c)
        return;
    if (c->n_extended < EXTENSIONS) {
        c->n_extended++;
        c->deadline_ns = clock_ns() + (uint64_t)s->config->timeout_seconds * 1000000000;
    }
    c->progress.n = 0;
    if (msg->params.n <= PROGRESS)
        buffer_put(&c->progress, msg->params.text, msg->params.n);
    if (c->notify && !c->is_dropped)
        c->notify(c->arg);
}

void calls_take(struct mcp *m, struct mcp_server *s, const struct message *msg)
{
    char text[300], sentence[400];
    if (msg->kind == MESSAGE_NOTIFICATION) {
        take_progress(m, s, msg);
        return;
    }
    struct mcp_call *c = call_of(m, s, msg->id);
    if (c)
        s->rests_ns = clock_ns();
    if (c && msg->kind == MESSAGE_RESULT && span_is_object(msg->result)) {
        end_call(c, msg->result, "");
    } else if (c && msg->kind == MESSAGE_RESULT) {
        end_call(c, (struct span){NULL, 0}, "the server's result is no object");
    } else if (c) {
        span_plain(span_member(msg->error, "message"), text, sizeof text);
        snprintf(sentence, sizeof sentence, "%s", *text ? text : "the server refuses the call and says nothing of why");
        end_call(c, (struct span){NULL, 0}, sentence);
    }
}

void calls_end_of(struct mcp *m, const struct mcp_server *s)
{
    char sentence[600];
    snprintf(sentence, sizeof sentence, "MCP server %s: %s", s->config->name, s->why);
    for (struct mcp_call *c = m->calls; c; c = c->next)
        if (&m->server[c->server] == s)
            end_call(c, (struct span){NULL, 0}, sentence);
}

void calls_send(struct mcp *m)
{
    for (struct mcp_call *c = m->calls; c; c = c->next) {
        struct mcp_server *s = &m->server[c->server];
        if (c->id || c->is_done)
            continue;
        if (!c->deadline_ns)
            c->deadline_ns = clock_ns() + (uint64_t)s->config->timeout_seconds * 1000000000;
        if (!server_is_told(s))
            c->id = server_call(s, call_text_move(&c->body));
    }
}

static void free_call(struct mcp_call *c)
{
    call_text_free(&c->body);
    buffer_free(&c->progress);
    call_text_free(&c->result);
    free(c);
}

void calls_drop(struct mcp *m)
{
    for (struct mcp_call **p = &m->calls, *c; (c = *p);) {
        if (!c->is_dropped) {
            p = &c->next;
            continue;
        }
        if (!c->is_done && c->id && m->server[c->server].state != SERVER_DEAD)
            server_cancel(&m->server[c->server], c->id);
        *p = c->next;
        free_call(c);
    }
}

void calls_end_late(struct mcp *m, uint64_t now)
{
    char sentence[200];
    for (struct mcp_call *c = m->calls; c; c = c->next) {
        struct mcp_server *s = &m->server[c->server];
        if (c->is_done || !c->deadline_ns || now < c->deadline_ns)
            continue;
        if (c->id)
            server_cancel(s, c->id);
        snprintf(sentence, sizeof sentence, "MCP server %s did not answer within %d s", s->config->name,
                 s->config->timeout_seconds);
        end_call(c, (struct span){NULL, 0}, sentence);
    }
}

int calls_are_at(const struct mcp *m, const struct mcp_server *s)
{
    int are = 0;
    for (const struct mcp_call *c = m->calls; c; c = c->next)
        are |= &m->server[c->server] == s && c->id && !c->is_done;
    return are;
}

uint64_t calls_late_ns(const struct mcp *m)
{
    uint64_t first = UINT64_MAX;
    for (const struct mcp_call *c = m->calls; c; c = c->next)
        if (!c->is_done && c->deadline_ns && c->deadline_ns < first)
            first = c->deadline_ns;
    return first;
}

/* ---- for callers ------------------------------------------------------------------------------------------ */

/* It begins, or ends at once. The lock is taken. */
static void add_call(struct mcp *m, struct mcp_call *c, int has_body)
{
    const struct mcp_server *s = &m->server[c->server];
    struct mcp_call **last = &m->calls;
    char sentence[600];
    while (*last)
        last = &(*last)->next;
    *last = c;
    if (s->state == SERVER_DEAD) {
        snprintf(sentence, sizeof sentence, "MCP server %s: %s", s->config->name, s->why);
        end_call(c, (struct span){NULL, 0}, sentence);
    } else if (!has_body) {
        end_call(c, (struct span){NULL, 0}, "there is no memory for the call");
    }
}

struct mcp_call *mcp_begin(struct mcp *m, const struct mcp_tool *tool, const char *arguments, size_t n,
                           void (*notify)(void *arg), void *arg)
{
    struct mcp_call *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct mcp_call){.of = m, .server = tool->server, .notify = notify, .arg = arg, .counted = reqmem_here()};
    int has_body = call_text_ask(&c->body, tool->own, arguments, n, c->counted) == 0;
    pthread_mutex_lock(&m->lock);
    add_call(m, c, has_body);
    pthread_mutex_unlock(&m->lock);
    mcp_ring(m);
    return c;
}

int mcp_wait(struct mcp_call *c, int timeout_ms)
{
    const struct timespec until = client_in_ms(timeout_ms < 0 ? 0 : timeout_ms);
    int late = 0;
    pthread_mutex_lock(&c->of->lock);
    while (!c->is_done && !late)
        late = timeout_ms < 0 ? pthread_cond_wait(&c->of->changed, &c->of->lock)
                              : pthread_cond_timedwait(&c->of->changed, &c->of->lock, &until);
    int is_done = c->is_done;
    pthread_mutex_unlock(&c->of->lock);
    return is_done;
}

struct span mcp_result(const struct mcp_call *c, const char **error)
{
    *error = c->error;
    return (struct span){c->result.text, c->result.n};
}

int mcp_progress(struct mcp_call *c, struct buffer *out)
{
    pthread_mutex_lock(&c->of->lock);
    int any = c->progress.n > 0;
    if (any)
        buffer_put(out, c->progress.text, c->progress.n);
    c->progress.n = 0;
    pthread_mutex_unlock(&c->of->lock);
    return any;
}

void mcp_end(struct mcp_call *c)
{
    if (!c)
        return;
    struct mcp *m = c->of;
    pthread_mutex_lock(&m->lock);
    c->is_dropped = 1;
    pthread_mutex_unlock(&m->lock);
    mcp_ring(m); /* the thread frees it */
}
