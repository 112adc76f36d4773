/* See child.h. Both of its streams are read as they come: a program that fills one of two pipes waits for its reader. */
#include "cli/bench/child.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OUT, ERR, STREAMS };
enum { OUT_MOST = 64 << 20, ERR_KEPT = 4096 };

struct reading {
    int from[STREAMS], to[STREAMS]; /* ends of the pipes; -1: closed */
    char *out;                      /* [n], of cap bytes */
    size_t n, cap;
    char err[ERR_KEPT]; /* [n_err] the end of stderr */
    size_t n_err;
    double until; /* when the child is ended; 0: never */
    int is_late;  /* 1: it was */
    int is_large; /* 1: it wrote more than OUT_MOST */
};

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void keep_error(struct reading *r, const char *text, size_t n)
{
    size_t drop = r->n_err + n > ERR_KEPT ? r->n_err + n - ERR_KEPT : 0;
    memmove(r->err, r->err + drop, r->n_err - drop);
    r->n_err -= drop;
    memcpy(r->err + r->n_err, text, n);
    r->n_err += n;
}

/* -1: no memory, or more than a bench writes, as *r tells. */
static int keep_output(struct reading *r, const char *text, size_t n)
{
    r->is_large = r->n + n > OUT_MOST;
    if (r->is_large)
        return -1;
    if (r->n + n + 1 > r->cap) {
        size_t cap = 2 * (r->n + n + 1);
        char *grown = realloc(r->out, cap);
        if (!grown)
            return -1;
        r->out = grown;
        r->cap = cap;
    }
    memcpy(r->out + r->n, text, n);
    r->n += n;
    r->out[r->n] = 0;
    return 0;
}

/* Milliseconds to wait for output; when the time is over, the child is ended once. */
static int wait_most(struct reading *r, pid_t child)
{
    double left = r->until - clock_seconds();
    if (r->until == 0)
        return -1;
    if (left > 0)
        return left < 1000 ? (int)ceil(left * 1e3) : 1000000;
    r->is_late = 1;
    kill(child, SIGKILL); /* a read from a drive in trouble may not end for less */
    return 0;
}

/* Both streams to their ends. A stream that cannot be kept is closed, and the program fails on it. */
static void read_all(struct reading *r, pid_t child)
{
    char piece[ERR_KEPT / 2];
    while (r->from[OUT] >= 0 || r->from[ERR] >= 0) {
        struct pollfd p[STREAMS] = {{r->from[OUT], POLLIN, 0}, {r->from[ERR], POLLIN, 0}};
        int n = poll(p, STREAMS, wait_most(r, child));
        if (r->is_late) /* others may hold the streams, which it has started */
            return;
        if (n < 0 && errno != EINTR)
            return;
        if (n <= 0)
            continue;
        for (int i = 0; i < STREAMS; i++) {
            if (!p[i].revents)
                continue;
            ssize_t got = read(r->from[i], piece, sizeof piece);
            if (got > 0 && i == ERR)
                keep_error(r, piece, (size_t)got);
            else if (got == 0 || (got < 0 && errno != EINTR) || (got > 0 && keep_output(r, piece, (size_t)got)))
                close_end(&r->from[i]);
        }
    }
}

static void last_line(char *out, size_t cap, const struct reading *r)
{
    size_t end = r->n_err, begin;
    while (end > 0 && strchr("\r\n ", r->err[end - 1]))
        end--;
    for (begin = end; begin > 0 && !strchr("\r\n", r->err[begin - 1]); begin--)
        ;
    snprintf(out, cap, "%.*s", (int)(end - begin), r->err + begin);
    utf8_make_plain(out);
}

static int start(struct reading *r, char *const argv[], pid_t *child)
{
    posix_spawn_file_actions_t files;
    int code = posix_spawn_file_actions_init(&files);
    if (code)
        return code;
    code = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!code)
        code = posix_spawn_file_actions_adddup2(&files, r->to[OUT], STDOUT_FILENO);
    if (!code)
        code = posix_spawn_file_actions_adddup2(&files, r->to[ERR], STDERR_FILENO);
    if (!code)
        code = posix_spawn(child, argv[0], &files, NULL, argv, environ);
    if (code == ENOENT) /* a name without a slash may be one of PATH */
        code = posix_spawnp(child, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    return code;
}

static int open_pipes(struct reading *r)
{
    for (int i = 0; i < STREAMS; i++) {
        int fd[2];
        if (pipe2(fd, O_CLOEXEC))
            return errno;
        r->from[i] = fd[0];
        r->to[i] = fd[1];
    }
    return 0;
}

/* How it ended, as a sentence. */
static int say(const char *program, int status, const char *last)
{
    if (WIFSIGNALED(status))
        fprintf(stderr, "stoker bench: %s was ended by signal %d (%s)", program, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "stoker bench: %s ended with %d", program, WEXITSTATUS(status));
    fprintf(stderr, "%s%s\n", *last ? "; its last line: " : ", and wrote nothing to stderr", last);
    return -1;
}

/* ---- a signal that ends this program ends the child too ---------------------------------------------------------------------- */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDING = sizeof ending / sizeof *ending };

static volatile pid_t running;

static void end_child(int signal)
{
    kill(running, signal);
    raise(signal); /* by default again: SA_RESETHAND */
}

/* Signals that are ignored stay so. */
static void pass_signals(pid_t child, struct sigaction before[ENDING])
{
    struct sigaction pass = {.sa_handler = end_child, .sa_flags = (int)SA_RESETHAND};
    running = child;
    for (int i = 0; i < ENDING; i++) {
        sigaction(ending[i], NULL, &before[i]);
        if (before[i].sa_handler == SIG_DFL)
            sigaction(ending[i], &pass, NULL);
    }
}

static void take_signals(const struct sigaction before[ENDING])
{
    for (int i = 0; i < ENDING; i++)
        sigaction(ending[i], &before[i], NULL);
}

int child_run(struct child *c, char *const argv[], double seconds)
{
    struct sigaction before[ENDING];
    struct reading r = {.from = {-1, -1}, .to = {-1, -1}, .until = seconds > 0 ? clock_seconds() + seconds : 0};
    pid_t child = 0;
    int status = 0, code = open_pipes(&r);
    *c = (struct child){0};
    if (!code && keep_output(&r, "", 0))
        code = ENOMEM;
    if (!code)
        code = start(&r, argv, &child);
    close_end(&r.to[OUT]);
    close_end(&r.to[ERR]);
    if (!code) {
        pass_signals(child, before);
        read_all(&r, child);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        take_signals(before);
        last_line(c->last, sizeof c->last, &r);
    }
    close_end(&r.from[OUT]);
    close_end(&r.from[ERR]);
    if (!code && status == 0 && !r.is_large) {
        c->out = r.out;
        c->n = r.n;
        return 0;
    }
    free(r.out);
    if (!code && r.is_late)
        fprintf(stderr, "stoker bench: %s took longer than %.3g s, and was ended\n", argv[0], seconds);
    if (!code && r.is_large)
        fprintf(stderr, "stoker bench: %s wrote more than %d MiB to stdout, which no bench does\n", argv[0],
                OUT_MOST >> 20);
    if (!code)
        return r.is_late || r.is_large ? -1 : say(argv[0], status, c->last);
    fprintf(stderr, "stoker bench: %s cannot be started: %s\n", argv[0], strerror(code));
    return -1;
}
