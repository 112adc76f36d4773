/* The model as one can look at it: GET /stoker/model. */
#ifndef SERVER_ANATOMY_H
#define SERVER_ANATOMY_H

struct http_exchange;

/* {"arch", "layers": [{"index", "kind": "moe" or "dense", "attention": "full", "window", "compressed" or "recurrent", "type", "bytes",
 * "experts", "experts_used", "use": [times that each expert was used since the start]}]} */
void own_anatomy(struct http_exchange *x);

#endif
