/* links: engine text model store op kernel format base
 *
 * Known prefixes, shared steps, preemption: none of it changes an answer.
 *
 *     build/tests/prefix [-n ROUNDS] [MODEL.gguf...]      of the goldens of tests/data: each way of keeping things
 *
 *     turns      conversations, one request at a time: how much each turn finds, exactly
 *     together   equal prompts at once: the first computes, the others share
 *     preempted  sequences that find no page wait for others and are computed again
 *     chance     random requests that share prefixes of each other and of answers, several at a time, in engines with few pages,
 *                few states, odd chunks and budgets, cancelled and cleared in between: every token, its log-probability and the
 *                likeliest at its place are those of an engine that computes each request alone, from nothing
 *
 * A line a test and model. Needs no data from outside the repository. */
#include "base/rng.h"
#include "stoker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_CTX = 1100, MOST_ANSWER = 24, TOP = 4, TEXTS = 3, SAID = 16, AT_ONCE = 5 };

static int passed, failed, rounds = 6;

struct subject {
    const char *path, *name;
    int recurrent, windows, n_vocab;
};

static void verdict(const struct subject *m, const char *test, int ok, const char *detail)
{
    printf("%s %-9s %-14s %s\n", ok ? "ok  " : "FAIL", test, m->name, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

/* ---- requests and answers --------------------------------------------------------------------------------------------------- */

struct prompt {
    stoker_token id[N_CTX];
    size_t n;
};

struct answer {
    stoker_token id[MOST_ANSWER];
    double likely[MOST_ANSWER][1 + TOP]; /* of the token, then of the likeliest at its place */
    int n;
    struct stoker_event end; /* kind STOKER_FAILED: it failed */
};

static struct stoker *engine(const char *path, const struct stoker_options *o)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    if (stoker_open(&s, path, o, &err))
        printf("     %s: %s\n", path, err.text);
    return s;
}

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

static void collect(struct stoker *s, stoker_id id, struct answer *a)
{
    struct stoker_event e;
    memset(a, 0, sizeof *a);
    while (stoker_next_event(s, id, -1, &e) == 1) {
        if (e.kind == STOKER_TOKEN && a->n < MOST_ANSWER) {
            a->id[a->n] = e.u.token.id;
            a->likely[a->n][0] = e.u.token.logprob;
            for (int i = 0; i < TOP; i++)
                a->likely[a->n][1 + i] = e.u.token.top[i].logprob;
            a->n++;
        }
        a->end = e;
    }
    if (a->end.kind == STOKER_FAILED)
        printf("     %s\n", a->end.error.text);
}

static int ask(struct stoker *s, const struct stoker_request *r, struct answer *a)
{
    struct stoker_error err = {0};
    stoker_id id;
    memset(a, 0, sizeof *a);
    if (stoker_submit(s, r, &id, &err)) {
        printf("     %s\n", err.text);
        return -1;
    }
    collect(s, id, a);
    return a->end.kind == STOKER_END ? 0 : -1;
}

/* As far as the second goes: it may have been cancelled. */
static int same(const struct answer *truth, const struct answer *a)
{
    int whole = a->end.kind == STOKER_END && a->end.u.end.reason != STOKER_END_CANCELLED;
    return (whole ? a->n == truth->n : a->n <= truth->n) &&
           memcmp(truth->id, a->id, (size_t)a->n * sizeof *a->id) == 0 &&
           memcmp(truth->likely, a->likely, (size_t)a->n * sizeof *a->likely) == 0;
}

static void extend(struct prompt *p, size_t n, uint64_t seed, int n_vocab)
{
    for (size_t i = 0; i < n && p->n < N_CTX - MOST_ANSWER - 1; i++)
        p->id[p->n++] = (stoker_token)(rng_u64(seed, i, 7, 7) % (uint64_t)n_vocab);
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------ */

static struct stoker_options options(void)
{
    return (struct stoker_options){.memory = STOKER_MEMORY_MAX, .n_ctx = N_CTX, .n_threads = 2, .n_chunk = 100};
}

/* Each turn repeats the last one and its answer; what it should find: all of it but the answer's last token, which was never
 * computed; of recurrent models what was wished or the end of the answer, whichever is longer. */
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
        size_t wish = p.n - 5;
        r.snapshot_at = &wish;
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
    size_t wish = 800;
    int ok = s != NULL;
    extend(&p, 1000, 77, m->n_vocab);
    struct stoker_request r = request(&p, 5, 1);
    r.snapshot_at = &wish;
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

/* Prompts of two pages each and answers that need a third, where there is one page more than the prompts take. */
static void preempted(const struct subject *m)
{
    enum { N = 4 };
    static struct prompt p[N];
    struct stoker_options o = options();
    struct stoker_error err = {0};
    struct stoker_request r[N];
    struct answer a, truth;
    struct stoker_stats st = {0};
    stoker_id id[N];
    o.n_parallel = N;
    o.n_pages = 2 * N + 1;
    struct stoker *s = engine(m->path, &o);
    int ok = s != NULL;
    for (int i = 0; ok && i < N; i++) {
        p[i].n = 0;
        extend(&p[i], 505, 200 + (uint64_t)i, m->n_vocab);
        r[i] = request(&p[i], MOST_ANSWER, 4);
        ok = stoker_submit(s, &r[i], &id[i], &err) == 0;
    }
    for (int i = 0; ok && i < N; i++) {
        collect(s, id[i], &a);
        r[i].no_cache = 1;
        ok = ask(s, &r[i], &truth) == 0 && same(&truth, &a) && a.n == MOST_ANSWER;
    }
    if (s)
        stoker_stats_of(s, &st);
    char detail[60];
    snprintf(detail, sizeof detail, "%llu times", (unsigned long long)st.preempted);
    stoker_close(s);
    verdict(m, "preempted", ok && st.preempted > 0, detail);
}

/* ---- by chance -------------------------------------------------------------------------------------------------------------- */

/* What requests are made of: texts, and what was answered to some prompts. */
struct talk {
    const struct subject *m;
    struct prompt text[TEXTS], said[SAID];
    int n_said;
    uint64_t seed, draws;
};

static uint64_t draw(struct talk *t, uint64_t n) { return rng_u64(t->seed, t->draws++, 1, 9) % n; }

static void make_prompt(struct talk *t, struct prompt *p)
{
    const struct prompt *from = t->n_said && draw(t, 2)
                                    ? &t->said[draw(t, (uint64_t)(t->n_said < SAID ? t->n_said : SAID))]
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
    struct prompt *to = &t->said[t->n_said++ % SAID];
    *to = *p;
    for (int i = 0; i < a->n && to->n < N_CTX - MOST_ANSWER - 1; i++)
        to->id[to->n++] = a->id[i];
}

/* Requests at once; compared with the engine that computes each from nothing. */
static int round_of(struct talk *t, struct stoker *warm, struct stoker *cold)
{
    static struct prompt p[AT_ONCE];
    struct answer a, truth;
    struct stoker_request r[AT_ONCE];
    struct stoker_error err;
    stoker_id id[AT_ONCE];
    size_t wish[AT_ONCE][2];
    int ok = 1, n = 1 + (int)draw(t, AT_ONCE);
    for (int i = 0; i < n; i++) {
        make_prompt(t, &p[i]);
        r[i] = request(&p[i], 1 + (int)draw(t, MOST_ANSWER - 1), draw(t, 3));
        wish[i][0] = 1 + draw(t, p[i].n);
        wish[i][1] = wish[i][0] + draw(t, p[i].n - wish[i][0] + 1);
        r[i].snapshot_at = wish[i];
        r[i].n_snapshot_at = wish[i][1] > wish[i][0] ? 1 + draw(t, 2) : draw(t, 2);
        r[i].no_cache = draw(t, 10) == 0;
        r[i].salt = "x";
        r[i].n_salt = draw(t, 6) == 0;
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
    struct stoker *cold = engine(m->path, &alone);
    uint64_t cached = 0, all = 0, preempted = 0;
    int ok = cold != NULL, n = 0;
    for (int w = 0; ok && w < WAYS; w++) {
        struct stoker_options o = ways[w];
        o.n_ctx = N_CTX;
        o.n_threads = o.n_threads ? o.n_threads : 2;
        struct stoker *warm = engine(m->path, &o);
        memset(&t, 0, sizeof t);
        t.m = m;
        t.seed = 1 + (uint64_t)w;
        for (int i = 0; i < TEXTS; i++)
            extend(&t.text[i], 250 + 350 * (size_t)i, 90 + (uint64_t)i, m->n_vocab);
        ok = warm != NULL;
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
        stoker_close(warm);
    }
    stoker_close(cold);
    char detail[120];
    snprintf(detail, sizeof detail, "%d rounds, %llu of %llu ids found, %llu preempted", n, (unsigned long long)cached,
             (unsigned long long)all, (unsigned long long)preempted);
    ok = ok && cached > all / 5;
    verdict(m, "chance", ok, detail);
}

/* ---- all -------------------------------------------------------------------------------------------------------------------- */

static void run_model(const char *path)
{
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
    struct stoker *s = engine(path, &o);
    m.n_vocab = s ? stoker_n_vocab(s) : 1;
    stoker_close(s);
    turns(&m);
    together(&m);
    preempted(&m);
    chance(&m);
}

int main(int argc, char **argv)
{
    static const char *const models[] = {"tests/data/golden/llama-tied.gguf", "tests/data/golden/gpt-oss-mxfp4.gguf",
                                         "tests/data/golden/qwen35moe.gguf", "tests/data/golden/deepseek2-lite.gguf"};
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        rounds = atoi(argv[2]);
        first = 3;
    }
    for (int i = first; i < argc; i++)
        run_model(argv[i]);
    for (size_t i = 0; first == argc && i < sizeof models / sizeof *models; i++)
        run_model(models[i]);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
