/* A program that runs for stoker under a guard (base/process/guard.h) and speaks to it through three pipes; ended for certain with all that
 * it has started, by whoever started it, or by its guard when stoker has ended. */
#ifndef MCP_CHILD_H
#define MCP_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct error;

struct child {
    pid_t pid; /* its guard's; 0: there is none */
    int in, out,
        err;      /* its stdin, which we write; its stdout and stderr, which we read; none of them blocks. -1: closed */
    int n_signal; /* that it got since its end was asked for */
    uint64_t signal_ns; /* when the next one is due; 0: its end was not asked for */
};

/* argv, env and cwd are those of struct guard_program. -1: *err. */
int child_start(struct child *c, const char *const *argv, char *const *env, const char *cwd, struct error *err);

/* 1: it has ended, and nothing of it is left; *status as waitpid() gives it. */
int child_has_ended(const struct child *c, int *status);

/* Asks for its end, with what it has started, and does what is due: stdin is closed; 2 s later SIGTERM to the program's group; 2 s later
 * SIGKILL to all; and 5 s later, where something hangs in the kernel or the guard is held, SIGKILL to the guard, so that what is left is
 * nobody's. What it writes is dropped. 1: it lives still: to be called again in CHILD_PROBE_MS. 0: there is none any more. */
int child_end(struct child *c, uint64_t now_ns);
enum { CHILD_PROBE_MS = 10 };

#endif
