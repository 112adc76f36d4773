/* A program that stoker starts and that nothing is left of, however stoker ends: started without a shell and without copying stoker's page
 * tables, under a guard. That is a process between stoker and the program: the program's parent, and the next parent of whatever the
 * program starts, when that has lost its own (PR_SET_CHILD_SUBREAPER). So all of it can be found and ended, also what has left the
 * program's group or session, and no number that gets a signal is another's: it is kept until this process waits for who has it.
 *
 *     stoker      starts itself again (/proc/self/exe, by posix_spawn); that process becomes the guard, in a process group of its own; the
 *                 kernel tells the guard of the end of the thread that started it, which therefore lives as long as the process does
 *       guard     ends as the program has ended, with nothing left, or once it is told to
 *         program in a group of its own, or in one that it shares; the kernel ends it where somebody kills the guard
 *           ...
 *
 * SIGTERM to the guard is passed on to the program, and to all of a group of its own. */
#ifndef BASE_PROCESS_GUARD_H
#define BASE_PROCESS_GUARD_H

#include <signal.h>
#include <sys/types.h>

struct error;

enum { GUARD_END = SIGUSR1 }; /* to the guard: nothing may be left */

#define GUARD_SELF "/proc/self/exe" /* as argv[0]: stoker itself, which then is called by that name */

struct guard_program {
    const char *const *argv; /* [0] is found as a shell would find it, from cwd; NULL behind the last */
    char *const *env;        /* its whole environment, NULL behind the last */
    const char *cwd;         /* NULL: ours */
    int fd[3];               /* which become its stdin, stdout and stderr; it gets no others */
    pid_t group;             /* a process group of our session that it joins; 0: it gets its own */
};

/* *pid: of its guard, for which the caller waits. -1: *err. A program that is not there is one that says so on its stderr and ends with
 * status 127. */
int guard_start(pid_t *pid, const struct guard_program *program, struct error *err);

/* What main() does first: 1 where this process is to become the guard of a program; guard_become() does not return then. */
int guard_is(int argc, char **argv);
_Noreturn void guard_become(int argc, char **argv);
/* How many programs started this one that way, one by the other: a file of servers may name stoker with that same file. */
int guard_depth(void);

#endif
