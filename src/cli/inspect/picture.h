/* The map of a model's layers as a picture. */
#ifndef CLI_INSPECT_PICTURE_H
#define CLI_INSPECT_PICTURE_H

#include "cli/inspect/context.h"

#include <stdio.h>

/* name: of the model. c has layers. */
void draw_layers(FILE *f, const struct context *c, const char *name);

#endif
