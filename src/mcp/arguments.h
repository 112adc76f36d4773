/* Whether the arguments of a call fit its tool's schema, before a server is asked: the caller then reads what to mend, with its path.
 *
 *     type, required, properties, additionalProperties, items, enum, const
 *
 * are held to, the latter two of strings; whatever else a schema asks for is its server's to judge. Source: json-schema.org, draft 2020-12,
 * validation 6.1 and 6.5. */
#ifndef MCP_ARGUMENTS_H
#define MCP_ARGUMENTS_H

#include "mcp/message.h"

/* 1: nothing is against it. 0: a sentence without its end is in why. Both are one whole value. */
int arguments_fit(struct span schema, struct span arguments, struct buffer *why);

#endif
