/* CONFIG: the file of MCP servers that other programs use too (library.md 14).
 *
 *     {"mcpServers": {"files": {"command": "node", "args": ["files.mjs"], "env": {"ROOT": "${HOME}"}, "allow": ["read"]},
 *                     "web": {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}}}
 *
 * ${NAME} in command, args, env, cwd, url and headers is the environment's; a name that it lacks is refused. Fields that stoker does not
 * know are named by a line of the log, and do no more. */
#ifndef MCP_CONFIG_H
#define MCP_CONFIG_H

#include "base/arena.h"
#include "base/error.h"

enum { MCP_SERVERS = 32, MCP_SERVER_NAME = 48, MCP_TIMEOUT = 60, MCP_START_SECONDS = 20 };

enum mcp_defer { MCP_DEFER_AUTO, MCP_DEFER_NO, MCP_DEFER_YES };

struct mcp_names { /* of tools, as their server calls them */
    const char **name;
    int n;
};

struct mcp_server_config {
    const char *name;
    const char **argv; /* command and args, NULL behind the last */
    char **env;        /* the whole environment, NULL behind the last */
    const char *cwd;   /* NULL: ours */
    const char *
        setup; /* NULL: it has a command. Else it has a url: argv is the bridge, and this its first line (bridge/bridge.h) */
    int timeout_seconds;    /* of a call */
    struct mcp_names only;  /* "tools": n 0: all */
    struct mcp_names deny;  /* left out */
    struct mcp_names allow; /* run without asking */
    enum mcp_defer defer;
};

struct mcp_config {
    struct arena arena; /* owns all text */
    struct mcp_server_config server[MCP_SERVERS];
    int n;
    int start_seconds; /* until a server has told its tools */
};

/* The sentence of *err begins with the path and names a line, or a server and its field. mcp_config_free() in any case. */
int mcp_config_read(struct mcp_config *c, const char *path, struct error *err);
/* The same for the text of a file, n bytes. */
int mcp_config_parse(struct mcp_config *c, const char *path, const char *text, size_t n, struct error *err);
void mcp_config_free(struct mcp_config *c);

int mcp_names_have(const struct mcp_names *names, const char *name);

#endif
