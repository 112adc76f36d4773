/* A body of Anthropic's Messages as a body of OpenAI's chat: see anthropic_request.c. */
#ifndef SERVER_DIALECT_ANTHROPIC_REQUEST_H
#define SERVER_DIALECT_ANTHROPIC_REQUEST_H

#include "server/http/json.h"

struct anthropic_request {
    json_t *chat;    /* for request_read_chat() */
    json_t *origins; /* of its fields: request/origin.h */
    json_t *ignored; /* an array: types of the tools that were left out */
};

/* Where a body has the input of a call that the model made: its body is read with json_read_keeping(). */
extern const struct json_place anthropic_kept;

/* counting: max_tokens may be absent. -1: *r. Free it in any case. */
int anthropic_request_read(struct anthropic_request *a, const json_t *body, int counting, struct refusal *r);
void anthropic_request_free(struct anthropic_request *a);

#endif
