/* The field "capture" of a request: which activations are recorded while it is computed (docs/spec/steering.md 9).
 *
 *     {"layers": [3, [10, 20]], "tensors": ["resid_post"], "from": -1, "to": "generated", "reduce": "none", "top": 10, "dtype": "f32",
 *      "vector": "declines", "sae": "layers.12"}
 *
 * What the model and the prompt decide (which layer has what, whether positions are there) the engine checks, in its own words. */
#ifndef SERVER_REQUEST_CAPTURE_H
#define SERVER_REQUEST_CAPTURE_H

#include "server/http/json.h"
#include "server/request/vectors.h"
#include "stoker.h"

struct server;

/* What is to be recorded; how has no target yet, and how.layer is layer, or NULL. */
struct capture_wanted {
    struct stoker_capture how;
    unsigned char *layer;           /* [layers of the model], the request's (base/reqmem.h) */
    struct named_vector along, sae; /* held; its vector NULL: none */
};

/* o: the value of the field, at at. -1: *r. capture_wanted_free() in any case. */
int capture_read(struct capture_wanted *out, struct server *s, const json_t *o, const struct json_at *at,
                 struct refusal *r);
void capture_wanted_free(struct capture_wanted *w); /* a zeroed one is fine */

#endif
