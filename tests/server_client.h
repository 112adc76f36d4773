/* A server of its own for a test, and a small HTTP client: what tests of `stoker serve` have in common.
 *
 * The program is $STOKER (build/stoker); it gets a free port of the loopback interface. What a client reads is trusted as little as the
 * server trusts clients: an answer that is not HTTP counts as broken. */
#ifndef TESTS_SERVER_CLIENT_H
#define TESTS_SERVER_CLIENT_H

#include "base/clock.h"
#include "sanitized.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the server ------------------------------------------------------------------------------------------------------------ */

struct server_process {
    pid_t pid;
    int port;
};

enum { SERVER_ARGUMENTS = 40, CLIENT_SECONDS = SANITIZED ? 1800 : 1200 };

/* Start `stoker COMMAND PORT 0 arguments...` (NULL at the end) with its log in a file, and wait until it listens. -1: it does not. */
static inline int server_start_as(struct server_process *s, const char *command, const char *port,
                                  const char *const *arguments, const char *log)
{
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    const char *argv[SERVER_ARGUMENTS + 5] = {program, command, port, "0"};
    int out[2], n = 4;
    char line[256];
    while (*arguments && n < SERVER_ARGUMENTS)
        argv[n++] = *arguments++;
    if (pipe(out) != 0 || (s->pid = fork()) < 0)
        return -1;
    if (s->pid == 0) {
        int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(out[1], 1);
        dup2(err, 2);
        close(out[0]);
        close(out[1]);
        execv(program, (char *const *)argv);
        _exit(127);
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    s->port = 0;
    while (f && s->port == 0 && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "listening on http://127.0.0.1:");
        s->port = at ? atoi(at + strlen("listening on http://127.0.0.1:")) : 0;
    }
    if (f)
        fclose(f);
    return s->port ? 0 : -1;
}

static inline int server_start(struct server_process *s, const char *const *arguments, const char *log)
{
    return server_start_as(s, "serve", "--port", arguments, log);
}

/* Sends a signal and waits for the end. The exit status; 128 + the signal that ended it; -1: it lives still after the patience. */
static inline int server_end(struct server_process *s, int number, double patience_seconds)
{
    int status = 0;
    double until = clock_seconds() + patience_seconds;
    kill(s->pid, number);
    while (waitpid(s->pid, &status, WNOHANG) == 0) {
        if (clock_seconds() > until) {
            kill(s->pid, SIGKILL);
            waitpid(s->pid, &status, 0);
            return -1;
        }
        usleep(2000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A line of /proc/PID/status in bytes: "VmHWM:", "VmRSS:". */
static inline uint64_t server_memory(const struct server_process *s, const char *key)
{
    char path[64], line[256];
    unsigned long long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), "%llu", &kib);
    if (f)
        fclose(f);
    return kib * 1024;
}

/* What only this process takes, in memory and swapped out. */
static inline uint64_t server_own_memory(const struct server_process *s)
{
    return server_memory(s, "RssAnon:") + server_memory(s, "VmSwap:");
}

/* ---- the client ------------------------------------------------------------------------------------------------------------ */

/* What came of one request. Zeroed: empty; keeps its memory from one request to the next. */
struct reply {
    int status;
    char *body; /* [n], a zero behind */
    size_t n, cap;
    char *raw; /* [n_raw] as it came */
    size_t n_raw, raw_capacity;
};

/* Called when body has grown; non-zero: the client hangs up. */
typedef int reply_progress(void *arg, struct reply *r);

struct client {
    int port, fd; /* fd -1: not connected */
};

static inline void reply_free(struct reply *r)
{
    free(r->body);
    free(r->raw);
    *r = (struct reply){0};
}

static inline void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static inline int client_connect(struct client *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->port)};
    struct timeval patience = {.tv_sec = CLIENT_SECONDS};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -1;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0)
        client_close(c);
    return c->fd < 0 ? -1 : 0;
}

static inline void reply_grow(char **text, size_t *cap, size_t n)
{
    if (n < *cap)
        return;
    *cap = n + n / 2 + 4096;
    *text = realloc(*text, *cap);
    if (!*text)
        abort();
}

static inline int client_send(struct client *c, const char *text, size_t n)
{
    while (n) {
        ssize_t k = send(c->fd, text, n, MSG_NOSIGNAL);
        if (k <= 0)
            return -1;
        text += k;
        n -= (size_t)k;
    }
    return 0;
}

/* More of the raw bytes. 1 there are more, 0 the other side closed, -1 broken or out of patience. */
static inline int reply_read(struct client *c, struct reply *r)
{
    reply_grow(&r->raw, &r->raw_capacity, r->n_raw + 16384);
    ssize_t k = recv(c->fd, r->raw + r->n_raw, 16384, 0);
    if (k > 0)
        r->n_raw += (size_t)k;
    return k > 0 ? 1 : k == 0 ? 0 : -1;
}

static inline void reply_add(struct reply *r, const char *text, size_t n)
{
    reply_grow(&r->body, &r->cap, r->n + n + 1);
    memcpy(r->body + r->n, text, n);
    r->n += n;
    r->body[r->n] = 0;
}

/* A chunk of raw at *at, whole, to the body. 1 done, 0 not all of it is there, 2 it was the last one, -1 broken. */
static inline int reply_chunk(struct reply *r, size_t *at)
{
    char *end = memmem(r->raw + *at, r->n_raw - *at, "\r\n", 2);
    if (!end)
        return 0;
    char *stop;
    unsigned long long n = strtoull(r->raw + *at, &stop, 16);
    size_t begin = (size_t)(end + 2 - r->raw);
    if (stop == r->raw + *at || n > (1u << 28))
        return -1;
    if (r->n_raw - begin < n + 2)
        return 0;
    reply_add(r, r->raw + begin, n);
    *at = begin + n + 2;
    return n ? 1 : 2;
}

/* Header and body. 0 whole, 1 hung up by progress, -1 broken. */
static inline int client_read(struct client *c, struct reply *r, reply_progress *progress, void *arg)
{
    char *end, *field;
    r->n = r->n_raw = 0;
    r->status = 0;
    reply_add(r, "", 0);
    do
        if (reply_read(c, r) != 1)
            return -1;
    while (!(end = memmem(r->raw, r->n_raw, "\r\n\r\n", 4)));
    size_t at = (size_t)(end + 4 - r->raw);
    *end = 0;
    if (sscanf(r->raw, "HTTP/1.1 %d", &r->status) != 1)
        return -1;
    field = strcasestr(r->raw, "\r\ncontent-length:");
    if (field) {
        size_t n = strtoull(field + 17, NULL, 10);
        while (r->n_raw - at < n)
            if (reply_read(c, r) != 1)
                return -1;
        reply_add(r, r->raw + at, n);
        return 0;
    }
    for (int got = 0; got != 2;) {
        size_t before = r->n;
        while ((got = reply_chunk(r, &at)) == 1)
            ;
        if (got < 0)
            return -1;
        if (r->n > before && progress && progress(arg, r))
            return 1;
        if (got == 0 && reply_read(c, r) != 1)
            return -1;
    }
    return 0;
}

/* The head of a request with a body of n bytes, on a connection that is there. */
static inline int client_head(struct client *c, const char *method, const char *path, size_t n)
{
    char head[512];
    int k = snprintf(
        head, sizeof head,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", method,
        path, c->port, n);
    return client_send(c, head, (size_t)k);
}

/* One request on a connection that is kept, made anew where there is none. As client_read(). */
static inline int client_ask(struct client *c, const char *method, const char *path, const char *body, size_t n,
                             struct reply *r, reply_progress *progress, void *arg)
{
    for (int attempt = 0;; attempt++) {
        int is_fresh = c->fd < 0;
        if (is_fresh && client_connect(c) != 0)
            return -1;
        int rc = client_head(c, method, path, n) || client_send(c, body, n) ? -1 : client_read(c, r, progress, arg);
        if (rc != 0)
            client_close(c);
        else if (strcasestr(r->raw, "\r\nconnection: close"))
            client_close(c);
        if (rc >= 0 || is_fresh || r->n_raw ||
            attempt) /* a kept connection may have been closed meanwhile: once more */
            return rc;
    }
}

/* 0: it is in r. */
static inline int client_get(struct client *c, const char *path, struct reply *r)
{
    return client_ask(c, "GET", path, "", 0, r, NULL, NULL) == 0 && r->status == 200 ? 0 : -1;
}

/* A number of /metrics; -1: it is not there. */
static inline double server_metric(const struct reply *metrics, const char *name)
{
    char line[100];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = metrics->body ? strstr(metrics->body, line) : NULL;
    return at ? atof(at + strlen(line)) : -1;
}

/* 1: no request is at work; r holds /metrics. /slots tells about the model that generates. Requests of the others are at work as long as
 * somebody waits for their last event, and a handler does, even where its client has gone. */
static inline int server_is_idle(struct client *c, struct reply *r)
{
    return client_get(c, "/slots", r) == 0 && !strstr(r->body, "\"is_processing\":true") &&
           client_get(c, "/metrics", r) == 0 && server_metric(r, "stoker_queue_depth") == 0 &&
           server_metric(r, "stoker_requests_running") == 0;
}

/* Until it answers with 200. -1: not within the patience. */
static inline int server_ready(const struct server_process *s, double patience_seconds)
{
    struct client c = {s->port, -1};
    struct reply r = {0};
    double until = clock_seconds() + patience_seconds;
    int ready = 0;
    while (!ready && clock_seconds() < until) {
        ready = client_ask(&c, "GET", "/health", "", 0, &r, NULL, NULL) == 0 && r.status == 200;
        if (!ready)
            usleep(20000);
    }
    client_close(&c);
    reply_free(&r);
    return ready ? 0 : -1;
}

/* ---- what an answer says --------------------------------------------------------------------------------------------------- */

/* The words of an answer in any dialect, streamed or not, without what differs from time to time: ids, times, cached tokens. */
struct words {
    char *text;
    size_t n, cap;
    int failed; /* the stream says that it failed, or does not parse */
};

static inline void words_add(struct words *w, const char *text, size_t n)
{
    reply_grow(&w->text, &w->cap, w->n + n + 1);
    memcpy(w->text + w->n, text, n);
    w->n += n;
    w->text[w->n] = 0;
}

static inline int is_one_of(const char *key, const char *const *keys)
{
    while (*keys && strcmp(key, *keys) != 0)
        keys++;
    return *keys != NULL;
}

static inline void words_collect(struct words *w, const json_t *v)
{
    static const char *const texts[] = {"content",           "text",      "thinking",
                                        "reasoning_content", "arguments", "response",
                                        "partial_json",      "name",      NULL},
                             *const marks[] = {"finish_reason", "stop_reason", "stop_sequence", "done_reason", NULL},
                             *const counts[] = {"completion_tokens", "output_tokens",     "eval_count",
                                                "prompt_tokens",     "prompt_eval_count", NULL};
    const char *key;
    json_t *member;
    size_t i;
    char number[32];
    json_array_foreach(v, i, member) words_collect(w, member);
    json_object_foreach((json_t *)v, key, member)
    {
        w->failed |= strcmp(key, "error") == 0 && !json_is_null(member);
        if (json_is_string(member) && is_one_of(key, texts)) {
            words_add(w, json_string_value(member), json_string_length(member));
        } else if (json_is_string(member) && is_one_of(key, marks)) {
            words_add(w, "|", 1);
            words_add(w, json_string_value(member), json_string_length(member));
        } else if (json_is_integer(member) && is_one_of(key, counts)) {
            words_add(w, number,
                      (size_t)snprintf(number, sizeof number, "|%lld", (long long)json_integer_value(member)));
        } else if ((strcmp(key, "input") == 0 || strcmp(key, "arguments") == 0) && json_object_size(member)) {
            char *text = json_dumps(member, JSON_COMPACT);
            words_add(w, text ? text : "", text ? strlen(text) : 0);
            free(text);
        } else {
            words_collect(w, member);
        }
    }
}

/* Of a body: one JSON value, lines of them, or events. The end of a stream must be there. */
static inline void words_read(struct words *w, const struct reply *r)
{
    const char *at = r->body, *end = r->body + r->n;
    int is_events = strstr(r->body, "data: ") == r->body || strstr(r->body, "event: ") == r->body || *r->body == ':';
    w->n = 0;
    w->failed = is_events && !strstr(r->body, "data: [DONE]") && !strstr(r->body, "event: message_stop");
    words_add(w, "", 0);
    while (at < end) {
        const char *line = at, *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        at = stop + 1;
        if (is_events && (stop - line < 6 || strncmp(line, "data: ", 6) != 0 || strncmp(line, "data: [DONE]", 12) == 0))
            continue;
        line += is_events ? 6 : 0;
        json_t *v = stop > line ? json_loadb(line, (size_t)(stop - line), JSON_ALLOW_NUL, NULL) : NULL;
        w->failed |= stop > line && !v;
        words_collect(w, v);
        json_decref(v);
    }
}

#endif
