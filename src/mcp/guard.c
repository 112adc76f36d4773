/* See guard.h. */
#include "mcp/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROBE_MS = 2, CANNOT_START = 127 };

/* ---- the end of all ------------------------------------------------------------------------------------- */

/* Of this process: the program, and what has lost its parent. Returns how many got the signal; 0 also where the system lists none. */
static int kill_children(void)
{
    FILE *f = fopen("/proc/thread-self/children", "r");
    int pid, n = 0;
    while (f && fscanf(f, "%d", &pid) == 1)
        n += kill(pid, SIGKILL) == 0;
    if (f)
        fclose(f);
    return n;
}

/* Whoever is killed leaves its own children to this process, so there comes a time with none. Those that may not be killed, of another
 * user, are left. Returns the program's status. */
static int end_all(pid_t program)
{
    const struct timespec pause = {0, PROBE_MS * 1000000L};
    int status = 0, its;
    pid_t pid;
    kill(-program, SIGKILL);
    while ((pid = waitpid(-1, &its, WNOHANG)) >= 0) {
        if (pid == program)
            status = its;
        if (pid > 0)
            continue;
        if (kill_children() == 0)
            break;
        nanosleep(&pause, NULL);
    }
    return status;
}

/* As the program has, so that who waits for this process knows. */
static _Noreturn void end_as(int status)
{
    sigset_t all;
    if (WIFSIGNALED(status)) {
        prctl(PR_SET_DUMPABLE, 0); /* of a crash there is one memory to keep, not two */
        signal(WTERMSIG(status), SIG_DFL);
        sigfillset(&all);
        sigprocmask(SIG_UNBLOCK, &all, NULL);
        raise(WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

/* ---- until then ------------------------------------------------------------------------------------------ */

/* 1: the program has; it keeps its number and its group's. Others that have fallen to this process are let go. */
static int has_ended(pid_t program)
{
    for (;;) {
        siginfo_t ended = {.si_pid = 0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) || ended.si_pid == 0)
            return 0;
        if (ended.si_pid == program)
            return 1;
        waitpid(ended.si_pid, NULL, 0);
    }
}

static int watch(pid_t program)
{
    static const int signals[] = {SIGCHLD, SIGTERM, GUARD_END};
    sigset_t heard;
    sigemptyset(&heard);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&heard, signals[i]);
    for (;;) {
        int number = sigwaitinfo(&heard, NULL);
        if (number == SIGTERM)
            kill(-program, SIGTERM);
        if (number == GUARD_END || (number == SIGCHLD && has_ended(program)))
            return end_all(program);
    }
}

static _Noreturn void begin(pid_t guard, void (*program)(void *arg), void *arg)
{
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guard)
        _exit(CANNOT_START); /* it was killed before */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    program(arg);
    _exit(CANNOT_START);
}

void guard_run(pid_t parent, void (*program)(void *arg), void *arg)
{
    prctl(PR_SET_NAME, "mcp-guard"); /* not by stoker's name: who kills all of that name does not kill this */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, GUARD_END);
    pid_t guard = getpid();
    if (getppid() != parent)
        _exit(CANNOT_START); /* stoker was killed before */
    pid_t pid = fork();
    if (pid == 0)
        begin(guard, program, arg);
    if (pid < 0) {
        fprintf(stderr, "stoker: no process for a program: %s\n", strerror(errno));
        _exit(CANNOT_START);
    }
    setpgid(pid, pid); /* whichever comes first; it may have become the program already, whose group is its own then */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd); /* the program's alone: their ends tell of its end */
    end_as(watch(pid));
}
