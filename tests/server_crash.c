/* links: base
 *
 * A server that is killed: kill -9 at random moments under load, a cache directory that lives on, and now and then a file in it that is
 * damaged. After each restart every conversation is answered as it was without any cache, whatever of it is found: a cached prefix
 * either gives the same words or is a miss.
 *
 *     build/tests/server_crash [ROUNDS] [MODEL.gguf] [SEED]    default 10 rounds, the embedded model; in full: 200 */
#include "base/rng.h"
#include "server_client.h"

#include <ftw.h>
#include <pthread.h>
#include <sys/stat.h>

enum { TALKS = 10, CLIENTS = 6, LONGEST = 24 << 10, MOST_KILL_MS = 1200, FILES = 4096 };

struct talk {
    char *body;
    size_t n;
    struct words alone;
};

static struct talk talks[TALKS];
static const char *model = "models/ember/ember.gguf";
static struct server_process server;
static char folder[] = "/tmp/stoker-crash-XXXXXX", cache[64], log_file[64];
static uint64_t seed = 30, drawn;
static int passed, failed;
static long hits, corrupt; /* requests that went on from files; files found damaged */
static volatile int stopping;

static uint64_t draw(uint64_t n) { return rng_u64(seed, drawn++, 0, 0) % n; }

static void check(int ok, const char *what, const char *more)
{
    *(ok ? &passed : &failed) += 1;
    if (!ok)
        printf("FAIL %s%.300s\n", what, more);
}

/* Conversations of some pages; the first words are the same for half of them, so their pages are shared. */
static void make_talk(struct talk *t, int i)
{
    static const char *const words[] = {"river", "stone", "lamp",  "seven",  "under",  "green",  "engine", "paper",
                                        "north", "salt",  "quiet", "copper", "window", "ladder", "winter", "orange"};
    size_t n_words = 150 + draw(500), k;
    t->body = malloc(LONGEST);
    if (!t->body)
        abort();
    k = (size_t)snprintf(t->body, LONGEST,
                         "{\"temperature\":0.8,\"seed\":%d,\"max_tokens\":12,\"messages\":[{\"role\":\"user\","
                         "\"content\":\"",
                         i);
    uint64_t shared = drawn;
    for (size_t j = 0; j < n_words; j++) {
        uint64_t word = j < 300 && i % 2 ? rng_u64(7, j, 1, 0) : rng_u64(8, shared + j, 2, 0);
        k += (size_t)snprintf(t->body + k, LONGEST - k, "%s ", words[word % 16]);
    }
    t->n = k + (size_t)snprintf(t->body + k, LONGEST - k, "\"}]}");
    drawn += n_words;
}

static int start(int with_cache)
{
    const char *const arguments[] = {model, "--memory",     "512M", "--ctx", "8192", with_cache ? "--cache-dir" : NULL,
                                     cache, "--cache-disk", "64M",  NULL};
    return server_start(&server, arguments, log_file) == 0 && server_ready(&server, 60) == 0 ? 0 : -1;
}

static int ask(struct client *c, struct reply *r, const struct talk *t, struct words *w)
{
    if (client_ask(c, "POST", "/v1/chat/completions", t->body, t->n, r, NULL, NULL) != 0 || r->status != 200)
        return -1;
    words_read(w, r);
    return 0;
}

/* A number of /metrics of the server that runs. */
static long metric(const char *name)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    const char *at = client_ask(&c, "GET", "/metrics", "", 0, &r, NULL, NULL) == 0 ? strstr(r.body, name) : NULL;
    long n = at ? atol(at + strlen(name)) : 0;
    client_close(&c);
    reply_free(&r);
    return n;
}

/* Every conversation against its answer without a cache, which a first call keeps. */
static void compare(int is_first)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    struct words w = {0};
    for (int i = 0; i < TALKS; i++) {
        struct words *to = is_first ? &talks[i].alone : &w;
        int rc = ask(&c, &r, &talks[i], to);
        check(rc == 0 && !to->failed, "a conversation is not answered: ", r.body ? r.body : "");
        if (rc != 0)
            break;
        if (!is_first)
            check(w.n == talks[i].alone.n && memcmp(w.text, talks[i].alone.text, w.n) == 0,
                  "after a crash another answer: ", w.text);
    }
    client_close(&c);
    reply_free(&r);
    free(w.text);
    hits += metric("\nstoker_prefix_cache_hits_total{tier=\"disk\"} ");
    corrupt += metric("\nstoker_prefix_cache_corrupt_total ");
}

/* Sends requests until the server has ended. */
static void *keep_asking(void *arg)
{
    struct client c = {server.port, -1};
    struct reply r = {0};
    struct words w = {0};
    uint64_t mine = (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 0; !stopping; i++)
        if (ask(&c, &r, &talks[rng_u64(mine, i, 3, 0) % TALKS], &w) != 0)
            break;
    client_close(&c);
    reply_free(&r);
    free(w.text);
    return NULL;
}

static void load_and_kill(void)
{
    pthread_t thread[CLIENTS];
    stopping = 0;
    for (int i = 0; i < CLIENTS; i++)
        if (pthread_create(&thread[i], NULL, keep_asking, (void *)(uintptr_t)draw(1 << 20)) != 0)
            abort();
    usleep((useconds_t)draw(MOST_KILL_MS * 1000));
    check(server_end(&server, SIGKILL, 10) == 128 + SIGKILL, "the server was gone before it was killed", "");
    stopping = 1;
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(thread[i], NULL);
}

/* ---- damage ---------------------------------------------------------------------------------------------------------------- */

static char *found[FILES];
static int n_found;

static int note_file(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)f;
    if (type == FTW_F && st->st_size > 0 && n_found < FILES)
        found[n_found++] = strdup(path);
    return 0;
}

/* A byte changed, or the end cut off, in one file. */
static void damage(void)
{
    struct stat st;
    n_found = 0;
    nftw(cache, note_file, 16, FTW_PHYS);
    const char *path = n_found ? found[draw((uint64_t)n_found)] : NULL;
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        off_t at = (off_t)draw((uint64_t)st.st_size);
        unsigned char byte = 0;
        if (draw(3) == 0)
            check(ftruncate(fd, at) == 0, "cannot cut ", path);
        else if (pread(fd, &byte, 1, at) == 1 && (byte ^= (unsigned char)(1 + draw(255)), 1))
            check(pwrite(fd, &byte, 1, at) == 1, "cannot write ", path);
    }
    if (fd >= 0)
        close(fd);
    for (int i = 0; i < n_found; i++)
        free(found[i]);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

/* ---- rounds ---------------------------------------------------------------------------------------------------------------- */

static void run(int rounds)
{
    if (start(0) != 0) {
        check(0, "the server does not start; its log is ", log_file);
        return;
    }
    compare(1);
    check(server_end(&server, SIGTERM, 60) == 0, "the server does not end", "");
    for (int i = 0; i < rounds && failed == 0; i++) {
        if (start(1) != 0) {
            check(0, "the server does not start again; its log is ", log_file);
            return;
        }
        compare(0);
        load_and_kill();
        if (draw(4) == 0)
            damage();
    }
    if (failed == 0 && start(1) == 0) { /* and an orderly end after all that */
        compare(0);
        check(server_end(&server, SIGTERM, 60) == 0, "the server does not end", "");
    }
    printf("%d rounds: %ld requests went on from files, %ld files were damaged\n", rounds, hits, corrupt);
    check(hits > 0, "nothing ever came from the files: that was no test", "");
}

int main(int argc, char **argv)
{
    model = argc > 2 ? argv[2] : model;
    seed = argc > 3 ? strtoull(argv[3], NULL, 10) : seed;
    if (!mkdtemp(folder))
        return 1;
    snprintf(cache, sizeof cache, "%s/cache", folder);
    snprintf(log_file, sizeof log_file, "%s/log", folder);
    for (int i = 0; i < TALKS; i++)
        make_talk(&talks[i], i);
    run(argc > 1 ? atoi(argv[1]) : 10);
    for (int i = 0; i < TALKS; i++) {
        free(talks[i].body);
        free(talks[i].alone.text);
    }
    if (!failed)
        nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
