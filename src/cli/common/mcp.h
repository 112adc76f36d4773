/* --mcp CONFIG of any command: the file is read, its servers are started, and each is named. */
#ifndef CLI_COMMON_MCP_H
#define CLI_COMMON_MCP_H

struct mcp;
struct mcp_config;

/* config is the caller's, and lives as long as *out: mcp_close(), then mcp_config_free(). 0, or the exit status after a sentence on stderr. */
int mcp_flag_open(const char *command, const char *path, struct mcp_config *config, struct mcp **out);

/* A line of each server that works: its tools, and of how many calls run unasked. Those that failed have been named by the log. Returns how
 * many work. */
int mcp_flag_tell(struct mcp *m, void (*say)(const char *line));

#endif
