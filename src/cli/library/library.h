/* What the actions of `stoker library` share. */
#ifndef CLI_LIBRARY_LIBRARY_H
#define CLI_LIBRARY_LIBRARY_H

#include "cli/common/flags.h"
#include "cli/library/models.h"

#include <stdint.h>

struct library_command {
    const char *action;
    const char **rest; /* behind the action */
    int n_rest;
    const char *dir, *name;
    const char *embed, *rerank, *vectors; /* files of models; "all" or "lead" */
    struct text_list sources;
    uint64_t memory;
    int limit, verify, json;
};

/* What actions take beside a model: SQLite, a block of vectors, a piece of a segment, passages that are ranked. */
enum { LIBRARY_BESIDE = SOURCE_HEAP + (24 << 20) };
/* What is in --memory beside lists while they are made, when no model is: SQLite, and the program. */
enum { LISTS_BESIDE = SOURCE_HEAP + (32 << 20) };

/* Exit statuses. */
int library_cmd_add(const struct library_command *c);
int library_cmd_search(const struct library_command *c);
int library_cmd_open(const struct library_command *c);
int library_cmd_list(const struct library_command *c);
int library_cmd_remove(const struct library_command *c);
int library_cmd_check(const struct library_command *c);

int library_is_interrupted(void); /* while library_cmd_add() runs */

/* Chunks of the source get vectors of an open model (embed.c), and where there are many these get lists (lists.c): exit statuses. */
int library_embed(const struct library_command *c, struct encoder *e, const char *source);
int library_make_lists(const struct library_command *c, const char *source);

#endif
