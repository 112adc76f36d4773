/* See bridge.h. One thread: stdin, and what is under way. stdout blocks: stoker always reads it. */
#include "bridge/bridge.h"

#include "base/clock.h"
#include "base/error.h"
#include "bridge/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    READ = 64 << 10,
    LINGER_MS = 1000,
    POLL_MS = 60000,
    SETUP_MOST = 256 << 10,
    IN_MOST = 16 << 20, /* bytes of lines that wait; stoker's have 8 MiB at most */
    FAILED = -32000     /* code of our own errors */
};

/* ---- lines out ------------------------------------------------------------------------------------------- */

static void write_out(struct bridge *b)
{
    size_t n = 0;
    ssize_t got;
    while (n < b->out.n && ((got = write(STDOUT_FILENO, b->out.text + n, b->out.n - n)) >= 0 || errno == EINTR))
        n += got > 0 ? (size_t)got : 0;
    if (b->out.failed)
        fprintf(stderr, "there is no memory for an answer\n");
    if (b->out.failed || n < b->out.n)
        exit(1);
    if (b->out.cap > READ)
        buffer_free(&b->out);
    b->out.n = 0;
}

/* Between its parts JSON may have newlines. */
void bridge_emit(struct bridge *b, const char *line, size_t n)
{
    buffer_put(&b->out, line, n);
    for (size_t i = 0; i < b->out.n; i++)
        if (b->out.text[i] == '\n' || b->out.text[i] == '\r')
            b->out.text[i] = ' ';
    buffer_puts(&b->out, "\n");
    write_out(b);
}

static struct span id_of(const struct posted *p) { return (struct span){p->id.text, p->id.n}; }

void bridge_refuse(struct posted *p, const char *sentence)
{
    if (p->is_own || !p->id.n)
        return;
    message_put_error(&p->of->out, id_of(p), FAILED, sentence, NULL);
    write_out(p->of);
}

/* ---- answers --------------------------------------------------------------------------------------------- */

/* What of it concerns the bridge. */
static void learn(struct posted *p, const struct message *m)
{
    if (m->kind != MESSAGE_RESULT)
        return;
    if (p->kind == POSTED_INITIALIZE)
        session_take(p, m);
    else if (p->kind == POSTED_LIST)
        annotated_learn(&p->of->tools, m->result);
}

static void take_answer(struct posted *p, const struct message *m, const char *text, size_t n)
{
    int is_ours = m->id.n == p->id.n && memcmp(m->id.text, p->id.text, p->id.n) == 0;
    int has_id = m->id.n && !span_is_null(m->id);
    if (!is_ours &&
        (has_id || m->kind != MESSAGE_ERROR)) /* servers refuse without an id what they have not understood */
        return;
    p->answer = m->kind == MESSAGE_RESULT ? POSTED_GRANTED : POSTED_REFUSED;
    p->answered_ns = clock_ns();
    learn(p, m);
    if (p->is_own)
        return;
    if (is_ours) {
        bridge_emit(p->of, text, n);
        return;
    }
    struct buffer *out = &p->of->out;
    buffer_puts(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    buffer_put(out, p->id.text, p->id.n);
    buffer_puts(out, ",\"error\":");
    buffer_put(out, m->error.text, m->error.n);
    buffer_puts(out, "}");
    bridge_emit(p->of, NULL, 0);
}

/* A message of an answer: the answer itself, or before it, in a stream, what else the server has to say. */
static void take_message(void *arg, const char *text, size_t n)
{
    struct posted *p = arg;
    struct message m;
    if (p->answer)
        return;
    message_read(&m, text, n);
    if ((m.kind == MESSAGE_RESULT || m.kind == MESSAGE_ERROR) && p->id.n)
        take_answer(p, &m, text, n);
    else if (m.kind == MESSAGE_NOTIFICATION || (m.kind == MESSAGE_REQUEST && !p->of->is_modern))
        bridge_emit(p->of, text, n);
}

/* ---- messages that are posted ------------------------------------------------------------------------------ */

void bridge_put_headers(struct bridge *b, struct header_list *l, const char *session)
{
    for (const struct curl_slist *h = b->headers; h; h = h->next)
        headers_add_line(l, h->text);
    if (*session)
        headers_add(l, "Mcp-Session-Id", session, strlen(session));
    if (!b->is_modern && *b->revision)
        headers_add(l, "MCP-Protocol-Version", b->revision, strlen(b->revision));
}

void bridge_drop(struct bridge *b, struct posted *p)
{
    struct posted **at = &b->posted;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    b->n_one_way -= p->kind == POSTED_ONE_WAY;
    transfer_free(&p->transfer);
    buffer_free(&p->id);
    free(p);
}

static void no_memory(void)
{
    fprintf(stderr, "there is no memory for a message\n");
    exit(1);
}

void bridge_send(struct posted *p, const struct message *m)
{
    struct bridge *b = p->of;
    struct header_list *l = &p->transfer.headers;
    headers_free(l);
    headers_add_line(l, "Content-Type: application/json");
    headers_add_line(l, "Accept: application/json, text/event-stream");
    headers_add_line(l, "Expect:"); /* of libcurl's none */
    snprintf(p->session, sizeof p->session, "%s", b->is_modern ? "" : b->session);
    bridge_put_headers(b, l, p->session);
    if (b->is_modern)
        headers_put_modern(l, m, &b->tools);
    if (l->n + strlen(b->url) > REQUEST_HEAD_MOST) {
        bridge_refuse(p,
                      "what the server wants in headers of the arguments (x-mcp-header) has more than 900 KiB, which "
                      "is too much for HTTP; shorter ones can be sent");
        bridge_drop(b, p);
        return;
    }
    if (transfer_begin(&p->transfer) == 0)
        return;
    fprintf(stderr, "%s\n", p->transfer.why ? p->transfer.why : "there is no memory for a message");
    exit(1);
}

static enum posted_kind kind_of(const struct bridge *b, const struct message *m)
{
    return m->kind != MESSAGE_REQUEST                         ? POSTED_ONE_WAY
           : span_is(m->method, "initialize")                 ? POSTED_INITIALIZE
           : b->is_modern && span_is(m->method, "tools/list") ? POSTED_LIST
                                                              : POSTED_REQUEST;
}

void bridge_post(struct bridge *b, const char *text, size_t n, const struct message *m, int is_own)
{
    struct posted *p = calloc(1, sizeof *p);
    if (!p)
        no_memory();
    p->of = b;
    p->kind = kind_of(b, m);
    p->is_own = is_own;
    p->transfer.wire = &b->wire;
    p->transfer.headers.curl = &b->wire.curl;
    p->transfer.take = take_message;
    p->transfer.arg = p;
    p->transfer.timeout_ms = is_own || p->kind == POSTED_ONE_WAY ? ONE_WAY_MS : 0;
    buffer_put(&p->transfer.body, text, n);
    if (p->kind != POSTED_ONE_WAY)
        buffer_put(&p->id, m->id.text, m->id.n);
    if (p->id.failed)
        no_memory();
    p->next = b->posted;
    b->posted = p;
    b->n_one_way += p->kind == POSTED_ONE_WAY;
    if (p->kind == POSTED_INITIALIZE)
        *b->session = *b->revision = 0;
    if (!session_is_missing(p))
        bridge_send(p, m);
}

/* stoker does not wait any more. Of 2026-07-28 the closed stream says so to the server, before it a message. */
static void cancel(struct bridge *b, const struct message *m, const char *text, size_t n)
{
    struct span id = span_member(m->params, "requestId");
    struct posted *p = b->posted;
    while (p && (p->is_own || p->id.n != id.n || !id.n || memcmp(p->id.text, id.text, id.n) != 0))
        p = p->next;
    if (!p)
        return; /* it has ended, or is still to come */
    if (!b->is_modern && !p->is_parked && strcmp(p->session, b->session) == 0)
        bridge_post(b, text, n, m, 0);
    bridge_drop(b, p);
}

static int is_cancel(const struct message *m)
{
    return m->kind == MESSAGE_NOTIFICATION && span_is(m->method, "notifications/cancelled");
}

static void take_line(struct bridge *b, const char *text, size_t n)
{
    struct message m;
    message_read(&m, text, n);
    if (m.kind == MESSAGE_REQUEST) {
        b->is_modern = span_member(m.meta, MCP_META "protocolVersion").n > 0;
        bridge_post(b, text, n, &m, 0);
    } else if (is_cancel(&m)) {
        cancel(b, &m, text, n);
    } else if (m.kind >= MESSAGE_NOTIFICATION && !b->is_modern) { /* of 2026-07-28 nothing else is sent */
        bridge_post(b, text, n, &m, 0);
    }
}

/* ---- the end of one -------------------------------------------------------------------------------------- */

/* Nobody at the address answers, and none ever has: there is no server. */
static void end_unreached(struct bridge *b, const char *sentence)
{
    fprintf(stderr, "%s cannot be reached: %s\n", b->shown, sentence);
    exit(1);
}

static void finish_one_way(struct posted *p, const char *sentence, int went_well)
{
    struct bridge *b = p->of;
    int is_own = p->is_own;
    if (!went_well)
        fprintf(stderr, "a message is lost: %s\n", sentence);
    bridge_drop(b, p);
    if (is_own)
        session_send_parked(b);
}

static void finish(struct posted *p, int result)
{
    struct bridge *b = p->of;
    struct transfer *t = &p->transfer;
    long status = transfer_status(t);
    char sentence[480];
    transfer_tell(t, result, status, sentence, sizeof sentence);
    if (result && status == 0 && !b->has_answered)
        end_unreached(b, sentence);
    b->has_answered = 1;
    transfer_end(t);
    if (p->kind == POSTED_ONE_WAY) {
        finish_one_way(p, sentence, result == 0 && status / 100 == 2);
        return;
    }
    if (!p->answer && !result && session_is_lost(p, status))
        return;
    if (!p->answer && !result && t->answer.n)
        take_message(p, t->answer.text, t->answer.n);
    if (!p->answer)
        bridge_refuse(p, sentence);
    int is_own = p->is_own, has_session = p->answer == POSTED_GRANTED;
    bridge_drop(b, p);
    if (is_own)
        session_renewed(b, has_session ? NULL : sentence);
}

/* Servers end a stream behind its answer; those that do not are left. */
static void end_lingering(struct bridge *b, int *waits)
{
    struct posted *p = b->posted;
    uint64_t now = clock_ns();
    *waits = 0;
    while (p) {
        int is_over = p->answer && now - p->answered_ns > LINGER_MS * 1000000ull;
        *waits |= p->answer && !is_over;
        if (is_over)
            finish(p, 0);
        p = is_over ? b->posted : p->next; /* with one that opens no session others end */
    }
}

/* ---- the process ------------------------------------------------------------------------------------------- */

/* The end of a line that may be sent now; NULL: there is none, or it waits for what is to arrive before. */
static const char *line_end(const struct bridge *b)
{
    return b->n_one_way || b->is_renewing || b->n_taken == b->in.n
               ? NULL
               : memchr(b->in.text + b->n_taken, '\n', b->in.n - b->n_taken);
}

/* Cancels do not wait for their turn: what they name must not be sent when its own has come. */
static void take_cancels(struct bridge *b)
{
    const char *end, *line;
    struct message m;
    b->n_seen = b->n_seen > b->n_taken ? b->n_seen : b->n_taken;
    while (b->n_seen < b->in.n && (end = memchr(line = b->in.text + b->n_seen, '\n', b->in.n - b->n_seen))) {
        b->n_seen = (size_t)(end - b->in.text) + 1;
        message_read(&m, line, (size_t)(end - line));
        if (is_cancel(&m))
            cancel(b, &m, line, (size_t)(end - line));
    }
}

static void take_lines(struct bridge *b)
{
    const char *end;
    while ((end = line_end(b))) {
        const char *line = b->in.text + b->n_taken;
        b->n_taken = (size_t)(end - b->in.text) + 1;
        take_line(b, line, (size_t)(end - line));
    }
    take_cancels(b);
    b->n_seen -= b->n_taken;
    b->in.n -= b->n_taken;
    if (b->in.n)
        memmove(b->in.text, b->in.text + b->n_taken, b->in.n);
    else
        buffer_free(&b->in);
    b->n_taken = 0;
}

/* 0: it has ended. */
static int read_in(struct bridge *b)
{
    char piece[READ];
    ssize_t n = read(STDIN_FILENO, piece, sizeof piece);
    if (n > 0)
        buffer_put(&b->in, piece, (size_t)n);
    if (b->in.failed)
        no_memory();
    return n > 0 || (n < 0 && errno == EINTR);
}

/* 0: enough waits already. What is whole then is sent some time; of one line that is longer there is no end. */
static int may_read(const struct bridge *b)
{
    if (b->in.n < IN_MOST || b->n_one_way || b->is_renewing)
        return b->in.n < IN_MOST;
    fprintf(stderr, "a line of stoker has more than 16 MiB\n");
    exit(1);
}

static void serve(struct bridge *b)
{
    struct curl *c = &b->wire.curl;
    int n_running, n_ready, result, waits;
    for (;;) {
        struct curl_fd in = {STDIN_FILENO, CURL_READABLE, 0};
        struct transfer *t;
        take_lines(b);
        c->multi_perform(b->wire.multi, &n_running);
        while ((t = transfer_next(&b->wire, &result)))
            finish(t->arg, result);
        end_lingering(b, &waits);
        if (line_end(b))
            continue; /* what it waited for has ended */
        c->multi_poll(b->wire.multi, &in, (unsigned)may_read(b), waits ? LINGER_MS : POLL_MS, &n_ready);
        if (in.revents && !read_in(b))
            return;
    }
}

/* The first line. -1: a sentence is on stderr. */
static int read_setup(struct bridge *b)
{
    char *end = NULL;
    while (!end && b->in.n < SETUP_MOST && read_in(b))
        end = b->in.n ? memchr(b->in.text, '\n', b->in.n) : NULL;
    if (!end) {
        fprintf(stderr, "stoker starts this for MCP servers with a url; there is nothing else to do\n");
        return -1;
    }
    struct span line = {b->in.text, (size_t)(end - b->in.text)}, url = span_member(line, "url"), header;
    struct header_list headers = {.curl = &b->wire.curl};
    struct buffer text = {0};
    struct span_walk w;
    b->n_taken = line.n + 1;
    span_walk(&w, span_member(line, "headers"));
    while (span_next(&w, NULL, &header)) {
        text.n = 0;
        json_unescape(&text, header.text, header.n);
        buffer_put(&text, "", 1);
        headers_add_line(&headers, text.failed ? "" : text.text);
    }
    text.n = 0;
    json_unescape(&text, url.text, url.n);
    buffer_put(&text, "", 1);
    if (text.failed || headers.failed)
        no_memory();
    b->wire.url = b->url = text.text;
    b->headers = headers.list;
    transfer_origin(b->url, b->shown, sizeof b->shown);
    return 0;
}

int bridge_is(int argc, char **argv) { return argc == 2 && strcmp(argv[1], "--mcp-http") == 0; }

int bridge_run(void)
{
    static struct bridge b;
    struct error err = {0};
    prctl(PR_SET_NAME, "stoker-mcp-http");
    signal(SIGPIPE, SIG_IGN); /* writing says it */
    if (curl_load(&b.wire.curl, &err) || !(b.wire.multi = b.wire.curl.multi_init())) {
        fprintf(stderr, "%s\n", *err.text ? err.text : "there is no memory");
        return 1;
    }
    if (read_setup(&b))
        return 1;
    serve(&b);
    while (b.posted)
        bridge_drop(&b, b.posted);
    session_end(&b);
    return 0;
}
