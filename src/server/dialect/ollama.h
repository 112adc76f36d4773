/* Ollama's dialect: handlers of its routes (http/http.h), each of which answers x. Bodies: docs/API.md. */
#ifndef SERVER_DIALECT_OLLAMA_H
#define SERVER_DIALECT_OLLAMA_H

struct http_exchange;

void ollama_version(struct http_exchange *x);
void ollama_models(struct http_exchange *x);  /* /api/tags: each model, each alias */
void ollama_running(struct http_exchange *x); /* /api/ps: they are loaded, and stay so */
void ollama_show(struct http_exchange *x);
void ollama_pull(struct http_exchange *x); /* /api/pull: success of a model that is here, else 404 */
void ollama_chat(struct http_exchange *x);
void ollama_generate(struct http_exchange *x);

#endif
