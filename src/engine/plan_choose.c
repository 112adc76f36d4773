/* Which configuration a plan takes: the first that fits, in the degradation order (memory.md 4):
 *
 *     everything resident
 *     embeddings on disk; experts from all down to the knee (the experts of two tokens)
 *     constraints at their least; chunk down to 64; prefix cache, sequences, copies of states; context down to 4096;
 *     experts from the knee down to the floor; chunk down to 16
 *
 * Where experts stream and slots are left over, the chunk grows up to 4096 as long as every class keeps its knee. What the caller
 * asked for is never changed. */
#include "engine/plan_inside.h"

#include <string.h>

enum {
    CHUNK = 512,
    CHUNK_MAX = 4096,
    CHUNK_LOW = 64,
    CHUNK_MIN = 16,
    CTX = 8192,
    CTX_LOW = 4096,
    SPARE_SLOTS = 4, /* beyond the experts that a layer uses: some can load while others compute */
    SNAPSHOTS = 4    /* copies of a sequence's state beside a prefix cache */
};

/* ---- slots ------------------------------------------------------------------------------------------------------------------ */

/* floor: a layer can be computed. knee: the experts of two tokens, below which hit rates fall steeply. */
void plan_slot_limits(struct planner *pl)
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
    if (!plan_fits(pl, c, memory))
        return 0;
    for (uint64_t high = all; low < high;) {
        uint64_t k = low + (high - low + 1) / 2;
        distribute_slots(pl, c, least, k, all);
        if (plan_fits(pl, c, memory))
            low = k;
        else
            high = k - 1;
    }
    distribute_slots(pl, c, least, low, all);
    return 1;
}

static int snapshots_of(const struct planner *pl)
{
    const struct plan_request *w = pl->request;
    int asked = w->n_snapshots ? w->n_snapshots : w->defaults.n_snapshots;
    return asked ? asked : w->cache_ram ? SNAPSHOTS : 1;
}

/* ---- the degradation order --------------------------------------------------------------------------------------------------- */

struct config plan_full_config(const struct planner *pl)
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

struct config plan_minimal_config(const struct planner *pl)
{
    struct config c = plan_full_config(pl);
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

int plan_may_stream(const struct planner *pl)
{
    struct config c = plan_full_config(pl);
    uint64_t resident = plan_price(pl, &c).total;
    c.embedding_on_disk = 1;
    return plan_price(pl, &c).total < resident;
}

/* The largest prefix cache, below the one that did not fit, beside `least` slots in each class; 0 if none fits. */
static void shrink_cache(const struct planner *pl, struct config *c, uint64_t memory, const int *least)
{
    uint64_t low = 0, high = c->cache_ram - 1;
    distribute_slots(pl, c, pl->request->n_slots ? pl->request->slots : least, 0, 0);
    while (low < high) {
        c->cache_ram = low + (high - low + 1) / 2;
        if (plan_fits(pl, c, memory))
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

int plan_choose(const struct planner *pl, struct config *c, uint64_t memory)
{
    const struct plan_request *w = pl->request;
    *c = plan_full_config(pl);
    if (!w->n_slots && plan_fits(pl, c, memory))
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

unsigned plan_cuts(const struct planner *pl, const struct config *c)
{
    const struct config full = plan_full_config(pl);
    unsigned cut = c->embedding_on_disk ? PLAN_CUT_EMBEDDING : 0;
    for (int i = 0; i < pl->base.n_class; i++) {
        cut |= c->slots[i] < pl->all[i] ? PLAN_CUT_EXPERTS : 0;
        cut |= c->slots[i] < pl->knee[i] ? PLAN_CUT_CACHE : 0;
    }
    cut |= c->cache_ram < full.cache_ram || c->n_snapshots < full.n_snapshots ? PLAN_CUT_PREFIX : 0;
    cut |= c->n_parallel < full.n_parallel ? PLAN_CUT_SEQUENCES : 0;
    return cut | (c->n_chunk < full.n_chunk ? PLAN_CUT_CHUNK : 0) | (c->n_ctx < full.n_ctx ? PLAN_CUT_CONTEXT : 0);
}
