/* links: engine text model store op machine kernel format base
 *
 * Drafted tokens change nothing: not a token, not a log-probability, nothing of what stays for later requests.
 *
 *     build/tests/drafts [--whole] [-t TEST] [MODEL.gguf...]        all of them: the embedded model and every golden; tests of variants are
 *                                                                   dealt, but with --whole and of models that are named
 *
 * The truth is an engine without drafts, which computes each request alone, from nothing. Against it, with drafts that are always right,
 * always wrong, both by turns, and by chance, so that every number of accepted rows occurs at every place of pages, windows and blocks:
 *
 *     alone      one request at a time, of every way to sample
 *     together   two to four at a time, in small chunks, with the smallest memory
 *     priced     with as many drafts as chance, and --draft auto, takes of them; what is known of steps stays while nobody reads an answer
 *     streamed   experts half in memory; and the rows of a long draft are no sweep of them
 *     preempted  with pages for one sequence and a half; a younger one that has drafts gives way; drafts take pages behind all rows
 *     unreadable an expert that drafts alone need cannot be read, of the model, of its layer that predicts or of a second model
 *     known      each answer goes on: what a drafted answer leaves in the cache is found, and is right
 *     repeated   drafts by what the text repeats (--draft ngram), of a prompt that says everything three times
 *     predicted  answers that are known before, by stoker_request.prediction: right, with an edit, wrong, with ids that there are not
 *     behind     answers that are forced and predicted token by token; with tokens that begin as forced ones do; and
 *                what is forced behind those that a text repeats
 *     forced     answers of a pattern and of a schema, where the model has a tokenizer
 *     certain    what a schema and a pattern force, by --draft ngram
 *     drafter    a second model that drafts: the model itself, of whose drafts all hold where the likeliest tokens are taken, and one with
 *                other weights, of whose some do; alone, several at once, with the smallest memory, with preemption, given up, continued;
 *                behind prompts that are long or known, and resting where its drafts are refused; a text that it lacks tokens of
 *     events     a caller that reads late: drafts wait as tokens do
 *     copied     drafts that lie across a place where a recurrent state is copied
 *     recorded   a request whose rows are recorded drafts once they are, and not before: the same bytes
 *
 *     law        requests by chance: prompts, sampling, constraints, sources (of them --draft mtp, where the model has a layer for it), one
 *                to four at once, budgets, preemption; 10, --whole: 200
 *
 * A line a test and model. Needs no data from outside the repository. */
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "expected.h"
#include "format/gguf.h"
#include "stoker.h"
#include "store/expert_inside.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { N_CTX = 420, MOST_ANSWER = 26, TOP = 3, WAYS = 4, AT_ONCE = 4 };
/* For prefixes: more than a test asks for, and little, because all of it is zeroed each time an engine opens. */
enum { CACHE = 8 << 20 };

#include "answers.h"
#include "temporary.h"
#include "ticking.h"
enum source { RIGHT, WRONG, TURNS, CHANCE, SOURCES };
static const char *const source_name[] = {"right", "wrong", "by turns", "by chance"};

static int passed, failed;
static char warning[2000]; /* of a second model, one behind the other */
static const char *only;   /* -t */
enum { LAWS = 10, LAWS_WHOLE = 200 };
static int laws;  /* requests of a model, at least */
static int whole; /* 1: every test in every setting, of models that are named and with --whole */

struct subject {
    const char *path, *name;
    int embedded, n_vocab, streams, pages, nextn; /* nextn: a layer of it drafts */
};

struct prompt {
    stoker_token id[N_CTX];
    size_t n;
};

/* What a source of drafts knows. */
struct oracle {
    enum source kind;
    const struct answer *truth;
    size_t n_prompt;
    int n_vocab;
    uint64_t seed;
};

static void verdict(const struct subject *m, const char *test, int ok, const char *detail)
{
    printf("%s %-9s %-22s %s\n", ok ? "ok  " : "FAIL", test, m->name, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

static void on_log(enum log_level level, const char *line)
{
    if (level == LOG_WARN && strncmp(line, "--draft ", 8) == 0)
        snprintf(warning + strlen(warning), sizeof warning - strlen(warning), "%s\n", line);
}

static int wanted(const char *test) { return !only || strcmp(only, test) == 0; }

/* ---- drafts ----------------------------------------------------------------------------------------------------------------- */

static const struct stoker *watched; /* its sequences are looked at before each step with drafts */
static int spare_pages;              /* those that they had behind their positions then */

static void count_spare_pages(const struct stoker *s)
{
    for (int i = 0; s && i < s->session->plan.n_parallel; i++) {
        const struct sequence *seq = &s->session->tables.seq[i];
        for (int k = 0; k < KV_KINDS; k++)
            spare_pages += seq->n_page[k] > (seq->n_pos + KV_PAGE - 1) / KV_PAGE;
    }
}

/* Is the draft for the answer's token i right? */
static int is_right(const struct oracle *o, int i)
{
    uint64_t x = rng_u64(o->seed, (uint64_t)i, 8, 8);
    return o->kind == RIGHT || (o->kind == TURNS && i % 2 == 0) || (o->kind == CHANCE && x % 4 != 0);
}

static int propose(void *arg, const stoker_token *history, size_t n, int most, stoker_token *out)
{
    const struct oracle *o = arg;
    int first = (int)(n - o->n_prompt), count = most;
    (void)history;
    count_spare_pages(watched);
    if (o->kind == CHANCE)
        count = (int)(rng_u64(o->seed, (uint64_t)first, 9, 9) % (uint64_t)(most + 1));
    for (int i = 0; i < count; i++) {
        int at = first + i;
        stoker_token truth = at < o->truth->n ? o->truth->id[at] : 0;
        out[i] = is_right(o, at) ? truth : (truth + 1 + at % 3) % o->n_vocab;
    }
    return count;
}

/* ---- requests --------------------------------------------------------------------------------------------------------------- */

static const size_t lengths[WAYS] = {9, 30, 247, 118}; /* the third answer begins a page */

static void make_prompt(struct prompt *p, int way, int n_vocab)
{
    p->n = lengths[way];
    for (size_t i = 0; i < p->n; i++)
        p->id[i] = (stoker_token)(rng_u64(77, i, 7, (uint32_t)way) % (uint64_t)n_vocab);
}

/* The likeliest token; by chance; by chance with penalties; by mirostat. */
static struct stoker_request request(const struct prompt *p, int way)
{
    struct stoker_request r = {.prompt = p->id,
                               .n_prompt = p->n,
                               .max_tokens = MOST_ANSWER - way,
                               .sampling = stoker_sampling_defaults(),
                               .wants_logprobs = 1,
                               .n_top_logprobs = TOP,
                               .ignore_end = way != 1};
    r.sampling.temperature = way > 0;
    r.sampling.seed = 5 + (uint64_t)way;
    r.sampling.has_seed = 1;
    if (way == 2) {
        r.sampling.repeat_penalty = 1.3;
        r.sampling.dry_multiplier = 0.8;
    }
    r.sampling.mirostat = way == 3 ? 2 : 0;
    return r;
}

/* What each token tells of itself is what the end counts. */
static int tokens_tell_drafts(const struct answer *a)
{
    return a->n_drafted == a->end.u.end.n_accepted && a->n_predicted == a->end.u.end.n_predicted_accepted;
}

static int same(const struct answer *truth, const struct answer *a)
{
    return a->end.kind == STOKER_END && a->n == truth->n && a->end.u.end.reason == truth->end.u.end.reason &&
           a->end.u.end.end_sampled == truth->end.u.end.end_sampled &&
           a->end.u.end.n_generated == truth->end.u.end.n_generated && tokens_tell_drafts(a) &&
           same_tokens(truth, a, a->n);
}

/* Drafts were tried, and were as right as they should be. */
static int counted(const struct answer *a, enum source kind)
{
    size_t n = a->end.u.end.n_drafted, right = a->end.u.end.n_accepted;
    int all = kind == RIGHT && a->end.u.end.reason == STOKER_END_LENGTH; /* else drafts go on behind the end */
    if (a->n < 4)
        return right <= n;
    return n > 0 && right <= n && (kind != WRONG || right == 0) && (!all || right == n);
}

static int uncounted; /* how many are drafted is not told */

static int holds(const struct answer *truth, const struct answer *a, enum source kind, int way)
{
    int at = 0;
    if (same(truth, a) && (uncounted || counted(a, kind)))
        return 1;
    while (at < a->n && at < truth->n && same_tokens(truth, a, at + 1))
        at++;
    printf("     drafts %s, request %d: of %d tokens %d came, equal up to %d; %zu drafted, %zu accepted\n",
           source_name[kind], way, truth->n, a->n, at, a->end.u.end.n_drafted, a->end.u.end.n_accepted);
    return 0;
}

/* ---- the truth --------------------------------------------------------------------------------------------------------------- */

static struct prompt prompts[WAYS];
static struct answer truths[WAYS];

static struct stoker_options options(int n_draft)
{
    return (struct stoker_options){
        .memory = STOKER_MEMORY_MAX, .n_ctx = N_CTX, .n_threads = 1, .n_chunk = 256, .n_draft = n_draft};
}

static int has_nextn(const struct model *m)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.nextn.eh_proj.weight", m->p.n_layer);
    return m->arch->nextn && gguf_tensor(m->file, name) != NULL;
}

static int learn(struct subject *m)
{
    struct stoker_options o = options(0);
    struct stoker *s = engine(m->path, &o);
    struct stoker_plan plan;
    int ok = s != NULL;
    if (!ok)
        return 0;
    m->n_vocab = stoker_n_vocab(s);
    m->nextn = has_nextn(s->session->model);
    stoker_plan_of(s, &plan);
    m->streams = plan.n_class > 0;
    m->pages = plan.kv_bytes_per_token > 0;
    for (int way = 0; way < WAYS && ok; way++) {
        make_prompt(&prompts[way], way, m->n_vocab);
        struct stoker_request r = request(&prompts[way], way);
        r.no_cache = 1;
        ok = ask(s, &r, &truths[way]) == 0;
    }
    stoker_close(s);
    return ok;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------- */

static struct oracle oracle_of(const struct subject *m, int way, enum source kind, uint64_t seed)
{
    return (struct oracle){
        .kind = kind, .truth = &truths[way], .n_prompt = prompts[way].n, .n_vocab = m->n_vocab, .seed = seed};
}

static void alone(const struct subject *m)
{
    struct stoker_options o = options(5);
    o.n_parallel = AT_ONCE; /* so that pages are free beside those that the cache of prefixes keeps */
    struct stoker *s = engine(m->path, &o);
    int ok = s != NULL;
    watched = s;
    spare_pages = 0;
    for (int i = 0; i < WAYS * SOURCES && ok; i++) {
        int way = i % WAYS;
        enum source kind = (enum source)(i / WAYS);
        struct oracle of = oracle_of(m, way, kind, (uint64_t)i);
        struct stoker_request r = request(&prompts[way], way);
        struct answer a;
        r.draft = propose;
        r.draft_arg = &of;
        r.no_cache = i % 3 == 0;
        ok = ask(s, &r, &a) == 0 && holds(&truths[way], &a, kind, way);
    }
    watched = NULL;
    stoker_close(s);
    verdict(m, "alone", ok && spare_pages == 0, spare_pages ? "refused drafts keep pages" : "");
}

/* n requests at once, each with drafts of another kind. */
static int several(struct stoker *s, const struct subject *m, int n, uint64_t seed)
{
    struct stoker_request r[AT_ONCE] = {{.n_prompt = 0}};
    struct oracle of[AT_ONCE];
    struct stoker_error err = {0};
    stoker_id id[AT_ONCE];
    struct answer a;
    int ok = 1, way[AT_ONCE];
    for (int i = 0; i < n; i++) {
        way[i] = (int)((seed + (uint64_t)i) % WAYS);
        of[i] = oracle_of(m, way[i], (enum source)((seed / WAYS + (uint64_t)i) % SOURCES), seed);
        r[i] = request(&prompts[way[i]], way[i]);
        r[i].draft = seed % 5 == 4 && i == 1 ? NULL : propose; /* beside one that drafts nothing */
        r[i].draft_arg = &of[i];
    }
    if (stoker_submit_all(s, r, (size_t)n, id, &err)) {
        printf("     %s\n", err.text);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        collect(s, id[i], &a);
        if (!r[i].draft || !m->pages)
            ok = (same(&truths[way[i]], &a) || holds(&truths[way[i]], &a, of[i].kind, way[i])) && ok;
        else
            ok = holds(&truths[way[i]], &a, of[i].kind, way[i]) && ok;
    }
    return ok;
}

static void in_settings(const struct subject *m, const char *test, const struct stoker_options *o, int rounds)
{
    struct stoker *s = engine(m->path, o);
    struct stoker_stats stats = {0};
    char detail[60];
    int ok = s != NULL;
    for (int round = 0; round < rounds && ok; round++)
        ok = several(s, m, round % 3 + 2, (uint64_t)round * 3);
    if (s)
        stoker_stats_of(s, &stats);
    snprintf(detail, sizeof detail, "%llu of %llu drafts, %llu preempted", (unsigned long long)stats.accepted_tokens,
             (unsigned long long)stats.drafted_tokens, (unsigned long long)stats.preempted);
    stoker_close(s);
    verdict(m, test, ok && (!o->n_pages || stats.preempted > 0), detail);
}

static void together(const struct subject *m)
{
    struct stoker_options o = options(9);
    o.memory = STOKER_MEMORY_MIN;
    o.n_parallel = AT_ONCE;
    o.n_chunk = 23;
    in_settings(m, "together", &o, 3);
}

/* However many of its drafts are taken: by chance, and by what they bring (--draft auto). */
static void priced(const struct subject *m)
{
    struct stoker_options o = options(9);
    char detail[80];
    uint64_t drafted[2] = {0};
    int ok = 1;
    o.n_parallel = AT_ONCE;
    o.draft = "auto";
    for (int chance = 0; chance < 2 && ok; chance++) {
        struct stoker *s = engine(m->path, &o);
        struct stoker_stats stats = {0};
        if (s)
            s->price.coin = (uint64_t)chance * 77;
        ok = s != NULL;
        uncounted = 1;
        for (int round = 0; round < 3 && ok; round++)
            ok = several(s, m, round % 3 + 2, (uint64_t)round * 3);
        uncounted = 0;
        if (s)
            stoker_stats_of(s, &stats);
        drafted[chance] = stats.drafted_tokens;
        stoker_close(s);
    }
    snprintf(detail, sizeof detail, "%llu drafts by chance",
             (unsigned long long)drafted[1]); /* the others: who knows */
    verdict(m, "priced", ok && drafted[1] > 20, detail);
}

/* Steps whose drafts are wrong tell what drafts cost, as those whose drafts hold do. On a busy machine a step without drafts may be held
 * up, and those that take much less are then no price: the same request is asked again. */
static void costs(const struct subject *m)
{
    enum { REQUESTS = 20 };
    struct stoker_options o = options(9);
    struct oracle of = oracle_of(m, 0, WRONG, 0);
    struct stoker_request r = request(&prompts[0], 0);
    struct answer a;
    char detail[60];
    int n = 0;
    o.draft = "auto";
    r.draft = propose;
    r.draft_arg = &of;
    struct stoker *s = engine(m->path, &o);
    if (s)
        s->price.coin = 77;
    int ok = s != NULL;
    uncounted = 1;
    for (int asked = 0; asked < REQUESTS && ok && n == 0; asked++) {
        ok = ask(s, &r, &a) == 0 && holds(&truths[0], &a, WRONG, 0);
        for (int i = 0; i < PRICE_SIZES; i++)
            n += s->price.size[i].seen;
    }
    uncounted = 0;
    stoker_close(s);
    snprintf(detail, sizeof detail, "%d steps with wrong drafts", n);
    verdict(m, "priced", ok && n > 0, detail);
}

/* Drafts that would cost far too much are not computed, and are learnt of all the same, to the last of them: by the first ones alone that
 * place would be seen an eighth as often as there are tokens. On a busy machine asking may take so long that few are proposed: the same
 * request is asked again. */
static void follows(const struct subject *m)
{
    enum { REQUESTS = 20 };
    struct stoker_options o = options(9);
    struct oracle of = oracle_of(m, 0, RIGHT, 0);
    struct stoker_request r = request(&prompts[0], 0);
    struct stoker_stats stats = {0};
    struct answer a;
    char detail[80];
    o.draft = "auto";
    r.draft = propose;
    r.draft_arg = &of;
    struct stoker *s = engine(m->path, &o);
    for (int i = 0; i < PRICE_SIZES && s; i++)
        s->price.size[i].rest.y = 1e9;
    int ok = s != NULL;
    double seen = 0, *last = s ? &s->price.usual.seen[DRAFT_OWN][DRAFT_PLACES - 1] : NULL;
    uncounted = 1;
    for (int asked = 0; asked < REQUESTS && ok && seen <= MOST_ANSWER / 8.0 + 1; asked++) {
        *last = 0;
        s->price.credit = 1;
        ok = ask(s, &r, &a) == 0 && holds(&truths[0], &a, RIGHT, 0);
        seen = *last;
    }
    uncounted = 0;
    if (ok)
        stoker_stats_of(s, &stats);
    snprintf(detail, sizeof detail, "%llu drafts, the last place was seen %.2f times",
             (unsigned long long)stats.drafted_tokens, seen);
    ok = ok && stats.drafted_tokens == 0 && seen > MOST_ANSWER / 8.0 + 1;
    stoker_close(s);
    verdict(m, "priced", ok, detail);
}

static int n_asked;

static int slow_source(void *arg, const stoker_token *history, size_t n, int most, stoker_token *out)
{
    const struct stoker *s = arg;
    double seconds = 0.005 + 2 * s->price.plain;
    (void)history, (void)n, (void)most, (void)out;
    n_asked++;
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)}, NULL);
    return 0;
}

/* A source that takes longer than a step, however long that is, and says nothing: it is asked as often as the time it takes is a hundredth
 * of all. */
static void asks_seldom(const struct subject *m)
{
    enum { LONG = 150 };
    static const stoker_token script[LONG];
    struct stoker_options o = options(9);
    struct stoker_request r = request(&prompts[0], 0);
    struct stoker_event end;
    struct stoker_error err = {0};
    char detail[60];
    o.draft = "auto";
    r.draft = slow_source;
    r.script = script;
    r.max_tokens = LONG;
    struct stoker *s = engine(m->path, &o);
    r.draft_arg = s;
    n_asked = 0;
    int ok = s && stoker_generate(s, &r, NULL, NULL, &end, &err) == 0;
    stoker_close(s);
    snprintf(detail, sizeof detail, "asked %d times in %d steps", n_asked, LONG);
    verdict(m, "priced", ok && n_asked > 0 && n_asked < LONG / 2, ok ? detail : err.text);
}

static void streamed(const struct subject *m)
{
    struct stoker_plan plan;
    struct stoker_error err = {0};
    struct stoker_options o = options(12);
    o.n_parallel = AT_ONCE;
    o.n_threads = 2;
    if (!m->streams || stoker_plan(&plan, m->path, &o, &err))
        return;
    o.memory = plan.minimum + (plan.whole - plan.minimum) / 2;
    in_settings(m, "streamed", &o, 2);
}

/* With so many right drafts an answer is one step behind its prompt's, of more rows than those of a prompt that sweeps. */
static void sweeps_not(const struct subject *m)
{
    struct stoker_options o = options(STOKER_DRAFT_MOST);
    o.memory = STOKER_MEMORY_MIN;
    struct stoker *s = m->streams ? engine(m->path, &o) : NULL;
    struct oracle of = oracle_of(m, 0, RIGHT, 0);
    struct stoker_request r = request(&prompts[0], 0);
    struct answer a = {.n = 0};
    char detail[60];
    r.draft = propose;
    r.draft_arg = &of;
    int ok = s && ask(s, &r, &a) == 0 && same(&truths[0], &a) && a.end.u.end.n_accepted > 16,
        rows = s && s->session->model->store ? s->session->model->store->sweep : 0;
    snprintf(detail, sizeof detail, "%zu drafts held, %d rows sweep", a.end.u.end.n_accepted, rows);
    stoker_close(s);
    if (m->streams)
        verdict(m, "streamed", ok && rows == 0, detail);
}

/* The older one comes to a page's end while the younger one has a draft in each step, and must give its page. */
static int gives_way(const struct subject *m, struct stoker *s)
{
    static const int way[] = {2, 0};
    static const enum source kind[] = {WRONG, RIGHT};
    struct stoker_request r[2];
    struct oracle of[2];
    struct stoker_stats stats = {0};
    struct stoker_error err = {0};
    stoker_id id[2];
    struct answer a;
    int ok = 1;
    for (int i = 0; i < 2; i++) {
        of[i] = oracle_of(m, way[i], kind[i], 0);
        r[i] = request(&prompts[way[i]], way[i]);
        r[i].draft = propose;
        r[i].draft_arg = &of[i];
        r[i].no_cache = 1;
    }
    if (stoker_submit_all(s, r, 2, id, &err)) {
        printf("     %s\n", err.text);
        return 0;
    }
    for (int i = 0; i < 2; i++) {
        collect(s, id[i], &a);
        ok = holds(&truths[way[i]], &a, kind[i], way[i]) && ok;
    }
    stoker_stats_of(s, &stats);
    return ok && stats.preempted > 0;
}

/* A source without drafts, that is asked in each step. */
static int none_of(void *arg, const stoker_token *history, size_t n, int most, stoker_token *out)
{
    (void)history, (void)n, (void)most, (void)out;
    ++*(int *)arg;
    return 0;
}

/* The younger one comes to a page's end while drafts of the older one, which are all refused, reach beyond theirs. There is one page more:
 * whose own row needs it gets it, so that nobody misses a step. */
static void rows_before_drafts(const struct subject *m)
{
    static const size_t before[] = {9, 6}; /* of each prompt to the end of its page */
    static const int answer[] = {MOST_ANSWER, 9};
    static const stoker_token script[MOST_ANSWER];
    struct answer truth = {.n = MOST_ANSWER}, a;
    struct stoker_options o = options(8);
    struct stoker_request r[2];
    struct oracle of = {.kind = WRONG, .truth = &truth, .n_vocab = m->n_vocab};
    struct stoker_error err = {0};
    struct prompt p[2] = {{.n = 0}};
    stoker_id id[2];
    char detail[60];
    int steps = 0;
    o.n_parallel = 2;
    o.n_pages = 3;
    o.n_chunk = 2 * KV_PAGE;
    struct stoker *s = engine(m->path, &o);
    for (int i = 0; i < 2; i++) {
        p[i].n = KV_PAGE - before[i];
        for (size_t at = 0; at < p[i].n; at++)
            p[i].id[at] = (stoker_token)(rng_u64(81, at, 7, (uint32_t)i) % (uint64_t)m->n_vocab);
        r[i] = request(&p[i], 0);
        r[i].script = script;
        r[i].max_tokens = answer[i];
        r[i].no_cache = 1;
    }
    of.n_prompt = p[0].n;
    r[0].draft = propose;
    r[0].draft_arg = &of;
    r[1].draft = none_of;
    r[1].draft_arg = &steps;
    int ok = s && stoker_submit_all(s, r, 2, id, &err) == 0;
    for (int i = 0; i < 2 && ok; i++) {
        collect(s, id[i], &a);
        ok = a.n == answer[i] && (i || a.end.u.end.n_drafted > 0);
    }
    stoker_close(s);
    snprintf(detail, sizeof detail, "asked %d times for %d tokens", steps, answer[1]);
    verdict(m, "preempted", ok && steps > 0 && steps < answer[1], detail);
}

static void preempted(const struct subject *m)
{
    struct stoker_options o = options(9);
    o.n_parallel = 3;
    o.n_pages = 2;
    if (!m->pages)
        return;
    in_settings(m, "preempted", &o, 3);
    o.n_parallel = o.n_draft = 2; /* one each, so that the younger one is not yet at its end */
    struct stoker *s = engine(m->path, &o);
    verdict(m, "preempted", s && gives_way(m, s), "who has drafts");
    stoker_close(s);
}

/* ---- what cannot be read ----------------------------------------------------------------------------------------------------- */

enum { LOADED = 1 << 16 };         /* bytes: reads of so many are those of the whole file when it is opened */
static _Atomic uint64_t bad_at;    /* a byte of the file that no smaller read may have; 0: there is none */
static _Atomic uint64_t bad_inode; /* of that file alone; 0: of each */
static atomic_int bad_reads;       /* how often one was asked for */
static struct stoker
    *_Atomic leaving_of; /* such a read cancels this engine's request `leaving`, and is no bad one; NULL: none */
static _Atomic uint64_t leaving; /* 0: it is not submitted yet */

static int is_bad(int fd)
{
    struct stat st;
    uint64_t inode = atomic_load(&bad_inode);
    return !inode || (fstat(fd, &st) == 0 && st.st_ino == inode);
}

/* Stands before the C library's, under the threads that read. */
ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    uint64_t bad = atomic_load(&bad_at), first = (uint64_t)at;
    if (bad && n < LOADED && first <= bad && bad - first < n && is_bad(fd)) {
        struct stoker *s = atomic_load(&leaving_of);
        atomic_fetch_add(&bad_reads, 1);
        if (!s) {
            errno = ENXIO; /* is not tried again */
            return -1;
        }
        while (!atomic_load(&leaving))
            usleep(100);
        stoker_cancel(s, atomic_load(&leaving));
    }
    return (ssize_t)syscall(SYS_pread64, fd, to, n, at);
}

/* From an engine that has read nothing before. */
static int ask_without(const struct subject *m, uint64_t bad, const struct stoker_request *r, struct answer *a)
{
    struct stoker_options o = options(5);
    o.memory = STOKER_MEMORY_MIN;
    o.reader = "threads";
    atomic_store(&bad_at, bad);
    struct stoker *s = engine(m->path, &o);
    int rc = s ? ask(s, r, a) : -1;
    stoker_close(s);
    atomic_store(&bad_at, 0);
    return rc;
}

/* The middles of experts, those of the last layers first; or those of the layer that predicts. Returns how many. */
static int experts_of(const struct subject *m, int predicts, uint64_t *at, int most)
{
    struct stoker_options o = options(predicts);
    o.draft = predicts ? "mtp" : NULL;
    struct stoker *s = engine(m->path, &o);
    int n = 0;
    const int last = s ? s->session->model->p.n_layer - 1 + predicts : -1;
    for (int layer = last; layer >= (predicts ? last : 0); layer--)
        for (int id = 0; id < s->session->model->expert_layer[layer].n_expert && n < most; id++) {
            const struct expert_extent *x = &s->session->model->expert_layer[layer].part[0];
            at[n++] = x->offset + (uint64_t)id * x->bytes + x->bytes / 2;
        }
    stoker_close(s);
    return n;
}

/* Whichever expert cannot be read, what comes of an answer is what comes of it without drafts. The answer is short, so that it does
 * without many. */
static void unreadable(const struct subject *m)
{
    enum { MOST = 40, ENOUGH = 1 };
    if (strcmp(m->name, "qwen3moe") != 0 && strcmp(m->name, "qwen35moe") != 0)
        return;
    uint64_t at[MOST];
    char detail[80];
    struct prompt p = {.id = {prompts[0].id[0]}, .n = 1};
    struct answer truth, all, a;
    struct oracle of = {.kind = WRONG, .truth = &truth, .n_prompt = p.n, .n_vocab = m->n_vocab};
    struct stoker_request plain = request(&p, 0), drafts;
    plain.max_tokens = 5;
    drafts = plain;
    drafts.draft = propose;
    drafts.draft_arg = &of;
    int n = experts_of(m, 0, at, MOST), fail = 0, go_on = 0;
    int ok = ask_without(m, 0, &plain, &truth) == 0 && ask_without(m, 0, &drafts, &all) == 0 && same(&truth, &all);
    quiet = 1;
    for (int i = 0; i < n && ok && (go_on < ENOUGH || !fail); i++) {
        int fails = ask_without(m, at[i], &plain, &a) != 0;
        ok = fails || same(&truth, &a);
        ok = ok && (ask_without(m, at[i], &drafts, &a) != 0) == fails && (fails || same(&truth, &a));
        fail += fails;
        go_on += !fails && ok && a.end.u.end.n_drafted < all.end.u.end.n_drafted;
    }
    quiet = 0;
    snprintf(detail, sizeof detail, "%d answers fail, %d go on without drafts", fail, go_on);
    verdict(m, "unreadable", ok && go_on >= ENOUGH && fail > 0, detail);
}

/* ---- more tests -------------------------------------------------------------------------------------------------------------- */

/* A second turn: the prompt, its answer, some more. */
static int goes_on(struct stoker *s, struct stoker *cold, const struct subject *m, int way, enum source kind)
{
    struct oracle of = oracle_of(m, way, kind, 31);
    struct stoker_request r = request(&prompts[way], way);
    struct answer a, truth;
    struct prompt p = prompts[way];
    r.draft = propose;
    r.draft_arg = &of;
    if (ask(s, &r, &a) || !holds(&truths[way], &a, kind, way))
        return 0;
    size_t known = p.n + (size_t)a.n - !a.end.u.end.end_sampled;
    for (int i = 0; i < a.n; i++)
        p.id[p.n++] = a.id[i];
    for (int i = 0; i < 3; i++)
        p.id[p.n++] = (stoker_token)(rng_u64(78, (uint64_t)i, 7, (uint32_t)way) % (uint64_t)m->n_vocab);
    r = request(&p, way);
    r.max_tokens = 6;
    if (ask(s, &r, &a))
        return 0;
    r.no_cache = 1;
    if (ask(cold, &r, &truth))
        return 0;
    if (a.end.u.end.n_cached != known) {
        printf("     drafts %s, request %d: %zu tokens were found, expected %zu\n", source_name[kind], way,
               a.end.u.end.n_cached, known);
        return 0;
    }
    if (!same(&truth, &a))
        printf("     drafts %s, request %d: the next turn differs\n", source_name[kind], way);
    return same(&truth, &a);
}

static void known(const struct subject *m)
{
    struct stoker_options o = options(7);
    o.n_snapshots = 8;
    o.cache_ram = CACHE;
    struct stoker *s = engine(m->path, &o), *cold = engine(m->path, &o);
    int ok = s && cold;
    for (int i = 0; i < SOURCES && ok; i++)
        ok = goes_on(s, cold, m, (i + 1) % WAYS, (enum source)i);
    stoker_close(s);
    stoker_close(cold);
    verdict(m, "known", ok, "");
}

static void repeated(const struct subject *m)
{
    enum { PART = 21 };
    struct stoker_options plain = options(0), o = options(0);
    struct stoker_stats stats = {0};
    o.draft = "ngram";
    struct stoker *s = engine(m->path, &o), *cold = engine(m->path, &plain);
    struct prompt p = prompts[3];
    struct answer truth, a;
    char detail[60];
    int ok = s && cold;
    for (size_t i = 0; i < 3 * PART; i++)
        p.id[i] = prompts[3].id[i % PART];
    p.n = 3 * PART;
    for (int way = 0; way < WAYS && ok; way++) {
        struct stoker_request r = request(&p, way);
        if (way % 2 == 0) /* an answer that says it once more */
            r.script = p.id;
        ok = ask(cold, &r, &truth) == 0 && ask(s, &r, &a) == 0 && same(&truth, &a);
    }
    if (s)
        stoker_stats_of(s, &stats);
    stoker_close(s);
    stoker_close(cold);
    snprintf(detail, sizeof detail, "%llu of %llu drafts", (unsigned long long)stats.accepted_tokens,
             (unsigned long long)stats.drafted_tokens);
    verdict(m, "repeated", ok && stats.accepted_tokens > 10, detail);
}

/* The answer, a part of it, something else, ids that there are not: whatever is predicted, the answer is the same. */
static void predicted(const struct subject *m)
{
    enum { FORMS = 4 };
    struct stoker_options o = options(0);
    stoker_token text[FORMS][MOST_ANSWER];
    size_t n[FORMS], accepted[FORMS] = {0};
    char detail[60];
    o.draft = "ngram";
    struct stoker *s = engine(m->path, &o);
    int ok = s != NULL;
    for (int i = 0; i < WAYS * FORMS && ok; i++) {
        int way = i % WAYS, form = i / WAYS;
        struct stoker_request r = request(&prompts[way], way);
        struct answer a;
        n[form] = (size_t)truths[way].n;
        for (int k = 0; k < truths[way].n; k++) {
            stoker_token truth = truths[way].id[k];
            text[form][k] = form == 2 ? (truth + 1) % m->n_vocab : form == 3 && k == 9 ? m->n_vocab : truth;
        }
        if (form == 1)
            text[form][4] = (text[form][4] + 1) % m->n_vocab;
        r.prediction = text[form];
        r.n_prediction = n[form];
        ok = ask(s, &r, &a) == 0 && same(&truths[way], &a);
        accepted[form] += a.end.u.end.n_accepted;
    }
    stoker_close(s);
    snprintf(detail, sizeof detail, "%zu, %zu, %zu, %zu accepted", accepted[0], accepted[1], accepted[2], accepted[3]);
    verdict(m, "predicted", ok && accepted[0] > 30 && accepted[3] > 15 && accepted[0] > accepted[2], detail);
}

static void forced(const struct subject *m)
{
    static const char pattern[] = "(abc[0-9]{2}|x+y) (abc[0-9]{2}|x+y)";
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":4},"
                                 "\"n\":{\"type\":\"integer\"}},\"required\":[\"name\",\"n\"],"
                                 "\"additionalProperties\":false}";
    const struct stoker_answer want[] = {{.language = STOKER_REGEX, .text = pattern, .n = sizeof pattern - 1},
                                         {.language = STOKER_JSON_SCHEMA, .text = schema, .n = sizeof schema - 1}};
    struct stoker_options o = options(6);
    struct stoker *s = engine(m->path, &o);
    struct stoker_error err = {0};
    char detail[60] = "";
    size_t accepted = 0;
    int ok = s != NULL, n = 0;
    for (int i = 0; i < 8 && ok; i++) {
        const struct stoker_constraint *c = NULL;
        struct stoker_request r = request(&prompts[i % 2], i / 2 % 2);
        struct answer truth, a;
        if (stoker_constraint_open(&c, s, &want[i % 2], &err)) {
            ok = !m->embedded && err.code == STOKER_ERR_UNSUPPORTED;
            break;
        }
        r.constraint = c;
        r.ignore_end = 0;
        r.no_cache = 1;
        r.may_be_cut = 1;
        struct oracle of = {
            .kind = (enum source)(i / 2 % SOURCES), .truth = &truth, .n_prompt = r.n_prompt, .n_vocab = m->n_vocab};
        ok = ask(s, &r, &truth) == 0;
        r.draft = propose;
        r.draft_arg = &of;
        ok = ok && ask(s, &r, &a) == 0 && same(&truth, &a);
        accepted += a.end.u.end.n_accepted;
        stoker_constraint_close(s, c);
        n++;
    }
    ok = ok && (!n || accepted > 0);
    stoker_close(s);
    snprintf(detail, sizeof detail, "%d answers, %zu drafts accepted", n, accepted);
    if (n || !ok)
        verdict(m, "forced", ok, ok ? detail : err.text);
}

/* What a constraint forces is drafted by itself: keys, a text that is forced for long, one token at a time where that is all there is. */
static void certain(const struct subject *m)
{
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"description\":{\"type\":\"boolean\"},"
                                 "\"quantity\":{\"enum\":[\"several\",\"nothing\"]}},"
                                 "\"required\":[\"description\",\"quantity\"],\"additionalProperties\":false}";
    static const char long_text[] = "(certainly){10000}";
    const struct stoker_answer want[] = {{.language = STOKER_JSON_SCHEMA, .text = schema, .n = sizeof schema - 1},
                                         {.language = STOKER_REGEX, .text = long_text, .n = sizeof long_text - 1}};
    struct stoker_options plain = options(0), o = options(0);
    struct stoker_error err = {0};
    char detail[60] = "";
    size_t drafted = 0, accepted[2] = {0};
    int n = 0;
    o.draft = "ngram";
    struct stoker *s = engine(m->path, &o), *cold = engine(m->path, &plain);
    int ok = s && cold;
    for (int i = 0; i < 4 && ok; i++) {
        const struct stoker_constraint *c = NULL, *same_one = NULL;
        struct stoker_request r = request(&prompts[i / 2], i / 2);
        struct answer truth, a;
        if (stoker_constraint_open(&c, s, &want[i % 2], &err)) {
            ok = !m->embedded && err.code == STOKER_ERR_UNSUPPORTED;
            break;
        }
        ok = stoker_constraint_open(&same_one, cold, &want[i % 2], &err) == 0;
        r.ignore_end = 0;
        r.may_be_cut = 1;
        r.constraint = same_one;
        ok = ok && ask(cold, &r, &truth) == 0;
        r.constraint = c;
        ok = ok && ask(s, &r, &a) == 0 && same(&truth, &a);
        drafted += a.end.u.end.n_drafted;
        accepted[i % 2] += a.end.u.end.n_accepted;
        stoker_constraint_close(s, c);
        stoker_constraint_close(cold, same_one);
        n++;
    }
    ok = ok && (!n || (accepted[0] > 8 && accepted[1] > 0)); /* what repeats brings a few as well */
    stoker_close(s);
    stoker_close(cold);
    snprintf(detail, sizeof detail, "%zu and %zu of %zu drafts", accepted[0], accepted[1], drafted);
    if (n || !ok)
        verdict(m, "certain", ok, ok || n ? detail : err.text);
}

/* One token of two is forced, the other one predicted: drafts go on behind what is forced. And what is counted as predicted is that. */
static void behind_forced(const struct subject *m)
{
    static const char pattern[] = "(~[0-9]){24}";
    const struct stoker_answer want = {.language = STOKER_REGEX, .text = pattern, .n = sizeof pattern - 1};
    struct stoker_options plain = options(0), o = options(0);
    const struct stoker_constraint *c = NULL, *same_one = NULL;
    struct stoker_error err = {0};
    struct stoker_stats stats = {0};
    struct answer truth, a;
    char detail[80];
    o.draft = "ngram";
    struct stoker *s = engine(m->path, &o), *cold = engine(m->path, &plain);
    int ok = s && cold;
    if (ok && stoker_constraint_open(&c, s, &want, &err)) {
        if (m->embedded || err.code != STOKER_ERR_UNSUPPORTED)
            verdict(m, "behind", 0, err.text);
        stoker_close(s);
        stoker_close(cold);
        return;
    }
    struct stoker_request r = request(&prompts[1], 1);
    r.ignore_end = 0;
    r.may_be_cut = 1;
    ok = ok && stoker_constraint_open(&same_one, cold, &want, &err) == 0;
    r.constraint = same_one;
    ok = ok && ask(cold, &r, &truth) == 0 && truth.n > 8;
    r.constraint = c;
    r.prediction = truth.id;
    r.n_prediction = (size_t)truth.n;
    ok = ok && ask(s, &r, &a) == 0 && same(&truth, &a);
    if (s)
        stoker_stats_of(s, &stats);
    size_t right = ok ? a.end.u.end.n_accepted : 0, predicted = ok ? a.end.u.end.n_predicted_accepted : 0;
    ok = ok && 5 * right >= 4 * (size_t)truth.n && predicted < right && a.end.u.end.n_predicted - predicted < 3 &&
         stats.mask_work_most <= stats.mask_work_bound;
    snprintf(detail, sizeof detail, "%zu of %d tokens, %zu predicted", right, ok ? truth.n : 0, predicted);
    verdict(m, "behind", ok, detail);
    if (c)
        stoker_constraint_close(s, c);
    if (same_one)
        stoker_constraint_close(cold, same_one);
    stoker_close(s);
    stoker_close(cold);
}

/* " want" is forced, and " wanted" is one token. */
static void begins_as_forced(const struct subject *m)
{
    enum { TOKENS = 24 };
    static const char pattern[] = "( she want(ed|s)){12}", said[] = " she wanted";
    const struct stoker_answer want = {.language = STOKER_REGEX, .text = pattern, .n = sizeof pattern - 1};
    struct stoker_options o = options(0);
    struct stoker_error err = {0};
    const struct stoker_constraint *c = NULL;
    stoker_token script[TOKENS], *word = NULL;
    struct answer a = {.n = 0};
    char detail[60];
    size_t n = 0;
    o.draft = "ngram";
    struct stoker *s = engine(m->path, &o);
    int ok = s && stoker_tokenize(s, said, sizeof said - 1, 0, 0, &word, &n, &err) == 0 && n == 2 &&
             stoker_constraint_open(&c, s, &want, &err) == 0;
    for (int i = 0; ok && i < TOKENS; i++)
        script[i] = word[i % 2];
    struct stoker_request r = request(&prompts[0], 0);
    r.script = script;
    r.max_tokens = TOKENS;
    r.constraint = c;
    ok = ok && ask(s, &r, &a) == 0 && a.n == TOKENS && memcmp(a.id, script, sizeof script) == 0;
    size_t right = ok ? a.end.u.end.n_accepted : 0;
    snprintf(detail, sizeof detail, "%zu of %d tokens", right, TOKENS);
    verdict(m, "behind", ok && 3 * right > 2 * TOKENS, detail);
    if (c)
        stoker_constraint_close(s, c);
    stoker_free(word);
    stoker_close(s);
}

/* What a text repeats is followed by what is forced, in the same step: all but the first token and, where the limit ends the answer,
 * the last one are drafts. */
static void forced_behind(const struct subject *m)
{
    enum { MORE = 5 };
    static const char pattern[] = "( she (ran off|sat down) and then everyone went home again)",
                      told[] = " Once there was a dog and she ran off. Then there was a cat and",
                      said[] = " she ran off and then everyone went home again";
    const struct stoker_answer want = {.language = STOKER_REGEX, .text = pattern, .n = sizeof pattern - 1};
    struct stoker_options o = options(0);
    struct stoker_error err = {0};
    const struct stoker_constraint *c = NULL;
    stoker_token *prompt = NULL, *script = NULL, longer[MOST_ANSWER + MORE] = {0};
    struct answer a = {.n = 0};
    char detail[60];
    size_t n_prompt = 0, n = 0, right[2] = {0};
    o.draft = "ngram";
    struct stoker *s = engine(m->path, &o);
    int ok = s && stoker_tokenize(s, told, sizeof told - 1, 0, 0, &prompt, &n_prompt, &err) == 0 &&
             stoker_tokenize(s, said, sizeof said - 1, 0, 0, &script, &n, &err) == 0 && n <= MOST_ANSWER &&
             stoker_constraint_open(&c, s, &want, &err) == 0;
    if (ok)
        memcpy(longer, script, n * sizeof *script);
    struct stoker_request r = request(&prompts[0], 0);
    r.prompt = prompt;
    r.n_prompt = n_prompt;
    r.script = longer;
    r.constraint = c;
    for (int i = 0; i < 2 && ok; i++) {
        r.max_tokens = (int)n + i * MORE;
        ok = ask(s, &r, &a) == 0 && (size_t)a.n == n && memcmp(a.id, script, n * sizeof *script) == 0;
        right[i] = a.end.u.end.n_accepted;
    }
    snprintf(detail, sizeof detail, "%zu and %zu of %zu tokens", right[0], right[1], n);
    verdict(m, "behind", ok && right[0] == n - 2 && right[1] == n - 1, detail);
    if (c)
        stoker_constraint_close(s, c);
    stoker_free(prompt);
    stoker_free(script);
    stoker_close(s);
}

/* ---- a second model ---------------------------------------------------------------------------------------------------------- */

/* The model with some of its weights changed. 0, or -1. */
static int make_other(const struct subject *m, char copy[TEMPORARY_PATH])
{
    struct error err = {0};
    struct gguf *g = NULL;
    FILE *f = fopen(m->path, "rb");
    int fd = temporary_file(copy, "drafts"), ok = f && fd >= 0 && gguf_open(&g, m->path, &err) == 0;
    const struct gguf_tensor *norm = ok ? gguf_tensor(g, "output_norm.weight") : NULL;
    char block[4096];
    for (size_t n, at = 0; ok && (n = fread(block, 1, sizeof block, f)) > 0; at += n) {
        for (size_t i = 3; i < n && norm;
             i += 4) /* a third of what the last norm multiplies with, four times as much or a quarter */
            if (at + i >= norm->offset && at + i < norm->offset + norm->n_bytes && (at + i) / 4 % 3 == 0)
                block[i] = (char)(block[i] ^ 1);
        ok = write(fd, block, n) == (ssize_t)n;
    }
    gguf_close(g);
    if (f)
        fclose(f);
    if (fd >= 0)
        close(fd);
    return ok ? 0 : -1;
}

static struct stoker_options drafter_options(const char *path)
{
    struct stoker_options o = options(6);
    o.draft = path;
    return o;
}

/* An engine that takes all drafts of a second model, whatever they cost: here that is as large as the first. */
static struct stoker *drafted_by(const struct subject *m, const struct stoker_options *o)
{
    struct stoker *s = engine(m->path, o);
    if (s)
        s->price.all = 1;
    return s;
}

/* Do five tokens stand in it twice? Then what its text repeats is drafted, too. */
static int repeats(const struct prompt *p, const struct answer *a)
{
    stoker_token id[N_CTX];
    size_t n = p->n + (size_t)a->n;
    memcpy(id, p->id, p->n * sizeof *id);
    memcpy(id + p->n, a->id, (size_t)a->n * sizeof *id);
    for (size_t i = 0; i + 5 <= n; i++)
        for (size_t k = i + 1; k + 5 <= n; k++)
            if (memcmp(id + i, id + k, 5 * sizeof *id) == 0)
                return 1;
    return 0;
}

/* Where the likeliest is taken and nothing repeats all drafts are the second model's and hold, if it is the model itself. */
static int one_by_one(struct stoker *s, int is_itself, size_t *drafted, size_t *accepted)
{
    int ok = s != NULL;
    for (int i = 0; i < 2 * WAYS && ok; i++) { /* the second time each goes on from what it has */
        int way = WAYS - 1 - i / 2;
        struct stoker_request r = request(&prompts[way], way);
        struct answer a;
        r.no_cache = i % 2;
        ok = ask(s, &r, &a) == 0 && same(&truths[way], &a);
        *drafted += a.end.u.end.n_drafted;
        *accepted += a.end.u.end.n_accepted;
        if (ok && way == 0 && is_itself)
            ok = a.end.u.end.n_drafted > 12 &&
                 (a.end.u.end.n_accepted == a.end.u.end.n_drafted || repeats(&prompts[way], &a));
    }
    return ok;
}

/* Is token i of an answer the likeliest in its place? That is what the model drafts for itself. */
static int is_likeliest(const struct answer *a, int i) { return a->likely[i][0] == a->likely[i][1]; }

static int less(int a, int b) { return a < b ? a : b; }

/* Of answers by chance as many are drafted, and hold, as by the definition: what it has of refused ones leaves no trace, and a prompt is
 * followed in its own steps, so that the second token is drafted. */
static int as_defined(struct stoker *s, int n_draft)
{
    int ok = s != NULL;
    for (int i = 0; i < 2 * WAYS && ok; i++) {
        struct stoker_request r = request(&prompts[i % WAYS], 0);
        struct answer a;
        size_t drafted = 0, held = 0;
        r.no_cache = 1;
        r.sampling.temperature = i < WAYS ? 1 : 0.5;
        if (i % WAYS == 2)
            r.max_tokens = 9; /* up to a page's end, beyond which drafts take no page from what is known */
        ok = ask(s, &r, &a) == 0;
        for (int n = 1; n < a.n && ok;) {
            int k = less(n_draft, a.n - n - 1), right = 0;
            while (right < k && is_likeliest(&a, n + right))
                right++;
            drafted += (size_t)k;
            held += (size_t)right;
            n += right + 1;
        }
        ok = ok &&
             ((a.end.u.end.n_drafted == drafted && a.end.u.end.n_accepted == held) || repeats(&prompts[i % WAYS], &a));
        if (!ok)
            printf("     %zu of %zu drafts, by the definition %zu of %zu\n", a.end.u.end.n_accepted,
                   a.end.u.end.n_drafted, held, drafted);
    }
    return ok;
}

/* Given up in the middle; and once more from the beginning, whole, with as many drafts as ever. */
static int given_up(struct stoker *s)
{
    struct stoker_request r = request(&prompts[1], 0);
    struct stoker_error err = {0};
    struct stoker_event e;
    struct answer first, again;
    stoker_id id;
    int n = 0, ok = stoker_submit(s, &r, &id, &err) == 0;
    while (ok && stoker_next_event(s, id, PATIENCE, &e) == 1)
        if (e.kind == STOKER_TOKEN && ++n == 3)
            stoker_cancel(s, id);
    ok = ok && ask(s, &r, &first) == 0 && ask(s, &r, &again) == 0;
    return ok && same(&first, &again) && 2 * first.end.u.end.n_drafted >= again.end.u.end.n_drafted;
}

/* Both contexts are told at the start where its own is shorter, and only there. */
static int is_told(const struct stoker *s)
{
    char both[80];
    int own = s->drafter->session->plan.n_ctx;
    snprintf(both, sizeof both, "has a context of %d,", own);
    int ok = own < N_CTX ? strstr(warning, both) && strstr(warning, " one of 420: ") : !*warning;
    if (!ok)
        printf("     contexts of 420 and %d: \"%s\"\n", own, warning);
    return ok;
}

/* Of how many sequences it drafts for fewer. */
static int is_told_of_sequences(const struct stoker *s)
{
    char told[60];
    int follows = s->drafter->session->plan.n_parallel, all = s->session->plan.n_parallel;
    snprintf(told, sizeof told, " drafts for %d of %d sequences: ", follows, all);
    int ok = follows < all ? strstr(warning, told) != NULL : !strstr(warning, " sequences: ");
    if (!ok)
        printf("     %d of %d sequences: \"%s\"\n", follows, all, warning);
    return ok;
}

/* Not where experts are timed too, whose reads would never end in time. */
static int looks_once(const struct stoker *s) { return s->session->model->p.n_expert == 0; }

/* A pass that drafts has rows of drafts that held alone, and has a price: what comes up to texts is no part of it. */
static int is_priced_alone(const struct stoker *s, int n_draft)
{
    int ok = s->drafter->widest <= 1 + n_draft && (!looks_once(s) || fabs(s->price.pass - 1) < 1e-6);
    if (!ok)
        printf("     %d rows in a pass that drafts, %g looks at the clock\n", s->drafter->widest, s->price.pass);
    return ok;
}

/* Texts that the first model finds in its cache, and the second one does not know any more: it comes up in pieces. */
static int comes_up(const struct subject *m)
{
    enum { PIECE = 16 };
    struct stoker_options o = drafter_options(m->path);
    o.n_snapshots = 8;
    o.cache_ram = CACHE;
    *warning = 0;
    struct stoker *s = drafted_by(m, &o);
    int ok = s && is_told(s);
    atomic_store(&ticking, ok && looks_once(s));
    for (int i = 0; i < 4 && ok; i++) {
        int way = i % 2 ? 3 : 2;
        struct stoker_request r = request(&prompts[way], way);
        struct answer a;
        int ends = s->drafter->session->plan.n_ctx < N_CTX; /* behind its context it drafts nothing */
        ok = ask(s, &r, &a) == 0 && same(&truths[way], &a) && (ends || a.end.u.end.n_drafted > 0);
        if (!ok)
            printf("     of %zu tokens %zu were known, %zu drafts\n", prompts[way].n, a.end.u.end.n_cached,
                   a.end.u.end.n_drafted);
    }
    if (ok && s->drafter->longest > PIECE)
        printf("     a token waited for %d rows of its text\n", s->drafter->longest);
    ok = ok && s->drafter->longest <= PIECE && is_priced_alone(s, o.n_draft);
    atomic_store(&ticking, 0);
    stoker_close(s);
    return ok;
}

/* An answer that it never expects, drafted for in each step: the next one is not drafted for. What drafts cost decides as well, and is
 * left to tests/unit/engine/price.c: here they hold so seldom that none is worth a step however cheap it is. */
static void drafter_rests(const struct subject *m)
{
    enum { LONG = 150, SHORT = 8 };
    stoker_token script[LONG];
    struct stoker_options o = drafter_options(m->path);
    struct stoker *s = drafted_by(m, &o);
    struct stoker_request r = request(&prompts[0], 0);
    struct stoker_event end = {.kind = STOKER_FAILED};
    struct stoker_error err = {0};
    char detail[60];
    for (int i = 0; i < LONG; i++)
        script[i] = (stoker_token)(rng_u64(79, (uint64_t)i, 7, 7) % (uint64_t)m->n_vocab);
    r.script = script;
    r.max_tokens = LONG;
    int ok = s && stoker_generate(s, &r, NULL, NULL, &end, &err) == 0;
    size_t n = ok ? end.u.end.n_drafted : 0;
    if (s)
        s->price.all = 0;
    r.max_tokens = SHORT;
    ok = ok && stoker_generate(s, &r, NULL, NULL, &end, &err) == 0;
    size_t again = ok ? end.u.end.n_drafted : 0;
    stoker_close(s);
    snprintf(detail, sizeof detail, "%zu drafts of an answer it does not expect, then %zu", n, again);
    verdict(m, "drafter", ok && n > 0 && again == 0, ok ? detail : err.text);
}

static int at_once(struct stoker *s, int n)
{
    struct stoker_request r[WAYS] = {{.n_prompt = 0}};
    struct stoker_error err = {0};
    struct answer a;
    stoker_id id[WAYS];
    for (int i = 0; i < n; i++)
        r[i] = request(&prompts[i], i);
    int ok = s && stoker_submit_all(s, r, (size_t)n, id, &err) == 0;
    for (int i = 0; i < n && ok; i++) {
        collect(s, id[i], &a);
        ok = same(&truths[i], &a);
    }
    return ok;
}

static void drafter(const struct subject *m)
{
    char copy[TEMPORARY_PATH], detail[100];
    size_t drafted[2] = {0}, accepted[2] = {0};
    int ok = make_other(m, copy) == 0;
    const char *const path[] = {m->path, copy};
    int turn = (int)(hash64(m->name, strlen(m->name), 1) % 3);
    for (int i = 0; i < 2 && ok; i++) {
        struct stoker_options o = drafter_options(path[i]);
        struct stoker *s = drafted_by(m, &o);
        ok = s && !s->session->model->nextn.proj; /* it is in the layer's place */
        ok = ok && one_by_one(s, i == 0, &drafted[i], &accepted[i]) && (i || (as_defined(s, o.n_draft) && given_up(s)));
        stoker_close(s);
    }
    ok = ok && comes_up(m);
    for (int i = 0; i < 3 && ok; i++) {
        if (!whole && i != turn)
            continue;
        struct stoker_options o = drafter_options(path[i % 2]);
        struct stoker_stats stats = {0};
        o.n_parallel = i == 1 ? 2 : AT_ONCE; /* more requests than sequences, too */
        o.n_chunk = i ? 256 : 23;
        o.memory = i == 1 ? STOKER_MEMORY_MIN : STOKER_MEMORY_MAX;
        o.n_pages = i == 2 && m->pages ? 2 : 0;
        *warning = 0;
        struct stoker *s = engine(m->path, &o);
        if (s)
            s->price.coin = 77;
        ok = s && is_told_of_sequences(s) && at_once(s, WAYS) && at_once(s, WAYS);
        if (s)
            stoker_stats_of(s, &stats);
        ok = ok && stats.drafted_tokens > 0 && (!o.n_pages || stats.preempted > 0);
        stoker_close(s);
    }
    unlink(copy);
    snprintf(detail, sizeof detail, "%zu of %zu drafts of itself, %zu of %zu of another", accepted[0], drafted[0],
             accepted[1], drafted[1]);
    verdict(m, "drafter", ok && drafted[1] > 0 && accepted[1] < drafted[1] && accepted[0] > 30, detail);
}

/* A second model that lacks tokens of the text drafts nothing for it: what the text repeats is drafted. */
static void drafter_lacks_tokens(const struct subject *m)
{
    enum { PART = 21 };
    struct stoker_options o = drafter_options(m->path);
    struct stoker *s = drafted_by(m, &o);
    struct prompt p = {.n = 3 * PART};
    struct answer a = {.n = 0};
    char detail[60];
    int32_t most = 0;
    for (size_t i = 0; i < p.n; i++) {
        p.id[i] = prompts[3].id[i % PART];
        most = p.id[i] > most ? p.id[i] : most;
    }
    struct stoker_request r = request(&p, 0);
    r.script = p.id;
    if (s)
        s->drafter->session->model->p.n_vocab = most;
    int ok = s && ask(s, &r, &a) == 0 && a.end.u.end.n_accepted > 10;
    stoker_close(s);
    snprintf(detail, sizeof detail, "%zu of %zu drafts of a text that it does not know", a.end.u.end.n_accepted,
             a.end.u.end.n_drafted);
    verdict(m, "drafter", ok, detail);
}

/* Experts of what drafts, a layer or a second model, that cannot be read: the answer is the same, and goes on without; the next one has
 * drafts again. */
static void drafter_unreadable(const struct subject *m)
{
    enum { MOST = 16, ROWS = 6 }; /* of a step with drafts */
    uint64_t at[MOST];
    char copy[TEMPORARY_PATH], detail[100];
    struct stat st = {.st_ino = 0};
    if (!m->embedded && strcmp(m->name, "qwen35moe") != 0)
        return;
    int predicts = m->nextn, ok = make_other(m, copy) == 0 && stat(predicts ? m->path : copy, &st) == 0;
    int n = experts_of(m, predicts, at, MOST), go_on = 0, most = 0;
    struct stoker_options o = drafter_options(predicts ? "mtp" : copy);
    struct stoker_request r = request(&prompts[0], 0);
    o.memory = STOKER_MEMORY_MIN;
    o.reader = "threads";
    r.no_cache = 1;
    quiet = 1;
    atomic_store(&bad_reads, 0);
    for (int i = 0; i < n && ok; i++) {
        struct answer without, with;
        atomic_store(&bad_inode, st.st_ino);
        atomic_store(&bad_at, at[i]);
        struct stoker *s = drafted_by(m, &o);
        ok = s && ask(s, &r, &without) == 0 && same(&truths[0], &without);
        atomic_store(&bad_at, 0);
        int reads = atomic_exchange(&bad_reads, 0);
        most = reads > most ? reads : most;
        ok = ok && ask(s, &r, &with) == 0 && same(&truths[0], &with) && with.end.u.end.n_drafted > 0;
        go_on += ok && without.end.u.end.n_drafted < with.end.u.end.n_drafted;
        stoker_close(s);
    }
    atomic_store(&bad_inode, 0);
    quiet = 0;
    unlink(copy);
    snprintf(detail, sizeof detail, "%d of %d answers go on without what drafts, tried %d times", go_on, n, most);
    verdict(m, "unreadable", ok && go_on > 0 && most <= ROWS, detail);
}

/* Cancelled while a second model follows its prompt: that one computes no further layer of it. The next request is as ever. */
static void drafter_leaves(const struct subject *m)
{
    uint64_t at;
    char copy[TEMPORARY_PATH];
    struct stat st = {.st_ino = 0};
    struct stoker_request r = request(&prompts[2], 2);
    struct stoker_event e = {.kind = STOKER_FAILED};
    struct answer a = {.n = 0};
    stoker_id id;
    if (!m->embedded && strcmp(m->name, "qwen35moe") != 0)
        return;
    int ok = make_other(m, copy) == 0 && stat(copy, &st) == 0 && experts_of(m, 0, &at, 1) == 1, n = 0;
    struct stoker_options o = drafter_options(copy);
    o.memory = STOKER_MEMORY_MIN;
    o.reader = "threads";
    struct stoker *s = ok ? drafted_by(m, &o) : NULL;
    atomic_store(&bad_reads, 0);
    atomic_store(&leaving, 0);
    atomic_store(&leaving_of, s);
    atomic_store(&bad_inode, st.st_ino);
    atomic_store(&bad_at, s ? at : 0);
    ok = s && stoker_submit(s, &r, &id, NULL) == 0;
    atomic_store(&leaving, ok ? id : 1);
    while (ok && stoker_next_event(s, id, PATIENCE, &e) == 1)
        ;
    ok = ok && e.kind == STOKER_END && e.u.end.reason == STOKER_END_CANCELLED && atomic_load(&bad_reads) > 0;
    atomic_store(&bad_at, 0);
    atomic_store(&leaving_of, NULL);
    for (int i = 0; ok && i < s->drafter->session->plan.n_parallel; i++)
        n += s->drafter->of[i].n;
    ok = ok && n == 0 && ask(s, &r, &a) == 0 && same(&truths[2], &a) && a.end.u.end.n_drafted > 0;
    stoker_close(s);
    atomic_store(&bad_inode, 0);
    unlink(copy);
    char detail[60];
    snprintf(detail, sizeof detail, "%d rows of %zu are kept, then %zu drafts", n, prompts[2].n, a.end.u.end.n_drafted);
    verdict(m, "drafter", ok, detail);
}

/* A file in which a token is spelled in another way is named with it, and refused. */
static void other_vocabulary(const struct subject *m)
{
    char copy[TEMPORARY_PATH], expected[200], spelled[80];
    const int token = 700;
    struct stoker_options o = drafter_options(copy);
    struct stoker_error err = {0};
    struct error why = {0};
    struct gguf *g = NULL;
    struct stoker *s = NULL;
    int ok = make_other(m, copy) == 0 && gguf_open(&g, m->path, &why) == 0;
    const struct gguf_value *v = ok ? gguf_find(g, "tokenizer.ggml.tokens") : NULL;
    FILE *f = fopen(copy, "r+b");
    if (v && f) {
        const struct gguf_string *x = &v->as.strings[token];
        char header[1 << 20], *at;
        size_t n = fread(header, 1, sizeof header, f);
        snprintf(spelled, sizeof spelled, "%s", x->text);
        at = memmem(header, n, (const void *)(const uint64_t[]){x->length}, 8);
        while (at && memcmp(at + 8, x->text, x->length) != 0)
            at = memmem(at + 1, n - (size_t)(at + 1 - header), (const void *)(const uint64_t[]){x->length}, 8);
        ok = at && fseek(f, (long)(at - header) + 8, SEEK_SET) == 0 && fputc('%', f) == '%';
    }
    if (f)
        fclose(f);
    snprintf(expected, sizeof expected, "token %d is \"%%%s\", not \"%s\"", token, v ? spelled + 1 : "",
             v ? spelled : "");
    ok = ok && v && stoker_open(&s, m->path, &o, &err) != 0 && strstr(err.text, expected);
    o.draft = TEST_DATA "/golden/qwen3moe.gguf";
    ok = ok && stoker_open(&s, m->path, &o, &err) != 0 && strstr(err.text, "its vocabulary is not that of");
    gguf_close(g);
    unlink(copy);
    verdict(m, "refused", ok, ok ? "" : err.text);
}

/* More tokens than the queue of events has places for, read late. */
static void events(const struct subject *m)
{
    enum { LONG = 150 };
    static stoker_token script[LONG];
    struct stoker_options o = options(STOKER_DRAFT_MOST);
    struct stoker *s = engine(m->path, &o);
    struct stoker_error err = {0};
    struct stoker_event e = {.kind = STOKER_FAILED};
    struct answer truth = {.n = MOST_ANSWER};
    struct oracle of = {.kind = RIGHT, .truth = &truth, .n_prompt = prompts[0].n, .n_vocab = m->n_vocab};
    struct stoker_request r = request(&prompts[0], 0);
    stoker_id id;
    int n = 0, ok;
    for (int i = 0; i < LONG; i++)
        script[i] = i < MOST_ANSWER ? i % m->n_vocab : 0; /* what the source says behind the end of its truth */
    memcpy(truth.id, script, sizeof truth.id);
    r.script = script;
    r.max_tokens = LONG;
    r.draft = propose;
    r.draft_arg = &of;
    ok = s && stoker_submit(s, &r, &id, &err) == 0;
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    while (ok && stoker_next_event(s, id, PATIENCE, &e) == 1)
        n += e.kind == STOKER_TOKEN && e.u.token.id == script[n];
    ok = ok && e.kind == STOKER_END && n == LONG && e.u.end.n_accepted > LONG / 2 &&
         e.u.end.n_accepted == e.u.end.n_drafted;
    stoker_close(s);
    verdict(m, "events", ok, err.text);
}

/* While nobody reads its answer there are steps of nobody: what is known of steps stays as it is. */
static void waits(const struct subject *m)
{
    enum { LONG = 150 };
    static stoker_token script[LONG];
    struct stoker_options o = options(0);
    o.draft = "auto";
    struct stoker *s = engine(m->path, &o);
    struct stoker_error err = {0};
    struct stoker_event e = {.kind = STOKER_FAILED};
    struct stoker_request r = request(&prompts[0], 0);
    stoker_id id;
    struct stoker_stats stats = {0};
    int decoding = 0, ok;
    r.script = script;
    r.max_tokens = LONG;
    ok = s && stoker_submit(s, &r, &id, &err) == 0;
    for (int ms = 0; ok && ms < PATIENCE && stats.generated_tokens < EVENTS - 2; ms += 20) {
        nanosleep(&(struct timespec){0, 20000000}, NULL); /* behind the last of them, too */
        stoker_stats_of(s, &stats);
    }
    if (ok)
        decoding = s->price.decoding;
    while (ok && stoker_next_event(s, id, PATIENCE, &e) == 1)
        ;
    stoker_close(s);
    verdict(m, "priced", ok && e.kind == STOKER_END && decoding == 1, err.text);
}

/* ---- copies of states -------------------------------------------------------------------------------------------------------- */

enum { INTERVAL = PREFIX_STATE_INTERVAL, BEFORE = 11, BEYOND = 4 };

/* The text of the second turn: the first one's until a few tokens behind the copy, then others. */
static int resumes_at_copy(struct stoker *s, const struct stoker_request *first, const stoker_token *text, int n_vocab)
{
    static stoker_token again[INTERVAL + 2 * BEYOND];
    struct stoker_request r = *first;
    struct answer a;
    memcpy(again, text, sizeof again);
    for (int i = INTERVAL + BEYOND; i < INTERVAL + 2 * BEYOND; i++)
        again[i] = (text[i] + 1) % n_vocab;
    r.prompt = again;
    r.n_prompt = INTERVAL + 2 * BEYOND;
    r.max_tokens = 2;
    r.script = NULL;
    r.draft = NULL;
    if (ask(s, &r, &a) == 0 && a.end.u.end.n_cached == INTERVAL)
        return 1;
    printf("     %zu tokens were found, expected %d\n", a.end.u.end.n_cached, (int)INTERVAL);
    return 0;
}

/* An answer whose drafts lie across a place where the state is copied: the copy is made there, as without drafts. */
static void copied(const struct subject *m)
{
    static stoker_token text[INTERVAL + MOST_ANSWER];
    struct stoker_options o = options(7);
    struct answer truth = {.n = MOST_ANSWER}, a;
    struct oracle of = {.kind = RIGHT, .truth = &truth, .n_prompt = INTERVAL - BEFORE, .n_vocab = m->n_vocab};
    o.n_ctx = INTERVAL + 2 * KV_PAGE;
    o.n_snapshots = 8;
    o.cache_ram = CACHE;
    struct stoker *s = engine(m->path, &o);
    int ok = s != NULL;
    if (ok && !s->session->tables.seq[0].state_bytes) {
        stoker_close(s);
        return;
    }
    for (int i = 0; i < INTERVAL + MOST_ANSWER; i++)
        text[i] = (stoker_token)(rng_u64(80, (uint64_t)i, 7, 7) % (uint64_t)m->n_vocab);
    memcpy(truth.id, text + of.n_prompt, sizeof truth.id);
    struct prompt none = {.n = 0};
    struct stoker_request r = request(&none, 0);
    r.prompt = text;
    r.n_prompt = of.n_prompt;
    r.script = text + of.n_prompt;
    r.draft = propose;
    r.draft_arg = &of;
    ok = ok && ask(s, &r, &a) == 0 && a.end.u.end.n_accepted > BEFORE;
    ok = ok && resumes_at_copy(s, &r, text, m->n_vocab);
    stoker_close(s);
    verdict(m, "copied", ok, "");
}

/* ---- recorded rows ----------------------------------------------------------------------------------------------------------- */

/* The rows of a prompt and of the answer's first tokens, or of all of it, recorded into to [*n]; NULL: they are counted. */
static int record(struct stoker *s, struct oracle *of, int n_answer, uint8_t *to, size_t *n, struct answer *a)
{
    struct stoker_tensor tensor[64];
    struct stoker_error err = {0};
    struct stoker_request r = request(&prompts[0], 0);
    struct stoker_capture c = {.taps = 1 << STOKER_TAP_RESID_POST,
                               .to = {.n = n_answer, .from_prompt_end = 1},
                               .has_to = n_answer > 0,
                               .n_requests = 1};
    c.n_rows = stoker_capture_rows(s, &c, r.n_prompt, r.max_tokens);
    int n_tensor = stoker_capture_layout(s, &c, tensor, sizeof tensor / sizeof *tensor, &err);
    size_t bytes = n_tensor > 0 ? (size_t)(tensor[n_tensor - 1].offset + tensor[n_tensor - 1].bytes) : 0;
    c.memory = to;
    c.n_memory = bytes;
    r.capture = &c;
    r.draft = propose;
    r.draft_arg = of;
    r.no_cache = 1;
    int fits = bytes > 0 && bytes <= *n;
    *n = bytes;
    return fits ? ask(s, &r, a) : -1;
}

static void recorded(const struct subject *m)
{
    enum { MOST = 4 << 20, FIRST = 3 };
    if (!m->embedded && strcmp(m->name, "qwen35moe") != 0)
        return;
    struct stoker_options plain = options(0), o = options(6);
    plain.capture_memory = o.capture_memory = 1 << 20;
    struct stoker *s = engine(m->path, &o), *cold = engine(m->path, &plain);
    struct oracle of = oracle_of(m, 0, RIGHT, 0);
    uint8_t *with = calloc(1, MOST), *without = calloc(1, MOST);
    char detail[60] = "";
    int ok = s && cold && with && without;
    for (int i = 0; i < 2 && ok; i++) {
        struct answer truth, a;
        size_t n = MOST, n_cold = MOST;
        int first = i ? 0 : FIRST;
        ok = record(s, &of, first, with, &n, &a) == 0 && record(cold, &of, first, without, &n_cold, &truth) == 0 &&
             same(&truth, &a) && n == n_cold && memcmp(with, without, n) == 0 &&
             (a.end.u.end.n_drafted > MOST_ANSWER / 2) == (i == 0) && (i == 0 || a.end.u.end.n_drafted == 0);
        snprintf(detail, sizeof detail, "%zu bytes, %zu drafts", n, a.end.u.end.n_drafted);
    }
    free(with);
    free(without);
    stoker_close(s);
    stoker_close(cold);
    verdict(m, "recorded", ok, detail);
}

/* ---- the law, by chance ------------------------------------------------------------------------------------------------------ */

/* Requests of any kind, some at a time, in engines of any kind; the truth is one that drafts nothing. */
enum { SETTINGS = 5, PREEMPTING = 3, BIASED = 4 };

struct law {
    struct prompt p;
    struct stoker_request r;
    struct oracle of;
    struct answer truth;
    struct stoker_logit_bias bias[BIASED];
    const struct stoker_constraint *c[2]; /* of the engine, and of the one that drafts nothing; or NULL */
    stoker_id id;
};

static uint64_t draw(uint64_t seed, uint32_t what, uint64_t n) { return rng_u64(seed, what, 10, 10) % n; }

/* The smallest budget of so many quarters and more in which auto drafts: where experts have too few places for their hits it has no memory,
 * nor where all that there is holds the model and no more. */
static struct stoker *auto_in_little(const struct subject *m, struct stoker_options o, const struct stoker_plan *plan,
                                     uint64_t quarters)
{
    for (; quarters <= 4; quarters++) {
        o.memory = plan->minimum + (plan->whole - plan->minimum) * quarters / 4;
        struct stoker *s = engine(m->path, &o);
        if (!s || s->session->plan.n_draft)
            return s;
        stoker_close(s);
    }
    o.memory = STOKER_MEMORY_MAX;
    return engine(m->path, &o);
}

/* Budgets (the least memory, the least in which auto drafts, half, three quarters or more, all), small chunks, preemption, and how drafts
 * are taken: as they come, or with a price. */
static struct stoker *law_engine(const struct subject *m, int i)
{
    struct stoker_plan plan;
    struct stoker_error err;
    struct stoker_options o = options(3 + 4 * i);
    o.n_parallel = AT_ONCE;
    o.n_chunk = i == 1 ? 23 : 256;
    o.draft = i == 4 ? m->path : i % 2 ? "auto" : m->nextn ? "mtp" : "ngram";
    o.n_pages = i == PREEMPTING && m->pages ? 2 : 0;
    if (stoker_plan(&plan, m->path, &o, &err))
        return NULL;
    if (i == 0)
        o.memory = plan.minimum;
    if (i == 2)
        o.memory = plan.minimum + (plan.whole - plan.minimum) / 2;
    return i == 1 || i == PREEMPTING ? auto_in_little(m, o, &plan, (uint64_t)i) : engine(m->path, &o);
}

static int open_constraints(struct law *l, struct stoker *s, struct stoker *cold, uint64_t seed)
{
    static const char object[] =
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
        "\"n\":{\"enum\":[10,200]}},\"required\":[\"name\",\"n\"],\"additionalProperties\":false}";
    static const char array[] = "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}";
    static const struct {
        enum stoker_language language;
        const char *text;
    } any[] = {{STOKER_REGEX, "(abc[0-9]{2}|x+y) (certainly){3}[a-z]*"},
               {STOKER_REGEX, "[a-z ]{0,40}"},
               {STOKER_JSON_SCHEMA, object},
               {STOKER_JSON_SCHEMA, array},
               {STOKER_GBNF, "root ::= item (\", \" item)*\nitem ::= \"item number \" [0-9]{1,3} (\" of many\")?"}};
    struct stoker *const of[] = {s, cold};
    uint64_t which = draw(seed, 8, sizeof any / sizeof *any);
    struct stoker_answer want = {.language = any[which].language, .text = any[which].text};
    struct stoker_error err;
    want.n = strlen(want.text);
    for (int k = 0; k < 2; k++)
        if (stoker_constraint_open(&l->c[k], of[k], &want, &err))
            return err.code == STOKER_ERR_UNSUPPORTED && k == 0 ? 0 : -1;
    l->r.ignore_end = 0;
    l->r.may_be_cut = 1;
    return 0;
}

/* Some tokens are likelier or less likely than the model says. */
static void add_biases(struct law *l, int n_vocab, uint64_t seed)
{
    for (uint32_t i = 0; i < BIASED; i++)
        l->bias[i] = (struct stoker_logit_bias){.id = (stoker_token)draw(seed, 30 + i, (uint64_t)n_vocab),
                                                .bias = (double)draw(seed, 40 + i, 17) - 8};
    l->r.sampling.bias = l->bias;
    l->r.sampling.n_bias = BIASED;
}

static int make_law(struct law *l, const struct subject *m, struct stoker *s, struct stoker *cold, uint64_t seed)
{
    memset(l, 0, sizeof *l);
    l->p.n = 1 + (size_t)draw(seed, 0, draw(seed, 1, 3) ? 60 : 350);
    for (size_t i = 0; i < l->p.n; i++) /* some texts repeat themselves */
        l->p.id[i] = (stoker_token)(rng_u64(seed, i % (draw(seed, 2, 2) ? 17 : N_CTX), 11, 11) % (uint64_t)m->n_vocab);
    l->r = request(&l->p, (int)draw(seed, 3, WAYS));
    l->r.sampling.temperature = (double)draw(seed, 4, 2);
    l->r.sampling.seed = seed;
    l->r.max_tokens = 1 + (int)draw(seed, 5, MOST_ANSWER);
    l->r.no_cache = draw(seed, 6, 3) == 0;
    if (draw(seed, 14, 3) == 0)
        add_biases(l, m->n_vocab, seed);
    if (draw(seed, 7, 3) == 0 && open_constraints(l, s, cold, seed))
        return -1;
    struct stoker_request alone = l->r;
    alone.no_cache = 1;
    alone.constraint = l->c[1];
    if (ask(cold, &alone, &l->truth))
        return -1;
    l->of = (struct oracle){.kind = (enum source)draw(seed, 9, SOURCES),
                            .truth = &l->truth,
                            .n_prompt = l->p.n,
                            .n_vocab = m->n_vocab,
                            .seed = seed};
    l->r.constraint = l->c[0];
    if (draw(seed, 12, 2)) {
        l->r.draft = propose;
        l->r.draft_arg = &l->of;
    } else if (draw(seed, 13, 2)) {
        l->r.prediction = l->truth.id;
        l->r.n_prediction = (size_t)l->truth.n;
    }
    return 0;
}

/* One to four at once. Returns how many held, or -1; adds those with a constraint. */
static int hold_laws(const struct subject *m, struct stoker *s, struct stoker *cold, uint64_t seed, int *constrained)
{
    static struct law law[AT_ONCE];
    int n = 1 + (int)draw(seed, 20, AT_ONCE), made = 0, ok = 1;
    struct stoker_error err = {0};
    struct answer a;
    while (made < n && ok)
        ok = make_law(&law[made], m, s, cold, seed * AT_ONCE + (uint64_t)made) == 0 && ++made;
    for (int i = 0, sent = 0; i < made && ok; i++, sent++)
        ok = stoker_submit(s, &law[i].r, &law[i].id, &err) == 0;
    for (int i = 0; i < made && ok; i++) {
        collect(s, law[i].id, &a);
        ok = same(&law[i].truth, &a);
        *constrained += law[i].r.constraint != NULL;
        if (!ok)
            printf("     seed %llu, request %d of %d: prompt of %zu, %d of %d tokens, drafts %s%s\n",
                   (unsigned long long)seed, i, made, law[i].p.n, a.n, law[i].truth.n, source_name[law[i].of.kind],
                   law[i].r.constraint ? ", constrained" : "");
    }
    for (int i = 0; i < made; i++) {
        stoker_constraint_close(s, law[i].c[0]);
        stoker_constraint_close(cold, law[i].c[1]);
    }
    return ok ? n : -1;
}

static struct { /* of all models */
    unsigned long long drafted[SETTINGS], preempted, constrained;
} reached;

/* Of each setting at least one round, of other requests for each model. */
static void by_law(const struct subject *m)
{
    const uint64_t first = hash64(m->name, strlen(m->name), 2) % 1000000 * 1000000;
    struct stoker_options plain = options(0);
    struct stoker *cold = engine(m->path, &plain);
    unsigned long long accepted = 0, drafted = 0;
    char detail[120];
    int ok = cold != NULL, held = 0, constrained = 0,
        idle = 0; /* idle: settings that drafted nothing, or preempted nothing */
    for (int i = 0; i < SETTINGS && ok; i++) {
        struct stoker *s = law_engine(m, i);
        struct stoker_stats stats;
        int before = held;
        ok = s != NULL;
        for (uint64_t seed = first + (uint64_t)i * 1000; ok && held - before < (laws + SETTINGS - 1) / SETTINGS;
             seed++) {
            if (s->session->plan.priced) /* as many as by chance, or as are worth it */
                s->price.coin = seed % 4 < 3 ? seed + 1 : 0;
            int n = hold_laws(m, s, cold, seed, &constrained);
            ok = n > 0;
            held += ok ? n : 0;
        }
        if (s) {
            stoker_stats_of(s, &stats);
            accepted += stats.accepted_tokens;
            drafted += stats.drafted_tokens;
            reached.drafted[i] += stats.drafted_tokens;
            reached.preempted += i == PREEMPTING ? stats.preempted : 0;
            idle += stats.drafted_tokens == 0 || (i == PREEMPTING && m->pages && stats.preempted == 0);
        }
        stoker_close(s);
    }
    reached.constrained += (unsigned long long)constrained;
    int constrains = cold && cold->session->trie;
    stoker_close(cold);
    snprintf(detail, sizeof detail, "%d requests, %d constrained, %llu of %llu drafts, %d settings idle", held,
             constrained, accepted, drafted, idle);
    verdict(m, "law",
            ok && held >= laws && drafted > 0 && (laws < LAWS_WHOLE || (idle == 0 && (constrained > 0 || !constrains))),
            detail);
}

/* A few requests a model need not reach everything: those of all models do. */
static void by_law_of_all(void)
{
    const struct subject all = {.name = "all"};
    char detail[120];
    int ok = reached.preempted > 0 && reached.constrained > 0;
    for (int i = 0; i < SETTINGS; i++)
        ok = ok && reached.drafted[i] > 0;
    snprintf(detail, sizeof detail, "%llu constrained, %llu preempted, drafts of settings %llu %llu %llu %llu %llu",
             reached.constrained, reached.preempted, reached.drafted[0], reached.drafted[1], reached.drafted[2],
             reached.drafted[3], reached.drafted[4]);
    verdict(&all, "law", ok, detail);
}

/* ---- all --------------------------------------------------------------------------------------------------------------------- */

/* On which models a test runs: on all; on the embedded one alone; on that and the models of expected_lawful(), of which each keeps
 * something else of a sequence or computes it in another way, and of their variants on some, as dealt. */
enum whose { OF_ALL, OF_EMBEDDED, DEALT };

static const struct {
    const char *name;
    void (*run)(const struct subject *m);
    enum whose whose;
} tests[] = {
    {"alone", alone, OF_ALL},
    {"together", together, DEALT},
    {"priced", priced, DEALT},
    {"priced", costs, DEALT},
    {"priced", follows, DEALT},
    {"priced", asks_seldom, OF_EMBEDDED},
    {"priced", waits, OF_EMBEDDED},
    {"streamed", streamed, DEALT},
    {"streamed", sweeps_not, DEALT},
    {"preempted", preempted, DEALT},
    {"preempted", rows_before_drafts, OF_EMBEDDED},
    {"unreadable", unreadable, DEALT},
    {"unreadable", drafter_unreadable, DEALT},
    {"known", known, DEALT},
    {"repeated", repeated, DEALT},
    {"predicted", predicted, DEALT},
    {"forced", forced, DEALT},
    {"certain", certain, DEALT},
    {"behind", behind_forced, DEALT},
    {"behind", begins_as_forced, OF_EMBEDDED},
    {"behind", forced_behind, OF_EMBEDDED},
    {"drafter", drafter, DEALT},
    {"drafter", drafter_rests, OF_EMBEDDED},
    {"drafter", drafter_lacks_tokens, OF_EMBEDDED},
    {"drafter", drafter_leaves, DEALT},
    {"drafter", other_vocabulary, OF_EMBEDDED},
    {"events", events, OF_EMBEDDED},
    {"copied", copied, DEALT},
    {"recorded", recorded, DEALT},
    {"law", by_law, OF_ALL},
};
enum { N_TESTS = sizeof tests / sizeof *tests, HANDS = 4 };

static int is_dealt(const struct subject *m, int test)
{
    if (whole || m->embedded || expected_in(expected_lawful(), m->name) >= 0)
        return 1;
    return (hash64(m->name, strlen(m->name), 0) + (uint64_t)test) % HANDS == 0;
}

static void run_model(const char *path)
{
    char name[64];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%.*s", (int)strcspn(slash ? slash + 1 : path, "."), slash ? slash + 1 : path);
    struct subject m = {.path = path, .name = name, .embedded = strcmp(name, "ember") == 0};
    if (SANITIZED && !m.embedded && expected_in(expected_lawful(), name) < 0)
        return;
    if (!learn(&m)) {
        verdict(&m, "truth", 0, "");
        return;
    }
    for (int i = 0; i < N_TESTS; i++)
        if (wanted(tests[i].name) && (tests[i].whose != OF_EMBEDDED || m.embedded) &&
            (tests[i].whose != DEALT || is_dealt(&m, i)))
            tests[i].run(&m);
}

int main(int argc, char **argv)
{
    glob_t found = {0};
    on_time = 1;
    log_to(on_log);
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-t") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--whole") == 0)
            whole = 1;
        else
            glob(argv[i], GLOB_NOCHECK | (found.gl_pathc ? GLOB_APPEND : 0), NULL, &found);
    laws = whole ? LAWS_WHOLE : LAWS;
    const int are_named = found.gl_pathc > 0;
    whole |= are_named;
    if (!are_named) {
        glob("models/ember/ember.gguf", 0, NULL, &found);
        glob(TEST_DATA "/golden/*.gguf", GLOB_APPEND, NULL, &found);
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (laws == LAWS_WHOLE)
            fprintf(stderr, "model %zu of %zu\n", i + 1, found.gl_pathc);
        run_model(found.gl_pathv[i]);
    }
    if (wanted("law") && !are_named)
        by_law_of_all();
    globfree(&found);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
