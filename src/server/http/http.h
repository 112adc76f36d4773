/* One HTTP request and its answer, as a handler sees them.
 *
 * Every connection has a thread, so a handler is plain sequential code: it reads x->body, answers once, returns. Nothing here waits for
 * the engine, and nothing that a client does can make the engine wait: what a slow reader does not take is kept, up to HTTP_UNSENT bytes,
 * then the handler's thread (not the engine's) stands still.
 *
 *     read    x->method x->path x->body, http_header()                     the body is whole, and limited, before the handler runs
 *     refuse  http_refuse()                                                the error object of the route's dialect
 *     answer  http_answer()                                                one piece, with Content-Length
 *     or      http_stream_begin() http_stream_write()... http_stream_end() chunked; to HTTP/1.0 until the connection closes
 *     wait    http_wait()                                                  for the engine (http_notify) or the end of the client
 *
 * A handler with a running request loops over: take all events there are, write, http_wait(). When one of these reports that
 * the client has disconnected, it cancels the request, takes its last event and returns: nothing of x may be used by the engine
 * (http_notify) after the return.
 * A handler treats HEAD as GET: the body of the answer is counted and dropped.
 *
 * Threads: one exchange belongs to its connection's thread; http_notify() may be called from any. */
#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include "server/http/refusal.h"

#include <stddef.h>
#include <stdint.h>

struct server;
struct reqmem_account;
struct route;
struct http_connection;

enum { HTTP_ID = 65, HTTP_UNSENT = 1 << 20 };

struct http_exchange {
    struct server *server;
    const struct route *route;
    const char *method; /* "GET", "POST" ... */
    const char *path;   /* the query cut off, not decoded */
    const char *rest;   /* of a route that ends in "*": what stands there */
    const char *body;   /* [n_body]; a zero byte follows */
    size_t n_body;
    char id[HTTP_ID];              /* x-request-id, ours or the client's */
    uint64_t began_ns;             /* clock_ns() when its first byte was there */
    struct reqmem_account *memory; /* the handler's thread works on it */

    /* For the log line and /metrics: see server_count(). */
    size_t n_prompt, n_cached, n_generated;

    struct http_connection *connection; /* http.c's own */
};

/* Frees the body, which must not be read any more. */
void http_forget_body(struct http_exchange *x);
/* Call it when what costs much memory is done: memory that was kept for a large body is free for others. The beginning of an answer does it
 * too. */
void http_next(struct http_exchange *x);

/* The value of a request's header, name in lower case, or NULL. Lives as long as x. Of several the first. */
const char *http_header(const struct http_exchange *x, const char *name);

/* The key that let the request in; NULL: the server asks for none. */
const char *http_key(const struct http_exchange *x);
/* Of a route that needs no key (ROUTE_OPEN), for what may be had with one alone: 0: a right key came, or the server asks for none.
 * -1: 401. */
int http_ask_key(const struct http_exchange *x, struct refusal *r);

/* A header of the answer, before it begins. The value is cut at 1 KiB and holds no control characters afterwards; all of them together
 * have 4 KiB, what does not fit is left out. Content-Type, x-request-id, Cache-Control, CORS are set already. */
void http_set(struct http_exchange *x, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The whole answer, n bytes of body; returns when the client has taken it. type: "application/json" ... -1: the client is gone, or there
 * was an answer already; a handler may ignore it. These functions return so. */
int http_answer(struct http_exchange *x, int status, const char *type, const char *body, size_t n);

/* As http_answer with status 200, of any type or of JSON; frees what is in o. 503 if o has failed for want of memory. */
struct out;
int http_answer_out(struct http_exchange *x, const char *type, struct out *o);
int http_answer_json(struct http_exchange *x, struct out *o);

/* Answers r in the route's dialect. Not after http_stream_begin(). */
int http_refuse(struct http_exchange *x, const struct refusal *r);

/* Status 200 and the header of a stream ("text/event-stream", "application/x-ndjson"); X-Accel-Buffering: no. */
int http_stream_begin(struct http_exchange *x, const char *type);
/* The same of a body of so many bytes, which is written as a stream is: no more and no fewer of them. */
int http_body_begin(struct http_exchange *x, const char *type, uint64_t length);
/* Sent at once as far as the socket takes it. 0 done or kept, -1 the client is gone, or has taken less than 64 KiB in 60 s with
 * HTTP_UNSENT bytes kept. Empty writes are left out. */
int http_stream_write(struct http_exchange *x, const char *text, size_t n);
/* The last chunk. Waits until everything is sent, 64 KiB a minute at least. A stream that is not ended (its handler
 * returns) is cut: the connection closes without the last chunk, which clients notice. */
int http_stream_end(struct http_exchange *x);
int http_streaming(const struct http_exchange *x); /* not 0: the header is sent: too late for http_refuse() */

enum http_waited {
    HTTP_NOTIFIED, /* http_notify() was called since the last http_wait() */
    /* the time is over; or the client has just closed its sending side, and only the next write to a stream shows whether it is there */
    HTTP_TIMEOUT,
    /* the client closed both sides: cancel and return; what is written now is dropped */
    HTTP_DISCONNECTED,
    /* the server stops now: cancel; a stream gets the dialect's error event, then http_stream_end(), without [DONE] and the like;
     * what has not begun gets a 503 */
    HTTP_CUT
};
/* Waits up to timeout_ms milliseconds (-1: no limit); sends what is kept meanwhile. DISCONNECTED and CUT come before NOTIFIED. */
enum http_waited http_wait(struct http_exchange *x, int timeout_ms);

/* Wakes the exchange's http_wait(), or its next one. x as void *, so that it can be handed over as a callback with its argument. */
void http_notify(void *x);

#endif
