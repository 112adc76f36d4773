/* Arguments of a tool that a call over HTTP also says in headers (revision 2026-07-28): parameters whose schema has "x-mcp-header".
 *
 *     "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}      {"region": "north"} is Mcp-Param-Region: north
 *
 * Source: MCP 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters". */
#ifndef MCP_PARAM_HEADERS_H
#define MCP_PARAM_HEADERS_H

#include "mcp/message.h"

enum { PARAM_HEADERS = 16, PARAM_DEPTH = 8, PARAM_NAME = 64 };

struct param_header {
    char name[PARAM_NAME];         /* behind Mcp-Param- */
    struct span path[PARAM_DEPTH]; /* keys from the arguments on, as the schema writes them */
    int n_path;
};

/* Those of a tool's schema, in *out. How many; -1: one breaks the rules, so that the tool must not be offered over HTTP: *why. */
int param_headers_find(struct span schema, struct param_header out[PARAM_HEADERS], const char **why);

/* What the arguments of a call have for it; n 0, or null: nothing, and there is no header. */
struct span param_header_value(const struct param_header *h, struct span arguments);

#endif
