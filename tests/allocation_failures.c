/* links: server toolbox mcp library engine text model store op machine kernel format base
 *
 * Failing allocations: in each use of the library every allocation fails once alone, and once together with all that
 * follow it. Each time the result is the usual one or an error with one sentence; nothing crashes, hangs or leaks, and a later try with
 * memory succeeds.
 *
 *     build/tests/allocation_failures [SCENARIO [FROM [TO]]]
 *
 * Every case is a process of its own, forked with what all of its scenario share. malloc() and its kin, mmap() and pthread_create() of this
 * program replace those of the C library, for the libraries too. */
#include "stoker.h"

#include "fault_reader.h"
#include "sanitized.h"
#include "server/server.h"
#include "temporary.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#if SANITIZED
int main(void)
{
    printf("skip allocation failures: a sanitizer has an allocator of its own\n0 passed, 0 failed, 1 skipped\n");
}
#else

/* ---- an allocator that fails on demand ----------------------------------------------------------------------------------- */

enum { NEVER = -1 };
static atomic_long n_allocation,
    fail_at = NEVER; /* allocations since counting began; the number of the first that fails */
static atomic_int fail_for_good, n_failed, counting;
static atomic_long n_live, n_mapped; /* allocations, and pages of mappings, that were not freed */

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

static int fails(void)
{
    if (!counting)
        return 0;
    long at = fail_at, i = n_allocation++;
    if (at == NEVER || (fail_for_good ? i < at : i != at))
        return 0;
    n_failed++;
    errno = ENOMEM;
    return 1;
}

/* Memory that libraries never free is not counted: PCRE2 keeps compiled patterns, the C library what belongs to the stacks of threads that
 * ended. */
enum { UNCOUNTED_MOST = 512 };
static _Atomic(void *) uncounted[UNCOUNTED_MOST];
static _Thread_local int in_pthread_create;

static int replaced(void *from, void *to)
{
    for (int i = 0; i < UNCOUNTED_MOST; i++) {
        void *expected = from;
        if (atomic_compare_exchange_strong(&uncounted[i], &expected, to))
            return 1;
    }
    return 0;
}

static void *counted(void *p)
{
    n_live += p && !(in_pthread_create && replaced(NULL, p));
    return p;
}

void *malloc(size_t n) { return fails() ? NULL : counted(__libc_malloc(n)); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : counted(__libc_calloc(n, size)); }
void *aligned_alloc(size_t align, size_t n) { return fails() ? NULL : counted(__libc_memalign(align, n)); }
void *memalign(size_t align, size_t n) { return aligned_alloc(align, n); }

int posix_memalign(void **out, size_t align, size_t n)
{
    void *p = aligned_alloc(align, n);
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

void *realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    void *q = __libc_realloc(p, n);
    n_live += !p && q;
    n_live -= p && !q && n == 0;
    return q;
}

void free(void *p)
{
    n_live -= p && !replaced(p, NULL);
    __libc_free(p);
}

static long pages(size_t n) { return (long)((n + 4095) / 4096); }

void *mmap(void *where, size_t n, int protection, int flags, int fd, off_t offset)
{
    static void *(*next)(void *, size_t, int, int, int, off_t);
    if (!next)
        next = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    if (fails())
        return MAP_FAILED;
    void *p = next(where, n, protection, flags, fd, offset);
    if (p != MAP_FAILED && !((protection & PROT_EXEC) && replaced(NULL, p)))
        n_mapped += pages(n);
    return p;
}

int munmap(void *p, size_t n)
{
    static int (*next)(void *, size_t);
    if (!next)
        next = (int (*)(void *, size_t))dlsym(RTLD_NEXT, "munmap");
    if (!replaced(p, NULL))
        n_mapped -= pages(n);
    return next(p, n);
}

/* A fork has none of its parent's threads. So that cases share a model that is open, the thread that opening starts is held back, and each
 * case starts its own. */
static struct held_thread {
    int wanted; /* the next one is to be held */
    pthread_t *out;
    void *(*run)(void *);
    void *arg;
} held;

int pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!next)
        next = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(RTLD_NEXT,
                                                                                              "pthread_create");
    if (held.wanted) {
        held = (struct held_thread){0, out, run, arg};
        return 0;
    }
    if (fails())
        return EAGAIN;
    in_pthread_create = 1;
    int status = next(out, attr, run, arg);
    in_pthread_create = 0;
    return status;
}

/* ---- what a case says to the program that forked it ---------------------------------------------------------------------------- */

enum { SECONDS = 60 };

static struct report {
    long n_allocation, kept, mapped;
    int n_failed, complaints;
    char text[600];
} * report;

static const char *model = "models/ember/ember.gguf";
static char folder[TEMPORARY_PATH];

static void complain(const char *what, const char *text)
{
    if (!report->complaints++)
        snprintf(report->text, sizeof report->text, "%s: %s", what, text);
}

/* A refusal is one sentence; without a failed allocation there is none. */
static int refused(const char *what, int status, const struct stoker_error *err)
{
    if (status == 0)
        return 0;
    if (!n_failed)
        complain(what, err->text);
    else if (err->code == STOKER_OK || err->code == STOKER_ERR_BUG || strlen(err->text) < 15)
        complain(what, err->text[0] ? err->text : "failed without a sentence");
    return 1;
}

/* ---- scenarios ------------------------------------------------------------------------------------------------------------------ */

static struct stoker *opened(const char *cache_dir, const char *draft)
{
    const struct stoker_options o = {.memory = STOKER_MEMORY_MIN,
                                     .n_ctx = 512,
                                     .n_parallel = 2,
                                     .n_threads = 1,
                                     .cache_dir = cache_dir,
                                     .draft = draft};
    struct stoker_error err = {0};
    struct stoker *s = NULL;
    return refused("open", stoker_open(&s, model, &o, &err), &err) ? NULL : s;
}

static struct stoker *shared; /* opened for all cases of a scenario, its thread held; NULL: each opens its own */

static struct stoker *shared_or_opened(void)
{
    if (shared && pthread_create(held.out, NULL, held.run, held.arg))
        complain("engine", "no thread");
    return shared ? shared : opened(NULL, NULL);
}

static void load(void)
{
    counting = 1;
    struct stoker *s = opened(NULL, NULL);
    counting = 0;
    if (s)
        stoker_close(s);
}

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"Looks outside\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"minLength\":2},"
    "\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}},\"required\":[\"city\"]}}}]";
static const char chat[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be short.\"},{\"role\":\"user\",\"content\":\"Hi \\u00e9\"},"
    "{\"role\":\"assistant\",\"content\":\"Hello!\"},{\"role\":\"user\",\"content\":\"What now?\"}]}";
static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z]{2,6}$\"},"
    "\"kind\":{\"enum\":[\"a\",\"b\",null,3]},\"n\":{\"type\":\"number\"}},\"required\":[\"name\"],"
    "\"additionalProperties\":false}";

static void no_piece(void *arg, const struct stoker_piece *p) { *(size_t *)arg += p->n; }

static void answer_with_tools(struct stoker *s)
{
    struct stoker_error err = {0};
    struct stoker_reply *r = NULL;
    size_t bytes = 0;
    const struct stoker_reply_options o = {
        .tools = tools, .n_tools = sizeof tools - 1, .choice = STOKER_TOOLS_REQUIRED};
    if (refused("reply", stoker_reply_open(&r, s, &o, no_piece, &bytes, &err), &err))
        return;
    static const char call[] =
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call>";
    stoker_token *ids = NULL;
    size_t n = 0;
    int failed = refused("tokenize", stoker_tokenize(s, call, sizeof call - 1, 0, 1, &ids, &n, &err), &err);
    for (size_t i = 0; !failed && i < n; i++)
        failed = refused("token", stoker_reply_token(r, ids[i], &err) < 0 ? -1 : 0, &err);
    if (!failed && !refused("end", stoker_reply_end(r, &err), &err) && !stoker_reply_message(r) && !n_failed)
        complain("message", "none");
    free(ids);
    stoker_reply_close(r);
}

static void text(void)
{
    struct stoker *s = shared_or_opened();
    struct stoker_error err = {0};
    struct stoker_prompt prompt = {0};
    const struct stoker_constraint *c = NULL;
    const struct stoker_answer a = {.language = STOKER_JSON_SCHEMA, .text = schema, .n = sizeof schema - 1};
    if (!s)
        return;
    counting = 1;
    if (!refused("prompt",
                 stoker_prompt(stoker_templates_of(s), chat, sizeof chat - 1, NULL, NULL, &prompt, NULL, &err), &err))
        stoker_prompt_free(&prompt);
    if (!refused("constraint", stoker_constraint_open(&c, s, &a, &err), &err))
        stoker_constraint_close(s, c);
    answer_with_tools(s);
    counting = 0;
    stoker_close(s);
}

/* Text without a model. */
static void vocabulary(void)
{
    struct stoker_error err = {0};
    struct stoker_templates *t = NULL;
    struct stoker_vocab *v = NULL;
    counting = 1;
    if (!refused("templates", stoker_templates_open(&t, model, NULL, NULL, &err), &err))
        stoker_templates_close(t);
    if (!refused("vocabulary", stoker_vocab_open(&v, model, NULL, &err), &err))
        stoker_vocab_close(v);
    counting = 0;
}

static int no_token(void *arg, stoker_token t) { return (void)arg, (void)t, 0; }

static void generate(struct stoker *s, const struct stoker_constraint *c)
{
    static const stoker_token prompt[] = {5, 6, 7, 8, 9, 10, 11, 12};
    struct stoker_request r = {.prompt = prompt,
                               .n_prompt = 8,
                               .max_tokens = 12,
                               .constraint = c,
                               .wants_logprobs = 1,
                               .n_top_logprobs = 2,
                               .may_be_cut = 1,
                               .sampling = stoker_sampling_defaults()};
    r.sampling.has_seed = 1;
    r.sampling.dry_multiplier = 0.8;
    struct stoker_error err = {0};
    struct stoker_event end;
    refused("generate", stoker_generate(s, &r, no_token, NULL, &end, &err), &err);
}

static void steps(void)
{
    struct stoker *s = opened(NULL, NULL);
    struct stoker_error err = {0};
    const struct stoker_constraint *c = NULL;
    const struct stoker_answer a = {.language = STOKER_JSON_SCHEMA, .text = schema, .n = sizeof schema - 1};
    if (!s)
        return;
    if (stoker_constraint_open(&c, s, &a, &err))
        complain("constraint", err.text);
    counting = 1;
    generate(s, NULL);
    generate(s, c);
    counting = 0;
    generate(s, c);
    stoker_constraint_close(s, c);
    stoker_close(s);
}

/* What texts repeat, and a second model. */
static void drafts(void)
{
    counting = 1;
    struct stoker *s = opened(NULL, model);
    if (s) {
        generate(s, NULL);
        stoker_close(s);
    }
    counting = 0;
}

static void prefixes_on_disk(void)
{
    counting = 1;
    for (int i = 0; i < 2; i++) {
        struct stoker *s = opened(folder, NULL);
        if (s) {
            generate(s, NULL);
            stoker_close(s);
        }
    }
    counting = 0;
}

/* ---- a server ------------------------------------------------------------------------------------------------------------------- */

static atomic_int port;
static struct server_stopper stopper;
static void listening(void *arg, const char *host, int p) { (void)arg, (void)host, port = p; }

static void *serve(void *arg)
{
    struct server_options *o = arg;
    struct stoker_error err = {0};
    if (server_run(o, &stopper, listening, NULL, &err))
        complain("server", err.text), port = -1;
    return NULL;
}

/* The status of a complete answer; 0: the connection ended before. Does not call malloc(). */
static int ask(const char *path, const char *body)
{
    static char out[4096], in[1 << 16];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
    size_t n = 0;
    int length = snprintf(out, sizeof out,
                          "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          body ? "POST" : "GET", path, body ? strlen(body) : 0, body ? body : "");
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, out, (size_t)length, MSG_NOSIGNAL) == length)
        for (ssize_t got; n < sizeof in - 1 && (got = recv(fd, in + n, sizeof in - 1 - n, 0)) > 0;)
            n += (size_t)got;
    in[n] = 0;
    if (n && sscanf(in, "HTTP/1.1 %d", &status) != 1)
        complain("server", "an answer that is not HTTP");
    close(fd);
    return status;
}

static void ask_all(int must)
{
    static const struct {
        const char *path, *body;
    } requests[] = {
        {"/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":4,\"seed\":1}"},
        {"/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":4,\"seed\":1,"
                                 "\"stream\":true,\"response_format\":{"
                                 "\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":"
                                 "\"string\",\"maxLength\":9}}}}"},
        {"/v1/messages",
         "{\"model\":\"claude-x\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":4}"},
        {"/v1/responses", "{\"input\":\"Hi\",\"max_output_tokens\":4}"},
        {"/api/chat",
         "{\"model\":\"ember\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"options\":{\"num_predict\":4}}"},
        {"/v1/models", NULL},
        {"/control-vectors/load", "{\"path\":\"ablate.gguf\",\"scale\":1}"},
        {"/v1/completions", "{\"prompt\":\"Hi\",\"max_tokens\":2,\"control_vectors\":[{\"id\":\"ablate\"}]}"},
        {"/control-vectors", NULL},
        {"/control-vectors/apply", "[{\"id\":\"ablate\",\"scale\":0.5}]"},
        {"/control-vectors/unload", "{\"id\":\"ablate\"}"},
        {"/metrics", NULL},
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int status = ask(requests[i].path, requests[i].body);
        if (must ? status != 200
                 : status && status != 200 && status != 503 && status != 400 && status != 404 && status != 413)
            complain(requests[i].path, (char[]){(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                                                (char)('0' + status % 10), 0});
    }
}

static void keep_sampling(void *arg, struct stoker_sampling *s) { (void)arg, (void)s; }

static void server(void)
{
    struct server_options o = {.host = "127.0.0.1",
                               .max_conns = 8,
                               .queue = 8,
                               .max_body = 1 << 20,
                               .header_timeout = 20,
                               .body_timeout = 20,
                               .drain = 5,
                               .any_model = 1,
                               .steer_dir = TEST_DATA "/steering/ember",
                               .model = model,
                               .think = -1,
                               .close_at_limit = -1};
    o.engine = (struct stoker_options){
        .memory = STOKER_MEMORY_MIN, .n_ctx = 512, .n_parallel = 2, .n_threads = 1, .steer_memory = 1 << 16};
    o.sampling = stoker_sampling_defaults();
    o.set_sampling = keep_sampling;
    pthread_t thread;
    struct stoker_error err;
    if (server_stopper_open(&stopper, &err))
        complain("server", err.text);
    if (pthread_create(&thread, NULL, serve, &o))
        complain("server", "no thread");
    while (!port || (port > 0 && ask("/health", NULL) != 200))
        usleep(2000);
    if (port > 0) {
        ask_all(1);
        counting = 1;
        ask_all(0);
        counting = 0;
        ask_all(1);
        server_stop(&stopper);
    }
    pthread_join(thread, NULL);
    server_stopper_close(&stopper);
}

/* ---- cases ---------------------------------------------------------------------------------------------------------------------- */

static const struct scenario {
    const char *name;
    void (*run)(void);
    int stride; /* of the allocations that are refused where no scenario is named: those of a server take long */
    int slack;  /* blocks that may remain beyond those of a run without failures: of threads that are not joined */
    int shares; /* one model is opened for all cases, by shared_or_opened() */
} scenarios[] = {{"load", load, 1},       {"text", text, 1, 0, 1}, {"vocabulary", vocabulary, 1},
                 {"steps", steps, 1},     {"drafts", drafts, 5},   {"prefixes", prefixes_on_disk, 1},
                 {"server", server, 7, 2}};

static long live, mapped; /* of n_live and n_mapped, before anything of the scenario */

static void case_of(const struct scenario *s, long at, int for_good, long kept)
{
    alarm(SECONDS);
    fail_at = at;
    fail_for_good = for_good;
    s->run();
    for (int i = 0; i < 400 && n_live - live > kept;
         i++) /* the threads of a reader are not joined: a slow drive may delay their end */
        usleep(5000);
    report->kept = n_live - live;
    report->mapped = n_mapped - mapped;
    report->n_allocation = n_allocation;
    report->n_failed = n_failed;
}

/* 1: as it should be. */
enum { KEPT_MOST = 8 }; /* allocations that the C library keeps after its first use */

static int forked(const struct scenario *s, long at, int for_good, long kept)
{
    int status;
    memset(report, 0, sizeof *report);
    pid_t child = fork();
    if (child == 0) {
        case_of(s, at, for_good, kept);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 0;
    const char *which = for_good ? "and all behind it" : "alone";
    if (WIFSIGNALED(status))
        printf("FAILED %s: allocation %ld %s: %s\n", s->name, at, which,
               WTERMSIG(status) == SIGALRM ? "hangs" : strsignal(WTERMSIG(status)));
    else if (report->complaints)
        printf("FAILED %s: allocation %ld %s: %s\n", s->name, at, which, report->text);
    else if (report->kept > kept || report->mapped > 0)
        printf("FAILED %s: allocation %ld %s: %ld blocks and %ld pages are not given back\n", s->name, at, which,
               report->kept, report->mapped);
    else
        return 1;
    return 0;
}

/* With threads the number of allocations differs from run to run: a scenario is done when several runs in a row met no failure. */
static int sweep(const struct scenario *s, long from, long to, int stride)
{
    int shares = s->shares && ring_works(); /* else the reader has threads, which start with the first weight */
    live = n_live, mapped = n_mapped;
    held.wanted = shares;
    shared = shares ? opened(NULL, NULL) : NULL;
    held.wanted = 0;
    int failed = !forked(s, NEVER, 0, KEPT_MOST);
    long kept = report->kept, most = report->n_allocation;
    if (to < 0 || to > most)
        to = most;
    for (long at = from; at < to; at += stride)
        for (int for_good = 0; for_good < 2; for_good++)
            failed += !forked(s, at, for_good, kept + s->slack);
    if (shared)
        stoker_close(shared_or_opened());
    printf("%s %s: %ld allocations, one in %d refused alone and with all behind it; %ld blocks kept for good\n",
           failed ? "FAIL" : "ok  ", s->name, most, stride, kept);
    return failed;
}

int main(int argc, char **argv)
{
    int n_passed = 0, n_bad = 0;
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED || temporary_folder(folder, "allocations")) {
        printf("no place for temporary files\n");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (argc < 2 || strcmp(argv[1], scenarios[i].name) == 0) {
            int failed = sweep(&scenarios[i], argc > 2 ? atol(argv[2]) : 0, argc > 3 ? atol(argv[3]) : -1,
                               argc > 1 ? 1 : scenarios[i].stride);
            n_passed += !failed, n_bad += failed > 0;
        }
    char remove[sizeof folder + 8];
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    if (system(remove))
        printf("%s is left\n", folder);
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_bad);
    return n_bad > 0;
}
#endif
