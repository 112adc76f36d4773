/* The MCP servers of `run --mcp CONFIG`: started and named, their tools for one conversation, and who is asked before a call of one that
 * "allow" does not name. */
#ifndef CLI_CHAT_SERVERS_H
#define CLI_CHAT_SERVERS_H

#include "cli/common/progress.h"
#include "mcp/mcp.h"
#include "toolbox/mcp_tools.h"

#include <stdint.h>

/* A tool whose calls run without asking again: what its server calls it, since names that the model is told of may change with a list. */
struct approved {
    int server;
    char *own; /* [n] as it is written */
    size_t n;
};

struct cli_servers {
    struct mcp_config config;
    struct mcp *mcp; /* NULL: there are none */
    struct mcp_talk talk;
    struct approved *approved; /* [n_approved] */
    int n_approved;
    struct progress shown;
    int quiet;    /* 1: nothing is shown, and nobody is asked */
    int was_left; /* 1: a person ended the last question without an answer */
};

/* Starts the servers of a file, waits for their tools and says which work; a sentence each. Zeroes *s but for quiet. 0, also where none
 * works, or the exit status after a sentence about the file. */
int servers_open(struct cli_servers *s, const char *path);
void servers_close(struct cli_servers *s); /* a zeroed one too; their programs have ended then */

/* What they take beside the engine, bytes, while one call runs: lists, a line and what becomes of it. */
uint64_t servers_memory(const struct cli_servers *s);

/* The tools of a conversation, in a context of n_ctx, go into box; its accepts is set. 0, or the exit status after a sentence. */
int servers_join(struct cli_servers *s, struct toolbox *box, size_t n_ctx);
/* Takes the tools of a conversation back, before its toolbox is freed. */
void servers_leave(struct cli_servers *s);

#endif
