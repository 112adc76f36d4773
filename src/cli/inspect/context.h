/* What a sequence takes of a model, and what its layers keep of it: for inspect, as the engine plans it from headers alone. */
#ifndef CLI_INSPECT_CONTEXT_H
#define CLI_INSPECT_CONTEXT_H

#include "stoker.h"

struct json_t;

enum { MOST_LAYERS = 1024, LAYER_KINDS = STOKER_LAYER_NOTHING + 1 };
const char *layer_kind_name(int kind); /* "full", "window", ... */

/* n_layer 0: the engine does not run it, and refusal is the sentence why. */
struct context {
    struct stoker_layer layer[MOST_LAYERS];
    int n_layer;
    struct stoker_plan plan;
    char refusal[512];
};

/* Fills *c from the headers of a file. Cannot fail. */
void inspect_context(struct context *c, const char *model);

/* Lines of the summary: layers by kind, bytes of a context; or why it does not run. */
void print_context(const struct context *c);

/* A letter a layer for what it keeps, a capital where it has experts. */
void print_layer_map(const struct context *c);

/* The same for programs; null where it does not run. The caller owns it. */
struct json_t *json_context(const struct context *c);

#endif
