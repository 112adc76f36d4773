/* A program that runs for stoker and speaks to it through three pipes: started without a shell and without copying stoker's page tables,
 * in a process group of its own, and ended for certain: by whoever started it, or by the kernel when stoker is killed.
 *
 * stoker starts itself again (/proc/self/exe, by posix_spawn), and that process asks the kernel for its end before it becomes the program
 * (child_become()). The kernel ends it with the thread that started it, which therefore lives as long as the process does. */
#ifndef MCP_CHILD_H
#define MCP_CHILD_H

#include <sys/types.h>

struct error;

struct child {
    pid_t pid; /* 0: there is none */
    int in, out,
        err; /* its stdin, which we write; its stdout and stderr, which we read; none of them blocks. -1: closed */
};

#define CHILD_SELF "/proc/self/exe" /* as argv[0]: stoker itself, which then is called by that name */

/* argv[0] is found as a shell would find it, from cwd (NULL: ours); NULLs end argv and env, which is its whole environment. -1: *err. A
 * program that is not there is a child that says so on its stderr and ends with status 127. */
int child_start(struct child *c, const char *const *argv, char *const *env, const char *cwd, struct error *err);

/* What main() does first: 1 where this process is to become a child's program; child_become() does not return then. */
int child_is(int argc, char **argv);
_Noreturn void child_become(int argc, char **argv);
/* How many programs started this one that way, one by the other: a file of servers may name stoker with that same file. */
int child_depth(void);

/* 1: it has ended; *status as waitpid() gives it. It stays a zombie, whose group is still its own, until child_end(). */
int child_has_ended(const struct child *c, int *status);

/* Kills all that were started and are not reaped yet, and what they started in their groups: for a process that is about to end by a
 * signal, with which the kernel ends the programs alone. May be called from a signal handler. */
void child_kill_all(void);

/* Each in turn, until all have ended: stdin is closed; 2 s later SIGTERM to the group; 2 s later SIGKILL. What they write is dropped. Their
 * groups are gone then. Blocks. */
void child_end(struct child *list, int n);

#endif
