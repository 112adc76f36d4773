/* links: base
 *
 * The server from outside: stoker serve with the embedded model on a free port, raw bytes to its socket. The rules of HTTP, limits,
 * slow and vanished clients, keys, Host and Origin, and how it ends. STOKER names the program (build/stoker). */
#include "base/clock.h"
#include "check.h"
#include "sanitized.h"
#include "tcp_relay.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EIGHT(x) x x x x x x x x

/* ---- a server -------------------------------------------------------------------------------------------------------------- */

struct process {
    pid_t pid;
    int port;
};

static double seconds_since(double then) { return clock_seconds() - then; }

/* The whole answer to request, until the server closes, `until` stands in it, or so many seconds are over. *closed: it closed. */
static const char *talk_bytes(int port, const char *request, size_t n, const char *until, double seconds, int *closed)
{
    static char answer[1 << 20];
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t got = 0;
    double began = clock_seconds();
    *closed = 0;
    answer[0] = 0;
    if (connect(fd, (struct sockaddr *)&at, sizeof at) || send(fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
        *closed = 1;
    while (!*closed && !(until && strstr(answer, until)) && seconds_since(began) < seconds) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 50) <= 0)
            continue;
        ssize_t k = recv(fd, answer + got, sizeof answer - 1 - got, 0);
        *closed = k <= 0;
        got += k > 0 ? (size_t)k : 0;
        answer[got] = 0;
    }
    close(fd);
    return answer;
}

static const char *talk(int port, const char *request, const char *until)
{
    int closed;
    return talk_bytes(port, request, strlen(request), until, 20, &closed);
}

static int status_of(const char *answer)
{
    int status = 0;
    return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static const char *get(int port, const char *path)
{
    char request[256];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    return talk(port, request, NULL);
}

static const char *post(int port, const char *path, const char *body)
{
    char request[4096];
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", path,
             strlen(body), body);
    return talk(port, request, NULL);
}

/* Starts `stoker serve --port 0 ...` and waits until it is healthy. */
static struct process start(const char *const *flags)
{
    const char *argv[32] = {getenv("STOKER") ? getenv("STOKER") : "build/stoker",
                            "serve",
                            "--port",
                            "0",
                            "--ctx",
                            "1024",
                            "--memory",
                            "1G"};
    int out[2], n = 8;
    struct process p = {0};
    while (*flags)
        argv[n++] = *flags++;
    if (pipe(out))
        exit(1);
    p.pid = fork();
    if (p.pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        if (!freopen("/dev/null", "w", stderr)) /* a log line a request: nobody reads them here */
            _exit(127);
        close(out[0]), close(out[1]);
        execv(argv[0], (char **)argv);
        _exit(127);
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    if (fscanf(f, "listening on http://%*[0-9.]:%d", &p.port) != 1)
        printf("FAILED: %s serve does not say where it listens\n", argv[0]);
    fclose(f);
    for (double began = clock_seconds(); status_of(get(p.port, "/health")) != 200 && seconds_since(began) < 60;)
        poll(NULL, 0, 20);
    return p;
}

/* Its exit status within some seconds; -1: it was killed. */
static int stop(struct process *p, int signal, double seconds)
{
    int status;
    double began = clock_seconds();
    kill(p->pid, signal);
    while (waitpid(p->pid, &status, WNOHANG) == 0) {
        poll(NULL, 0, 20);
        if (seconds_since(began) > seconds) {
            kill(p->pid, SIGKILL);
            waitpid(p->pid, &status, 0);
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the rules of HTTP ----------------------------------------------------------------------------------------------------- */

#define HOST "Host: localhost\r\n"
#define CHAT "POST /v1/chat/completions HTTP/1.1\r\n" HOST
#define BODY "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2}" /* 60 bytes */

static void rules(int port)
{
    static const struct {
        const char *request;
        int status;
        const char *holds, *until; /* until NULL: the connection must close by itself */
    } cases[] = {
        {"GET /health HTTP/1.0\r\n\r\n", 200, "{\"status\":\"ok\"}", NULL},
        {"GET /health HTTP/1.1\r\n" HOST "x-request-id: a_1-B\r\n\r\n", 200, "x-request-id: a_1-B\r\n", "ok\"}"},
        {"HEAD /health HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, "Content-Length: 15\r\n", NULL},
        {"GET http://localhost/health?x=%00 HTTP/1.1\r\nHost: other\r\n\r\n", 200, "ok\"}", "ok\"}"},
        {"OPTIONS /v1/chat/completions HTTP/1.1\r\n" HOST "\r\n", 204, "Allow: POST, OPTIONS\r\n", "\r\n\r\n"},
        {"OPTIONS / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n", 204, "Connection: close", NULL},
        {"GET /v1/chat/completions HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: POST, OPTIONS\r\n", "}}"},
        {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "\"type\":\"not_found_error\"", "}}"},
        {"GET /api/nothing HTTP/1.1\r\n" HOST "\r\n", 404, "{\"error\":\"there is no route", "\"}"},
        {"GET /v1/messages HTTP/1.1\r\n" HOST "\r\n", 405, "{\"type\":\"error\",\"error\":{", "\"}"},
        {"POST /v1/embeddings HTTP/1.1\r\n" HOST "\r\n", 501, "not_supported_error", "}}"},
        {CHAT "Content-Length: 60\r\n\r\n" BODY, 200, "\"completion_tokens\":2", "}}"},
        {CHAT
         "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\n{\r\n3B\r\n\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
         "\"max_tokens\":2}\r\n0\r\nX-End: 1\r\n\r\n",
         200, "chat.completion", "}}"},
        {CHAT "Expect: 100-continue\r\nContent-Length: 60\r\n\r\n", 100, "100 Continue", "\r\n\r\n"},
        {CHAT "Content-Length: 60\r\nContent-Encoding: gzip\r\n\r\n", 415, "gzip", NULL},
        {CHAT "Content-Length: 2\r\n\r\n[]", 400, "invalid_type", "}}"},
        {CHAT "\r\n", 400, "invalid_json", "}}"},
        {"HELLO\r\n\r\n", 400, "invalid_request_error", NULL},
        {"\x16\x03\x01", 400, "invalid_request_error", NULL},
        {"GET /health HTTP/1.1\r\n\r\n", 400, "no Host", NULL},
        {CHAT "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "both", NULL},
        {CHAT "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "two different", NULL},
        {CHAT "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400, "chunk", NULL},
        {CHAT "Content-Length: 10737418240\r\n\r\n", 413, "request_too_large", NULL},
        {CHAT "Transfer-Encoding: chunked\r\n\r\n100001\r\n", 413, "request_too_large", NULL}, /* of --max-body 1M */
        {CHAT "Content-Length: 99999999999999999999\r\n\r\n", 413, "request_too_large", NULL},
        {"GET /health HTTP/1.1\r\nHost: rebind.example:80\r\n\r\n", 403, "host_not_allowed", "}}"},
        {"GET /health HTTP/1.1\r\nHost: LOCALHOST:1\r\n\r\n", 200, NULL, "ok\"}"},
        {"GET /health HTTP/1.1\r\nHost: [::1]:1\r\n\r\n", 200, NULL, "ok\"}"},
        {"GET /health HTTP/1.1\r\nHost: box.example\r\n\r\n", 200, NULL, "ok\"}"},
        {"GET /health HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n\r\n", 403, "origin_not_allowed", "}}"},
        {"GET /health HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n", 403, "origin_not_allowed", "}}"},
        {"GET /health HTTP/1.1\r\n" HOST "Origin: http://localhost\r\n\r\n", 200, NULL, "ok\"}"},
        {"GET /health HTTP/1.1\r\n" HOST "Origin: https://app.example\r\n\r\n", 200,
         "Access-Control-Allow-Origin: https://app.example\r\n", "ok\"}"},
        {"OPTIONS /v1/models HTTP/1.1\r\n" HOST
         "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n\r\n",
         204, "Access-Control-Allow-Headers: authorization, content-type, x-api-key", "\r\n\r\n"},
        {"OPTIONS /v1/chat/completions HTTP/1.1\r\n" HOST
         "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
         "Access-Control-Request-Headers: authorization,openai-organization,x-stainless-lang,x-stainless-os\r\n\r\n",
         204, "Access-Control-Allow-Headers: authorization,openai-organization,x-stainless-lang,x-stainless-os\r\n",
         "\r\n\r\n"},
        {"OPTIONS /v1/messages HTTP/1.1\r\n" HOST
         "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
         "Access-Control-Request-Headers: x-a, x b\r\n\r\n",
         204, "Access-Control-Allow-Headers: authorization, content-type, x-api-key", "\r\n\r\n"},
        {"OPTIONS /v1/models HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n\r\n", 403, NULL, "}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int closed;
        const char *a = talk_bytes(port, cases[i].request, strlen(cases[i].request), cases[i].until, 10, &closed);
        check(status_of(a) == cases[i].status, "%.70s: status %d, not %d", cases[i].request, status_of(a),
              cases[i].status);
        check(!cases[i].holds || strstr(a, cases[i].holds), "%.70s: no %s in %.300s", cases[i].request, cases[i].holds,
              a);
        check(cases[i].until || closed, "%.70s: the connection stays open", cases[i].request);
    }
    const char *head = talk(port, "HEAD /health HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", NULL);
    check(strcmp(strstr(head, "\r\n\r\n") ? strstr(head, "\r\n\r\n") : "", "\r\n\r\n") == 0, "HEAD has a body");
}

/* Answers in the order of the requests, on one connection. */
static void pipelining(int port)
{
    const char *a = talk(port,
                         "GET /health HTTP/1.1\r\n" HOST "\r\n" CHAT "Content-Length: 60\r\n\r\n" BODY
                         "GET /v1/models HTTP/1.1\r\n" HOST "\r\n",
                         "has_more");
    const char *health = strstr(a, "\"status\":\"ok\""), *chat = strstr(a, "chat.completion"),
               *models = strstr(a, "\"list\"");
    check(health && chat && models && health < chat && chat < models, "three pipelined requests: %.200s", a);
}

static void limits(int port)
{
    size_t n = 300 << 10;
    char *big = malloc(n);
    int closed;
    size_t at = (size_t)snprintf(big, n, "GET /");
    memset(big + at, 'a', 64 << 10);
    check(status_of(talk_bytes(port, big, 64 << 10, NULL, 10, &closed)) == 414 && closed, "a URI of 64 KiB is not 414");
    at = (size_t)snprintf(big, n, "GET / HTTP/1.1\r\n" HOST);
    while (at + 32 < n)
        at += (size_t)snprintf(big + at, n - at, "X-Pad: 0123456789012345\r\n");
    check(status_of(talk_bytes(port, big, at, NULL, 10, &closed)) == 431 && closed, "a head of 300 KiB is not 431");
    /* chunks beyond --max-body 1M: refused while they come */
    at = (size_t)snprintf(big, n, CHAT "Transfer-Encoding: chunked\r\n\r\n200000\r\n");
    char *body = malloc((2 << 20) + at);
    memcpy(body, big, at);
    memset(body + at, ' ', 2 << 20);
    const char *a = talk_bytes(port, body, at + (2 << 20), NULL, 10, &closed);
    check(status_of(a) == 413 || (closed && !*a), "2 MiB in chunks is not 413: %.100s", a);
    free(body);
    free(big);
}

enum { PATIENCE = 60 }; /* seconds for what never comes where it fails, on a machine that does much else */

/* ---- slow and disconnected clients ---------------------------------------------------------------------------------------- */

static int connect_to(int port, const char *request)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Single bytes now and then do not extend the time for a head (--header-timeout 1), nor that for a body (--body-timeout 1). */
static void slow_clients(int port)
{
    static const struct {
        const char *begin, *drip;
    } cases[] = {{"GET /health HTTP/1.1\r\nX-Slow: ", "a"}, {CHAT "Content-Length: 1000\r\n\r\n", " "}};
    for (size_t i = 0; i < 2; i++) {
        char answer[1024] = "";
        int fd = connect_to(port, cases[i].begin), closed = 0;
        double began = clock_seconds();
        while (!closed && seconds_since(began) < PATIENCE) {
            struct pollfd p = {fd, POLLIN, 0};
            if (poll(&p, 1, 100) > 0) {
                ssize_t n = recv(fd, answer, sizeof answer - 1, 0);
                closed = n >= 0;
                answer[n > 0 ? n : 0] = 0;
            }
            if (!closed && send(fd, cases[i].drip, 1, MSG_NOSIGNAL) < 0)
                closed = 1;
        }
        check(closed && seconds_since(began) < 9, "a slow %s was not cut", i ? "body" : "head");
        check(status_of(answer) == 408, "a slow %s: status %d, not 408", i ? "body" : "head", status_of(answer));
        close(fd);
    }
}

static int busy(int port) { return strstr(get(port, "/slots"), "\"is_processing\":true") != NULL; }

#define LONG                                                                                                           \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":900,\"ignore_eos\":true,\"stream\":%s}"

static int n_cancelled(int port)
{
    const char *counted = strstr(get(port, "/metrics"), "\nstoker_cancelled_total ");
    return counted ? atoi(counted + strlen("\nstoker_cancelled_total ")) : 0;
}

static int start_long(int port, const char *stream)
{
    char body[256], request[512];
    int n = snprintf(body, sizeof body, LONG, stream);
    snprintf(request, sizeof request, CHAT "Content-Length: %d\r\n\r\n%s", n, body);
    return connect_to(port, request);
}

/* A client that disconnects frees its sequence, streaming or not, by FIN or RST. */
static void gone_clients(int port)
{
    for (int i = 0; i < 4; i++) {
        const struct linger reset = {1, 0};
        int fd = start_long(port, i & 1 ? "true" : "false");
        double began = clock_seconds();
        while (!busy(port) && seconds_since(began) < PATIENCE)
            continue;
        if (i & 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        began = clock_seconds();
        while ((busy(port) || n_cancelled(port) <= i) && seconds_since(began) < PATIENCE)
            continue;
        check(n_cancelled(port) == i + 1, "%s client gone by %s: its sequence ran on", i & 1 ? "streaming" : "waiting",
              i & 2 ? "RST" : "FIN");
    }
}

/* The whole answer to a request after which the client closed its sending side; skip: what came before it. */
static const char *half_closed(int port, const char *request)
{
    static char answer[1 << 20];
    size_t got = 0;
    int fd = connect_to(port, request);
    shutdown(fd, SHUT_WR);
    for (ssize_t n; (n = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0;)
        got += (size_t)n;
    close(fd);
    answer[got] = 0;
    return answer;
}

/* A client that has sent all of its requests may still read: whole and streamed answers. */
static void half_closed_clients(int port)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    for (int i = 0; i < 2; i++) {
        char body[256], request[512];
        int n = snprintf(body, sizeof body, LONG, i ? "true" : "false");
        snprintf(request, sizeof request, CHAT "Content-Length: %d\r\n\r\n%s", n, body);
        const char *a = half_closed(port, request);
        while (strncmp(a, go_on, sizeof go_on - 1) == 0) /* one a second, while the answer is made */
            a += sizeof go_on - 1;
        check(status_of(a) == 200 && strstr(a, i ? "[DONE]" : "\"completion_tokens\":900"),
              "a %s answer to a client that closed its sending side: %.200s", i ? "streamed" : "whole", a);
    }
    const char *a = half_closed(port, "GET /health HTTP/1.1\r\n" HOST "\r\n" CHAT "Content-Length: 60\r\n\r\n" BODY);
    check(status_of(a) == 200 && strstr(a, "\"completion_tokens\":2"), "two requests, then closed: %.300s", a);
    a = half_closed(port, CHAT "Content-Length: 60\r\n\r\n{\"messages\"");
    check(!*a, "half a request, then closed: %.100s", a);
}

/* The same behind a relay, which passes the half-close on. */
static void half_closed_behind_a_relay(int port)
{
    struct tcp_relay relay;
    if (tcp_relay_open(&relay, port)) {
        check(0, "no relay");
        return;
    }
    half_closed_clients(relay.port);
    tcp_relay_close(&relay);
}

/* A client that closes both sides behind a relay frees its sequence, once the relay learns of it from the second thing that it is sent: the
 * answer takes longer. */
static void gone_behind_a_relay(void)
{
    struct process p = start((const char *const[]){"--exact", "--cpu-tier", "scalar", "--threads", "1", NULL});
    int port = p.port;
    struct tcp_relay relay;
    if (tcp_relay_open(&relay, port)) {
        check(0, "no relay");
        stop(&p, SIGTERM, PATIENCE);
        return;
    }
    for (int i = 0; i < 2; i++) {
        double began = clock_seconds();
        int fd = start_long(relay.port, i ? "true" : "false"), before = n_cancelled(port);
        while (!busy(port) && seconds_since(began) < PATIENCE)
            continue;
        close(fd);
        began = clock_seconds();
        while ((busy(port) || n_cancelled(port) == before) && seconds_since(began) < PATIENCE)
            continue;
        check(n_cancelled(port) == before + 1, "%s client gone behind a relay: its sequence ran on",
              i ? "streaming" : "waiting");
    }
    tcp_relay_close(&relay);
    check(stop(&p, SIGTERM, PATIENCE) == 0, "a server behind a relay: exit status");
}

/* --max-conns 20: the next connection is refused, and served once another one has closed. */
static void many_connections(int port)
{
    int fd[20], refused = 0;
    for (int i = 0; i < 20; i++)
        fd[i] = connect_to(port, "GET /health HTTP/1.1\r\n");
    for (int i = 0; i < 20 && !refused; i++, poll(NULL, 0, 10))
        refused = status_of(get(port, "/health")) == 503;
    check(refused, "connection 21 of 20 does not get 503");
    for (int i = 0; i < 20; i++)
        close(fd[i]);
    double began = clock_seconds();
    while (status_of(get(port, "/health")) != 200 && seconds_since(began) < PATIENCE)
        poll(NULL, 0, 20);
    check(seconds_since(began) < PATIENCE, "connections that closed are not given back");
}

/* ---- routes, keys, the end ------------------------------------------------------------------------------------------------- */

static void routes(int port)
{
    check(strstr(get(port, "/v1/models"), "{\"object\":\"list\",\"data\":[{\"id\":\"ember\""), "/v1/models: %.300s",
          get(port, "/v1/models"));
    check(status_of(get(port, "/v1/models/ember%3Alatest")) == 200, "a model's name with %%3A");
    check(status_of(get(port, "/v1/models/nobody")) == 404, "another model is not 404");
    check(strstr(get(port, "/props"), "\"total_slots\":4,\"queue_limit\":128"), "/props");
    check(strstr(get(port, "/metrics"), "\nstoker_requests_total{route=\"/health\",status=\"200\"} "),
          "/metrics counts no requests");
    check(strstr(post(port, "/tokenize", "{\"content\":\"Hi\",\"with_pieces\":true}"), "\"piece\":\"Hi\""),
          "/tokenize with pieces");
    check(strstr(post(port, "/detokenize", "{\"tokens\":[-1]}"), "\"param\":\"tokens[0]\""), "/detokenize refuses -1");
    check(strstr(post(port, "/detokenize", "{\"tokens\":[-1],\"with_pieces\":true}"), "\"param\":\"tokens[0]\""),
          "/detokenize with pieces refuses -1");
    static const char text[] = "/tokenize and back: {\\\"content\\\"}, caf\xc3\xa9";
    char body[256], tokens[4096], wanted[4096];
    snprintf(body, sizeof body, "{\"content\":\"%s\",\"with_pieces\":true}", text);
    snprintf(wanted, sizeof wanted, "%s", strstr(post(port, "/tokenize", body), "{\"tokens\""));
    snprintf(body, sizeof body, "{\"content\":\"%s\"}", text);
    snprintf(tokens, sizeof tokens, "%s", strstr(post(port, "/tokenize", body), "{\"tokens\""));
    snprintf(strrchr(tokens, '}'), 64, ",\"with_pieces\":true}");
    check(strcmp(strstr(post(port, "/detokenize", tokens), "{\"tokens\""), wanted) == 0,
          "/detokenize with pieces is not what /tokenize gave: %s", wanted);
    check(strstr(post(port, "/apply-template", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"),
                 "<|im_start|>user"),
          "/apply-template");
    check(strstr(post(port, "/stoker/cache/clear", "{}"), "cleared_bytes"), "/stoker/cache/clear");
    const char *events = talk(port, "GET /stoker/events HTTP/1.1\r\n" HOST "\r\n", "data: {\"tps\"");
    check(strstr(events, "text/event-stream") && strstr(events, "data: {\"tps\""), "/stoker/events: %.200s", events);
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

/* What lm-evaluation-harness sends: batches of texts, or of ids, echoed with what each token was worth; the first has no score. */
static void scores(int port)
{
    static const char asks[] = ",\"max_tokens\":1,\"temperature\":0,\"logprobs\":1,\"echo\":true,\"seed\":1234}";
    static const char *const prompts[] = {"[\"The capital of Norway is Oslo\",\"Say hello\"]",
                                          "[[779,10,40],[4088,276,10,779]]"};
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        char body[400];
        snprintf(body, sizeof body, "{\"model\":\"ember\",\"prompt\":%s%s", prompts[i], asks);
        const char *answer = post(port, "/v1/completions", body);
        check(status_of(answer) == 200 && count(answer, "\"token_logprobs\":[null,-") == 2 &&
                  count(answer, "\"top_logprobs\":[null,{") == 2 && count(answer, "\"text_offset\":[0,") == 2,
              "scores of a batch: %.600s", answer);
    }
    const char *answer = post(port, "/v1/completions",
                              "{\"prompt\":\"Say hello\",\"max_tokens\":0,\"prompt_logprobs\":2}");
    check(status_of(answer) == 200 && strstr(answer, "\"prompt_logprobs\":[null,{") &&
              strstr(answer, "\"completion_tokens\":0"),
          "prompt_logprobs: %.600s", answer);
    answer = post(port, "/v1/completions", "{\"prompt\":\"Say hello\",\"prompt_logprobs\":21}");
    check(status_of(answer) == 400 && strstr(answer, "\"param\":\"prompt_logprobs\""), "21 alternatives: %.300s",
          answer);
}

static void keys(void)
{
    struct process p = start((const char *const[]){"--api-key", "secret-1", "--api-key", "secret-2", NULL});
    static const struct {
        const char *header;
        int status;
    } cases[] = {{"", 401},
                 {"Authorization: Bearer secret-2\r\n", 200},
                 {"authorization: bearer secret-1\r\n", 200},
                 {"Authorization: Bearer   secret-2\r\n", 200},
                 {"x-api-key: secret-1\r\n", 200},
                 {"Authorization: Bearer secret-\r\n", 401},
                 {"Authorization: Bearer secret-22\r\n", 401},
                 {"Authorization: Basic secret-1\r\n", 401},
                 {"Authorization: Bearer \r\n", 401},
                 {"Authorization: Bearersecret-1\r\n", 401}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[256];
        snprintf(request, sizeof request, "GET /v1/models HTTP/1.1\r\n" HOST "Connection: close\r\n%s\r\n",
                 cases[i].header);
        int status = status_of(talk(p.port, request, NULL));
        check(status == cases[i].status, "%s: %d, not %d", cases[i].header, status, cases[i].status);
    }
    check(status_of(get(p.port, "/health")) == 200 && status_of(get(p.port, "/")) == 200, "/health and / need a key");
    check(status_of(talk(p.port, CHAT "Content-Length: 1000000\r\n\r\n", NULL)) == 401, "no 401 before the body");
    check(stop(&p, SIGTERM, 10) == 0, "SIGTERM when idle: exit status");
}

/* Where other machines ask and no key keeps them out, a name that is not ours may be a page's that rebinds it (DNS); with a key it may
 * not know that. */
static void hosts(void)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {{"box.example:80", 200},
                 {"BOX.example", 200},
                 {"localhost", 200},
                 {"192.168.7.9:8080", 200},
                 {"[fe80::1]:8080", 200},
                 {"rebind.example:80", 403},
                 {"box.example.rebind.example", 403},
                 {"1.2.3.4.rebind.example", 403},
                 {"[rebind.example]", 403},
                 {"[]", 403},
                 {"[", 403},
                 {"", 403}};
    for (int with_key = 0; with_key < 2; with_key++) {
        struct process p = start((const char *const[]){"--host", "0.0.0.0", with_key ? "--api-key" : "--allow-host",
                                                       with_key ? "secret" : "box.example", NULL});
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            char request[256];
            snprintf(request, sizeof request,
                     "GET /v1/models HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nx-api-key: secret\r\n\r\n",
                     cases[i].host);
            int status = status_of(talk(p.port, request, NULL)), want = with_key ? 200 : cases[i].status;
            check(status == want, "%s key, Host \"%s\": %d, not %d", with_key ? "with a" : "without a", cases[i].host,
                  status, want);
        }
        check(stop(&p, SIGTERM, 10) == 0, "a server for others: exit status");
    }
}

/* SIGHUP acts as SIGTERM: running requests may end. */
static void hung_up(void)
{
    struct process p = start((const char *const[]){NULL});
    static char answer[1 << 20];
    size_t got = 0;
    int fd = start_long(p.port, "true");
    ssize_t n = recv(fd, answer, 100, 0);
    got = n > 0 ? (size_t)n : 0;
    kill(p.pid, SIGHUP);
    while ((n = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0)
        got += (size_t)n;
    answer[got] = 0;
    check(strstr(answer, "data: [DONE]") != NULL, "SIGHUP cuts a stream: %.100s", answer);
    close(fd);
    check(stop(&p, 0, 60) == 0, "SIGHUP: exit status");
}

/* SIGTERM with --drain 0: a running stream gets an error event and its last chunk, without [DONE]; the server ends with 0. */
static void cut_stream(void)
{
    struct process p = start((const char *const[]){"--drain", "0", NULL});
    static char answer[1 << 20];
    size_t got = 0;
    int fd = start_long(p.port, "true");
    ssize_t n = recv(fd, answer, 100, 0);
    got = n > 0 ? (size_t)n : 0;
    kill(p.pid, SIGTERM);
    while ((n = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0)
        got += (size_t)n;
    answer[got] = 0;
    check(strstr(answer, "data: {\"error\":") && !strstr(answer, "[DONE]"), "a cut stream has no error event: %.100s",
          answer);
    check(got > 7 && strcmp(answer + got - 7, "\r\n0\r\n\r\n") == 0, "a cut stream has no last chunk");
    close(fd);
    check(stop(&p, 0, 10) == 0, "a cut stream: exit status");
}

/* SIGTERM with --drain 1 while a client takes nothing of a long answer: the server does not wait for it. */
static void stalled_reader(void)
{
    struct process p = start((const char *const[]){"--drain", "1", NULL});
    enum { WORDS = 400000 };
    static char request[4 * WORDS + 300];
    size_t n = (size_t)snprintf(request, sizeof request,
                                "POST /tokenize HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n"
                                "{\"with_pieces\":true,\"content\":\"",
                                4 * WORDS + 33);
    for (int i = 0; i < WORDS; i++)
        n += (size_t)sprintf(request + n, "%c b ", 'a' + i % 26);
    strcpy(request + n, "\"}");
    int fd = connect_to(p.port, request);
    char first[16];
    ssize_t got = recv(fd, first, sizeof first - 1, 0);
    first[got > 0 ? got : 0] = 0;
    check(strncmp(first, "HTTP/1.1 200", 12) == 0, "no long answer begins: %s", first);
    double began = clock_seconds();
    check(stop(&p, SIGTERM, 60) == 0, "a stalled reader: exit status");
    check(seconds_since(began) < 30, "a stalled reader delays the end by %.1f s", seconds_since(began));
    close(fd);
}

/* ---- templates that mean harm ---------------------------------------------------------------------------------------------- */

static const char *chat_with(int port, const char *content)
{
    char body[200];
    snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"max_tokens\":2}", content);
    return post(port, "/v1/chat/completions", body);
}

/* On a connection's own stack: what nests too deeply is refused, and the words of a refusal come whole. */
static void templates(void)
{
    static const char source[] =
        "{%- set want = messages[-1].content -%}{%- set ns = namespace(v=[], w=[]) -%}"
        "{%- macro f() -%}" EIGHT("{%- for x in [1] -%}")
            EIGHT("{%- for x in [1] -%}") "{{ f() }}" EIGHT("{%- endfor -%}")
                EIGHT("{%- endfor -%}") "{%- endmacro -%}"
                                        "{%- if want in ['print', 'same', 'key'] -%}{%- for i in range(30000) -%}{%- "
                                        "set ns.v = (ns.v,) -%}"
                                        "{%- set ns.w = (ns.w,) -%}{%- endfor -%}{%- endif -%}"
                                        "{%- if want == 'call' -%}{{ f() }}{%- elif want == 'print' -%}{{ ns.v }}{%- "
                                        "elif want == 'same' -%}"
                                        "{{ ns.v == ns.w }}{%- elif want == 'key' -%}{{ {ns.v: 1} }}{%- elif want == "
                                        "'words' -%}"
                                        "{{ raise_exception('No: ' ~ 'x' * 440 ~ ' whole.') }}{%- endif -%}{{ want }}";
    static const char *const wants[] = {"call", "print", "same", "key"};
    char path[] = "/tmp/stoker-serve-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, source, sizeof source - 1) != (ssize_t)sizeof source - 1)
        exit(1);
    close(fd);
    struct process p = start((const char *const[]){"--chat-template", path, NULL});
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        const char *answer = chat_with(p.port, wants[i]);
        check(status_of(answer) == 400 && strstr(answer, "nested too deeply"), "%s: %.600s", wants[i], answer);
    }
    const char *answer = chat_with(p.port, "words");
    check(status_of(answer) == 400 && strstr(answer, "No: xxx") && strstr(answer, "xxx whole."), "%.900s", answer);
    check(status_of(chat_with(p.port, "Hi")) == 200, "an answer after all that");
    check(stop(&p, SIGTERM, 10) == 0, "a template that nests: exit status");
    unlink(path);
}

/* A template that takes all its steps for messages of the word "slow", of 400 KB, which allow it most steps. */
static const char slow_template[] = "{%- if messages[-1].content[:4] == 'slow' -%}{%- for i in range(99999) -%}"
                                    "{%- for k in range(99999) -%}{%- endfor -%}{%- endfor -%}{%- endif -%}Hi";

static int start_slow(int port)
{
    static char request[500000];
    char filler[400001];
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = 0;
    sprintf(request, CHAT "Content-Length: %zu\r\n\r\n{\"messages\":[{\"role\":\"user\",\"content\":\"slow%s\"}]}",
            sizeof filler - 1 + strlen("{\"messages\":[{\"role\":\"user\",\"content\":\"slow\"}]}"), filler);
    return connect_to(port, request);
}

/* A rendering ends when its client leaves, which is counted, and when the server stops: 503, not the 400 of all steps used. */
static void renderings_are_given_up(void)
{
    char path[] = "/tmp/stoker-serve-XXXXXX", answer[4096] = "";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, slow_template, sizeof slow_template - 1) != (ssize_t)sizeof slow_template - 1)
        exit(1);
    close(fd);
    struct process p = start((const char *const[]){"--chat-template", path, NULL});
    close(start_slow(p.port));
    double began = clock_seconds();
    while (!strstr(get(p.port, "/metrics"), "\nstoker_cancelled_total 1\n") && seconds_since(began) < 20)
        poll(NULL, 0, 10);
    check(seconds_since(began) < 20, "a rendering whose client left was not given up");
    fd = start_slow(p.port);
    for (began = clock_seconds(); !strstr(get(p.port, "/metrics"), "\nstoker_requests_running 1\n");)
        if (seconds_since(began) > 20)
            break;
    kill(p.pid, SIGTERM);
    poll(NULL, 0, 20);
    kill(p.pid, SIGTERM);
    ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_WAITALL);
    check(n > 0 && status_of(answer) == 503, "a rendering while the server stops: %.300s", answer);
    close(fd);
    check(stop(&p, 0, 20) == 0, "a slow template: exit status");
    unlink(path);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct process p = start((const char *const[]){"--header-timeout", "1", "--body-timeout", "1", "--max-body", "1M",
                                                   "--max-conns", "20", "--cors", "https://app.example", "--allow-host",
                                                   "box.example", NULL});
    rules(p.port);
    pipelining(p.port);
    limits(p.port);
    slow_clients(p.port);
    gone_clients(p.port);
    half_closed_clients(p.port);
    half_closed_behind_a_relay(p.port);
    gone_behind_a_relay();
    many_connections(p.port);
    routes(p.port);
    scores(p.port);
    check(stop(&p, SIGINT, 10) == 0, "SIGINT when idle: exit status");
    keys();
    hosts();
    hung_up();
    cut_stream();
    stalled_reader();
    templates();
    renderings_are_given_up();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
