/* Headers of requests that say what the body says (revision 2026-07-28), and the tools whose arguments some of them repeat: learnt from the
 * lists of tools that pass by. */
#ifndef BRIDGE_HEADERS_H
#define BRIDGE_HEADERS_H

#include "bridge/libcurl.h"
#include "mcp/message.h"

struct header_list {
    const struct curl *curl;
    struct curl_slist *list;
    size_t n;   /* bytes of their lines */
    int failed; /* no memory */
};

void headers_add_line(struct header_list *l, const char *line); /* "Name: value" */
void headers_add(struct header_list *l, const char *name, const char *value, size_t n);
void headers_free(struct header_list *l);

enum { ANNOTATED = 1000, ANNOTATED_BYTES = 8 << 20 }; /* tools that are kept, and bytes of their definitions */

struct annotated_tools {
    struct annotated_tool {
        char *name, *schema; /* JSON, [n_name], [n_schema] */
        size_t n_name, n_schema;
    } tool[ANNOTATED];
    int n;
    size_t bytes;
};

/* Keeps the schemas of a list's tools that have x-mcp-header. result: of tools/list. */
void annotated_learn(struct annotated_tools *a, struct span result);

/* MCP-Protocol-Version, Mcp-Method, and for a call Mcp-Name and Mcp-Param-*: of a request that has its revision in _meta. */
void headers_put_modern(struct header_list *l, const struct message *m, const struct annotated_tools *a);

#endif
