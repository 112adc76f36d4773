/* --stabilize: system texts without what changes from request to request, so that a conversation's beginning stays the same and its
 * prefix stays cached. server.md, part 9.
 *
 *     R1   x-anthropic-billing-header: ...                       strip, move   the line goes, a block that it leaves empty too
 *     R2   gitStatus: ... to the end of the block                move          to the first user message
 *     R3   Working directory, Platform, Today's date ...         move          likewise
 *     R4   other lines with a date and time or a UUID,           move          likewise
 *          outside code fences
 *
 * A block is a text part, or a content that is a string. Only texts in front of the first message that is no system message are moved
 * from: later messages must not change earlier ones. Without a user message nothing is moved.
 *
 * A function of the messages alone, never of earlier requests. */
#ifndef SERVER_REQUEST_STABILIZE_H
#define SERVER_REQUEST_STABILIZE_H

#include "server/http/json.h"
#include "server/request/service.h"

enum { STABILIZE_RULES = 4 };

/* messages: of a chat, checked: roles and contents have their types. Changes them; used[i] counts uses of rule i + 1. *places, NULL
 * so far, becomes where the messages behind one that went away stood before (origin.h), the caller's. -1: no memory. */
int stabilize(json_t *messages, enum stabilize mode, unsigned used[STABILIZE_RULES], json_t **places);

/* One block. What stays goes to *kept, what is moved to *moved, lines of it joined to what is there by line feeds. */
void stabilize_block(const char *text, size_t n, enum stabilize mode, struct out *kept, struct out *moved,
                     unsigned used[STABILIZE_RULES]);

#endif
