/* Tools of MCP servers as one list: in the order of CONFIG, then of the server, so that a prompt that tells of them stays the same. A
 * tool's name is SERVER__TOOL, of letters, digits, _ and -, 64 at most, and unique. What cannot be offered is named in the log. A list
 * does not change. */
#ifndef MCP_TOOLS_H
#define MCP_TOOLS_H

#include "mcp/message.h"

#include <stdatomic.h>
#include <stddef.h>

struct mcp_server;

enum { MCP_NAME = 64 };

struct mcp_tool {
    char name[MCP_NAME + 1];
    int server;
    struct span own;                 /* its name as its server calls it, a string */
    struct span description, schema; /* a string or nothing; an object */
    unsigned char is_allowed;        /* runs without asking */
    unsigned char defer;             /* enum mcp_defer */
};

struct mcp_tools {
    struct mcp_tool *tool; /* [n] */
    size_t n;
    size_t bytes; /* of all definitions */
    char **text;  /* [n_text] owns what tools point to */
    int n_text;
    atomic_int n_user;
};

/* Of n servers; NULL: no memory. */
struct mcp_tools *mcp_tools_make(const struct mcp_server *server, int n);
void mcp_tools_release(struct mcp_tools *t);

/* NULL: there is none of this name. */
const struct mcp_tool *mcp_tool_find(const struct mcp_tools *t, const char *name);

#endif
