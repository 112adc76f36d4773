/* x-stoker-prefix-key: a name for how a conversation begins, told with every answer. All its turns have the same one, as long as its
 * prefix can be cached at all; a proxy in front of several servers keeps a conversation where its prefix is by it (docs/SCALING.md).
 *
 * Of a chat: the system texts in front as --stabilize leaves them, and the first user's message as the client sent it, without what
 * --stabilize moves there. Of tokens: the first PREFIX_KEY_TOKENS. */
#ifndef SERVER_REQUEST_PREFIX_KEY_H
#define SERVER_REQUEST_PREFIX_KEY_H

#include "stoker.h"

#include <jansson.h>

enum { PREFIX_KEY_TOKENS = 64 };

/* Before --stabilize, then behind it; messages: of a chat, checked. */
uint64_t prefix_key_user(const json_t *messages);
uint64_t prefix_key_chat(const json_t *messages, uint64_t user);

uint64_t prefix_key_tokens(const stoker_token *token, size_t n);

#endif
