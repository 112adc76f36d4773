/* links: engine text model store op machine kernel format base
 *
 * Log-probabilities of prompts: the bits that generation gives, however they are computed.
 *
 *     build/tests/prompt_logprobs [-t TEST] PATH...     a GGUF file, or a folder with an INDEX.json: every model that runs
 *
 *     answers    a generated answer, greedy, sampled and constrained, scored as a part of a prompt: the bits and the lists of its events
 *     settings   chunks, threads, tiers, budgets, groups of rows, beside other requests: the same scores
 *     cache      a cache that is empty, that holds all of the prompt, and files after a restart: the same scores, and what was not resumed
 *     preempted  a job that gave its pages up and is computed again tells each score once
 *     lists      sorted, distinct ids, probabilities of at most 1, ranks that fit them
 *     exact      --exact: the logits of the .ref beside the model, within its tolerance
 *     malloc     none in a forward pass with scored rows
 *
 * A line a test and model. */
#include "base/rng.h"
#include "engine/engine.h"
#include "golden_ref.h"
#include "model/arch.h"
#include "sanitized.h"
#include "session_step.h"
#include "test_lines.h"

#include "count_malloc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_CTX = 512, LONG = 300, SHORT = 40, ANSWER = 9, TOP = 4, OTHERS = 3, PATIENCE = SANITIZED ? 240000 : 120000 };

static const char *only; /* -t */

struct subject {
    const char *path;
    char name[64];
    int n_vocab, recurrent, has_text;
    int pages; /* keys and values of all positions: pages can be short */
};

static int wanted(const char *test) { return !only || strcmp(only, test) == 0; }

static void line(const struct subject *m, const char *test)
{
    char name[100];
    snprintf(name, sizeof name, "%-10s %s", test, m->name);
    verdict(name, "");
}

/* ---- engines and requests -------------------------------------------------------------------------------------------------- */

static struct stoker_options options(void)
{
    return (struct stoker_options){
        .memory = STOKER_MEMORY_MAX, .n_ctx = N_CTX, .n_parallel = 1, .n_threads = 2, .n_chunk = 100, .n_snapshots = 4};
}

static struct stoker *engine(const struct subject *m, const struct stoker_options *o)
{
    struct stoker *s = NULL;
    struct stoker_error err = {0};
    expect(stoker_open(&s, m->path, o, &err) == 0, "%s", err.text);
    return s;
}

struct prompt {
    stoker_token id[N_CTX];
    size_t n;
};

static struct prompt random_prompt(const struct subject *m, size_t n, uint64_t seed)
{
    struct prompt p = {.n = n};
    for (size_t i = 0; i < n; i++)
        p.id[i] = (stoker_token)(rng_u64(seed, i, 7, 7) % (uint64_t)m->n_vocab);
    return p;
}

/* What a request gave: scores and events. */
struct result {
    struct stoker_score score[N_CTX];
    struct stoker_logprob top[N_CTX][TOP];
    size_t scored; /* positions below are scored, those from score_from on */
    int n_event;   /* STOKER_SCORES */
    stoker_token id[ANSWER];
    double logprob[ANSWER];
    struct stoker_logprob token_top[ANSWER][TOP];
    int n_token;
    struct stoker_event end;
};

static struct stoker_request request(const struct prompt *p, struct result *r, size_t from)
{
    memset(r, 0, sizeof *r);
    return (struct stoker_request){.prompt = p->id,
                                   .n_prompt = p->n,
                                   .ignore_end = 1,
                                   .wants_logprobs = 1,
                                   .n_top_logprobs = TOP,
                                   .score_from = from,
                                   .score = r->score,
                                   .score_top = r->top[0],
                                   .n_score_top = TOP,
                                   .only_score = 1};
}

static stoker_id submit(struct stoker *s, const struct stoker_request *q)
{
    struct stoker_error err = {0};
    stoker_id id = 0;
    expect(stoker_submit(s, q, &id, &err) == 0, "submit: %s", err.text);
    return id;
}

static void take(struct result *r, const struct stoker_event *e, size_t from)
{
    if (e->kind == STOKER_SCORES) {
        size_t next = r->scored ? r->scored : from;
        expect(e->u.scores.first == next && e->u.scores.n > 0, "scores [%zu, +%zu) behind %zu", e->u.scores.first,
               e->u.scores.n, next);
        r->scored = e->u.scores.first + e->u.scores.n;
        r->n_event++;
    } else if (e->kind == STOKER_TOKEN && r->n_token < ANSWER) {
        r->id[r->n_token] = e->u.token.id;
        r->logprob[r->n_token] = e->u.token.logprob;
        if (e->u.token.n_top)
            memcpy(r->token_top[r->n_token], e->u.token.top, e->u.token.n_top * sizeof *e->u.token.top);
        r->n_token++;
    }
    r->end = *e;
}

static void collect(struct stoker *s, stoker_id id, struct result *r, const struct stoker_request *q)
{
    struct stoker_event e;
    int got;
    while (id && (got = stoker_next_event(s, id, PATIENCE, &e)) >= 0) {
        if (got == 0) {
            expect(0, "nothing for %d ms", PATIENCE);
            return;
        }
        take(r, &e, q->score_from);
    }
    expect(r->end.kind == STOKER_END, "failed: %s", r->end.error.text);
    expect(q->score_from == 0 || q->score_from >= q->n_prompt || r->scored == q->n_prompt, "scored up to %zu of %zu",
           r->scored, q->n_prompt);
    if (q->only_score)
        expect(r->n_token == 0 && r->end.u.end.reason == STOKER_END_LENGTH && r->end.u.end.n_generated == 0,
               "a request that only scores made %d tokens", r->n_token);
}

static void ask(struct stoker *s, const struct stoker_request *q, struct result *r) { collect(s, submit(s, q), r, q); }

static void score(struct stoker *s, const struct prompt *p, size_t from, struct result *r)
{
    struct stoker_request q = request(p, r, from);
    ask(s, &q, r);
}

static int same_double(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

static int same_lists(const struct stoker_logprob *a, const struct stoker_logprob *b, int n)
{
    for (int i = 0; i < n; i++)
        if (a[i].id != b[i].id || !same_double(a[i].logprob, b[i].logprob))
            return 0;
    return 1;
}

/* Scores of positions [from, n) are the same bits. */
static void expect_same(const struct result *truth, const struct result *r, size_t from, size_t n, const char *what)
{
    for (size_t i = from; i < n; i++)
        if (!same_double(truth->score[i].logprob, r->score[i].logprob) || truth->score[i].rank != r->score[i].rank ||
            truth->score[i].n_top != TOP || r->score[i].n_top != TOP || !same_lists(truth->top[i], r->top[i], TOP)) {
            expect(0, "%s: position %zu: %.17g (rank %d), not %.17g (rank %d)", what, i, r->score[i].logprob,
                   r->score[i].rank, truth->score[i].logprob, truth->score[i].rank);
            return;
        }
}

/* Alone, cold, one thread, all at once. */
static void truth_of(const struct subject *m, const struct prompt *p, const char *tier, struct result *truth)
{
    struct stoker_options o = options();
    o.n_threads = 1;
    o.cpu_tier = tier;
    o.n_chunk = N_CTX;
    struct stoker *s = engine(m, &o);
    memset(truth, 0, sizeof *truth);
    if (s)
        score(s, p, 1, truth);
    stoker_close(s);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

/* The answer's tokens have the scores that their events had: the prompt with the answer behind it is scored from `from` on. */
static void scored_as_told(struct stoker *s, const struct prompt *p, const struct result *generated, size_t from,
                           int cached)
{
    static struct result r;
    struct prompt whole = *p;
    memcpy(whole.id + p->n, generated->id, (size_t)generated->n_token * sizeof *generated->id);
    whole.n += (size_t)generated->n_token;
    struct stoker_request q = request(&whole, &r, from);
    q.no_cache = !cached;
    ask(s, &q, &r);
    for (int i = 0; i < generated->n_token; i++) {
        size_t at = p->n + (size_t)i;
        expect(same_double(r.score[at].logprob, generated->logprob[i]) && r.score[at].n_top == TOP &&
                   same_lists(r.top[at], generated->token_top[i], TOP),
               "token %d of the answer: %.17g, generated with %.17g", i, r.score[at].logprob, generated->logprob[i]);
    }
}

static void answers(const struct subject *m)
{
    static struct result generated, again;
    struct stoker_options o = options();
    struct stoker *s = engine(m, &o);
    const struct stoker_constraint *digits = NULL;
    struct stoker_error err = {0};
    const struct stoker_answer a = {.language = STOKER_REGEX, .text = "[0-9 ]+", .n = 7, .free_limit = 1};
    if (s && m->has_text)
        expect(stoker_constraint_open(&digits, s, &a, &err) == 0, "%s", err.text);
    for (int how = 0; s && how < 2 + (digits != NULL); how++) {
        struct prompt p = random_prompt(m, SHORT, 3 + (uint64_t)how);
        struct stoker_request q = request(&p, &generated, 1);
        q.only_score = 0;
        q.max_tokens = ANSWER;
        q.sampling = stoker_sampling_defaults();
        q.sampling.temperature = how == 1 ? 1.5 : 0;
        q.sampling.seed = 5;
        q.sampling.has_seed = 1;
        q.constraint = how == 2 ? digits : NULL;
        ask(s, &q, &generated); /* a request may have both */
        expect(generated.n_token > 0, "no answer");
        scored_as_told(s, &p, &generated, 1, 0);
        scored_as_told(s, &p, &generated, p.n, 1);
        score(s, &p, 1, &again);
        expect_same(&generated, &again, 1, p.n, "with and without an answer");
        for (int i = 0; how == 0 && i < generated.n_token; i++)
            expect(generated.id[i] == generated.token_top[i][0].id, "the greedy token is not the likeliest");
    }
    if (digits)
        stoker_constraint_close(s, digits);
    stoker_close(s);
    line(m, "answers");
}

/* ---- settings --------------------------------------------------------------------------------------------------------------- */

/* A scored prompt beside prompts that are not, which decode too. */
static void beside_others(struct stoker *s, const struct subject *m, const struct prompt *p, struct result *r)
{
    static struct result other[OTHERS];
    struct stoker_request q = request(p, r, 1), mine[OTHERS];
    struct prompt theirs[OTHERS];
    stoker_id id[OTHERS], scored = 0;
    for (int i = 0; i < OTHERS; i++) {
        theirs[i] = random_prompt(m, 20 + 13 * (size_t)i, 90 + (uint64_t)i);
        mine[i] = request(&theirs[i], &other[i], i == 1 ? 7 : 0);
        mine[i].only_score = i == 1;
        mine[i].max_tokens = ANSWER;
        id[i] = submit(s, &mine[i]);
        if (i == 0)
            scored = submit(s, &q);
    }
    collect(s, scored, r, &q);
    for (int i = 0; i < OTHERS; i++)
        collect(s, id[i], &other[i], &mine[i]);
}

static void settings(const struct subject *m)
{
    static struct result truth, r;
    static const int chunks[] = {1, 7, N_CTX};
    struct prompt p = random_prompt(m, SHORT, 11);
    truth_of(m, &p, "scalar", &truth); /* here alone: these kernels take longest */
    for (int i = 0; i < 12; i++) {
        struct stoker_options o = options();
        char what[100];
        int best = (int)cpu_best_tier(), next = best > TIER_SCALAR + 1 ? best - 1 : best;
        int tier = i == 7       ? TIER_SCALAR
                   : i % 4 == 3 ? next
                                : best,
            rows = i % 2 ? 1 : 32; /* scalar runs take longest */
        o.n_chunk = chunks[i % 3];
        o.n_threads = 1 + (i / 3) % 2;
        o.cpu_tier = cpu_tier_name((enum cpu_tier)tier);
        o.memory = i >= 6 ? STOKER_MEMORY_MIN : STOKER_MEMORY_MAX;
        o.n_parallel = i % 5 == 4 ? 1 + OTHERS : 1;
        snprintf(what, sizeof what, "chunk %d, %d threads, %s, %s budget, %d rows at a time%s", o.n_chunk, o.n_threads,
                 o.cpu_tier, i >= 6 ? "smallest" : "full", rows, o.n_parallel > 1 ? ", beside others" : "");
        struct stoker *s = engine(m, &o);
        if (!s)
            continue;
        s->session->score_rows = rows;
        if (o.n_parallel > 1)
            beside_others(s, m, &p, &r);
        else
            score(s, &p, 1, &r);
        expect_same(&truth, &r, 1, p.n, what);
        expect(o.n_parallel > 1 || r.n_event == (SHORT - 1 + o.n_chunk - 1) / o.n_chunk, "%s: %d events", what,
               r.n_event);
        stoker_close(s);
    }
    line(m, "settings");
}

/* ---- cache ------------------------------------------------------------------------------------------------------------------ */

static void expect_cached(const struct subject *m, const struct result *r, size_t from, const char *what)
{
    size_t cached = r->end.u.end.n_cached, most = from - 1;
    expect(cached <= most, "%s: %zu positions came from the cache, at most %zu may", what, cached, most);
    if (!m->recurrent)
        expect(cached == most, "%s: %zu positions came from the cache, not %zu", what, cached, most);
}

static void cache(const struct subject *m)
{
    static struct result truth, r;
    static const size_t from[] = {1, 2, 30, 257, LONG - 1};
    char dir[] = "/tmp/stoker-scores-XXXXXX", remove[80];
    struct prompt p = random_prompt(m, LONG, 21);
    struct stoker_options o = options();
    truth_of(m, &p, NULL, &truth);
    o.cache_dir = mkdtemp(dir);
    o.cache_ram = 8 << 20; /* all of it is zeroed when an engine opens */
    for (int restart = 0; restart < 2; restart++) {
        struct stoker *s = engine(m, &o);
        for (size_t i = 0; s && i < sizeof from / sizeof *from; i++) {
            /* once cold, then with all of it in memory; after the restart in files */
            score(s, &p, from[i], &r);
            expect_same(&truth, &r, from[i], p.n, restart ? "from files" : "from memory");
            expect_cached(m, &r, from[i], restart ? "from files" : "from memory");
        }
        const size_t snapshot = 100; /* a recurrent model resumes where it was told to keep a state */
        struct stoker_request q = request(&p, &r, LONG - 20);
        q.snapshot_at = &snapshot;
        q.n_snapshot_at = 1;
        for (int again = 0; s && again < 2; again++) {
            q = request(&p, &r, LONG - 20);
            q.snapshot_at = &snapshot;
            q.n_snapshot_at = 1;
            ask(s, &q, &r);
            expect_same(&truth, &r, LONG - 20, p.n, "behind a requested position");
        }
        expect(!s || r.end.u.end.n_cached >= snapshot, "%zu positions came from the cache", r.end.u.end.n_cached);
        stoker_close(s);
    }
    snprintf(remove, sizeof remove, "rm -rf %s", dir);
    expect(system(remove) == 0, "%s", remove);
    line(m, "cache");
}

/* ---- preempted -------------------------------------------------------------------------------------------------------------- */

/* Until a sequence has computed so many positions of the prompt, or so many tokens. */
static void wait_until(struct stoker *s, stoker_id id, size_t n_prompt_done, size_t n_decoded)
{
    for (int ms = 0; ms < PATIENCE; ms++) {
        struct stoker_slot slot[2];
        int n = stoker_slots(s, slot, 2);
        for (int i = 0; i < n; i++)
            if (slot[i].id == id && slot[i].n_prompt_done >= n_prompt_done && slot[i].n_decoded >= n_decoded)
                return;
        usleep(1000);
    }
    expect(0, "request %llu does not get on", (unsigned long long)id);
}

/* Three pages for two sequences. The older one pauses shortly before its second page, because nobody takes its events; the younger one in
 * the middle of its own second page. Then the older one goes on, and the younger one loses its pages. */
static void preempted(const struct subject *m)
{
    enum { PAUSE = 62, ROWS = 4, TAKEN = 5 };
    static struct result truth, r, first;
    struct stoker_stats st;
    struct stoker_event e;
    struct stoker_options o = options();
    struct prompt p = random_prompt(m, LONG, 31), old = random_prompt(m, 190, 32);
    truth_of(m, &p, NULL, &truth);
    o.n_parallel = 2;
    o.n_pages = 3;
    o.n_chunk = ROWS;
    struct stoker *s = engine(m, &o);
    if (s) {
        struct stoker_request q = request(&old, &first, 0), mine = request(&p, &r, 1);
        q.only_score = 0;
        q.max_tokens = PAUSE + ANSWER;
        stoker_id a = submit(s, &q);
        wait_until(s, a, 0, PAUSE);
        stoker_id b = submit(s, &mine);
        for (int i = 0; i < TAKEN && stoker_next_event(s, b, PATIENCE, &e) == 1; i++)
            take(&r, &e, 1);
        wait_until(s, b, (PAUSE + TAKEN) * ROWS, 0);
        collect(s, a, &first, &q);
        collect(s, b, &r, &mine);
        expect_same(&truth, &r, 1, p.n, "preempted");
        stoker_stats_of(s, &st);
        expect(st.preempted > 0, "nothing was preempted");
        expect(st.scored_tokens == LONG - 1, "%llu tokens were scored", (unsigned long long)st.scored_tokens);
    }
    stoker_close(s);
    line(m, "preempted");
}

/* ---- lists ------------------------------------------------------------------------------------------------------------------ */

static void lists(const struct subject *m)
{
    static struct result r;
    struct prompt p = random_prompt(m, SHORT, 41);
    truth_of(m, &p, NULL, &r);
    for (size_t at = 1; at < p.n; at++) {
        double sum = 0;
        int place = 0;
        expect(r.score[at].n_top == TOP && r.score[at].rank >= 1 && r.score[at].rank <= m->n_vocab &&
                   r.score[at].logprob <= 0,
               "position %zu: rank %d, %d in the list", at, r.score[at].rank, r.score[at].n_top);
        for (int i = 0; i < TOP; i++) {
            const struct stoker_logprob *t = &r.top[at][i];
            sum += exp(t->logprob);
            place = t->id == p.id[at] ? i + 1 : place;
            for (int k = 0; k < i; k++)
                expect(t[k - i].id != t->id &&
                           (t[k - i].logprob > t->logprob || (t[k - i].logprob >= t->logprob && t[k - i].id < t->id)),
                       "position %zu: entries %d and %d", at, k, i);
        }
        expect(sum <= 1 + 1e-12, "position %zu: the likeliest add up to %.17g", at, sum);
        expect(place ? r.score[at].rank == place && r.top[at][place - 1].logprob >= r.score[at].logprob &&
                           r.top[at][place - 1].logprob <= r.score[at].logprob
                     : r.score[at].rank > TOP && r.score[at].logprob <= r.top[at][TOP - 1].logprob,
               "position %zu: rank %d, place %d in the list", at, r.score[at].rank, place);
    }
    line(m, "lists");
}

/* ---- exact ------------------------------------------------------------------------------------------------------------------ */

static double ref_logprob(const float *logits, int n, int32_t id, double *size)
{
    double best = -INFINITY, sum = 0;
    *size = 0;
    for (int i = 0; i < n; i++) {
        best = logits[i] > best ? logits[i] : best;
        *size = fabs((double)logits[i]) > *size ? fabs((double)logits[i]) : *size;
    }
    for (int i = 0; i < n; i++)
        sum += exp(logits[i] - best);
    return logits[id] - best - log(sum);
}

static void exact(const struct subject *m, const struct ref *ref, double tolerance)
{
    static struct result r;
    struct stoker_options o = options();
    struct prompt p = {.n = (size_t)ref->n_token < N_CTX ? (size_t)ref->n_token : N_CTX};
    o.exact = 1;
    o.kv = "f32";
    memcpy(p.id, ref->token, p.n * sizeof *p.id);
    struct stoker *s = engine(m, &o);
    if (s)
        score(s, &p, 1, &r);
    for (size_t at = 1; s && at < p.n; at++) {
        double size, is = ref_logprob(ref->logits + (at - 1) * (size_t)ref->n_vocab, ref->n_vocab, p.id[at], &size),
                     may = 2 * tolerance * size;
        expect(fabs(r.score[at].logprob - is) <= may, "position %zu: %.9g, by the reference %.9g", at,
               r.score[at].logprob, is);
    }
    stoker_close(s);
    line(m, "exact");
}

/* ---- malloc ----------------------------------------------------------------------------------------------------------------- */

static atomic_int rows_seen;

static void count_row(void *arg, int pos, const float *logits)
{
    const int *n_vocab = arg;
    struct token_score s;
    struct token_logprob top[TOP];
    (void)pos;
    if (sampler_score(logits, *n_vocab, 1, &s, top, TOP) == 0)
        atomic_fetch_add(&rows_seen, 1);
}

static void no_malloc(const struct subject *m)
{
    struct session *s = NULL;
    struct error err = {0};
    const struct session_options o = {
        .tier = cpu_best_tier(), .plan_request = {.how = PLAN_MINIMUM, .n_ctx = 256, .n_chunk = 50, .n_threads = 2}};
    if (session_prepare(&s, m->path, &o, 0, &err) || session_load(s, &o, &err)) {
        expect(0, "%s", err.text);
        session_close(s);
        line(m, "malloc");
        return;
    }
    struct prompt p = random_prompt(m, 150, 51);
    int n_vocab = m->n_vocab, calls;
    atomic_store(&rows_seen, 0);
    count_begin();
    for (int at = 0; at < 150; at += 50) {
        struct batch b = session_batch(s);
        b.on_row = count_row;
        b.on_row_arg = &n_vocab;
        for (int i = at; i < at + 50; i++)
            if (batch_add(s, &b, &s->tables.seq[0], p.id[i], i, i == 149) == 0)
                batch_score(s, &b);
        b.n_prompt = b.n_rows;
        expect(session_forward(s, &b, &err) == 0, "%s", err.text);
    }
    calls = count_end();
    expect(!COUNT_MALLOC || calls == 0, "%d calls of malloc and its kin", calls);
    expect(atomic_load(&rows_seen) == 150, "%d of 150 rows were scored", atomic_load(&rows_seen));
    session_close(s);
    line(m, "malloc");
}

/* ---- the models ------------------------------------------------------------------------------------------------------------- */

static int open_subject(struct subject *m, const char *path, const char *name)
{
    struct error err = {0};
    struct session *s;
    struct session_options o = {.plan_request = {.how = PLAN_WHOLE}};
    *m = (struct subject){.path = path};
    snprintf(m->name, sizeof m->name, "%s", name);
    if (session_prepare(&s, path, &o, 0, &err)) {
        expect(0, "%s", err.text);
        line(m, "opens");
        return -1;
    }
    m->n_vocab = s->model->p.n_vocab;
    m->recurrent = s->model->state_bytes > 0;
    m->has_text = s->tokenizer != NULL;
    for (int k = 0; k < KV_KINDS; k++)
        m->pages |= s->model->kv_layout[k].n_layer && !s->model->kv_layout[k].window.n;
    session_close(s);
    return 0;
}

static void run_model(const char *path, const char *name, const char *dir, const json_t *entry)
{
    struct subject m;
    struct ref ref;
    char beside[4400];
    if (open_subject(&m, path, name))
        return;
    if (wanted("answers"))
        answers(&m);
    if (wanted("settings"))
        settings(&m);
    if (wanted("cache"))
        cache(&m);
    if (wanted("preempted") && m.pages)
        preempted(&m);
    if (wanted("lists"))
        lists(&m);
    if (wanted("malloc"))
        no_malloc(&m);
    snprintf(beside, sizeof beside, "%s/%s.ref", dir, name);
    if (wanted("exact") && entry && ref_read(&ref, beside) == 0) {
        exact(&m, &ref, json_number_value(json_object_get(entry, "tolerance")));
        ref_free(&ref);
    }
}

static void run_folder(const char *dir)
{
    json_t *root = NULL, *model;
    size_t i;
    char path[4400];
    index_entry(dir, "", &root);
    if (json_array_size(json_object_get(root, "models")) == 0) {
        expect(0, "%s has no INDEX.json with models", dir);
        verdict("folder", dir);
    }
    json_array_foreach(json_object_get(root, "models"), i, model)
    {
        const char *name = json_string_value(json_object_get(model, "name")),
                   *arch = json_string_value(json_object_get(model, "arch"));
        snprintf(path, sizeof path, "%s/%s.gguf", dir, name);
        if (!arch || arch_by_name(arch))
            run_model(path, name, dir, model);
    }
    json_decref(root);
}

int main(int argc, char **argv)
{
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        only = argv[2];
        first = 3;
    }
    for (int i = first; i < argc; i++) {
        struct stat st;
        char name[64];
        const char *slash = strrchr(argv[i], '/');
        snprintf(name, sizeof name, "%.*s", (int)strcspn(slash ? slash + 1 : argv[i], "."),
                 slash ? slash + 1 : argv[i]);
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            run_folder(argv[i]);
        else
            run_model(argv[i], name, ".", NULL);
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0 || passed == 0;
}
