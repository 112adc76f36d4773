/* Bodies of Ollama's chat and generate as bodies of OpenAI's chat: see ollama_request.c. */
#ifndef SERVER_DIALECT_OLLAMA_REQUEST_H
#define SERVER_DIALECT_OLLAMA_REQUEST_H

#include "server/http/json.h"

struct ollama_request {
    json_t *chat;    /* for request_read_chat(), or request_read_sampling() and request_read_answer() where raw */
    json_t *origins; /* of its fields: request/origin.h */
    const char *raw; /* [n_raw] of the body: the prompt without a template; or NULL */
    size_t n_raw;
    int stream;
    int load; /* there is nothing to answer: the model should only be there */
};

/* Where a body has the arguments of a call that the model made: its body is read with json_read_keeping(). */
extern const struct json_place ollama_kept;

/* n_ctx: what the server has; more must not be promised. -1: *r. Free it in any case. */
int ollama_chat_read(struct ollama_request *o, const json_t *body, int n_ctx, struct refusal *r);
int ollama_generate_read(struct ollama_request *o, const json_t *body, int n_ctx, struct refusal *r);
void ollama_request_free(struct ollama_request *o);

#endif
