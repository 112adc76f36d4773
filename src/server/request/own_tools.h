/* Tools that the server runs itself, in the middle of an answer (library.md 12, 13): what a request asks of them by its field "library",
 * and the toolbox that holds them beside the client's own. */
#ifndef SERVER_REQUEST_OWN_TOOLS_H
#define SERVER_REQUEST_OWN_TOOLS_H

#include "server/request/request.h"
#include "toolbox/library_tools.h"

struct own_tools {
    struct toolbox box; /* the client's tools, which it runs, then ours */
    struct library_talk talk;
    json_t *client; /* its list, or NULL */
    int rounds;     /* answers of the turn, the last of which calls nothing */
};

/* Behind the client's tools: the field of body; w->own, where it asks for something, and the list that the model is told of and obeys. */
int own_tools_read(struct request *w, const struct server *s, json_t *body, struct refusal *r);
/* What else such a request may not have; when all of it was read. */
int own_tools_check(struct request *w, struct refusal *r);
void own_tools_free(struct own_tools *o);

#endif
