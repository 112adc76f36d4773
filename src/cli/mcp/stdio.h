/* An MCP server's connection over stdin and stdout: a message a line, calls of tools side by side. */
#ifndef CLI_MCP_STDIO_H
#define CLI_MCP_STDIO_H

struct mcp_service;

/* Answers until stdin ends or nobody reads stdout; calls under way then have a second to end, and are cancelled. -1: stdin cannot be read,
 * after a sentence on stderr. */
int mcp_stdio(struct mcp_service *s);

#endif
