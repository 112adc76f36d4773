/* What the actions of `stoker library` share. */
#ifndef CLI_LIBRARY_LIBRARY_H
#define CLI_LIBRARY_LIBRARY_H

#include "cli/common/flags.h"
#include "library/encoder/encoder.h"

#include <stdint.h>

struct library_command {
    const char *action;
    const char **rest; /* behind the action */
    int n_rest;
    const char *dir, *name;
    const char *embed, *vectors; /* a model's file; "all" or "lead" */
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

int library_is_interrupted(void); /* while library_cmd_add() runs */

/* The model of --embed (embed.c). Exit statuses, after a sentence. */
int library_check_model(const char *path); /* by its header: before anything is added */
int library_open_model(const struct library_command *c, struct encoder *e);
void library_close_model(struct encoder *e); /* a zeroed one too */
int library_embed(const struct library_command *c, struct encoder *e, const char *source);

#endif
