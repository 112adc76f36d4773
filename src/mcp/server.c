/* See server.h. */
#include "mcp/server.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* CLOSES: from when a program has closed a pipe to its end; LOOK: between looks whether it has ended. */
enum { READ = 64 << 10, HEAD = sizeof(struct mcp_text), CLOSES_MS = 500, LOOK_MS = 5 };

static uint64_t after_ms(int ms) { return clock_ns() + (uint64_t)ms * 1000000; }

/* ---- sending -------------------------------------------------------------------------------------------- */

/* params of a request of its era. more: members in front, with a comma behind, or "". progress: ask for it under this number; 0: not. */
static void put_params(const struct mcp_server *s, struct buffer *out, const char *more, size_t n_more,
                       long long progress)
{
    char token[48];
    buffer_puts(out, "{");
    buffer_put(out, more, n_more);
    buffer_puts(out, "\"_meta\":{");
    snprintf(token, sizeof token, "\"progressToken\":%lld%s", progress, s->is_modern ? "," : "");
    buffer_puts(out, progress ? token : "");
    if (s->is_modern) {
        buffer_puts(out, "\"" MCP_META "protocolVersion\":\"" MCP_MODERN "\",\"" MCP_META
                         "clientCapabilities\":{},\"" MCP_META "clientInfo\":{\"name\":\"stoker\",\"version\":");
        buffer_put_string(out, s->version, strlen(s->version));
        buffer_puts(out, "}");
    }
    buffer_puts(out, "}}");
}

static long long ask(struct mcp_server *s, const char *method, const char *more, size_t n_more, int wants_progress)
{
    struct buffer params = {0};
    long long id = ++s->next_id;
    put_params(s, &params, more, n_more, wants_progress ? id : 0);
    message_put_request(&s->unsent, id, method, params.text, params.n);
    s->unsent.failed |= params.failed;
    buffer_free(&params);
    server_write(s);
    return id;
}

/* The next bytes in one piece. */
static struct span next_unsent(const struct mcp_server *s)
{
    if (s->body.text && s->n_sent == s->body_at)
        return (struct span){s->body.text + s->n_body_sent, s->body.n - s->n_body_sent};
    return (struct span){s->unsent.text + s->n_sent, (s->body.text ? s->body_at : s->unsent.n) - s->n_sent};
}

static void is_sent(struct mcp_server *s, size_t n)
{
    if (!s->body.text || s->n_sent < s->body_at)
        s->n_sent += n;
    else if ((s->n_body_sent += n) == s->body.n)
        call_text_free(&s->body);
    s->rests_ns = clock_ns();
}

static void drop_unsent(struct mcp_server *s)
{
    call_text_free(&s->body);
    buffer_free(&s->unsent);
    s->n_sent = 0;
}

/* Its input or its output: whether it has ended, and how, is known a moment later. */
static void has_closed(struct mcp_server *s) { s->closed_ns = s->closed_ns ? s->closed_ns : after_ms(CLOSES_MS); }

void server_write(struct mcp_server *s)
{
    if (s->unsent.failed)
        server_die(s, "there is no memory for what it is told");
    while (s->state != SERVER_DEAD && !s->closed_ns && s->n_sent < s->unsent.n) {
        struct span next = next_unsent(s);
        ssize_t n = write(s->child.in, next.text, next.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) /* its pipe is full */
            break;
        if (n < 0) /* nobody reads it any more */
            has_closed(s);
        else
            is_sent(s, (size_t)n);
    }
    if (s->closed_ns || s->n_sent == s->unsent.n)
        drop_unsent(s);
    else if (s->unsent.n > SERVER_UNREAD)
        server_die(s, "it does not read what it is told");
}

static void discover(struct mcp_server *s)
{
    s->is_modern = 1;
    s->state = SERVER_DISCOVER;
    s->asked = ask(s, "server/discover", "", 0, 0);
}

static void initialize(struct mcp_server *s)
{
    struct buffer params = {0};
    s->is_modern = 0;
    s->state = SERVER_INITIALIZE;
    buffer_puts(&params, "{\"protocolVersion\":\"" MCP_OLD "\",\"capabilities\":{},\"clientInfo\":{\"name\":\"stoker\","
                         "\"version\":");
    buffer_put_string(&params, s->version, strlen(s->version));
    buffer_puts(&params, "}}");
    s->asked = ++s->next_id;
    message_put_request(&s->unsent, s->asked, "initialize", params.text, params.n);
    s->unsent.failed |= params.failed;
    buffer_free(&params);
    server_write(s);
}

/* The memory of a later list is taken at once: the plan has it once, and not for a buffer that doubles. */
static void begin_list(struct mcp_server *s)
{
    static const char head[HEAD];
    buffer_free(&s->making);
    if (s->list && (s->making.text = malloc(HEAD + s->most_bytes)))
        s->making.cap = HEAD + s->most_bytes;
    buffer_put(&s->making, head, HEAD);
    s->n_making = s->n_page = 0;
    s->is_stale = 0;
    s->stale_at_ns = 0;
}

static void list(struct mcp_server *s, struct span cursor)
{
    struct buffer more = {0};
    if (cursor.n) {
        buffer_puts(&more, "\"cursor\":");
        buffer_put(&more, cursor.text, cursor.n);
        buffer_puts(&more, ",");
    } else {
        begin_list(s);
    }
    s->state = SERVER_LISTING;
    s->asked = ask(s, "tools/list", more.text, more.n, 0);
    buffer_free(&more);
}

void server_start(struct mcp_server *s)
{
    struct error err = {0};
    s->deadline_ns = after_ms(s->start_seconds * 1000);
    if (child_start(&s->child, s->config->argv, s->config->env, s->config->cwd, &err)) {
        server_die(s, "%s", err.text);
    } else if (s->config->setup) {
        buffer_puts(&s->unsent, s->config->setup);
        discover(s);
    } else {
        initialize(s);
    }
}

void server_list_again(struct mcp_server *s)
{
    s->deadline_ns = after_ms(s->start_seconds * 1000);
    list(s, (struct span){NULL, 0});
}

long long server_call(struct mcp_server *s, struct call_text body)
{
    struct buffer params = {0};
    long long id = ++s->next_id;
    put_params(s, &params, "", 0, id);
    message_put_request(&s->unsent, id, "tools/call", params.text, params.n);
    s->unsent.failed |= params.failed;
    s->body = body;
    s->n_body_sent = 0;
    s->body_at = s->unsent.n - strlen("}\n") - params.n + strlen("{"); /* first in the params */
    buffer_free(&params);
    server_write(s);
    return id;
}

void server_cancel(struct mcp_server *s, long long id)
{
    char params[64];
    int n = snprintf(params, sizeof params, "{\"requestId\":%lld}", id);
    s->rests_ns = clock_ns();
    message_put_notification(&s->unsent, "notifications/cancelled", params, (size_t)n);
    server_write(s);
}

/* ---- the end -------------------------------------------------------------------------------------------- */

void server_die(struct mcp_server *s, const char *format, ...)
{
    va_list list;
    if (s->state == SERVER_DEAD)
        return;
    va_start(list, format);
    int n = vsnprintf(s->why, sizeof s->why, format, list);
    va_end(list);
    server_read_err(s); /* its last words */
    if (s->n_err && n > 0 && (size_t)n < sizeof s->why)
        snprintf(s->why + n, sizeof s->why - (size_t)n, "; it said: %.300s",
                 s->last_err[(s->n_err - 1) % SERVER_STDERR]);
    s->state = SERVER_DEAD;
    drop_unsent(s);
    log_line(LOG_WARN, "MCP server %s: %s", s->config->name, s->why);
    s->on_death(s->arg, s);
}

static uint64_t opens_until(const struct mcp_server *s)
{
    return s->state < SERVER_READY ? s->deadline_ns : UINT64_MAX;
}

/* One call at a time is what many servers do: while one is at work it need not read the next. */
static uint64_t reads_until(const struct mcp_server *s, int is_at_work)
{
    return server_is_told(s) && !is_at_work ? s->rests_ns + (uint64_t)s->config->timeout_seconds * 1000000000
                                            : UINT64_MAX;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint64_t server_late_ns(const struct mcp_server *s, int is_at_work)
{
    uint64_t looks = s->closed_ns ? after_ms(LOOK_MS) : UINT64_MAX;
    uint64_t first = least(opens_until(s), least(looks, reads_until(s, is_at_work)));
    return s->state == SERVER_DEAD ? UINT64_MAX : first;
}

/* What it has written is read first, until its output is closed too. */
static void end_closed(struct mcp_server *s, uint64_t now)
{
    int status = 0, ended = s->child.out < 0 && child_has_ended(&s->child, &status);
    const char *in = s->out_lines.line.n ? "in the middle of an answer, " : "";
    if (ended && WIFSIGNALED(status))
        server_die(s, "%sit was ended by signal %d", in, WTERMSIG(status));
    else if (ended)
        server_die(s, "%sit has ended with status %d", in, WEXITSTATUS(status));
    else if (now >= s->closed_ns)
        server_die(s, "%sit has closed its %s", in, s->child.out < 0 ? "output" : "input");
}

void server_end_late(struct mcp_server *s, int is_at_work, uint64_t now)
{
    if (s->closed_ns)
        end_closed(s, now);
    else if (now >= reads_until(s, is_at_work))
        server_die(s, "it has read nothing of a call for %d s", s->config->timeout_seconds);
    else if (now >= opens_until(s))
        server_die(s, "it does not answer within %d s", s->start_seconds);
}

void server_free(struct mcp_server *s)
{
    buffer_free(&s->out_lines.line);
    buffer_free(&s->err_lines.line);
    drop_unsent(s);
    buffer_free(&s->making);
    mcp_text_release(s->list);
}

/* ---- what it answers ------------------------------------------------------------------------------------ */

static void is_refused(struct mcp_server *s, const char *what, const struct message *m)
{
    char text[200];
    span_plain(span_member(m->error, "message"), text, sizeof text);
    server_die(s, "it refuses %s: %s", what, *text ? text : "no reason is given");
}

/* It is open: its tools, if its capabilities have any. */
static void list_if_any(struct mcp_server *s, const struct message *m)
{
    if (span_is_object(span_member(span_member(m->result, "capabilities"), "tools")))
        list(s, (struct span){NULL, 0});
    else
        server_die(s, "it has no tools");
}

static void take_initialized(struct mcp_server *s, const struct message *m)
{
    if (m->kind == MESSAGE_ERROR && s->config->setup) {
        is_refused(s, "both server/discover and initialize", m);
        return;
    }
    if (m->kind == MESSAGE_ERROR) { /* of the revision that has no initialize, maybe */
        discover(s);
        return;
    }
    span_plain(span_member(m->result, "protocolVersion"), s->revision, sizeof s->revision);
    if (!mcp_is_old(s->revision, strlen(s->revision))) {
        server_die(s, "it speaks revision \"%s\" of MCP, which stoker does not know", s->revision);
        return;
    }
    message_put_notification(&s->unsent, "notifications/initialized", NULL, 0);
    list_if_any(s, m);
}

static void take_discovered(struct mcp_server *s, const struct message *m)
{
    struct span_walk w;
    struct span version;
    int speaks = 0;
    if (m->kind == MESSAGE_ERROR && s->config->setup) { /* of an older revision, maybe */
        initialize(s);
        return;
    }
    if (m->kind == MESSAGE_ERROR) {
        is_refused(s, "both initialize and server/discover", m);
        return;
    }
    span_walk(&w, span_member(m->result, "supportedVersions"));
    while (span_next(&w, NULL, &version))
        speaks |= span_is(version, MCP_MODERN);
    if (!speaks && s->config->setup) {
        initialize(s);
        return;
    }
    snprintf(s->revision, sizeof s->revision, "%s", MCP_MODERN);
    if (!speaks)
        server_die(s, "it does not speak revision " MCP_MODERN " of MCP, and refuses initialize");
    else
        list_if_any(s, m);
}

/* The list is whole. */
static void take_list(struct mcp_server *s)
{
    struct mcp_text *whole = (struct mcp_text *)(void *)s->making.text, *t = realloc(whole, s->making.n);
    t = t ? t : whole;
    t->n_user = 1;
    t->n = s->making.n - HEAD;
    s->making = (struct buffer){0};
    mcp_text_release(s->list);
    s->list = t;
    s->n_tool = s->n_making;
    s->state = SERVER_READY;
}

/* JSON has newlines between its parts, and none in strings: blanks mean the same. */
static void put_definition(struct buffer *out, struct span tool)
{
    size_t from = out->n;
    buffer_put(out, tool.text, tool.n);
    for (size_t i = from; i < out->n; i++)
        if (out->text[i] == '\n' || out->text[i] == '\r')
            out->text[i] = ' ';
    buffer_puts(out, "\n");
}

/* The list goes on, and no more of it is taken. */
static void tell_of_rest(const struct mcp_server *s)
{
    if (s->most_bytes < SERVER_LIST || s->most_tools < SERVER_TOOLS)
        log_line(
            LOG_WARN,
            "MCP server %s: it lists more than %d tools, %d pages or %d KiB beyond its first list, which is all that "
            "there is memory for; the first %d tools are taken",
            s->config->name, SERVER_MORE_TOOLS, SERVER_PAGES, SERVER_GROWTH >> 10, s->n_making);
    else
        log_line(LOG_WARN, "MCP server %s: it lists more than %d tools, %d pages or %d MiB; the first %d are taken",
                 s->config->name, SERVER_TOOLS, SERVER_PAGES, SERVER_LIST >> 20, s->n_making);
}

static void take_page(struct mcp_server *s, const struct message *m)
{
    struct span tools = span_member(m->result, "tools"), cursor = span_member(m->result, "nextCursor"), tool;
    struct span_walk w;
    long long ttl_ms;
    int is_full = 0;
    if (m->kind == MESSAGE_ERROR) {
        is_refused(s, "tools/list", m);
        return;
    }
    if (!span_is_list(tools)) {
        server_die(s, "its tools/list has no list of tools");
        return;
    }
    span_walk(&w, tools);
    while (!is_full && span_next(&w, NULL, &tool)) {
        is_full = s->n_making == s->most_tools || s->making.n - HEAD + tool.n + 1 > s->most_bytes;
        if (!is_full)
            put_definition(&s->making, tool);
        s->n_making += !is_full;
    }
    if (span_integer(span_member(m->result, "ttlMs"), &ttl_ms) && ttl_ms >= 0 && ttl_ms < 1ll << 40)
        s->stale_at_ns = clock_ns() + (uint64_t)ttl_ms * 1000000;
    is_full |= span_is_string(cursor) && s->n_page + 1 == SERVER_PAGES;
    if (is_full)
        tell_of_rest(s);
    if (s->making.failed) {
        server_die(s, "there is no memory for its tools");
    } else if (span_is_string(cursor) && !is_full && cursor.n > SERVER_GIVES) {
        server_die(s, "its list goes on at a cursor of more than %d KiB", SERVER_GIVES >> 10);
    } else if (span_is_string(cursor) && !is_full) {
        s->n_page++;
        list(s, cursor);
    } else {
        take_list(s);
    }
}

static void take_answer(struct mcp_server *s, const struct message *m)
{
    long long id;
    int is_asked = span_integer(m->id, &id) && id == s->asked && s->asked;
    if (!is_asked) {
        s->on_message(s->arg, s, m);
        return;
    }
    s->asked = 0;
    switch (s->state) {
    case SERVER_INITIALIZE:
        take_initialized(s, m);
        break;
    case SERVER_DISCOVER:
        take_discovered(s, m);
        break;
    case SERVER_LISTING:
        take_page(s, m);
        break;
    default:
        break;
    }
}

static void take_message(struct mcp_server *s, const char *line, size_t n)
{
    struct message m;
    message_read(&m, line, n);
    if (m.kind == MESSAGE_BROKEN || m.kind == MESSAGE_INVALID || m.id.n > SERVER_GIVES) {
        if (++s->n_broken == SERVER_BROKEN)
            server_die(s, "it writes lines that are no messages");
        return;
    }
    s->n_broken = 0;
    if (m.kind == MESSAGE_RESULT || m.kind == MESSAGE_ERROR)
        take_answer(s, &m);
    else if (m.kind == MESSAGE_REQUEST && span_is(m.method, "ping"))
        message_put_result(&s->unsent, m.id, "{}", 2);
    else if (m.kind == MESSAGE_REQUEST)
        message_put_error(&s->unsent, m.id, MCP_NO_METHOD, "stoker offers nothing to servers", NULL);
    else if (span_is(m.method, "notifications/tools/list_changed"))
        s->is_stale = 1;
    else if (span_is(m.method, "notifications/progress"))
        s->on_message(s->arg, s, &m);
    server_write(s);
}

/* ---- lines ---------------------------------------------------------------------------------------------- */

/* Bytes of a pipe as lines of at most `most` bytes. A longer one is told of once, with take's line NULL. */
static void take_bytes(struct mcp_server *s, struct server_lines *l, const char *text, size_t n, size_t most,
                       void (*take)(struct mcp_server *s, const char *line, size_t n))
{
    while (n > 0 && s->state != SERVER_DEAD) {
        const char *end = memchr(text, '\n', n);
        size_t part = end ? (size_t)(end - text) : n;
        if (!l->skipping && l->line.n + part > most) {
            l->skipping = 1;
            buffer_free(&l->line);
            take(s, NULL, 0);
        }
        if (!l->skipping)
            buffer_put(&l->line, text, part);
        if (end) {
            if (!l->skipping && !l->line.failed && l->line.n)
                take(s, l->line.text, l->line.n);
            l->skipping = 0;
            if (l->line.cap > READ || l->line.failed)
                buffer_free(&l->line);
            l->line.n = 0;
        }
        part += end != NULL;
        text += part;
        n -= part;
    }
}

static void take_line(struct mcp_server *s, const char *line, size_t n)
{
    if (line) {
        take_message(s, line, n);
        return;
    }
    log_line(LOG_WARN, "MCP server %s: a line of more than %d MiB is skipped", s->config->name, MESSAGE_MOST >> 20);
    if (++s->n_broken == SERVER_BROKEN)
        server_die(s, "it writes lines that are no messages");
}

static void close_output(struct mcp_server *s)
{
    close(s->child.out);
    s->child.out = -1;
    has_closed(s);
}

void server_read(struct mcp_server *s)
{
    char piece[READ]; /* not thread-local: that would take it from the stack of each thread of the program */
    ssize_t n = read(s->child.out, piece, sizeof piece);
    if (n > 0)
        take_bytes(s, &s->out_lines, piece, (size_t)n, MESSAGE_MOST, take_line);
    else if (n == 0)
        close_output(s);
    else if (errno != EAGAIN && errno != EINTR)
        server_die(s, "it cannot be read: %s", strerror(errno));
}

static void take_err_line(struct mcp_server *s, const char *line, size_t n)
{
    char *kept = s->last_err[s->n_err % SERVER_STDERR];
    if (!line)
        return;
    while (n > 0 && line[n - 1] == '\r')
        n--;
    snprintf(kept, sizeof s->last_err[0], "%.*s", (int)(n < sizeof s->last_err[0] ? n : sizeof s->last_err[0] - 1),
             line);
    s->n_err++;
    if (s->n_logged++ < SERVER_LOGGED)
        log_line(LOG_INFO, "MCP server %s says: %s", s->config->name, kept);
    if (s->n_logged == SERVER_LOGGED)
        log_line(LOG_WARN, "MCP server %s: more of its stderr is not shown", s->config->name);
}

void server_read_err(struct mcp_server *s)
{
    char piece[4096];
    ssize_t n;
    for (int i = 0; i < 16 && s->child.err >= 0 && (n = read(s->child.err, piece, sizeof piece)) != -1; i++) {
        if (n == 0) {
            close(s->child.err);
            s->child.err = -1;
            return;
        }
        take_bytes(s, &s->err_lines, piece, (size_t)n, sizeof piece, take_err_line);
    }
}
