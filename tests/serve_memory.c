/* links: base
 *
 * What requests may take of a server's memory, from outside: bodies that are declared and do not come, bodies that come half, large ones
 * at once, lists that are many times larger in memory than as text. Ordinary requests continue meanwhile, every request is answered,
 * and the process stays below --memory.
 *
 *     build/tests/serve_memory [MIB] [MODEL.gguf]      size of the large bodies, default 12; the embedded model */
#include "check.h"
#include "sanitized.h"
#include "server_client.h"

#include <poll.h>
#include <pthread.h>

enum { MEMORY_MIB = 512, MAX_BODY = 32 << 20, CLIENTS = 4, ORDINARY = 20 };

static struct server_process server;
static size_t large = (size_t)12 << 20;

/* ---- bodies ---------------------------------------------------------------------------------------------------------------- */

/* before, a text of n bytes in words, behind; *size of them all. */
static char *make_body(const char *before, size_t n, const char *behind, size_t *size)
{
    static const char words[] = "the quick brown fox jumps over the lazy dog and then ";
    size_t begin = strlen(before), end = strlen(behind);
    char *body = malloc(begin + n + end + 1);
    if (!body)
        abort();
    memcpy(body, before, begin);
    for (size_t i = 0; i < n; i++)
        body[begin + i] = words[i % (sizeof words - 1)];
    memcpy(body + begin + n, behind, end + 1);
    *size = begin + n + end;
    return body;
}

/* before and behind with n/2 times "1," between. */
static char *make_list(const char *before, size_t n, const char *behind, size_t *size)
{
    char *body = make_body(before, n & ~(size_t)1, behind, size), *at = body + strlen(before);
    for (size_t i = 0; i + 1 < n; i += 2)
        memcpy(at + i, "1,", 2);
    at[(n & ~(size_t)1) - 1] = ' ';
    return body;
}

/* A connection that declares a body and sends n bytes of it. */
static struct client begin_body(size_t declared, const char *body, size_t n)
{
    struct client c = {server.port, -1};
    if (client_connect(&c) || client_head(&c, "POST", "/tokenize", declared) || client_send(&c, body, n))
        check(0, "a body of %zu bytes cannot be begun", declared);
    return c;
}

/* Requests as agents send them: answered, and soon. */
static void ordinary(const char *when)
{
    static const char chat[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":1}";
    struct client c = {server.port, -1};
    struct reply r = {0};
    size_t n;
    char *middle = make_body("{\"content\":\"", 200000, "\"}", &n);
    double slowest = 0;
    int answered = 0;
    for (int i = 0; i < ORDINARY; i++) {
        double began = clock_seconds();
        int small = i & 1, rc = client_ask(&c, "POST", small ? "/v1/chat/completions" : "/tokenize",
                                           small ? chat : middle, small ? sizeof chat - 1 : n, &r, NULL, NULL);
        answered += rc == 0 && r.status == 200;
        if (clock_seconds() - began > slowest)
            slowest = clock_seconds() - began;
    }
    check(answered == ORDINARY, "%s: %d of %d ordinary requests were answered; the last: %d %.200s", when, answered,
          ORDINARY, r.status, r.n ? r.body : "");
    check(slowest < (SANITIZED ? 20 : 4), "%s: an ordinary request took %.1f s", when, slowest);
    client_close(&c);
    reply_free(&r);
    free(middle);
}

/* ---- bodies that do not come ----------------------------------------------------------------------------------------------- */

static void declared_only(void)
{
    struct client idle[8];
    for (size_t i = 0; i < 8; i++)
        idle[i] = begin_body((size_t)MAX_BODY / (i < 2 ? 1 : i * i) - 100, "", 0);
    ordinary("large bodies are declared");
    for (size_t i = 0; i < 8; i++)
        client_close(&idle[i]);
}

/* Two large bodies come by halves, each beside the other: both are answered. On a machine so slow that they stand still for 5 s they
 * may be told so. */
static void half_come(void)
{
    size_t n;
    double began = clock_seconds();
    char *body = make_body("{\"content\":\"", large, "\"}", &n);
    struct client c[2] = {begin_body(n, body, n / 2), begin_body(n, body, 2 << 20)};
    struct reply r = {0};
    ordinary("two bodies have come by halves");
    int slow = clock_seconds() - began > 5;
    check((client_send(&c[0], body + n / 2, n - n / 2) == 0 && client_read(&c[0], &r, NULL, NULL) == 0 &&
           r.status == 200) ||
              slow,
          "the first of two large bodies: %d %.200s", r.status, r.n ? r.body : "");
    slow = clock_seconds() - began > 5;
    check((client_send(&c[1], body + (2 << 20), n - (2 << 20)) == 0 && client_read(&c[1], &r, NULL, NULL) == 0 &&
           r.status == 200) ||
              slow,
          "the second of two large bodies: %d %.200s", r.status, r.n ? r.body : "");
    client_close(&c[0]);
    client_close(&c[1]);
    reply_free(&r);
    free(body);
}

/* A large body that stands still is in the way of none that comes, and loses its place. */
static void stands_still(void)
{
    size_t n;
    char *body = make_body("{\"content\":\"", 3 << 20, "\"}", &n);
    struct client still = begin_body(MAX_BODY, body, 2 << 20), c = {server.port, -1};
    struct reply r = {0};
    usleep(200000);
    double began = clock_seconds();
    check(client_ask(&c, "POST", "/tokenize", body, n, &r, NULL, NULL) == 0 && r.status == 200,
          "a large body behind one that stands still: %d %.200s", r.status, r.n ? r.body : "");
    check(clock_seconds() - began < (SANITIZED ? 60 : 20), "a large body waited %.1f s for one that stands still",
          clock_seconds() - began);
    check(client_read(&still, &r, NULL, NULL) == 0 && r.status == 408, "a body that stands still: %d, not 408",
          r.status);
    client_close(&c);
    client_close(&still);
    reply_free(&r);
    free(body);
}

/* Two large bodies that come a byte at a time hold up none that comes: it is answered first, and they get 408. */
static void slow_ones(void)
{
    enum { SLOW = 2 };
    size_t n;
    char *body = make_body("{\"content\":\"", 4 << 20, "\"}", &n);
    struct client slow[SLOW], c;
    struct reply r = {0};
    int answered = 0;
    for (int i = 0; i < SLOW; i++)
        slow[i] = begin_body(MAX_BODY, body, 2 << 20);
    ordinary("two large bodies come slowly");
    c = begin_body(n, "", 0);
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    for (size_t sent = 0, ended = 0; !answered && !ended;) {
        struct pollfd p[SLOW + 1] = {{slow[0].fd, POLLIN, 0}, {slow[1].fd, POLLIN, 0}, {c.fd, POLLIN, 0}};
        ssize_t k = sent < n ? send(c.fd, body + sent, n - sent, MSG_NOSIGNAL) : 0;
        sent += k > 0 ? (size_t)k : 0;
        poll(p, SLOW + 1, 20);
        for (int i = 0; i < SLOW; i++) {
            ended += p[i].revents != 0;
            send(slow[i].fd, "a", 1, MSG_NOSIGNAL);
        }
        answered = p[SLOW].revents != 0;
    }
    fcntl(c.fd, F_SETFL, 0);
    check(answered, "a large body waits until slow ones have ended");
    check(client_read(&c, &r, NULL, NULL) == 0 && r.status == 200, "a large body beside slow ones: %d %.200s", r.status,
          r.n ? r.body : "");
    for (int i = 0; i < SLOW; i++) {
        struct pollfd p = {slow[i].fd, POLLIN, 0};
        while (poll(&p, 1, 100) == 0 && send(slow[i].fd, "a", 1, MSG_NOSIGNAL) == 1)
            continue;
        check(client_read(&slow[i], &r, NULL, NULL) == 0 && r.status == 408 && strstr(r.body, "64 KiB in 10 s"),
              "a slow large body: %d %.200s", r.status, r.n ? r.body : "");
        client_close(&slow[i]);
    }
    client_close(&c);
    reply_free(&r);
    free(body);
}

/* A handler that needs more than its body's claim, beside a body that has come but for its end: it waits until
 * that is given up. */
static void a_handler_waits(void)
{
    size_t n, n_long;
    char *body = make_body("{\"messages\":[{\"role\":\"user\",\"content\":\"", (size_t)24 << 20, "\"}]}", &n);
    char *other = make_body("{\"content\":\"", (size_t)31 << 20, "\"}", &n_long);
    struct client first = begin_body(n_long, other, n_long - 1), second = {server.port, -1};
    struct reply r = {0};
    ordinary("a handler waits for memory");
    check(client_ask(&second, "POST", "/v1/chat/completions", body, n, &r, NULL, NULL) == 0 && r.status == 400 &&
              strstr(r.body, " tokens"),
          "a handler that needs much memory: %d %.200s", r.status, r.n ? r.body : "");
    client_close(&first);
    client_close(&second);
    reply_free(&r);
    free(body);
    free(other);
}

/* A body that stands still beside large ones, of which one comes slowly: it has nothing that anybody waits for. */
static void in_nobodys_way(void)
{
    size_t n, n_middle;
    char *body = make_body("{\"content\":\"", large, "\"}", &n);
    char *middle = make_body("{\"content\":\"", 200000, "\"}", &n_middle);
    struct client first = begin_body(n, body, n / 2), second = begin_body(n, body, 2 << 20),
                  still = begin_body(n_middle, middle, n_middle / 2);
    struct reply r = {0};
    for (int i = 0; i < 2; i++) {
        usleep(3000000);
        check(client_send(&first, body + n / 2 + (size_t)i, 1) == 0, "a large body that comes is given up");
    }
    check(client_send(&still, middle + n_middle / 2, n_middle - n_middle / 2) == 0 &&
              client_read(&still, &r, NULL, NULL) == 0 && r.status == 200,
          "a body that stands still in nobody's way: %d %.200s", r.status, r.n ? r.body : "");
    client_close(&first);
    client_close(&second);
    client_close(&still);
    reply_free(&r);
    free(body);
    free(middle);
}

/* Middle-sized bodies that stand still may take all memory: small requests have theirs. */
static void many_still(void)
{
    enum { STILL = 200 };
    static struct client c[STILL];
    size_t n;
    char *body = make_body("{\"content\":\"", 900000, "\"}", &n);
    struct client small = {server.port, -1};
    struct reply r = {0};
    int answered = 0;
    for (int i = 0; i < STILL; i++) {
        c[i] = begin_body(n, "", 0);
        send(c[i].fd, body, n - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    for (int i = 0; i < ORDINARY; i++)
        answered += client_ask(&small, "POST", "/tokenize", "{\"content\":\"Hi\"}", 16, &r, NULL, NULL) == 0 &&
                    r.status == 200;
    check(answered == ORDINARY, "%d bodies stand still: %d of %d small requests were answered", STILL, answered,
          ORDINARY);
    for (int i = 0; i < STILL; i++)
        client_close(&c[i]);
    client_close(&small);
    reply_free(&r);
    free(body);
}

/* A server prefaults its memory in the background: the process's memory after that. */
static uint64_t settled_memory(void)
{
    uint64_t was = 0, is = server_memory(&server, "VmRSS:");
    for (int i = 0; i < 100 && (is > was + (1 << 20) || i < 2); i++) {
        usleep(300000);
        was = is;
        is = server_memory(&server, "VmRSS:");
    }
    return is;
}

/* A thousand answers asked for at once, by each of many: what an answer needs is there while it runs. */
static void many_choices(void)
{
    enum { ASKING = 60, PROMPTS = 256, GROWTH_MIB = 64 };
    static struct client c[ASKING];
    char body[PROMPTS * 4 + 100] = "{\"prompt\":[\"a\"";
    size_t n = strlen(body);
    for (int i = 1; i < PROMPTS; i++)
        n += (size_t)sprintf(body + n, ",\"a\"");
    n += (size_t)sprintf(body + n, "],\"n\":4,\"max_tokens\":500,\"ignore_eos\":true,\"stop\":[\"#\"]}");
    uint64_t before = settled_memory(), most = 0;
    for (int i = 0; i < ASKING; i++) {
        c[i] = (struct client){server.port, -1};
        check(client_connect(&c[i]) == 0 && client_head(&c[i], "POST", "/v1/completions", n) == 0 &&
                  client_send(&c[i], body, n) == 0,
              "a thousand answers cannot be asked for");
    }
    for (int i = 0; i < 20; i++) {
        usleep(100000);
        uint64_t now = server_memory(&server, "VmRSS:");
        most = now > most ? now : most;
    }
    printf("%d clients that ask for 1024 answers each: %.1f MiB more\n", ASKING,
           ((double)most - (double)before) / 1048576);
    check(SANITIZED || most < before + ((uint64_t)GROWTH_MIB << 20), "that is more than %d", (int)GROWTH_MIB);
    for (int i = 0; i < ASKING; i++)
        client_close(&c[i]);
    ordinary("many answers were asked for");
}

/* ---- large requests -------------------------------------------------------------------------------------------------------- */

static const struct load {
    const char *path, *before, *behind;
    int is_list;
} loads[] = {
    {"/tokenize", "{\"with_pieces\":true,\"content\":\"", "\"}", 0},
    {"/apply-template", "{\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}", 0},
    {"/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}", 0},
    {"/v1/messages", "{\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}", 0},
    {"/v1/responses", "{\"input\":\"", "\"}", 0},
    {"/v1/completions", "{\"prompt\":\"", "\"}", 0},
    {"/api/generate", "{\"stream\":false,\"prompt\":\"", "\"}", 0},
    {"/detokenize", "{\"tokens\":[", "]}", 1},
    {"/v1/messages/count_tokens", "{\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}", 0},
};
enum { LOADS = sizeof loads / sizeof *loads };

/* Whole answers, or refusals that say why: too long, too large, others first. */
static int is_answer(const struct reply *r)
{
    if (r->status == 200)
        return r->n > 0 && r->body[r->n - 1] == '}';
    return (r->status == 400 || r->status == 413 || r->status == 503) && strstr(r->body, "\"error\"") != NULL;
}

static void *post_large(void *arg)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    for (size_t i = 0; i < LOADS; i++) {
        const struct load *l = &loads[(i + (size_t)(intptr_t)arg * 2) % LOADS];
        size_t n;
        char *body = (l->is_list ? make_list : make_body)(l->before, l->is_list ? 500000 : large, l->behind, &n);
        int rc = client_ask(&c, "POST", l->path, body, n, &r, NULL, NULL);
        if (rc || !is_answer(&r)) {
            failed++;
            printf("FAILED: %s with %zu bytes: %d %.200s\n", l->path, n, rc ? rc : r.status, r.n ? r.body : "");
        } else if (getenv("VERBOSE")) {
            printf("%s: %d, %zu bytes: %.150s\n", l->path, r.status, r.n, r.status == 200 ? "" : r.body);
        }
        free(body);
    }
    client_close(&c);
    reply_free(&r);
    return NULL;
}

static void large_at_once(void)
{
    pthread_t thread[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        if (pthread_create(&thread[i], NULL, post_large, (void *)(intptr_t)i) != 0)
            abort();
    usleep(500000);
    ordinary("four clients send large bodies");
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(thread[i], NULL);
    ordinary("the large bodies are answered");
}

/* One word of a million letters, objects by the hundred thousand: much memory for few bytes. */
static void small_and_costly(void)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    size_t n;
    char *word = make_body("{\"content\":\"", 1000000, "\"}", &n);
    memset(word + 12, 'a', 1000000);
    check(client_ask(&c, "POST", "/tokenize", word, n, &r, NULL, NULL) == 0 && is_answer(&r),
          "one long word: %d %.200s", r.status, r.n ? r.body : "");
    char *objects = make_body("{\"content\":\"\",\"x\":[", 750000, "{}]}", &n);
    for (size_t i = 0; i < 750000; i += 3)
        memcpy(objects + 19 + i, "{},", 3);
    check(client_ask(&c, "POST", "/tokenize", objects, n, &r, NULL, NULL) == 0 && is_answer(&r),
          "250000 objects: %d %.200s", r.status, r.n ? r.body : "");
    client_close(&c);
    reply_free(&r);
    free(word);
    free(objects);
}

/* One string of 25 MB, below --max-body: it is read, and where it is a message its tokens are counted and reported. */
static void one_long_string(void)
{
    static const struct load {
        const char *path, *before, *behind;
    } chats[] = {
        {"/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}"},
        {"/v1/messages", "{\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}"},
        {"/v1/responses", "{\"input\":\"", "\"}"},
        {"/api/chat", "{\"messages\":[{\"role\":\"user\",\"content\":\"", "\"}]}"},
    };
    struct client c = {server.port, -1};
    struct reply r = {0};
    size_t n;
    char *body = make_body("{\"content\":\"", 25000000, "\"}", &n);
    check(client_ask(&c, "POST", "/tokenize", body, n, &r, NULL, NULL) == 0 && r.status == 200,
          "a string of 25 MB: %d %.200s", r.status, r.n ? r.body : "");
    free(body);
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++) {
        body = make_body(chats[i].before, 25000000, chats[i].behind, &n);
        int rc = client_ask(&c, "POST", chats[i].path, body, n, &r, NULL, NULL);
        check(rc == 0 && r.status == 400 && strstr(r.body, " tokens") && strstr(r.body, " 4096"),
              "%s with a message of 25 MB: %d %.200s", chats[i].path, r.status, r.n ? r.body : "");
        free(body);
    }
    client_close(&c);
    reply_free(&r);
}

static long long scored_tokens(struct client *c)
{
    static const char name[] = "\nstoker_scored_tokens_total ";
    struct reply r = {0};
    int rc = client_ask(c, "GET", "/metrics", "", 0, &r, NULL, NULL);
    const char *at = rc == 0 && r.n ? strstr(r.body, name) : NULL;
    long long n = at ? atoll(at + sizeof name - 1) : -1;
    reply_free(&r);
    return n;
}

/* So many prompts of n tokens each, with 20 alternatives a token; *size of it. */
static char *make_scored(int prompts, size_t n, size_t *size)
{
    char *body = malloc((size_t)prompts * (2 * n + 3) + 100), *to = body;
    if (!body)
        abort();
    to += sprintf(to, "{\"max_tokens\":0,\"prompt_logprobs\":20,\"prompt\":");
    for (int i = 0; i < prompts; i++) {
        *to++ = i ? ',' : '[';
        *to++ = '[';
        for (size_t k = 0; k < n; k++, to += 2)
            memcpy(to, "7,", 2);
        to[-1] = ']';
    }
    *size = (size_t)(to + sprintf(to, "]}") - body);
    return body;
}

/* What log-probabilities take as text is known from the prompts: more than there can be is refused before a token of them is computed. */
static void scores_that_do_not_fit(void)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    long long before = scored_tokens(&c);
    size_t n;
    char *body = make_scored(40, 3500, &n);
    check(client_ask(&c, "POST", "/v1/completions", body, n, &r, NULL, NULL) == 0 && r.status == 413,
          "140,000 tokens with 20 alternatives: %d %.200s", r.status, r.n ? r.body : "");
    free(body);
    long long after = scored_tokens(&c);
    check(before >= 0 && after == before, "%lld tokens were scored for an answer that cannot be", after - before);
    body = make_scored(1, 500, &n);
    check(client_ask(&c, "POST", "/v1/completions", body, n, &r, NULL, NULL) == 0 && r.status == 200 && is_answer(&r),
          "500 tokens with 20 alternatives: %d %.200s", r.status, r.n ? r.body : "");
    if (getenv("VERBOSE"))
        printf("500 tokens with 20 alternatives: %zu bytes\n", r.n);
    check(scored_tokens(&c) == after + 499, "%lld tokens were scored, not 499", scored_tokens(&c) - after);
    free(body);
    client_close(&c);
    reply_free(&r);
}

/* Objects in objects that take all memory, and behind them a number that fills the largest body there may be. */
static void full_and_a_number(void)
{
    enum { BODY = 32 << 20, DEEP = 120, LISTS = 2150 };
    static const char before[] = "{\"x\":[", between[] = "0],\"n\":";
    struct client c = {server.port, -1};
    struct reply r = {0};
    size_t n;
    char *body = make_body(before, BODY - 64, "}", &n), *to = body + sizeof before - 1;
    memset(to, '1', BODY - 64);
    for (int i = 0; i < LISTS; i++) {
        for (int k = 0; k < DEEP; k++, to += 4)
            memcpy(to, "{\"\":", 4);
        *to++ = '1';
        to = (char *)memset(to, '}', DEEP) + DEEP;
        *to++ = ',';
    }
    memcpy(to, between, sizeof between - 1);
    check(client_ask(&c, "POST", "/tokenize", body, n, &r, NULL, NULL) == 0 && is_answer(&r),
          "no memory left, and a long number: %d %.200s", r.status, r.n ? r.body : "");
    client_close(&c);
    reply_free(&r);
    free(body);
    ordinary("a long number");
}

/* ---- handlers that need much ------------------------------------------------------------------------------------------------ */

static void *ask_costly(void *arg)
{
    static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":1,"
                               "\"chat_template_kwargs\":{\"x\":1}}";
    struct client c = {server.port, -1};
    struct reply r = {0};
    int rc = client_ask(&c, "POST", "/v1/chat/completions", body, sizeof body - 1, &r, NULL, NULL);
    *(int *)arg = rc ? rc : r.status;
    client_close(&c);
    reply_free(&r);
    return NULL;
}

/* A template that takes some 20 MiB for a small request, by more clients than there is memory for: those who came last give up, the
 * others are answered. */
static void handlers_wait_for_each_other(const char *model, const char *log)
{
    enum { N = 12 };
    static const char text[] = "{% if x is defined %}{% set a = range(100000)|map('string')|list %}"
                               "{% set b = a|join(',') %}{{ b.split(',')|length }}{% else %}hi{% endif %}";
    char path[] = "/tmp/stoker-template-XXXXXX";
    const char *const arguments[] = {model, "--memory", "min", "--ctx", "1024", "--chat-template", path, NULL};
    int fd = mkstemp(path), status[N], answered = 0;
    pthread_t thread[N];
    if (fd < 0 || write(fd, text, sizeof text - 1) < 0 || server_start(&server, arguments, log) != 0 ||
        server_ready(&server, 60) != 0) {
        check(0, "the server does not start; its log is %s", log);
    } else {
        for (int i = 0; i < N; i++)
            if (pthread_create(&thread[i], NULL, ask_costly, &status[i]) != 0)
                abort();
        for (int i = 0; i < N; i++) {
            pthread_join(thread[i], NULL);
            /* under a sanitizer it is more than a template may take: that is its answer, too */
            check(status[i] == 200 || (SANITIZED && status[i] == 400) || status[i] == 503, "a costly template: %d",
                  status[i]);
            answered += status[i] != 503;
        }
        check(answered > 0, "of %d costly templates none was rendered to its end", N);
    }
    check(server.pid > 0 && server_end(&server, SIGTERM, 60) == 0, "the server did not end well; its log is %s", log);
    unlink(path);
    close(fd);
}

/* A byte more to each, until one of them is told that it was too slow. What the server has still to read of what came before puts that
 * off by up to 10 s for each 64 KiB, so bytes are counted here, not seconds: how many each has got. */
static int drip(struct client *c, size_t *sent, int n, const char *body, size_t most)
{
    for (size_t dripped = 0; dripped < most; dripped++, usleep(200000))
        for (int i = 0; i < n; i++) {
            char answer[2048] = "";
            ssize_t k = send(c[i].fd, body + sent[i], 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            sent[i] += k > 0;
            recv(c[i].fd, answer, sizeof answer - 1, MSG_PEEK | MSG_DONTWAIT);
            if (strstr(answer, "64 KiB in 10 s"))
                return 1;
        }
    return 0;
}

/* Bodies of less than 1 MiB that fill the memory and then bring a few bytes a second: who needs it gets it. */
static void memory_is_given_back(void)
{
    enum { DRIPPING = 200, DECLARED = 900000, SENT = 600000, DRIPPED = 1500 };
    static struct client c[DRIPPING];
    static size_t sent[DRIPPING];
    size_t n;
    char *body = make_body("{\"content\":\"", DECLARED - 14, "\"}", &n);
    struct client honest = {server.port, -1};
    struct reply r = {0};
    for (int i = 0; i < DRIPPING; i++)
        c[i] = begin_body(n, "", 0);
    for (int round = 0; round < 40; round++, usleep(50000))
        for (int i = 0; i < DRIPPING; i++) {
            ssize_t k = send(c[i].fd, body + sent[i], SENT - sent[i], MSG_NOSIGNAL | MSG_DONTWAIT);
            sent[i] += k > 0 ? (size_t)k : 0;
        }
    check(drip(c, sent, DRIPPING, body, DRIPPED), "no slow body got 408");
    check(client_ask(&honest, "POST", "/tokenize", body, n, &r, NULL, NULL) == 0 && r.status == 200,
          "a body beside %d that drip: %d %.200s", DRIPPING, r.status, r.n ? r.body : "");
    for (int i = 0; i < DRIPPING; i++)
        client_close(&c[i]);
    client_close(&honest);
    reply_free(&r);
    free(body);
}

/* Of a server that gives a body so much time that it ends none of them. */
static void dripping_ones(const char *model, const char *log)
{
    const char *const arguments[] = {model, "--memory", "min", "--ctx", "1024", "--body-timeout", "600", NULL};
    if (server_start(&server, arguments, log) != 0 || server_ready(&server, 60) != 0)
        check(0, "the server does not start; its log is %s", log);
    else
        memory_is_given_back();
    check(server.pid > 0 && server_end(&server, SIGTERM, 60) == 0, "the server did not end well; its log is %s", log);
}

int main(int argc, char **argv)
{
    const char *model = argc > 2 ? argv[2] : "models/ember/ember.gguf";
    char memory[16], log[] = "/tmp/stoker-memory-XXXXXX";
    large = argc > 1 ? (size_t)atoi(argv[1]) << 20 : SANITIZED ? 2 << 20 : large;
    snprintf(memory, sizeof memory, "%dM", MEMORY_MIB);
    int fd = mkstemp(log);
    const char *const arguments[] = {model, "--memory", memory, "--ctx", "4096", "--body-timeout", "15", NULL};
    if (fd < 0 || server_start(&server, arguments, log) != 0 || server_ready(&server, 60) != 0) {
        check(0, "the server does not start; its log is %s", log);
    } else {
        many_choices();
        declared_only();
        half_come();
        stands_still();
        slow_ones();
        in_nobodys_way();
        a_handler_waits();
        many_still();
        scores_that_do_not_fit();
        small_and_costly();
        if (!SANITIZED)
            one_long_string();
        full_and_a_number();
        large_at_once();
        uint64_t peak = server_memory(&server, "VmHWM:");
        printf("bodies of %zu MiB: peak %.1f MiB of %d\n", large >> 20, (double)peak / 1048576, MEMORY_MIB);
        check(SANITIZED || peak <= (uint64_t)MEMORY_MIB << 20, "the server took more than --memory");
    }
    int status = server.pid > 0 ? server_end(&server, SIGTERM, 60) : 0;
    check(status == 0, "the server ended with status %d; its log is %s", status, log);
    dripping_ones(model, log);
    handlers_wait_for_each_other(model, log);
    if (!failed)
        unlink(log);
    close(fd);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
