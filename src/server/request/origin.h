/* Where the fields of a chat came from, when a body of another dialect was rewritten as a chat: refusals must speak of what the client
 * sent.
 *
 * A JSON object, path in the chat -> path in the client's body. What lies below a path goes with it, the longest path wins:
 *
 *     "messages[3]" -> "input[5]"     "messages[3].content" -> "input[5].output"     "tools[0].function" -> "tools[2]" */
#ifndef SERVER_REQUEST_ORIGIN_H
#define SERVER_REQUEST_ORIGIN_H

#include "server/http/json.h"

/* path (as of printf) is the field key of at, in the client's body; either may be NULL. -1: no memory. */
int origin_note(json_t *origins, const struct json_at *at, const char *key, const char *path, ...)
    __attribute__((format(printf, 4, 5)));

/* A refusal of the chat's fields in the client's words: its param, and where its sentence names that. origins NULL: they are the same. */
void origin_rename(const json_t *origins, struct refusal *r);

#endif
