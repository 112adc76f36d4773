/* Making the plan: see plan.h.
 *
 * A configuration says how large everything may be: context, chunk, where the tables of embeddings are, slots of each class. price()
 * states what it takes, as a plan; it is a function of model, request and configuration and changes none of them, so that searches
 * may ask it as often as they like. The plan is the price of the first configuration that fits, in the degradation order (memory.md 4):
 *
 *     everything resident
 *     embeddings on disk; experts from all down to the knee (the experts of two tokens)
 *     constraints at their least; chunk down to 64; prefix cache, sequences, copies of states; context down to 4096;
 *     experts from the knee down to the floor; chunk down to 16
 *
 * Where experts stream and slots are left over, the chunk grows up to 4096 as long as every class keeps its knee. What the caller
 * asked for is never changed. */
#include "engine/plan.h"

#include "base/checked.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "engine/engine.h"
#include "engine/machine_memory.h"
#include "engine/prefix/cache.h"
#include "engine/session_tables.h"

#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#define MIB       (UINT64_C(1) << 20)
#define GIB       (UINT64_C(1) << 30)
#define MAX_BYTES (UINT64_C(1) << 60)

enum {
    CHUNK = 512,
    CHUNK_MAX = 4096,
    CHUNK_LOW = 64,
    CHUNK_MIN = 16,
    CTX = 8192,
    CTX_LOW = 4096,
    CTX_MAX = 1 << 30,
    SPARE_SLOTS = 4,  /* beyond the experts that a layer uses: some can load while others compute */
    SNAPSHOTS = 4,    /* copies of a sequence's state beside a prefix cache */
    WINDOW_SHARE = 4, /* pages of other kinds that the cache holds for each page of a window */
    MAX_NODES = 1 << 22
};

static const char *const part_names[PLAN_PARTS] = {
    "code",   "index", "text",   "weights", "kv_b",   "embedding", "kv",     "state", "act",
    "logits", "slots", "reader", "stacks",  "prefix", "server",    "kernel", "slack",
};

const char *plan_part_name(enum plan_part p) { return part_names[p]; }

/* ---- code: what the loader mapped ------------------------------------------------------------------------------------------ */

static int add_segments(struct dl_phdr_info *info, size_t size, void *sum)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            *(uint64_t *)sum += round_up(info->dlpi_phdr[i].p_memsz, 4096);
    return 0;
}

static uint64_t code_bytes(void)
{
    uint64_t sum = 8 * MIB;
    dl_iterate_phdr(add_segments, &sum);
    return round_up(sum, 4 * MIB);
}

/* ---- the price of a configuration ------------------------------------------------------------------------------------------ */

struct config {
    int n_ctx, n_parallel, n_chunk, n_snapshots;
    uint64_t cache_ram;
    int embedding_on_disk; /* tables of embeddings stay on disk, where they may: see struct view */
    int least_constraints; /* constraints get only what they need to work at all */
    int slots[EXPERT_CLASSES];
};

/* What every configuration has in common. */
struct planner {
    struct model *m;
    const struct plan_request *request;
    struct plan base; /* what does not depend on the configuration */
    int floor[EXPERT_CLASSES], knee[EXPERT_CLASSES], all[EXPERT_CLASSES]; /* slots of a class */
    int can_stream;                                                       /* tables of embeddings on disk save memory */
    int buffered;                                                         /* some file is read through the page cache */
};

/* The model as a configuration has it: a copy, because tables that are on disk and exact weights change what parts take. */
struct view {
    struct model model;
    struct weight token_embd, layer_table;
};

/* The tokens' table stays resident where there is no store to gain from it, or where it is the output as well. */
static int token_table_on_disk(const struct model *m, int on_disk)
{
    return on_disk && m->n_moe_layer && m->output != m->token_embd;
}

static void view_model(struct view *v, const struct planner *pl, const struct config *c)
{
    const struct model *m = pl->m;
    v->model = *m;
    v->model.op.exact = pl->request->exact;
    v->token_embd = *m->token_embd;
    v->token_embd.on_disk = token_table_on_disk(m, c->embedding_on_disk);
    v->model.token_embd = &v->token_embd;
    if (!m->layer_embd.table)
        return;
    v->layer_table = *m->layer_embd.table;
    v->layer_table.on_disk = c->embedding_on_disk;
    v->model.layer_embd.table = &v->layer_table;
}

/* The model becomes as the plan has it. */
static void apply_to_model(struct model *m, int embedding_on_disk)
{
    m->token_embd->on_disk = token_table_on_disk(m, embedding_on_disk);
    if (m->layer_embd.table)
        m->layer_embd.table->on_disk = embedding_on_disk;
}

static int pages_of(int n_ctx) { return n_ctx / KV_PAGE + (n_ctx % KV_PAGE != 0); }

static int snapshots_of(const struct planner *pl)
{
    const struct plan_request *w = pl->request;
    int asked = w->n_snapshots ? w->n_snapshots : w->defaults.n_snapshots;
    return asked ? asked : w->cache_ram ? SNAPSHOTS : 1;
}

/* Pages of a kind for the sequences: a whole context for each. If the caller asked for fewer, those, but one whole context at least. */
static int sequence_pages(const struct planner *pl, const struct config *c, int kind)
{
    const struct kv_layout *kv = &pl->m->kv_layout[kind];
    int one = kv->n_layer ? kv_pages_needed(kv->window, c->n_ctx, c->n_chunk) : 0, all = one * c->n_parallel,
        asked = pl->request->n_pages > one ? pl->request->n_pages : one;
    return pl->request->n_pages && !kv->window && asked < all ? asked : all;
}

static size_t page_bytes(const struct planner *pl, int kind)
{
    struct kv_shape shape = pl->m->kv_layout[kind].shape;
    shape.type = pl->request->kv;
    return kv_page_bytes(&shape) * (size_t)pl->m->kv_layout[kind].n_layer;
}

static int at_most_max_nodes(uint64_t n) { return n < MAX_NODES ? (int)n : MAX_NODES; }

/* Adds the pages, states and nodes of the prefix cache. Half of its bytes are for states, where there are any. It needs fewer pages of
 * windows than of other kinds, because windows are kept only at the ends of turns. */
static void price_prefix(const struct planner *pl, const struct config *c, struct plan *p)
{
    size_t state = state_pool_bytes(pl->m->state_bytes, 1), page = 0;
    int n_state = state ? at_most_max_nodes(c->cache_ram / 2 / state) : 0;
    for (int k = 0; k < KV_KINDS; k++)
        page += page_bytes(pl, k) / (pl->m->kv_layout[k].window ? WINDOW_SHARE : 1);
    uint64_t rest = c->cache_ram - n_state * (uint64_t)state;
    uint64_t nodes = rest / (page + prefix_table_bytes(1, 0, 0) + KV_KINDS * kv_pool_table_bytes(1));
    if (!page && nodes > n_state * (uint64_t)p->max_page) /* states alone: the other nodes only lead to one */
        nodes = n_state * (uint64_t)p->max_page;
    int n = at_most_max_nodes(nodes);
    p->prefix_bytes = state_pool_bytes(pl->m->state_bytes, n_state);
    p->prefix_table_bytes = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        int more = pl->m->kv_layout[k].window ? n / WINDOW_SHARE : n;
        if (!pl->m->kv_layout[k].n_layer)
            continue;
        p->n_page[k] += more;
        p->prefix_bytes += page_bytes(pl, k) * (uint64_t)more;
        p->prefix_table_bytes += kv_pool_table_bytes(more);
    }
    p->n_state += n_state;
    p->n_node += n;
    p->prefix_table_bytes += n_state + n ? prefix_table_bytes(n, n_state, 0) : 0;
    p->part[PLAN_PREFIX] = n_state + n ? p->prefix_bytes + p->prefix_table_bytes : 0;
}

static void price_pages(const struct planner *pl, const struct config *c, struct plan *p)
{
    const struct model *m = pl->m;
    uint64_t n = (uint64_t)p->n_parallel;
    p->max_page = pages_of(c->n_ctx);
    p->n_snapshots = m->state_bytes ? c->n_snapshots : 0;
    p->n_state = p->n_node = p->n_snapshots * p->n_parallel;
    p->kv_table_bytes = n * seq_table_bytes(p->max_page);
    p->kv_bytes_per_token = p->kv_fixed_bytes = p->kv_bytes = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_layout *kv = &m->kv_layout[k];
        size_t page = page_bytes(pl, k);
        p->n_page[k] = sequence_pages(pl, c, k);
        p->n_node = p->n_page[k] > p->n_node ? p->n_page[k] : p->n_node;
        p->kv_table_bytes += kv_pool_table_bytes(p->n_page[k]);
        p->kv_bytes += page * (uint64_t)p->n_page[k];
        if (kv->window)
            p->kv_fixed_bytes += page * (uint64_t)kv_pages_needed(kv->window, INT_MAX, c->n_chunk);
        else
            p->kv_bytes_per_token += page;
    }
    if (!p->kv_bytes) /* states alone: every 256 positions have a node all the same */
        p->n_node += p->n_parallel * p->max_page;
    p->kv_bytes_per_token /= KV_PAGE;
    p->kv_table_bytes += prefix_table_bytes(p->n_node, p->n_state, p->max_page);
    p->part[PLAN_KV] = p->kv_bytes + p->kv_table_bytes;
    p->state_bytes_per_sequence = m->state_floats * sizeof(float);
    p->part[PLAN_STATE] = n * seq_state_bytes(m->state_bytes) + state_pool_bytes(m->state_bytes, p->n_state);
    price_prefix(pl, c, p);
}

static uint64_t disk_bytes(const struct planner *pl, int max_page)
{
    uint64_t page = 0;
    for (int k = 0; k < KV_KINDS; k++)
        page += page_bytes(pl, k);
    return pl->request->cache_dir ? prefix_disk_table_bytes(page, pl->m->state_bytes + 64, max_page) : 0;
}

static void price_slots(const struct planner *pl, const struct config *c, struct plan *p)
{
    int n = 0;
    for (int i = 0; i < p->n_class; i++) {
        n += p->slots[i] = c->slots[i];
        p->part[PLAN_SLOTS] += (uint64_t)c->slots[i] * p->class[i].slot_bytes;
    }
    p->table_bytes = p->n_class ? store_table_bytes(pl->m->expert_layer, pl->m->p.n_layer, n) : 0;
    p->part[PLAN_SLOTS] += p->table_bytes;
}

/* A server compiles for many clients: two ordinary constraints at a time, beside a large one. */
static struct constraint_memory constraint_memory(const struct plan_request *w, const struct config *c)
{
    uint64_t n = (uint64_t)c->n_parallel, running = n < 16 ? n * 4 * MIB : 64 * MIB;
    if (!w->has_text)
        return (struct constraint_memory){0};
    if (!w->server)
        return (struct constraint_memory){running, 0, 8 * MIB, 0};
    if (c->least_constraints)
        return (struct constraint_memory){running, 4 * MIB, 8 * MIB, 1};
    return (struct constraint_memory){running + 24 * MIB, 4 * MIB, 32 * MIB, 2};
}

static void price_text(const struct planner *pl, const struct config *c, struct plan *p)
{
    const struct plan_request *w = pl->request;
    const struct constraint_memory m = p->constraints = constraint_memory(w, c);
    /* A compilation computes the shortest answer in a state of its own. In a server it does so while other answers run. */
    uint64_t n_lane = m.n_small ? (uint64_t)m.n_small + 1 : 0;
    p->part[PLAN_TEXT] = w->text_bytes + ((uint64_t)c->n_parallel + n_lane) * w->constraint_state_bytes + m.held +
                         (uint64_t)m.n_small * m.small + m.large;
}

static uint64_t rows_bounce(const struct weight *w)
{
    return w && w->on_disk ? disk_rows_bounce(w->mat.row_bytes, DISK_ROWS_BATCH) : 0;
}

/* Weights, and the scratch of steps. */
static void price_model(const struct planner *pl, const struct config *c, struct plan *p)
{
    struct view v;
    view_model(&v, pl, c);
    const struct weight *token = v.model.token_embd, *layer = v.model.layer_embd.table;
    p->embedding_on_disk = c->embedding_on_disk;
    p->part[PLAN_EMBEDDING] = weight_bytes(token) + (layer ? weight_bytes(layer) : 0);
    p->embedding_bounce = rows_bounce(token) + rows_bounce(layer);
    struct step_scratch scratch = model_measure_step(&v.model, c->n_chunk, p->n_logits);
    p->step_bytes = scratch.step_bytes;
    if (p->step_bytes < WEIGHTS_BOUNCE + 4096) /* weights are loaded through the same memory */
        p->step_bytes = WEIGHTS_BOUNCE + 4096;
    p->thread_bytes = scratch.thread_bytes;
    p->part[PLAN_ACT] = p->step_bytes + p->thread_bytes * (uint64_t)p->n_threads;
}

/* What a configuration takes: all parts but slack; total is their sum. */
static struct plan price(const struct planner *pl, const struct config *c)
{
    const struct plan_request *w = pl->request;
    struct plan p = pl->base;
    p.n_ctx = c->n_ctx;
    p.n_parallel = c->n_parallel;
    p.n_chunk = c->n_chunk;
    p.n_logits = w->all_logits ? c->n_chunk : c->n_parallel;
    price_pages(pl, c, &p);
    price_slots(pl, c, &p);
    price_text(pl, c, &p);
    price_model(pl, c, &p);
    p.part[PLAN_LOGITS] = session_tables_bytes(pl->m->p.n_vocab, p.n_logits, c->n_chunk, c->n_parallel, c->n_ctx);
    p.part[PLAN_READER] = reader_bytes(&w->reader) + p.embedding_bounce;
    p.part[PLAN_SERVER] = w->server + engine_queue_bytes(w->n_queue, c->n_parallel, c->n_ctx) +
                          disk_bytes(pl, p.max_page);
    p.part[PLAN_STACKS] = (uint64_t)p.n_threads * POOL_STACK + 8 * 64 * 1024 + 256 * 1024;
    for (int i = 0; i < PLAN_KERNEL; i++)
        p.total += p.part[i];
    p.part[PLAN_KERNEL] = round_up(p.total / 512 + 256 * 1024, 4096) + (pl->buffered ? 64 * MIB : 0);
    p.part[PLAN_SLOTS] += 2 * MIB; /* the mapping is rounded up to huge pages */
    p.total += p.part[PLAN_KERNEL] + 2 * MIB;
    return p;
}

static uint64_t slack_of(uint64_t memory) { return memory / 128 > 8 * MIB ? memory / 128 : 8 * MIB; }

static int fits(const struct planner *pl, const struct config *c, uint64_t memory)
{
    return price(pl, c).total + slack_of(memory) <= memory;
}

/* The smallest M with sum + slack(M) <= M. */
static uint64_t memory_for(uint64_t sum)
{
    uint64_t m = sum + 8 * MIB;
    if (m / 128 > 8 * MIB)
        m = sum + sum / 127 + 1;
    while (sum + slack_of(m) > m)
        m++;
    return m;
}

/* ---- slots ------------------------------------------------------------------------------------------------------------------ */

/* floor: a layer can be computed. knee: the experts of two tokens, below which hit rates fall steeply. */
static void slot_limits(struct planner *pl)
{
    int used = pl->m->p.n_expert_used;
    for (int i = 0; i < pl->base.n_class; i++) {
        const struct expert_class *c = &pl->base.class[i];
        long long knee = 2LL * used * c->n_layer;
        pl->all[i] = c->n_expert;
        pl->floor[i] = used + SPARE_SLOTS < c->n_expert ? used + SPARE_SLOTS : c->n_expert;
        pl->knee[i] = knee > c->n_expert ? c->n_expert : knee < pl->floor[i] ? pl->floor[i] : (int)knee;
    }
}

/* Distributes k of `all` slots beyond the least: each class gets them in proportion to what it lacks. */
static void distribute_slots(const struct planner *pl, struct config *c, const int *least, uint64_t k, uint64_t all)
{
    for (int i = 0; i < pl->base.n_class; i++)
        c->slots[i] = least[i] + (all ? (int)((uint64_t)(pl->all[i] - least[i]) * k / all) : 0);
}

/* As many slots as memory allows, at least `least` in each class; more memory never takes one away. 0: does not fit. */
static int fill_slots(const struct planner *pl, struct config *c, uint64_t memory, const int *least)
{
    uint64_t all = 0, low = 0;
    if (pl->request->n_slots)
        least = pl->request->slots;
    else
        for (int i = 0; i < pl->base.n_class; i++)
            all += (uint64_t)(pl->all[i] - least[i]);
    distribute_slots(pl, c, least, 0, all);
    if (!fits(pl, c, memory))
        return 0;
    for (uint64_t high = all; low < high;) {
        uint64_t k = low + (high - low + 1) / 2;
        distribute_slots(pl, c, least, k, all);
        if (fits(pl, c, memory))
            low = k;
        else
            high = k - 1;
    }
    distribute_slots(pl, c, least, low, all);
    return 1;
}

/* ---- the degradation order --------------------------------------------------------------------------------------------------- */

/* Nothing is given up. */
static struct config full_config(const struct planner *pl)
{
    const struct plan_request *w = pl->request;
    int trained = pl->m->p.n_ctx_train, most = w->defaults.n_ctx ? w->defaults.n_ctx : CTX,
        parallel = w->n_parallel ? w->n_parallel : w->defaults.n_parallel;
    struct config c = {.n_ctx = w->n_ctx         ? w->n_ctx
                                : trained < most ? trained
                                                 : most,
                       .n_parallel = parallel ? parallel : 1,
                       .n_chunk = w->n_chunk ? w->n_chunk : CHUNK,
                       .n_snapshots = snapshots_of(pl),
                       .cache_ram = w->cache_ram};
    memcpy(c.slots, pl->all, sizeof c.slots);
    return c;
}

/* Everything is given up that may be. */
static struct config minimal_config(const struct planner *pl)
{
    struct config c = full_config(pl);
    if (!pl->request->n_ctx && c.n_ctx > CTX_LOW)
        c.n_ctx = CTX_LOW;
    if (!pl->request->n_parallel)
        c.n_parallel = 1;
    if (!pl->request->n_chunk)
        c.n_chunk = CHUNK_MIN;
    if (!pl->request->n_snapshots)
        c.n_snapshots = 1;
    c.cache_ram = 0;
    c.least_constraints = 1;
    c.embedding_on_disk = pl->can_stream;
    memcpy(c.slots, pl->request->n_slots ? pl->request->slots : pl->floor, sizeof c.slots);
    return c;
}

/* Do tables of embeddings on disk, with the buffers that read their rows, take less than resident ones? */
static int embedding_may_stream(const struct planner *pl)
{
    struct config c = full_config(pl);
    uint64_t resident = price(pl, &c).total;
    c.embedding_on_disk = 1;
    return price(pl, &c).total < resident;
}

/* The largest prefix cache, below the one that did not fit, beside `least` slots in each class; 0 if none fits. */
static void shrink_cache(const struct planner *pl, struct config *c, uint64_t memory, const int *least)
{
    uint64_t low = 0, high = c->cache_ram - 1;
    distribute_slots(pl, c, pl->request->n_slots ? pl->request->slots : least, 0, 0);
    while (low < high) {
        c->cache_ram = low + (high - low + 1) / 2;
        if (fits(pl, c, memory))
            low = c->cache_ram;
        else
            high = c->cache_ram - 1;
    }
    c->cache_ram = low;
}

/* A larger chunk reads each expert for more rows: as large as fits beside the knee. */
static void grow_chunk(const struct planner *pl, struct config *c, uint64_t memory, const int *knee)
{
    for (struct config up = *c; up.n_chunk < CHUNK_MAX; *c = up) {
        up.n_chunk *= 2;
        if (!fill_slots(pl, &up, memory, knee))
            return;
    }
}

/* The first configuration that fits, in the degradation order. 0: none does. */
static int degrade(const struct planner *pl, struct config *c, uint64_t memory)
{
    const struct plan_request *w = pl->request;
    *c = full_config(pl);
    if (!w->n_slots && fits(pl, c, memory))
        return 1;
    c->embedding_on_disk = pl->can_stream;
    int chunk_floor = w->n_chunk ? w->n_chunk : CHUNK_LOW,
        ctx_floor = w->n_ctx || c->n_ctx < CTX_LOW ? c->n_ctx : CTX_LOW;
    const int *knee = pl->knee;
    for (;;) {
        if (fill_slots(pl, c, memory, knee)) {
            if (w->n_chunk == 0 && c->n_chunk == CHUNK && pl->base.n_class)
                grow_chunk(pl, c, memory, knee);
            return 1;
        }
        if (!c->least_constraints)
            c->least_constraints = 1;
        else if (c->n_chunk > chunk_floor)
            c->n_chunk /= 2;
        else if (c->cache_ram)
            shrink_cache(pl, c, memory, knee);
        else if (!w->n_parallel && c->n_parallel > 1)
            c->n_parallel--;
        else if (!w->n_snapshots && c->n_snapshots > 1)
            c->n_snapshots = 1;
        else if (c->n_ctx > ctx_floor)
            c->n_ctx = c->n_ctx / 2 > ctx_floor ? c->n_ctx / 2 : ctx_floor;
        else if (knee == pl->knee && pl->base.n_class)
            knee = pl->floor;
        else if (!w->n_chunk && c->n_chunk > CHUNK_MIN)
            c->n_chunk /= 2;
        else
            return 0;
    }
}

/* PLAN_CUT_* of what a configuration gives up. */
static unsigned degradations(const struct planner *pl, const struct config *c)
{
    const struct config full = full_config(pl);
    unsigned cut = c->embedding_on_disk ? PLAN_CUT_EMBEDDING : 0;
    for (int i = 0; i < pl->base.n_class; i++) {
        cut |= c->slots[i] < pl->all[i] ? PLAN_CUT_EXPERTS : 0;
        cut |= c->slots[i] < pl->knee[i] ? PLAN_CUT_CACHE : 0;
    }
    cut |= c->cache_ram < full.cache_ram || c->n_snapshots < full.n_snapshots ? PLAN_CUT_PREFIX : 0;
    cut |= c->n_parallel < full.n_parallel ? PLAN_CUT_SEQUENCES : 0;
    return cut | (c->n_chunk < full.n_chunk ? PLAN_CUT_CHUNK : 0) | (c->n_ctx < full.n_ctx ? PLAN_CUT_CONTEXT : 0);
}

/* The largest context that fits in memory when everything else is at its least; 0: none. */
static int context_that_fits(const struct planner *pl, uint64_t memory)
{
    struct config c = minimal_config(pl);
    int low = 0, high = c.n_ctx;
    while (low < high) {
        c.n_ctx = low + (high - low + 1) / 2;
        if (fits(pl, &c, memory))
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

/* Fills in what the smallest configuration takes, and the sentence. */
static int refuse(const struct planner *pl, struct plan *out, struct error *err)
{
    struct config c = minimal_config(pl);
    uint64_t memory = pl->base.memory;
    int ctx = pl->request->n_ctx || c.n_ctx > KV_PAGE ? context_that_fits(pl, memory) : 0;
    *out = price(pl, &c);
    out->total = 0;
    const struct plan *p = out;
    int big = biggest_part(p);
    char other[64] = "";
    if (ctx > 0)
        snprintf(other, sizeof other, " or --ctx %d", ctx);
    struct size_text has = size_text(memory), needs = size_text(p->minimum);
    if (memory < MIB || strcmp(has.text, needs.text) == 0) /* the difference must be seen */
        snprintf(has.text, sizeof has.text, "%llu bytes", (unsigned long long)memory);
    char budget[96];
    snprintf(budget, sizeof budget, "--memory %s", has.text);
    if (strcmp(p->memory_from, "flag") != 0)
        snprintf(budget, sizeof budget, "what the %s leaves beside a reserve, %s,",
                 strcmp(p->memory_from, "cgroup") == 0 ? "cgroup" : "machine", has.text);
    return error_set(err, ERR_MEMORY,
                     "%s needs at least %s with --ctx %d (%s %s, KV %s); %s is too small. Try --memory %llu%s.",
                     pl->m->file->file->path, needs.text, c.n_ctx, part_names[big], size_text(p->part[big]).text,
                     size_text(p->part[PLAN_KV]).text, budget, (unsigned long long)p->minimum, other);
}

static int check_number(const char *flag, int n, int most, struct error *err)
{
    if (n < 0 || n > most)
        return error_set(err, ERR_INPUT, "%s %d: at least 1 and at most %d are possible", flag, n, most);
    return 0;
}

/* What sequences keep is the one part that requests alone can make larger than 64 bits. */
static int check_sequences(const struct planner *pl, struct error *err)
{
    const struct config c = full_config(pl);
    uint64_t pages = (uint64_t)pages_of(c.n_ctx) * (uint64_t)c.n_parallel, bytes;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_layout *kv = &pl->m->kv_layout[k];
        struct kv_shape shape = kv->shape;
        shape.type = pl->request->kv;
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

static int describe_experts(struct plan *p, const struct model *m, struct error *err)
{
    p->n_class = expert_classes(m->expert_layer, m->p.n_layer, reader_align_of(m->file->file, m->file->n_file),
                                p->class, NULL);
    if (p->n_class < 0)
        return error_set(err, ERR_UNSUPPORTED, "%s: its layers have more than %d sizes of experts", m->file->file->path,
                         EXPERT_CLASSES);
    for (int l = 0; l < m->p.n_layer; l++)
        for (int i = 0; i < m->expert_layer[l].n_part; i++) {
            p->expert_bytes_total += m->expert_layer[l].part[i].bytes * (uint64_t)m->expert_layer[l].n_expert;
            p->expert_bytes_per_token += m->expert_layer[l].part[i].bytes * (uint64_t)m->p.n_expert_used;
        }
    return 0;
}

/* Is some file read through the page cache? */
static int reads_buffered(const struct model *m, const struct plan_request *w)
{
    uint32_t align;
    for (int i = 0; i < m->file->n_file && w->reader.backend != READER_BUFFERED; i++)
        if (!reader_file_direct(&m->file->file[i], &align))
            return 1;
    return w->reader.backend == READER_BUFFERED;
}

static uint64_t choose_memory(const struct plan_request *w, uint64_t minimum, uint64_t whole, const char **from)
{
    *from = "flag";
    switch (w->how) {
    case PLAN_BYTES:
        return w->memory;
    case PLAN_MINIMUM:
        return minimum;
    case PLAN_WHOLE:
        return whole;
    case PLAN_FROM_MACHINE:
        break;
    }
    uint64_t free_memory = machine_memory("", from);
    return free_memory < whole ? free_memory : whole;
}

/* What all configurations have in common, and the limits between which they are. */
static void begin_plan(struct planner *pl)
{
    struct plan *p = &pl->base;
    const struct model *m = pl->m;
    apply_to_model(pl->m, 0); /* an earlier plan of the same model may have left tables on disk */
    p->part[PLAN_CODE] = code_bytes();
    p->part[PLAN_INDEX] = m->file->arena.total + m->arena.total;
    p->part[PLAN_KV_B] = model_derived_bytes(m);
    p->part[PLAN_WEIGHTS] = model_weight_bytes(m) - p->part[PLAN_KV_B] - weight_bytes(m->token_embd) -
                            (m->layer_embd.table ? weight_bytes(m->layer_embd.table) : 0);
    pl->can_stream = embedding_may_stream(pl);
    pl->buffered = reads_buffered(m, pl->request);
    struct config c = minimal_config(pl);
    uint64_t minimum = memory_for(price(pl, &c).total);
    c = full_config(pl);
    p->whole = memory_for(price(pl, &c).total);
    p->minimum = minimum;
    p->memory = choose_memory(pl->request, p->minimum, p->whole, &p->memory_from);
}

int plan_make(struct plan *out, struct model *m, const struct plan_request *request, struct error *err)
{
    struct planner pl = {.m = m, .request = request};
    struct config c;
    pl.base.n_threads = request->n_threads ? request->n_threads : cpu_usable_cores();
    *out = pl.base;
    if (describe_experts(&pl.base, m, err))
        return -1;
    slot_limits(&pl);
    if (check_request(&pl, err))
        return -1;
    begin_plan(&pl);
    if (!degrade(&pl, &c, pl.base.memory))
        return refuse(&pl, out, err);
    *out = price(&pl, &c);
    out->part[PLAN_SLACK] = slack_of(out->memory);
    out->total += out->part[PLAN_SLACK];
    out->degraded = degradations(&pl, &c);
    apply_to_model(m, out->embedding_on_disk);
    return 0;
}
