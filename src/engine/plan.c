/* Making the plan: see plan.h. The request is checked, the limits are found between which configurations are, one is chosen
 * (plan_choose.c), and where none fits a sentence says what would. */
#include "engine/plan_inside.h"

#include "base/checked.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "machine/code.h"
#include "machine/memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { CTX_MAX = 1 << 30 };

static const char *const part_names[PLAN_PARTS] = {
    "code",    "index",      "text",  "weights", "kv_b",   "rows",    "kv",     "state",
    "act",     "logits",     "slots", "reader",  "stacks", "prefix",  "server", "steer",
    "capture", "importance", "embed", "rerank",  "draft",  "library", "kernel", "slack",
};

const char *plan_part_name(enum plan_part p) { return part_names[p]; }

/* ---- a plan that does not fit ----------------------------------------------------------------------------------------------- */

/* The largest context that fits in memory when everything else is at its least; 0: none. */
static int context_that_fits(const struct planner *pl, uint64_t memory)
{
    struct plan_config c = plan_minimal_config(pl);
    int low = 0, high = c.n_ctx;
    while (low < high) {
        c.n_ctx = low + (high - low + 1) / 2;
        if (plan_fits(pl, &c, memory))
            low = c.n_ctx;
        else
            high = c.n_ctx - 1;
    }
    return low / KV_PAGE * KV_PAGE;
}

static int biggest_part(const struct plan *p)
{
    int best = 0;
    for (int i = 1; i < PLAN_PARTS; i++)
        if (p->part[i] > p->part[best])
            best = i;
    return best;
}

struct size_text {
    char text[24];
};

static struct size_text size_text(uint64_t n)
{
    struct size_text s;
    snprintf(s.text, sizeof s.text, "%.*f %s", n < GIB ? 1 : 2, (double)n / (double)(n < GIB ? MIB : GIB),
             n < GIB ? "MiB" : "GiB");
    return s;
}

/* Rounded up: what is shown is enough. */
static struct size_text limit_text(uint64_t n)
{
    uint64_t digit = n < GIB ? MIB / 10 : GIB / 100;
    return size_text(n + digit / 2);
}

/* As --memory takes it, rounded up: what is suggested works. In integers, for a digit less would be refused. */
static struct size_text memory_flag(uint64_t n)
{
    struct size_text s;
    unsigned long long hundredths = n / GIB * 100 + (n % GIB * 100 + GIB - 1) / GIB;
    if (n < GIB)
        snprintf(s.text, sizeof s.text, "%lluMiB", (unsigned long long)((n + MIB - 1) / MIB));
    else
        snprintf(s.text, sizeof s.text, "%llu.%02lluGiB", hundredths / 100, hundredths % 100);
    return s;
}

static void predict(const struct planner *pl, struct plan *p)
{
    p->rates = speed_known_rates(p->n_threads, &pl->request->rates);
    p->speed = plan_speed(p, pl->m, &pl->speed, p->asked_parallel, &p->rates);
}

static const char *const further_flags[PLAN_FURTHER] = {"--embed", "--rerank", "--draft"};

/* " and --embed PATH (BYTES)" of each. */
static void describe_further(const struct planner *pl, const struct plan *p, char *out, size_t n)
{
    size_t at = 0;
    for (int i = 0; i < PLAN_FURTHER && at < n; i++) {
        const char *path = pl->request->further[i].path, *slash = path ? strrchr(path, '/') : NULL;
        if (path)
            at += (size_t)snprintf(out + at, n - at, " and %s %.60s (%s)", further_flags[i], slash ? slash + 1 : path,
                                   size_text(p->part[PLAN_EMBED + i]).text);
    }
}

/* ", or leave --embed and --draft out": of a set, a bit each. */
static void offer_without(int set, char *out, size_t n)
{
    size_t at = (size_t)snprintf(out, n, ", or leave ");
    for (int i = 0; i < PLAN_FURTHER; i++) {
        int others = set >> (i + 1);
        if (set >> i & 1)
            at += (size_t)snprintf(out + at, n - at, "%s%s", further_flags[i],
                                   !others                 ? " out"
                                   : others & (others - 1) ? ", "
                                                           : " and ");
    }
}

/* What is to be left out so that the rest works, the fewest; "" where that is no help. */
static void without_further(const struct planner *pl, char *out, size_t n)
{
    static const int order[] = {4, 2, 1, 6, 5, 3, 7};
    const struct plan_config c = plan_minimal_config(pl);
    *out = 0;
    for (size_t k = 0; k < sizeof order / sizeof *order; k++) {
        struct plan_request fewer = *pl->request;
        struct planner other = *pl;
        int left_out = 0;
        for (int i = 0; i < PLAN_FURTHER; i++)
            if (order[k] >> i & 1 && fewer.further[i].path) {
                fewer.further[i] = (struct plan_further){.path = NULL};
                left_out |= 1 << i;
            }
        other.request = &fewer;
        if (left_out == order[k] && plan_fits(&other, &c, pl->base.memory)) {
            offer_without(left_out, out, n);
            return;
        }
    }
}

/* Fills in what the smallest configuration takes, and the sentence. */
static int refuse(const struct planner *pl, struct plan *out, struct error *err)
{
    struct plan_config c = plan_minimal_config(pl);
    uint64_t memory = pl->base.memory;
    int ctx = pl->request->n_ctx || c.n_ctx > KV_PAGE ? context_that_fits(pl, memory) : 0;
    *out = plan_price(pl, &c);
    out->total = 0;
    predict(pl, out);
    const struct plan *p = out;
    int big = biggest_part(p);
    char other[64] = "";
    if (ctx > 0)
        snprintf(other, sizeof other, " or --ctx %d", ctx);
    struct size_text has = size_text(memory), needs = limit_text(p->minimum);
    if (memory < MIB || strcmp(has.text, needs.text) == 0) /* the difference must be seen */
        snprintf(has.text, sizeof has.text, "%llu bytes", (unsigned long long)memory);
    char budget[96];
    snprintf(budget, sizeof budget, "--memory %s", has.text);
    if (strcmp(p->memory_from, "flag") != 0)
        snprintf(budget, sizeof budget, "what the %s leaves beside a reserve, %s,",
                 strcmp(p->memory_from, "cgroup") == 0 ? "cgroup" : "machine", has.text);
    char beside[320] = "", less[80];
    describe_further(pl, p, beside, sizeof beside);
    without_further(pl, less, sizeof less);
    return error_set(
        err, ERR_MEMORY, "%s needs at least %s with --ctx %d%s (%s %s, KV %s); %s is too small. Try --memory %s%s%s.",
        pl->m->file->file->path, needs.text, c.n_ctx, beside, part_names[big], size_text(p->part[big]).text,
        size_text(p->part[PLAN_KV]).text, budget, memory_flag(p->minimum).text, other, less);
}

/* ---- the request ------------------------------------------------------------------------------------------------------------ */

static int check_number(const char *flag, int n, int most, struct error *err)
{
    if (n < 0 || n > most)
        return error_set(err, ERR_INPUT, "%s %d: at least 1 and at most %d are possible", flag, n, most);
    return 0;
}

/* What sequences keep is the one part that requests alone can make larger than 64 bits. */
static int check_sequences(const struct planner *pl, struct error *err)
{
    const struct plan_config c = plan_full_config(pl);
    uint64_t pages = (uint64_t)plan_pages_of(c.n_ctx) * (uint64_t)c.n_parallel, bytes;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_layout *kv = &pl->m->kv_layout[k];
        struct kv_shape shape = kv_shape_as(kv->shape, pl->request->kv);
        if (!checked_mul(kv_page_bytes(&shape) * (uint64_t)kv->n_layer, pages, &bytes) || bytes > MAX_BYTES ||
            pages > INT_MAX)
            return error_set(err, ERR_MEMORY,
                             "%s: the keys and values of %d sequences of %d positions are more than any machine holds; "
                             "try a smaller --ctx",
                             pl->m->file->file->path, c.n_parallel, c.n_ctx);
    }
    uint64_t states = (uint64_t)c.n_parallel * (uint64_t)(1 + c.n_snapshots);
    if (!checked_mul(pl->m->state_bytes, states, &bytes) || bytes > MAX_BYTES)
        return error_set(err, ERR_MEMORY,
                         "%s: the states of %d sequences, %d snapshots each, are more than any machine holds; try a "
                         "smaller --parallel",
                         pl->m->file->file->path, c.n_parallel, c.n_snapshots);
    return 0;
}

static int check_request(const struct planner *pl, struct error *err)
{
    const struct plan_request *w = pl->request;
    if (w->cache_ram > MAX_BYTES)
        return error_set(err, ERR_MEMORY, "--cache-ram %llu bytes are more than any machine has",
                         (unsigned long long)w->cache_ram);
    if (w->server > MAX_BYTES)
        return error_set(err, ERR_MEMORY,
                         "the server's own memory, %llu bytes for its connections, is more than any machine has; "
                         "use a smaller --max-conns or --max-body",
                         (unsigned long long)w->server);
    if (w->steer > MAX_BYTES)
        return error_set(err, ERR_MEMORY, "--steer-memory %llu bytes are more than any machine has",
                         (unsigned long long)w->steer);
    if (w->library > MAX_BYTES)
        return error_set(err, ERR_MEMORY, "the library's own memory, %llu bytes, is more than any machine has",
                         (unsigned long long)w->library);
    if (w->capture > MAX_BYTES)
        return error_set(err, ERR_MEMORY, "--capture-memory %llu bytes are more than any machine has",
                         (unsigned long long)w->capture);
    if (w->defaults.capture > MAX_BYTES || w->defaults.capture_least > MAX_BYTES)
        return error_set(err, ERR_MEMORY,
                         "the memory for recorded rows that is planned by default is more than any machine has; record "
                         "fewer layers or tensors");
    if (check_number("--ctx", w->n_ctx, CTX_MAX, err) || check_number("--ctx", w->defaults.n_ctx, CTX_MAX, err) ||
        check_number("--parallel", w->n_parallel, 1 << 12, err) ||
        check_number("--parallel", w->defaults.n_parallel, 1 << 12, err) ||
        check_number("--chunk", w->n_chunk, 1 << 16, err) ||
        check_number("--snapshots", w->n_snapshots, 1 << 10, err) ||
        check_number("--snapshots", w->defaults.n_snapshots, 1 << 10, err) ||
        check_number("--threads", w->n_threads, POOL_MAX_THREADS, err) || check_sequences(pl, err))
        return -1;
    if (w->n_slots && w->n_slots != pl->base.n_class)
        return error_set(err, ERR_INPUT, "--slots names %d classes; this model has %d", w->n_slots, pl->base.n_class);
    for (int i = 0; i < w->n_slots; i++)
        if (w->slots[i] < pl->floor[i] || w->slots[i] > pl->all[i])
            return error_set(err, ERR_INPUT, "--slots %d for class %d: at least %d and at most %d are possible",
                             w->slots[i], i + 1, pl->floor[i], pl->all[i]);
    return 0;
}

/* ---- the plan ---------------------------------------------------------------------------------------------------------------- */

static int describe_experts(struct plan *p, const struct model *m, struct error *err)
{
    p->n_class = expert_classes(m->expert_layer, model_layers(m), reader_align_of(m->file->file, m->file->n_file),
                                p->class, NULL);
    if (p->n_class < 0)
        return error_set(err, ERR_UNSUPPORTED, "%s: its layers have more than %d sizes of experts", m->file->file->path,
                         EXPERT_CLASSES);
    for (int l = 0; l < model_layers(m); l++) /* a token is not computed in the layer that predicts others */
        for (int i = 0; i < m->expert_layer[l].n_part; i++) {
            int used = l < m->p.n_layer ? m->p.n_expert_used : 0;
            p->expert_bytes_total += m->expert_layer[l].part[i].bytes * (uint64_t)m->expert_layer[l].n_expert;
            p->expert_bytes_per_token += m->expert_layer[l].part[i].bytes * (uint64_t)used;
        }
    return 0;
}

/* Is some file read through the page cache? */
static int reads_buffered(const struct model *m, const struct plan_request *w)
{
    uint32_t align;
    if (m->file->header_only)
        return w->reader.backend == READER_BUFFERED;
    for (int i = 0; i < m->file->n_file && w->reader.backend != READER_BUFFERED; i++)
        if (!reader_file_direct(&m->file->file[i], &align))
            return 1;
    return w->reader.backend == READER_BUFFERED;
}

/* What is free is read once, so that all of a plan is made for the same. */
static void choose_memory(struct plan *p, const struct plan_request *w)
{
    const char *from = "flag";
    uint64_t free_memory = w->how == PLAN_BYTES || w->how == PLAN_MINIMUM ? 0 : machine_memory("", &from);
    p->memory_from = w->how == PLAN_FROM_MACHINE ? from : "flag";
    p->memory = w->how == PLAN_BYTES                                    ? w->memory
                : w->how == PLAN_MINIMUM                                ? p->minimum
                : w->how == PLAN_FROM_MACHINE && free_memory < p->whole ? free_memory
                                                                        : p->whole;
    p->most = p->memory > free_memory ? p->memory : free_memory;
}

/* With what was asked for by default given instead. A prefix cache is kept beside a usual chunk and the knee. */
static void least_memories(const struct planner *pl, struct plan *p)
{
    const struct plan_config least = plan_minimal_config(pl);
    struct plan_config c = least;
    c.n_ctx = p->asked_ctx;
    p->ctx_minimum = plan_memory_for(plan_price(pl, &c).total);
    c = least;
    c.n_parallel = p->asked_parallel;
    p->parallel_minimum = plan_memory_for(plan_price(pl, &c).total);
    c = plan_usual(pl, &least);
    memcpy(c.slots, least.slots, sizeof c.slots);
    p->chunk_minimum = plan_memory_for(plan_price(pl, &c).total);
    c = plan_usual(pl, &least);
    c.cache_ram = p->asked_cache;
    p->cache_minimum = plan_memory_for(plan_price(pl, &c).total);
    c = least;
    c.n_draft = pl->request->n_draft;
    p->draft_minimum = plan_memory_for(plan_price(pl, &c).total);
}

/* What all configurations have in common. */
static void begin_plan(struct planner *pl)
{
    struct plan *p = &pl->base;
    const struct model *m = pl->m;
    plan_apply(pl->m, NULL); /* an earlier plan of the same model may have left tables on disk */
    p->part[PLAN_CODE] = machine_code_bytes();
    p->part[PLAN_INDEX] = m->file->arena.total + m->arena.total;
    p->part[PLAN_KV_B] = model_derived_bytes(m);
    p->part[PLAN_WEIGHTS] = model_weight_bytes(m) - p->part[PLAN_KV_B];
    for (int i = 0; i < m->n_table; i++)
        p->part[PLAN_WEIGHTS] -= weight_bytes(m->table[i].weight);
    speed_describe(&pl->speed, m, pl->request->kv);
    pl->rates = speed_usual_rates(p->n_threads);
    pl->can_stream = plan_may_stream(pl);
    p->buffered = reads_buffered(m, pl->request);
}

/* The limits between which configurations are, and the memory for them. */
static void find_limits(struct planner *pl)
{
    struct plan *p = &pl->base;
    struct plan_config c = plan_minimal_config(pl);
    uint64_t minimum = plan_memory_for(plan_price(pl, &c).total);
    c = plan_full_config(pl);
    p->whole = plan_memory_for(plan_price(pl, &c).total);
    p->minimum = minimum;
    p->asked_ctx = c.n_ctx;
    p->asked_parallel = c.n_parallel;
    p->asked_cache = c.cache_ram;
    least_memories(pl, p);
    choose_memory(p, pl->request);
}

static int usual_threads(void)
{
    int n = cpu_compute_threads();
    return n < POOL_MAX_THREADS ? n : POOL_MAX_THREADS;
}

/* Of a model that pools a step takes whole texts, each in a sequence of its own, and nothing is kept behind it. */
static struct plan_request as_texts(const struct plan_request *w)
{
    struct plan_request r = *w;
    r.n_parallel = w->n_parallel ? w->n_parallel : PLAN_TEXTS;
    r.n_pages = r.n_parallel;
    r.n_chunk = 1; /* it is the context, whatever that becomes: plan_price() */
    r.n_snapshots = 1;
    r.cache_ram = r.defaults.cache_ram = 0;
    r.cache_dir = r.n_draft = 0;
    r.kv = KV_F32;
    r.all_logits = 1;
    return r;
}

static int check_positions(const struct planner *pl, struct error *err)
{
    int asked = pl->request->n_ctx, trained = pl->m->p.n_ctx_train;
    if (!pl->m->p.pooling || asked <= trained)
        return 0;
    return error_set(err, ERR_INPUT, "--ctx %d: %s knows %d positions, and a text is computed whole", asked,
                     pl->m->file->file->path, trained);
}

static void end_plan(const struct planner *pl, struct plan *out, const struct plan_config *c)
{
    *out = plan_price(pl, c);
    out->part[PLAN_SLACK] = plan_slack(out->memory);
    out->total += out->part[PLAN_SLACK];
    predict(pl, out);
    plan_apply(pl->m, out);
}

/* Of a plan what further parts of the model do not change. */
static void keep_limits(struct plan *to, const struct plan *p)
{
    to->memory = p->memory;
    to->most = p->most;
    to->memory_from = p->memory_from;
    to->minimum = p->minimum;
    to->whole = p->whole;
    to->asked_ctx = p->asked_ctx;
    to->asked_parallel = p->asked_parallel;
    to->asked_cache = p->asked_cache;
    to->ctx_minimum = p->ctx_minimum;
    to->parallel_minimum = p->parallel_minimum;
    to->chunk_minimum = p->chunk_minimum;
    to->cache_minimum = p->cache_minimum;
    to->draft_minimum = p->draft_minimum;
    to->degraded = p->degraded;
}

int plan_add_drafts(struct plan *p, struct model *m, const struct plan_request *request)
{
    struct scratch_memo memo[SCRATCH_MEMOS] = {{0}};
    struct planner pl = {.m = m, .request = request, .memo = memo};
    struct plan_config c = p->config;
    struct error err = {0};
    pl.base.n_threads = p->n_threads;
    if (m->p.pooling || !request->priced || describe_experts(&pl.base, m, &err) ||
        (request->n_slots && request->n_slots != pl.base.n_class))
        return 0;
    plan_slot_limits(&pl);
    begin_plan(&pl);
    keep_limits(&pl.base, p);
    int found = plan_place_drafts(&pl, &c, p->most, p->degraded);
    if (found) {
        uint64_t needs = plan_memory_for(plan_price(&pl, &c).total);
        if (pl.base.memory < needs)
            pl.base.memory = needs;
        end_plan(&pl, p, &c);
    } else {
        plan_apply(m, p);
    }
    return found;
}

int plan_make(struct plan *out, struct model *m, const struct plan_request *request, struct error *err)
{
    struct scratch_memo memo[SCRATCH_MEMOS] = {{0}};
    const struct plan_request texts = as_texts(request);
    struct planner pl = {.m = m, .request = m->p.pooling ? &texts : request, .memo = memo};
    struct plan_config c;
    pl.base.n_threads = request->n_threads ? request->n_threads : usual_threads();
    *out = pl.base;
    if (describe_experts(&pl.base, m, err))
        return -1;
    plan_slot_limits(&pl);
    if (check_request(&pl, err) || check_positions(&pl, err))
        return -1;
    begin_plan(&pl);
    find_limits(&pl);
    if (!plan_choose(&pl, &c, pl.base.memory))
        return refuse(&pl, out, err);
    pl.base.degraded = plan_cuts(&pl, &c);
    end_plan(&pl, out, &c);
    plan_add_drafts(out, m, request);
    m->collects = request->importance;
    return 0;
}
