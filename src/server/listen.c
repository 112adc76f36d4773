/* See listen.h. */
#include "server/listen.h"

#include "base/log.h"
#include "server/request/service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int server_fail(struct stoker_error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    err->code = code;
    return -1;
}

static int is_loopback(const struct sockaddr *a)
{
    const struct sockaddr_in6 *six = (const void *)a;
    return a->sa_family == AF_INET ? ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127
                                   : IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* On loopback nobody else asks; elsewhere a key has to keep others out, or names those pages that would reach the server by one of
 * their own (http_check_host). */
static int check_open(struct server *s, const struct sockaddr *at, struct stoker_error *err)
{
    s->http->loopback = is_loopback(at);
    if (s->http->loopback || s->opt.key.n)
        return 0;
    if (s->opt.allow_host.n == 0)
        return server_fail(
            err, STOKER_ERR_INPUT,
            "--host %s lets other machines ask: give --api-key-file, or --allow-host with each name that they "
            "reach this one by",
            s->opt.host);
    log_line(LOG_WARN, "whoever reaches %s may use this server: --api-key-file keeps others out", s->opt.host);
    return 0;
}

int server_listen(struct server *s, int *port, struct stoker_error *err)
{
    const struct addrinfo want = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char service[16];
    int one = 1;
    snprintf(service, sizeof service, "%d", s->opt.port);
    int bad = getaddrinfo(s->opt.host, service, &want, &found);
    if (bad)
        return server_fail(err, STOKER_ERR_IO, "--host %s: %s", s->opt.host, gai_strerror(bad));
    if (check_open(s, found->ai_addr, err)) {
        freeaddrinfo(found);
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 1024)) {
        server_fail(err, STOKER_ERR_IO, "cannot listen on %s port %d: %s%s", s->opt.host, s->opt.port, strerror(errno),
                    errno == EADDRINUSE ? "; another program has it: --port N takes another, --port 0 any that is free"
                                        : "");
        if (fd >= 0)
            close(fd);
        fd = -1;
    } else {
        struct sockaddr_storage at;
        socklen_t n = sizeof at;
        getsockname(fd, (struct sockaddr *)&at, &n);
        *port = ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&at)->sin_port
                                              : ((struct sockaddr_in6 *)(void *)&at)->sin6_port);
    }
    freeaddrinfo(found);
    return fd;
}
