/* The tools that a client runs itself, and the choice among them: the fields tools, tool_choice, parallel_tool_calls of a chat. Those that
 * the server runs are in own_tools.h. 0; -1: *r. */
#ifndef SERVER_REQUEST_TOOLS_H
#define SERVER_REQUEST_TOOLS_H

#include "server/request/request.h"

/* The list, checked tool by tool, into w->tools_text and w->reply. */
int tools_read(struct request *w, const json_t *body, struct refusal *r);

/* Behind tools_read() and in a body that it has checked: whether the answer may, must or must not call one, which one, and how many. */
int tools_read_choice(struct request *w, const json_t *body, struct refusal *r);

#endif
