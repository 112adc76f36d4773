/* --mcp CONFIG of any command: the file is read, its servers are started, and each is named. */
#ifndef CLI_COMMON_MCP_H
#define CLI_COMMON_MCP_H

struct mcp;
struct mcp_config;
struct mcp_state;

/* config is the caller's, and lives as long as *out: mcp_close(), then mcp_config_free(), in any case. 0, or the exit status after a
 * sentence on stderr; *out is NULL then. */
int mcp_flag_open(const char *command, const char *path, struct mcp_config *config, struct mcp **out);

/* The same, and does not wait for the servers: mcp_refresh() does. */
int mcp_flag_start(const char *command, const char *path, struct mcp_config *config, struct mcp **out);

/* Says each server that works, and of how many of its tools calls run unasked; say may be NULL. Those that failed have been named by the
 * log. Returns how many work. */
int mcp_flag_tell(struct mcp *m, void (*say)(const struct mcp_state *server, int n_allowed));

#endif
