/* An MCP server's connection over stdin and stdout: a message a line, calls of tools side by side. */
#ifndef CLI_MCP_STDIO_H
#define CLI_MCP_STDIO_H

struct mcp_service;
struct reqmem;

/* Bytes of what its client chooses the size of: the line that is read; requests that are answered, with what is made of them, their results
 * and answers among it (base/reqmem.h), of which a part is kept for small ones. The largest call has room, alone. */
enum {
    MCP_STDIO_LINE = (8 << 20) + (64 << 10),
    MCP_STDIO_KEPT = 8 << 20,
    MCP_STDIO_REQUESTS = (64 << 20) + MCP_STDIO_KEPT,
    MCP_STDIO_MEMORY = MCP_STDIO_LINE + MCP_STDIO_REQUESTS
};

/* Answers until stdin ends, nobody reads stdout any more, or SIGTERM, SIGINT or SIGHUP comes, whose number is in *number then (else 0).
 * Calls under way then have a second to end, and are cancelled; so have answers that nobody takes. -1: stdin cannot be read, after a
 * sentence on stderr. memory: of requests; servers of s give back to it until they are closed. */
int mcp_stdio(struct mcp_service *s, struct reqmem *memory, int *number);

#endif
