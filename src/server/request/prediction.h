/* OpenAI's "prediction": what of an answer is known before.
 *
 *     "prediction": {"type": "content", "content": TEXT or [{"type": "text", "text": TEXT}, ..]}
 *
 * It is drafted where the answer goes along (docs/spec/drafts.md 4), and changes no answer. */
#ifndef SERVER_REQUEST_PREDICTION_H
#define SERVER_REQUEST_PREDICTION_H

#include "server/request/request.h"

/* Checks it; where this server drafts, w->prediction becomes its first tokens, as many as the answer may have. -1: *r. */
int prediction_read(struct request *w, const struct server *s, const json_t *body, struct refusal *r);

#endif
