/* What a configuration takes: every part's owner states its size, and this is the one place that adds up. Formulas: memory.md 3. */
#include "engine/plan_inside.h"

#include "base/checked.h"
#include "base/coroutine.h"
#include "engine/engine.h"
#include "engine/prefix/cache.h"
#include "engine/session_tables.h"
#include "engine/steer.h"
#include "model/collector.h"

#include <limits.h>
#include <string.h>

enum {
    WINDOW_SHARE = 4, /* pages of other kinds that the cache holds for each page of a window */
    MAX_NODES = 1 << 22,
    READER_STACKS = 8 * 64 * 1024, /* of a reader's threads */
    DECODE_ROWS = 16               /* rows of a step in which somebody waits for each */
};

/* The model as a configuration has it: a copy, because tables that are on disk and exact weights change what parts take. */
struct view {
    struct model model;
    struct weight table[MODEL_TABLES];
};

/* Rows of a table that are in memory at least, so that decoding reads them while a layer is computed. */
static int least_cells(const struct row_table *t, const struct plan_config *c)
{
    int decoding = c->n_parallel + c->n_draft, rows = decoding > DECODE_ROWS ? decoding : DECODE_ROWS;
    return rows < t->weight->mat.n_rows / t->n_take ? rows * t->n_take : t->weight->mat.n_rows;
}

static uint64_t store_bytes(const struct row_table *t, const struct plan_config *c, int n_cell)
{
    return row_store_bytes(t->weight->mat.row_bytes, c->n_chunk * t->n_take, n_cell);
}

static uint64_t resident_bytes(const struct row_table *t)
{
    struct weight resident = *t->weight;
    resident.on_disk = 0;
    return weight_bytes(&resident);
}

/* The tokens' table stays resident where it is the output as well, or where there is no store to gain from it; any table where what reads
 * it would take as much. */
static int may_be_on_disk(const struct model *m, const struct plan_config *c, int table)
{
    const struct row_table *t = &m->table[table];
    if (!c->tables_on_disk || (table == TABLE_TOKENS && (!m->n_moe_layer || m->output == t->weight)))
        return 0;
    return store_bytes(t, c, least_cells(t, c)) < resident_bytes(t);
}

static uint64_t bytes_a_token(const struct row_table *t) { return t->weight->mat.row_bytes * (uint64_t)t->n_take; }

/* Rows of a table that are in memory, if it is on disk: its share of the cache, by the bytes that a token takes. */
static int cells_of(const struct model *m, const struct plan_config *c, int table)
{
    const struct row_table *t = &m->table[table];
    uint64_t all = 0;
    for (int i = 0; i < m->n_table; i++)
        all += may_be_on_disk(m, c, i) ? bytes_a_token(&m->table[i]) : 0;
    uint64_t share = (uint64_t)((double)c->row_cache * (double)bytes_a_token(t) / (double)all);
    uint64_t n = (uint64_t)least_cells(t, c) + share / row_store_cell_bytes(t->weight->mat.row_bytes);
    return n < (uint64_t)t->weight->mat.n_rows ? (int)n : t->weight->mat.n_rows;
}

/* A share of the cache that would hold the table holds it better without cells. */
static int on_disk(const struct model *m, const struct plan_config *c, int table)
{
    const struct row_table *t = &m->table[table];
    return may_be_on_disk(m, c, table) && store_bytes(t, c, cells_of(m, c, table)) < resident_bytes(t);
}

static void view_model(struct view *v, const struct planner *pl, const struct plan_config *c)
{
    const struct model *m = pl->m;
    v->model = *m;
    v->model.op.exact = pl->request->exact;
    v->model.collects = pl->request->importance;
    for (int i = 0; i < m->n_table; i++) {
        v->table[i] = *m->table[i].weight;
        v->table[i].on_disk = on_disk(m, c, i);
        v->model.table[i].weight = &v->table[i];
    }
}

void plan_apply(struct model *m, const struct plan *p)
{
    m->asked_ctx = p ? p->asked_ctx : 0;
    for (int i = 0; i < m->n_table; i++)
        m->table[i].weight->on_disk = p && p->table_cells[i] >= 0;
}

int plan_pages_of(int n_ctx) { return n_ctx / KV_PAGE + (n_ctx % KV_PAGE != 0); }

/* Pages of a kind for the sequences: a whole context for each. If the caller asked for fewer, those, but one whole context at least. */
static int sequence_pages(const struct planner *pl, const struct plan_config *c, int kind)
{
    const struct kv_layout *kv = &pl->m->kv_layout[kind];
    int one = kv->n_layer ? kv_pages_needed(kv->window, c->n_ctx, c->n_chunk) : 0, all = one * c->n_parallel,
        asked = pl->request->n_pages > one ? pl->request->n_pages : one;
    return pl->request->n_pages && (!kv->window.n || pl->m->p.pooling) && asked < all ? asked : all;
}

static size_t page_bytes(const struct planner *pl, int kind)
{
    struct kv_shape shape = kv_shape_as(pl->m->kv_layout[kind].shape, pl->request->kv);
    return kv_page_bytes(&shape) * (size_t)pl->m->kv_layout[kind].n_layer;
}

static int at_most_max_nodes(uint64_t n) { return n < MAX_NODES ? (int)n : MAX_NODES; }

/* Adds the pages, states and nodes of the prefix cache. Half of its bytes are for states, where there are any. It needs fewer pages of
 * windows than of other kinds, because windows are kept only at the ends of turns. */
static void price_prefix(const struct planner *pl, const struct plan_config *c, struct plan *p)
{
    size_t state = state_pool_bytes(pl->m->state_bytes, 1), page = 0;
    if (state)
        state += prefix_table_bytes(0, 1, 0);
    int n_state = state ? at_most_max_nodes(c->cache_ram / 2 / state) : 0;
    for (int k = 0; k < KV_KINDS; k++)
        page += page_bytes(pl, k) / (pl->m->kv_layout[k].window.n ? WINDOW_SHARE : 1);
    uint64_t rest = c->cache_ram - n_state * (uint64_t)state;
    uint64_t nodes = rest / (page + prefix_table_bytes(1, 0, 0) + KV_KINDS * kv_pool_table_bytes(1));
    if (!page && nodes > n_state * (uint64_t)p->max_page) /* states alone: the other nodes only lead to one */
        nodes = n_state * (uint64_t)p->max_page;
    int n = at_most_max_nodes(nodes);
    p->prefix_bytes = state_pool_bytes(pl->m->state_bytes, n_state);
    p->prefix_table_bytes = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        int more = pl->m->kv_layout[k].window.n ? n / WINDOW_SHARE : n;
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

static void price_pages(const struct planner *pl, const struct plan_config *c, struct plan *p)
{
    const struct model *m = pl->m;
    uint64_t n = (uint64_t)p->n_parallel;
    p->max_page = plan_pages_of(c->n_ctx);
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
        if (kv->window.n)
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
    p->part[PLAN_STATE] = n * seq_state_bytes(m->state_bytes) +
                          state_pool_bytes(m->state_bytes, p->n_state + p->n_draft);
    price_prefix(pl, c, p);
}

void plan_kept(struct plan_kept out[LAYER_KEEPS_KINDS], const struct plan *p, const struct model *m, enum kv_type kv)
{
    uint64_t page[LAYER_KEEPS_KINDS] = {0}, sum = 0;
    memset(out, 0, LAYER_KEEPS_KINDS * sizeof *out);
    for (int l = 0; l < model_layers(m); l++) {
        const struct layer_kept *kept = &m->kept[l];
        out[kept->most].state_bytes += kept->state_floats * sizeof(float);
        for (int k = 0; k < KV_KINDS; k++) {
            struct kv_shape shape = kv_shape_as(m->kv_layout[k].shape, kv);
            struct kv_window window = m->kv_layout[k].window;
            uint64_t bytes = kv_page_bytes(&shape) * (uint64_t)kept->n_kv[k];
            if (window.n)
                out[kept->most].kv_fixed_bytes += bytes * (uint64_t)kv_pages_needed(window, INT_MAX, p->n_chunk);
            else
                page[kept->most] += bytes;
        }
    }
    for (int i = 0; i < LAYER_KEEPS_KINDS; i++) {
        uint64_t before = sum / KV_PAGE;
        sum += page[i];
        out[i].kv_bytes_per_token = sum / KV_PAGE - before;
    }
}

static uint64_t disk_bytes(const struct planner *pl, int max_page)
{
    uint64_t page = 0;
    for (int k = 0; k < KV_KINDS; k++)
        page += page_bytes(pl, k);
    return pl->request->cache_dir ? prefix_disk_table_bytes(page, pl->m->state_bytes + 64, max_page) : 0;
}

static void price_slots(const struct planner *pl, const struct plan_config *c, struct plan *p)
{
    int n = 0;
    for (int i = 0; i < p->n_class; i++) {
        n += p->slots[i] = c->slots[i];
        p->part[PLAN_SLOTS] += (uint64_t)c->slots[i] * p->class[i].slot_bytes;
    }
    p->table_bytes = p->n_class ? store_table_bytes(pl->m->expert_layer, model_layers(pl->m), n) : 0;
    p->part[PLAN_SLOTS] += p->table_bytes;
}

/* Where requests wait in a queue, constraints of many clients are compiled: two ordinary ones at a time, beside a large one. */
static struct constraint_memory constraint_memory(const struct plan_request *w, const struct plan_config *c)
{
    uint64_t n = (uint64_t)c->n_parallel, running = n < 16 ? n * 4 * MIB : 64 * MIB;
    if (!w->has_text)
        return (struct constraint_memory){0};
    if (!w->n_queue)
        return (struct constraint_memory){running, 0, 8 * MIB, 0};
    if (c->least_constraints)
        return (struct constraint_memory){running, 4 * MIB, 8 * MIB, 1};
    return (struct constraint_memory){running + 24 * MIB, 4 * MIB, 32 * MIB, 2};
}

static void price_text(const struct planner *pl, const struct plan_config *c, struct plan *p)
{
    const struct plan_request *w = pl->request;
    const struct constraint_memory m = p->constraints = constraint_memory(w, c);
    /* A compilation computes the shortest answer in a state of its own. With lanes it does so while other answers run. */
    uint64_t n_lane = m.n_small ? (uint64_t)m.n_small + 1 : 0;
    p->part[PLAN_TEXT] = w->text_bytes + ((uint64_t)c->n_parallel + n_lane) * w->constraint_state_bytes + m.held +
                         (uint64_t)m.n_small * m.small + m.large;
}

/* A step takes as much each time it is measured, and searches ask for the same few steps again and again. */
static struct step_scratch measure(const struct planner *pl, const struct model *m, const struct plan_config *c,
                                   int n_logits)
{
    int on_disk = 0;
    for (int i = 0; i < m->n_table; i++)
        on_disk |= m->table[i].weight->on_disk << i;
    unsigned at = (unsigned)c->n_chunk * 7 + (unsigned)n_logits * 131 + (unsigned)on_disk;
    struct scratch_memo *memo = &pl->memo[at % SCRATCH_MEMOS];
    if (memo->n_chunk != c->n_chunk || memo->n_logits != n_logits || memo->on_disk != on_disk)
        *memo = (struct scratch_memo){c->n_chunk, n_logits, on_disk,
                                      model_measure_step(m, pl->request->kv, c->n_chunk, n_logits)};
    return memo->scratch;
}

/* Tables of rows. */
static void price_tables(const struct planner *pl, const struct plan_config *c, const struct view *v, struct plan *p)
{
    p->tables_on_disk = 0;
    p->row_store_bytes = 0;
    for (int i = 0; i < MODEL_TABLES; i++) {
        int disk = i < pl->m->n_table && v->table[i].on_disk;
        p->table_cells[i] = disk ? cells_of(pl->m, c, i) : -1;
        p->tables_on_disk |= disk;
        if (disk)
            p->row_store_bytes += store_bytes(&pl->m->table[i], c, p->table_cells[i]);
        else if (i < pl->m->n_table)
            p->part[PLAN_ROWS] += weight_bytes(&v->table[i]);
    }
    p->part[PLAN_ROWS] += p->row_store_bytes;
}

/* Weights, and the scratch of steps. */
static void price_model(const struct planner *pl, const struct plan_config *c, struct plan *p)
{
    struct view v;
    view_model(&v, pl, c);
    price_tables(pl, c, &v, p);
    struct step_scratch scratch = measure(pl, &v.model, c, p->n_logits);
    p->step_bytes = scratch.step_bytes;
    if (p->step_bytes < WEIGHTS_BOUNCE + 4096) /* weights are loaded through the same memory */
        p->step_bytes = WEIGHTS_BOUNCE + 4096;
    p->thread_bytes = scratch.thread_bytes;
    p->part[PLAN_ACT] = p->step_bytes + p->thread_bytes * (uint64_t)p->n_threads;
}

/* A text is computed whole by models that pool. */
static struct plan_config whole_texts(const struct plan_config *c)
{
    struct plan_config whole = *c;
    whole.n_chunk = c->n_ctx;
    return whole;
}

/* Vectors and the lists of requests; where nothing but experts can be named, it is the lists. */
static uint64_t steer_bytes(const struct planner *pl, const struct plan_config *c)
{
    const struct plan_request *w = pl->request;
    int has_lists = w->n_queue && pl->m->n_moe_layer;
    return (w->steer ? w->steer + VECTOR_READING : 0) + (has_lists ? STEER_LISTS : 0) +
           (w->steer || has_lists ? steer_lists_bytes(w->n_queue, c->n_parallel) : 0);
}

struct tables_request plan_tables(const struct plan *p, const struct model *m)
{
    return (struct tables_request){.n_vocab = model_out_width(m),
                                   .n_logits = p->n_logits,
                                   .n_chunk = p->n_chunk,
                                   .n_parallel = p->n_parallel,
                                   .n_ctx = p->n_ctx,
                                   .ngrams = p->ngrams,
                                   .nextn = p->nextn ? model_h_width(m) : 0,
                                   .nextn_rows = nextn_rows(p->n_draft)};
}

static uint64_t queue_bytes(const struct planner *pl, const struct plan_config *c, int predictions)
{
    return pl->m->p.pooling ? embed_queue_bytes(pl->request->n_queue, c->n_parallel)
                            : engine_queue_bytes(pl->request->n_queue, c->n_parallel, c->n_ctx, predictions);
}

struct plan plan_price(const struct planner *pl, const struct plan_config *asked)
{
    const struct plan_request *w = pl->request;
    const struct plan_config whole = whole_texts(asked), *c = pl->m->p.pooling ? &whole : asked;
    struct plan p = pl->base;
    p.config = *asked;
    p.n_ctx = c->n_ctx;
    p.n_parallel = c->n_parallel;
    p.n_chunk = c->n_chunk;
    p.n_draft = c->n_draft;
    p.ngrams = p.n_draft && w->ngrams;
    p.priced = p.ngrams && w->priced;
    p.nextn = pl->m->nextn.proj != NULL;
    p.n_logits = w->all_logits ? c->n_chunk : c->n_parallel + p.n_draft;
    price_pages(pl, c, &p);
    price_slots(pl, c, &p);
    price_text(pl, c, &p);
    price_model(pl, c, &p);
    const struct tables_request tables = plan_tables(&p, pl->m);
    p.part[PLAN_LOGITS] = session_tables_bytes(&tables);
    p.part[PLAN_READER] = reader_bytes(&w->reader);
    p.part[PLAN_SERVER] = w->server + queue_bytes(pl, c, p.ngrams) + disk_bytes(pl, p.max_page);
    p.part[PLAN_STEER] = steer_bytes(pl, c);
    p.capture = c->capture;
    p.part[PLAN_CAPTURE] = c->capture ? c->capture + CAPTURE_STACK : 0;
    p.part[PLAN_LIBRARY] = w->library;
    p.part[PLAN_IMPORTANCE] = w->importance ? collector_bytes(pl->m) : 0;
    int buffered = p.buffered;
    p.least_further = c->least_further;
    for (int i = 0; i < PLAN_FURTHER; i++) {
        p.part[PLAN_EMBED + i] = c->least_further ? w->further[i].least : w->further[i].whole;
        buffered |= w->further[i].buffered;
    }
    p.part[PLAN_STACKS] = (uint64_t)p.n_threads * POOL_STACK + READER_STACKS + 256 * 1024;
    for (int i = 0; i < PLAN_KERNEL; i++)
        p.total += p.part[i];
    p.part[PLAN_KERNEL] = round_up(p.total / 512 + 256 * 1024, 4096) + (buffered ? 64 * MIB : 0);
    p.part[PLAN_SLOTS] += 2 * MIB; /* the mapping is rounded up to huge pages */
    p.total += p.part[PLAN_KERNEL] + 2 * MIB;
    return p;
}

uint64_t plan_draft_bytes(const struct planner *pl, const struct plan_config *c)
{
    struct plan_config none = *c;
    none.n_draft = 0;
    const struct plan with = plan_price(pl, c), without = plan_price(pl, &none);
    uint64_t bytes = with.total - without.total;
    if (!with.nextn)
        return bytes;
    for (int k = 0; k < KV_KINDS; k++) {
        struct kv_shape shape = kv_shape_as(pl->m->kv_layout[k].shape, pl->request->kv);
        bytes += kv_page_bytes(&shape) * (uint64_t)pl->m->kept[pl->m->p.n_layer].n_kv[k] * (uint64_t)with.n_page[k];
    }
    struct tables_request tables = plan_tables(&with, pl->m);
    bytes += session_tables_bytes(&tables);
    tables.nextn = 0;
    return bytes + model_nextn_bytes(pl->m) - session_tables_bytes(&tables);
}

uint64_t plan_beside(const struct plan *p)
{
    uint64_t sum = READER_STACKS + coroutine_bytes();
    for (int i = 0; i < PLAN_KERNEL; i++)
        if (i != PLAN_CODE && i != PLAN_STACKS)
            sum += p->part[i];
    return sum;
}

uint64_t plan_slack(uint64_t memory) { return memory / 128 > 8 * MIB ? memory / 128 : 8 * MIB; }

int plan_fits(const struct planner *pl, const struct plan_config *c, uint64_t memory)
{
    return plan_price(pl, c).total + plan_slack(memory) <= memory;
}

uint64_t plan_memory_for(uint64_t sum)
{
    uint64_t m = sum + 8 * MIB;
    if (m / 128 > 8 * MIB)
        m = sum + sum / 127 + 1;
    while (sum + plan_slack(m) > m)
        m++;
    return m;
}
