/* links: engine text model store op machine kernel format base
 *
 * The laws: what must not change an answer, and what a step must not do.
 *
 *     build/tests/laws [--whole] [-l LAW] [MODEL.gguf...]   of all laws, and the embedded model and a golden of each architecture
 *
 * The answer of a run is the hash of the logits at each of its positions, prompt and greedy decode. What it is equal to: the
 * same ids alone in one chunk, one thread, everything resident; once each with f16, q8_0 and f32 KV and --exact.
 *
 *     equality    a table of settings each: threads, chunks, tiers, budgets, readers, orders of completion, warm, mixes; every
 *                 setting under one of these four by turns, which differ by model, and under all four with --whole. A model of
 *                 expected_sampled() takes one of the first three, and the settings that fall on it
 *     pages       likewise over contexts of more than one page, with f16, q8_0 and f32 KV
 *     leaving     a cancelled sequence, or one whose expert cannot be read, does not change its neighbours
 *     malloc      none in 3 prompt and 100 decode steps
 *
 * A line a law and model; the settings that differed are printed. Needs no data from outside the repository. */
#include "expected.h"
#include "laws_run.h"

#include "count_malloc.h"

#include <limits.h>

static int passed, failed, skipped;
static const char *only; /* -l */
static int whole;        /* --whole */
enum { ARCHS_MOST = 256 };
static int arch_seen[ARCHS_MOST]; /* in the order of expected_archs() */

static int wanted(const char *law) { return !only || strcmp(only, law) == 0; }

/* A model under test: its path, and its reference answers. */
struct subject {
    const char *path, *name;
    int n_vocab, n_layer, n_class;
    int sampled;              /* a part of each law */
    struct line truth[LINES]; /* of the kv and exact at hand */
};

static const int prompts[LINES] = {40, 7, 23, 33};

static void verdict(const struct subject *m, const char *law, int ok, const char *detail)
{
    printf("%s %-12s %-10s %s\n", ok ? "ok  " : "FAIL", law, m->name, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

static void skip(const struct subject *m, const char *law, const char *why)
{
    printf("skip %-12s %-10s %s\n", law, m->name, why);
    skipped++;
}

/* ---- equality ------------------------------------------------------------------------------------------------------------- */

/* On the best tier: the law of tiers compares it with the scalar kernels, which take as long as all other runs together. */
static struct setting reference(void)
{
    return (struct setting){.tier = cpu_best_tier(), .threads = 1, .chunk = 40, .budget = 100, .n_ctx = 64};
}

static int complain(const struct setting *s, const char *what)
{
    printf("     differs: %s: %s\n", describe(s), what);
    return 0;
}

static int same(const struct setting *s, const struct line *truth, const struct line *l)
{
    char what[80];
    int at = line_differs(truth, l);
    snprintf(what, sizeof what, "logits at position %d of %d", at, truth->n_ids);
    return at < 0 ? 1 : complain(s, what);
}

/* 1: it streamed experts if its budget required that. */
static int streamed(struct session *s, const struct setting *how)
{
    struct store_stats st;
    int must = 0;
    if (!s->model->store)
        return 1;
    store_stats(s->model->store, &st);
    for (int c = 0; c < st.n_class; c++)
        must |= st.slots[c] < st.experts[c] / 2;
    return !must || (st.misses > 0 && st.evictions > 0) ? 1 : complain(how, "no expert was evicted");
}

/* Alone and cold, then the same session warm, then four lines mixed. */
static int holds(const struct subject *m, const struct setting *s, int warm, int mixes)
{
    struct error err = {0}, row_error = {0};
    struct line l = m->truth[0], all[LINES];
    struct session *session = open_session(m->path, s, &err);
    if (!session || run_alone(session, &l, s->chunk, &err)) {
        session_close(session);
        return complain(s, err.text);
    }
    int ok = same(s, &m->truth[0], &l);
    for (int i = 0; i < warm; i++)
        ok = run_alone(session, &l, s->chunk, &err) ? complain(s, err.text) : same(s, &m->truth[0], &l) && ok;
    memcpy(all, m->truth, sizeof all);
    for (int seed = 0; seed < mixes; seed++) {
        if (run_mixed(session, all, LINES, (uint64_t)seed, &row_error, &err))
            ok = complain(s, err.text);
        for (int i = 0; i < LINES; i++)
            ok = same(s, &m->truth[i], &all[i]) && ok;
    }
    ok = streamed(session, s) && ok;
    session_close(session);
    return ok;
}

static int learn_truth(struct subject *m, const struct setting *s, const int *lengths)
{
    struct error err = {0};
    struct session *session = open_session(m->path, s, &err);
    int ok = session != NULL;
    for (int i = 0; i < LINES && ok; i++) {
        line_make(&m->truth[i], i, lengths[i], m->n_vocab);
        ok = run_alone(session, &m->truth[i], m->truth[i].n_prompt, &err) == 0;
    }
    session_close(session);
    return ok ? 1 : complain(s, err.text);
}

/* What a law varies: settings that differ from the reference in little, so that a failure says what broke. */
enum { MOST_SETTINGS = 64 };
struct law {
    int warm, mixes;
    int n;
    struct setting s[MOST_SETTINGS];
};

static struct setting *vary(struct law *l, const struct setting *base)
{
    l->s[l->n] = *base;
    return &l->s[l->n++];
}

static void law_threads(struct law *l, const struct setting *base)
{
    for (int threads = 1; threads <= 3; threads++)
        for (int chunk = 1; chunk <= 40; chunk += 39) {
            struct setting *s = vary(l, base);
            s->threads = threads;
            s->chunk = chunk;
        }
}

static void law_chunks(struct law *l, const struct setting *base)
{
    static const int chunks[] = {1, 2, 7, 16, 17, 32, 40};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        vary(l, base)->chunk = chunks[i];
    vary(l, base)->last_logits = 1;
}

static void law_tiers(struct law *l, const struct setting *base)
{
    for (int tier = TIER_SCALAR; tier <= (int)cpu_best_tier(); tier++)
        for (int chunk = 1; chunk <= 40; chunk += 39) {
            struct setting *s = vary(l, base);
            s->tier = (enum cpu_tier)tier;
            s->chunk = chunk;
        }
}

static void law_budgets(struct law *l, const struct setting *base)
{
    static const int budgets[] = {0, 25, 50, 75, 100};
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        for (int slots_only = 0; slots_only <= (budgets[i] < 100); slots_only++)
            for (int chunk = 7; chunk <= 40; chunk += 33) {
                struct setting *s = vary(l, base);
                s->budget = budgets[i];
                s->slots_only = slots_only;
                s->chunk = chunk;
            }
}

static void law_readers(struct law *l, const struct setting *base)
{
    for (int backend = (int)first_backend(); backend <= READER_BUFFERED; backend++)
        for (int depth = 1; depth <= 32; depth += 31) {
            struct setting *s = vary(l, base);
            s->backend = (enum reader_backend)backend;
            s->depth = depth;
            s->budget = 0;
            s->chunk = 7;
        }
}

static void law_orders(struct law *l, const struct setting *base)
{
    for (int order = ORDER_REVERSED; order <= ORDER_RANDOM; order++)
        for (int chunk = 7; chunk <= 40; chunk += 33) {
            struct setting *s = vary(l, base);
            s->shim = 1;
            s->order = (enum fault_order)order;
            s->backend = READER_THREADS;
            s->budget = 0;
            s->chunk = chunk;
        }
}

static void law_warm(struct law *l, const struct setting *base)
{
    for (int budget = 0; budget <= 100; budget += 50) {
        struct setting *s = vary(l, base);
        s->budget = budget;
        s->chunk = 7;
    }
    l->warm = 2;
}

static void law_sequences(struct law *l, const struct setting *base)
{
    for (int budget = 0; budget <= 100; budget += 100)
        for (int last = 0; last <= 1; last++) {
            struct setting *s = vary(l, base);
            s->budget = budget;
            s->last_logits = last;
            s->room = 40;
        }
    l->mixes = 3;
}

/* All settings drawn at random; the tier is the best or the next one, if that is not the scalar one. */
static void law_everything(struct law *l, const struct setting *base)
{
    static const int chunks[] = {1, 7, 32, 40};
    for (uint64_t i = 0; i < 8; i++) {
        struct setting *s = vary(l, base);
        const uint64_t r = rng_u64(99, i, 3, (uint32_t)(base->kv + 2 * base->exact));
        s->tier = (enum cpu_tier)((int)cpu_best_tier() - (int)(r % 2 && cpu_best_tier() > TIER_SCALAR + 1));
        s->threads = 1 + (int)((r >> 8) % 3);
        s->chunk = chunks[(r >> 16) % 4];
        s->budget = (int)((r >> 24) % 5) * 25;
        s->slots_only = (r >> 32) & 1;
        s->backend = READER_URING + (enum reader_backend)((r >> 40) % 3);
        s->backend = s->backend == READER_URING ? first_backend() : s->backend;
        s->depth = (r >> 48) & 1 ? 32 : 1;
        s->room = 40;
    }
    l->warm = l->mixes = 1;
}

static const struct {
    const char *name;
    void (*fill)(struct law *l, const struct setting *base);
    int exact; /* 1: runs under --exact too */
} laws[] = {
    {"threads", law_threads, 1}, {"chunks", law_chunks, 1},       {"tiers", law_tiers, 1},
    {"budgets", law_budgets, 0}, {"readers", law_readers, 0},     {"orders", law_orders, 0},
    {"warm", law_warm, 0},       {"sequences", law_sequences, 0}, {"everything", law_everything, 1},
};
enum { N_LAWS = sizeof laws / sizeof *laws };

static const struct {
    enum kv_type kv;
    int exact;
} kinds[] = {{KV_F16, 0}, {KV_Q8_0, 0}, {KV_F32, 0}, {KV_F32, 1}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* Which of n falls to model m at place j. */
static int dealt(const struct subject *m, int j, int n)
{
    return (int)((hash64(m->name, strlen(m->name), 0) + (uint64_t)j) % (uint64_t)n);
}

/* The kind under which setting j of a law runs on model m unless all are asked for. */
static int kind_of(const struct subject *m, int law, int j)
{
    return dealt(m, law + j, laws[law].exact ? N_KINDS : N_KINDS - 1); /* the exact kind is the last one */
}

/* Whether model m runs under this kind: the one kind of a sampled model comes from a hash of its own, so that the settings that fall on it
 * differ by model. */
static int takes_kind(const struct subject *m, enum kv_type kv, int exact)
{
    return !m->sampled || (!exact && hash64(m->name, strlen(m->name), 1) % KV_TYPES == kv);
}

static void equality(struct subject *m)
{
    int ok[N_LAWS], runs[N_LAWS] = {0};
    double seconds[N_LAWS] = {0};
    for (int i = 0; i < N_LAWS; i++)
        ok[i] = 1;
    for (int k = 0; k < N_KINDS; k++) {
        struct setting base = reference();
        if (!takes_kind(m, kinds[k].kv, kinds[k].exact))
            continue;
        base.kv = kinds[k].kv;
        base.exact = kinds[k].exact;
        if (!learn_truth(m, &base, prompts))
            memset(ok, 0, sizeof ok);
        base.threads = 2;
        for (int i = 0; i < N_LAWS; i++) {
            struct law l = {.n = 0};
            if ((base.exact && !laws[i].exact) || !wanted(laws[i].name))
                continue;
            laws[i].fill(&l, &base);
            uint64_t began = clock_ns();
            for (int j = 0; j < l.n; j++) {
                if (!whole && kind_of(m, i, j) != k)
                    continue;
                ok[i] = holds(m, &l.s[j], l.warm, l.mixes) && ok[i];
                runs[i]++;
            }
            seconds[i] += (double)(clock_ns() - began) * 1e-9;
        }
    }
    for (int i = 0; i < N_LAWS; i++) {
        char detail[40];
        if (!wanted(laws[i].name))
            continue;
        snprintf(detail, sizeof detail, "%d settings, %.1f s", runs[i], seconds[i]);
        verdict(m, laws[i].name, ok[i], detail);
    }
}

/* ---- more than one page ----------------------------------------------------------------------------------------------------- */

static void pages(struct subject *m)
{
    static const int lengths[LINES] = {310, 3, 262, 250}; /* the last passes into its second page while it decodes */
    struct setting base = {.tier = cpu_best_tier(), .threads = 2, .chunk = 310, .budget = 100, .n_ctx = 320};
    int ok = 1, runs = 0;
    for (int kv = KV_F16; kv < KV_TYPES; kv++) {
        if (!takes_kind(m, (enum kv_type)kv, 0))
            continue;
        base.kv = (enum kv_type)kv;
        ok = learn_truth(m, &base, lengths) && ok;
        const struct setting variants[] = {
            {base.kv, .tier = base.tier, .threads = 3, .chunk = 100, .budget = 100, .n_ctx = 320},
            {base.kv, .tier = base.tier, .threads = 2, .chunk = 256, .budget = 0, .n_ctx = 320},
            {base.kv, .tier = kv == dealt(m, 2, KV_TYPES) ? TIER_SCALAR : base.tier, .threads = 2, .chunk = 33,
             .budget = 50, .n_ctx = 320},
            {base.kv, .tier = base.tier, .threads = 1, .chunk = 1, .budget = 100, .n_ctx = 320, .room = 40},
        };
        for (int i = 0; i < (int)(sizeof variants / sizeof *variants); i++) {
            if (!whole && kv != dealt(m, i, KV_TYPES))
                continue;
            ok = holds(m, &variants[i], 0, i == 3) && ok;
            runs++;
        }
    }
    char detail[40];
    snprintf(detail, sizeof detail, "%d settings", runs);
    verdict(m, "pages", ok, detail);
}

/* ---- rows that leave -------------------------------------------------------------------------------------------------------- */

/* The poll hook that an operation calls between its units of work: sets a flag at one of its calls. */
static struct hook {
    void (*fn)(void *arg);
    void *arg;
    atomic_int *flag;
    int calls, at;
} hook;

static void on_poll(void *unused)
{
    (void)unused;
    if (++hook.calls == hook.at)
        atomic_store(hook.flag, 1);
    if (hook.fn)
        hook.fn(hook.arg);
}

static void set_hook(struct session *s, int at)
{
    hook = (struct hook){hook.fn, hook.arg, &s->tables.seq[1].cancelled, 0, at};
}

static int neighbours_hold(const struct subject *m, const struct setting *s, const struct line *l, int but)
{
    int ok = 1;
    for (int i = 0; i < LINES; i++)
        if (i != but)
            ok = (l[i].dead ? complain(s, "a neighbour died") : same(s, &m->truth[i], &l[i])) && ok;
    return ok;
}

/* Line 1 is cancelled while a step runs; then all four again. */
static void cancelled(struct subject *m)
{
    struct setting base = reference();
    struct error err = {0}, row_error = {0};
    struct line l[LINES];
    base.threads = 2;
    base.room = 64;
    base.budget = 0;
    int ok = learn_truth(m, &base, prompts);
    struct session *s = open_session(m->path, &base, &err);
    memcpy(l, m->truth, sizeof l);
    if (!s) {
        verdict(m, "cancelled", 0, err.text);
        return;
    }
    hook = (struct hook){s->model->op.poll, s->model->op.poll_arg, NULL, 0, 0};
    s->model->op.poll = on_poll;
    int died = 0, tries = 12, calls = 0;
    for (int i = 0; i < tries; i++) {
        set_hook(s, i == 0 ? INT_MAX : calls * i / tries);
        if (run_mixed(s, l, LINES, 3, &row_error, &err))
            ok = complain(&base, err.text);
        calls = i == 0 ? hook.calls : calls;
        died += l[1].dead;
        ok = neighbours_hold(m, &base, l, l[1].dead ? 1 : -1) && ok;
    }
    if (died == 0)
        ok = complain(&base, "no row left");
    set_hook(s, INT_MAX);
    ok = run_mixed(s, l, LINES, 3, &row_error, &err) == 0 && neighbours_hold(m, &base, l, -1) && ok;
    session_close(s);
    char detail[80];
    snprintf(detail, sizeof detail, "%d times out of %d, over %d units of work", died, tries, calls);
    verdict(m, "cancelled", ok, detail);
}

/* Which experts each line loads. */
enum { FEW_LAYERS = 16, FEW_EXPERTS = 64 };
struct loads {
    uint8_t who[FEW_LAYERS][FEW_EXPERTS]; /* bit i: line i */
    int line;
};

static void on_load(void *arg, const struct store_event *e)
{
    struct loads *l = arg;
    if (!e->evict && e->layer < FEW_LAYERS && e->id < FEW_EXPERTS)
        l->who[e->layer][e->id] |= (uint8_t)(1 << l->line);
}

static uint64_t range_start(const struct session *s, int layer, int part, int id)
{
    const struct expert_extent *x = &s->model->expert_layer[layer].part[part];
    uint64_t at = x->offset + (uint64_t)id * x->bytes;
    return at - at % reader_align(s->reader);
}

/* Lines that need something whose read begins at offset: neighbours in the file may share it. */
static int who_reads(const struct session *s, const struct loads *l, uint64_t offset)
{
    int who = 0;
    for (int layer = 0; layer < s->model->p.n_layer; layer++)
        for (int id = 0; id < s->model->expert_layer[layer].n_expert; id++)
            for (int p = 0; p < s->model->expert_layer[layer].n_part; p++)
                if (range_start(s, layer, p, id) == offset)
                    who |= l->who[layer][id];
    return who;
}

/* An offset that some lines read and others do not, from the last layer on, so that the rows have computed layers before; 0: none. */
static uint64_t find_victim(const struct session *s, const struct loads *l, int *who)
{
    int best = 0;
    uint64_t offset = 0;
    for (int layer = s->model->p.n_layer / 2; layer >= 0; layer--)
        for (int id = 0; id < s->model->expert_layer[layer].n_expert; id++) {
            uint64_t at = range_start(s, layer, 1, id);
            int w = who_reads(s, l, at), n = __builtin_popcount((unsigned)w);
            if (n > best && n < LINES) {
                best = n;
                offset = at;
                *who = w;
            }
        }
    return offset;
}

/* Every line under a session of its own, to learn what it loads. */
static int learn_loads(const struct subject *m, const struct setting *base, struct loads *loads)
{
    struct error err = {0};
    for (int i = 0; i < LINES; i++) {
        struct session *s = open_session(m->path, base, &err);
        struct line l = m->truth[i];
        if (!s)
            return complain(base, err.text);
        loads->line = i;
        store_log(s->model->store, on_load, loads);
        int ok = run_alone(s, &l, base->chunk, &err) == 0;
        session_close(s);
        if (!ok)
            return complain(base, err.text);
    }
    return 1;
}

/* With the read at offset failing always: exactly the lines in `who` die, saying why; the others keep their bits; the next run
 * without the fault is whole. */
static int survives(const struct subject *m, const struct setting *how, struct session *s, uint64_t offset, int who,
                    int sweep, uint64_t seed)
{
    struct error err = {0}, row_error = {0};
    struct line l[LINES];
    int ok = 1;
    memcpy(l, m->truth, sizeof l);
    fault.kind = FAULT_ERROR;
    fault.number = EIO;
    fault.known = fault.nth = 1;
    fault.times = INT_MAX;
    fault.given = fault.file = 0;
    fault.offset = offset;
    if (run_together(s, l, LINES, sweep, seed, &row_error, &err))
        ok = complain(how, err.text);
    for (int i = 0; i < LINES; i++) {
        int must = who >> i & 1;
        if (must != l[i].dead)
            ok = complain(how, must ? "a line that needs the expert went on" : "a line died that does not need it");
        for (int p = 0; p < l[i].n_ids && must; p++)
            if (l[i].hash[p] && l[i].hash[p] != m->truth[i].hash[p])
                ok = complain(how, "a row of a dead sequence was given out as whole, with other bits");
        ok = (must || same(how, &m->truth[i], &l[i])) && ok;
    }
    if (!strstr(row_error.text, "_exps.weight"))
        ok = complain(how, "no sentence names the tensor");
    fault.kind = FAULT_NONE;
    if (run_together(s, l, LINES, sweep, seed, &row_error, &err))
        ok = complain(how, err.text);
    return neighbours_hold(m, how, l, -1) && ok;
}

/* sweep: the first prompt goes through the layers in one chunk so large that the next layer is read early. */
static int unreadable_in(struct subject *m, int sweep, int *who)
{
    static const int short_lines[LINES] = {5, 1, 2, 3}, sweep_lines[LINES] = {300, 1, 2, 3};
    const int *lengths = sweep ? sweep_lines : short_lines;
    struct setting base = reference();
    struct loads loads = {.line = 0};
    struct error err = {0};
    base.threads = 2;
    base.chunk = 5;
    base.n_ctx = sweep ? 320 : base.n_ctx;
    base.room = sweep ? 0 : 48;
    int ahead = 0, ok = learn_truth(m, &base, lengths);
    for (int i = 0; i < LINES; i++)
        m->truth[i].n_ids = m->truth[i].at = lengths[i] + 1; /* few tokens, so that few experts are used */
    ok = learn_loads(m, &base, &loads) && ok;
    base.shim = 1;
    base.backend = READER_THREADS;
    base.chunk = sweep ? 310 : base.chunk;
    for (int run = 0; run < 4 && ok; run++) {
        base.budget = run % 2 * 100;
        base.order = run < 2 ? ORDER_AS_IT_COMES : ORDER_RANDOM;
        struct session *s = open_session(m->path, &base, &err);
        uint64_t offset = s ? find_victim(s, &loads, who) : 0;
        ok = offset ? survives(m, &base, s, offset, *who, sweep, (uint64_t)run)
                    : complain(&base, s ? "no expert is used by some lines only" : err.text);
        ahead += fault.ahead;
        session_close(s);
    }
    if (ok && sweep && ahead == 0)
        ok = complain(&base, "the expert that fails was never read early");
    return ok;
}

static void unreadable(struct subject *m)
{
    for (int sweep = 0; sweep <= 1; sweep++) {
        int who = 0, ok = unreadable_in(m, sweep, &who);
        char detail[80];
        snprintf(detail, sizeof detail, "%d of %d sequences die%s", __builtin_popcount((unsigned)who), LINES,
                 sweep ? ", in a sweep" : "");
        verdict(m, "unreadable", ok, detail);
    }
}

/* ---- malloc ------------------------------------------------------------------------------------------------------------------ */

static void no_malloc(struct subject *m)
{
    enum { STEPS = 100 };
    struct setting base = reference();
    struct error err = {0};
    int ok = 1, total = 0;
    if (!COUNT_MALLOC) {
        skip(m, "malloc", "a sanitizer has the allocator");
        return;
    }
    base.threads = 3;
    base.n_ctx = 256;
    for (int backend = (int)first_backend(); backend <= READER_BUFFERED; backend++) {
        base.budget = 0;
        base.backend = (enum reader_backend)backend;
        struct session *s = open_session(m->path, &base, &err);
        struct line l;
        line_make(&l, 0, 120, m->n_vocab);
        l.n_ids = 120 + STEPS;
        if (!s) {
            ok = complain(&base, err.text);
            continue;
        }
        count_begin();
        int failed_run = run_alone(s, &l, 40, &err);
        int calls = count_end();
        total += calls;
        if (failed_run || calls || !streamed(s, &base)) {
            char what[80];
            snprintf(what, sizeof what, "%d calls of malloc and its kin", calls);
            ok = complain(&base, failed_run ? err.text : what);
        }
        session_close(s);
    }
    char detail[80];
    snprintf(detail, sizeof detail, "%d calls in 3 prompt and %d decode steps, 3 back ends", total, STEPS);
    verdict(m, "malloc", ok, detail);
}

/* ---- the models -------------------------------------------------------------------------------------------------------------- */

static void run_model(const char *path)
{
    struct subject *m = calloc(1, sizeof *m);
    struct error err = {0};
    struct session *s;
    char name[64];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%.*s", (int)strcspn(slash ? slash + 1 : path, "."), slash ? slash + 1 : path);
    *m = (struct subject){.path = path, .name = name};
    struct session_options opt = {.plan_request = {.how = PLAN_WHOLE}};
    if (session_prepare(&s, path, &opt, 0, &err)) {
        verdict(m, "opens", 0, err.text);
        free(m);
        return;
    }
    m->n_vocab = s->model->p.n_vocab;
    m->n_layer = s->model->p.n_layer;
    m->n_class = s->plan.n_class;
    m->sampled = !whole && expected_in(expected_sampled(), name) >= 0;
    int arch = expected_in(expected_archs(), s->model->arch->name);
    if (arch >= 0 && arch < ARCHS_MOST)
        arch_seen[arch] = 1;
    session_close(s);

    int equalities = 0;
    for (int i = 0; i < N_LAWS; i++)
        equalities |= wanted(laws[i].name);
    if (equalities)
        equality(m);
    if (wanted("pages"))
        pages(m);
    if (wanted("cancelled"))
        cancelled(m);
    if (wanted("unreadable") && m->n_class)
        unreadable(m);
    if (wanted("malloc"))
        no_malloc(m);
    free(m);
}

static void run_list(const char *const *name)
{
    char path[200];
    for (int i = 0; name[i]; i++) {
        snprintf(path, sizeof path, TEST_DATA "/golden/%s.gguf", name[i]);
        run_model(path);
    }
}

/* Under sanitizers a model for each kind of loop; the embedded one takes as long as all goldens. */
static void run_all(void)
{
    if (SANITIZED)
        return run_list(expected_lawful());
    run_model("models/ember/ember.gguf");
    run_list(expected_lawful());
    run_list(expected_sampled());
    for (int i = 0; expected_archs()[i]; i++)
        if (i >= ARCHS_MOST || !arch_seen[i]) {
            printf("FAIL no model of the architecture %s\n", expected_archs()[i]);
            failed++;
        }
}

int main(int argc, char **argv)
{
    int first = 1;
    if (argc > first && strcmp(argv[first], "--whole") == 0) {
        whole = 1;
        first++;
    }
    if (argc > first + 1 && strcmp(argv[first], "-l") == 0) {
        only = argv[first + 1];
        first += 2;
    }
    for (int i = first; i < argc; i++)
        run_model(argv[i]);
    if (first == argc)
        run_all();
    if (passed + failed + skipped == 0) {
        printf("FAIL no law of that name\n");
        failed++;
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
