/* The body of a request: read whole, before its handler runs (http.h).
 *
 * Its memory comes out of the room of requests (base/room.h) as its bytes come, in steps that double: what a client only declares costs
 * nothing. The first step everybody gets, also where others have filled the room, so that ordinary requests get through:
 *
 *     up to BODY_FIRST    always there
 *     up to BODY_LARGE    of everybody's room, and half of what is kept; who finds none waits a little, then is refused
 *     beyond              one body at a time, in the order in which they became large: what its handler makes of it takes several
 *                         times as much. It has its turn until its handler has done what is large (http_next)
 *
 * Nobody waits for ever. The body has to be whole within --body-timeout and a second a MiB, its own waiting not counted. Where
 * somebody waits for room, or for its turn, a body that stood still for STILL_MS is given up. A large body waits for its turn and for
 * room at most --body-timeout. Who holds room waits for others only where these cannot wait for him: small ones give up soon, and of
 * the large ones one holds. */
#include "base/clock.h"
#include "base/room.h"
#include "server/http_inside.h"
#include "server/server_inside.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_FIRST = HTTP_BODY_FIRST, BODY_LARGE = 1 << 20, STILL_MS = 5000, LOOK_MS = 20, GLANCE_MS = 1000 };

static uint64_t in_ms(double ms) { return clock_ns() + (uint64_t)(ms * 1e6); }

/* ---- turns ----------------------------------------------------------------------------------------------------------------- */

static int is_first(struct http_connection *c)
{
    struct server_private *own = c->server->own;
    pthread_mutex_lock(&own->lock);
    int first = own->large == c;
    pthread_mutex_unlock(&own->lock);
    return first;
}

static void join_line(struct http_connection *c)
{
    struct server_private *own = c->server->own;
    pthread_mutex_lock(&own->lock);
    struct http_connection **at = &own->large;
    while (*at)
        at = &(*at)->behind;
    *at = c;
    c->behind = NULL;
    c->in_line = 1;
    pthread_mutex_unlock(&own->lock);
}

void http_leave_line(struct http_connection *c)
{
    struct server_private *own = c->server->own;
    if (!c->in_line)
        return;
    pthread_mutex_lock(&own->lock);
    struct http_connection **at = &own->large;
    while (*at != c)
        at = &(*at)->behind;
    *at = c->behind;
    c->in_line = 0;
    if (own->large)
        http_wake(own->large);
    pthread_mutex_unlock(&own->lock);
}

/* 1: somebody waits for room, or for the turn that c has. */
static int others_wait(struct http_connection *c)
{
    struct server_private *own = c->server->own;
    pthread_mutex_lock(&own->lock);
    int turn = own->large == c && c->behind;
    pthread_mutex_unlock(&own->lock);
    return turn || atomic_load(&own->waiting);
}

void http_next(struct http_exchange *x) { http_leave_line(x->connection); }

/* ---- room ------------------------------------------------------------------------------------------------------------------ */

static enum room_share share_of(const struct http_connection *c)
{
    return c->in_line ? ROOM_LARGE : c->room_body ? ROOM_MIDDLE : ROOM_SMALL;
}

static int is_there(struct http_connection *c, size_t n) { return n ? room_take(n, share_of(c)) == 0 : is_first(c); }

/* Until its turn has come (n 0), or there is room for n more bytes. -1: *r, or the client is gone. */
static int wait_for(struct http_connection *c, size_t n, double seconds, struct refusal *r)
{
    atomic_int *waiting = &c->server->own->waiting;
    uint64_t until = in_ms(1e3 * seconds), count;
    int there = is_there(c, n);
    if (there)
        return 0;
    atomic_fetch_add(waiting, n > 0);
    while (!c->gone && !r->status && !there) {
        struct pollfd p[2] = {{c->fd, POLLRDHUP, 0}, {c->wake, POLLIN, 0}};
        if (poll(p, 2, LOOK_MS) > 0 && p[0].revents)
            c->gone = 1;
        if (p[1].revents && read(c->wake, &count, sizeof count) < 0)
            continue;
        if (clock_ns() > until || atomic_load(&c->server->own->closing)) {
            refuse(r, 503, "busy", NULL, "other requests have the memory that is kept for requests; try again");
            r->retry_after = 1;
        } else {
            there = is_there(c, n);
        }
    }
    atomic_fetch_sub(waiting, n > 0);
    return there ? 0 : -1;
}

/* Memory for n bytes and a zero, of a body that will have at most `most`. */
static int have_room(struct http_connection *c, size_t n, size_t most, uint64_t *until_ns, struct refusal *r)
{
    double patience = c->server->opt.body_timeout;
    size_t room = c->room_body ? c->room_body : BODY_FIRST;
    if (n < c->room_body)
        return 0;
    while (room <= n)
        room *= 2;
    room = room > most + 1 ? most + 1 : room;
    uint64_t began = clock_ns();
    if (room > BODY_LARGE && !c->in_line) {
        join_line(c);
        if (wait_for(c, 0, patience, r))
            return -1;
    }
    if (room <= BODY_LARGE && patience > STILL_MS * 1e-3)
        patience = STILL_MS * 1e-3;
    if (wait_for(c, room - c->room_body, patience, r))
        return -1;
    *until_ns += clock_ns() - began;
    char *body = realloc(c->body, room);
    if (!body) {
        room_give(room - c->room_body);
        return refuse_memory(r);
    }
    c->body = body;
    c->room_body = room;
    return 0;
}

/* What a large body is read into takes this many times its size: it begins when others have left as much. */
static int have_more(struct http_connection *c, struct refusal *r)
{
    size_t more = c->room_body / 2 * 5;
    if (!c->in_line)
        return 0;
    if (wait_for(c, more, c->server->opt.body_timeout, r))
        return -1;
    room_give(more);
    return 0;
}

void http_forget_body(struct http_exchange *x)
{
    struct http_connection *c = x->connection;
    free(c->body);
    room_give(c->room_body);
    c->body = NULL;
    c->n_body = c->room_body = 0;
    x->body = "";
    x->n_body = 0;
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

struct reading {
    struct http_chunks chunks;
    size_t most;       /* bytes it may have: declared, or --max-body */
    uint64_t until_ns; /* when it has to be whole, but for what its bytes allow it */
};

/* A second a MiB: of what is declared, or has come. */
static uint64_t end_of(const struct http_connection *c, const struct reading *b)
{
    size_t n = c->head.chunked ? c->n_body : b->most;
    return b->until_ns + (uint64_t)((double)n * 0x1p-20 * 1e9);
}

/* What is in c->in, to the body. 1: the body is whole. */
static int take_in(struct http_connection *c, struct reading *b, struct refusal *r)
{
    size_t left = b->most - c->n_body, n = c->n_in < left ? c->n_in : left, used = n;
    if (c->head.chunked) {
        long k = http_chunks_read(&b->chunks, c->in, c->n_in, c->in, &n, r);
        if (k < 0)
            return -1;
        used = (size_t)k;
    }
    if (n && have_room(c, c->n_body + n, b->most, &b->until_ns, r))
        return -1;
    if (n)
        memcpy(c->body + c->n_body, c->in, n);
    c->n_body += n;
    http_use_in(c, used);
    return c->head.chunked ? b->chunks.done : c->n_body == b->most;
}

/* More of it into c->in. */
static int wait_more(struct http_connection *c, const struct reading *b, struct refusal *r)
{
    uint64_t still = in_ms(STILL_MS), end = end_of(c, b);
    for (;;) {
        uint64_t glance = in_ms(GLANCE_MS), now;
        enum http_came came = http_read_more(c, glance < end ? glance : end);
        if (came == HTTP_CAME)
            return 0;
        if (came == HTTP_CAME_END) {
            c->gone = 1;
            return -1;
        }
        now = clock_ns();
        if (now >= end)
            return refuse(r, 408, NULL, NULL, "the body was not complete within %.10g s and a second a MiB",
                          c->server->opt.body_timeout);
        if (now >= still && c->room_body > BODY_FIRST && others_wait(c))
            return refuse(r, 408, NULL, NULL, "nothing came of the body for %d s, and others wait for its memory",
                          STILL_MS / 1000);
    }
}

int http_read_body(struct http_connection *c, struct refusal *r)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct reading b = {.chunks = {.most = c->server->opt.max_body},
                        .most = c->head.chunked ? c->server->opt.max_body : (size_t)c->head.length,
                        .until_ns = in_ms(1e3 * c->server->opt.body_timeout)};
    if (c->head.expects_continue && c->n_in == 0 && send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL) < 0)
        c->gone = 1;
    int whole = 0;
    while (!c->gone && (whole = take_in(c, &b, r)) == 0)
        if (wait_more(c, &b, r))
            return -1;
    if (c->gone || whole < 0 || have_room(c, c->n_body, b.most, &b.until_ns, r) || have_more(c, r))
        return -1;
    c->unread = 0;
    c->body[c->n_body] = 0;
    return 0;
}
