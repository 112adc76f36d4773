/* Connections from their beginning: a thread each, or turned away. See app.h. */
#include "base/log.h"
#include "base/stack.h"
#include "server/http/inside.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A stack is mapped whole (STACK_LEAST), but takes memory only as deep as a request uses it; templates and schemas recurse. */
enum { STACK_TOUCHED = 64 << 10 };
/* Reads of a client that is refused: it may go on sending, and others wait to be accepted. */
enum { DRAINED_MOST = 16 };

size_t http_connection_bytes(void) { return STACK_TOUCHED + HTTP_IN + sizeof(struct http_connection); }

/* A connection that nobody serves is told so, without waiting for the client. */
static void refuse_service(int fd, const char *why)
{
    char answer[512], request[4096], body[256];
    int n_body = snprintf(body, sizeof body,
                          "{\"error\":{\"message\":\"%s\",\"type\":\"unavailable_error\",\"param\":null,"
                          "\"code\":null}}",
                          why);
    int n_answer = snprintf(answer, sizeof answer,
                            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
                            "Connection: close\r\nContent-Length: %d\r\n\r\n%s",
                            n_body, body);
    ssize_t n = send(fd, answer, (size_t)n_answer, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < DRAINED_MOST && n > 0; i++) /* what came already would make close() a reset */
        n = recv(fd, request, sizeof request, MSG_DONTWAIT);
}

void http_accept(struct http_app *app, int fd)
{
    pthread_attr_t attr;
    pthread_t thread;
    int one = 1, bad;
    pthread_mutex_lock(&app->lock);
    int full = app->n_connection >= (size_t)app->max_conns;
    struct http_connection *c = full ? NULL : http_open(app, fd);
    if (c) {
        c->next = app->first;
        if (c->next)
            c->next->before = c;
        app->first = c;
        app->n_connection++;
    }
    pthread_mutex_unlock(&app->lock);
    if (!c) {
        refuse_service(fd, full ? "the server has as many connections as --max-conns allows"
                                : "the server has no memory or file handles for another connection");
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_LEAST);
    bad = pthread_create(&thread, &attr, http_serve, c);
    pthread_attr_destroy(&attr);
    if (bad) {
        log_line(LOG_WARN, "a connection was turned away: no thread for it: %s", strerror(bad));
        refuse_service(fd, "the server has no thread for another connection");
        http_forget(c);
    }
}
