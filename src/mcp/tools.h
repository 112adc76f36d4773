/* Tools of MCP servers as one list: in the order of CONFIG, then of the server, so that a prompt that tells of them stays the same. A
 * tool's name is SERVER__TOOL, of letters, digits, _ and -, 64 at most, and unique. What cannot be offered is named in the log. A list
 * does not change, but for what it notes of schemas. */
#ifndef MCP_TOOLS_H
#define MCP_TOOLS_H

#include "mcp/index.h"
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
    atomic_uchar is_refused;         /* calls cannot be held to its schema: it is offered no more, and was named */
};

/* Definitions of a server as they came, "\n" behind each; shared by all lists that have them. */
struct mcp_text {
    atomic_int n_user;
    size_t n;
    char text[];
};
void mcp_text_release(struct mcp_text *t); /* NULL: nothing */

struct mcp_tools {
    struct mcp_tool *tool; /* [n], at most INDEX_TOOLS */
    size_t n;
    struct mcp_index index;
    struct mcp_text **text; /* [n_text] holds what tools point to */
    int n_text;
    atomic_int n_user;
};

/* Of n servers, with so many postings at most (mcp/index.h); NULL: no memory. */
struct mcp_tools *mcp_tools_make(const struct mcp_server *server, int n, size_t most_postings);
struct mcp_tools *mcp_tools_hold(struct mcp_tools *t);
void mcp_tools_release(struct mcp_tools *t);
int mcp_tools_have(const struct mcp_tools *t, const struct mcp_text *text); /* t NULL: 0 */
/* Bytes that it takes, without the texts that `other`, or NULL, has too. */
size_t mcp_tools_bytes(const struct mcp_tools *t, const struct mcp_tools *other);

/* As MCP writes a tool: {"name", "description", "inputSchema"}. */
void mcp_tool_put(const struct mcp_tool *t, struct buffer *out);

/* NULL: there is none of this name. */
struct mcp_tool *mcp_tool_find(const struct mcp_tools *t, const char *name);

#endif
