/* The table of routes: one row a route. A path without a row is 404, a path with other methods only is 405. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include <stddef.h>

struct http_exchange;

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

enum { ROUTE_ALLOW = 64, ROUTES_MOST = 64 };

/* The row of a method and path; NULL none. allow [ROUTE_ALLOW] gets the methods that the path has, "GET, HEAD, OPTIONS"; empty: no such
 * path. */
const struct route *route_find(const char *method, const char *path, char *allow);

size_t route_index(const struct route *r); /* of a row; NULL: the number of rows */
const struct route *route_at(size_t i);    /* NULL: none */

#endif
