/* From words of the command line to layers. See steer.h. */
#include "cli/steer/steer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole number from 0, and *end behind it; -1: none. */
static int number(const char *text, const char **end)
{
    char *behind;
    long n = *text >= '0' && *text <= '9' ? strtol(text, &behind, 10) : -1;
    *end = n < 0 ? text : behind;
    return n >= 0 && n < VECTOR_LAYERS ? (int)n : -1;
}

const char *steer_range(const char *text, int range[2])
{
    const char *end;
    range[0] = range[1] = number(text, &end);
    if (range[0] >= 0 && *end == '-')
        range[1] = number(end + 1, &end);
    return range[0] >= 0 && range[1] >= range[0] ? end : NULL;
}

int steer_layers(const struct steer_command *c, int range[2])
{
    const char *end = c->layers ? steer_range(c->layers, range) : "";
    if (!c->layers)
        range[0] = range[1] = -1;
    if (end && !*end)
        return 0;
    fprintf(stderr, "stoker %s: --layers %.60s: a layer or A-B, the smaller one first, from 0 to %d\n", c->name,
            c->layers, VECTOR_LAYERS - 1);
    return 2;
}
