/* Anthropic's dialect: handlers of its routes (http/http.h), each of which answers x. Bodies: docs/API.md. */
#ifndef SERVER_DIALECT_ANTHROPIC_H
#define SERVER_DIALECT_ANTHROPIC_H

struct http_exchange;

void anthropic_messages(struct http_exchange *x);
void anthropic_count_tokens(struct http_exchange *x);

#endif
