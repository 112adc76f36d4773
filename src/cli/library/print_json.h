/* Lines of --json: one object each, told at once, since whoever reads them may follow a long action. */
#ifndef CLI_LIBRARY_PRINT_JSON_H
#define CLI_LIBRARY_PRINT_JSON_H

#include <jansson.h>
#include <stdio.h>

/* The object is given away. */
static inline void print_json(json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    fflush(stdout);
    json_decref(o);
}

#endif
