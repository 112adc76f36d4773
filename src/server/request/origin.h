/* Where the fields of a chat came from, when a body of another dialect was rewritten as a chat: refusals must speak of what the client
 * sent.
 *
 * A JSON object, path in the chat -> path in the client's body. What lies below a path goes with it, the longest path wins:
 *
 *     "messages[3]" -> "input[5]"     "messages[3].content" -> "input[5].output"     "tools[0].function" -> "tools[2]" */
#ifndef SERVER_REQUEST_ORIGIN_H
#define SERVER_REQUEST_ORIGIN_H

#include "server/http/json.h"

/* Adds to origins: the field key of at, of the chat (either may be NULL), is path, as printf() writes it, of the client's body. -1: no
 * memory. */
int origin_note(json_t *origins, const struct json_at *at, const char *key, const char *path, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes a refusal of the chat's fields one of the client's body: its param, and where its sentence names that. origins NULL: nothing. */
void origin_rename(const json_t *origins, struct refusal *r);

#endif
