/* See child.h. */
#include "mcp/child.h"

#include "base/error.h"
#include "base/process/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- starting ------------------------------------------------------------------------------------------ */

static void close_pipes(int pipes[3][2])
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++)
            if (pipes[i][k] >= 0)
                close(pipes[i][k]);
}

int child_start(struct child *c, const char *const *argv, char *const *env, const char *cwd, struct error *err)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}, failed = 0;
    *c = (struct child){.in = -1, .out = -1, .err = -1};
    for (int i = 0; i < 3; i++)
        failed |= pipe2(pipes[i], O_CLOEXEC);
    if (failed)
        error_set(err, ERR_IO, "%s cannot be started: %s", argv[0], strerror(errno));
    const struct guard_program program = {
        .argv = argv, .env = env, .cwd = cwd, .fd = {pipes[0][0], pipes[1][1], pipes[2][1]}};
    if (failed || guard_start(&c->pid, &program, err)) {
        c->pid = 0;
        close_pipes(pipes);
        return -1;
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

/* It has ended: nothing of it stays here. */
static void let_go(struct child *c)
{
    waitpid(c->pid, NULL, 0);
    close_one(&c->in);
    close_one(&c->out);
    close_one(&c->err);
    *c = (struct child){.in = -1, .out = -1, .err = -1};
}

int child_end(struct child *c, uint64_t now_ns)
{
    /* each so much behind what was done before it: a machine that slept takes nobody's time */
    static const struct {
        int ms, signal;
    } steps[] = {{2000, SIGTERM}, {2000, GUARD_END}, {5000, SIGKILL}};
    enum { STEPS = sizeof steps / sizeof *steps };
    int status;
    if (c->pid == 0)
        return 0;
    close_one(&c->in);
    drain(c->out);
    drain(c->err);
    if (child_has_ended(c, &status)) {
        let_go(c);
        return 0;
    }
    if (c->signal_ns && now_ns < c->signal_ns)
        return 1;
    if (c->signal_ns)
        kill(c->pid, steps[c->n_signal++].signal);
    c->signal_ns = c->n_signal < STEPS ? now_ns + (uint64_t)steps[c->n_signal].ms * 1000000 : UINT64_MAX;
    return 1;
}
