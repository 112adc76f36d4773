/* The library of a server, and the models that take part in its searches: beside a chat's model, alone as the server's model, or, where
 * the server has no model, for nothing else. */
#ifndef SERVER_SEARCHING_H
#define SERVER_SEARCHING_H

#include "library/encoder/encoder.h"
#include "library/encoder/ranker.h"
#include "server/request/service.h"

/* What the engine of a server is opened from. */
struct server_model {
    const char *path; /* NULL: there is no engine */
    struct stoker_options options;
};

/* Of a server without a model the first of those that searches use. */
struct server_model server_engine_of(const struct server_options *o);

struct searching {
    struct encoder encoder; /* of queries */
    struct ranker ranker;
};

int searching_open(struct server *s, struct stoker_error *err); /* its library and pages */
/* Once the engine is open: what it can make takes part. What cannot is a line of the log, and searches are without. */
void searching_join(struct server *s, struct searching *w);
void searching_close(struct server *s, struct searching *w); /* before the engine */

#endif
