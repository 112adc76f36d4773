/* The texts of a request of vectors or scores, as tokens, and their vectors. Used by the routes of embed.c and rerank.c. */
#ifndef SERVER_OWN_TEXTS_H
#define SERVER_OWN_TEXTS_H

#include "server/http/json.h"
#include "stoker.h"

#include <stddef.h>

struct http_exchange;

enum { TEXTS_MOST = 2048 };

struct texts {
    struct stoker *engine;
    struct stoker_encoder encoder;
    struct stoker_tokens *text; /* [n], of the requests' memory */
    size_t n, n_token;
    int only_one;         /* the route takes one text: a list of them is refused */
    int may_cut;          /* a text above the context loses its end; else it is refused ... */
    const char *too_long; /* ... by this sentence; NULL: one with both numbers */
};

/* The text, or list of texts, ids or lists of ids of the field key. 0, or -1 with the refusal. */
int texts_read(struct texts *t, const json_t *body, const char *key, struct refusal *r);
/* Memory for n texts, which the caller adds. */
int texts_reserve(struct texts *t, size_t n, struct refusal *r);
void texts_free(struct texts *t);

/* Values of text i: n_out, or with pooling none so many for each of its tokens. */
size_t texts_values(const struct texts *t, size_t i);

/* Computes the vectors, all by one request of the engine, and gives each text's to on_text, in order, as they are there; what it does not
 * return 0 for, or a value that is not finite, ends the request: a refusal, or, once the answer has begun, its end. 0, or not: *r is
 * filled, on_text has failed or the client is gone. */
int texts_embed(struct http_exchange *x, struct texts *t, int (*on_text)(void *arg, size_t i, float *v), void *arg,
                struct refusal *r);

#endif
