/* See stdio.h. The thread that reads answers what needs no tool; a call of a tool has a thread, so that it can be cancelled and others are
 * answered meanwhile. Nothing waits without an end for a client that does not read. Requests have a memory together (base/reqmem.h);
 * what goes beyond it is refused. */
#include "cli/mcp/stdio.h"

#include "base/clock.h"
#include "base/reqmem.h"
#include "base/utf8.h"
#include "toolbox/mcp_service.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* SMALL: bytes of a line that may take what is kept. */
enum { CALLS = 32, DRAIN_SECONDS = 1, ASK_MS = 100, PIECE = 64 << 10, SMALL = 256 << 10, TOO_MANY = -32000 };

_Static_assert(MCP_STDIO_LINE == MESSAGE_MOST + PIECE, "a line may be as long as a message");

struct call {
    struct connection *of;
    struct reqmem_account memory;
    char *line; /* its request, to which m points */
    size_t n;
    struct message m;
    int is_old;
    atomic_int is_cancelled;
    struct call *next;
};

struct connection {
    struct mcp_service *service;
    struct reqmem *memory;   /* of calls */
    int is_old;              /* it was opened with initialize; the reading thread's */
    pthread_mutex_t writing; /* stdout: one line at a time */
    pthread_mutex_t lock;    /* what follows */
    pthread_cond_t ended;
    struct call *calls; /* [n_call], in no order */
    int n_call;
    atomic_int is_gone; /* nobody waits for answers any more */
};

/* ---- writing ----------------------------------------------------------------------------------------------- */

/* The client has closed its side of our stdin, or there never was one. */
static int input_has_ended(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLRDHUP};
    return poll(&in, 1, 0) > 0 && in.revents & (POLLHUP | POLLRDHUP);
}

/* As many bytes as stdout takes now; 0: none; -1: nobody reads it. It may be shared, so it stays as blocking as it was. */
static ssize_t write_some(const char *text, size_t n)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (poll(&out, 1, ASK_MS) <= 0)
        return 0;
    if (out.revents & (POLLERR | POLLNVAL))
        return -1;
    ssize_t k = send(STDOUT_FILENO, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (k < 0 && errno == ENOTSOCK) /* a pipe that can be written to has room for so much */
        k = write(STDOUT_FILENO, text, n < PIPE_BUF ? n : PIPE_BUF);
    return k >= 0 ? k : errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
}

static void write_line(struct connection *c, const struct buffer *line)
{
    pthread_mutex_lock(&c->writing);
    uint64_t taken = clock_ns();
    for (size_t at = 0; at < line->n && !atomic_load(&c->is_gone);) {
        ssize_t n = write_some(line->text + at, line->n - at);
        if (n > 0) {
            at += (size_t)n;
            taken = clock_ns();
        } else if (n < 0 || (clock_ns() - taken > DRAIN_SECONDS * 1000000000ull && input_has_ended())) {
            atomic_store(&c->is_gone, 1);
        }
    }
    pthread_mutex_unlock(&c->writing);
}

/* There is memory for it whatever calls have, unless its id is as large as they are: then it has none. */
static void write_error(struct connection *c, struct span id, int code, const char *text)
{
    struct reqmem_account own = {.of = c->memory};
    struct buffer line = {0};
    reqmem_enter(&own, 0);
    reqmem_spare(&own, REQMEM_REFUSAL);
    message_put_error(&line, id, code, text, NULL);
    if (line.failed) {
        buffer_free(&line);
        message_put_error(&line, (struct span){NULL, 0}, code, text, NULL);
    }
    if (!line.failed)
        write_line(c, &line);
    buffer_free(&line);
    reqmem_leave();
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
    reqmem_enter(&call->memory, call->n);
    mcp_service_answer(call->of->service, &ask, &line);
    int failed = line.failed;
    if (!failed && !is_stopped(call))
        write_line(call->of, &line);
    buffer_free(&line);
    reqmem_leave();
    if (failed)
        write_error(call->of, call->m.id, TOO_MANY, "there is no memory for the answer");
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

static void call_free(struct call *call)
{
    free(call->line);
    reqmem_give(&call->memory, call->n);
    free(call);
}

/* NULL: there is no memory for it now. */
static struct call *call_make(struct connection *c, const char *line, size_t n)
{
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    *call = (struct call){.of = c, .memory = {.of = c->memory}, .is_old = c->is_old};
    if (reqmem_take(&call->memory, n, n > SMALL ? REQMEM_LARGE : REQMEM_SMALL) == 0)
        call->n = n;
    if (!call->n || !(call->line = malloc(n))) {
        call_free(call);
        return NULL;
    }
    memcpy(call->line, line, n);
    message_read(&call->m, call->line, n);
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
    int is_full = c->n_call == CALLS, failed = is_full || pthread_create(&thread, NULL, run, call);
    if (!failed) {
        pthread_detach(thread);
        call->next = c->calls;
        c->calls = call;
        c->n_call++;
    }
    pthread_mutex_unlock(&c->lock);
    if (failed) {
        write_error(c, call->m.id, TOO_MANY,
                    is_full ? "too many calls are under way: 32 at most" : "the system has no thread for the call");
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
        write_error(c, id, TOO_MANY,
                    "requests that are under way have the memory for requests: ask again when one of them has ended");
    } else if (span_is(call->m.method, "tools/call") || span_is(call->m.method, "tools/list")) {
        start(c, call);
    } else {
        c->is_old |= span_is(call->m.method, "initialize");
        answer(call);
        call_free(call);
    }
}

static const char too_long[] = "a line has 8 MiB at most";

static void take_line(struct connection *c, const char *line, size_t n)
{
    struct message m;
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == ' '))
        n--;
    if (n == 0)
        return;
    message_read(&m, line, n);
    if (n > MESSAGE_MOST || utf8_valid(line, n) < n)
        m = (struct message){.kind = n > MESSAGE_MOST ? MESSAGE_INVALID : MESSAGE_BROKEN};
    switch (m.kind) {
    case MESSAGE_BROKEN:
        write_error(c, m.id, MCP_NOT_JSON, "the line is no JSON");
        break;
    case MESSAGE_INVALID:
        write_error(c, m.id, MCP_NO_REQUEST, n > MESSAGE_MOST ? too_long : "the line is no message of JSON-RPC 2.0");
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
            write_error(c, (struct span){NULL, 0}, MCP_NO_REQUEST, too_long);
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

static int wake = -1; /* a byte for each signal */

static void on_signal(int number)
{
    const char byte = (char)number;
    int before = errno;
    (void)!write(wake, &byte, 1);
    errno = before;
}

/* Waits for stdin. 0: for nothing more, since the client has gone or a signal came, which is in *number; -1: it cannot be waited for. */
static int wait_for_input(int signals, int *number)
{
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    char byte;
    int n;
    do
        n = poll(fds, 3, -1);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    if (fds[1].revents && read(signals, &byte, 1) == 1) {
        *number = byte;
        return 0;
    }
    return fds[0].revents != 0 || !(fds[2].revents & POLLERR);
}

/* 1: more was read; 0: there is no more; -1: *in has no memory, or stdin cannot be read. */
static int read_more(struct input *in)
{
    if (in->cap - in->n < PIECE) {
        size_t cap = 2 * in->cap + PIECE < MCP_STDIO_LINE ? 2 * in->cap + PIECE : MCP_STDIO_LINE;
        char *grown = realloc(in->text, cap);
        if (!grown)
            return -1;
        in->text = grown;
        in->cap = cap;
    }
    ssize_t n = read(STDIN_FILENO, in->text + in->n, PIECE);
    if (n > 0)
        in->n += (size_t)n;
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) ? 1 : n == 0 ? 0 : -1;
}

static struct timespec in_a_second(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += DRAIN_SECONDS;
    return t;
}

/* Calls have a second. It begins anew while servers start for which calls wait, unless a signal came (is_asked): who writes requests into a
 * pipe and closes it wants answers. */
static void drain(struct connection *c, int is_asked)
{
    struct timespec until = in_a_second();
    pthread_mutex_lock(&c->lock);
    while (c->n_call) {
        if (pthread_cond_timedwait(&c->ended, &c->lock, &until) == 0)
            continue;
        if (is_asked || !mcp_service_is_starting(c->service))
            break;
        until = in_a_second();
    }
    atomic_store(&c->is_gone, 1);
    while (c->n_call)
        pthread_cond_wait(&c->ended, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

/* 0, or -1: there is no pipe for signals. */
static int catch_signals(int pipes[2])
{
    static const int ends[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction act = {.sa_handler = on_signal};
    if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
        return -1;
    wake = pipes[1];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &act, NULL);
    return 0;
}

/* As mcp_stdio(). */
static int read_all(struct connection *c, int signals, int *number)
{
    struct input in = {0};
    int more = 1;
    while (more > 0 && !atomic_load(&c->is_gone) && (more = wait_for_input(signals, number)) > 0)
        if ((more = read_more(&in)) > 0)
            take_lines(c, &in);
    if (more == 0 && !*number && in.n && !in.is_long)
        take_line(c, in.text, in.n); /* the last one has no end */
    free(in.text);
    return more;
}

int mcp_stdio(struct mcp_service *s, struct reqmem *memory, int *number)
{
    struct connection c = {.service = s, .memory = memory};
    int pipes[2], more = -1;
    *number = 0;
    pthread_mutex_init(&c.writing, NULL);
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.ended, NULL);
    if (catch_signals(pipes) == 0)
        more = read_all(&c, pipes[0], number);
    if (more < 0)
        fprintf(stderr, "stoker mcp: stdin cannot be read: %s\n", strerror(errno));
    drain(&c, *number != 0);
    pthread_cond_destroy(&c.ended);
    pthread_mutex_destroy(&c.lock);
    pthread_mutex_destroy(&c.writing);
    return more < 0 ? -1 : 0;
}
