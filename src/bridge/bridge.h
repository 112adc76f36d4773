/* The way to MCP servers that have a url (library.md 14): a process of its own that speaks to stoker as any server does, by lines on stdin
 * and stdout, and to the server over streamable HTTP. So the process `stoker` never opens a connection, and what goes wrong in TLS or in an
 * answer costs this one.
 *
 *   bridge.c     the process: lines in, answers out
 *   session.c    of servers of before 2026-07-28: their session, and another one where they have forgotten it
 *   transfer.c   one request and its answer
 *   headers.c    headers that say what the body says
 *   sse.c        streams of events
 *   libcurl.c    libcurl, loaded here alone
 *
 * The first line of stdin is what CONFIG says, as mcp/config.c writes it: {"url", "headers": ["Name: value", ..]}. It is no argument, for
 * arguments of a process are everybody's to read. */
#ifndef BRIDGE_BRIDGE_H
#define BRIDGE_BRIDGE_H

/* What main() asks first: 1 where this process is to be the bridge. */
int bridge_is(int argc, char **argv);
/* Until stdin ends; the status to exit with. */
int bridge_run(void);

#endif
