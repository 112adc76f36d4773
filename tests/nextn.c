/* links: engine text model store op machine kernel format base
 *
 * The layer that predicts further tokens: what it computes, and that the engine drafts by it what it would.
 *
 *     build/tests/nextn [-t TEST] [MODEL.gguf...]        without one: every golden beside which there is a NAME.nextn.ref
 *
 *     golden    logits of all pairs of a text against a reference in double precision, with --exact
 *     same      the same to the bit in chunks of any size, by threads, with the smallest memory
 *     followed  pairs of which no logits are wanted: the same bits behind them, and no expert is used
 *     drafts    answers that go where the layer leads, or, by a coin, elsewhere: as many drafts are computed and hold as by the definition,
 *               step by step; across a page
 *     coins     drafts that hold as often as a coin says: none, some, all, and the same answers
 *     settings  answers where it leads most of the time: many hold in small chunks, together, streamed, with preemption, behind known
 *               prefixes; and every answer and log-probability is that without drafts
 *     waiting   what a text leaves behind for others is the same to the bit, whether its pairs were computed at once or had waited: as many
 *               drafts of one that goes on from there
 *     files     known prefixes in files are found by engines with the layer and without, whoever wrote them, with the same answers; with it
 *               as many drafts hold behind them as behind those in memory
 *     header    what recorded rows say of their model is the same with the layer and without
 *     priced    --draft auto: the layer's drafts and others, as many as chance takes, and as many as are worth it
 *     late      a text whose pairs have waited comes up in passes of its own: those that draft have a few rows, and are priced alone
 *     loaded    the layer is bound, and its weights are in the plan, where it drafts, and not with drafts of other sources or without any
 *     unbound   a file in which a tensor of the layer is missing, or has another shape or type: a warning that names it, the other
 *               sources' drafts, the same answers, pages as without such a layer
 *     unstated  a file whose key says that it has no such layer: its tensors tell, so answers are the same and it drafts
 *     unread    where it has experts, one of the layer that cannot be read: the same answers, with which nothing is drafted any more
 *
 * A line a test and model. tools/nextn_f64.py makes references. */
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "golden_ref.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { N_CTX = 420, MOST_ANSWER = 64, TOP = 2 };

#include "answers.h"
#include "temporary.h"
#include "ticking.h"

static int passed, failed;
static char warning[480]; /* the last one that says what drafts are then */
static const char *only;  /* -t */

static void verdict(const char *path, const char *test, int ok, const char *detail)
{
    const char *name = strrchr(path, '/');
    printf("%s %-9s %-22s %s\n", ok ? "ok  " : "FAIL", test, name ? name + 1 : path, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

static void on_log(enum log_level level, const char *line)
{
    if (level == LOG_WARN && strstr(line, "drafts are"))
        snprintf(warning, sizeof warning, "%s", line);
}

static int wanted(const char *test) { return !only || strcmp(only, test) == 0; }

/* ---- by the definition -------------------------------------------------------------------------------------------------------- */

/* A text as far as it is computed, and its pairs. */
struct world {
    struct session *s;
    size_t width, n_vocab;
    float *h;      /* [N_CTX][width] what the layer goes on from */
    float *logits; /* [n_vocab] of the pair that was computed last */
    int n, n_pair; /* positions; pairs of positions below n_pair */
};

static int world_open(struct world *w, const char *path, const struct session_options *o)
{
    struct error err = {0};
    *w = (struct world){.n_pair = 1};
    if (session_prepare(&w->s, path, o, 0, &err) || session_load(w->s, o, &err)) {
        printf("     %s\n", err.text);
        return -1;
    }
    w->width = (size_t)model_h_width(w->s->model);
    w->n_vocab = (size_t)w->s->model->p.n_vocab;
    w->h = malloc(N_CTX * w->width * sizeof *w->h);
    w->logits = malloc(w->n_vocab * sizeof *w->logits);
    return w->s->plan.nextn ? 0 : -1;
}

static void world_close(struct world *w)
{
    session_close(w->s);
    free(w->h);
    free(w->logits);
}

static struct session_options world_options(enum kv_type kv, int exact)
{
    return (struct session_options){.tier = cpu_best_tier(),
                                    .plan_request = {.how = PLAN_WHOLE,
                                                     .n_ctx = N_CTX,
                                                     .n_parallel = 1,
                                                     .n_chunk = 64,
                                                     .n_threads = 1,
                                                     .kv = kv,
                                                     .exact = exact,
                                                     .n_draft = 1,
                                                     .ngrams = 1,
                                                     .nextn = 1,
                                                     .all_logits = 1}};
}

/* The text up to n, `chunk` rows at a time. */
static void compute(struct world *w, const int32_t *id, int n, int chunk)
{
    while (w->n < n) {
        struct batch b = session_batch(w->s);
        int rows = n - w->n < chunk ? n - w->n : chunk;
        for (int i = 0; i < rows; i++)
            batch_add(w->s, &b, &w->s->tables.seq[0], id[w->n + i], w->n + i, 0);
        b.n_prompt = rows;
        model_forward(w->s->model, &b);
        session_commit(&b);
        memcpy(w->h + (size_t)w->n * w->width, b.h, (size_t)rows * w->width * sizeof(float));
        w->n += rows;
    }
}

/* Pairs of the text up to position n, their logits into out [n - n_pair][n_vocab], or nowhere. */
static void pairs(struct world *w, const int32_t *id, int n, int chunk, float *out)
{
    for (int rows; w->n_pair < n; w->n_pair += rows) {
        struct batch b = session_pairs(w->s);
        rows = n - w->n_pair < chunk ? n - w->n_pair : chunk;
        for (int i = 0; i < rows; i++)
            pairs_add(w->s, &b, &w->s->tables.seq[0], id[w->n_pair + i], w->n_pair + i, out != NULL);
        memcpy(b.h, w->h + (size_t)(w->n_pair - 1) * w->width, (size_t)rows * w->width * sizeof(float));
        model_nextn(w->s->model, &b);
        if (out)
            memcpy(out, b.logits, (size_t)rows * w->n_vocab * sizeof(float));
        out += out ? (size_t)rows * w->n_vocab : 0;
    }
}

/* The token that follows by a pair of a token at a position; h becomes what a further one goes by. */
static int32_t follows(struct world *w, int32_t token, int pos, float *h)
{
    struct batch b = session_pairs(w->s);
    int32_t best = 0;
    seq_reserve(&w->s->tables.seq[0], pos + 1);
    pairs_add(w->s, &b, &w->s->tables.seq[0], token, pos, 1);
    memcpy(b.h, h, w->width * sizeof(float));
    model_nextn(w->s->model, &b);
    memcpy(h, b.h, w->width * sizeof(float));
    for (int32_t i = 1; i < (int32_t)w->n_vocab; i++)
        best = b.logits[i] > b.logits[best] ? i : best;
    return best;
}

/* The k tokens that follow id [n] by the layer, behind its last one. */
static void follow(struct world *w, const int32_t *id, int n, int k, int32_t *out)
{
    float *h = malloc(w->width * sizeof *h);
    compute(w, id, n - 1, 1);
    pairs(w, id, n - 1, 1, NULL);
    memcpy(h, w->h + (size_t)(n - 2) * w->width, w->width * sizeof *h);
    for (int i = 0; i < k; i++)
        out[i] = follows(w, i ? out[i - 1] : id[n - 1], n - 1 + i, h);
    free(h);
}

/* ---- what it computes ---------------------------------------------------------------------------------------------------------- */

static void golden(const char *path, const struct ref *r, double tolerance)
{
    struct session_options o = world_options(KV_F32, 1);
    struct world w;
    size_t n = (size_t)r->n_token - 1, n_vocab = (size_t)r->n_vocab;
    float *x = malloc(n * n_vocab * sizeof *x);
    double worst = 0;
    char detail[60];
    int ok = world_open(&w, path, &o) == 0 && w.n_vocab == n_vocab;
    if (ok) {
        compute(&w, r->token, r->n_token, 64);
        pairs(&w, r->token, r->n_token, 64, x);
    }
    for (size_t p = 0; p < n && ok; p++) {
        double diff = 0, size = 0;
        for (size_t v = 0; v < n_vocab; v++) {
            double want = r->logits[(p + 1) * n_vocab + v], d = fabs(x[p * n_vocab + v] - want);
            diff = !(d <= diff) ? d : diff;
            size = fabs(want) > size ? fabs(want) : size;
        }
        worst = !(diff / size <= worst) ? diff / size : worst;
    }
    snprintf(detail, sizeof detail, "largest error %.2e", worst);
    verdict(path, "golden", ok && worst <= tolerance, detail);
    world_close(&w);
    free(x);
}

static uint64_t hash_of(const char *path, const struct ref *r, int threads, int least, int chunk, int pair_chunk)
{
    struct session_options o = world_options(KV_F16, 0);
    struct world w;
    size_t n = (size_t)r->n_token - 1;
    float *x = malloc(n * (size_t)r->n_vocab * sizeof *x);
    uint64_t hash = 0;
    o.plan_request.n_threads = threads;
    o.plan_request.how = least ? PLAN_MINIMUM : PLAN_WHOLE;
    if (world_open(&w, path, &o) == 0) {
        compute(&w, r->token, r->n_token, chunk);
        pairs(&w, r->token, r->n_token, pair_chunk, x);
        hash = hash64(x, n * (size_t)r->n_vocab * sizeof *x, 0);
    }
    world_close(&w);
    free(x);
    return hash;
}

static void same_bits(const char *path, const struct ref *r)
{
    static const int way[][4] = {{1, 0, 1, 1}, {2, 0, 64, 5}, {3, 1, 7, 23}, {1, 1, 64, 64}};
    uint64_t truth = hash_of(path, r, 1, 0, 64, 64);
    int ok = truth != 0;
    for (size_t i = 0; i < sizeof way / sizeof *way && ok; i++)
        ok = hash_of(path, r, way[i][0], way[i][1], way[i][2], way[i][3]) == truth;
    verdict(path, "same", ok, "");
}

static uint64_t uses_of(const struct world *w)
{
    struct store_stats st = {0};
    if (w->s->model->store)
        store_stats(w->s->model->store, &st);
    return st.hits + st.misses;
}

/* Pairs of which nobody wants logits leave what the others leave, and use no expert. */
static void followed(const char *path, const struct ref *r)
{
    struct session_options o = world_options(KV_F16, 0);
    size_t n_vocab = (size_t)r->n_vocab;
    int n = r->n_token, half = n / 2, ok = half > 1;
    float *x[2] = {malloc((size_t)n * n_vocab * sizeof(float)), malloc((size_t)n * n_vocab * sizeof(float))};
    for (int silent = 0; silent < 2 && ok; silent++) {
        struct world w;
        ok = world_open(&w, path, &o) == 0;
        if (ok) {
            compute(&w, r->token, n, 64);
            uint64_t before = uses_of(&w);
            pairs(&w, r->token, half, 7, silent ? NULL : x[silent]);
            ok = !silent || uses_of(&w) == before;
            pairs(&w, r->token, n, 64, x[silent] + (size_t)half * n_vocab);
        }
        world_close(&w);
    }
    ok = ok && memcmp(x[0] + (size_t)half * n_vocab, x[1] + (size_t)half * n_vocab,
                      (size_t)(n - half) * n_vocab * sizeof(float)) == 0;
    verdict(path, "followed", ok, "");
    free(x[0]);
    free(x[1]);
}

/* ---- what is drafted by it ------------------------------------------------------------------------------------------------------ */

static const int prompt_lengths[] = {9, 230}; /* the second answer goes on in another page */

static void make_prompt(int32_t *id, int n, int n_vocab, uint32_t which)
{
    for (int i = 0; i < n; i++)
        id[i] = (int32_t)(rng_u64(79, (uint64_t)i, 7, which) % (uint64_t)n_vocab);
}

static struct stoker_request scripted(const int32_t *id, int n_prompt, int n_answer)
{
    struct stoker_request r = {.prompt = id,
                               .n_prompt = (size_t)n_prompt,
                               .script = id + n_prompt,
                               .max_tokens = n_answer,
                               .sampling = stoker_sampling_defaults(),
                               .wants_logprobs = 1,
                               .n_top_logprobs = TOP,
                               .ignore_end = 1,
                               .no_cache = 1};
    return r;
}

static struct stoker_options options(const char *draft)
{
    return (struct stoker_options){
        .memory = STOKER_MEMORY_MAX, .n_ctx = N_CTX, .n_threads = 1, .n_chunk = 64, .draft = draft};
}

static int less(int a, int b) { return a < b ? a : b; }

/* An answer of n tokens behind the prompt in id, written as the engine's steps go along: a coin says whether each draft holds. Counts the
 * drafts that there must be. */
static void lead(struct world *w, int32_t *id, int n_prompt, int n, int most, size_t *drafted, size_t *accepted)
{
    int at = n_prompt + 1, end = n_prompt + n, reach = 1; /* the first token is the prompt's */
    id[n_prompt] = (int32_t)(rng_u64(80, 0, 7, 0) % w->n_vocab);
    while (at < end) {
        int page = KV_PAGE - (at - 1) % KV_PAGE, want = less(less(reach, most), end - at - 1), right = 0;
        int32_t next[NEXTN_MOST];
        want = page == KV_PAGE ? 0 : less(want, page);
        follow(w, id, at, want, next);
        while (right < want && rng_u64(81, (uint64_t)at, 7, (uint32_t)right) % 4)
            right++;
        for (int i = 0; i < right; i++)
            id[at++] = next[i];
        id[at] = (int32_t)(rng_u64(82, (uint64_t)at, 7, 0) % w->n_vocab);
        id[at] = right < want && id[at] == next[right] ? (id[at] + 1) % (int32_t)w->n_vocab : id[at];
        at++;
        *drafted += (size_t)want;
        *accepted += (size_t)right;
        reach = want ? less(right + 1, NEXTN_MOST) : reach;
    }
}

static int same(const struct answer *a, const struct answer *b)
{
    return a->n == b->n && a->end.kind == STOKER_END && b->end.kind == STOKER_END && same_tokens(a, b, a->n);
}

static void drafts(const char *path)
{
    enum { ANSWER = 60, DRAFTS = 5 };
    char detail[120];
    for (uint32_t i = 0; i < sizeof prompt_lengths / sizeof *prompt_lengths; i++) {
        struct session_options so = world_options(KV_F16, 0);
        struct stoker_options o = options("mtp"), plain = options("off");
        struct world w;
        struct stoker *s, *without;
        struct answer a = {.n = 0}, truth = {.n = 0};
        int32_t id[N_CTX];
        size_t drafted = 0, accepted = 0;
        o.n_draft = DRAFTS;
        o.n_chunk = i ? 7 : 64;
        int ok = world_open(&w, path, &so) == 0 && (s = engine(path, &o)) != NULL;
        if (ok) {
            make_prompt(id, prompt_lengths[i], (int)w.n_vocab, i);
            lead(&w, id, prompt_lengths[i], ANSWER, DRAFTS, &drafted, &accepted);
            struct stoker_request r = scripted(id, prompt_lengths[i], ANSWER);
            without = engine(path, &plain);
            ok = ask(s, &r, &a) == 0 && ask(without, &r, &truth) == 0 && same(&truth, &a);
            stoker_close(s);
            stoker_close(without);
        }
        ok = ok && a.end.u.end.n_drafted == drafted && a.end.u.end.n_accepted == accepted && accepted > 20;
        snprintf(detail, sizeof detail, "%zu of %zu drafts; by the definition %zu of %zu", a.end.u.end.n_accepted,
                 a.end.u.end.n_drafted, accepted, drafted);
        verdict(path, "drafts", ok, detail);
        world_close(&w);
    }
}

/* A coin says how often drafts hold, whatever the layer says. */
static void coins(const char *path)
{
    enum { ANSWER = 60 };
    static const int percent[] = {0, 50, 100};
    struct stoker_options o = options("mtp");
    struct stoker *s = engine(path, &o);
    struct answer a, first;
    int32_t id[N_CTX];
    int ok = s != NULL;
    for (int i = 0; i < 3 && ok; i++) {
        make_prompt(id, 9 + ANSWER, stoker_n_vocab(s), 40);
        struct stoker_request r = scripted(id, 9, ANSWER);
        r.draft_coin = 1 + percent[i];
        ok = ask(s, &r, &a) == 0 && (i == 0 || same(&first, &a));
        size_t drafted = a.end.u.end.n_drafted, held = a.end.u.end.n_accepted;
        ok = ok && drafted > 40 && (i == 0 ? held == 0 : i == 1 ? held > 5 && held < drafted : held == drafted);
        first = i == 0 ? a : first;
    }
    stoker_close(s);
    verdict(path, "coins", ok, "");
}

/* ---- settings -------------------------------------------------------------------------------------------------------------------- */

enum { TEXTS = 4, LENGTH = 40, CACHE = 8 << 20 }; /* of prefixes: all of it is zeroed when an engine opens */
static const int lengths[TEXTS] = {9, 30, 241, 118};
static int32_t text[TEXTS][N_CTX];
static struct answer truths[TEXTS];

/* Texts where the first draft of every position holds, but for each seventh. */
static int make_texts(const char *path)
{
    static char made[4096]; /* of which model they are */
    struct session_options so = world_options(KV_F16, 0);
    struct stoker_options plain = options("off");
    if (strcmp(made, path) == 0)
        return 1;
    struct stoker *s = engine(path, &plain);
    int ok = s != NULL;
    for (uint32_t t = 0; t < TEXTS && ok; t++) {
        struct world w;
        ok = world_open(&w, path, &so) == 0;
        if (ok) {
            make_prompt(text[t], lengths[t], (int)w.n_vocab, 20 + t);
            for (int at = lengths[t]; at < lengths[t] + LENGTH; at++)
                if (at % 7)
                    follow(&w, text[t], at, 1, &text[t][at]);
                else
                    text[t][at] = (int32_t)(rng_u64(83, (uint64_t)at, 7, t) % w.n_vocab);
            struct stoker_request r = scripted(text[t], lengths[t], LENGTH);
            ok = ask(s, &r, &truths[t]) == 0;
        }
        world_close(&w);
    }
    stoker_close(s);
    snprintf(made, sizeof made, "%s", ok ? path : "");
    return ok;
}

/* All texts, n at a time. */
static void in_setting(const char *path, const char *what, const struct stoker_options *o, int n, int cached)
{
    struct stoker *s = engine(path, o);
    struct stoker_stats stats = {0};
    char detail[100];
    int ok = s != NULL;
    for (int round = 0; round < 2 && ok; round++)
        for (int t = 0; t < TEXTS && ok; t += n) {
            struct stoker_request r[TEXTS];
            size_t middle[TEXTS];
            struct stoker_error err;
            struct answer a;
            stoker_id id[TEXTS];
            for (int i = 0; i < n; i++) {
                middle[i] = (size_t)lengths[t + i] / 2;
                r[i] = scripted(text[t + i], lengths[t + i], LENGTH);
                r[i].no_cache = !cached;
                r[i].snapshot_at = cached ? &middle[i] : NULL; /* models with states resume there */
                r[i].n_snapshot_at = cached != 0;
            }
            ok = stoker_submit_all(s, r, (size_t)n, id, &err) == 0;
            for (int i = 0; i < n && ok; i++) {
                collect(s, id[i], &a);
                ok = same(&truths[t + i], &a);
            }
        }
    if (s)
        stoker_stats_of(s, &stats);
    stoker_close(s);
    uint64_t answers = 2 * TEXTS * LENGTH;
    snprintf(detail, sizeof detail, "%s: %llu of %llu drafts for %llu tokens, %llu preempted", what,
             (unsigned long long)stats.accepted_tokens, (unsigned long long)stats.drafted_tokens,
             (unsigned long long)answers, (unsigned long long)stats.preempted);
    ok = ok && 3 * stats.accepted_tokens > answers && (!o->n_pages || stats.preempted > 0);
    verdict(path, "settings", ok && (!cached || stats.cached_tokens > 0), detail);
}

static void settings(const char *path)
{
    struct stoker_options o = options("mtp");
    struct stoker_plan plan;
    struct stoker_error err;
    if (!make_texts(path)) {
        verdict(path, "settings", 0, "no texts");
        return;
    }
    in_setting(path, "alone", &o, 1, 0);
    o.cache_ram = CACHE;
    in_setting(path, "known", &o, 1, 1);
    o.cache_ram = 0;
    o.n_parallel = TEXTS;
    o.n_chunk = 23;
    o.n_draft = 9;
    in_setting(path, "together", &o, TEXTS, 0);
    o.memory = STOKER_MEMORY_MIN;
    o.n_threads = 2;
    in_setting(path, "least memory", &o, TEXTS, 0);
    if (stoker_plan(&plan, path, &o, &err) == 0) {
        o.memory = plan.minimum + (plan.whole - plan.minimum) / 2;
        in_setting(path, "half streamed", &o, 2, 0);
    }
    o = options("mtp");
    o.n_parallel = 3;
    o.n_pages = 2;
    in_setting(path, "few pages", &o, TEXTS, 0);
}

static int drafts_nothing(void *arg, const stoker_token *history, size_t n, int most, stoker_token *out)
{
    (void)arg, (void)history, (void)n, (void)most, (void)out;
    return 0;
}

/* The first tokens of a text, as a prompt and an answer in which nothing is drafted, or all as a prompt. */
static int begins(struct stoker *s, int t, int first, int as_prompt, struct answer *a)
{
    struct stoker_request r = as_prompt ? scripted(text[t], lengths[t] + first - 1, 1)
                                        : scripted(text[t], lengths[t], first);
    r.no_cache = 0;
    r.draft = drafts_nothing;
    return s && ask(s, &r, a) == 0;
}

/* What goes on from them. */
static int continues(struct stoker *s, int t, int first, struct answer *a)
{
    struct stoker_request r = scripted(text[t], lengths[t] + first, LENGTH - first);
    r.no_cache = 0;
    return s && ask(s, &r, a) == 0 && a->end.u.end.n_cached == (size_t)(lengths[t] + first - 1);
}

static int goes_on(const char *path, int t, int first, int as_prompt, struct answer *a)
{
    struct stoker_options o = options("mtp");
    o.cache_ram = CACHE;
    struct stoker *s = engine(path, &o);
    int ok = begins(s, t, first, as_prompt, a) && continues(s, t, first, a);
    stoker_close(s);
    return ok;
}

static void waiting(const char *path)
{
    struct answer a, b;
    char detail[80];
    size_t drafted = 0;
    int ok = make_texts(path);
    for (int i = 0; i < 2 * TEXTS && ok; i++) {
        int t = i / 2, first = i % 2 ? NEXTN_BEHIND + 2 : 14; /* more than may wait, and fewer */
        ok = goes_on(path, t, first, 0, &a) && goes_on(path, t, first, 1, &b) && same(&a, &b) &&
             a.end.u.end.n_drafted == b.end.u.end.n_drafted && a.end.u.end.n_accepted == b.end.u.end.n_accepted;
        drafted += a.end.u.end.n_drafted;
    }
    snprintf(detail, sizeof detail, "%zu drafts", drafted);
    verdict(path, "waiting", ok && drafted > 40, detail);
}

enum { FIRST = 20 }; /* with so many tokens one of the texts has a whole page */

/* The same in two engines, of which the second knows of the first what files have. */
static int goes_on_by_files(const char *path, int t, const char *const *draft, struct answer *a)
{
    char folder[TEMPORARY_PATH], remove[TEMPORARY_PATH + 8];
    int ok = temporary_folder(folder, "nextn") == 0;
    for (int i = 0; i < 2 && ok; i++) {
        struct stoker_options o = options(draft[i]);
        o.cache_ram = CACHE;
        o.cache_dir = folder;
        struct stoker *s = engine(path, &o);
        ok = i ? continues(s, t, FIRST, a) : begins(s, t, FIRST, 1, a);
        stoker_close(s);
    }
    snprintf(remove, sizeof remove, "rm -r %s", folder);
    return system(remove) == 0 && ok;
}

static void files(const char *path)
{
    /* Who writes, and who reads: last those of whom drafts are counted. */
    static const char *const who[][2] = {{"off", "off"}, {"mtp", "off"}, {"off", "mtp"}, {"mtp", "mtp"}};
    struct answer a, known;
    char detail[80];
    size_t held = 0;
    int ok = make_texts(path);
    for (int t = 0; t < TEXTS && ok; t += 2) {
        ok = goes_on(path, t, FIRST, 1, &known);
        for (int i = 0; i < 4 && ok; i++)
            ok = goes_on_by_files(path, t, who[i], &a) && same(&known, &a);
        ok = ok && a.end.u.end.n_drafted == known.end.u.end.n_drafted &&
             a.end.u.end.n_accepted == known.end.u.end.n_accepted;
        held += a.end.u.end.n_accepted;
    }
    snprintf(detail, sizeof detail, "%zu drafts held", held);
    verdict(path, "files", ok && held > 15, detail);
}

static void header(const char *path)
{
    static const char *const draft[] = {"off", "mtp"};
    char *of[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        struct stoker_options o = options(draft[i]);
        struct stoker *s = engine(path, &o);
        of[i] = s ? stoker_capture_header(s, NULL, 0, NULL, 0, 0, &n[i]) : NULL;
        stoker_close(s);
    }
    verdict(path, "header", of[0] && of[1] && n[0] == n[1] && memcmp(of[0], of[1], n[0]) == 0, "");
    stoker_free(of[0]);
    stoker_free(of[1]);
}

/* One at a time, and all together with half of the memory: by chance, then by price. At the minimum there would be no drafts. */
static void priced(const char *path)
{
    struct stoker_options o = options("auto");
    struct stoker_plan plan;
    struct stoker_error why;
    char detail[80];
    unsigned long long drafted = 0, accepted = 0;
    o.n_parallel = TEXTS;
    int ok = make_texts(path) && stoker_plan(&plan, path, &o, &why) == 0;
    for (int way = 0; way < 4 && ok; way++) {
        o.memory = way % 2 ? plan.minimum + (plan.whole - plan.minimum) / 2 : STOKER_MEMORY_MAX;
        struct stoker *s = engine(path, &o);
        struct stoker_request r[TEXTS];
        struct stoker_stats stats = {0};
        struct stoker_error err;
        struct answer a;
        stoker_id id[TEXTS];
        ok = s != NULL;
        if (ok)
            s->price.coin = way < 2 ? 5 : 0;
        for (int t = 0, n = way % 2 ? TEXTS : 1; t < TEXTS && ok; t += n) {
            for (int i = 0; i < n; i++)
                r[i] = scripted(text[t + i], lengths[t + i], LENGTH);
            ok = stoker_submit_all(s, r, (size_t)n, id, &err) == 0;
            for (int i = 0; i < n && ok; i++) {
                collect(s, id[i], &a);
                ok = same(&truths[t + i], &a);
            }
        }
        if (s)
            stoker_stats_of(s, &stats);
        drafted += way < 2 ? stats.drafted_tokens : 0;
        accepted += way < 2 ? stats.accepted_tokens : 0;
        stoker_close(s);
    }
    snprintf(detail, sizeof detail, "by chance %llu of %llu drafts", accepted, drafted);
    verdict(path, "priced", ok && drafted > 40 && 4 * accepted > drafted, detail);
}

/* One draft a step, which the older text has as long as it lasts: then the younger one's pairs have waited, up to a page's end and
 * beyond. */
static void late(const char *path)
{
    struct stoker_options o = options("auto");
    struct stoker_request r[2];
    struct stoker_error err;
    struct answer a[2] = {{.n = 0}};
    stoker_id id[2];
    char detail[80];
    o.n_parallel = 2;
    o.n_draft = 1;
    struct stoker *s = make_texts(path) ? engine(path, &o) : NULL;
    int ok = s != NULL, widest = 0;
    if (ok) {
        s->price.all = 1;
        s->price.plain = 1; /* every step has drafts */
    }
    int looks_once = ok && s->session->model->p.n_expert == 0; /* experts are timed too */
    atomic_store(&ticking, looks_once);
    for (int i = 0; i < 2 && ok; i++)
        r[i] = scripted(text[2 * i], lengths[2 * i], LENGTH);
    ok = ok && stoker_submit_all(s, r, 2, id, &err) == 0;
    for (int i = 0; i < 2 && ok; i++) {
        collect(s, id[i], &a[i]);
        ok = same(&truths[2 * i], &a[i]);
    }
    atomic_store(&ticking, 0);
    double pass = ok ? s->price.pass : 0;
    if (ok) {
        widest = s->session->tables.pairs.widest;
        ok = a[1].end.u.end.n_drafted > 0 && widest <= NEXTN_MOST + 1;
        ok = ok && (!looks_once || fabs(pass - 1) < 1e-6);
    }
    stoker_close(s);
    snprintf(detail, sizeof detail, "%zu drafts of the younger one, at most %d rows, %g looks a pass",
             a[1].end.u.end.n_drafted, widest, pass);
    verdict(path, "late", ok, detail);
}

/* ---- files that are not whole -------------------------------------------------------------------------------------------------------- */

enum { LOADED = 1 << 16 };                 /* bytes: reads of so many are those of the whole file when it is opened */
static _Atomic uint64_t bad_from, bad_end; /* bytes of the file that no smaller read may have */

/* Stands before the C library's, under the threads that read. */
ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    uint64_t first = (uint64_t)at;
    if (n < LOADED && first < atomic_load(&bad_end) && first + n > atomic_load(&bad_from)) {
        errno = ENXIO; /* is not tried again */
        return -1;
    }
    return (ssize_t)syscall(SYS_pread64, fd, to, n, at);
}

/* The middle of the layer's experts: what lies beside them is read with them when the file is opened. */
static int find_experts(const char *path, const struct stoker_options *o, uint64_t range[2])
{
    struct stoker *s = engine(path, o);
    const struct model *m = s ? s->session->model : NULL;
    const struct expert_extent *x = m ? &m->expert_layer[m->p.n_layer].part[0] : NULL;
    if (x) {
        range[0] = x->offset + x->bytes * (uint64_t)m->p.n_expert / 2;
        range[1] = range[0] + 1;
    }
    stoker_close(s);
    return x ? 0 : -1;
}

/* The layer; also where the file cannot be opened, so that the test tells it. */
static int has_experts(const char *path)
{
    struct stoker_options o = options("mtp");
    struct stoker *s = engine(path, &o);
    const struct model *m = s ? s->session->model : NULL;
    int has = !m || (m->p.n_expert && m->expert_layer[m->p.n_layer].part[0].bytes);
    stoker_close(s);
    return has;
}

/* From an engine that could never read them. */
static void unread(const char *path)
{
    struct stoker_options o = options("mtp");
    struct answer a = {.n = 0};
    uint64_t range[2];
    char detail[60];
    o.reader = "threads";
    o.memory = STOKER_MEMORY_MIN;
    int ok = make_texts(path) && find_experts(path, &o, range) == 0;
    if (ok) {
        atomic_store(&bad_from, range[0]);
        atomic_store(&bad_end, range[1]);
    }
    struct stoker *s = ok ? engine(path, &o) : NULL;
    struct stoker_request r = scripted(text[0], lengths[0], LENGTH);
    ok = s && ask(s, &r, &a) == 0 && same(&truths[0], &a) && a.end.u.end.n_drafted < LENGTH / 2;
    stoker_close(s);
    atomic_store(&bad_end, 0);
    snprintf(detail, sizeof detail, "%zu drafts", a.end.u.end.n_drafted);
    verdict(path, "unread", ok, detail);
}

/* The file with some bytes in place of others. 0, or -1. */
static int changed(const char *path, char copy[TEMPORARY_PATH], const char *from, const char *to, size_t n)
{
    FILE *f = fopen(path, "rb");
    int fd = temporary_file(copy, "nextn"), ok = f && fd >= 0 && fseek(f, 0, SEEK_END) == 0;
    size_t size = ok ? (size_t)ftell(f) : 0;
    char *bytes = malloc(size + 1), *at = NULL;
    ok = ok && fseek(f, 0, SEEK_SET) == 0 && fread(bytes, 1, size, f) == size;
    if (ok && (at = memmem(bytes, size, from, n)) != NULL)
        memcpy(at, to, n);
    ok = ok && at && write(fd, bytes, size) == (ssize_t)size;
    if (f)
        fclose(f);
    if (fd >= 0)
        close(fd);
    free(bytes);
    return ok ? 0 : -1;
}

/* A file whose layer cannot be bound answers as one without drafts, keeps nothing for them, and is told what is wrong. */
static int answers_without(const char *path, const char *copy, const char *draft, const char *named)
{
    struct stoker_options o = options(draft), ngram = options("ngram");
    struct stoker_plan with = {.n_ctx = 0}, without = {.n_ctx = 0};
    struct stoker_error err;
    struct answer a;
    warning[0] = 0;
    struct stoker *s = engine(copy, &o);
    struct stoker_request r = scripted(text[0], lengths[0], LENGTH);
    int ok = s && strstr(warning, named) && ask(s, &r, &a) == 0 && same(&truths[0], &a) &&
             stoker_plan(&with, copy, &o, &err) == 0 && stoker_plan(&without, path, &ngram, &err) == 0 &&
             with.kv_bytes_per_token == without.kv_bytes_per_token;
    if (!ok)
        printf("     --draft %s, %s: the warning is \"%s\"\n", draft, named, warning);
    stoker_close(s);
    return ok;
}

/* A tensor's name as files have it, the number of its dimensions, and the first two bytes of the first. */
static void with_length(char out[64], const char *name, int n_dim, int length, size_t *n)
{
    int n_name = snprintf(out, 64, "%s", name);
    const unsigned char rest[] = {(unsigned char)n_dim, 0, 0, 0, (unsigned char)length, (unsigned char)(length >> 8)};
    memcpy(out + n_name, rest, sizeof rest);
    *n = (size_t)n_name + sizeof rest;
}

/* A vector's name, dimensions, and type, a word less its last three bytes. */
static void with_type(char out[64], const char *name, int length, enum block_type type, size_t *n)
{
    with_length(out, name, 1, length, n);
    memset(out + *n, 0, 6);
    out[*n + 6] = (char)type;
    *n += 7;
}

/* Tensors of the layer that are missing, among them two that all layers have, two that are shorter, and one of whole numbers. */
static void unbound(const char *path)
{
    static const char hnorm[] = "nextn.hnorm.weight", proj[] = "nextn.eh_proj.weight";
    static const char *const drafts[] = {"mtp", "auto"};
    char own[64], other[64], down[64], dowm[64], norm[2][64], product[2][64], type[2][64];
    size_t n_norm = 0, n_product = 0, n_type = 0;
    struct session_options so = world_options(KV_F16, 0);
    struct world w;
    int ok = make_texts(path) && world_open(&w, path, &so) == 0;
    const struct model *m = ok ? w.s->model : NULL;
    for (int k = 0; k < 2 && ok; k++) {
        with_type(type[k], hnorm, m->nextn.hidden_norm->mat.n_cols, k ? TYPE_I32 : TYPE_F32, &n_type);
        with_length(norm[k], hnorm, 1, m->nextn.hidden_norm->mat.n_cols - 4 * k, &n_norm);
        with_length(product[k], proj, 2, m->nextn.proj->mat.n_cols - 4 * k, &n_product);
    }
    snprintf(own, sizeof own, "blk.%d.attn_output", ok ? m->p.n_layer : 0);
    snprintf(other, sizeof other, "blk.%d.attn_outqut", ok ? m->p.n_layer : 0);
    snprintf(down, sizeof down, "blk.%d.ffn_down", ok ? m->p.n_layer : 0);
    snprintf(dowm, sizeof dowm, "blk.%d.ffn_dowm", ok ? m->p.n_layer : 0);
    const struct {
        const char *from, *to;
        size_t n;
        const char *named;
    } cases[] = {{hnorm, "nextn.knorm.weight", strlen(hnorm), hnorm},
                 {"nextn.enorm.weight", "nextn.knorm.weight", 18, "nextn.enorm.weight"},
                 {proj, "nextn.eh_prok.weight", strlen(proj), proj},
                 {own, other, strlen(own), own},
                 {down, dowm, strlen(down), down},
                 {type[0], type[1], n_type, hnorm},
                 {norm[0], norm[1], n_norm, hnorm},
                 {product[0], product[1], n_product, proj}};
    if (ok)
        world_close(&w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases && ok; i++) {
        char copy[TEMPORARY_PATH];
        ok = changed(path, copy, cases[i].from, cases[i].to, cases[i].n) == 0;
        for (size_t k = 0; k < sizeof drafts / sizeof *drafts && ok; k++)
            ok = answers_without(path, copy, drafts[k], cases[i].named);
        unlink(copy);
    }
    verdict(path, "unbound", ok, "");
}

/* Whether the layer is bound, and how many bytes of weights the plan has, by where drafts come from. */
static void loaded(const char *path)
{
    static const char *const drafts[] = {"off", "ngram", "mtp", "auto"};
    uint64_t weights[4] = {0};
    char detail[120];
    int bound[4] = {0}, ok = 1;
    for (int i = 0; i < 4 && ok; i++) {
        struct stoker_options o = options(drafts[i]);
        struct stoker *s = engine(path, &o);
        ok = s != NULL;
        if (!ok)
            break;
        bound[i] = s->session->model->nextn.proj != NULL;
        weights[i] = s->session->plan.part[PLAN_WEIGHTS];
        stoker_close(s);
    }
    snprintf(detail, sizeof detail, "%llu bytes of weights with it, %llu without", (unsigned long long)weights[2],
             (unsigned long long)weights[0]);
    verdict(path, "loaded",
            ok && !bound[0] && !bound[1] && bound[2] && bound[3] && weights[0] == weights[1] &&
                weights[2] == weights[3] && weights[2] > weights[0],
            detail);
}

static void unstated(const char *path)
{
    static const char key[] = "nextn_predict_layers\4\0\0\0";
    enum { KEY = sizeof key - 1, VALUE = 4 };
    char some[KEY + VALUE] = {0}, none[KEY + VALUE] = {0}, copy[TEMPORARY_PATH] = "";
    struct stoker_options o = options("mtp");
    struct stoker_request r = scripted(text[0], lengths[0], LENGTH);
    struct answer a;
    memcpy(some, key, KEY);
    memcpy(none, key, KEY);
    int ok = 0, readable = make_texts(path);
    for (char n = 1; n <= 2 && readable && !ok; n++) { /* as many as files have */
        unlink(copy);
        some[KEY] = n;
        ok = changed(path, copy, some, none, sizeof some) == 0;
    }
    struct stoker *s = ok ? engine(copy, &o) : NULL;
    ok = s && ask(s, &r, &a) == 0 && same(&truths[0], &a) && a.end.u.end.n_drafted > 0;
    stoker_close(s);
    unlink(copy);
    verdict(path, "unstated", ok, "");
}

/* ---- run --------------------------------------------------------------------------------------------------------------------------- */

static void run_model(const char *path)
{
    char reference[4096];
    struct ref r;
    snprintf(reference, sizeof reference, "%.*s.nextn.ref", (int)strlen(path) - 5, path);
    if (ref_read(&r, reference)) {
        verdict(path, "golden", 0, "no reference");
        return;
    }
    if (wanted("golden"))
        golden(path, &r, 1e-5);
    if (wanted("same"))
        same_bits(path, &r);
    if (wanted("followed"))
        followed(path, &r);
    if (wanted("drafts"))
        drafts(path);
    if (wanted("loaded"))
        loaded(path);
    if (wanted("coins"))
        coins(path);
    if (wanted("settings"))
        settings(path);
    if (wanted("waiting"))
        waiting(path);
    if (wanted("unstated"))
        unstated(path);
    if (wanted("files"))
        files(path);
    if (wanted("header"))
        header(path);
    if (wanted("priced"))
        priced(path);
    if (wanted("late"))
        late(path);
    if (wanted("unbound"))
        unbound(path);
    if (wanted("unread") && has_experts(path))
        unread(path);
    ref_free(&r);
}

int main(int argc, char **argv)
{
    int first = 1;
    glob_t found;
    on_time = 1;
    log_to(on_log);
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        only = argv[2];
        first = 3;
    }
    for (int i = first; i < argc; i++)
        run_model(argv[i]);
    if (first == argc && glob(TEST_DATA "/golden/*.nextn.ref", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char path[4096];
            snprintf(path, sizeof path, "%.*s.gguf", (int)strlen(found.gl_pathv[i]) - 10, found.gl_pathv[i]);
            run_model(path);
        }
        globfree(&found);
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0 || passed == 0;
}
