/* An MCP server's connection over stdin and stdout: a message a line, calls of tools side by side. */
#ifndef CLI_MCP_STDIO_H
#define CLI_MCP_STDIO_H

struct mcp_service;

/* Answers until stdin ends, nobody reads stdout any more, or SIGTERM, SIGINT or SIGHUP comes, whose number is in *number then (else 0).
 * Calls under way then have a second to end, and are cancelled; so have answers that nobody takes. -1: stdin cannot be read, after a
 * sentence on stderr. */
int mcp_stdio(struct mcp_service *s, int *number);

#endif
