/* A server of HTTP within a test: each request is kept as text, and answered by a function of the test. */
#ifndef TESTS_FAKE_HTTP_H
#define TESTS_FAKE_HTTP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_request {
    int fd;
    char head[16 << 10]; /* the request line and headers */
    char *body;
    size_t n;
};

static struct {
    int fd, port;
    void (*answer)(struct fake_request *r);
    pthread_mutex_t lock;
    char *kept[512]; /* requests, head and body */
    int n;
    atomic_int n_open, n_left; /* connections; those that a client closed while it was to be answered */
} fake_http = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* 0: the client has left. */
static inline int fake_send(const struct fake_request *r, const char *text, size_t n)
{
    ssize_t sent;
    while (n > 0 && (sent = send(r->fd, text, n, MSG_NOSIGNAL)) > 0) {
        text += sent;
        n -= (size_t)sent;
    }
    if (n > 0)
        fake_http.n_left++;
    return n == 0;
}

__attribute__((format(printf, 2, 3))) static inline void fake_say(const struct fake_request *r, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n >= 0)
        fake_send(r, text, (size_t)n);
    free(text);
}

/* A whole answer. more: headers, each with its line's end. */
static inline void fake_reply(const struct fake_request *r, int status, const char *more, const char *body)
{
    fake_say(r, "HTTP/1.1 %d Word\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body), more, body);
}

/* 1: a header of the request has this value; NULL: any. */
static inline int fake_has(const struct fake_request *r, const char *name, const char *value)
{
    size_t n = strlen(name);
    for (const char *line = strstr(r->head, "\r\n"); line && line[2]; line = strstr(line + 2, "\r\n")) {
        const char *v = line + 2 + n + 1;
        if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
            continue;
        while (*v == ' ')
            v++;
        return !value || (strncmp(v, value, strlen(value)) == 0 && v[strlen(value)] == '\r');
    }
    return 0;
}

static inline void fake_keep(const struct fake_request *r)
{
    pthread_mutex_lock(&fake_http.lock);
    if (fake_http.n < 512 && asprintf(&fake_http.kept[fake_http.n], "%s%.*s", r->head, (int)r->n, r->body) > 0)
        fake_http.n++;
    pthread_mutex_unlock(&fake_http.lock);
}

/* How many requests were kept that have all of these words; NULL ends them. */
static inline int fake_count(const char *word, ...)
{
    int n = 0;
    pthread_mutex_lock(&fake_http.lock);
    for (int i = 0; i < fake_http.n; i++) {
        va_list args;
        int has = 1;
        va_start(args, word);
        for (const char *w = word; w; w = va_arg(args, const char *))
            has &= strstr(fake_http.kept[i], w) != NULL;
        va_end(args);
        n += has;
    }
    pthread_mutex_unlock(&fake_http.lock);
    return n;
}

/* 0: the client has closed. */
static inline int fake_read(struct fake_request *r)
{
    size_t n = 0;
    char *end = NULL;
    ssize_t got;
    while (!end) {
        if (n + 1 == sizeof r->head || (got = recv(r->fd, r->head + n, sizeof r->head - 1 - n, 0)) <= 0)
            return 0;
        n += (size_t)got;
        r->head[n] = 0;
        end = strstr(r->head, "\r\n\r\n");
    }
    end += 4;
    const char *length = strcasestr(r->head, "\r\ncontent-length:");
    r->n = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    r->body = calloc(1, r->n + 1);
    size_t have = (size_t)(r->head + n - end);
    memcpy(r->body, end, have < r->n ? have : r->n);
    *end = 0;
    while (have < r->n && (got = recv(r->fd, r->body + have, r->n - have, 0)) > 0)
        have += (size_t)got;
    return have >= r->n;
}

static inline void *fake_connection(void *arg)
{
    struct fake_request *r = arg;
    while (fake_read(r)) {
        fake_keep(r);
        fake_http.answer(r);
        free(r->body);
        r->body = NULL;
    }
    free(r->body);
    close(r->fd);
    free(r);
    fake_http.n_open--;
    return NULL;
}

static inline void *fake_listen(void *arg)
{
    int fd;
    (void)arg;
    while ((fd = accept(fake_http.fd, NULL, NULL)) >= 0) {
        pthread_t thread;
        struct fake_request *r = calloc(1, sizeof *r);
        r->fd = fd;
        fake_http.n_open++;
        if (pthread_create(&thread, NULL, fake_connection, r))
            exit(1);
        pthread_detach(thread);
    }
    return NULL;
}

/* Listens at fake_http.port, for as long as the process lives. */
static inline void fake_start(void (*answer)(struct fake_request *r))
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    pthread_t thread;
    fake_http.answer = answer;
    fake_http.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fake_http.fd, (struct sockaddr *)&at, sizeof at) || listen(fake_http.fd, 64) ||
        getsockname(fake_http.fd, (struct sockaddr *)&at, &n) || pthread_create(&thread, NULL, fake_listen, NULL))
        exit(1);
    pthread_detach(thread);
    fake_http.port = ntohs(at.sin_port);
}

static inline void fake_forget(void)
{
    pthread_mutex_lock(&fake_http.lock);
    for (int i = 0; i < fake_http.n; i++)
        free(fake_http.kept[i]);
    fake_http.n = 0;
    pthread_mutex_unlock(&fake_http.lock);
}

#endif
