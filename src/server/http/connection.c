/* A connection's memory and socket: what reading, bodies and answers of it all need. See inside.h. */
#include "server/http/inside.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_connection *http_open(struct http_app *app, int fd)
{
    struct http_connection *c = calloc(1, sizeof *c);
    if (c) {
        c->app = app;
        c->fd = fd;
        c->memory.of = app->memory;
        c->x.connection = c;
        c->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        c->in = malloc(HTTP_IN);
    }
    if (c && (c->wake < 0 || !c->in)) {
        if (c->wake >= 0)
            close(c->wake);
        free(c->in);
        free(c);
        c = NULL;
    }
    return c;
}

void http_free(struct http_connection *c)
{
    assert(!c->is_large); /* the list is under the lock that the caller may hold */
    http_forget_body(&c->x);
    reqmem_give(&c->memory, c->unsent_capacity);
    free(c->unsent);
    free(c->head_text);
    free(c->in);
    close(c->wake);
    close(c->fd);
    free(c);
}

void http_forget_body(struct http_exchange *x)
{
    struct http_connection *c = x->connection;
    free(c->body);
    reqmem_give(&c->memory, c->body_capacity);
    c->body = NULL;
    c->n_body = c->body_capacity = 0;
    x->body = "";
    x->n_body = 0;
}

void http_wake(struct http_connection *c)
{
    uint64_t one = 1;
    if (write(c->wake, &one, sizeof one) < 0)
        return; /* the counter is full: it is awake */
}

/* A client that has closed may have closed its sending side alone, and wait for the answer: only what is sent now tells, for who closed
 * both refuses it. What may be sent before an answer is "go on", which clients skip; into a stream its handler says something. A relay
 * takes what it is sent first, and only then learns that nobody is there: so it is asked again. HTTP/1.0 has no such answer: its
 * client is gone. */
static void ask_whether_there(struct http_connection *c)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    c->half_closed = 1;
    c->asked_ns = clock_ns();
    if (c->head.minor == 0)
        c->disconnected = 1;
    else if (!c->status && send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        c->disconnected |= errno != EAGAIN && errno != EINTR;
}

int http_ask_again_ms(const struct http_connection *c)
{
    if (!c->half_closed || c->status)
        return -1;
    uint64_t due = c->asked_ns + (uint64_t)HTTP_ASK_MS * 1000000, now = clock_ns();
    return now < due ? (int)((due - now + 999999) / 1000000) : 0;
}

short http_watch(const struct http_connection *c) { return c->half_closed ? 0 : POLLRDHUP; }

int http_look(struct http_connection *c, short came)
{
    int closed = came & POLLRDHUP && !c->half_closed;
    if (came & (POLLHUP | POLLERR | POLLNVAL))
        c->disconnected = 1;
    else if (closed || http_ask_again_ms(c) == 0)
        ask_whether_there(c);
    return closed;
}

enum http_came http_read_more(struct http_connection *c, uint64_t until_ns)
{
    for (;;) {
        uint64_t now = clock_ns(), count;
        if (atomic_load(&c->app->closing))
            return HTTP_CAME_END;
        struct pollfd p[2] = {{c->fd, POLLIN, 0}, {c->wake, POLLIN, 0}};
        int left = now < until_ns ? (int)((until_ns - now + 999999) / 1000000) : 0, n = poll(p, 2, left);
        if (n < 0 && errno != EINTR)
            return HTTP_CAME_END;
        if (n == 0 && clock_ns() >= until_ns)
            return HTTP_CAME_LATE;
        if (n > 0 && p[1].revents && read(c->wake, &count, sizeof count) < 0)
            continue;
        if (n <= 0 || !p[0].revents)
            continue;
        ssize_t k = recv(c->fd, c->in + c->n_in, HTTP_IN - c->n_in, MSG_DONTWAIT);
        if (k > 0) {
            c->n_in += (size_t)k;
            return HTTP_CAME;
        }
        if (k == 0 || (errno != EAGAIN && errno != EINTR))
            return HTTP_CAME_END;
    }
}

void http_use_in(struct http_connection *c, size_t n)
{
    c->n_in -= n;
    memmove(c->in, c->in + n, c->n_in);
}
