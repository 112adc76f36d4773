/* Making the plan: see plan.h.
 *
 * A configuration (context, chunk, where the embedding lies, slots per class) has a price; the plan walks configurations in
 * the degradation order until one fits:
 *
 *     everything resident
 *     embedding on disk; experts from all down to the knee (two tokens' experts)
 *     chunk down to 64; the prefix cache and snapshots; context down to 4096; experts from the knee to the floor; chunk down to 16
 *
 * and where experts stream with slots to spare, the chunk grows to 4096 while the knee holds. What the user gave is not
 * changed. */
#include "engine/plan.h"

#include "base/checked.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "engine/engine.h"
#include "engine/machine_memory.h"
#include "engine/prefix/cache.h"
#include "engine/session.h"

#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#define MIB        (UINT64_C(1) << 20)
#define GIB        (UINT64_C(1) << 30)
#define MOST_BYTES (UINT64_C(1) << 60)

enum {
    CHUNK = 512,
    CHUNK_MOST = 4096,
    CHUNK_LOW = 64,
    CHUNK_LEAST = 16,
    CTX = 8192,
    CTX_LOW = 4096,
    CTX_MOST = 1 << 30,
    SPARE_SLOTS = 4,
    SNAPSHOTS = 4,
    WINDOW_SHARE = 4,
    MOST_NODES = 1 << 22,
    SLOT_TABLE = 64
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
    int embedding_on_disk;
    int least_constraints; /* what constraints need to work at all */
    int slots[EXPERT_CLASSES];
};

struct planner {
    struct plan *p;
    struct model *m;
    const struct plan_request *request;
    int floor[EXPERT_CLASSES], knee[EXPERT_CLASSES], all[EXPERT_CLASSES];
    int can_stream, buffered; /* buffered: some file is read through the page cache */
};

static int pages_of(int n_ctx) { return n_ctx / KV_PAGE + (n_ctx % KV_PAGE != 0); }

static int snapshots_of(const struct planner *pl)
{
    const struct plan_request *w = pl->request;
    int requested = w->n_snapshots ? w->n_snapshots : w->defaults.n_snapshots;
    return requested ? requested : w->cache_ram ? SNAPSHOTS : 1;
}

/* Pages of a kind for the sequences: each its own context, unless fewer are requested; then one context at least. */
static int sequence_pages(const struct planner *pl, const struct config *c, int kind)
{
    const struct kv_layout *kv = &pl->m->kv_layout[kind];
    int one = kv->n_layer ? kv_pages_needed(kv->window, c->n_ctx, c->n_chunk) : 0, all = one * c->n_parallel,
        request = pl->request->n_pages > one ? pl->request->n_pages : one;
    return pl->request->n_pages && !kv->window && request < all ? request : all;
}

static size_t page_bytes(const struct planner *pl, int kind)
{
    struct kv_shape shape = pl->m->kv_layout[kind].shape;
    shape.type = pl->request->kv;
    return kv_page_bytes(&shape) * (size_t)pl->m->kv_layout[kind].n_layer;
}

static int most_of(uint64_t n) { return n < MOST_NODES ? (int)n : MOST_NODES; }

/* The cache's bytes: half of them for states where there are any; pages of windows lie only near the ends of turns. */
static void price_prefix(struct planner *pl, const struct config *c)
{
    struct plan *p = pl->p;
    size_t state = state_pool_bytes(pl->m->state_bytes, 1), page = 0;
    int n_state = state ? most_of(c->cache_ram / 2 / state) : 0;
    for (int k = 0; k < KV_KINDS; k++)
        page += page_bytes(pl, k) / (pl->m->kv_layout[k].window ? WINDOW_SHARE : 1);
    uint64_t rest = c->cache_ram - n_state * (uint64_t)state;
    uint64_t nodes = rest / (page + prefix_table_bytes(1, 0, 0) + KV_KINDS * kv_pool_table_bytes(1));
    if (!page && nodes > n_state * (uint64_t)p->max_page) /* states alone: nodes are on the way to one */
        nodes = n_state * (uint64_t)p->max_page;
    int n = most_of(nodes);
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

static void price_pages(struct planner *pl, const struct config *c)
{
    struct plan *p = pl->p;
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
    if (!p->kv_bytes) /* states alone: there is a node for each page all the same */
        p->n_node += p->n_parallel * p->max_page;
    p->kv_bytes_per_token /= KV_PAGE;
    p->kv_table_bytes += prefix_table_bytes(p->n_node, p->n_state, p->max_page);
    p->part[PLAN_KV] = p->kv_bytes + p->kv_table_bytes;
    p->state_bytes_per_sequence = m->state_floats * sizeof(float);
    p->part[PLAN_STATE] = n * seq_state_bytes(m->state_bytes) + state_pool_bytes(m->state_bytes, p->n_state);
    price_prefix(pl, c);
}

static uint64_t disk_bytes(const struct planner *pl)
{
    uint64_t page = 0;
    for (int k = 0; k < KV_KINDS; k++)
        page += page_bytes(pl, k);
    return pl->request->cache_dir ? prefix_disk_table_bytes(page, pl->m->state_bytes + 64, pl->p->max_page) : 0;
}

static void price_slots(struct planner *pl, const struct config *c)
{
    struct plan *p = pl->p;
    int n = 0;
    p->part[PLAN_SLOTS] = 0;
    for (int i = 0; i < p->n_class; i++) {
        n += p->slots[i] = c->slots[i];
        p->part[PLAN_SLOTS] += (uint64_t)c->slots[i] * p->class[i].slot_bytes;
    }
    p->table_bytes = p->n_class ? store_table_bytes(pl->m->expert_layer, pl->m->p.n_layer, n) : 0;
    p->part[PLAN_SLOTS] += p->table_bytes;
}

/* A server compiles for many: two ordinary constraints at a time, beside one that is large. */
static struct constraint_memory constraint_memory(const struct plan_request *w, const struct config *c)
{
    uint64_t n = (uint64_t)c->n_parallel, running = n < 16 ? n * 4 * MIB : 64 * MIB;
    if (!w->constraint_state_bytes)
        return (struct constraint_memory){0};
    if (!w->server)
        return (struct constraint_memory){running, 0, 8 * MIB, 0};
    if (c->least_constraints)
        return (struct constraint_memory){running, 4 * MIB, 8 * MIB, 1};
    return (struct constraint_memory){running + 24 * MIB, 4 * MIB, 32 * MIB, 2};
}

static void price_text(struct planner *pl, const struct config *c)
{
    const struct constraint_memory m = pl->p->constraints = constraint_memory(pl->request, c);
    /* A compilation looks for the shortest answer in a place of its own; in a server others answer meanwhile. */
    uint64_t n_lane = m.n_small ? (uint64_t)m.n_small + 1 : 0;
    pl->p->part[PLAN_TEXT] = pl->request->text_bytes +
                             ((uint64_t)c->n_parallel + n_lane) * pl->request->constraint_state_bytes + m.held +
                             (uint64_t)m.n_small * m.small + m.large;
}

static uint64_t rows_bounce(const struct weight *w)
{
    return w && w->on_disk ? disk_rows_bounce(w->mat.row_bytes, DISK_ROWS_BATCH) : 0;
}

/* Everything but slack, into p->part; returns the sum. */
static uint64_t price(struct planner *pl, const struct config *c)
{
    struct plan *p = pl->p;
    struct model *m = pl->m;
    const struct plan_request *w = pl->request;
    p->embedding_on_disk = c->embedding_on_disk;
    m->token_embd->on_disk = c->embedding_on_disk && m->n_moe_layer && m->output != m->token_embd;
    if (m->layer_embd.table)
        m->layer_embd.table->on_disk = c->embedding_on_disk;
    m->op.exact = w->exact;
    p->n_ctx = c->n_ctx;
    p->n_parallel = c->n_parallel;
    p->n_chunk = c->n_chunk;

    price_pages(pl, c);
    price_slots(pl, c);
    price_text(pl, c);
    p->part[PLAN_EMBEDDING] = weight_bytes(m->token_embd) +
                              (m->layer_embd.table ? weight_bytes(m->layer_embd.table) : 0);
    p->part[PLAN_KV_B] = model_derived_bytes(m);
    p->part[PLAN_WEIGHTS] = model_weight_bytes(m) - p->part[PLAN_EMBEDDING] - p->part[PLAN_KV_B];
    p->n_logits = w->all_logits ? c->n_chunk : p->n_parallel;
    struct step_scratch scratch = model_measure_step(m, c->n_chunk, p->n_logits);
    p->step_bytes = scratch.step_bytes;
    if (p->step_bytes < WEIGHTS_BOUNCE + 4096) /* loading borrows it */
        p->step_bytes = WEIGHTS_BOUNCE + 4096;
    p->thread_bytes = scratch.thread_bytes;
    p->part[PLAN_ACT] = p->step_bytes + p->thread_bytes * (uint64_t)p->n_threads;
    p->part[PLAN_LOGITS] = session_logits_bytes(m->p.n_vocab, p->n_logits, c->n_chunk, p->n_parallel, c->n_ctx);
    p->embedding_bounce = rows_bounce(m->token_embd) + rows_bounce(m->layer_embd.table);
    p->part[PLAN_READER] = reader_bytes(&w->reader) + p->embedding_bounce;
    p->part[PLAN_SERVER] = w->server + engine_queue_bytes(w->n_queue, p->n_parallel, c->n_ctx) + disk_bytes(pl);
    p->part[PLAN_STACKS] = (uint64_t)p->n_threads * POOL_STACK + 8 * 64 * 1024 + 256 * 1024;
    uint64_t sum = 0;
    for (int i = 0; i < PLAN_KERNEL; i++)
        sum += p->part[i];
    p->part[PLAN_KERNEL] = round_up(sum / 512 + 256 * 1024, 4096) + (pl->buffered ? 64 * MIB : 0);
    p->part[PLAN_SLOTS] += 2 * MIB; /* the mapping's rounding to huge pages */
    return sum + p->part[PLAN_KERNEL] + 2 * MIB;
}

static uint64_t slack_of(uint64_t memory) { return memory / 128 > 8 * MIB ? memory / 128 : 8 * MIB; }

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

static void limits(struct planner *pl)
{
    struct plan *p = pl->p;
    int used = pl->m->p.n_expert_used;
    for (int i = 0; i < p->n_class; i++) {
        const struct expert_class *c = &p->class[i];
        long long knee = 2LL * used * c->n_layer;
        pl->all[i] = c->n_expert;
        pl->floor[i] = used + SPARE_SLOTS < c->n_expert ? used + SPARE_SLOTS : c->n_expert;
        pl->knee[i] = knee > c->n_expert ? c->n_expert : knee < pl->floor[i] ? pl->floor[i] : (int)knee;
    }
}

/* Slot k of all beyond the least, in one fixed order: the classes in proportion to what they lack. */
static void hand_out(const struct planner *pl, struct config *c, const int *least, uint64_t k, uint64_t all)
{
    for (int i = 0; i < pl->p->n_class; i++)
        c->slots[i] = least[i] + (all ? (int)((uint64_t)(pl->all[i] - least[i]) * k / all) : 0);
}

/* As many slots as memory allows, at least `least` in each class; more memory never takes one away. 0: does not fit. */
static int fill_slots(struct planner *pl, struct config *c, uint64_t memory, const int *least)
{
    uint64_t all = 0, low = 0;
    if (pl->request->n_slots)
        least = pl->request->slots;
    else
        for (int i = 0; i < pl->p->n_class; i++)
            all += (uint64_t)(pl->all[i] - least[i]);
    hand_out(pl, c, least, 0, all);
    if (price(pl, c) + slack_of(memory) > memory)
        return 0;
    for (uint64_t high = all; low < high;) {
        uint64_t k = low + (high - low + 1) / 2;
        hand_out(pl, c, least, k, all);
        if (price(pl, c) + slack_of(memory) <= memory)
            low = k;
        else
            high = k - 1;
    }
    hand_out(pl, c, least, low, all);
    return 1;
}

/* ---- the degradation order -------------------------------------------------------------------------------------------------- */

static struct config whole_config(const struct planner *pl)
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

static struct config least_config(const struct planner *pl)
{
    struct config c = whole_config(pl);
    if (!pl->request->n_ctx && c.n_ctx > CTX_LOW)
        c.n_ctx = CTX_LOW;
    if (!pl->request->n_parallel)
        c.n_parallel = 1;
    if (!pl->request->n_chunk)
        c.n_chunk = CHUNK_LEAST;
    if (!pl->request->n_snapshots)
        c.n_snapshots = 1;
    c.cache_ram = 0;
    c.least_constraints = 1;
    c.embedding_on_disk = pl->can_stream;
    memcpy(c.slots, pl->request->n_slots ? pl->request->slots : pl->floor, sizeof c.slots);
    return c;
}

/* Tables of embeddings may go to disk where that takes less than they do, with the buffers that read their rows: the table of the
 * layers always, the tokens' only where there is a store to gain from it and it is not the output as well (price()). */
static int embedding_may_go(struct planner *pl)
{
    struct config c = whole_config(pl);
    uint64_t resident = price(pl, &c);
    c.embedding_on_disk = 1;
    return price(pl, &c) < resident;
}

/* The largest prefix cache below what did not fit, beside `least` slots in each class; 0 where not even none would do. */
static void shrink_cache(struct planner *pl, struct config *c, uint64_t memory, const int *least)
{
    uint64_t low = 0, high = c->cache_ram - 1;
    hand_out(pl, c, pl->request->n_slots ? pl->request->slots : least, 0, 0);
    while (low < high) {
        c->cache_ram = low + (high - low + 1) / 2;
        if (price(pl, c) + slack_of(memory) <= memory)
            low = c->cache_ram;
        else
            high = c->cache_ram - 1;
    }
    c->cache_ram = low;
}

static int walk(struct planner *pl, struct config *c, uint64_t memory)
{
    const struct plan_request *w = pl->request;
    *c = whole_config(pl);
    if (!w->n_slots && price(pl, c) + slack_of(memory) <= memory)
        return 1;
    c->embedding_on_disk = pl->can_stream;
    int chunk_floor = w->n_chunk ? w->n_chunk : CHUNK_LOW,
        ctx_floor = w->n_ctx || c->n_ctx < CTX_LOW ? c->n_ctx : CTX_LOW;
    const int *knee = pl->knee;
    for (;;) {
        if (fill_slots(pl, c, memory, knee)) {
            int slots_fixed = w->n_chunk != 0 || c->n_chunk != CHUNK || !pl->p->n_class;
            for (struct config up = *c; !slots_fixed && up.n_chunk < CHUNK_MOST;) {
                up.n_chunk *= 2;
                if (!fill_slots(pl, &up, memory, knee))
                    break;
                *c = up;
            }
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
        else if (knee == pl->knee && pl->p->n_class)
            knee = pl->floor;
        else if (!w->n_chunk && c->n_chunk > CHUNK_LEAST)
            c->n_chunk /= 2;
        else
            return 0;
    }
}

static unsigned cuts(const struct planner *pl, const struct config *c)
{
    struct config full = whole_config(pl);
    unsigned cut = c->embedding_on_disk ? PLAN_CUT_EMBEDDING : 0;
    for (int i = 0; i < pl->p->n_class; i++) {
        cut |= c->slots[i] < pl->all[i] ? PLAN_CUT_EXPERTS : 0;
        cut |= c->slots[i] < pl->knee[i] ? PLAN_CUT_CACHE : 0;
    }
    cut |= c->cache_ram < full.cache_ram || c->n_snapshots < full.n_snapshots ? PLAN_CUT_PREFIX : 0;
    cut |= c->n_parallel < full.n_parallel ? PLAN_CUT_SEQUENCES : 0;
    return cut | (c->n_chunk < full.n_chunk ? PLAN_CUT_CHUNK : 0) | (c->n_ctx < full.n_ctx ? PLAN_CUT_CONTEXT : 0);
}

/* The largest context that fits in memory when everything else is at its least; 0: none. */
static int context_that_fits(struct planner *pl, uint64_t memory)
{
    struct config c = least_config(pl);
    int low = 0, high = c.n_ctx;
    while (low < high) {
        c.n_ctx = low + (high - low + 1) / 2;
        if (price(pl, &c) + slack_of(memory) <= memory)
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

static int refuse(struct planner *pl, struct error *err)
{
    struct plan *p = pl->p;
    struct config c = least_config(pl);
    uint64_t memory = p->memory;
    int fits = pl->request->n_ctx || c.n_ctx > KV_PAGE ? context_that_fits(pl, memory) : 0;
    price(pl, &c);
    int big = biggest_part(p);
    char other[64] = "";
    if (fits > 0)
        snprintf(other, sizeof other, " or --ctx %d", fits);
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
    struct config c = whole_config(pl);
    uint64_t pages = (uint64_t)pages_of(c.n_ctx) * (uint64_t)c.n_parallel, bytes;
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_layout *kv = &pl->m->kv_layout[k];
        struct kv_shape shape = kv->shape;
        shape.type = pl->request->kv;
        if (!checked_mul(kv_page_bytes(&shape) * (uint64_t)kv->n_layer, pages, &bytes) || bytes > MOST_BYTES ||
            pages > INT_MAX)
            return error_set(err, ERR_MEMORY,
                             "%s: the keys and values of %d sequences of %d positions are more than any machine holds; "
                             "try a smaller --ctx",
                             pl->m->file->file->path, c.n_parallel, c.n_ctx);
    }
    uint64_t states = (uint64_t)c.n_parallel * (uint64_t)(1 + c.n_snapshots);
    if (!checked_mul(pl->m->state_bytes, states, &bytes) || bytes > MOST_BYTES)
        return error_set(err, ERR_MEMORY,
                         "%s: the states of %d sequences, %d snapshots each, are more than any machine holds; try a "
                         "smaller --parallel",
                         pl->m->file->file->path, c.n_parallel, c.n_snapshots);
    return 0;
}

static int check_request(struct planner *pl, struct error *err)
{
    const struct plan_request *w = pl->request;
    if (w->cache_ram > MOST_BYTES)
        return error_set(err, ERR_MEMORY, "--cache-ram %llu bytes are more than any machine has",
                         (unsigned long long)w->cache_ram);
    if (w->server > MOST_BYTES)
        return error_set(err, ERR_MEMORY,
                         "the server's own memory, %llu bytes for its connections, is more than any machine has; "
                         "use a smaller --max-conns or --max-body",
                         (unsigned long long)w->server);
    if (check_number("--ctx", w->n_ctx, CTX_MOST, err) || check_number("--ctx", w->defaults.n_ctx, CTX_MOST, err) ||
        check_number("--parallel", w->n_parallel, 1 << 12, err) || check_number("--chunk", w->n_chunk, 1 << 16, err) ||
        check_number("--snapshots", w->n_snapshots, 1 << 10, err) ||
        check_number("--threads", w->n_threads, POOL_MAX_THREADS, err) || check_sequences(pl, err))
        return -1;
    if (w->n_slots && w->n_slots != pl->p->n_class)
        return error_set(err, ERR_INPUT, "--slots names %d classes; this model has %d", w->n_slots, pl->p->n_class);
    for (int i = 0; i < w->n_slots; i++)
        if (w->slots[i] < pl->floor[i] || w->slots[i] > pl->all[i])
            return error_set(err, ERR_INPUT, "--slots %d for class %d: at least %d and at most %d are possible",
                             w->slots[i], i + 1, pl->floor[i], pl->all[i]);
    return 0;
}

static int describe_experts(struct planner *pl, struct error *err)
{
    struct plan *p = pl->p;
    const struct model *m = pl->m;
    int class_of[PARAMS_MAX_LAYERS];
    p->n_class = expert_classes(m->expert_layer, m->p.n_layer, reader_align_of(m->file->file, m->file->n_file),
                                p->class, class_of);
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

static int reads_buffered(const struct model *m, const struct plan_request *w)
{
    uint32_t align;
    for (int i = 0; i < m->file->n_file && w->reader.backend != READER_BUFFERED; i++)
        if (!reader_file_direct(&m->file->file[i], &align))
            return 1;
    return w->reader.backend == READER_BUFFERED;
}

static uint64_t choose_memory(struct plan *p, const struct plan_request *w)
{
    p->memory_from = "flag";
    switch (w->how) {
    case PLAN_BYTES:
        return w->memory;
    case PLAN_MINIMUM:
        return p->minimum;
    case PLAN_WHOLE:
        return p->whole;
    default:;
    }
    uint64_t room = machine_memory("", &p->memory_from);
    return room < p->whole ? room : p->whole;
}

int plan_make(struct plan *out, struct model *m, const struct plan_request *request, struct error *err)
{
    struct planner pl = {.p = out, .m = m, .request = request};
    *out = (struct plan){.n_threads = request->n_threads ? request->n_threads : cpu_usable_cores()};
    if (describe_experts(&pl, err))
        return -1;
    limits(&pl);
    if (check_request(&pl, err))
        return -1;
    out->part[PLAN_CODE] = code_bytes();
    out->part[PLAN_INDEX] = m->file->arena.total + m->arena.total;

    pl.can_stream = embedding_may_go(&pl);
    pl.buffered = reads_buffered(m, request);
    struct config c = least_config(&pl);
    out->minimum = memory_for(price(&pl, &c));
    c = whole_config(&pl);
    out->whole = memory_for(price(&pl, &c));
    out->memory = choose_memory(out, request);
    if (!walk(&pl, &c, out->memory))
        return refuse(&pl, err);
    out->total = price(&pl, &c);
    out->part[PLAN_SLACK] = slack_of(out->memory);
    out->total += out->part[PLAN_SLACK];
    out->degraded = cuts(&pl, &c);
    return 0;
}
