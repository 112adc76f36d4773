/* stoker's tools as an MCP server (library.md 16): the library's, and those of other servers behind two, search_tools and call_tool, so
 * that an agent's prompt need not hold hundreds of definitions.
 *
 *     message ── mcp_service_answer() ──> a line         whoever has the connection reads and writes
 *
 * Clients of both eras: those that open with initialize, and those of 2026-07-28, which say their revision in each request. What other
 * servers answer passes through as it is. All that comes in is hostile. */
#ifndef TOOLBOX_MCP_SERVICE_H
#define TOOLBOX_MCP_SERVICE_H

#include "base/error.h"
#include "library/library.h"
#include "mcp/mcp.h"

struct mcp_service;

/* Both outlive the service; NULL: none. only_allowed: of mcp's tools those of "allow" alone are there, for clients that ask no person.
 * version: of stoker. -1: *err. */
int mcp_service_open(struct mcp_service **out, struct library *library, struct mcp *mcp, int only_allowed,
                     const char *version, struct error *err);
void mcp_service_close(struct mcp_service *s); /* NULL: nothing */
int mcp_service_is_starting(
    struct mcp_service *s); /* 1: other servers have not listed their tools yet: lists and calls wait for them */

struct mcp_ask {
    const struct message *m; /* a request */
    int is_old;              /* 1: its connection was opened with initialize before */
    /* 1: the client wants no answer any more. Asked now and then while a tool runs. */
    int (*stopped)(void *arg);
    void (*tell)(void *arg, const struct buffer *line); /* a notification, while a tool runs */
    void *arg;
};

/* Appends the line of the answer to *out; nothing where the client wants none any more. May take as long as a tool takes. Returns the
 * code of an error of the protocol, or 0. Threads: any, several at a time. */
int mcp_service_answer(struct mcp_service *s, const struct mcp_ask *ask, struct buffer *out);

#endif
