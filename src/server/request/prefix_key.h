/* x-stoker-prefix-key: a hash of how a conversation begins, a header of every answer. All its turns have the same one, as long as its
 * prefix can be cached at all; by it a proxy in front of several servers sends a conversation to the one that has its prefix
 * (docs/SCALING.md).
 *
 * Of a chat: the system texts in front as --stabilize leaves them, and the first user's message as the client sent it, without what
 * --stabilize moves there. Of tokens: the first PREFIX_KEY_TOKENS. */
#ifndef SERVER_REQUEST_PREFIX_KEY_H
#define SERVER_REQUEST_PREFIX_KEY_H

#include "stoker.h"

#include <jansson.h>

enum { PREFIX_KEY_TOKENS = 64 };

/* Of a chat, in two steps: the user's message before --stabilize changes the messages, then all of it after that; user: what the first
 * returned. messages: an array that request.c has checked. */
uint64_t prefix_key_user(const json_t *messages);
uint64_t prefix_key_chat(const json_t *messages, uint64_t user);

/* Of a prompt of tokens. */
uint64_t prefix_key_tokens(const stoker_token *token, size_t n);

#endif
