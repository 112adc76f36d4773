/* links: base
 *
 * A server under load: 64 clients of all dialects for a while, some of which hang up, some of which send nonsense, one of which reads
 * nothing. Every complete answer must equal, word for word, that of the same request alone; after the last client has left no sequence may
 * be busy, no request at work, no encoder make steps, and each form of request has its answer again; memory stays below --memory, and what
 * the process alone takes, swapped out or not (RssAnon + VmSwap), does not grow from half time on.
 *
 *     build/tests/load [SECONDS] [MODEL.gguf]        default 20 seconds, the embedded model; make load: 30 minutes
 *     build/tests/load --beside REQUESTS             so many requests, of the embedded model and of models of vectors and scores beside
 *                                                    it: texts and lists of them of all sizes, clients that leave before the answer
 *
 * Under ThreadSanitizer, which make tsan does not do:
 *
 *     tsan="BUILD=build-tsan SAN=-fsanitize=thread SAN_KERNEL=-fno-sanitize=all SAN_TEXT=-fno-sanitize=all"
 *     make $tsan build-tsan/stoker build-tsan/tests/load && STOKER=build-tsan/stoker build-tsan/tests/load --beside 2000 */
#include "base/rng.h"
#include "sanitized.h"
#include "server_client.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    CLIENTS = 64,
    ASKS = SANITIZED ? 28 : 160,
    GAP_BUCKETS = 30000, /* milliseconds */
    MEMORY_MIB = 512,
    GROWTH_MIB = 16, /* from half time to the end */
    STALL_SECONDS = 70,
    IDLE_SECONDS = SANITIZED ? 60 : 10 /* until a server that nobody asks has nothing to do */
};

struct ask {
    const char *path;
    char *body;
    size_t n;
    struct words alone;
    int is_text; /* its answer is vectors or scores, which are compared as they are written */
};

struct worker {
    pthread_t thread;
    int number, is_stalled;
    uint64_t drawn;
    unsigned *gap[2]; /* [GAP_BUCKETS] of answers, and of vectors and scores, whose pieces wait for older requests */
    int is_text;      /* the request is one of the latter */
    double last;      /* time of the last event of the stream; 0: none yet */
    size_t hang_up_at;
    size_t answers, hung_up, refused, busy, garbage;
};

static struct ask asks[ASKS];
static struct server_process server;
static atomic_int failures;
static double end_at;
static int n_form, most; /* forms of requests; with --beside: so many requests, and no time */
static atomic_int n_begun;
static pthread_mutex_t saying = PTHREAD_MUTEX_INITIALIZER;

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
    if (atomic_fetch_add(&failures, 1) >= 20)
        return;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&saying);
    printf("FAIL ");
    vprintf(format, args);
    printf("\n");
    pthread_mutex_unlock(&saying);
    va_end(args);
}

static uint64_t draw(struct worker *w, uint64_t n) { return rng_u64(40 + (uint64_t)w->number, w->drawn++, 0, 0) % n; }

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

#define LAMP                                                                                                           \
    "{\"type\":\"object\",\"properties\":{\"room\":{\"enum\":[\"kitchen\",\"hall\"]},\"on\":{\"type\":\"boolean\"}},"  \
    "\"required\":[\"room\",\"on\"],\"additionalProperties\":false}"

/* Words of a prompt; some requests share their beginnings, as those of real clients do. */
static void put_words(struct worker *w, char *out, size_t size, size_t n)
{
    static const char *const words[] = {"river", "stone", "lamp",   "seven",  "under",  "green",  "engine", "paper",
                                        "north", "salt",  "quiet ", "copper", "window", "ladder", "winter", "naïve"};
    size_t k = (size_t)snprintf(out, size, "Group %d. ", (int)draw(w, 6));
    for (size_t i = 0; i < n && k + 16 < size; i++)
        k += (size_t)snprintf(out + k, size - k, "%s ", words[draw(w, 16)]);
}

enum { FORMS = 7, TEXT_FORMS = 6 };

static void make_ask(struct worker *w, struct ask *a, int form)
{
    static const char *const paths[FORMS] = {"/v1/chat/completions", "/v1/chat/completions", "/v1/chat/completions",
                                             "/v1/messages",         "/v1/messages",         "/api/chat",
                                             "/v1/completions"};
    static const char *const formats[FORMS] = {"{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"stream\":true,"
                                               "\"max_tokens\":%d,\"temperature\":%d.5,\"seed\":%d,"
                                               "\"stream_options\":{\"include_usage\":true}}",
                                               "{\"messages\":[{\"role\":\"system\",\"content\":\"You are "
                                               "brief.\"},{\"role\":\"user\",\"content\":\"%s\"}],\"max_tokens\":"
                                               "%d,\"top_p\":0.%d9,\"seed\":%d,\"response_format\":{\"type\":\"json_"
                                               "schema\",\"json_schema\":{\"name\":\"lamp\","
                                               "\"schema\":" LAMP "}}}",
                                               "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"stream\":true,"
                                               "\"max_tokens\":1%d,\"temperature\":%d,\"seed\":%d,"
                                               "\"tool_choice\":\"required\",\"parallel_tool_calls\":false,\"tools\":[{"
                                               "\"type\":\"function\",\"function\":{\"name\":"
                                               "\"set_lamp\",\"parameters\":" LAMP "}}]}",
                                               "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"stream\":true,"
                                               "\"max_tokens\":%d,\"temperature\":0,\"top_k\":%d,"
                                               "\"metadata\":{\"user_id\":\"%d\"}}",
                                               ("{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"max_tokens\":"
                                                "1%d,\"temperature\":0,\"top_k\":%d,\"metadata\":"
                                                "{\"user_id\":\"%d\"},\"tool_choice\":{\"type\":\"any\",\"disable_"
                                                "parallel_tool_use\":true},\"tools\":[{\"name\":"
                                                "\"set_lamp\",\"input_schema\":" LAMP "}]}"),
                                               "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}],\"options\":{"
                                               "\"num_predict\":%d,\"temperature\":%d.25,\"seed\":%d}}",
                                               "{\"prompt\":\"%s\",\"max_tokens\":%d,\"temperature\":%d,\"seed\":%d}"};
    char text[4096], body[8192];
    put_words(w, text, sizeof text, 4 + draw(w, draw(w, 4) ? 40 : 300));
    a->path = paths[form];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    a->n = (size_t)snprintf(body, sizeof body, formats[form], text, (int)(10 + draw(w, 40)), (int)draw(w, 2),
                            (int)draw(w, 1000));
#pragma GCC diagnostic pop
    a->body = strdup(body);
}

/* A list of texts, from one to hundreds, from a word to more than the context. */
static void put_texts(struct worker *w, struct words *out)
{
    char text[1024];
    size_t n = draw(w, 8) ? 1 + draw(w, 12) : 1 + draw(w, 300);
    for (size_t i = 0; i < n; i++) {
        put_words(w, text, sizeof text, draw(w, draw(w, 4) ? 8 : 80));
        words_add(out, i ? ",\"" : "\"", i ? 2 : 1);
        words_add(out, text, strlen(text));
        words_add(out, "\"", 1);
    }
}

/* Vectors in four forms, scores in two. */
static void make_text_ask(struct worker *w, struct ask *a, int form)
{
    static const struct {
        const char *path, *begin, *end;
    } forms[TEXT_FORMS] = {
        {"/v1/embeddings", "{\"input\":[", "],\"truncate\":true}"},
        {"/v1/embeddings", "{\"encoding_format\":\"base64\",\"dimensions\":7,\"truncate\":true,\"input\":[", "]}"},
        {"/api/embed", "{\"model\":\"nomic-bert\",\"options\":{\"num_ctx\":8192},\"input\":[", "]}"},
        {"/embedding", "{\"embd_normalize\":-1,\"truncate\":true,\"content\":[", "]}"},
        {"/v1/rerank", "{\"query\":\"a lamp of stone\",\"top_n\":20,\"documents\":[", "]}"},
        {"/rerank", "{\"query\":\"winter\",\"return_text\":true,\"texts\":[", "]}"}};
    struct words body = {0};
    words_add(&body, forms[form].begin, strlen(forms[form].begin));
    put_texts(w, &body);
    words_add(&body, forms[form].end, strlen(forms[form].end));
    *a = (struct ask){.path = forms[form].path, .body = body.text, .n = body.n, .is_text = 1};
}

/* Of vectors and scores all but durations, which stand at the end. */
static void read_answer(const struct ask *a, struct words *out, const struct reply *r)
{
    if (!a->is_text) {
        words_read(out, r);
        return;
    }
    const char *durations = strstr(r->body, "],\"total_duration\"");
    out->n = 0;
    out->failed = r->n < 3 || !strchr("]}", r->body[r->n - 1]);
    words_add(out, r->body, durations ? (size_t)(durations - r->body) : r->n);
}

/* The answer to each request when it is the only one. */
static int record(void)
{
    struct worker w = {0};
    struct client c = {server.port, -1};
    struct reply r = {0};
    for (int i = 0; i < ASKS; i++) {
        if (i % n_form < FORMS)
            make_ask(&w, &asks[i], i % n_form);
        else
            make_text_ask(&w, &asks[i], i % n_form - FORMS);
        int rc = client_ask(&c, "POST", asks[i].path, asks[i].body, asks[i].n, &r, NULL, NULL);
        if (rc == 0)
            read_answer(&asks[i], &asks[i].alone, &r);
        if (rc != 0 || r.status != 200 || asks[i].alone.failed) {
            fail("%s %.300s: status %d: %.200s", asks[i].path, asks[i].body, r.status, r.body ? r.body : "");
            break;
        }
    }
    client_close(&c);
    reply_free(&r);
    return failures ? -1 : 0;
}

/* ---- clients --------------------------------------------------------------------------------------------------------------- */

static int take_progress(void *arg, struct reply *r)
{
    struct worker *w = arg;
    double now = clock_seconds();
    if (w->last > 0 && !w->hang_up_at) {
        double ms = (now - w->last) * 1e3;
        w->gap[w->is_text][ms < GAP_BUCKETS - 1 ? (int)ms : GAP_BUCKETS - 1]++;
    }
    w->last = now;
    return w->hang_up_at && r->n >= w->hang_up_at;
}

/* A request that is sent, whole or in part, and nobody is there for its answer. */
static void leave_early(struct worker *w)
{
    const struct ask *a = &asks[draw(w, ASKS)];
    struct client c = {server.port, -1};
    if (client_connect(&c) == 0 && client_head(&c, "POST", a->path, a->n) == 0) {
        client_send(&c, a->body, draw(w, 3) ? a->n : draw(w, a->n));
        usleep((useconds_t)draw(w, draw(w, 2) ? 3000 : 300000));
        w->hung_up++;
    }
    client_close(&c);
}

static void ask_one(struct worker *w, struct client *c, struct reply *r)
{
    struct ask *a = &asks[draw(w, ASKS)];
    struct words words = {0};
    w->last = 0;
    w->is_text = a->is_text;
    w->hang_up_at = draw(w, 6) ? 0 : 1 + draw(w, 1500);
    int rc = client_ask(c, "POST", a->path, a->body, a->n, r, take_progress, w);
    if (rc < 0) {
        fail("%s: the connection broke, status %d", a->path, r->status);
    } else if (rc > 0) {
        w->hung_up++;
    } else if (r->status == 429) {
        w->busy++;
        usleep(100000 + (useconds_t)draw(w, 900000));
    } else {
        read_answer(a, &words, r);
        w->answers++;
        if (r->status != 200 || words.failed || words.n != a->alone.n ||
            memcmp(words.text, a->alone.text, words.n) != 0)
            fail("%s %.500s: status %d, \"%.500s\", alone \"%.500s\"", a->path, a->body, r->status, words.text,
                 a->alone.text);
    }
    free(words.text);
}

/* Refused with a sentence, and the connection goes on. */
static void ask_nonsense(struct worker *w, struct client *c, struct reply *r)
{
    static const struct {
        const char *method, *path, *body;
        int status;
    } nonsense[] = {
        {"POST", "/v1/chat/completions", "{", 400},
        {"POST", "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\"}]}", 400},
        {"POST", "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}", 400},
        {"POST", "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"top_p\":7}", 400},
        {"POST", "/v1/messages", "{\"messages\":[]}", 400},
        {"POST", "/v1/messages", "[[[[[[", 400},
        {"POST", "/api/chat", "{\"model\":\"other\",\"messages\":[]}", 404},
        {"POST", "/v1/completions", "{\"prompt\":{}}", 400},
        {"POST", "/no/such/route", "{}", 404},
        {"GET", "/v1/chat/completions", "", 405},
        {"POST", "/v1/embeddings", "{\"input\":[", 400}, /* from here on of the models beside */
        {"POST", "/v1/embeddings", "{\"input\":[]}", 400},
        {"POST", "/v1/embeddings", "{\"input\":[\"a\",1]}", 400},
        {"POST", "/v1/embeddings", "{\"input\":[99999999]}", 400},
        {"POST", "/v1/embeddings", "{\"input\":null}", 400},
        {"POST", "/v1/embeddings", "{\"input\":\"a\",\"dimensions\":0}", 400},
        {"POST", "/v1/embeddings", "{\"input\":\"a\",\"encoding_format\":\"int8\"}", 400},
        {"POST", "/v1/embeddings", "{\"model\":\"bert-rank\",\"input\":\"a\"}", 400},
        {"POST", "/api/embed", "{\"model\":\"nowhere\",\"input\":\"a\"}", 404},
        {"POST", "/embedding", "{\"content\":{}}", 400},
        {"POST", "/v1/rerank", "{\"query\":\"a\"}", 400},
        {"POST", "/v1/rerank", "{\"query\":\"\",\"documents\":[\"a\"]}", 400},
        {"POST", "/rerank", "{\"query\":\"a\",\"documents\":[7]}", 400}};
    enum { OF_ALL = 10 };
    size_t i = draw(w, most ? sizeof nonsense / sizeof *nonsense : OF_ALL);
    int rc = client_ask(c, nonsense[i].method, nonsense[i].path, nonsense[i].body, strlen(nonsense[i].body), r, NULL,
                        NULL);
    w->refused++;
    if (rc != 0 || r->status != nonsense[i].status)
        fail("%s %s: status %d, not %d", nonsense[i].path, nonsense[i].body, rc == 0 ? r->status : -1,
             nonsense[i].status);
}

/* Bytes that are no request, or the beginning of one; then the connection is closed. */
static void send_garbage(struct worker *w)
{
    static const char begun[] =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n{\"mess";
    struct client c = {server.port, -1};
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)draw(w, 256);
    if (client_connect(&c) == 0) {
        int is_begun = (int)draw(w, 2);
        client_send(&c, is_begun ? begun : bytes, draw(w, is_begun ? sizeof begun : sizeof bytes));
        w->garbage++;
    }
    client_close(&c);
}

/* A stream that nobody reads. */
static void stall(struct worker *w)
{
    static const char body[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Count.\"}],\"stream\":true,\"ignore_eos\":true,"
        "\"max_tokens\":2000,\"logprobs\":true,\"top_logprobs\":20}";
    struct client c = {server.port, -1};
    int small = 4096;
    if (client_connect(&c) != 0)
        return;
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_head(&c, "POST", "/v1/chat/completions", sizeof body - 1);
    client_send(&c, body, sizeof body - 1);
    w->garbage++;
    for (int i = 0; i < STALL_SECONDS * 10 && clock_seconds() < end_at; i++)
        usleep(100000);
    client_close(&c);
}

static void *run_client(void *arg)
{
    struct worker *w = arg;
    struct client c = {server.port, -1};
    struct reply r = {0};
    while (clock_seconds() < end_at && failures < 20 && (!most || atomic_fetch_add(&n_begun, 1) < most)) {
        uint64_t what = draw(w, 20);
        if (w->is_stalled)
            stall(w);
        else if (most && what < 2)
            leave_early(w);
        else if (what < 17)
            ask_one(w, &c, &r);
        else if (what < 19)
            ask_nonsense(w, &c, &r);
        else
            send_garbage(w);
    }
    client_close(&c);
    reply_free(&r);
    return NULL;
}

/* ---- the end --------------------------------------------------------------------------------------------------------------- */

static int get(struct client *c, const char *path, struct reply *r)
{
    if (client_get(c, path, r) == 0)
        return 0;
    fail("%s: status %d", path, r->status);
    return -1;
}

/* Steps of encoders so far. */
static double steps_beside(struct client *c, struct reply *r)
{
    return get(c, "/metrics", r) == 0 ? server_metric(r, "stoker_embed_step_seconds_count") +
                                            server_metric(r, "stoker_rerank_step_seconds_count")
                                      : -1;
}

/* A request of each form, when it is the only one again. */
static void ask_again(struct client *c, struct reply *r)
{
    struct words words = {0};
    for (int i = 0; i < n_form && failures < 20; i++) {
        const struct ask *a = &asks[i];
        int rc = client_ask(c, "POST", a->path, a->body, a->n, r, NULL, NULL);
        if (rc == 0)
            read_answer(a, &words, r);
        if (rc != 0 || r->status != 200 || words.n != a->alone.n || memcmp(words.text, a->alone.text, words.n) != 0)
            fail("%s %.300s: another answer when all have left: status %d", a->path, a->body, rc ? rc : r->status);
    }
    free(words.text);
}

/* Within so many seconds of the last client. */
static void check_idle(void)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    double until = clock_seconds() + IDLE_SECONDS;
    int idle = 0;
    while (!idle && clock_seconds() < until && failures < 20) {
        idle = server_is_idle(&c, &r);
        if (!idle)
            usleep(100000);
    }
    if (!idle)
        fail("a request is stuck: %g at work, %g in the queue, or a sequence",
             server_metric(&r, "stoker_requests_running"), server_metric(&r, "stoker_queue_depth"));
    double steps = idle ? steps_beside(&c, &r) : 0;
    usleep(300000);
    if (idle && steps_beside(&c, &r) != steps)
        fail("an encoder makes steps when nobody asks");
    if (idle)
        ask_again(&c, &r);
    client_close(&c);
    reply_free(&r);
}

static double quantile(const unsigned *gap, double q)
{
    uint64_t all = 0, sum = 0;
    for (int i = 0; i < GAP_BUCKETS; i++)
        all += gap[i];
    for (int i = 0; i < GAP_BUCKETS; i++)
        if ((sum += gap[i]) >= (uint64_t)(q * (double)all) && sum)
            return i;
    return 0;
}

static void report(struct worker *workers, double seconds, uint64_t half, uint64_t last)
{
    static unsigned gap[2][GAP_BUCKETS];
    struct worker sum = {0};
    for (int i = 0; i <= CLIENTS; i++) {
        struct worker *w = &workers[i];
        sum.answers += w->answers, sum.hung_up += w->hung_up, sum.refused += w->refused;
        sum.busy += w->busy, sum.garbage += w->garbage;
        for (int k = 0; k < GAP_BUCKETS; k++) {
            gap[0][k] += w->gap[0][k];
            gap[1][k] += w->gap[1][k];
        }
    }
    uint64_t peak = server_memory(&server, "VmHWM:");
    printf("%d clients, %.0f s: %zu answers, %zu hung up, %zu refused, %zu sent away by a full queue, %zu garbage\n",
           CLIENTS, seconds, sum.answers, sum.hung_up, sum.refused, sum.busy, sum.garbage);
    for (int i = 0; i < (most ? 2 : 1); i++)
        printf("between pieces of %s: median %.0f ms, p99 %.0f ms, longest %.0f ms\n",
               i ? "vectors and scores" : "a stream", quantile(gap[i], 0.5), quantile(gap[i], 0.99),
               quantile(gap[i], 1));
    printf("memory: peak %.1f MiB of %d, at half time %.1f, at the end %.1f\n", (double)peak / 1048576, MEMORY_MIB,
           (double)half / 1048576, (double)last / 1048576);
    if (sum.answers < (size_t)(most ? most / 3 : CLIENTS) || !sum.hung_up || !sum.refused)
        fail("that was no load");
    if (!SANITIZED && peak > (uint64_t)MEMORY_MIB << 20)
        fail("the server took more than --memory");
    if (!SANITIZED && last > half + ((uint64_t)GROWTH_MIB << 20))
        fail("memory grew by more than %d MiB in the second half", GROWTH_MIB);
}

static void run_load(double seconds)
{
    static struct worker workers[CLIENTS + 1]; /* the last one stalls */
    uint64_t half;
    double began = clock_seconds();
    end_at = most ? began + 1e9 : began + seconds;
    for (int i = 0; i <= CLIENTS; i++) {
        workers[i] = (struct worker){.number = i + 1, .is_stalled = i == CLIENTS && !most};
        unsigned *gap = calloc(2 * GAP_BUCKETS, sizeof *gap);
        workers[i].gap[0] = gap;
        workers[i].gap[1] = gap + GAP_BUCKETS;
        if (!gap || pthread_create(&workers[i].thread, NULL, run_client, &workers[i]) != 0)
            abort();
    }
    while (most ? n_begun < most / 2 && failures < 20 : clock_seconds() < end_at - seconds / 2)
        usleep(100000);
    half = server_own_memory(&server);
    for (int i = 0; i <= CLIENTS; i++)
        pthread_join(workers[i].thread, NULL);
    check_idle();
    report(workers, clock_seconds() - began, half, server_own_memory(&server));
    for (int i = 0; i <= CLIENTS; i++)
        free(workers[i].gap[0]);
}

int main(int argc, char **argv)
{
    int beside = argc > 2 && strcmp(argv[1], "--beside") == 0;
    double seconds = !beside && argc > 1 ? atof(argv[1]) : 20;
    const char *model = !beside && argc > 2 ? argv[2] : "models/ember/ember.gguf";
    char memory[16], log[] = "/tmp/stoker-load-XXXXXX";
    snprintf(memory, sizeof memory, "%dM", MEMORY_MIB);
    int fd = mkstemp(log);
    const char *const arguments[] = {model,
                                     "--memory",
                                     memory,
                                     "--ctx",
                                     "4096",
                                     "--queue",
                                     "48",
                                     beside ? "--embed" : NULL,
                                     TEST_DATA "/embeddings/nomic-bert.gguf",
                                     "--rerank",
                                     TEST_DATA "/embeddings/bert-rank.gguf",
                                     NULL};
    most = beside ? atoi(argv[2]) : 0;
    n_form = beside ? FORMS + TEXT_FORMS : FORMS;
    if (fd < 0 || server_start(&server, arguments, log) != 0 || server_ready(&server, 60) != 0)
        fail("the server does not start; its log is %s", log);
    else if (record() == 0)
        run_load(seconds);
    int status = server.pid > 0 ? server_end(&server, SIGTERM, 60) : 0;
    if (status != 0)
        fail("the server ended with status %d; its log is %s", status, log);
    if (!failures)
        unlink(log);
    close(fd);
    for (int i = 0; i < ASKS; i++) {
        free(asks[i].body);
        free(asks[i].alone.text);
    }
    printf("%d passed, %d failed, 0 skipped\n", failures ? 0 : 1, failures);
    return failures != 0;
}
