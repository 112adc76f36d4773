/* One MCP server as a state machine: its lines come in, ours go out, and nothing blocks. Only mcp.c's thread touches it.
 *
 *     INITIALIZE --result--> LIST (older revisions)      a call: tools/call, its answer found by id
 *         | error                | no nextCursor
 *     DISCOVER --result--> LIST  v
 *                              READY    whatever goes wrong: DEAD, with a sentence, and its calls end
 *
 * A program is sent initialize first, since servers exist that end, or stay silent, on anything before it (docs/DECISIONS.md); one with a
 * url server/discover, and initialize if that is an error: the revisions with sessions are the older ones. */
#ifndef MCP_SERVER_H
#define MCP_SERVER_H

#include "base/error.h"
#include "mcp/call_text.h"
#include "mcp/child.h"
#include "mcp/config.h"
#include "mcp/message.h"
#include "mcp/tools.h"

#include <stdint.h>

enum {
    SERVER_PAGES = 100, /* of tools/list */
    SERVER_TOOLS = 10000,
    SERVER_LIST = 16 << 20, /* bytes of all definitions of a server */
    SERVER_GROWTH =
        128 << 10, /* bytes that a later list of it may have beyond those of the first one, and so many tools: */
    SERVER_MORE_TOOLS = 128,
    SERVER_BROKEN = 10,        /* lines in a row that are no message */
    SERVER_UNREAD = 128 << 10, /* bytes that wait for a server that does not read, beside the body of a call */
    SERVER_GIVES = 4 << 10,    /* bytes of an id or a cursor of its own, which it is told again */
    SERVER_STDERR = 20,        /* lines kept */
    SERVER_LOGGED = 1000       /* lines of stderr that are logged */
};

enum server_state { SERVER_INITIALIZE, SERVER_DISCOVER, SERVER_LISTING, SERVER_READY, SERVER_DEAD };

struct server_lines { /* of a pipe */
    struct buffer line;
    int skipping; /* the rest of a line that is too long */
};

struct mcp_server {
    const struct mcp_server_config *config;
    const char *version; /* of stoker */
    struct child child;
    enum server_state state;
    int is_modern;
    char revision[12];
    char why[480]; /* DEAD: the sentence, without the server's name */
    struct server_lines out_lines, err_lines;
    struct buffer unsent;
    size_t n_sent; /* of unsent */
    struct call_text body;
    size_t body_at, n_body_sent; /* where in unsent it belongs */
    long long next_id, asked;    /* asked: the id that INITIALIZE, DISCOVER and LISTING wait for */
    int n_broken, n_page, n_logged;
    char last_err[SERVER_STDERR][240];
    int n_err;
    struct buffer making;  /* the list, which becomes a struct mcp_text: definitions as they came, "\n" behind each */
    struct mcp_text *list; /* the last whole one; NULL: none yet */
    int n_making, n_tool;
    size_t most_bytes; /* of a list, and how many tools */
    int most_tools;
    int is_stale;         /* the server says that its list has changed, or the list's time is over */
    uint64_t stale_at_ns; /* 0: never */
    int start_seconds;
    uint64_t deadline_ns; /* of what it is asked while it is not READY */
    uint64_t rests_ns;    /* since when it has read nothing, and nobody waits for a call that it was told */
    uint64_t closed_ns;   /* 0; or it has closed its input or its output, and may end until then */
    /* The message ended a call (RESULT, ERROR) or tells of one (progress). */
    void (*on_message)(void *arg, struct mcp_server *s, const struct message *m);
    void (*on_death)(void *arg, struct mcp_server *s);
    void *arg;
};

void server_start(struct mcp_server *s);
/* The pipe may have something; what is unsent may be written. */
void server_read(struct mcp_server *s);
void server_read_err(struct mcp_server *s);
void server_write(struct mcp_server *s);
/* READY, and the list is asked for again. */
void server_list_again(struct mcp_server *s);
/* 1: a call that it has not read yet stands before others. */
static inline int server_is_told(const struct mcp_server *s) { return s->body.text != NULL; }
/* The id of the call; the body is given away. Not where server_is_told(). */
long long server_call(struct mcp_server *s, struct call_text body);
void server_cancel(struct mcp_server *s, long long id);
/* When it fails if nothing happens until then; UINT64_MAX: never. is_at_work: a call that it was told is awaited, so it need not read. */
uint64_t server_late_ns(const struct mcp_server *s, int is_at_work);
void server_end_late(struct mcp_server *s, int is_at_work, uint64_t now);
/* The first sentence stays. */
void server_die(struct mcp_server *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Frees what it holds, when its child has ended. */
void server_free(struct mcp_server *s);

#endif
