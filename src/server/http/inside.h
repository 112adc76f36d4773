/* A connection, as the files of the HTTP front share it; each uses those above it only:
 *
 *     connection.c        its memory and socket          app.c           what all connections share, routes, counters
 *     body.c              bodies of requests             check.c         who may ask
 *     answer.c            answers out, waiting
 *     http.c              its thread: requests in        accept.c        begins it */
#ifndef SERVER_HTTP_INSIDE_H
#define SERVER_HTTP_INSIDE_H

#include "base/reqmem.h"
#include "server/http/app.h"
#include "server/http/claims.h"
#include "server/http/http.h"
#include "server/http/parse.h"

#include <stdatomic.h>

enum {
    HTTP_SET_MOST = 4096,
    HTTP_PACE = 64 << 10,
    HTTP_PACE_MS = 60000,
    HTTP_ASK_MS = 1000, /* a client that sends nothing any more is asked again whether it is there */
    HTTP_CUT_MS = 1000,
    HTTP_IN = HTTP_HEAD_MOST + (16 << 10)
};

struct http_connection {
    struct http_app *app;
    int fd, wake;                          /* the socket; an eventfd: http_notify() and http_wake_all() */
    struct http_connection *next, *before; /* the app's list, under its lock */
    struct reqmem_account memory;          /* of the request that it has, and of what is unsent */

    /* in */
    char *in; /* [n_in] read and not used yet; of HTTP_IN */
    size_t n_in;
    char *head_text;
    struct http_head head;
    char *body;
    size_t n_body, body_capacity;
    struct http_connection *next_large; /* of those with a large body, under the app's lock, as its claim: */
    struct claim claim;
    int is_large;               /* it is one of them */
    uint64_t handler_waited_ns; /* its handler, for memory that others have */
    uint64_t waits_since; /* when the request came whose handler waits for memory, under the app's lock; 0: none does */
    int served;           /* a request was answered */
    const char *key;      /* that let the request in, or NULL */
    int unread;           /* the client may still be sending a body that nobody wants */

    /* out */
    struct http_exchange x;
    char set[HTTP_SET_MOST]; /* [n_set] header lines of the answer */
    size_t n_set;
    int status;    /* 0: nothing was answered yet */
    char why[200]; /* of a refusal, for the log; empty: none */
    int streaming; /* 1: its header is out; 2: its end too */
    int chunked, close, disconnected;
    int half_closed;   /* the client sends nothing any more; it may still read */
    uint64_t asked_ns; /* when it was last asked whether it is there */
    char *unsent;      /* [n_unsent] from at_unsent on: what the socket did not take yet */
    size_t at_unsent, n_unsent, unsent_capacity;
    uint64_t taken_ns; /* when the socket last took something */
    uint64_t pace_ns;  /* since then, the time when nobody waited for it left out, it took: */
    size_t paced;
    uint64_t waited_ns; /* until then */
    atomic_int notified;
};

/* http.c: the thread of a connection; it owns c. */
void *http_serve(void *c);

/* connection.c */
struct http_connection *http_open(struct http_app *app, int fd); /* NULL: no memory; fd is the caller's */
void http_free(struct http_connection *c);
void http_wake(struct http_connection *c); /* look at cut and closing again */

/* Milliseconds until a half-closed client is asked again whether it is there, by http_look(); -1: it is not. */
int http_ask_again_ms(const struct http_connection *c);
/* What to ask poll() about the client, and what is made of its answer: c->disconnected. 1: it has just closed its sending side. */
short http_watch(const struct http_connection *c);
int http_look(struct http_connection *c, short came);

/* More bytes into c->in, at most until a time. HTTP_CAME_END: the client has closed, or the server does. */
enum http_came { HTTP_CAME, HTTP_CAME_LATE, HTTP_CAME_END };
enum http_came http_read_more(struct http_connection *c, uint64_t until_ns);
void http_use_in(struct http_connection *c, size_t n); /* the first n bytes of c->in were used */

/* body.c. 0: c->body is whole; -1: *r, or the client is gone. */
int http_read_body(struct http_connection *c, struct refusal *r);
/* From now on the handler waits where others have memory that it needs; until http_leave_large(). */
void http_wait_for_memory(struct http_connection *c);
void http_leave_large(struct http_connection *c); /* if it has a large body: what was kept for that is given back */

/* check.c. -1: *r. */
struct http_head;
int http_check_host(const struct http_app *app, const struct http_head *h, struct refusal *r);
/* *cors: the origin to name in the answer, or NULL. */
int http_check_origin(const struct http_app *app, const struct http_head *h, int is_framed, const char **cors,
                      struct refusal *r);
/* *key: the one that is right; NULL where none is needed. */
int http_check_key(const struct http_app *app, const struct http_head *h, const char **key, struct refusal *r);

/* app.c. The row of a method and path; NULL none. allow [ROUTE_ALLOW] gets the methods that the path has, "GET, HEAD, OPTIONS"; empty:
 * no such path. */
enum { ROUTE_ALLOW = 64 };
const struct route *http_route_find(const struct http_app *app, const char *method, const char *path, char *allow);
int http_enter(struct http_app *app, int early, struct refusal *r); /* a handler begins; -1: ready() refused it */
void http_leave(struct http_app *app);
void http_count(struct http_app *app, const struct route *route, int status);
void http_forget(struct http_connection *c); /* it has ended: out of the list, and gone */

#endif
