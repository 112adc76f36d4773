/* links: engine text model store op machine kernel format base
 *
 * Known prefixes, shared steps, preemption: none of it changes an answer.
 *
 *     build/tests/prefix [-n ROUNDS] [-t TEST] [MODEL.gguf...]    of the goldens of tests/data: each way of keeping
 *
 *     turns      conversations, one request at a time: how much each turn finds, exactly
 *     few-states a conversation with memory for few states: each turn resumes near its end, others from what they share
 *     together   equal prompts at once: the first computes, the others share
 *     preempted  sequences that find no page wait for others and are computed again, steered as they were
 *     chance     random requests that share prefixes of each other and of answers, several at a time, in engines with few pages,
 *                few states, odd chunks and budgets, some steered, cancelled and cleared in between: every token, its log-probability
 *                and the likeliest at its place are those of an engine that computes each request alone, from nothing
 *
 *     restart    what files know after the engine was closed: found, read only by a second engine, held to its bytes
 *     anywhere   a prompt that leaves what files know at any position finds from files what it finds in memory, and computes the rest
 *     tails      conversations that part ways within a page: each finds its own end
 *     torn       the last file of a conversation, as a crash leaves it: the places before it are found
 *     pushed-out what other prompts pushed out of memory comes back from files, windows too
 *     damaged    files with flipped bytes, cut off, of others: the same answer, and never found
 *     lies       files whose checksums hold and whose fields are wrong
 *     others     another model of the same shape finds nothing, nor does another type of keys and values
 *     no-handles files that cannot be opened for a moment are not lost
 *     steered    requests with other lists of vectors find of each other what comes before the page where one of them acts, with equal
 *                ones everything: in memory, from files, and from those of a process that was killed; what has no effect, or none on what
 *                is kept, shares all; four lists at once
 *     killed     a process that serves and writes is killed at any moment; what the next one finds gives the same answers
 *
 * With --kv q8_0 those whose bytes depend on the type, again. A line a test and model. Needs no data from outside the repository. */
#include "base/error.h"
#include "base/rng.h"
#include "engine/prefix/file.h"
#include "gguf_write.h"
#include "sanitized.h"
#include "stoker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N_CTX = 1100, MOST_ANSWER = 24, TOP = 4, TEXTS = 3, ANSWERED = 16, AT_ONCE = 5 };

#include "answers.h"

static int passed, failed, rounds = SANITIZED ? 3 : 4;
static const char *only; /* -t */
static const char *kv = "f16";

struct subject {
    const char *path, *name;
    int recurrent, windows, n_vocab;
    int pages; /* 0: states alone, so that no page can be short */
};

static void verdict(const struct subject *m, const char *test, int ok, const char *detail)
{
    printf("%s %-9s %-4s %-14s %s\n", ok ? "ok  " : "FAIL", test, kv, m->name, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

/* ---- requests and answers --------------------------------------------------------------------------------------------------- */

struct prompt {
    stoker_token id[N_CTX];
    size_t n;
};

static struct stoker_request request(const struct prompt *p, int max_tokens, uint64_t seed)
{
    struct stoker_request r = {.prompt = p->id,
                               .n_prompt = p->n,
                               .max_tokens = max_tokens,
                               .sampling = stoker_sampling_defaults(),
                               .wants_logprobs = 1,
                               .n_top_logprobs = TOP,
                               .ignore_end = 1};
    r.sampling.temperature = 1.5;
    r.sampling.seed = seed;
    r.sampling.has_seed = 1;
    return r;
}

/* As far as the second goes: it may have been cancelled. */
static int same(const struct answer *truth, const struct answer *a)
{
    int whole = a->end.kind == STOKER_END && a->end.u.end.reason != STOKER_END_CANCELLED;
    return (whole ? a->n == truth->n : a->n <= truth->n) && same_tokens(truth, a, a->n);
}

static void extend(struct prompt *p, size_t n, uint64_t seed, int n_vocab)
{
    for (size_t i = 0; i < n && p->n < N_CTX - MOST_ANSWER - 1; i++)
        p->id[p->n++] = (stoker_token)(rng_u64(seed, i, 7, 7) % (uint64_t)n_vocab);
}

/* ---- vectors ---------------------------------------------------------------------------------------------------------------- */

static char dir[64] = "/tmp/stoker-prefix-XXXXXX"; /* of this run */

/* A vector file of every layer but the first, beside the folder of this run; from a seed. 0: it is there. */
static int write_vector(const char *path, const struct stoker_about *about, uint64_t seed, int projects)
{
    static float row[1 << 14];
    struct gguf_writer w;
    struct error err = {0};
    char name[32];
    gguf_write_begin(&w, path, 32);
    gguf_write_string(&w, "general.architecture", "controlvector", 13);
    if (projects)
        gguf_write_string(&w, "glp.mode", "project", 7);
    for (uint64_t l = 1; l < about->n_layer; l++) {
        snprintf(name, sizeof name, "direction.%d", (int)l);
        gguf_write_tensor(&w, name, TYPE_F32, 1, &about->n_embd);
    }
    for (uint64_t l = 1; l < about->n_layer && about->n_embd <= sizeof row / sizeof *row; l++) {
        double sum = 0;
        for (uint64_t i = 0; i < about->n_embd; i++) {
            row[i] = (float)((double)(rng_u64(seed, l * about->n_embd + i, 3, 3) >> 40) * 0x1p-23 - 1);
            sum += (double)row[i] * (double)row[i];
        }
        for (uint64_t i = 0; i < about->n_embd && projects; i++)
            row[i] = (float)((double)row[i] / sqrt(sum));
        gguf_write_data(&w, row, about->n_embd * sizeof *row);
    }
    return gguf_write_end(&w, &err);
}

/* The files of a model: a vector that is added, its equal, and one that is projected out. */
enum { ADDED, EQUAL, PROJECTED, VECTORS };
static const char *vector_path(int i)
{
    static char path[VECTORS][100];
    snprintf(path[i], sizeof path[i], "%s.%d.gguf", dir, i);
    return path[i];
}

/* 0: they are there; *n_layer of the model. */
static int write_vectors(const struct subject *m, int *n_layer)
{
    static struct stoker_about about;
    *n_layer = stoker_header_layers(NULL, 0, m->path, NULL);
    if (stoker_about(&about, m->path, NULL) || *n_layer < 2)
        return -1;
    about.n_layer = (uint64_t)*n_layer; /* the header counts a layer that predicts too */
    return write_vector(vector_path(ADDED), &about, 5, 0) || write_vector(vector_path(EQUAL), &about, 5, 0) ||
           write_vector(vector_path(PROJECTED), &about, 6, 1);
}

static void remove_vectors(void)
{
    for (int i = 0; i < VECTORS; i++)
        remove(vector_path(i));
}

static int open_vectors(struct stoker_vector *v[VECTORS], struct stoker *s)
{
    int ok = s != NULL;
    for (int i = 0; i < VECTORS && ok; i++)
        ok = stoker_vector_open(&v[i], s, AT_FDCWD, vector_path(i), NULL) == 0;
    return ok ? 0 : -1;
}

static void close_vectors(struct stoker_vector *v[VECTORS])
{
    for (int i = 0; i < VECTORS; i++) {
        stoker_vector_close(v[i]);
        v[i] = NULL;
    }
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------ */

static struct stoker_options options(void)
{
    return (struct stoker_options){
        .memory = STOKER_MEMORY_MAX, .n_ctx = N_CTX, .n_threads = 2, .n_chunk = 100, .kv = kv};
}

/* Each turn repeats the last one and its answer; what it should find: all of it but the answer's last token, which was never
 * computed; of recurrent models the requested position or the end of the answer, whichever is longer. */
static void turns(const struct subject *m)
{
    struct stoker_options o = options();
    o.n_snapshots = 12;
    struct stoker *warm = engine(m->path, &o), *cold = engine(m->path, &o);
    struct prompt p = {.n = 0};
    struct answer a, truth;
    size_t known = 0;
    int ok = warm && cold, n = 0;
    char detail[100] = "";
    for (size_t more = 300; ok && n < 5; n++, more = 130 + 31 * (size_t)n) {
        extend(&p, more, 50 + (uint64_t)n, m->n_vocab);
        struct stoker_request r = request(&p, 9, 3);
        size_t snapshot = p.n - 5;
        r.snapshot_at = &snapshot;
        r.n_snapshot_at = 1;
        ok = ask(warm, &r, &a) == 0;
        r.no_cache = 1;
        ok = ok && ask(cold, &r, &truth) == 0 && same(&truth, &a);
        if (ok && (a.end.u.end.n_cached != known || truth.end.u.end.n_cached != 0)) {
            snprintf(detail, sizeof detail, "turn %d of %zu ids found %zu, expected %zu", n, p.n, a.end.u.end.n_cached,
                     known);
            ok = 0;
        }
        memcpy(p.id + p.n, a.id, (size_t)a.n * sizeof *a.id);
        known = p.n + (size_t)a.n - 1;
        p.n += (size_t)a.n;
        if (n == 2) { /* the next prompt leaves this one in the middle of its second page */
            p.n = 400;
            known = m->recurrent ? 300 + 8 : 400;
        }
    }
    stoker_close(warm);
    stoker_close(cold);
    verdict(m, "turns", ok, detail);
}

/* ---- few states -------------------------------------------------------------------------------------------------------------- */

/* A conversation as a server has it: resume points at the ends of its messages. */
struct conversation {
    struct prompt p;
    size_t end[16], n_end;
};

static void say(struct conversation *t, size_t n, uint64_t seed, int n_vocab)
{
    extend(&t->p, n, seed, n_vocab);
    t->end[t->n_end++] = t->p.n;
}

/* An answer to it, which the next turn repeats, or renders otherwise. What it found, or -1. */
static long answer_to(struct stoker *s, struct conversation *t, int repeated, int n_vocab)
{
    struct answer a;
    struct prompt p = t->p;
    extend(&p, 4, 60, n_vocab); /* the opening of the answer */
    struct stoker_request r = request(&p, 9, 3);
    r.snapshot_at = t->end;
    r.n_snapshot_at = t->n_end;
    if (ask(s, &r, &a))
        return -1;
    if (repeated) {
        extend(&t->p, 4, 60, n_vocab);
        for (int i = 0; i < a.n; i++)
            t->p.id[t->p.n++] = a.id[i];
    }
    say(t, 3, 70 + t->n_end, n_vocab);
    return (long)a.end.u.end.n_cached;
}

static void few_states(const struct subject *m)
{
    enum { TURNS = 6, SYSTEM = 300 };
    static struct conversation t, other;
    char detail[100] = "";
    int ok = 1;
    for (int states = 1; ok && states <= 4; states++) {
        struct stoker_options o = options();
        o.n_parallel = 1;
        o.n_snapshots = states;
        struct stoker *s = engine(m->path, &o);
        ok = s != NULL;
        t = other = (struct conversation){0};
        say(&t, SYSTEM, 80, m->n_vocab);
        long want = 0, better = 0;
        for (int turn = 0; ok && turn < TURNS; turn++) {
            say(&t, 70, 81 + (uint64_t)turn, m->n_vocab);
            size_t user = t.p.n;
            int repeated = turn % 2 == 0;
            long found = answer_to(s, &t, repeated, m->n_vocab);
            ok = found == want || found == better;
            snprintf(detail, sizeof detail, "%d states, turn %d found %ld, expected %ld", states, turn, found, want);
            /* the answer's last token was never computed; nor is its end known if its states found no place */
            want = (long)(repeated && (!m->recurrent || states > 2) ? user + 4 + 8 : user);
            /* a state whose window was evicted makes place for another */
            better = repeated && m->recurrent && m->windows && states == 2 ? (long)user + 4 + 8 : want;
        }
        say(&other, SYSTEM, 80, m->n_vocab); /* and what another conversation begins with is still there */
        say(&other, 50, 99, m->n_vocab);
        long found = ok ? answer_to(s, &other, 1, m->n_vocab) : 0;
        if (ok && !m->windows && found != (m->recurrent && states == 1 ? 0 : SYSTEM)) { /* its windows were evicted */
            snprintf(detail, sizeof detail, "%d states, another found %ld", states, found);
            ok = 0;
        }
        stoker_close(s);
    }
    verdict(m, "few-states", ok, detail);
}

/* ---- equal prompts at once -------------------------------------------------------------------------------------------------- */

static void together(const struct subject *m)
{
    struct stoker_options o = options();
    struct stoker_error err = {0};
    o.n_parallel = AT_ONCE;
    o.n_pages = 5 + AT_ONCE; /* five for the prompt, and one for each answer */
    o.n_snapshots = 3;
    struct stoker *s = engine(m->path, &o);
    struct prompt p = {.n = 0};
    struct answer first, a;
    stoker_id id[AT_ONCE];
    struct stoker_stats st;
    size_t snapshot = 800;
    int ok = s != NULL;
    extend(&p, 1000, 77, m->n_vocab);
    struct stoker_request r = request(&p, 5, 1);
    r.snapshot_at = &snapshot;
    r.n_snapshot_at = 1;
    for (int i = 0; ok && i < AT_ONCE; i++)
        ok = stoker_submit(s, &r, &id[i], &err) == 0;
    for (int i = 0; ok && i < AT_ONCE; i++) {
        collect(s, id[i], i ? &a : &first);
        ok = i == 0 || same(&first, &a);
        size_t found = i ? a.end.u.end.n_cached : first.end.u.end.n_cached, want = m->recurrent ? 800 : 999;
        if (found != (i ? want : 0)) {
            printf("     answer %d found %zu\n", i, found);
            ok = 0;
        }
    }
    if (s)
        stoker_stats_of(s, &st);
    ok = ok && st.preempted == 0 && st.cache_hits[STOKER_RAM] == AT_ONCE - 1 && st.prompt_tokens == AT_ONCE * 1000 &&
         st.cache_bytes[STOKER_RAM] > 0;
    /* with another salt nothing is found */
    r.salt = "b";
    r.n_salt = 1;
    ok = ok && ask(s, &r, &a) == 0 && a.end.u.end.n_cached == 0 && same(&first, &a);
    ok = ok && ask(s, &r, &a) == 0 && a.end.u.end.n_cached > 0 && same(&first, &a);
    if (ok)
        stoker_cache_clear(s);
    ok = ok && ask(s, &r, &a) == 0 && a.end.u.end.n_cached == 0 && same(&first, &a);
    stoker_close(s);
    verdict(m, "together", ok, "");
}

/* ---- preempted -------------------------------------------------------------------------------------------------------------- */

enum { MORE = 4 };

/* Prompts of two pages each and answers that need a third, where there is one page more than the prompts take. */
static int all_at_once(const struct subject *m, struct stoker *s, struct stoker_vector **v, uint64_t seed)
{
    static struct prompt p[MORE];
    const struct stoker_steer list[MORE] = {{.vector = NULL},
                                            {.vector = v[ADDED]},
                                            {.vector = v[PROJECTED]},
                                            {.vector = v[ADDED], .amount = 2, .has_amount = 1, .from = {0, 1}}};
    struct stoker_request r[MORE];
    struct stoker_error err;
    struct answer a, truth;
    stoker_id id[MORE];
    int ok = 1;
    for (int i = 0; ok && i < MORE; i++) {
        p[i].n = 0;
        extend(&p[i], 505, seed + (uint64_t)i, m->n_vocab);
        r[i] = request(&p[i], MOST_ANSWER, 4);
        r[i].steer = &list[i];
        r[i].n_steer = i > 0;
        ok = stoker_submit(s, &r[i], &id[i], &err) == 0;
    }
    for (int i = 0; ok && i < MORE; i++) {
        collect(s, id[i], &a);
        r[i].no_cache = 1;
        ok = ask(s, &r[i], &truth) == 0 && same(&truth, &a) && a.n == MOST_ANSWER;
    }
    return ok;
}

/* Where this thread is held up while it asks, one answer may have ended before the last is asked for: then again. */
static void preempted(const struct subject *m)
{
    enum { TRIES = 10 };
    struct stoker_options o = options();
    struct stoker_stats st = {0};
    struct stoker_vector *v[VECTORS] = {0};
    int n_layer;
    o.n_parallel = MORE;
    o.n_pages = 2 * MORE + 1;
    o.steer_memory = 1 << 20;
    struct stoker *s = engine(m->path, &o);
    int ok = s && write_vectors(m, &n_layer) == 0 && open_vectors(v, s) == 0;
    for (uint64_t i = 0; ok && st.preempted == 0 && i < (m->pages ? TRIES : 1); i++) {
        ok = all_at_once(m, s, v, 200 + MORE * i);
        stoker_stats_of(s, &st);
    }
    char detail[60];
    snprintf(detail, sizeof detail, "%llu times", (unsigned long long)st.preempted);
    close_vectors(v);
    stoker_close(s);
    remove_vectors();
    verdict(m, "preempted", ok && (st.preempted > 0) == m->pages, detail);
}

/* ---- by chance -------------------------------------------------------------------------------------------------------------- */

/* What requests are made of: texts, and prompts with their answers. */
struct talk {
    const struct subject *m;
    struct prompt text[TEXTS], answered[ANSWERED];
    int n_answered;
    uint64_t seed, draws;
    struct stoker_vector *v[VECTORS], *cold_v[VECTORS]; /* of the engine that keeps prefixes, and of the other */
};

static uint64_t draw(struct talk *t, uint64_t n) { return rng_u64(t->seed, t->draws++, 1, 9) % n; }

static void make_prompt(struct talk *t, struct prompt *p)
{
    const struct prompt
        *from = t->n_answered && draw(t, 2)
                    ? &t->answered[draw(t, (uint64_t)(t->n_answered < ANSWERED ? t->n_answered : ANSWERED))]
                    : &t->text[draw(t, TEXTS)];
    *p = *from;
    if (draw(t, 3) == 0) /* somewhere in it, at pages more often */
        p->n = draw(t, 2) ? 1 + draw(t, p->n) : 256 * (1 + draw(t, 3)) + draw(t, 3) - 1;
    if (draw(t, 3) == 0) /* its answer passes into a new page */
        p->n = 256 * (1 + draw(t, 3)) - 1 - draw(t, 5);
    if (p->n > from->n)
        p->n = from->n;
    extend(p, draw(t, 4) ? 1 + draw(t, 60) : draw(t, 2) + (p->n == 0), 1000 + draw(t, 40), t->m->n_vocab);
}

static void remember(struct talk *t, const struct prompt *p, const struct answer *a)
{
    struct prompt *to = &t->answered[t->n_answered++ % ANSWERED];
    *to = *p;
    for (int i = 0; i < a->n && to->n < N_CTX - MOST_ANSWER - 1; i++)
        to->id[to->n++] = a->id[i];
}

/* Few kinds of operations, and positions near those at which prompts part, so that some requests are steered alike. */
static size_t draw_list(struct talk *t, struct stoker_steer *list)
{
    static const struct stoker_at from[] = {{0, 0}, {200, 0}, {300, 0}, {0, 1}, {-1, 1}},
                                  to[] = {{0, 0}, {310, 0}, {0, 1}};
    size_t n = draw(t, 2) ? 1 + draw(t, 2) : 0;
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct stoker_steer){.vector = t->v[draw(t, 2) ? ADDED : PROJECTED],
                                        .amount = 1,
                                        .has_amount = 1,
                                        .from = from[draw(t, sizeof from / sizeof *from)],
                                        .to = to[draw(t, sizeof to / sizeof *to)]};
        list[i].has_to = list[i].to.n || list[i].to.from_prompt_end;
    }
    return n;
}

/* Requests at once; compared with the engine that computes each from nothing. */
static int round_of(struct talk *t, struct stoker *warm, struct stoker *cold)
{
    struct stoker_steer list[AT_ONCE][2], cold_list[2];
    static struct prompt p[AT_ONCE];
    struct answer a, truth;
    struct stoker_request r[AT_ONCE];
    struct stoker_error err;
    stoker_id id[AT_ONCE];
    size_t snapshot[AT_ONCE][2];
    int ok = 1, n = 1 + (int)draw(t, AT_ONCE);
    for (int i = 0; i < n; i++) {
        make_prompt(t, &p[i]);
        r[i] = request(&p[i], 1 + (int)draw(t, MOST_ANSWER - 1), draw(t, 3));
        snapshot[i][0] = 1 + draw(t, p[i].n);
        snapshot[i][1] = snapshot[i][0] + draw(t, p[i].n - snapshot[i][0] + 1);
        r[i].snapshot_at = snapshot[i];
        r[i].n_snapshot_at = snapshot[i][1] > snapshot[i][0] ? 1 + draw(t, 2) : draw(t, 2);
        r[i].no_cache = draw(t, 10) == 0;
        r[i].salt = "x";
        r[i].n_salt = draw(t, 6) == 0;
        r[i].steer = list[i];
        r[i].n_steer = draw_list(t, list[i]);
        if (stoker_submit(warm, &r[i], &id[i], &err)) {
            printf("     %s\n", err.text);
            return 0;
        }
    }
    if (draw(t, 3) == 0)
        stoker_cancel(warm, id[draw(t, (uint64_t)n)]);
    if (draw(t, 12) == 0)
        stoker_cache_clear(warm);
    for (int i = 0; i < n; i++) {
        collect(warm, id[i], &a);
        r[i].no_cache = 1;
        r[i].steer = cold_list;
        for (size_t k = 0; k < r[i].n_steer; k++) {
            cold_list[k] = list[i][k];
            cold_list[k].vector = t->cold_v[list[i][k].vector == t->v[ADDED] ? ADDED : PROJECTED];
        }
        if (ask(cold, &r[i], &truth) || a.end.kind != STOKER_END || !same(&truth, &a)) {
            printf("     differs: request %d of %d, %zu ids, %zu found, %d tokens\n", i, n, p[i].n,
                   a.end.u.end.n_cached, a.n);
            ok = 0;
        }
        remember(t, &p[i], &truth);
    }
    return ok;
}

static const struct stoker_options ways[] = {
    {.memory = STOKER_MEMORY_MAX, .n_parallel = 1, .n_chunk = 64},
    {.memory = STOKER_MEMORY_MAX, .n_parallel = 3, .n_chunk = 300, .n_snapshots = 2, .cache_ram = 1 << 20},
    {.memory = STOKER_MEMORY_MAX, .n_parallel = 4, .n_chunk = 700, .n_pages = 7, .n_snapshots = 1},
    {.memory = STOKER_MEMORY_MIN, .n_parallel = 5, .n_chunk = 33, .n_pages = 9, .n_snapshots = 4, .cache_ram = 1 << 18},
    {.memory = STOKER_MEMORY_MAX, .n_parallel = 2, .n_chunk = 512, .cache_ram = 64 << 20, .n_threads = 1},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void chance(const struct subject *m)
{
    static struct talk t;
    struct stoker_stats st;
    struct stoker_options alone = options();
    struct stoker_vector *cold_v[VECTORS] = {0};
    alone.steer_memory = 1 << 20;
    struct stoker *cold = engine(m->path, &alone);
    uint64_t cached = 0, all = 0, preempted = 0;
    int n_layer, n = 0, ok = write_vectors(m, &n_layer) == 0 && open_vectors(cold_v, cold) == 0;
    for (int w = 0; ok && w < WAYS; w++) {
        struct stoker_options o = ways[w];
        o.n_ctx = N_CTX;
        o.steer_memory = 1 << 20;
        o.n_threads = o.n_threads ? o.n_threads : 2;
        struct stoker *warm = engine(m->path, &o);
        memset(&t, 0, sizeof t);
        t.m = m;
        t.seed = 1 + (uint64_t)w;
        for (int i = 0; i < TEXTS; i++)
            extend(&t.text[i], 250 + 350 * (size_t)i, 90 + (uint64_t)i, m->n_vocab);
        memcpy(t.cold_v, cold_v, sizeof cold_v);
        ok = open_vectors(t.v, warm) == 0;
        for (int i = 0; ok && i < rounds; i++, n++)
            if (!(ok = round_of(&t, warm, cold)))
                printf("     in round %d of way %d\n", i, w);
        if (warm)
            stoker_stats_of(warm, &st);
        if (warm && st.active + st.queued != 0) {
            printf("     %d run and %d wait at the end\n", st.active, st.queued);
            ok = 0;
        }
        cached += warm ? st.cached_tokens : 0;
        all += warm ? st.prompt_tokens : 0;
        preempted += warm ? st.preempted : 0;
        close_vectors(t.v);
        stoker_close(warm);
    }
    close_vectors(cold_v);
    stoker_close(cold);
    remove_vectors();
    char detail[120];
    snprintf(detail, sizeof detail, "%d rounds, %llu of %llu ids found, %llu preempted", n, (unsigned long long)cached,
             (unsigned long long)all, (unsigned long long)preempted);
    ok = ok && cached > all / 20;
    verdict(m, "chance", ok, detail);
}

/* ---- files ------------------------------------------------------------------------------------------------------------------ */

static const char *self;

static void __attribute__((format(printf, 1, 2))) shell(const char *format, ...)
{
    char command[300];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0)
        printf("%s failed\n", command);
}

static void empty_dir(void) { shell("rm -rf '%s'/*", dir); }

static struct stoker_options with_files(void)
{
    struct stoker_options o = options();
    o.n_snapshots = 3;
    o.cache_dir = dir;
    return o;
}

/* The files, their names sorted. */
static glob_t files(void)
{
    glob_t g = {0};
    char pattern[100];
    snprintf(pattern, sizeof pattern, "%s/[0-9a-f]*/*.sk", dir);
    glob(pattern, 0, NULL, &g);
    return g;
}

/* Wait until no more files appear: they are written after the answers, and a small model answers faster than a drive writes. */
static void wait_for_writer(void)
{
    size_t n = 0;
    for (int i = 0, same = 0; i < 500 && same < 10; i++) {
        nanosleep(&(struct timespec){0, 10000000}, NULL);
        glob_t g = files();
        same = g.gl_pathc == n ? same + 1 : 0;
        n = g.gl_pathc;
        globfree(&g);
    }
}

static struct stoker_stats stats_of(struct stoker *s)
{
    struct stoker_stats st = {0};
    if (s)
        stoker_stats_of(s, &st);
    return st;
}

/* An engine of its own answers; what it found, or -1: another answer. */
static long found_by(const struct subject *m, const struct stoker_options *o, const struct stoker_request *r,
                     const struct answer *truth, struct stoker_stats *st)
{
    struct answer a;
    struct stoker *s = engine(m->path, o);
    int ok = s && ask(s, r, &a) == 0 && same(truth, &a);
    if (st)
        *st = stats_of(s);
    stoker_close(s);
    return ok ? (long)a.end.u.end.n_cached : -1;
}

/* A prompt of 700, answered and closed; the next turn of it in r, its answer by an engine without files in truth. */
static int write_files(const struct subject *m, struct prompt *p, struct stoker_request *r, struct answer *truth)
{
    static const size_t snapshot = 300;
    struct stoker_options o = with_files(), plain = options();
    struct answer a;
    empty_dir();
    p->n = 0;
    extend(p, 700, 31, m->n_vocab);
    *r = request(p, 8, 2);
    r->snapshot_at = &snapshot;
    r->n_snapshot_at = 1;
    struct stoker *s = engine(m->path, &o);
    int ok = s && ask(s, r, &a) == 0;
    stoker_close(s);
    for (int i = 0; ok && i < a.n; i++)
        p->id[p->n++] = a.id[i];
    extend(p, 20, 32, m->n_vocab);
    *r = request(p, 8, 2);
    s = engine(m->path, &plain);
    ok = ok && s && ask(s, r, truth) == 0;
    stoker_close(s);
    return ok;
}

static void restart(const struct subject *m)
{
    struct stoker_options o = with_files();
    struct stoker_stats st = {0}, other = {0};
    struct stoker_request r;
    struct answer truth, a;
    struct prompt p;
    struct stat file;
    char detail[100] = "";
    int ok = write_files(m, &p, &r, &truth);
    uint64_t least = UINT64_MAX;
    glob_t written = files();
    for (size_t i = 0; i < written.gl_pathc; i++)
        if (stat(written.gl_pathv[i], &file) == 0 && (uint64_t)file.st_size < least)
            least = (uint64_t)file.st_size;
    globfree(&written);
    long found = ok ? found_by(m, &o, &r, &truth, &st) : -1;
    ok = ok && found == 707 && st.cache_hits[STOKER_DISK] == 1 && st.cache_corrupt == 0 &&
         st.cache_bytes[STOKER_DISK] > 0;
    snprintf(detail, sizeof detail, "found %ld of 707", found);
    if (!ok)
        printf("     after a restart: %llu hits, %llu corrupt, %llu bytes\n",
               (unsigned long long)st.cache_hits[STOKER_DISK], (unsigned long long)st.cache_corrupt,
               (unsigned long long)st.cache_bytes[STOKER_DISK]);
    /* two at a time: the second reads only. Where pages alone are kept, the answer just written begins with all of the prompt */
    struct stoker *first = ok ? engine(m->path, &o) : NULL;
    long second = first ? found_by(m, &o, &r, &truth, &other) : -1, known = m->recurrent ? 707 : 727;
    ok = ok && second == known && ask(first, &r, &a) == 0 && same(&truth, &a) && a.end.u.end.n_cached == (size_t)known;
    /* after a clear nothing is found */
    if (first)
        stoker_cache_clear(first);
    ok = ok && ask(first, &r, &a) == 0 && a.end.u.end.n_cached == 0;
    if (!ok)
        printf("     a second engine found %ld, the first after forgetting %zu\n", second, a.end.u.end.n_cached);
    stoker_close(first);
    /* the folder stays within its limit of bytes */
    o.cache_disk = st.cache_bytes[STOKER_DISK] / 3;
    long third = ok ? found_by(m, &o, &r, &truth, &other) : -1, fourth = ok ? found_by(m, &o, &r, &truth, &other) : -1;
    ok = ok && third >= 0 && fourth >= 0 && fourth < 707;
    glob_t g = files();
    uint64_t bytes = 0;
    for (size_t i = 0; i < g.gl_pathc; i++)
        bytes += stat(g.gl_pathv[i], &file) == 0 ? (uint64_t)file.st_size : 0;
    globfree(&g);
    if (bytes > o.cache_disk || !ok)
        printf("     %llu bytes of %llu, found %ld, then %ld\n", (unsigned long long)bytes,
               (unsigned long long)o.cache_disk, third, fourth);
    ok = ok && bytes <= o.cache_disk;
    /* and what is larger than all of them pushes nothing out: states are larger than pages */
    o.cache_disk = least;
    ok = ok && found_by(m, &o, &r, &truth, &other) >= 0;
    g = files();
    if (ok && g.gl_pathc != 1)
        printf("     %zu files in the bytes of one\n", g.gl_pathc);
    ok = ok && g.gl_pathc == 1;
    globfree(&g);
    verdict(m, "restart", ok, detail);
}

/* How many rows an engine computed for an answer is what it says: all but what it found. */
static int computed_rest(const struct stoker_request *r, long found, const struct stoker_stats *st)
{
    uint64_t rows = r->n_prompt - (size_t)found + (size_t)r->max_tokens - 1;
    if (st->rows == rows)
        return 1;
    printf("     %llu rows were computed, expected %llu\n", (unsigned long long)st->rows, (unsigned long long)rows);
    return 0;
}

/* What the next turn finds in memory: the engine that answered the first is still there. */
static long found_in_memory(const struct subject *m, const struct stoker_request *first, const struct stoker_request *r)
{
    struct stoker_options o = with_files();
    struct answer a = {0};
    o.cache_dir = NULL;
    struct stoker *s = engine(m->path, &o);
    int ok = s && ask(s, first, &a) == 0 && ask(s, r, &a) == 0;
    stoker_close(s);
    return ok ? (long)a.end.u.end.n_cached : -1;
}

static void keep_files(void) { shell("rm -rf '%s.sound' && cp -a '%s' '%s.sound'", dir, dir, dir); }
static void restore_files(void) { shell("rm -rf '%s'/* && cp -a '%s.sound'/. '%s'", dir, dir, dir); }
static void drop_files(void) { shell("rm -rf '%s.sound'", dir); }

static void anywhere(const struct subject *m)
{
    static const size_t cuts[] = {1, 100, 255, 256, 257, 299, 301, 511, 512, 600, 699, 701, 706, 707};
    static struct prompt base, p;
    struct stoker_options o = with_files(), plain = options();
    struct stoker_request r;
    struct answer truth;
    char detail[100] = "";
    int ok = write_files(m, &base, &r, &truth);
    struct prompt first = base;
    static const size_t snapshot = 300;
    first.n = 700;
    struct stoker_request before = request(&first, 8, 2);
    before.snapshot_at = &snapshot;
    before.n_snapshot_at = 1;
    keep_files();
    struct stoker *cold = engine(m->path, &plain);
    for (size_t i = 0; ok && i < sizeof cuts / sizeof *cuts; i++) {
        struct stoker_stats st = {0};
        p = base;
        p.n = cuts[i];
        extend(&p, 30, 300 + i, m->n_vocab);
        p.id[cuts[i]] = (base.id[cuts[i]] + 1) % m->n_vocab;
        r = request(&p, 4, 2);
        r.no_cache = 1;
        ok = cold && ask(cold, &r, &truth) == 0;
        r.no_cache = 0;
        restore_files();
        size_t state = cuts[i] >= 707 ? 707 : cuts[i] >= 700 ? 700 : cuts[i] >= 300 ? 300 : 0;
        long want = m->recurrent ? (long)state : (long)cuts[i], memory = found_in_memory(m, &before, &r),
             found = ok ? found_by(m, &o, &r, &truth, &st) : -1;
        /* windows that left memory are still in files */
        ok = ok && found == want && (m->windows ? memory <= want : memory == want) && computed_rest(&r, found, &st) &&
             st.cache_hits[STOKER_DISK] == (want > 0);
        snprintf(detail, sizeof detail, "behind %zu ids: %ld from files, %ld in memory, expected %ld", cuts[i], found,
                 memory, want);
    }
    stoker_close(cold);
    drop_files();
    verdict(m, "anywhere", ok, detail);
}

static void tails(const struct subject *m)
{
    enum { N = 4, SHARED = 356, LENGTH = 430 };
    static struct prompt p[N + 1];
    struct stoker_options o = with_files(), plain = options();
    struct stoker_request r[N + 1];
    struct answer a, truth;
    struct stoker_stats st = {0};
    o.n_snapshots = 2 * N;
    empty_dir();
    struct stoker *s = engine(m->path, &o), *cold = engine(m->path, &plain);
    int ok = s && cold;
    for (int i = 0; ok && i < N; i++) {
        p[i].n = 0;
        extend(&p[i], SHARED, 500, m->n_vocab);
        extend(&p[i], LENGTH - SHARED, 501 + (uint64_t)i, m->n_vocab);
        r[i] = request(&p[i], 6, 1);
        ok = ask(s, &r[i], &a) == 0;
        wait_for_writer();
        for (int k = 0; k < a.n; k++)
            p[i].id[p[i].n++] = a.id[k];
        extend(&p[i], 15, 510, m->n_vocab);
    }
    stoker_close(s);
    p[N] = p[2]; /* and one that leaves the third */
    p[N].n = SHARED + 20;
    extend(&p[N], 50, 520, m->n_vocab);
    p[N].id[SHARED + 20] = (p[2].id[SHARED + 20] + 1) % m->n_vocab;
    char detail[80] = "";
    keep_files();
    for (int i = 0; ok && i <= N; i++) {
        long want = i < N ? LENGTH + 5 : m->recurrent ? 0 : SHARED + 20;
        r[i] = request(&p[i], 6, 1);
        ok = ask(cold, &r[i], &truth) == 0;
        restore_files();
        long found = ok ? found_by(m, &o, &r[i], &truth, &st) : -1;
        ok = ok && found == want && computed_rest(&r[i], found, &st);
        snprintf(detail, sizeof detail, "conversation %d finds %ld, expected %ld", i, found, want);
    }
    stoker_close(cold);
    drop_files();
    verdict(m, "tails", ok, detail);
}

/* The file of a conversation that holds its latest positions. */
static int furthest_file(char *path, size_t n_path)
{
    glob_t g = files();
    uint64_t far = 0;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        struct prefix_record r;
        int32_t own[KV_PAGE];
        int fd = open(g.gl_pathv[i], O_RDONLY);
        if (fd >= 0 && prefix_file_read_header(fd, &r, own) == PREFIX_READ_OK && r.first + r.count > far) {
            far = r.first + r.count;
            snprintf(path, n_path, "%s", g.gl_pathv[i]);
        }
        close(fd);
    }
    globfree(&g);
    return (int)far;
}

static int zero(const char *path, long at, size_t n)
{
    static const char nothing[4096];
    int fd = open(path, O_RDWR);
    ssize_t k = fd < 0 ? -1 : pwrite(fd, nothing, n, at);
    close(fd);
    return k == (ssize_t)n ? 0 : -1;
}

static void torn(const struct subject *m)
{
    struct stoker_options o = with_files();
    struct stoker_request r;
    struct answer truth;
    static struct prompt p;
    char path[100] = "", detail[80] = "";
    int ok = write_files(m, &p, &r, &truth);
    keep_files();
    for (int way = 0; ok && way < 5; way++) {
        struct stoker_stats st = {0};
        struct stat file;
        restore_files();
        ok = furthest_file(path, sizeof path) == 707 && stat(path, &file) == 0;
        if (way < 3) /* its beginning was written; nothing was; all but the last block was */
            ok = ok && truncate(path, way == 0 ? file.st_size / 2 : way == 1 ? 0 : file.st_size - 4096) == 0;
        else /* it has its length, and zeros for a header, or for the first of its rows */
            ok = ok && zero(path, way == 3 ? 0 : 8192, 4096) == 0;
        long found = ok ? found_by(m, &o, &r, &truth, &st) : -1, want = m->recurrent ? 700 : 512;
        ok = ok && found == want && st.cache_corrupt == 1 && computed_rest(&r, found, &st);
        snprintf(detail, sizeof detail, "way %d: found %ld, expected %ld, %llu corrupt", way, found, want,
                 (unsigned long long)st.cache_corrupt);
    }
    drop_files();
    verdict(m, "torn", ok, detail);
}

/* How much of a prompt of n ids is read back after others evicted it from a small memory; -1: it failed, or the answer is another. */
static long comes_back(const struct subject *m, size_t n)
{
    struct stoker_options o = with_files(), plain = options();
    static struct prompt p, other;
    struct answer a, truth;
    o.n_parallel = 1;
    o.cache_ram = 300000;
    plain.n_snapshots = 3;
    empty_dir();
    struct stoker *s = engine(m->path, &o), *cold = engine(m->path, &plain);
    p.n = 0;
    extend(&p, n, 61, m->n_vocab);
    struct stoker_request r = request(&p, 1, 1), others = request(&other, 1, 1);
    r.snapshot_at = &n;
    r.n_snapshot_at = 1;
    int ok = s && cold && ask(s, &r, &a) == 0;
    for (uint64_t i = 0; ok && i < 4; i++) {
        other.n = 0;
        extend(&other, n, 62 + i, m->n_vocab);
        others.n_prompt = other.n;
        wait_for_writer();
        ok = ask(s, &others, &a) == 0;
    }
    extend(&p, 40, 90, m->n_vocab);
    r.n_prompt = p.n;
    ok = ok && ask(s, &r, &a) == 0 && ask(cold, &r, &truth) == 0 && same(&truth, &a);
    stoker_close(s);
    stoker_close(cold);
    return ok ? (long)a.end.u.end.n_cached : -1;
}

/* Other prompts evict a prompt from a small memory, wholly or its windows alone: it is read back from files. Such a small model may
 * compute faster than a busy machine reads, and then it computes: so the request is repeated. */
static void pushed_out(const struct subject *m)
{
    char detail[60];
    long sum = 0, found = 256;
    for (size_t n = 260; found >= 256 && n <= 700; n += 220) {
        found = comes_back(m, n);
        for (int again = 0; found >= 0 && found < 256 && again < 8; again++)
            found = comes_back(m, n);
        sum += found;
    }
    snprintf(detail, sizeof detail, "found %ld of 1440", sum);
    verdict(m, "pushed-out", found >= 256, detail);
}

/* What is done to a file before the next engine looks. */
static void change_byte(const char *path, long at)
{
    int fd = open(path, O_RDWR);
    unsigned char c;
    if (fd < 0 || pread(fd, &c, 1, at) != 1 || (c ^= (unsigned char)(1 << at % 8), pwrite(fd, &c, 1, at) != 1))
        printf("     %s cannot be changed at %ld\n", path, at);
    close(fd);
}

static int same_or_miss(const struct subject *m, const struct stoker_request *r, const struct answer *truth,
                        const char *what, long at, int *misses)
{
    struct stoker_options o = with_files();
    struct stoker_stats st;
    long found = found_by(m, &o, r, truth, &st);
    *misses += st.cache_corrupt > 0;
    if (found >= 0)
        return 1;
    printf("     another answer: %s at %ld\n", what, at);
    return 0;
}

/* Every byte of a header's fields; beginnings, ends and places in between of the rest; cuts. */
static void damaged(const struct subject *m)
{
    struct stoker_request r;
    struct answer truth;
    struct prompt p;
    int ok = write_files(m, &p, &r, &truth), n = 0, misses = 0;
    keep_files();
    glob_t g = files();
    size_t n_files = g.gl_pathc;
    globfree(&g);
    for (size_t f = 0; ok && f < n_files; f++)
        for (int i = 0; ok && i < 12; i++, n++) {
            struct stat st;
            restore_files();
            g = files();
            const char *path = f < g.gl_pathc ? g.gl_pathv[f] : "";
            if (stat(path, &st) == 0) {
                long size = (long)st.st_size, at = (long)(rng_u64(17, (uint64_t)n, 2, 2) % (uint64_t)size);
                at = i < 5 ? (long)(rng_u64(18, (uint64_t)n, 2, 2) % 96) : i < 7 ? 4096 + 4 * (at % 300) : at;
                if (i < 10)
                    change_byte(path, at);
                else if (truncate(path, i == 10 ? 0 : at))
                    ok = 0;
                ok = ok && same_or_miss(m, &r, &truth, i < 10 ? "a byte" : "a cut", at, &misses);
            }
            globfree(&g);
        }
    /* a pipe that nobody writes to */
    shell("mkdir -p '%s/00' && mkfifo '%s/00/0000000000000000.sk'", dir, dir);
    ok = ok && same_or_miss(m, &r, &truth, "a pipe", 0, &misses);
    /* a file of another name, one that is none, a folder where a file is looked for */
    shell("rm -rf '%s'/* && mv '%s.sound'/* '%s' && rmdir '%s.sound'", dir, dir, dir, dir);
    g = files();
    for (size_t f = 0; ok && f + 1 < g.gl_pathc; f += 2)
        ok = rename(g.gl_pathv[f], g.gl_pathv[f + 1]) == 0;
    globfree(&g);
    ok = ok && same_or_miss(m, &r, &truth, "names", 0, &misses);
    char detail[80];
    snprintf(detail, sizeof detail, "%d ways, %d noticed", n, misses);
    verdict(m, "damaged", ok && n >= 24 && misses > n / 3, detail);
}

/* A file with correct checksums, which anybody can compute, and wrong fields: too many ids, a wrong position, a state that is none. */
static int lie(const char *path, int which)
{
    static uint8_t image[4 << 20];
    struct prefix_record r;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(image, 1, sizeof image, f) : 0;
    if (f)
        fclose(f);
    if (n < PREFIX_BLOCK || n == sizeof image)
        return -1;
    memcpy(&r, image + 16, sizeof r);
    uint64_t payload = n - prefix_file_payload(&r);
    if (which == 0)
        r.first += 4096;
    else if (which == 1)
        r.count = 1 + r.count % KV_PAGE;
    else
        r.has_state = !r.has_state;
    uint64_t at = prefix_file_payload(&r);
    if (prefix_file_bytes(&r) > sizeof image || at + payload > sizeof image)
        return -1;
    memset(image + at, 0, payload);
    prefix_file_seal(&r, image);
    f = fopen(path, "wb");
    int whole = f && fwrite(image, 1, prefix_file_bytes(&r), f) == prefix_file_bytes(&r);
    return f && fclose(f) == 0 && whole ? 0 : -1;
}

static void lies(const struct subject *m)
{
    struct stoker_request r;
    struct answer truth;
    struct prompt p;
    struct stoker_options o = with_files();
    int ok = 1, n = 0;
    for (int which = 0; ok && which < 3; which++) {
        ok = write_files(m, &p, &r, &truth);
        glob_t g = files();
        for (size_t f = 0; ok && f < g.gl_pathc; f++, n++)
            ok = lie(g.gl_pathv[f], which) == 0;
        globfree(&g);
        ok = ok && found_by(m, &o, &r, &truth, NULL) >= 0;
    }
    char detail[40];
    snprintf(detail, sizeof detail, "%d files", n);
    verdict(m, "lies", ok && n >= 6, detail);
}

/* Another model of the same shape finds nothing. */
static void others_files(const struct subject *m)
{
    struct stoker_options o = with_files();
    struct stoker_request r;
    struct answer truth, a = {0};
    struct prompt p;
    char copy[100];
    int ok = write_files(m, &p, &r, &truth);
    snprintf(copy, sizeof copy, "%s/other.gguf", dir);
    shell("cp '%s' '%s'", m->path, copy);
    struct gguf *g = NULL;
    struct error why = {0};
    ok = ok && gguf_open(&g, copy, &why) == 0;
    for (uint64_t i = 0; ok && i < g->n_tensor; i++) /* matrices alone */
        if (g->tensor[i].n_dims > 1)
            change_byte(copy, (long)(g->tensor[i].offset + g->tensor[i].n_bytes / 2));
    gguf_close(g);
    struct stoker *s = ok ? engine(copy, &o) : NULL;
    ok = s && ask(s, &r, &a) == 0 && a.end.u.end.n_cached == 0;
    stoker_close(s);
    o.kv = strcmp(kv, "f16") == 0 ? "q8_0" : "f16";
    s = m->pages && ok ? engine(m->path, &o) : NULL; /* states alone have no type */
    ok = ok && (!m->pages || (s && ask(s, &r, &a) == 0 && a.end.u.end.n_cached == 0 && stats_of(s).cache_corrupt == 0));
    stoker_close(s);
    verdict(m, "others", ok, "");
}

/* A process that may open no file for a moment computes, and the files stay. The engine's thread has taken the reader over before, by a
 * request that leaves nothing to be written: else the descriptor of the reader's ring, or of the writer's file, would be free for a moment,
 * and a file be opened with it. */
static void no_handles(const struct subject *m)
{
    struct stoker_options o = with_files();
    struct answer truth, a = {0};
    struct prompt p, few = {.n = 0};
    extend(&few, 5, 33, m->n_vocab);
    struct stoker_request r, first = request(&few, 1, 2);
    struct rlimit was, none;
    int ok = write_files(m, &p, &r, &truth);
    struct stoker *s = ok ? engine(m->path, &o) : NULL;
    first.no_cache = 1;
    ok = s && ask(s, &first, &a) == 0;
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    getrlimit(RLIMIT_NOFILE, &was);
    none = was;
    none.rlim_cur = (rlim_t)lowest;
    close(lowest);
    setrlimit(RLIMIT_NOFILE, &none);
    ok = ok && ask(s, &r, &a) == 0 && same(&truth, &a) && a.end.u.end.n_cached == 0;
    setrlimit(RLIMIT_NOFILE, &was);
    ok = ok && stats_of(s).cache_corrupt == 0;
    glob_t g = files();
    ok = ok && g.gl_pathc >= 3;
    globfree(&g);
    stoker_close(s);
    ok = ok && found_by(m, &o, &r, &truth, NULL) >= 707;
    verdict(m, "no-handles", ok, "");
}

/* In a process of its own, until it is killed. */
static int serve_until_killed(const struct subject *m, uint64_t seed)
{
    static struct talk t;
    static struct prompt p;
    struct stoker_options o = with_files();
    struct answer a;
    struct stoker *s = engine(m->path, &o);
    t.m = m;
    t.seed = seed;
    for (int i = 0; i < TEXTS; i++)
        extend(&t.text[i], 250 + 350 * (size_t)i, 90 + (uint64_t)i, m->n_vocab);
    while (s) {
        make_prompt(&t, &p);
        struct stoker_request r = request(&p, 5, 0);
        ask(s, &r, &a);
        remember(&t, &p, &a);
    }
    return 1;
}

static void killed(const struct subject *m)
{
    static struct talk t;
    static struct prompt p;
    struct stoker_options o = with_files(), plain = options();
    struct stoker *cold = engine(m->path, &plain);
    struct answer a, truth;
    uint64_t found = 0;
    int ok = cold != NULL, n = 0;
    empty_dir();
    for (; ok && n < 2 * rounds; n++) {
        char number[24], vocab[24], kind[24];
        snprintf(number, sizeof number, "%d", n);
        snprintf(vocab, sizeof vocab, "%d", m->n_vocab);
        snprintf(kind, sizeof kind, "%d", m->recurrent);
        pid_t pid = fork();
        if (pid == 0) {
            execl(self, self, "--serve", m->path, dir, number, vocab, kind, (char *)NULL);
            _exit(1);
        }
        struct timespec wait = {0, 20000000 + (long)(rng_u64(5, (uint64_t)n, 3, 3) % 200) * 1000000};
        nanosleep(&wait, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        struct stoker *s = engine(m->path, &o);
        memset(&t, 0, sizeof t);
        t.m = m;
        t.seed = 700 + (uint64_t)n;
        for (int i = 0; i < TEXTS; i++)
            extend(&t.text[i], 250 + 350 * (size_t)i, 90 + (uint64_t)i, m->n_vocab);
        ok = s != NULL;
        for (int i = 0; ok && i < 4; i++) {
            make_prompt(&t, &p);
            struct stoker_request r = request(&p, 5, 0);
            ok = ask(s, &r, &a) == 0;
            found += a.end.u.end.n_cached;
            r.no_cache = 1;
            ok = ok && ask(cold, &r, &truth) == 0 && same(&truth, &a);
        }
        stoker_close(s);
    }
    stoker_close(cold);
    char detail[60];
    snprintf(detail, sizeof detail, "%d times, %llu ids found", n, (unsigned long long)found);
    verdict(m, "killed", ok && found > 0, detail);
}

/* ---- steered ---------------------------------------------------------------------------------------------------------------- */

enum { PROMPT = 520, SNAPSHOT = 515 };
/* More than the cases fill, and little, because all of it is zeroed each time an engine opens. */
enum { STEERED_CACHE = 16 << 20 };

/* Requests one after the other, and what each finds: where pages alone are kept; where states are, which were taken at the snapshot and at
 * the ends of answers; and of models of two layers, where nothing is kept behind the layer that is steered. */
static const struct steered_case {
    const char *what;
    int n;
    struct stoker_steer list[2];
    int vector[2];
    size_t text, begins; /* 0: PROMPT ids; else so many of another text, that a case before had the first so many of */
    size_t pages, states, shallow, state_files; /* the last: where states lie in files by themselves, if that is more */
} steered_cases[] = {
#define ALL_OF_IT PROMPT - 1, SNAPSHOT, PROMPT - 1
#define AGAIN     PROMPT - 1, SNAPSHOT, PROMPT - 1
#define NOTHING   0, 0, PROMPT - 1
    {"unsteered", .n = 0, {{0}}, {0}, 0, 0, 0, 0, 0},
    {"scale 0", 1, {{.has_amount = 1}}, {0}, 0, 0, ALL_OF_IT},
    {"no positions", 1, {{.from = {9, 0}, .to = {9, 0}, .has_to = 1}}, {0}, 0, 0, ALL_OF_IT},
    {"the answer alone", 1, {{.from = {0, 1}}}, {0}, 0, 0, 512, 0, PROMPT - 1, SNAPSHOT},
    {"the answer alone again", 1, {{.from = {0, 1}}}, {0}, 0, 0, AGAIN},
    {"from 300", 1, {{.from = {300, 0}}}, {0}, 0, 0, 256, 0, PROMPT - 1},
    {"from 300 again", 1, {{.from = {300, 0}}}, {0}, 0, 0, AGAIN},
    {"a vector", 1, {{0}}, {ADDED}, 0, 0, NOTHING},
    {"equal content", 1, {{0}}, {EQUAL}, 0, 0, AGAIN},
    {"to 300", 1, {{.to = {300, 0}, .has_to = 1}}, {0}, 0, 0, 256, 0, PROMPT - 1},
    {"to 300 again", 1, {{.to = {300, 0}, .has_to = 1}}, {0}, 0, 0, AGAIN},
    {"another scale", 1, {{.amount = 2, .has_amount = 1}}, {0}, 0, 0, NOTHING},
    {"another layer", 1, {{.layer_first = 1, .layer_last = 1, .has_layers = 1}}, {0}, 0, 0, NOTHING},
    {"a projection", 1, {{0}}, {PROJECTED}, 0, 0, NOTHING},
    {"another side", 1, {{.side = STOKER_SIDE_POSITIVE}}, {PROJECTED}, 0, 0, NOTHING},
    {"two", 2, {{0}, {0}}, {ADDED, PROJECTED}, 0, 0, NOTHING},
    {"turned round", 2, {{0}, {0}}, {PROJECTED, ADDED}, 0, 0, NOTHING},
    {"turned round again", 2, {{0}, {0}}, {PROJECTED, ADDED}, 0, 0, AGAIN},
    {"290 unsteered", 0, {{0}}, {0}, 290, 0, 0, 0, 0},
    {"from 300, behind these", 1, {{.from = {300, 0}}}, {0}, 350, 290, 290, 290, 290},
    {"310 unsteered", 0, {{0}}, {0}, 310, 0, 0, 0, 0},
    {"from 300, behind those", 1, {{.from = {300, 0}}}, {0}, 370, 310, 256, 0, 310},
    {"a vector at the end", 1, {{0}}, {ADDED}, 0, 0, AGAIN},
    {"unsteered at the end", 0, {{0}}, {0}, 0, 0, AGAIN},
};
enum { STEERED_CASES = sizeof steered_cases / sizeof *steered_cases };

struct steered {
    const struct subject *m;
    struct stoker *warm, *cold;
    struct stoker_vector *v[VECTORS], *cold_v[VECTORS];
    int ok, n_layer, with_files;
    const char *where;
    char detail[100];
};

static struct stoker_request steered_request(const struct steered *t, const struct steered_case *e, struct prompt *p)
{
    static const size_t snapshot = SNAPSHOT;
    size_t seed = e->text == 290 || e->begins == 290 ? 62 : 63;
    p->n = 0;
    if (e->text == 0)
        extend(p, PROMPT, 61, t->m->n_vocab);
    else {
        extend(p, e->begins ? e->begins : e->text, seed, t->m->n_vocab);
        extend(p, e->text - p->n, 64, t->m->n_vocab);
    }
    struct stoker_request r = request(p, e->text ? 1 : 9, 3);
    r.snapshot_at = &snapshot;
    r.n_snapshot_at = e->text == 0;
    return r;
}

/* Asks, and expects what the case finds, and the answer of an engine that computes it from nothing. Without one it only asks: what is found
 * while files are written depends on what of them is written. */
static void ask_steered(struct steered *t, const struct steered_case *e)
{
    static struct prompt p;
    struct stoker_steer list[2], cold_list[2];
    struct answer a, truth;
    struct stoker_request r = steered_request(t, e, &p), cold = r;
    for (int i = 0; i < e->n; i++) {
        list[i] = cold_list[i] = e->list[i];
        list[i].vector = t->v[e->vector[i]];
        cold_list[i].vector = t->cold_v[e->vector[i]];
    }
    r.steer = list;
    cold.steer = cold_list;
    r.n_steer = cold.n_steer = (size_t)e->n;
    cold.no_cache = 1;
    size_t shallow = t->m->recurrent && e->shallow == PROMPT - 1 ? SNAPSHOT : e->shallow,
           states = t->with_files && e->state_files ? e->state_files : e->states,
           want = t->n_layer <= 2   ? shallow
                  : t->m->recurrent ? states
                                    : e->pages;
    t->ok = t->ok && ask(t->warm, &r, &a) == 0;
    if (e->list[0].has_layers && t->n_layer == 3) /* all that is kept of the whole vector */
        want = t->m->recurrent ? SNAPSHOT : PROMPT - 1;
    if (t->ok && t->cold && a.end.u.end.n_cached != want) {
        snprintf(t->detail, sizeof t->detail, "%s, %s: found %zu, expected %zu", t->where, e->what,
                 a.end.u.end.n_cached, want);
        t->ok = 0;
    }
    if (t->ok && t->cold && !(ask(t->cold, &cold, &truth) == 0 && same(&truth, &a))) {
        snprintf(t->detail, sizeof t->detail, "%s, %s: another answer", t->where, e->what);
        t->ok = 0;
    }
}

static void open_steered(struct steered *t, const struct stoker_options *how)
{
    struct stoker_options o = *how;
    o.steer_memory = 1 << 20;
    t->with_files = o.cache_dir != NULL;
    t->warm = engine(t->m->path, &o);
    t->ok = t->ok && open_vectors(t->v, t->warm) == 0;
}

static void close_steered(struct steered *t)
{
    close_vectors(t->v);
    stoker_close(t->warm);
    t->warm = NULL;
}

/* Four lists of one prompt at the same time: what each would say alone. */
static void steered_together(struct steered *t)
{
    const struct stoker_steer late = {.vector = t->v[ADDED], .from = {0, 1}}, plain = {.vector = t->v[ADDED]},
                              *list[4] = {NULL, &plain, &late, &plain};
    static struct prompt p;
    stoker_id id[4];
    struct answer a, truth;
    struct stoker_request r = steered_request(t, &steered_cases[0], &p);
    for (int i = 0; i < 4 && t->ok; i++) {
        r.steer = list[i];
        r.n_steer = list[i] != NULL;
        r.sampling.seed = 90 + (uint64_t)i;
        t->ok = stoker_submit(t->warm, &r, &id[i], NULL) == 0;
    }
    for (int i = 0; i < 4 && t->ok; i++) {
        struct stoker_request cold = r;
        struct stoker_steer mine = list[i] ? *list[i] : (struct stoker_steer){0};
        mine.vector = t->cold_v[ADDED];
        cold.steer = &mine;
        cold.n_steer = list[i] != NULL;
        cold.sampling.seed = 90 + (uint64_t)i;
        cold.no_cache = 1;
        collect(t->warm, id[i], &a);
        t->ok = a.end.kind == STOKER_END && ask(t->cold, &cold, &truth) == 0 && same(&truth, &a);
        if (!t->ok)
            snprintf(t->detail, sizeof t->detail, "four at once: number %d has another answer", i);
    }
}

static void steered_in_memory(struct steered *t)
{
    struct stoker_options o = options();
    o.n_snapshots = 40;
    o.n_parallel = 4;
    o.cache_ram = STEERED_CACHE;
    t->where = "in memory";
    open_steered(t, &o);
    for (int i = 0; i < STEERED_CASES; i++) {
        if (i == STEERED_CASES / 2 && t->ok) { /* a file that is loaded again is the same */
            close_vectors(t->v);
            t->ok = open_vectors(t->v, t->warm) == 0;
        }
        ask_steered(t, &steered_cases[i]);
    }
    if (t->ok)
        steered_together(t);
    close_steered(t);
}

/* A request with an entry of one kind from a position on, by a vector of each engine, which it closes: it finds so many, and has the answer
 * of an engine that computes it from nothing. */
static void ask_routed(struct steered *t, enum stoker_steer_kind kind, struct stoker_vector *v,
                       struct stoker_vector *cold_v, int from, size_t want, const char *what)
{
    static struct prompt p;
    struct stoker_request r = steered_request(t, &steered_cases[0], &p), cold = r;
    struct answer a, truth;
    const struct stoker_steer how = {.vector = v, .kind = kind, .from = {from, 0}},
                              cold_how = {.vector = cold_v, .kind = kind, .from = {from, 0}};
    r.steer = &how;
    cold.steer = &cold_how;
    r.n_steer = cold.n_steer = 1;
    cold.no_cache = 1;
    t->ok = t->ok && ask(t->warm, &r, &a) == 0 && ask(t->cold, &cold, &truth) == 0;
    if (t->ok && (a.end.u.end.n_cached != want || !same(&truth, &a))) {
        snprintf(t->detail, sizeof t->detail, "%s from %d: found %zu, expected %zu%s", what, from, a.end.u.end.n_cached,
                 want, same(&truth, &a) ? "" : "; another answer");
        t->ok = 0;
    }
    stoker_vector_close(v);
    stoker_vector_close(cold_v);
}

/* By a bias on expert 0 of a layer. */
static void ask_biased(struct steered *t, int layer, float bias, int from, size_t want)
{
    const struct stoker_expert_bias one = {layer, 0, bias};
    struct stoker_vector *v = NULL, *cold_v = NULL;
    char what[60];
    t->ok = t->ok && stoker_experts_open(&v, t->warm, &one, 1, NULL) == 0 &&
            stoker_experts_open(&cold_v, t->cold, &one, 1, NULL) == 0;
    snprintf(what, sizeof what, "bias %g at layer %d", (double)bias, layer);
    ask_routed(t, STOKER_STEER_EXPERTS, v, cold_v, from, want, what);
}

/* A trace of one step, whose layers all take the experts from first on. */
static void write_trace(const char *path, const struct stoker_about *about, int n_layer, int first)
{
    char head[400], layers[200] = "0";
    FILE *f = fopen(path, "w");
    for (int l = 1; l < n_layer && strlen(layers) + 3 < sizeof layers; l++)
        strcat(layers, ",0");
    int n = snprintf(head, sizeof head,
                     "{\"layers\":[%s],\"n_expert\":%d,\"k\":%d,\"n_prompt\":0,\"n_step\":1,\"id_bytes\":1,"
                     "\"comp\":\"raw\"}",
                     layers, (int)about->n_expert, (int)about->n_expert_used);
    fprintf(f, "STRT1\n%c%c%c%c%s", n & 255, n >> 8, 0, 0, head);
    for (int l = 0; l < n_layer; l++)
        for (int i = 0; i < (int)about->n_expert_used; i++)
            fputc((first + i) % (int)about->n_expert, f);
    fclose(f);
}

/* By the routes of such a trace, read anew each time. */
static void ask_told(struct steered *t, const struct stoker_about *about, int first, int from, size_t want)
{
    char path[100];
    struct stoker_vector *v = NULL, *cold_v = NULL;
    struct stoker_error err = {0};
    snprintf(path, sizeof path, "%s/trace.strt", dir);
    write_trace(path, about, t->n_layer, first);
    if (t->ok && (stoker_vector_open(&v, t->warm, AT_FDCWD, path, &err) ||
                  stoker_vector_open(&cold_v, t->cold, AT_FDCWD, path, &err))) {
        snprintf(t->detail, sizeof t->detail, "%.90s", err.text);
        t->ok = 0;
    }
    ask_routed(t, STOKER_STEER_ROUTES, v, cold_v, from, want, "routes");
}

/* Where every layer has experts and keeps pages: lists of other experts share nothing, those of the last layer all. */
static void steered_experts(struct steered *t)
{
    static struct stoker_about about;
    struct stoker_options o = options();
    if (!t->ok || stoker_about(&about, t->m->path, NULL) || about.n_expert == 0 || t->m->recurrent || t->m->windows)
        return;
    o.n_snapshots = 40;
    o.cache_ram = STEERED_CACHE;
    open_steered(t, &o);
    struct stoker_vector *probe = NULL;
    if (t->ok && stoker_experts_open(&probe, t->warm, &(struct stoker_expert_bias){0, 0, 1}, 1, NULL) == 0) {
        stoker_vector_close(probe);
        ask_steered(t, &steered_cases[0]);
        ask_biased(t, 0, -INFINITY, 0, 0);
        ask_biased(t, 0, -INFINITY, 0, PROMPT - 1);
        ask_biased(t, 0, 100, 0, 0);
        ask_biased(t, 0, 0, 0, PROMPT - 1);
        ask_biased(t, t->n_layer - 1, -INFINITY, 0, PROMPT - 1);
        ask_biased(t, 0, -INFINITY, 300, 256);
        ask_biased(t, 0, -INFINITY, 300, PROMPT - 1);
        ask_told(t, &about, 0, 0, 0);
        ask_told(t, &about, 0, 0, PROMPT - 1);
        ask_told(t, &about, 1, 0, 0);
        ask_told(t, &about, 1, 300, 256);
        ask_told(t, &about, 1, 300, PROMPT - 1);
        ask_steered(t, &steered_cases[STEERED_CASES - 1]);
    }
    close_steered(t);
}

/* An engine each. */
static void steered_from_files(struct steered *t, int first)
{
    struct stoker_options o = with_files();
    for (int i = first; i < STEERED_CASES && t->ok; i++) {
        open_steered(t, &o);
        ask_steered(t, &steered_cases[i]);
        close_steered(t);
    }
}

/* In a process of its own: the first half, written; then an engine that has them open until it is killed. */
static void steer_until_killed(const struct subject *m, int n_layer)
{
    struct steered t = {.m = m, .ok = 1, .n_layer = n_layer};
    struct stoker_options o = with_files();
    char ready[100];
    o.n_snapshots = 40;
    o.n_parallel = 4;
    o.cache_ram = STEERED_CACHE;
    open_steered(&t, &o);
    for (int i = 0; i < STEERED_CASES / 2; i++)
        ask_steered(&t, &steered_cases[i]);
    if (!t.ok)
        printf("     %s\n", t.detail);
    fflush(stdout);
    close_steered(&t);
    open_steered(&t, &o);
    snprintf(ready, sizeof ready, "%s/%s", dir, t.ok ? "done" : "failed");
    close(open(ready, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    for (;;)
        pause();
}

static void steered_when_killed(struct steered *t)
{
    char kind[12], vocab[12], layers[12], done[100];
    snprintf(kind, sizeof kind, "%d", t->m->recurrent);
    snprintf(vocab, sizeof vocab, "%d", t->m->n_vocab);
    snprintf(layers, sizeof layers, "%d", t->n_layer);
    snprintf(done, sizeof done, "%s/done", dir);
    empty_dir();
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, self, "--steer", t->m->path, dir, layers, vocab, kind, (char *)NULL);
        _exit(1);
    }
    for (int ms = 0; ms < PATIENCE && access(done, F_OK); ms += 10)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (access(done, F_OK)) {
        snprintf(t->detail, sizeof t->detail, "the process that is killed did not come so far");
        t->ok = 0;
    }
    t->where = "after a kill";
    steered_from_files(t, STEERED_CASES / 2);
}

static void steered(const struct subject *m)
{
    struct steered t = {.m = m};
    struct stoker_options o = options();
    o.steer_memory = 1 << 20;
    t.cold = engine(m->path, &o);
    t.ok = write_vectors(m, &t.n_layer) == 0 && open_vectors(t.cold_v, t.cold) == 0;
    steered_in_memory(&t);
    steered_experts(&t);
    empty_dir();
    if (t.ok && t.n_layer > 2) {
        t.where = "from files";
        steered_from_files(&t, 0);
        if (t.ok)
            steered_when_killed(&t);
        empty_dir();
    }
    close_vectors(t.cold_v);
    stoker_close(t.cold);
    remove_vectors();
    verdict(m, "steered", t.ok, t.detail);
}

/* ---- all -------------------------------------------------------------------------------------------------------------------- */

static void run_model(const char *path, const char *type)
{
    kv = type;
    struct stoker_plan plan;
    struct stoker_error err;
    struct stoker_options o = options();
    const char *slash = strrchr(path, '/');
    struct subject m = {.path = path, .name = slash ? slash + 1 : path};
    if (stoker_plan(&plan, path, &o, &err)) {
        verdict(&m, "opened", 0, err.text);
        return;
    }
    m.recurrent = plan.state_bytes_per_sequence > 0;
    m.windows = plan.kv_fixed_bytes > 0;
    m.pages = plan.kv_bytes_per_token > 0;
    struct stoker *s = engine(path, &o);
    m.n_vocab = s ? stoker_n_vocab(s) : 1;
    stoker_close(s);
    static const struct {
        const char *name;
        void (*run)(const struct subject *m);
        int typed; /* 1: of every type of keys and values */
    } tests[] = {{"turns", turns, 1},           {"few-states", few_states, 0}, {"together", together, 0},
                 {"preempted", preempted, 0},   {"chance", chance, 0},         {"restart", restart, 1},
                 {"anywhere", anywhere, 1},     {"tails", tails, 1},           {"torn", torn, 0},
                 {"pushed-out", pushed_out, 0}, {"damaged", damaged, 0},       {"lies", lies, 0},
                 {"others", others_files, 1},   {"no-handles", no_handles, 0}, {"steered", steered, 0},
                 {"killed", killed, 0}};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if ((!only || strcmp(only, tests[i].name) == 0) && (tests[i].typed || strcmp(kv, "f16") == 0))
            tests[i].run(&m);
}

int main(int argc, char **argv)
{
    static const char *const models[] = {
#if SANITIZED
        TEST_DATA "/golden/gpt-oss-mxfp4.gguf",
        TEST_DATA "/golden/qwen35moe.gguf"
    };
#else
        TEST_DATA "/golden/llama-tied.gguf",
        TEST_DATA "/golden/gpt-oss-mxfp4.gguf",
        TEST_DATA "/golden/qwen35moe.gguf",
        TEST_DATA "/golden/deepseek2-lite.gguf",
        TEST_DATA "/golden/mamba2.gguf",
        TEST_DATA "/golden/deepseek4.gguf",
        TEST_DATA "/golden/glm-dsa-sparse.gguf"
    };
#endif
    static const char *const deep[] = {TEST_DATA "/steering/steer-llama-tied.gguf",
                                       TEST_DATA "/steering/steer-qwen35moe.gguf",
                                       TEST_DATA "/steering/steer-gpt-oss.gguf"};
    int first = 1;
    self = argv[0];
    if (argc == 7 && strncmp(argv[1], "--s", 3) == 0) {
        const struct subject m = {.path = argv[2], .n_vocab = atoi(argv[5]), .recurrent = atoi(argv[6])};
        snprintf(dir, sizeof dir, "%s", argv[3]);
        if (strcmp(argv[1], "--steer") == 0)
            steer_until_killed(&m, atoi(argv[4]));
        return serve_until_killed(&m, strtoull(argv[4], NULL, 10));
    }
    if (!mkdtemp(dir)) {
        printf("no folder for temporary files\n");
        return 1;
    }
    for (; first + 1 < argc && argv[first][0] == '-'; first += 2)
        if (strcmp(argv[first], "-n") == 0)
            rounds = atoi(argv[first + 1]);
        else
            only = argv[first + 1];
    for (int i = first; i < argc; i++)
        run_model(argv[i], "f16");
    for (size_t i = 0; first == argc && i < sizeof models / sizeof *models; i++) {
        run_model(models[i], "f16");
        if (!strstr(models[i], "mamba")) /* which keeps states alone */
            run_model(models[i], "q8_0");
    }
    only = only ? only : "steered"; /* models with a layer between the first and the last */
    for (size_t i = 0; first == argc && strcmp(only, "steered") == 0 && i < sizeof deep / sizeof *deep; i++)
        run_model(deep[i], "f16");
    empty_dir();
    rmdir(dir);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
