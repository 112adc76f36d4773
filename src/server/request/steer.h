/* What a client says a request is steered by: lists as JSON.
 *
 *     "steer": [{"vector": NAME or NUMBER, "scale": 1.5, "layers": [3, 5], "from": "generated", "to": -1, "side": "positive"},
 *               {"sae": NAME or NUMBER, "op": "add", "feature": 34, "value": 4, "from": 0, "to": 12},
 *               {"experts": "exclude", "list": [[LAYER, EXPERT], ..], "from": 0, "to": 12},
 *               {"experts": "bias", "list": [[LAYER, EXPERT, BIAS], ..]}, ..]
 *
 * The same as ik_llama.cpp says it: "id" for "vector", "layer_start" and "layer_end" for "layers"; and "control_vectors" for "steer". What
 * an entry leaves out is as the vector's file says. Here is checked what JSON it is and which vectors it names; the rest when the prompt's
 * length is known, by the engine (stoker_steer_digest()), in whose errors the field is "steer". */
#ifndef SERVER_REQUEST_STEER_H
#define SERVER_REQUEST_STEER_H

#include "server/http/json.h"
#include "server/request/vectors.h"

/* A list of at most STOKER_STEER_MOST entries into *out, which is empty. -1: *r, and *out is empty. */
int steer_read(struct steer_list *out, struct vectors *v, const json_t *list, const struct json_at *at,
               struct refusal *r);

/* The layers of an entry: "layers", or "layer_start" and "layer_end". -1: *r. */
int steer_read_layers(struct stoker_steer *how, const json_t *entry, const struct json_at *at, struct refusal *r);

/* The vector that "vector" of an entry names (or "id"): held. -1: *r. */
int steer_read_vector(struct named_vector *out, struct vectors *v, const json_t *entry, const struct json_at *at,
                      struct refusal *r);

/* The autoencoder that "sae" of an entry names: held. -1: *r. */
int steer_read_sae(struct named_vector *out, struct vectors *v, const json_t *entry, const struct json_at *at,
                   struct refusal *r);

/* A position: from the beginning; below 0: from the end of the prompt; "generated": that end. 1: it is given; 0: not; -1: *r. */
int steer_read_position(struct stoker_at *out, const json_t *entry, const struct json_at *at, const char *key,
                        struct refusal *r);

/* A list as answers tell it: [{"name","sha256","kind","scale","layers","license"}, ..]; of features "op", "feature" and "value" instead of
 * "scale", of experts "count", how many. */
void steer_write(struct out *o, const struct steer_list *l);
const char *steer_kind(const struct stoker_vector_about *a); /* "add", "project", "sae", "experts" */

#endif
