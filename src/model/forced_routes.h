/* Routes of a recorded trace instead of the model's own, for the rows of a request whose list has them (steering.h): what the cache does
 * on routes of real weights, and what a model says when its experts are told. The row at position p uses step p of the trace, and after
 * its end starts again from the first decoded step; the i-th layer with experts uses layer i. Weights still come from the model's
 * router. */
#ifndef MODEL_FORCED_ROUTES_H
#define MODEL_FORCED_ROUTES_H

#include "format/route_trace.h"
#include "model/params.h"

struct model;

struct forced_routes {
    struct route_trace *trace;
    int16_t position[PARAMS_MAX_LAYERS]; /* of a layer among those with experts; -1: it has none */
};

/* Bytes that those of a file take once they are open: from its header alone. dir, name: as in entry.h. */
int forced_routes_bytes(int dir, const char *name, uint64_t *bytes, struct error *err);

/* Reads a trace. -1: as route_trace_open(), and ERR_INPUT: it does not fit the model (other number of experts, fewer layers, more experts
 * a token). */
int forced_routes_open(struct forced_routes **out, const struct model *m, int dir, const char *name, uint64_t most,
                       struct error *err);
void forced_routes_close(struct forced_routes *f);
uint64_t forced_routes_size(const struct forced_routes *f); /* bytes that they take */

/* 1: l is one of the layers with experts. */
int forced_routes_has(const struct forced_routes *f, int l);

/* The experts of layer l at position pos into id [n_used], -1 behind the last. All -1: the trace has none, and the layer uses its
 * router. */
void forced_routes_row(const struct forced_routes *f, int l, int64_t pos, int32_t *id, int n_used);

#endif
