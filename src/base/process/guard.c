/* See guard.h. */
#include "base/process/guard.h"

#include "base/error.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* argv of guard_become(): stoker --become PARENT GROUP FOLDER PROGRAM ARGUMENTS.. */
enum { ARGV_PARENT = 2, ARGV_GROUP, ARGV_FOLDER, ARGV_PROGRAM, PROBE_MS = 2, CANNOT_START = 127 };

static const char word[] = "--become";
static const char depth_name[] = "GUARD_DEPTH_OF_STOKER"; /* no name of a setting */

struct guarded {
    pid_t pid, group; /* of the program; group 0: one of its own, which has its number */
};

/* All of a group of its own get it. */
static void kill_program(const struct guarded *g, int number) { kill(g->group ? g->pid : -g->pid, number); }

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
static int end_all(const struct guarded *g)
{
    const struct timespec pause = {0, PROBE_MS * 1000000L};
    int status = 0, its;
    pid_t pid;
    kill_program(g, SIGKILL);
    while ((pid = waitpid(-1, &its, WNOHANG)) >= 0) {
        if (pid == g->pid)
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

/* 1: the program has; it keeps its number, which is its own group's. Others that have fallen to this process are let go. */
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

static int watch(const struct guarded *g)
{
    static const int signals[] = {SIGCHLD, SIGTERM, GUARD_END};
    sigset_t heard;
    sigemptyset(&heard);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&heard, signals[i]);
    for (;;) {
        int number = sigwaitinfo(&heard, NULL);
        if (number == SIGTERM)
            kill_program(g, SIGTERM);
        if (number == GUARD_END || (number == SIGCHLD && has_ended(g->pid)))
            return end_all(g);
    }
}

/* ---- in the program's process ---------------------------------------------------------------------------- */

int guard_depth(void)
{
    const char *depth = getenv(depth_name);
    long n = depth ? strtol(depth, NULL, 10) : 0;
    return n > 0 && n < 1000 ? (int)n : 0;
}

static void go_deeper(void)
{
    char text[16];
    snprintf(text, sizeof text, "%d", guard_depth() + 1);
    setenv(depth_name, text, 1);
}

/* argv from the folder on. */
static void become_program(char **argv)
{
    static char own_name[] = "stoker";
    char **program = argv + 1;
    const char *folder = *argv, *name = *program;
    if (*folder && chdir(folder)) {
        fprintf(stderr, "stoker: %s: %s\n", folder, strerror(errno));
        return;
    }
    go_deeper();
    if (strcmp(name, GUARD_SELF) == 0)
        *program = own_name;
    execvp(name, program);
    fprintf(stderr, "stoker: %s: %s\n", name, strerror(errno));
}

static _Noreturn void begin(pid_t guard, pid_t group, char **argv)
{
    sigset_t none;
    setpgid(0, group);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guard)
        _exit(CANNOT_START); /* it was killed before */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    become_program(argv);
    _exit(CANNOT_START);
}

/* ---- starting ---------------------------------------------------------------------------------------------- */

int guard_is(int argc, char **argv) { return argc > ARGV_PROGRAM && strcmp(argv[1], word) == 0; }

static pid_t read_pid(const char *text) { return (pid_t)strtol(text, NULL, 10); }

/* All signals are blocked. */
void guard_become(int argc, char **argv)
{
    (void)argc;
    struct guarded g = {.group = read_pid(argv[ARGV_GROUP])};
    prctl(PR_SET_NAME, "program-guard"); /* not by stoker's name: who kills all of that name does not kill this */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, GUARD_END);
    pid_t guard = getpid();
    if (getppid() != read_pid(argv[ARGV_PARENT]))
        _exit(CANNOT_START); /* stoker was killed before */
    g.pid = fork();
    if (g.pid == 0)
        begin(guard, g.group, argv + ARGV_FOLDER);
    if (g.pid < 0) {
        fprintf(stderr, "stoker: no process for a program: %s\n", strerror(errno));
        _exit(CANNOT_START);
    }
    /* Whichever comes first; it may have become the program already, whose group is set then. */
    setpgid(g.pid, g.group ? g.group : g.pid);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        close(fd); /* the program's alone: their ends tell of its end */
    end_as(watch(&g));
}

static int spawn(pid_t *pid, char *const *argv, const struct guard_program *program)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t all;
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&how);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        posix_spawn_file_actions_adddup2(&files, program->fd[fd], fd);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setsigmask(&how, &all); /* the guard takes them one by one */
    int code = posix_spawn(pid, GUARD_SELF, &files, &how, argv, program->env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    return code;
}

int guard_start(pid_t *pid, const struct guard_program *program, struct error *err)
{
    char parent[24], group[24];
    size_t n = 0;
    while (program->argv[n])
        n++;
    const char **all = calloc(n + ARGV_PROGRAM + 1, sizeof *all);
    if (!all)
        return error_set(err, ERR_MEMORY, "no memory to start %s", program->argv[0]);
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    snprintf(group, sizeof group, "%ld", (long)program->group);
    all[0] = "stoker";
    all[1] = word;
    all[ARGV_PARENT] = parent;
    all[ARGV_GROUP] = group;
    all[ARGV_FOLDER] = program->cwd ? program->cwd : "";
    memcpy(all + ARGV_PROGRAM, program->argv, n * sizeof *all);
    int code = spawn(pid, (char *const *)all, program);
    free(all);
    return code ? error_set(err, ERR_IO, "%s cannot be started: %s", program->argv[0], strerror(code)) : 0;
}
