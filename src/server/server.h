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

/* Serves until server_stop(); one server a process. listening is called once, by this thread, with the address and the port that it
 * listens at. 0: it has stopped; what a thread may still use is left to the end of the process. -1 with *err: it could not start, or the
 * model could not be opened. */
int server_run(const struct server_options *opt, void (*listening)(const char *host, int port),
               struct stoker_error *err);

/* Ends server_run(); may be called from a signal handler and from any thread. The first call lets running requests end (drain), the second
 * ends them. */
void server_stop(void);

#endif
