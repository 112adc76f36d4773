/* A program that runs for stoker and speaks to it through three pipes: started without a shell and without copying stoker's page tables,
 * and ended for certain with all that it has started: by whoever started it, or by its guard (guard.h) when stoker has ended.
 *
 * stoker starts itself again (/proc/self/exe, by posix_spawn), and that process becomes the guard (child_become()), which starts the
 * program. The kernel tells the guard of the end of the thread that started it, which therefore lives as long as the process does. */
#ifndef MCP_CHILD_H
#define MCP_CHILD_H

#include <sys/types.h>

struct error;

struct child {
    pid_t pid; /* its guard's; 0: there is none */
    int in, out,
        err; /* its stdin, which we write; its stdout and stderr, which we read; none of them blocks. -1: closed */
};

#define CHILD_SELF "/proc/self/exe" /* as argv[0]: stoker itself, which then is called by that name */

/* argv[0] is found as a shell would find it, from cwd (NULL: ours); NULLs end argv and env, which is its whole environment. -1: *err. A
 * program that is not there is a child that says so on its stderr and ends with status 127. */
int child_start(struct child *c, const char *const *argv, char *const *env, const char *cwd, struct error *err);

/* What main() does first: 1 where this process is to become the guard of a child's program; child_become() does not return then. */
int child_is(int argc, char **argv);
_Noreturn void child_become(int argc, char **argv);
/* How many programs started this one that way, one by the other: a file of servers may name stoker with that same file. */
int child_depth(void);

/* 1: it has ended, and nothing of it is left; *status as waitpid() gives it. */
int child_has_ended(const struct child *c, int *status);

/* Until all have ended, with what they have started: stdin is closed; 2 s later SIGTERM to the program's group; 2 s later SIGKILL to all.
 * What they write is dropped. Blocks. */
void child_end(struct child *list, int n);

#endif
