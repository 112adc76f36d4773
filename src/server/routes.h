/* The table of routes: one row a route. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include "server/http/app.h"

const struct route *routes_all(size_t *n);
/* Those of ROUTE_NO_MODEL, into out, which it returns. */
const struct route *routes_without_model(struct route out[ROUTES_MOST], size_t *n);

#endif
