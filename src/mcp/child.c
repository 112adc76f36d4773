/* See child.h. */
#include "mcp/child.h"

#include "base/clock.h"
#include "base/error.h"
#include "mcp/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char word[] = "--become";
static const char depth_name[] = "MCP_DEPTH_OF_STOKER"; /* no name of a setting */

enum { ARGV_BEFORE = 4, GRACE_MS = 2000, PROBE_MS = 10 };

/* ---- starting ------------------------------------------------------------------------------------------ */

/* argv of child_become(): stoker --become PARENT FOLDER PROGRAM ARGUMENTS.. */
int child_is(int argc, char **argv) { return argc > ARGV_BEFORE && strcmp(argv[1], word) == 0; }

int child_depth(void)
{
    const char *depth = getenv(depth_name);
    long n = depth ? strtol(depth, NULL, 10) : 0;
    return n > 0 && n < 1000 ? (int)n : 0;
}

static void go_deeper(void)
{
    char text[16];
    snprintf(text, sizeof text, "%d", child_depth() + 1);
    setenv(depth_name, text, 1);
}

/* argv from the folder on. */
static void become_program(void *arg)
{
    static char own_name[] = "stoker";
    char **argv = arg, **program = argv + 1;
    const char *folder = *argv, *name = *program;
    if (*folder && chdir(folder)) {
        fprintf(stderr, "stoker: %s: %s\n", folder, strerror(errno));
        return;
    }
    go_deeper();
    if (strcmp(name, CHILD_SELF) == 0)
        *program = own_name;
    execvp(name, program);
    fprintf(stderr, "stoker: %s: %s\n", name, strerror(errno));
}

void child_become(int argc, char **argv)
{
    (void)argc;
    guard_run((pid_t)strtol(argv[2], NULL, 10), become_program, argv + 3);
}

/* ---- pipes ---------------------------------------------------------------------------------------------- */

static void close_pipes(int pipes[3][2])
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++)
            if (pipes[i][k] >= 0)
                close(pipes[i][k]);
}

static int spawn(pid_t *pid, char *const *argv, char *const *env, int pipes[3][2])
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t all;
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&how);
    posix_spawn_file_actions_adddup2(&files, pipes[0][0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, pipes[1][1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, pipes[2][1], STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setsigmask(&how, &all); /* the guard takes them one by one */
    int code = posix_spawn(pid, CHILD_SELF, &files, &how, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    return code;
}

int child_start(struct child *c, const char *const *argv, char *const *env, const char *cwd, struct error *err)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, failed = 0, n = 0;
    char parent[24];
    *c = (struct child){.in = -1, .out = -1, .err = -1};
    while (argv[n])
        n++;
    const char **all = calloc((size_t)n + ARGV_BEFORE + 1, sizeof *all);
    if (!all)
        return error_set(err, ERR_MEMORY, "no memory to start %s", argv[0]);
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    all[0] = "stoker";
    all[1] = word;
    all[2] = parent;
    all[3] = cwd ? cwd : "";
    memcpy(all + ARGV_BEFORE, argv, (size_t)n * sizeof *all);
    for (int i = 0; i < 3; i++)
        failed |= pipe2(pipes[i], O_CLOEXEC);
    int code = failed ? errno : spawn(&c->pid, (char *const *)all, env, pipes);
    free(all);
    if (code) {
        c->pid = 0;
        close_pipes(pipes);
        return error_set(err, ERR_IO, "%s cannot be started: %s", argv[0], strerror(code));
    }
    c->in = pipes[0][1];
    c->out = pipes[1][0];
    c->err = pipes[2][0];
    close(pipes[0][0]);
    close(pipes[1][1]);
    close(pipes[2][1]);
    fcntl(c->in, F_SETFL, O_NONBLOCK);
    fcntl(c->out, F_SETFL, O_NONBLOCK);
    fcntl(c->err, F_SETFL, O_NONBLOCK);
    return 0;
}

/* ---- ending -------------------------------------------------------------------------------------------- */

int child_has_ended(const struct child *c, int *status)
{
    siginfo_t info = {.si_pid = 0};
    if (c->pid == 0 || waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == 0)
        return 0;
    *status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
    return 1;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void drain(int fd)
{
    char dropped[4096];
    for (int i = 0; fd >= 0 && i < 64 && read(fd, dropped, sizeof dropped) > 0; i++)
        continue;
}

/* Those that have ended are let go. 1: some live. */
static int reap(struct child *list, int n)
{
    int living = 0, status;
    for (int i = 0; i < n; i++) {
        struct child *c = &list[i];
        if (c->pid == 0)
            continue;
        drain(c->out);
        drain(c->err);
        if (!child_has_ended(c, &status)) {
            living = 1;
            continue;
        }
        waitpid(c->pid, NULL, 0);
        c->pid = 0;
        close_one(&c->out);
        close_one(&c->err);
    }
    return living;
}

void child_end(struct child *list, int n)
{
    static const int signals[] = {SIGTERM, GUARD_END};
    const struct timespec pause = {0, PROBE_MS * 1000000L};
    for (int i = 0; i < n; i++)
        close_one(&list[i].in);
    for (int step = 0;; step++) {
        uint64_t until = clock_ns() + GRACE_MS * 1000000ull;
        int living;
        while ((living = reap(list, n)) && clock_ns() < until)
            nanosleep(&pause, NULL);
        if (!living)
            return;
        for (int i = 0; step < 2 && i < n; i++)
            if (list[i].pid)
                kill(list[i].pid, signals[step]);
    }
}
