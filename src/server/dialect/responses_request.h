/* A body of OpenAI's Responses as one of the chat. */
#ifndef SERVER_DIALECT_RESPONSES_REQUEST_H
#define SERVER_DIALECT_RESPONSES_REQUEST_H

#include "server/http/json.h"
#include "server/request/own_tools.h"

struct responses_request {
    json_t *chat;             /* what request_read_chat() takes; owned */
    json_t *origins;          /* of its fields: request/origin.h; owned */
    json_t *custom;           /* names of custom tools: an object; owned */
    json_t *spaces;           /* name of a namespace's function -> the namespace; owned */
    struct out left;          /* types of tools that were left out, with ", " between */
    int wants_results;        /* 1: searches tell what they have found */
    struct passages passages; /* of searches of earlier answers, which are part of the chat */
};

/* has_library 0: this server has none. -1: *r. Free it in any case. */
int responses_request(struct responses_request *q, const json_t *body, int has_library, struct refusal *r);
void responses_request_free(struct responses_request *q);

#endif
