/* What requests are served with: the options, the model and its engine, sums. Fields of struct server are constant once a handler runs,
 * except atomic ones and where a comment says otherwise; handlers of any thread may read them. */
#ifndef SERVER_REQUEST_SERVICE_H
#define SERVER_REQUEST_SERVICE_H

#include "base/reqmem.h"
#include "library/library.h"
#include "mcp/config.h"
#include "server/http/app.h"
#include "server/request/spool.h"
#include "server/request/tickets.h"
#include "server/request/vectors.h"
#include "stoker.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Vectors that a server begins with, which are its own from then on, and the default list of them. */
struct server_vectors {
    struct stoker_vector *const *vector; /* [n] */
    size_t n;
    const struct stoker_steer *list; /* [n_list] */
    size_t n_list;
};

enum stabilize { STABILIZE_OFF, STABILIZE_STRIP, STABILIZE_MOVE };

/* server.md, part 1. The command line fills in defaults: every field is set. All that is pointed to outlives server_run(). */
struct server_options {
    const char *host;
    int port; /* 0: any free one */
    int max_conns, queue;
    uint64_t max_body;
    double header_timeout, body_timeout, drain; /* seconds */
    struct http_texts alias, key, cors, allow_host;
    struct http_texts encoder_alias[STOKER_ROLES];
    int no_page, any_model, cache_per_key;
    enum stabilize stabilize;
    const char *model; /* path; NULL: none, and only routes that need no engine answer */
    struct stoker_options engine;
    /* For fields that a request leaves out: the model's advice, changed by set_sampling, which is called with its arg when the model is
     * open. */
    struct stoker_sampling sampling;
    void (*set_sampling)(void *arg, struct stoker_sampling *s);
    void *set_sampling_arg;
    const char *steer_dir; /* a folder of vectors that clients may load, or NULL */
    /* Opens the vectors of the command line, when the model is open. -1 with *err. NULL: there are none. */
    int (*open_vectors)(void *arg, struct stoker *s, struct server_vectors *out, struct stoker_error *err);
    void *open_vectors_arg;
    const char *capture_dir;   /* where recorded rows wait on their way to clients, or NULL */
    uint64_t capture_disk;     /* bytes of it */
    int think;                 /* 1 on, 0 off, -1 as the template has it */
    int no_tool_grammar;       /* 1: calls are parsed, but not constrained */
    int close_at_limit;        /* 1, 0; -1: on for calls and schemas */
    const char *library_dir;   /* the folder of the sources that chats may search, or NULL */
    struct http_texts library; /* names of these; none: all */
    uint64_t library_ram;      /* bytes of their vectors that stay in memory */
    struct mcp *mcp;           /* servers whose tools may be called, or NULL; server_run() closes them */
    struct stoker_roofs roofs; /* of this machine, for the page; zeros: not measured */
    int roof_when_idle; /* 1: that of memory is measured when the page is open and the engine idle (own/roof.h) */
};

enum server_state { SERVER_LOADING, SERVER_READY, SERVER_DRAINING };

enum { SERVER_MODEL_ID = 256 };

/* How calls of tools of MCP servers ended: CANCELLED: nobody waited for the result any more. */
enum server_mcp_status { SERVER_MCP_OK, SERVER_MCP_ERROR, SERVER_MCP_CANCELLED, SERVER_MCP_STATUSES };

/* Sums for /metrics; added to by server_count(). */
struct server_counters {
    atomic_uint_fast64_t prompt_tokens, cached_tokens, generated_tokens, cancelled, rejected;
    atomic_uint_fast64_t stabilized[4]; /* uses of each rule of --stabilize */
    atomic_uint_fast64_t mcp_calls[MCP_SERVERS][SERVER_MCP_STATUSES];
    _Atomic double ttft_seconds; /* of the newest answer; 0: none yet */
};

/* Figures of the page: differences between two readings of the engine's statistics. */
struct rates {
    struct stoker_stats last;
    uint64_t at_ns;                              /* of last; 0: none */
    double tps, prompt_tps, hit_rate, read_mbps; /* < 0: not known yet */
    double memory_mbps;                          /* at least, of what steps took of memory; likewise */
};

/* What memory gives at most, for the page. Interrupted measurements end with ROOF_TRIES: each slows somebody's request for a moment. */
enum { ROOF_TRIES = 3 };
struct memory_roof {
    _Atomic double rate; /* bytes a second; 0: not known */
    atomic_int tries;    /* that are left; none: it is known, or nobody wants to know */
    atomic_int is_measured_now;
};

struct server {
    struct server_options opt;
    struct stoker *engine; /* valid once state is past SERVER_LOADING: server_engine() */
    _Atomic int state;     /* enum server_state */

    /* Known from the file's headers, before anything answers. */
    char model_id[SERVER_MODEL_ID];   /* general.name lowered, blanks to "-"; else the file's stem */
    char model_file[SERVER_MODEL_ID]; /* without its folder */
    struct stoker_about about;
    char fingerprint[64]; /* "stoker-VERSION-MODELHASH8": system_fingerprint */
    struct server_encoder {
        char id[SERVER_MODEL_ID], file[SERVER_MODEL_ID], fingerprint[64];
        struct stoker_about about;
    } encoder[STOKER_ROLES]; /* models beside it; id "": there is none */
    int64_t started;         /* seconds since 1970: "created" of models */
    struct stoker_plan plan; /* once ready */

    struct library *library;   /* NULL: none */
    struct mcp_service *tools; /* of it and, without a model, of opt.mcp, for MCP clients; NULL: neither is there */
    struct pages *pages;       /* of it: its thread is who has entered the library (library/pages/pages.h) */
    struct tickets tickets;
    struct vectors vectors;
    struct spool spool; /* of recorded rows */
    struct server_counters count;
    struct reqmem memory;  /* of all requests */
    struct http_app *http; /* its front */
    struct rates rates;    /* own/stats.c's, under its lock */
    struct memory_roof roof;
};

/* The engine; NULL while it loads. Handlers of rows without ROUTE_EARLY and ROUTE_NO_MODEL need not ask: they run
 * only when it is there. */
struct stoker *server_engine(struct server *s);

/* What clients see of a model; all of it is the server's. */
struct served {
    struct stoker *engine;
    const char *id, *file, *fingerprint;
    const struct stoker_about *about;
    const struct http_texts *alias;
    int n_ctx;
};
enum { SERVED_MOST = 1 + STOKER_ROLES };
/* All models, the one that requests without a name get first. Returns how many. */
int server_all(struct server *s, struct served out[SERVED_MOST]);
/* The one of a name, as server_model_ok() knows names; name NULL: the first. -1: 404 model_not_found. */
int server_find(struct server *s, const char *name, size_t n, struct served *out, struct refusal *r);
/* The one that does what the role is for, else the one of another role; -1: this server has none. */
int server_encoder(struct server *s, enum stoker_role role, struct served *out);
/* 0: a request's name means m. -1: 400 unsupported, it means another model; 404 model_not_found. */
int server_names(struct server *s, const struct served *m, const char *name, size_t n, struct refusal *r);

/* 0: the name of a request's "model" is one of ours (id, aliases, either with ":latest"; anything with --any-model; claude: names that
 * begin "claude-" too). Else -1 and 404 model_not_found, or of a model that
 * gives no text 400 unsupported. name NULL: absent, which is fine. */
int server_model_ok(struct server *s, const char *name, size_t n, int claude, struct refusal *r);

/* Adds a request's figures, in tokens, to the sums: once, before the end of its answer is written, so that a client with its answer finds
 * them there. Fills in x's figures for the log line too. ttft_seconds: to the first token, < 0: there was none. cancelled 1: the client
 * was gone. From any thread. */
void server_count(struct http_exchange *x, size_t n_prompt, size_t n_cached, size_t n_generated, double ttft_seconds,
                  int cancelled);
void server_count_rejected(struct server *s); /* a request was refused because the queue was full */

int64_t server_now(void); /* seconds since 1970 */

#endif
