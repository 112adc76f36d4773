/* Handlers of our own routes and of llama-server's (server.md, part 7), and of models, which two dialects share. Each answers x
 * (http/http.h). Bodies: docs/API.md. */
#ifndef SERVER_OWN_OWN_H
#define SERVER_OWN_OWN_H

#include <stddef.h>

struct http_exchange;
struct out;

enum { OWN_PIECE = 64 << 10 };

/* What there is of a JSON answer goes out when it is more than a piece, and the rest is made meanwhile: a list may be many times as large
 * as what it was asked for with. -1: no memory, or the client is gone. */
int own_send(struct http_exchange *x, struct out *o, size_t piece);

void own_health(struct http_exchange *x);
void own_props(struct http_exchange *x);
void own_slots(struct http_exchange *x);
void own_metrics(struct http_exchange *x);
void own_tokenize(struct http_exchange *x);
void own_detokenize(struct http_exchange *x);
void own_apply_template(struct http_exchange *x);
void own_models(struct http_exchange *x);
void own_model(struct http_exchange *x);
void own_stats(struct http_exchange *x);
void own_events(struct http_exchange *x);
void own_plan(struct http_exchange *x);
void own_anatomy(struct http_exchange *x); /* anatomy.c */
void own_cache_clear(struct http_exchange *x);
void own_vectors(struct http_exchange *x); /* vectors.c */
void own_vector_load(struct http_exchange *x);
void own_vector_unload(struct http_exchange *x);
void own_vectors_apply(struct http_exchange *x);
void own_feature_labels(struct http_exchange *x);
void own_embeddings(struct http_exchange *x); /* embed.c */
void own_api_embed(struct http_exchange *x);
void own_api_embeddings(struct http_exchange *x);
void own_embedding(struct http_exchange *x);
void own_rerank(struct http_exchange *x);          /* rerank.c */
void own_library_sources(struct http_exchange *x); /* library.c */
void own_library_search(struct http_exchange *x);
void own_library_article(struct http_exchange *x);
void own_library_ticket(struct http_exchange *x); /* library_page.c */
void own_library_page(struct http_exchange *x);
void own_mcp(struct http_exchange *x);           /* mcp.c */
void own_not_supported(struct http_exchange *x); /* 501 */

#endif
