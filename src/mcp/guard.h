/* The process between stoker and a program that it starts: the program's parent, and the next parent of whatever the program starts, when
 * that has lost its own (PR_SET_CHILD_SUBREAPER). So all of it can be found and ended, also what has left the program's group or session,
 * and no number that gets a signal is another's: it is kept until this process waits for who has it.
 *
 *     stoker      starts the guard, in a process group of its own; the kernel tells the guard of stoker's end, however it comes
 *       guard     ends as the program has ended, with nothing left, or once it is told to
 *         program in a group of its own; the kernel ends it where somebody kills the guard
 *           ...
 *
 * SIGTERM to the guard is passed on to the program's group. */
#ifndef MCP_GUARD_H
#define MCP_GUARD_H

#include <signal.h>
#include <sys/types.h>

enum { GUARD_END = SIGUSR1 }; /* to the guard: nothing may be left */

/* Becomes the guard of a process that calls program(arg), which does not return. All signals are blocked; parent: who has started it. */
_Noreturn void guard_run(pid_t parent, void (*program)(void *arg), void *arg);

#endif
