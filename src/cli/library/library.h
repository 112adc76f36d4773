/* What the actions of `stoker library` share. */
#ifndef CLI_LIBRARY_LIBRARY_H
#define CLI_LIBRARY_LIBRARY_H

#include "cli/common/flags.h"

#include <stdint.h>

struct library_command {
    const char *action;
    const char **rest; /* behind the action */
    int n_rest;
    const char *dir, *name;
    struct text_list sources;
    uint64_t memory;
    int limit, verify, json;
};

/* Exit statuses. */
int library_cmd_add(const struct library_command *c);
int library_cmd_search(const struct library_command *c);
int library_cmd_open(const struct library_command *c);
int library_cmd_list(const struct library_command *c);
int library_cmd_remove(const struct library_command *c);
int library_cmd_check(const struct library_command *c);

#endif
