/* What mcp_service.h offers: which tools there are now, and calls of them. */
#ifndef TOOLBOX_MCP_SERVICE_TOOLS_H
#define TOOLBOX_MCP_SERVICE_TOOLS_H

#include "toolbox/library_tools.h"
#include "toolbox/mcp_service.h"
#include "toolbox/mcp_tools.h"

#include <pthread.h>

struct service_tools {
    pthread_mutex_t numbers_lock; /* of talk */
    struct library_talk talk;
    struct toolbox box;   /* the library's tools */
    struct buffer listed; /* the same, as MCP writes them */

    struct mcp *mcp;  /* NULL: there are no other servers */
    int only_allowed; /* of their tools, those of "allow" */
    pthread_mutex_t view_lock;
    struct mcp_talk view; /* which of their tools are listed, which are searched for */
};

/* service_tools_close() in any case but where *t was not zeroed. */
int service_tools_open(struct service_tools *t, struct library *library, struct mcp *mcp, int only_allowed,
                       struct error *err);
void service_tools_close(struct service_tools *t);

/* Elements of a list, always in the same order. */
void service_tools_list(struct service_tools *t, const struct mcp_ask *ask, struct buffer *out);

enum service_end {
    SERVICE_DONE,    /* out has the members of a result; a tool that failed is one, too */
    SERVICE_STOPPED, /* nobody waits for it */
    SERVICE_UNKNOWN  /* there is no tool of this name, a string */
};
enum service_end service_tools_call(struct service_tools *t, const struct mcp_ask *ask, struct span name,
                                    struct span arguments, struct buffer *out);

#endif
