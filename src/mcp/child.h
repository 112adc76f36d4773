/* A program that runs for stoker under a guard (base/process/guard.h) and speaks to it through three pipes; ended for certain with all that
 * it has started, by whoever started it, or by its guard when stoker has ended. */
#ifndef MCP_CHILD_H
#define MCP_CHILD_H

#include <sys/types.h>

struct error;

struct child {
    pid_t pid; /* its guard's; 0: there is none */
    int in, out,
        err; /* its stdin, which we write; its stdout and stderr, which we read; none of them blocks. -1: closed */
};

/* argv, env and cwd are those of struct guard_program. -1: *err. */
int child_start(struct child *c, const char *const *argv, char *const *env, const char *cwd, struct error *err);

/* 1: it has ended, and nothing of it is left; *status as waitpid() gives it. */
int child_has_ended(const struct child *c, int *status);

/* Until all have ended, with what they have started: stdin is closed; 2 s later SIGTERM to the program's group; 2 s later SIGKILL to all.
 * What they write is dropped. Blocks. */
void child_end(struct child *list, int n);

#endif
