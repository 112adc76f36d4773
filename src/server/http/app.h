/* The application behind the HTTP front: what the front asks of it, and what its connections share. The front knows nothing else of the
 * server: handlers get x->server as it is.
 *
 *     app = {.server, limits, who may ask, .route, .ready, .write_error}    http_app_open()
 *     http_accept(app, socket)...                                          a thread a connection, until it ends
 *     cut, closing, http_wake_all(), then wait for n_running and n_connection */
#ifndef SERVER_HTTP_APP_H
#define SERVER_HTTP_APP_H

#include "base/sha256.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct http_connection;
struct http_exchange;
struct out;
struct refusal;
struct reqmem;
struct server;

struct http_texts {
    const char *const *text; /* [n] */
    size_t n;
};

enum {
    ROUTE_OPEN = 1, /* needs no key */
    ROUTE_EARLY = 2 /* answers while the model loads and while the server drains: x->server's engine may be NULL */
};

struct route {
    const char *method; /* "GET" (HEAD comes with it) or "POST" */
    const char *path;   /* a "*" at its end takes any rest, which is x->rest */
    void (*handle)(struct http_exchange *x);
    unsigned flags; /* ROUTE_* */
};

enum { ROUTES_MOST = 64, STATUS_MOST = 20 };
enum { HTTP_BODY_FIRST = 16 << 10 /* of a body: whatever others have taken, there is memory for that */ };

struct http_app {
    /* set before the first connection, constant from then on */
    struct server *server; /* of its handlers */
    struct reqmem *memory; /* of all its requests */
    const char *host;      /* as it was told to listen */
    int loopback;          /* bound to it */
    int max_conns;
    uint64_t max_body;
    double header_timeout, body_timeout; /* seconds */
    struct http_texts cors, allow_host;
    unsigned char (*key)[SHA256_BYTES]; /* [n_key] hashes; n_key 0: none is needed */
    size_t n_key;
    const struct route
        *route; /* [n_route], at most ROUTES_MOST. A path without a row is 404, with other methods only 405 */
    size_t n_route;
    /* A handler begins: -1 and a 503 while the server loads or drains, unless early. Called under the lock. */
    int (*ready)(struct server *s, int early, struct refusal *r);
    /* The error object of a path, as JSON. */
    void (*write_error)(struct out *o, const char *path, const struct refusal *r, const char *request_id);

    pthread_mutex_t lock;
    pthread_cond_t changed;         /* a connection or a handler ended */
    struct http_connection *first;  /* under lock */
    size_t n_connection, n_running; /* under lock; running: handlers at work */
    atomic_int cut;                 /* running handlers end now */
    atomic_int closing;             /* connections end now */
    struct http_connection *large;  /* those with large bodies, under lock: body.c */
    atomic_int waiting;             /* bodies and handlers that wait for memory */
    atomic_int handlers_waiting;    /* handlers among them: bodies leave them what becomes free */
    atomic_int large_waiting;       /* those with a large body among them */
    uint64_t gave_up_ns;            /* when one of these last gave up for the others, under lock */
    atomic_uint_fast64_t requests[ROUTES_MOST + 1]
                                 [STATUS_MOST]; /* by row of route (n_route: none) and http_status_at() */
};

void http_app_open(struct http_app *app);

/* A connection on this socket, served by a thread of its own; one that cannot be is turned away with 503. */
void http_accept(struct http_app *app, int fd);
size_t http_connection_bytes(void);       /* of memory that a connection takes, body and unsent answer not counted */
void http_wake_all(struct http_app *app); /* connections look at cut and closing */

int http_status_at(size_t i); /* of column i of requests; 0: none */

#endif
