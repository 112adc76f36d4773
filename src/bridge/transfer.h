/* One request of HTTP and its answer: a message of JSON-RPC is posted, and what comes back is JSON or a stream of events. Only the address
 * that is configured is asked: no proxy of the environment, no redirect, no protocol but http and https, certificates checked. */
#ifndef BRIDGE_TRANSFER_H
#define BRIDGE_TRANSFER_H

#include "bridge/headers.h"
#include "bridge/sse.h"

#include <stdint.h>

enum {
    SESSION = 1000,       /* bytes of an Mcp-Session-Id */
    HEAD_MOST = 64 << 10, /* bytes of an answer's headers */
    /* of a request's, and its address: at 1 MiB, a small body counted, libcurl says that it has no memory */
    REQUEST_HEAD_MOST = 900 << 10,
    CONNECT_MS = 10000, /* until the server has accepted */
    ONE_WAY_MS = 10000, /* of a message that asks nothing or that the bridge sends itself, all of it */
    GOODBYE_MS = 1000   /* of the DELETE at the end, within the grace that a child has */
};

struct wire { /* what all transfers have */
    struct curl curl;
    void *multi;
    const char *url;
};

struct transfer {
    struct transfer *next; /* of whoever has them */
    struct wire *wire;
    void *easy; /* of libcurl; NULL: it is not under way */
    struct header_list headers;
    struct buffer body; /* what is posted; empty: DELETE */
    int timeout_ms;     /* 0: none */
    /* the answer */
    struct buffer answer; /* if it is no stream */
    struct sse events;
    void (*take)(void *arg, const char *data, size_t n); /* gets each event; NULL: nobody asks for them */
    void *arg;
    size_t n_head;
    char session[SESSION + 1]; /* "": it names none */
    char error[CURL_ERROR_SIZE];
    const char *why; /* what ended it from our side; NULL: nothing did */
};

/* Adds it to those under way; transfer_next() tells of its end. -1: `why` says it, or no memory. */
int transfer_begin(struct transfer *t);
/* One that has ended, and is not under way any more: *result is libcurl's. NULL: none. */
struct transfer *transfer_next(struct wire *w, int *result);
/* Takes it away if it is under way; what came of the answer stays. */
void transfer_end(struct transfer *t);
void transfer_free(struct transfer *t);

long transfer_status(struct transfer *t); /* before transfer_end(); 0: there was no answer */
/* Scheme, host and port of a url, into out [cap]: what is behind them, or before the host, may be a secret. */
void transfer_origin(const char *url, char *out, size_t cap);
/* A sentence on an answer that is none: libcurl's result, and the status. Into out [cap]. */
void transfer_tell(struct transfer *t, int result, long status, char *out, size_t cap);

#endif
