/* What a sequence takes of a model, and what its layers keep of it: for inspect, as the engine plans it from headers alone. */
#ifndef CLI_INSPECT_CONTEXT_H
#define CLI_INSPECT_CONTEXT_H

#include "stoker.h"

struct json_t;

enum { MOST_LAYERS = 1024 };
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

struct layer_counts {
    int kind[STOKER_LAYER_KINDS], experts, shared,
        index; /* layers: of each kind; with experts, shared ones, index keys */
};
struct layer_counts layers_counted(const struct context *c);

/* Lines of the summary: layers by kind, bytes of a context, in all and of each kind; or why it does not run. */
void print_context(const struct context *c);

/* A letter a layer for what it keeps, a capital where it has experts; lines below for shared experts and index keys, where there are
 * any. */
void print_layer_map(const struct context *c);

/* The same for programs; null where it does not run. The caller owns it. */
struct json_t *json_context(const struct context *c);

#endif
