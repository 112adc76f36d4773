/* The flags that steer every answer of a command by control vectors. A command parses steer_flags() with its own, calls
 * steer_flags_plan() before stoker_open() and steer_flags_open() after it, gives its requests list [n], and at the end calls
 * steer_flags_close(), before stoker_close().
 *
 * The list is in this order: --control-vector, --control-vector-scaled, --project, each in the order in which they were given. */
#ifndef CLI_COMMON_STEER_FLAGS_H
#define CLI_COMMON_STEER_FLAGS_H

#include "cli/common/flags.h"

struct steer_flags {
    struct text_list add, scaled, project;
    int layers[2]; /* 0, 0: those of the files */
    uint64_t memory;

    struct {
        char *path; /* allocated */
        double scale;
        int has_scale, projects; /* projects: the flag says so, and the file must */
    } file[STOKER_STEER_MOST];
    struct stoker_vector *vector[STOKER_STEER_MOST];
    struct stoker_steer list[STOKER_STEER_MOST]; /* [n] */
    size_t n;
};

/* Static: of one *f at a time. */
struct flag_table steer_flags(struct steer_flags *f);

/* Reads the flags and the headers of the files: o->steer_memory. 0, or the exit status after a sentence. */
int steer_flags_plan(const char *command, struct steer_flags *f, struct stoker_options *o);

/* Opens the files and shows a line of each. 0, or the exit status after a sentence. */
int steer_flags_open(const char *command, struct steer_flags *f, struct stoker *s);

void steer_flags_close(struct steer_flags *f);

#endif
