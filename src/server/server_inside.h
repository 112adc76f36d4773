/* What only the server's own files see of the server: connections, draining, sums, memory of requests. */
#ifndef SERVER_SERVER_INSIDE_H
#define SERVER_SERVER_INSIDE_H

#include "base/sha256.h"
#include "server/http_inside.h"
#include "server/routes.h"
#include "server/service.h"

#include <pthread.h>

enum { STATUS_MOST = 20 };

/* Figures of the panel: differences between two looks at the engine. */
struct rates {
    struct stoker_stats last;
    uint64_t at_ns;                              /* of last; 0: none */
    double tps, prompt_tps, hit_rate, read_mbps; /* < 0: not known yet */
};

struct server_private {
    pthread_mutex_t lock;
    pthread_cond_t changed;             /* a connection or an exchange ended */
    struct http_connection *first;      /* under lock */
    size_t n_connection, n_running;     /* under lock; running: handlers at work */
    atomic_int cut;                     /* running handlers end now */
    atomic_int closing;                 /* connections end now */
    int loopback;                       /* bound to it */
    struct http_connection *large;      /* those with large bodies, under lock: http_body.c */
    atomic_int waiting;                 /* bodies that wait for room */
    unsigned char (*key)[SHA256_BYTES]; /* [opt.key.n] */
    atomic_uint_fast64_t requests[ROUTES_MOST + 1][STATUS_MOST];
    struct rates rates; /* under lock */
};

/* A handler begins: -1 and a 503 while the server loads or drains, unless early. */
int server_enter(struct server *s, int early, struct refusal *r);
void server_leave(struct server *s);
void server_forget(struct http_connection *c); /* the connection has ended: out of the list */

void server_count_request(struct server *s, const struct route *route, int status);
int server_status_at(size_t i); /* of column i of requests; 0: none */

/* Bytes that the server may take beside the engine: for the plan. */
uint64_t server_bytes(const struct server_options *o);

#endif
