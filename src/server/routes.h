/* The table of routes: one row a route. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include "server/http/app.h"

const struct route *routes_all(size_t *n);
const struct route *routes_without_model(size_t *n); /* those of them that need no engine */

#endif
