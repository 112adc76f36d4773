/* What stoker routes is made of: sources become counts (routes.c), counts become tables (print.c). Functions return 0, or the exit status
 * after a sentence. */
#ifndef CLI_ROUTES_ROUTES_H
#define CLI_ROUTES_ROUTES_H

#include "cli/activations/activations.h"
#include "study/routes.h"

struct routes_command {
    struct activations of; /* its prompt or text, window, flags of the model and of steering */
    const char *trace;     /* or a file of routes */
    const char *against;   /* a second source, a trace or a text; or NULL */
    const char *model;     /* NULL: traces alone */
    int json, csv;
};

/* 1: a source is a text, so there must be a model. */
int routes_read_texts(const struct routes_command *c);

int routes_run(struct routes_command *c);

/* b: of --against, or NULL. */
void routes_print(const struct routes_command *c, const struct route_counts *a, const struct route_counts *b);

#endif
