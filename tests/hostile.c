/* links: base
 *
 * A server with hostile clients: hostile [SECONDS] [SEED] (20 seconds; half an hour by hand). 24 clients ask in every dialect, with
 * tools and schemas of which a third are those of schema_writer.h that cost more than they look like. The server's chat template is
 * the embedded model's behind tests/data/hostile/attacks.jinja: where a dialect gives its template variables, a request in six chooses
 * one of its attacks. Some hang up in the middle of a request or of an answer, close their half, or read slowly.
 *
 * No answer may be a 5xx but 503; the server survives, is idle soon after the last client, and stops when asked to; its memory stays within
 * the plan. Reported, but not checked: streams that fail after their status line, and how long a neighbour waits between two tokens of a
 * plain stream. */
#include "base/rng.h"
#include "sanitized.h"
#include "schema_writer.h"
#include "server_client.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    CLIENTS = 24,
    MEMORY_MIB = 512,
    CHOICES = 4096,
    ATTACKS = 15, /* of attacks.jinja, and one that is none */
    IDLE_SECONDS = SANITIZED ? 300
                             : 60, /* time that a hostile schema may still take after its client has disconnected */
    SHOWN = 12                     /* failures that are printed in full */
};

enum dialect { CHAT, RESPONSES, COMPLETIONS, MESSAGES, OLLAMA_CHAT, OLLAMA_GENERATE, DIALECTS };

/* What a client does with its connection. */
enum manner { READS, READS_SLOWLY, CLOSES_ITS_HALF, LEAVES_THE_ANSWER, LEAVES_THE_REQUEST };

struct worker {
    pthread_t thread;
    int number;
    uint64_t drawn;
    struct words body;
    struct schema_writer *schema;
    uint64_t choices[CHOICES / 8];
};

static struct server_process server;
static atomic_int failures, is_over;
static atomic_uint answers[600], left, broken_off, unreachable, failed_later;
static uint64_t seed = 1;
static char *tool_sets[64]; /* JSON of the embedded model's own prompts */
static size_t n_tool_sets;
static pthread_mutex_t saying = PTHREAD_MUTEX_INITIALIZER;
static double longest_gap; /* seconds; the neighbour's until it is joined */
static size_t neighbour_tokens;

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
    if (atomic_fetch_add(&failures, 1) >= SHOWN)
        return;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&saying);
    printf("FAIL ");
    vprintf(format, args);
    printf("\n");
    fflush(stdout);
    pthread_mutex_unlock(&saying);
    va_end(args);
}

static uint64_t draw(struct worker *w, uint64_t n) { return rng_u64(seed, (uint64_t)w->number, w->drawn++, 0) % n; }

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void say(struct words *out, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    words_add(out, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static void say_schema(struct worker *w, int is_hostile)
{
    for (size_t i = 0; i < CHOICES / 8; i++)
        w->choices[i] = draw(w, UINT64_MAX);
    w->schema->data = (const uint8_t *)w->choices;
    w->schema->n = CHOICES;
    w->schema->at = w->schema->length = 0;
    w->schema->depth = 0;
    schema_write(w->schema, is_hostile ? (enum schema_kind)draw(w, SCHEMA_KINDS) : SCHEMA_ORDINARY);
    words_add(&w->body, w->schema->text, w->schema->length);
}

static void say_tools(struct worker *w, enum dialect d, int is_hostile)
{
    static const char *const open[DIALECTS] = {
        [CHAT] = "{\"type\":\"function\",\"function\":{\"name\":\"tool_%u\",\"parameters\":",
        [RESPONSES] = "{\"type\":\"function\",\"name\":\"tool_%u\",\"parameters\":",
        [MESSAGES] = "{\"name\":\"tool_%u\",\"input_schema\":",
        [OLLAMA_CHAT] = "{\"type\":\"function\",\"function\":{\"name\":\"tool_%u\",\"parameters\":"};
    if (!open[d])
        return;
    say(&w->body, ",\"tools\":");
    if ((d == CHAT || d == OLLAMA_CHAT) && !is_hostile && n_tool_sets && draw(w, 2)) {
        const char *set = tool_sets[draw(w, n_tool_sets)];
        words_add(&w->body, set, strlen(set));
    } else {
        for (unsigned i = 0, n = 1 + (unsigned)draw(w, 4); i < n; i++) {
            say(&w->body, "%s", i ? "," : "[");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            say(&w->body, open[d], i);
#pragma GCC diagnostic pop
            say_schema(w, is_hostile);
            say(&w->body, d == CHAT || d == OLLAMA_CHAT ? "}}" : "}");
        }
        say(&w->body, "]");
    }
    if (draw(w, 3) && d == MESSAGES)
        say(&w->body, ",\"tool_choice\":{\"type\":\"any\"}");
    else if (draw(w, 3) && d != OLLAMA_CHAT)
        say(&w->body, ",\"tool_choice\":\"%s\"", draw(w, 5) ? "required" : "auto");
}

/* The answer has a schema. */
static void say_format(struct worker *w, enum dialect d, int is_hostile)
{
    static const char *const open[DIALECTS] =
        {",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\",\"strict\":%s,\"schema\":",
         ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"s\",\"strict\":%s,\"schema\":",
         ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"s\",\"strict\":%s,\"schema\":",
         ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":",
         ",\"format\":",
         ",\"format\":"},
                             *const close[DIALECTS] = {"}}", "}}", "}}", "}}", "", ""};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    say(&w->body, open[d], draw(w, 2) ? "true" : "false");
#pragma GCC diagnostic pop
    say_schema(w, is_hostile);
    say(&w->body, "%s", close[d]);
}

static void say_limits(struct worker *w, enum dialect d)
{
    unsigned most = 1 + (unsigned)draw(w, draw(w, 3) ? 60 : 400), hot = (unsigned)draw(w, 3),
             number = (unsigned)draw(w, 1000);
    const char *stream = draw(w, 2) ? "true" : "false";
    if (d == OLLAMA_CHAT || d == OLLAMA_GENERATE)
        say(&w->body, ",\"stream\":%s,\"options\":{\"num_predict\":%u,\"temperature\":%u,\"seed\":%u}", stream, most,
            hot, number);
    else
        say(&w->body, ",\"stream\":%s,\"%s\":%u,\"temperature\":%u", stream,
            d == RESPONSES ? "max_output_tokens" : "max_tokens", most, d == MESSAGES && hot > 1 ? 1 : hot);
    if (d == CHAT || d == COMPLETIONS)
        say(&w->body, ",\"seed\":%u,\"logprobs\":%s", number, d == COMPLETIONS ? "1" : draw(w, 4) ? "false" : "true");
}

/* Variables of the template. */
static void say_attack(struct worker *w, enum dialect d)
{
    static const unsigned sizes[] = {1, 12, 40, 400, 4000, 100000, 4000000};
    if (d != CHAT && d != RESPONSES)
        return;
    say(&w->body, ",\"chat_template_kwargs\":{\"attack\":%u,\"size\":%u,\"value\":", (unsigned)draw(w, ATTACKS),
        sizes[draw(w, sizeof sizes / sizeof *sizes)]);
    say_schema(w, (int)draw(w, 2));
    say(&w->body, "}");
}

static enum dialect compose(struct worker *w)
{
    static const char *const open[DIALECTS] = {"\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]",
                                               "\"input\":\"%s\"",
                                               "\"prompt\":\"%s\"",
                                               "\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]",
                                               "\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]",
                                               "\"prompt\":\"%s\""},
                             *const prompts[] = {"What is the weather in Bergen?", "Write down whatever fits.",
                                                 "Compute 37 * 489 and say what you found.", "x"};
    enum dialect d = (enum dialect)draw(w, DIALECTS);
    int is_hostile = draw(w, 3) == 0, what = (int)draw(w, is_hostile ? 2 : 4);
    w->body.n = 0;
    say(&w->body, "{");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    say(&w->body, open[d], prompts[draw(w, 4)]);
#pragma GCC diagnostic pop
    say_limits(w, d);
    if (what == 0)
        say_tools(w, d, is_hostile);
    else if (what == 1)
        say_format(w, d, is_hostile);
    if (draw(w, 6) == 0)
        say_attack(w, d);
    say(&w->body, "}");
    return d;
}

/* ---- clients --------------------------------------------------------------------------------------------------------------- */

/* More bytes. 1 some, 0 the other side closed, -1 broken; -2 the time is over. */
static int wait_and_read(struct client *c, struct reply *r, int is_slow)
{
    struct pollfd p = {c->fd, POLLIN, 0};
    while (!is_over) {
        if (poll(&p, 1, 200) <= 0)
            continue;
        if (!is_slow)
            return reply_read(c, r);
        reply_grow(&r->raw, &r->raw_capacity, r->n_raw + 64);
        ssize_t k = recv(c->fd, r->raw + r->n_raw, 40, 0);
        r->n_raw += k > 0 ? (size_t)k : 0;
        usleep(20000);
        return k > 0 ? 1 : (int)k;
    }
    return -2;
}

static void read_answer(struct worker *w, struct client *c, struct reply *r, enum manner manner, const char *path)
{
    size_t leave_at = manner == LEAVES_THE_ANSWER ? 1 + draw(w, 3000) : SIZE_MAX;
    int got = 1, status = 0;
    r->n_raw = 0;
    while (r->n_raw < leave_at && (got = wait_and_read(c, r, manner == READS_SLOWLY)) == 1)
        ;
    reply_grow(&r->raw, &r->raw_capacity, r->n_raw + 1);
    r->raw[r->n_raw] = 0;
    if (sscanf(r->raw, "HTTP/1.1 %d", &status) == 1 && status >= 100 && status < 600)
        answers[status]++;
    if (status >= 500 && status != 503) {
        const char *text = strstr(r->raw, "\r\n\r\n");
        fail("%s: %.600s\n     asked: %.*s", path, text ? text + 4 : r->raw, (int)(w->body.n < 600 ? w->body.n : 600),
             w->body.text);
    }
    failed_later += status == 200 && strstr(r->raw, "\"type\":\"server_error\"") != NULL;
    if (got == -2 || r->n_raw >= leave_at)
        left++;
    else if (got < 0 || !status)
        manner == CLOSES_ITS_HALF ? left++
                                  : broken_off++; /* a client that closes its sending side counts as disconnected */
}

static void ask_one(struct worker *w, struct reply *r)
{
    static const char *const paths[DIALECTS] = {"/v1/chat/completions", "/v1/responses", "/v1/completions",
                                                "/v1/messages",         "/api/chat",     "/api/generate"};
    struct client c = {server.port, -1};
    enum dialect d = compose(w);
    uint64_t lot = draw(w, 20);
    enum manner manner = lot < 13 ? READS : (enum manner)(READS + (lot - 12) % 5);
    size_t n = manner == LEAVES_THE_REQUEST ? draw(w, w->body.n) : w->body.n;
    char head[256];
    int k = snprintf(head, sizeof head,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                     paths[d], server.port, w->body.n);
    if (client_connect(&c) != 0) {
        unreachable++;
        usleep(100000);
        return;
    }
    int sent = client_send(&c, head, (size_t)k) == 0 && client_send(&c, w->body.text, n) == 0;
    if (manner == LEAVES_THE_REQUEST)
        left++;
    else if (sent && manner == CLOSES_ITS_HALF)
        shutdown(c.fd, SHUT_WR);
    if (manner != LEAVES_THE_REQUEST)
        read_answer(w, &c, r, manner, paths[d]);
    client_close(&c);
}

static void *run_client(void *arg)
{
    struct worker *w = arg;
    struct reply r = {0};
    while (!is_over)
        ask_one(w, &r);
    reply_free(&r);
    return NULL;
}

/* ---- the neighbour --------------------------------------------------------------------------------------------------------- */

static int token_came(void *arg, struct reply *r)
{
    double *last = arg, now = clock_seconds();
    (void)r;
    if (*last > 0 && now - *last > longest_gap)
        longest_gap = now - *last;
    *last = now;
    neighbour_tokens++;
    return is_over;
}

/* Plain streams, one after another. */
static void *run_neighbour(void *arg)
{
    static const char body[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Count.\"}],\"stream\":true,\"ignore_eos\":true,"
        "\"max_tokens\":600}";
    struct client c = {server.port, -1};
    struct reply r = {0};
    (void)arg;
    while (!is_over) {
        double last = 0;
        if (client_ask(&c, "POST", "/v1/chat/completions", body, sizeof body - 1, &r, token_came, &last) != 0 ||
            r.status != 200)
            usleep(100000);
    }
    client_close(&c);
    reply_free(&r);
    return NULL;
}

/* ---- the server ------------------------------------------------------------------------------------------------------------ */

/* Bytes of the server's own memory, resident or swapped. */
static uint64_t anonymous(void) { return server_memory(&server, "RssAnon:") + server_memory(&server, "VmSwap:"); }

static uint64_t planned(void)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    json_t *plan = NULL;
    if (client_ask(&c, "GET", "/stoker/plan", "", 0, &r, NULL, NULL) == 0 && r.status == 200)
        plan = json_loadb(r.body, r.n, 0, NULL);
    uint64_t bytes = (uint64_t)json_integer_value(json_object_get(plan, "total"));
    if (!bytes)
        fail("/stoker/plan does not say what is planned: %.200s", r.body ? r.body : "");
    json_decref(plan);
    client_close(&c);
    reply_free(&r);
    return bytes;
}

/* Every sequence idle some time after the last client. Returns how long it took; -1: it did not. */
static double until_idle(void)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    double began = clock_seconds(), took = -1;
    while (took < 0 && clock_seconds() < began + IDLE_SECONDS) {
        int known = client_ask(&c, "GET", "/slots", "", 0, &r, NULL, NULL) == 0 && r.status == 200;
        if (known && !strstr(r.body, "\"is_processing\":true"))
            took = clock_seconds() - began;
        else
            usleep(100000);
    }
    client_close(&c);
    reply_free(&r);
    return took;
}

static int is_alive(void) { return kill(server.pid, 0) == 0 && waitpid(server.pid, NULL, WNOHANG) == 0; }

static void report(double seconds, uint64_t plan, uint64_t warm, uint64_t peak, double idle)
{
    unsigned all = 0;
    printf("%d clients, %.0f s:", CLIENTS, seconds);
    for (int status = 0; status < 600; status++) {
        all += answers[status];
        if (answers[status])
            printf(" %d: %u,", status, answers[status]);
    }
    printf(" %u left, %u broken off, %u unreachable, %u failed behind a 200\n", left, broken_off, unreachable,
           failed_later);
    printf("a neighbour: %zu tokens, longest gap %.2f s; idle %.1f s after the last client\n", neighbour_tokens,
           longest_gap, idle);
    printf("memory: at most %.1f MiB while warming up, %.1f MiB after, planned %.1f MiB\n", (double)warm / 1048576,
           (double)peak / 1048576, (double)plan / 1048576);
    if (all < CLIENTS || !answers[200] || !answers[400] || !left)
        fail("that was no load");
}

static void run(double seconds)
{
    static struct worker workers[CLIENTS];
    pthread_t neighbour;
    uint64_t plan = planned(), warm = 0, peak = 0;
    double began = clock_seconds();
    int alive = 1;
    for (int i = 0; i < CLIENTS; i++) {
        workers[i] = (struct worker){.number = i, .schema = calloc(1, sizeof *workers[i].schema)};
        if (!workers[i].schema || pthread_create(&workers[i].thread, NULL, run_client, &workers[i]) != 0)
            abort();
    }
    if (pthread_create(&neighbour, NULL, run_neighbour, NULL) != 0)
        abort();
    while (alive && clock_seconds() < began + seconds) {
        uint64_t now = anonymous(), *most = clock_seconds() < began + seconds / 4 ? &warm : &peak;
        *most = now > *most ? now : *most;
        alive = is_alive();
        usleep(50000);
    }
    is_over = 1;
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(workers[i].thread, NULL);
        free(workers[i].schema);
        free(workers[i].body.text);
    }
    double idle = alive ? until_idle() : 0;
    if (!alive)
        fail("the server died");
    else if (broken_off || unreachable)
        fail("%u connections broke without an answer, %u were not had", broken_off, unreachable);
    else if (idle < 0)
        fail("the server is still busy %d s after the last client", (int)IDLE_SECONDS);
    pthread_join(neighbour, NULL);
    report(seconds, plan, warm, peak, idle);
    if (!SANITIZED && peak > plan)
        fail("memory grew beyond the plan");
}

static void read_tool_sets(void)
{
    json_t *prompts = json_load_file("models/ember/prompts.json", 0, NULL), *p;
    size_t i;
    json_array_foreach(prompts, i, p)
    {
        const json_t *tools = json_object_get(p, "tools");
        if (json_array_size(tools) && n_tool_sets < sizeof tool_sets / sizeof *tool_sets)
            tool_sets[n_tool_sets++] = json_dumps(tools, JSON_COMPACT);
    }
    json_decref(prompts);
}

static int append_file(int to, const char *path)
{
    char bytes[4096];
    ssize_t n = -1;
    int fd = open(path, O_RDONLY);
    while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0 && write(to, bytes, (size_t)n) == n)
        ;
    if (fd >= 0)
        close(fd);
    return n == 0 ? 0 : -1;
}

/* The attacks, then the embedded model's own template. */
static void write_template(char *path)
{
    int fd = mkstemp(path);
    if (fd < 0 || append_file(fd, "tests/data/hostile/attacks.jinja") ||
        append_file(fd, "models/ember/chat_template.jinja"))
        fail("the template cannot be written");
    close(fd);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 20;
    char memory[16], log[] = "/tmp/stoker-hostile-XXXXXX", template[] = "/tmp/stoker-template-XXXXXX";
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : seed;
    snprintf(memory, sizeof memory, "%dM", MEMORY_MIB);
    int fd = mkstemp(log);
    const char *const arguments[] = {"models/ember/ember.gguf", "--memory", memory, "--ctx", "4096", "--queue", "48",
                                     "--chat-template",         template,   NULL};
    read_tool_sets();
    write_template(template);
    if (fd < 0 || server_start(&server, arguments, log) != 0 || server_ready(&server, 60) != 0)
        fail("the server does not start; its log is %s", log);
    else
        run(seconds);
    double began = clock_seconds();
    int status = server.pid > 0 && is_alive() ? server_end(&server, SIGTERM, IDLE_SECONDS) : 0;
    printf("the server took %.1f s to end\n", clock_seconds() - began);
    if (status != 0)
        fail("the server ended with status %d; its log is %s", status, log);
    if (!failures)
        unlink(log);
    close(fd);
    unlink(template);
    for (size_t i = 0; i < n_tool_sets; i++)
        free(tool_sets[i]);
    printf("%d passed, %d failed, 0 skipped\n", failures ? 0 : 1, failures);
    return failures != 0;
}
