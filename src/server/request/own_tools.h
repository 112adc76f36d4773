/* Tools that the server runs itself, in the middle of an answer (library.md 12 to 15): what a request asks of them by its fields "library"
 * and "mcp", and the toolbox that holds them beside the client's own. */
#ifndef SERVER_REQUEST_OWN_TOOLS_H
#define SERVER_REQUEST_OWN_TOOLS_H

#include "server/request/request.h"
#include "toolbox/library_tools.h"
#include "toolbox/mcp_tools.h"

struct own_tools {
    struct toolbox box;       /* the client's tools, which it runs, then ours */
    struct library_talk talk; /* library NULL: it was not asked for */
    struct mcp_talk mcp;      /* mcp NULL: likewise */
    json_t *client;           /* its list, or NULL */
    int rounds;               /* answers of the turn, the last of which calls nothing */
    const char *field;        /* of the request, for sentences */
    /* Whoever has the toolbox ask the engine whether calls can be held to a list: with what, and why not. */
    struct stoker *engine;
    const struct request *request;
    struct stoker_error why;
    /* How far a call of a tool of an MCP server is, while it runs; NULL: nobody wants to know. */
    void (*progress)(void *arg, const char *text);
    void *progress_arg;
};

/* Behind the client's tools: the fields of body; w->own, where it asks for something, and the list that the model is told of and obeys. */
int own_tools_read(struct request *w, const struct server *s, json_t *body, struct refusal *r);
/* What else such a request may not have; when all of it was read. */
int own_tools_check(struct request *w, struct refusal *r);
void own_tools_free(struct own_tools *o);

/* The server of a tool, by its number; -1: of search_tools; -2: the tool is no MCP server's. */
enum { OWN_SEARCH = -1, OWN_NO_SERVER = -2 };
int own_tools_server(const struct own_tools *o, const char *name);

#endif
