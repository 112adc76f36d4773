/* The server: one process, one model, one engine thread, a thread a connection.
 *
 *     server_run()       opens the socket, then the model in a thread of its own; serves until a signal; drains; closes
 *     http/http.c        a connection: parse, check (host, origin, key, limits), find the route, run its handler
 *     routes.c           the table of routes
 *     request/service.h  what handlers are given: options, model, engine, sums
 *     own/NAME.c         health, props, slots, tokens, metrics, /stoker/...
 *     dialect/NAME.c     a dialect each: OpenAI, Anthropic, Ollama
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/request/service.h"

/* Serves until it is told to stop. listening is called once with the port. -1: could not start, or the model could not be opened. */
int server_run(const struct server_options *opt, void (*listening)(const char *host, int port),
               struct stoker_error *err);

/* Async-signal-safe: first call drains, second cuts. */
void server_stop(void);

#endif
