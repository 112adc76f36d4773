/* A filter of system calls under which the test is asked about each socket (seccomp's notifications): a program that runs there, and
 * whatever it starts, may have none but those of AF_UNIX and connects to nobody, but for the bridge to MCP servers with a url, which may
 * connect to one address. Who does otherwise is killed (SIGSYS), with a line of the log; what the bridge connects to is a line of it too.
 *
 * The address is read where the caller has it, and could be another a moment later: programs under it hide nothing. Source: seccomp(2),
 * seccomp_unotify(2). */
#ifndef TESTS_SOCKET_ASKED_H
#define TESTS_SOCKET_ASKED_H

#include "socket_filter.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef FILTER_ARCH

/* A descriptor whose other end is asked from here on. -1: this system cannot. */
static inline int sockets_ask(void)
{
#define ASK SECCOMP_RET_USER_NOTIF
    const struct sock_filter filter[] = {
        LOAD(arch),
        SKIP_IF(FILTER_ARCH, 1),
        RETURN(KILL),
        LOAD(nr),
        ON_CALL(connect, ASK),
        ON_CALL(socket, ASK),
        ON_CALL(sendmsg, ASK),
        ON_CALL(sendmmsg, ASK),
        ON_CALL(io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS),
        SKIP_UNLESS(__NR_sendto, 6), /* its fifth argument is the address */
        LOW(4),
        SKIP_UNLESS(0, 3),
        HIGH(4),
        SKIP_UNLESS(0, 1),
        RETURN(ALLOW),
        RETURN(ASK),
        RETURN(ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, (struct sock_filter *)filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

struct asked {
    int port;    /* of 127.0.0.1: the configured address */
    int listens; /* the program is a server, and has sockets of TCP */
    FILE *log;
    int n_caught;
};

/* 1: a process that is started as the bridge: stoker --mcp-http. */
static inline int asked_is_bridge(int pid)
{
    static const char words[] = "stoker\0--mcp-http";
    char path[64], text[sizeof words + 1] = "";
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    if (f)
        fclose(f);
    return n == sizeof words && memcmp(text, words, n) == 0;
}

/* 1: connect() of the notification is to the configured address. */
static inline int asked_is_configured(const struct asked *a, const struct seccomp_notif *n)
{
    char path[64];
    struct sockaddr_in at = {0};
    snprintf(path, sizeof path, "/proc/%d/mem", (int)n->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : pread(fd, &at, sizeof at, (off_t)n->data.args[1]);
    if (fd >= 0)
        close(fd);
    return got == sizeof at && at.sin_family == AF_INET && at.sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
           ntohs(at.sin_port) == a->port;
}

static inline int asked_may(const struct asked *a, const struct seccomp_notif *n, const char **what)
{
    int is_bridge = asked_is_bridge((int)n->pid);
    if (n->data.nr == __NR_socket) {
        *what = "a socket";
        return n->data.args[0] == AF_UNIX || is_bridge || (a->listens && (n->data.args[1] & 0xf) == SOCK_STREAM);
    }
    *what = n->data.nr == __NR_connect ? "connect()" : "a message";
    if (n->data.nr == __NR_sendmsg) /* of a server's answer */
        return a->listens && !(n->data.args[2] & MSG_FASTOPEN);
    return is_bridge && n->data.nr == __NR_connect && asked_is_configured(a, n);
}

static inline void asked_answer(struct asked *a, int fd)
{
    struct seccomp_notif n = {0};
    struct seccomp_notif_resp r = {0};
    const char *what;
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n))
        return;
    int may = asked_may(a, &n, &what);
    r.id = n.id;
    r.error = may ? 0 : -EPERM;
    r.flags = may ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
    if (may && n.data.nr == __NR_connect)
        fprintf(a->log, "the bridge connects to 127.0.0.1:%d\n", a->port);
    if (!may) {
        a->n_caught++;
        fprintf(a->log, "caught: %s of process %d\n", what, (int)n.pid);
        kill((pid_t)n.pid, SIGSYS);
    }
    fflush(a->log);
    ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static pid_t asked_child;
static inline void asked_pass_on(int number) { kill(asked_child, number); }

/* argv[0] with its arguments under the filter, until it ends; SIGTERM is passed on. Its status, or that of SIGSYS where something was
 * caught; 126: this system cannot. */
static inline int asked_run(const char *program, char *const *argv, int port, int listens, const char *log)
{
    struct asked a = {.port = port, .listens = listens, .log = fopen(log, "a")};
    int up[2], down[2], number = -1, status = 0;
    if (!a.log || pipe2(up, O_CLOEXEC) || pipe2(down, O_CLOEXEC) || (asked_child = fork()) < 0)
        return 126;
    if (asked_child == 0) { /* the descriptor is fetched from here before it is closed */
        number = sockets_ask();
        if (write(up[1], &number, sizeof number) < 0 || number < 0 || read(down[0], &status, 1) != 1)
            _exit(126);
        execv(program, argv);
        _exit(127);
    }
    signal(SIGTERM, asked_pass_on);
    int is_there = read(up[0], &number, sizeof number) == sizeof number && number >= 0;
    int pidfd = is_there ? (int)syscall(__NR_pidfd_open, asked_child, 0) : -1;
    int fd = pidfd < 0 ? -1 : (int)syscall(__NR_pidfd_getfd, pidfd, number, 0);
    if (fd < 0 || write(down[1], "g", 1) != 1) {
        kill(asked_child, SIGKILL);
        waitpid(asked_child, NULL, 0);
        return 126;
    }
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    while (!fds[1].revents)
        if (poll(fds, 2, -1) > 0 && fds[0].revents & POLLIN)
            asked_answer(&a, fd);
    waitpid(asked_child, &status, 0);
    fclose(a.log);
    return a.n_caught ? 128 + SIGSYS : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#else

static inline int asked_run(const char *program, char *const *argv, int port, int listens, const char *log)
{
    (void)program;
    (void)argv;
    (void)port;
    (void)listens;
    (void)log;
    return 126;
}

#endif

#endif
