/* Answers: headers, bodies, streams, what a slow reader has not taken yet, and waiting (http.h).
 *
 * A socket is never blocking. What it does not take is kept in c->unsent; the thread stands still only when that is full, or at the end
 * of an answer, and gives the client up when it takes less than HTTP_PACE bytes in HTTP_PACE_MS, or the server stops and it takes
 * nothing. So the time of an answer is bounded by its length. */
#include "base/clock.h"
#include "base/log.h"
#include "server/http/inside.h"
#include "server/http/json.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {{200, "OK"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {302, "Found"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {413, "Content Too Large"},
                   {414, "URI Too Long"},
                   {415, "Unsupported Media Type"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Status";
}

/* ---- sending --------------------------------------------------------------------------------------------------------------- */

/* What the socket takes of v now; 0 also when it takes nothing. */
static size_t send_some(struct http_connection *c, struct iovec *v, size_t n)
{
    struct msghdr m = {.msg_iov = v, .msg_iovlen = n};
    ssize_t k;
    do
        k = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (k < 0 && errno == EINTR);
    if (k < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        c->disconnected = 1;
    if (k <= 0)
        return 0;
    c->taken_ns = clock_ns();
    c->paced += (size_t)k;
    return (size_t)k;
}

static void drop_unsent(struct http_connection *c)
{
    free(c->unsent);
    reqmem_give(&c->memory, c->unsent_capacity);
    c->unsent = NULL;
    c->at_unsent = c->n_unsent = c->unsent_capacity = 0;
}

static void send_unsent(struct http_connection *c)
{
    struct iovec v = {c->unsent + c->at_unsent, c->n_unsent};
    if (c->n_unsent == 0)
        return;
    size_t k = send_some(c, &v, 1);
    c->at_unsent += k;
    c->n_unsent -= k;
    if (c->n_unsent == 0 || c->disconnected)
        drop_unsent(c);
}

/* Nothing is unsent: the pace of what comes is measured from now on. */
static void begin_pace(struct http_connection *c)
{
    c->taken_ns = c->pace_ns = c->waited_ns = clock_ns();
    c->paced = 0;
}

/* Nobody has waited for the reader since waited_ns: that time does not count. */
static void resume_pace(struct http_connection *c)
{
    c->taken_ns = clock_ns();
    c->pace_ns += c->taken_ns - c->waited_ns;
}

/* Waits a moment for the socket; 1: it may take something. A client that takes too little is gone. */
static int wait_writable(struct http_connection *c)
{
    const uint64_t ms = 1000000;
    uint64_t now = clock_ns();
    struct pollfd p = {c->fd, POLLOUT, 0};
    int stops = atomic_load(&c->app->cut) && now - c->taken_ns >= HTTP_CUT_MS * ms;
    if (now - c->pace_ns >= HTTP_PACE_MS * ms) {
        stops |= c->paced < HTTP_PACE;
        c->pace_ns = now;
        c->paced = 0;
    }
    c->waited_ns = now;
    c->disconnected |= stops || atomic_load(&c->app->closing);
    return !c->disconnected && poll(&p, 1, 250) > 0;
}

/* Until at most most bytes are unsent. */
static void wait_unsent(struct http_connection *c, size_t most)
{
    if (!c->disconnected && c->n_unsent > most)
        resume_pace(c);
    while (!c->disconnected && c->n_unsent > most)
        if (wait_writable(c))
            send_unsent(c);
    if (c->disconnected)
        drop_unsent(c);
}

/* -1: there is no memory for n more. */
static int keep(struct http_connection *c, const char *text, size_t n)
{
    if (c->at_unsent && c->at_unsent + c->n_unsent + n > c->unsent_capacity) {
        memmove(c->unsent, c->unsent + c->at_unsent, c->n_unsent);
        c->at_unsent = 0;
    }
    if (c->n_unsent + n > c->unsent_capacity) {
        size_t capacity = c->n_unsent + n + c->unsent_capacity / 2 + 4096, more = capacity - c->unsent_capacity;
        if (reqmem_take(&c->memory, more, REQMEM_SMALL))
            return -1;
        char *unsent = realloc(c->unsent, capacity);
        if (!unsent) {
            reqmem_give(&c->memory, more);
            return -1;
        }
        c->unsent = unsent;
        c->unsent_capacity = capacity;
    }
    memcpy(c->unsent + c->at_unsent + c->n_unsent, text, n);
    c->n_unsent += n;
    return 0;
}

/* Sends v, keeps what is not taken, waits while too much is kept. */
static int put(struct http_connection *c, struct iovec *v, size_t n)
{
    size_t sent = 0;
    if (c->disconnected)
        return -1;
    if (c->n_unsent == 0) {
        begin_pace(c);
        sent = send_some(c, v, n);
    } else {
        send_unsent(c);
    }
    for (size_t i = 0; i < n && !c->disconnected; i++) {
        size_t skip = sent < v[i].iov_len ? sent : v[i].iov_len, left = v[i].iov_len - skip;
        const char *text = (const char *)v[i].iov_base + skip;
        sent -= skip;
        while (left && !c->disconnected) { /* in pieces: a large answer is not kept whole */
            size_t piece = left < HTTP_UNSENT ? left : HTTP_UNSENT;
            wait_unsent(c, HTTP_UNSENT);
            if (c->disconnected)
                break;
            if (keep(c, text, piece)) {
                wait_unsent(c, 0); /* no memory to keep it: give the socket time, then give the client up */
                struct iovec one = {(char *)text, left};
                while (!c->disconnected && !wait_writable(c))
                    continue;
                piece = c->disconnected ? 0 : send_some(c, &one, 1);
            }
            text += piece;
            left -= piece;
        }
    }
    if (!c->disconnected && c->n_unsent > HTTP_UNSENT)
        wait_unsent(c, HTTP_UNSENT);
    return c->disconnected ? -1 : 0;
}

/* ---- headers --------------------------------------------------------------------------------------------------------------- */

const char *http_header(const struct http_exchange *x, const char *name)
{
    return http_head_field(&x->connection->head, name);
}

const char *http_key(const struct http_exchange *x) { return x->connection->key; }

int http_ask_key(const struct http_exchange *x, struct refusal *r)
{
    const char *right;
    return http_check_key(x->connection->app, &x->connection->head, &right, r);
}

void http_set(struct http_exchange *x, const char *name, const char *format, ...)
{
    struct http_connection *c = x->connection;
    char value[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    for (char *p = value; *p; p++)
        if (*(unsigned char *)p < 0x20 || *p == 0x7f)
            *p = ' ';
    size_t left = sizeof c->set - c->n_set;
    int n = snprintf(c->set + c->n_set, left, "%s: %s\r\n", name, value);
    c->n_set += n > 0 && (size_t)n < left ? (size_t)n : 0;
}

/* length -1: a stream. Returns the size. */
static size_t write_head(struct http_connection *c, char *out, size_t size, int status, const char *type,
                         int64_t length)
{
    char date[64], more[128] = "";
    time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    if (length >= 0 && status != 204)
        snprintf(more, sizeof more, "Content-Length: %lld\r\n", (long long)length);
    else if (length < 0)
        snprintf(more, sizeof more, "X-Accel-Buffering: no\r\n%s", c->chunked ? "Transfer-Encoding: chunked\r\n" : "");
    int n = snprintf(out, size,
                     "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s%sx-request-id: %s\r\nCache-Control: "
                     "no-store\r\n%s%.*sConnection: %s\r\n\r\n",
                     status, reason(status), date, type ? "Content-Type: " : "", type ? type : "", type ? "\r\n" : "",
                     c->x.id, more, (int)c->n_set, c->set, c->close || c->unread ? "close" : "keep-alive");
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* ---- answers --------------------------------------------------------------------------------------------------------------- */

enum { HEAD_MOST = HTTP_SET_MOST + 1024 };

int http_answer(struct http_exchange *x, int status, const char *type, const char *body, size_t n)
{
    struct http_connection *c = x->connection;
    char head[HEAD_MOST];
    if (c->status)
        return -1;
    c->status = status;
    http_next(x);
    struct iovec v[2] = {{head, write_head(c, head, sizeof head, status, type, (int64_t)n)}, {(char *)body, n}};
    put(c, v, n && strcmp(x->method, "HEAD") != 0 ? 2 : 1);
    wait_unsent(c, 0);
    return c->disconnected ? -1 : 0;
}

int http_answer_out(struct http_exchange *x, const char *type, struct out *o)
{
    struct refusal r = {0};
    int failed = o->failed, rc = failed ? 0 : http_answer(x, 200, type, o->text, o->n);
    out_free(o);
    if (!failed)
        return rc;
    refuse_memory(&r);
    return http_refuse(x, &r);
}

int http_answer_json(struct http_exchange *x, struct out *o) { return http_answer_out(x, "application/json", o); }

/* What the log says of a refusal. Sentences about fields may quote what a client wrote, which no log keeps: of them the code and the
 * field. */
static void keep_reason(struct http_connection *c, const struct refusal *r)
{
    if (r->status == 400 || r->status == 422 || r->status == 501)
        snprintf(c->why, sizeof c->why, "%s%s%.100s", r->code ? r->code : refusal_type(r->status),
                 *r->param ? " at " : "", r->param);
    else
        snprintf(c->why, sizeof c->why, "%.199s", r->text);
}

int http_refuse(struct http_exchange *x, const struct refusal *refusal)
{
    struct out o = {0};
    struct refusal copy = *refusal, *r = &copy;
    if (x->connection->disconnected) /* its request ended because it left, and no refusal is counted */
        return -1;
    refusal_tell_memory(r, x->memory);
    keep_reason(x->connection, r);
    reqmem_spare(x->memory, REQMEM_REFUSAL);
    x->connection->app->write_error(&o, x->path, r, x->id);
    reqmem_spare(x->memory, 0);
    if (r->retry_after)
        http_set(x, "Retry-After", "%d", r->retry_after);
    if (r->status == 401)
        http_set(x, "WWW-Authenticate", "Bearer");
    if (r->status >= 500 && r->status != 501 && r->status != 503)
        log_line(LOG_WARN, "%s: %s", x->id, r->text);
    int rc = http_answer(x, r->status, "application/json", o.text, o.failed ? 0 : o.n);
    out_free(&o);
    return rc;
}

/* ---- streams --------------------------------------------------------------------------------------------------------------- */

int http_streaming(const struct http_exchange *x) { return x->connection->streaming; }

/* length -1: it is not known. */
static int begin_stream(struct http_exchange *x, const char *type, int64_t length)
{
    struct http_connection *c = x->connection;
    char head[HEAD_MOST];
    if (c->status)
        return -1;
    c->status = 200;
    http_next(x);
    c->streaming = 1;
    c->chunked = length < 0 && c->head.minor > 0;
    if (length < 0 && !c->chunked)
        c->close = 1;
    struct iovec v = {head, write_head(c, head, sizeof head, 200, type, length)};
    if (strcmp(x->method, "HEAD") == 0)
        c->streaming = 2;
    return put(c, &v, 1);
}

int http_stream_begin(struct http_exchange *x, const char *type) { return begin_stream(x, type, -1); }

int http_body_begin(struct http_exchange *x, const char *type, uint64_t length)
{
    return begin_stream(x, type, (int64_t)length);
}

int http_stream_write(struct http_exchange *x, const char *text, size_t n)
{
    struct http_connection *c = x->connection;
    char size[24];
    if (c->streaming != 1 || c->disconnected)
        return -1;
    if (n == 0)
        return 0;
    if (!c->chunked)
        return put(c, &(struct iovec){(char *)text, n}, 1);
    struct iovec v[3] = {{size, (size_t)snprintf(size, sizeof size, "%zx\r\n", n)}, {(char *)text, n}, {"\r\n", 2}};
    return put(c, v, 3);
}

int http_stream_end(struct http_exchange *x)
{
    struct http_connection *c = x->connection;
    if (c->streaming == 1) {
        c->streaming = 2;
        if (c->chunked)
            put(c, &(struct iovec){"0\r\n\r\n", 5}, 1);
        wait_unsent(c, 0);
    }
    return c->disconnected ? -1 : 0;
}

/* ---- waiting --------------------------------------------------------------------------------------------------------------- */

void http_notify(void *exchange)
{
    struct http_connection *c = ((struct http_exchange *)exchange)->connection;
    if (!atomic_exchange(&c->notified, 1))
        http_wake(c);
}

enum http_waited http_wait(struct http_exchange *x, int timeout_ms)
{
    struct http_connection *c = x->connection;
    uint64_t until = clock_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000, count;
    for (;;) {
        uint64_t now = clock_ns();
        int left = atomic_load(&c->notified) ? 0
                   : timeout_ms < 0          ? 60000
                   : now < until             ? (int)((until - now + 999999) / 1000000)
                                             : 0;
        int again = http_ask_again_ms(c);
        struct pollfd p[2] = {{c->fd, http_watch(c) | (c->n_unsent ? POLLOUT : 0), 0}, {c->wake, POLLIN, 0}};
        left = again >= 0 && again < left ? again : left;
        if (c->disconnected || poll(p, 2, left) < 0)
            p[0].revents = p[1].revents = 0;
        if (p[1].revents && read(c->wake, &count, sizeof count) < 0)
            p[1].revents = 0;
        int closed = http_look(c, p[0].revents);
        if (!c->disconnected && p[0].revents & POLLOUT)
            send_unsent(c);
        if (c->disconnected)
            return HTTP_DISCONNECTED;
        if (atomic_load(&c->app->cut))
            return HTTP_CUT;
        if (atomic_exchange(&c->notified, 0))
            return HTTP_NOTIFIED;
        if (timeout_ms >= 0 && (clock_ns() >= until || (closed && c->streaming)))
            return HTTP_TIMEOUT;
    }
}
