/* MCP servers as a client sees them (library.md 14): programs of CONFIG, started side by side, their tools as one list, calls that end
 * whatever the servers do. One that fails is named once in the log, the others work.
 *
 *   message.c   JSON-RPC: lines
 *   config.c    CONFIG
 *   child.c     programs that are started, and ended for certain with all that they start
 *   server.c    one server: both ways to open, its list, its answers
 *   call_text.c what a call asks, and what is answered
 *   tools.c     the list: names that are unique, definitions
 *   index.c     which of them fit a question
 *   mcp.c       the thread that has all servers; their lists
 *   calls.c     calls
 *   result.c    what a model is told of a result
 *
 * Memory is not the plan's but for what is here: a line of 8 MiB a server at most, lists (mcp_bytes()). Arguments and a result are of the
 * requests' memory where who asks works for one (base/reqmem.h), until the server has read them or failed, and mcp_end().
 * Threads: any may call. */
#ifndef MCP_MCP_H
#define MCP_MCP_H

#include "base/error.h"
#include "mcp/config.h"
#include "mcp/message.h"
#include "mcp/tools.h"

#include <stdint.h>

struct mcp;
struct mcp_call;

/* Starts the servers. The list is empty until mcp_refresh() has waited for theirs. config and version (of stoker) are the caller's, and
 * live longer. -1: no thread, no memory. */
int mcp_start(struct mcp **out, const struct mcp_config *config, const char *version, struct error *err);
/* The same, and waits until each has listed its tools or has failed. */
int mcp_open(struct mcp **out, const struct mcp_config *config, const char *version, struct error *err);
int mcp_is_starting(struct mcp *m); /* 1: a server has neither listed its tools yet nor failed */
/* No call is left. Its programs have ended then, or a guard was held and those are nobody's (mcp/child.h); NULL: nothing. */
void mcp_close(struct mcp *m);

/* Lists again where a server said that its list has changed or its time is over, unless a list before the present one is still held; waits
 * for it, until stopped(arg), asked now and then without a lock, is 1 (NULL: always). 1: there is another list. */
int mcp_refresh(struct mcp *m, int (*stopped)(void *arg), void *arg);
/* The list as it is now; mcp_tools_release() it. */
struct mcp_tools *mcp_tools(struct mcp *m);

/* What it may take from now on; and without the lines that are read: lists, and what servers have not read, but for calls' arguments. */
uint64_t mcp_bytes(struct mcp *m);
uint64_t mcp_kept_bytes(struct mcp *m);
enum {
    MCP_GROWTH = 256 << 10, /* bytes of a list for each server, beyond the first one */
    MCP_TOLD = 256 << 10    /* bytes that each has not read */
};

/* What a server is, for people. */
struct mcp_state {
    const char *name;
    char revision[12];
    int n_tool;    /* as it lists them */
    char why[480]; /* "": it works */
};
int mcp_state(struct mcp *m, int server, struct mcp_state *out); /* 0: there is no such server */

/* Asks for a call of a tool. arguments: n bytes of JSON, an object. notify, or NULL, is called by another thread when the call has ended
 * or progressed. NULL: no memory. */
struct mcp_call *mcp_begin(struct mcp *m, const struct mcp_tool *tool, const char *arguments, size_t n,
                           void (*notify)(void *arg), void *arg);
/* 1: it has ended, within timeout_ms (-1: no limit). */
int mcp_wait(struct mcp_call *c, int timeout_ms);
/* Of one that has ended: the server's result, JSON; or n 0, and the sentence in *error. Both the call's. */
struct span mcp_result(const struct mcp_call *c, const char **error);
/* The params of the newest progress that was not taken yet into out. 1: there was one. */
int mcp_progress(struct mcp_call *c, struct buffer *out);
/* Ends it: cancelled if it has not ended. */
void mcp_end(struct mcp_call *c);

/* What a model is told: text. */
void mcp_result_text(struct span result, const char *error, struct buffer *out);
/* What a person is told of a progress: its message, or how much of how much; one line into out [cap]. */
void mcp_progress_text(struct span params, char *out, size_t cap);

#endif
