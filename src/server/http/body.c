/* The body of a request: read whole, before its handler runs (http.h).
 *
 * Its memory comes out of the requests' memory (base/reqmem.h) as its bytes come, in steps that double: what a client only declares costs
 * nothing. The first step everybody gets, also where others have taken all of it, so that ordinary requests get through:
 *
 *     up to BODY_FIRST    always there
 *     up to BODY_LARGE    of everybody's part, and half of what is kept; where there is none the body waits
 *     beyond              what its handler makes of it takes several times as much (claim_of): a step is had when all large bodies can
 *                         still end, one after the other (claims.h). Of a whole one all that it may need is granted before its handler
 *                         runs, and kept for it until what is large is done (http_next)
 *
 * A handler that needs more than that waits for it, before all bodies. What large ones hold while all of them wait is a deadlock that
 * the claims did not foresee: after STUCK_MS the one that came last gives up. Handlers without a large body may hold as much (a template
 * may take 32 MiB): where all that run wait for HANDLERS_STUCK_MS, the one whose request came last gives up, and the first goes on.
 *
 * Nobody waits for ever. The body has to be whole within --body-timeout and a second a MiB, its own waiting not counted, and waits for
 * memory at most --body-timeout. A large one that brings less than PACE bytes in PACE_MS is given up; so is one that has more than
 * BODY_FIRST, where somebody waits for memory: a client on a slow line keeps its place as long as nobody needs it. There
 * a body that stood still for STILL_MS is given up too. */
#include "base/clock.h"
#include "server/http/inside.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BODY_FIRST = HTTP_BODY_FIRST,
    BODY_LARGE = 1 << 20,
    LARGE_MOST = 256, /* large bodies at a time */
    STILL_MS = 5000,
    HANDLER_SECONDS = 5,
    PACE = 64 << 10,
    PACE_MS = 10000,
    LOOK_MS = 20,
    GLANCE_MS = 1000,
    STUCK_MS = 1000,
    HANDLERS_STUCK_MS = 100
};

static uint64_t in_ms(double ms) { return clock_ns() + (uint64_t)(ms * 1e6); }

/* A body that is being read. */
struct reading {
    struct http_chunks chunks;
    size_t most;       /* bytes it may have: declared, or --max-body */
    uint64_t until_ns; /* when it has to be whole, but for what its bytes allow it */
    uint64_t slow_ns; /* from then on it is too slow; PACE bytes put that off by PACE_MS, to at most PACE_MS from now */
};

/* ---- large bodies ---------------------------------------------------------------------------------------------------------- */

/* What a body of n bytes and what is made of it take together: a chat of one message takes 4.4 times its size
 * (measured). An eighth is left for others: what claims everything could not begin beside a single small request. */
static size_t claim_of(const struct reqmem *memory, size_t n)
{
    size_t whole = n / 2 * 9, most = reqmem_alone(memory) / 8 * 7;
    return whole < most ? whole : most;
}

void http_leave_large(struct http_connection *c)
{
    struct http_app *app = c->app;
    reqmem_wait_by(&c->memory, NULL, NULL);
    if (!c->is_large)
        return;
    reqmem_end_grant(&c->memory);
    pthread_mutex_lock(&app->lock);
    struct http_connection **at = &app->large;
    while (*at != c)
        at = &(*at)->next_large;
    *at = c->next_large;
    c->is_large = 0;
    pthread_mutex_unlock(&app->lock);
}

void http_next(struct http_exchange *x) { http_leave_large(x->connection); }

/* n bytes of its claim, by one of the ways to take them. 1: it has them, and is one of the large ones. */
static int take_large(struct http_connection *c, size_t n, size_t most, int (*take)(struct reqmem_account *a, size_t n))
{
    struct http_app *app = c->app;
    struct claim claim[LARGE_MOST], asks = {c->body_capacity, claim_of(app->memory, most + 1) - c->body_capacity};
    size_t k = 0;
    if (atomic_load(&app->handlers_waiting))
        return 0;
    pthread_mutex_lock(&app->lock);
    for (struct http_connection *l = app->large; l; l = l->next_large)
        claim[k++] = l->claim;
    int is_full = !c->is_large && k == LARGE_MOST;
    if (c->is_large)
        asks = c->claim;
    else if (!is_full)
        claim[k++] = asks;
    int taken = !is_full && claims_allow(claim, k, asks, n, reqmem_left(app->memory, REQMEM_LARGE)) &&
                take(&c->memory, n) == 0;
    if (taken && !c->is_large) {
        c->next_large = app->large;
        app->large = c;
        c->is_large = 1;
    }
    if (taken)
        c->claim = (struct claim){asks.held + n, asks.need - n};
    pthread_mutex_unlock(&app->lock);
    return taken;
}

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

static int take_body(struct reqmem_account *a, size_t n) { return reqmem_take(a, n, REQMEM_LARGE); }

/* Room for n more bytes of a body that will have at most b->most. */
static int take_step(struct http_connection *c, size_t n, const struct reading *b)
{
    if (c->body_capacity + n <= BODY_LARGE)
        return reqmem_take(&c->memory, n, c->body_capacity ? REQMEM_MIDDLE : REQMEM_SMALL) == 0;
    return take_large(c, n, b->most, take_body);
}

/* Of a whole large body: what is made of it. One in chunks claimed what the largest takes. */
static int take_rest(struct http_connection *c, size_t n, const struct reading *b)
{
    pthread_mutex_lock(&c->app->lock);
    c->claim.need = n;
    pthread_mutex_unlock(&c->app->lock);
    return take_large(c, n, b->most, reqmem_grant);
}

/* 1: all large ones wait, and c is the last that came. */
static int must_give_up(struct http_connection *c, uint64_t began_ns)
{
    const uint64_t stuck = STUCK_MS * UINT64_C(1000000);
    struct http_app *app = c->app;
    int n = 0;
    if (!c->is_large || clock_ns() < began_ns + stuck)
        return 0;
    pthread_mutex_lock(&app->lock);
    for (const struct http_connection *l = app->large; l; l = l->next_large)
        n++;
    int must = n > 1 && app->large == c && atomic_load(&app->large_waiting) >= n &&
               clock_ns() > app->gave_up_ns + stuck; /* who gave up before has given its memory back */
    if (must)
        app->gave_up_ns = clock_ns();
    pthread_mutex_unlock(&app->lock);
    return must;
}

/* 1: all handlers that run wait for memory that no large body has, and the request of c came last. */
static int is_last_of_all(struct http_connection *c)
{
    struct http_app *app = c->app;
    size_t n = 0, later = 0;
    pthread_mutex_lock(&app->lock);
    for (const struct http_connection *l = app->first; l; l = l->next) {
        n += l->waits_since > 0;
        later += l->waits_since > c->waits_since;
    }
    int is = n > 1 && n == app->n_running && later == 0 && !app->large;
    pthread_mutex_unlock(&app->lock);
    return is;
}

/* The same for a while: who was given memory meanwhile has gone on. *since: 0 at first. */
static int handler_must_give_up(struct http_connection *c, uint64_t *since)
{
    if (!is_last_of_all(c))
        *since = 0;
    else if (*since == 0)
        *since = clock_ns();
    return *since > 0 && clock_ns() > *since + HANDLERS_STUCK_MS * UINT64_C(1000000);
}

static void set_waiting(struct http_connection *c, uint64_t since)
{
    pthread_mutex_lock(&c->app->lock);
    c->waits_since = since;
    pthread_mutex_unlock(&c->app->lock);
}

/* Waits a moment for memory, since began_ns. 0: not any longer: it was too long, for the others' sake, or the client is gone. */
static int wait_a_moment(struct http_connection *c, uint64_t began_ns, uint64_t until_ns)
{
    struct pollfd p[2] = {{c->fd, http_watch(c), 0}, {c->wake, POLLIN, 0}};
    uint64_t count;
    if (poll(p, 2, LOOK_MS) > 0)
        http_look(c, p[0].revents);
    if (p[1].revents && read(c->wake, &count, sizeof count) < 0)
        return 1;
    return !c->disconnected && clock_ns() < until_ns && !atomic_load(&c->app->closing) && !atomic_load(&c->app->cut) &&
           !must_give_up(c, began_ns);
}

static void count_waiting(struct http_connection *c, int handlers, int n)
{
    atomic_fetch_add(&c->app->waiting, n);
    atomic_fetch_add(&c->app->handlers_waiting, handlers * n);
    atomic_fetch_add(&c->app->large_waiting, c->is_large * n);
}

/* Until there is memory for n more bytes, by take. -1: *r, or the client is gone. */
static int wait_for(struct http_connection *c, size_t n, struct reading *b,
                    int (*take)(struct http_connection *c, size_t n, const struct reading *b), struct refusal *r)
{
    uint64_t began = clock_ns(), until = began + (uint64_t)(c->app->body_timeout * 1e9);
    int there = take(c, n, b), goes_on = 1;
    if (there)
        return 0;
    count_waiting(c, 0, 1);
    int was_large = c->is_large;
    while (!there && goes_on) {
        goes_on = wait_a_moment(c, began, until);
        there = goes_on && take(c, n, b);
    }
    atomic_fetch_add(&c->app->large_waiting, c->is_large - was_large); /* it was counted as it was */
    count_waiting(c, 0, -1);
    if (!there && !c->disconnected) {
        refuse(r, 503, "busy", NULL, "other requests have the memory that is kept for requests; try again");
        r->retry_after = 1;
    }
    b->until_ns += clock_ns() - began;
    b->slow_ns += clock_ns() - began;
    return there ? 0 : -1;
}

/* reqmem_waits: of a handler, in all its waits together. One without a large body waits for a few seconds only: several that have some
 * memory and wait for more would wait for each other, and large bodies for them. */
static int wait_in_handler(void *connection, int (*try)(const struct reqmem_demand *of), const struct reqmem_demand *of)
{
    struct http_connection *c = connection;
    double most = c->is_large || c->app->body_timeout < HANDLER_SECONDS ? c->app->body_timeout : HANDLER_SECONDS;
    uint64_t began = clock_ns(), until = began + (uint64_t)(most * 1e9) - c->handler_waited_ns, stuck = 0;
    int there = 0, goes_on = 1;
    count_waiting(c, 1, 1);
    set_waiting(c, c->x.began_ns);
    while (!there && goes_on) {
        goes_on = wait_a_moment(c, began, until);
        there = goes_on && try(of);
        if (!there && goes_on)
            goes_on = !handler_must_give_up(c, &stuck);
    }
    set_waiting(c, 0);
    count_waiting(c, 1, -1);
    c->handler_waited_ns += clock_ns() - began;
    return there;
}

void http_wait_for_memory(struct http_connection *c)
{
    c->handler_waited_ns = 0;
    reqmem_wait_by(&c->memory, wait_in_handler, c);
}

/* Memory for n bytes and a zero. */
static int grow_body(struct http_connection *c, size_t n, struct reading *b, struct refusal *r)
{
    size_t capacity = c->body_capacity ? c->body_capacity : BODY_FIRST;
    if (n < c->body_capacity)
        return 0;
    while (capacity <= n)
        capacity *= 2;
    capacity = capacity > b->most + 1 ? b->most + 1 : capacity;
    if (wait_for(c, capacity - c->body_capacity, b, take_step, r))
        return -1;
    char *body = realloc(c->body, capacity);
    if (!body) {
        reqmem_give(&c->memory, capacity - c->body_capacity);
        return refuse_memory(r);
    }
    c->body = body;
    c->body_capacity = capacity;
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

/* A second a MiB: of what is declared, or has come. */
static uint64_t end_of(const struct http_connection *c, const struct reading *b)
{
    size_t n = c->head.chunked ? c->n_body : b->most;
    return b->until_ns + (uint64_t)((double)n * 0x1p-20 * 1e9);
}

/* n bytes have come. */
static void add_pace(struct reading *b, size_t n)
{
    uint64_t most = in_ms(PACE_MS), later = b->slow_ns + n * (PACE_MS * UINT64_C(1000000) / PACE);
    b->slow_ns = later < most ? later : most;
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
    if (n && grow_body(c, c->n_body + n, b, r))
        return -1;
    if (n)
        memcpy(c->body + c->n_body, c->in, n);
    add_pace(b, n);
    c->n_body += n;
    http_use_in(c, used);
    return c->head.chunked ? b->chunks.done : c->n_body == b->most;
}

/* A body whose memory others could use has to come at a pace. */
static int check_pace(const struct http_connection *c, const struct reading *b, struct refusal *r)
{
    int others_wait = c->body_capacity > BODY_FIRST && atomic_load(&c->app->waiting);
    if (clock_ns() < b->slow_ns)
        return 0;
    if (c->is_large)
        return refuse(r, 408, NULL, NULL,
                      "the body came too slowly: one above %d MiB has to bring %d KiB in %d s, for its memory is kept "
                      "from others",
                      BODY_LARGE >> 20, PACE >> 10, PACE_MS / 1000);
    if (others_wait)
        return refuse(r, 408, NULL, NULL,
                      "the body came too slowly: where others wait for memory, one above %d KiB has to bring %d KiB in "
                      "%d s",
                      BODY_FIRST >> 10, PACE >> 10, PACE_MS / 1000);
    return 0;
}

/* More of it into c->in. */
static int wait_more(struct http_connection *c, struct reading *b, struct refusal *r)
{
    uint64_t still = in_ms(STILL_MS), end = end_of(c, b);
    for (;;) {
        uint64_t glance = in_ms(GLANCE_MS), now;
        enum http_came came = http_read_more(c, glance < end ? glance : end);
        if (check_pace(c, b, r))
            return -1;
        if (came == HTTP_CAME)
            return 0;
        if (came == HTTP_CAME_END) {
            c->disconnected = 1;
            return -1;
        }
        now = clock_ns();
        if (now >= end)
            return refuse(r, 408, NULL, NULL, "the body was not complete within %.10g s and a second a MiB",
                          c->app->body_timeout);
        if (now >= still && c->body_capacity > BODY_FIRST && atomic_load(&c->app->waiting))
            return refuse(r, 408, NULL, NULL, "nothing came of the body for %d s, and others wait for its memory",
                          STILL_MS / 1000);
    }
}

int http_read_body(struct http_connection *c, struct refusal *r)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct reading b = {.chunks = {.most = c->app->max_body},
                        .most = c->head.chunked ? c->app->max_body : (size_t)c->head.length,
                        .until_ns = in_ms(1e3 * c->app->body_timeout),
                        .slow_ns = in_ms(PACE_MS)};
    if (c->head.expects_continue && c->n_in == 0 && send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL) < 0)
        c->disconnected = 1;
    int whole = 0;
    while (!c->disconnected && (whole = take_in(c, &b, r)) == 0)
        if (wait_more(c, &b, r))
            return -1;
    if (c->disconnected || whole < 0 || grow_body(c, c->n_body, &b, r))
        return -1;
    size_t rest = c->is_large ? claim_of(c->app->memory, c->body_capacity) - c->body_capacity : 0;
    if (rest && wait_for(c, rest, &b, take_rest, r))
        return -1;
    c->unread = 0;
    c->body[c->n_body] = 0;
    return 0;
}
