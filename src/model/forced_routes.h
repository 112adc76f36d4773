/* Routes of a recorded trace instead of the model's own (bench --routes), so that the cache is measured on routes of real weights. The
 * row at position p of a sequence uses step p of the trace, and after its end starts again from the first decoded step; the i-th
 * layer with experts uses layer i. Weights still come from the model's router. Format and rules: streaming.md T.1. For
 * measurements only: the memory is from the heap, outside the plan. */
#ifndef MODEL_FORCED_ROUTES_H
#define MODEL_FORCED_ROUTES_H

#include "base/sha256.h"

struct error;
struct forced_routes;
struct model;

/* Reads the whole file. ERR_INPUT: it cannot be read, is not a trace, or does not fit the model: other number of experts, fewer layers,
 * more experts a token. */
int forced_routes_open(struct forced_routes **out, const struct model *m, const char *path, struct error *err);
void forced_routes_close(struct forced_routes *f);

/* 1: l is one of the layers with experts. */
int forced_routes_has(const struct forced_routes *f, int l);

/* What names the content: of all ids. */
const uint8_t *forced_routes_sha256(const struct forced_routes *f);

/* The experts of layer l at position pos into id [n_used], -1 behind the last. All -1: the trace has none, and the layer uses its
 * router. */
void forced_routes_row(const struct forced_routes *f, int l, int pos, int32_t *id, int n_used);

#endif
