/* A server: one model, one engine thread, a thread a connection. Without a model: the tools of the library and of MCP servers alone.
 *
 *     server_run()       opens the socket, then the model in a thread of its own; serves until it is told to stop; drains; closes
 *     http/http.c        a connection: parse, check (host, origin, key, limits), find the route, run its handler
 *     listen.c           the socket, and who can reach it
 *     searching.c        the library, and the models that take part in its searches
 *     routes.c           the table of routes
 *     request/service.h  what handlers are given: options, model, engine, sums
 *     own/NAME.c         health, props, slots, tokens, metrics, /stoker/...
 *     dialect/NAME.c     a dialect each: OpenAI, Anthropic, Ollama
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/request/service.h"

/* What stops a server. It is the caller's, so that a signal handler may use it before the server is there and after it has gone. */
struct server_stopper {
    atomic_int calls; /* of server_stop() */
    int event;        /* an eventfd */
};

/* -1 with *err: the system has no file handle for it. */
int server_stopper_open(struct server_stopper *p, struct stoker_error *err);
void server_stopper_close(struct server_stopper *p);

/* For rows that answers carry, where clients may write no files of them. */
#define SERVER_CAPTURE_MEMORY (UINT64_C(2) << 20)

/* What holds without flags: other defaults of the engine than those of `run`. */
void server_defaults(struct server_options *o);

/* Bytes that a server may take beside its engine: for the plan (options.server). */
uint64_t server_bytes(const struct server_options *o);

/* Bytes that searching the library and MCP servers take beside it (options.library). */
uint64_t server_library_bytes(const struct server_options *o);

/* 1: its library can be searched by vectors: of the model of engine.embed, or of the server's own, as its header says. */
int server_makes_vectors(const struct server_options *o);

/* Ends server_run(); may be called from a signal handler and from any thread. The first call lets running requests end (drain), the second
 * ends them. */
void server_stop(struct server_stopper *p);

/* Serves until server_stop(). Several may run in a process, each with its memory. listening is called once, by this thread, with arg, the
 * address and the port that it listens at. 0: it has stopped. -1 with *err: it could not start, or the model could not be opened.
 * What opt points to stays for the life of the process: where the model was still loading, or a handler did not end within seconds, they
 * go on behind the caller's back, and the last of them closes the engine. */
int server_run(const struct server_options *opt, struct server_stopper *stopper,
               void (*listening)(void *arg, const char *host, int port), void *arg, struct stoker_error *err);

#endif
