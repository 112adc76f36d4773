/* Routes of a recorded trace instead of the model's own (bench --routes): the cache is then judged on routes as real weights make
 * them. The row at position p of a sequence uses step p of the trace, behind its end again from the first decoded step; the i-th
 * layer with experts uses layer i. Weights still come from the model's router. Format and rules: streaming.md T.1. From the
 * heap, beside the plan: for measuring. */
#ifndef MODEL_FORCED_ROUTES_H
#define MODEL_FORCED_ROUTES_H

#include <stdint.h>

struct error;
struct forced_routes;
struct model;

/* ERR_INPUT: the file is not a trace, or does not fit the model: other number of experts, fewer layers, more experts a token. */
int forced_routes_open(struct forced_routes **out, const struct model *m, const char *path, struct error *err);
void forced_routes_close(struct forced_routes *f);

/* id [n_used]: the experts of layer l at position pos, -1 behind the last. All -1: the trace has none, the layer routes itself. */
void forced_routes_row(const struct forced_routes *f, int l, int pos, int32_t *id, int n_used);

#endif
