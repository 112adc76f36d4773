/* The application behind the HTTP front: what the front needs of it, and what its connections share. The front knows nothing else of the
 * server: handlers get x->server unchanged.
 *
 *     app = {.server, limits, who may ask, .route, .ready, .write_error}    http_app_open()
 *     http_accept(app, socket)...                                          a thread a connection, until it ends
 *     cut, closing, http_wake_all(), then wait for n_running and n_connection
 *     http_app_close(), and http_app_free() once ended() was called */
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
    ROUTE_OPEN = 1,  /* needs no key */
    ROUTE_EARLY = 2, /* answers while the model loads and while the server drains: x->server's engine may be NULL */
    ROUTE_FRAMED =
        8, /* asked by what a frame without rights shows, whose origin is "null": nothing of the answer is told to it */
    ROUTE_QUIET = 4,    /* asked by machines every few seconds: the log has a line only where the answer is not 200 */
    ROUTE_NO_MODEL = 16 /* needs no engine: a server without a model has it, too */
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
    /* [n_route], at most ROUTES_MOST. A path without a row is 404, one with rows of other methods only 405. */
    const struct route *route;
    size_t n_route;
    /* A handler begins: -1 and a 503 while the server loads or drains, unless early. Called under the lock. */
    int (*ready)(struct server *s, int early, struct refusal *r);
    /* The error object of a path, as JSON. */
    void (*write_error)(struct out *o, const char *path, const struct refusal *r, const char *request_id);
    /* Called once after http_app_close(), by whoever is last: no connection looks at the application or the server any more. */
    void (*ended)(struct server *s);

    pthread_mutex_t lock;
    pthread_cond_t changed;         /* a connection or a handler ended */
    struct http_connection *first;  /* under lock */
    size_t n_connection, n_running; /* under lock; running: handlers at work */
    int closed;                     /* under lock */
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

/* Makes lock and changed of an app whose constant fields are set. */
void http_app_open(struct http_app *app);
/* No connection will be accepted any more: ended() is called when none is left, now or by the thread of the last one. */
void http_app_close(struct http_app *app);
void http_app_free(struct http_app *app); /* after ended() */

/* Serves the connection on this socket, which it owns from now on, by a thread of its own; one that it cannot serve gets a 503 and is
 * closed. Does not wait. */
void http_accept(struct http_app *app, int fd);
size_t http_connection_bytes(void);       /* bytes that a connection takes, body and unsent answer not counted */
void http_wake_all(struct http_app *app); /* all connections look at cut and closing; from any thread */

int http_status_at(size_t i);                /* the status of column i of requests; 0: none */
size_t http_n_running(struct http_app *app); /* handlers at work, the caller's among them */

#endif
