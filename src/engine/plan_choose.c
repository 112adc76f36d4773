/* Which configuration a plan takes (memory.md 4). What the caller asked for is never changed, but for a prefix cache that fits beside
 * nothing else.
 *
 *     what fits     everything, if it does. Else tables of rows go to disk, and everything that nobody asked for to its least; then
 *                   the context is the largest, from the default halved down to 4096, beside which 512 rows and the experts of two
 *                   tokens (the knee) fit. A prefix cache that was asked for goes last, and before rows and experts go below these.
 *     what grows    memory of constraints, texts of models beside this one, recorded rows, copies of states and the cache of rows, if they
 *                   fit beside a chunk of 512 rows and the knee
 *     what is best  of chunk, sequences and the share of prefixes, each filled up with experts, those by which a request is answered
 *                   soonest (speed.h)
 */
#include "engine/plan_inside.h"

#include "engine/capture/capture.h"

#include <math.h>
#include <string.h>

#define NO_DIFFERENCE 1.01 /* plans as close as this are equally fast: the one that gives up less is taken */

enum {
    CHUNK = 512,
    CHUNK_MAX = 2048, /* beyond a prompt of SPEED_PROMPT nothing is gained */
    CHUNK_MIN = 16,
    CHUNK_STEPS = 8, /* sizes between a power of two and the next */
    CACHE_STEPS = 4, /* shares of the prefix cache that are tried: quarters */
    CTX = 8192,
    CTX_LOW = 4096,
    TEXT_CTX = 2048, /* of a model that pools, whose steps are as long as its context */
    TEXT_CTX_LOW = 512,
    SPARE_SLOTS = 4,         /* beyond the experts that a layer uses: some can load while others compute */
    SNAPSHOTS = 4,           /* copies of a sequence's state beside a prefix cache */
    CAPTURE_LEAST = 2 << 20, /* for recorded rows, of which nobody says how large they are */
    CAPTURE_MOST = 320 << 20,
    DRAFT_SHARE = 128,         /* of the budget, for drafts that are priced: for want of slots others wait ... */
    DRAFT_SHARE_WHOLE = 16,    /* ... and where nothing is given up nobody does */
    ROW_CACHE_SHARE = 64,      /* of the budget, for rows of tables on disk: a token takes few bytes of them ... */
    ROW_CACHE_MOST = 256 << 20 /* ... and much fewer than of experts */
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

/* Slots of each class. */
struct slot_range {
    const int *least, *most;
};

/* Distributes k of `all` slots beyond the least: each class gets them in proportion to what it lacks. */
static void distribute_slots(const struct planner *pl, struct plan_config *c, struct slot_range r, uint64_t k,
                             uint64_t all)
{
    for (int i = 0; i < pl->base.n_class; i++)
        c->slots[i] = r.least[i] + (all ? (int)((uint64_t)(r.most[i] - r.least[i]) * k / all) : 0);
}

/* As many slots as memory allows, within the range in each class; more memory never takes one away. 0: does not fit. */
static int fill_slots(const struct planner *pl, struct plan_config *c, uint64_t memory, struct slot_range r)
{
    uint64_t all = 0, low = 0;
    if (pl->request->n_slots)
        r.least = pl->request->slots;
    else
        for (int i = 0; i < pl->base.n_class; i++)
            all += (uint64_t)(r.most[i] - r.least[i]);
    distribute_slots(pl, c, r, 0, all);
    if (!plan_fits(pl, c, memory))
        return 0;
    for (uint64_t high = all; low < high;) {
        uint64_t k = low + (high - low + 1) / 2;
        distribute_slots(pl, c, r, k, all);
        if (plan_fits(pl, c, memory))
            low = k;
        else
            high = k - 1;
    }
    distribute_slots(pl, c, r, low, all);
    return 1;
}

static int snapshots_of(const struct planner *pl)
{
    const struct plan_request *w = pl->request;
    int asked = w->n_snapshots ? w->n_snapshots : w->defaults.n_snapshots;
    return asked ? asked : plan_asked_cache(pl) ? SNAPSHOTS : 1;
}

/* ---- the limits ---------------------------------------------------------------------------------------------------------------- */

uint64_t plan_asked_cache(const struct planner *pl)
{
    const struct plan_request *w = pl->request;
    return w->cache_ram ? w->cache_ram : w->defaults.cache_ram;
}

/* The least context that a plan takes where nobody asked for one. */
static int ctx_low(const struct planner *pl) { return pl->m->p.pooling ? TEXT_CTX_LOW : CTX_LOW; }

static int ctx_usual(const struct planner *pl)
{
    int asked = pl->request->defaults.n_ctx;
    return pl->m->p.pooling ? TEXT_CTX : asked ? asked : CTX;
}

/* For recorded rows, where nobody asked for so much: with less than capture_least no request records what it will ask for. */
static uint64_t capture_least(const struct planner *pl)
{
    uint64_t asked = pl->request->defaults.capture_least;
    return asked > CAPTURE_LEAST ? asked : CAPTURE_LEAST;
}

/* Of a step, drafts that nobody may take away: a further model that drafts was asked for by its name. */
static int least_drafts(const struct planner *pl)
{
    const struct plan_request *w = pl->request;
    return w->priced && !w->further[PLAN_DRAFT - PLAN_EMBED].path ? 0 : w->n_draft;
}

/* Where a step's rows have no room at once, the step is cut. */
static uint64_t capture_usual(const struct planner *pl)
{
    const struct plan_defaults *d = &pl->request->defaults;
    const uint64_t row = (uint64_t)pl->m->p.n_layer * (uint64_t)pl->m->p.n_embd * sizeof(float) + sizeof(stoker_token),
                   rows = d->capture_rows > 0 ? capture_memory((uint64_t)d->capture_rows, row) : 0,
                   a_step = rows < CAPTURE_MOST ? rows : CAPTURE_MOST,
                   usual = d->capture > a_step ? d->capture : a_step;
    return usual > d->capture_least ? usual : d->capture_least;
}

struct plan_config plan_full_config(const struct planner *pl)
{
    const struct plan_request *w = pl->request;
    int trained = pl->m->p.n_ctx_train, most = ctx_usual(pl),
        parallel = w->n_parallel ? w->n_parallel : w->defaults.n_parallel;
    struct plan_config c = {.n_ctx = w->n_ctx         ? w->n_ctx
                                     : trained < most ? trained
                                                      : most,
                            .n_parallel = parallel ? parallel : 1,
                            .n_chunk = w->n_chunk ? w->n_chunk : CHUNK,
                            .n_snapshots = snapshots_of(pl),
                            .n_draft = least_drafts(pl),
                            .cache_ram = plan_asked_cache(pl),
                            .capture = w->capture ? w->capture : capture_usual(pl)};
    memcpy(c.slots, pl->all, sizeof c.slots);
    return c;
}

struct plan_config plan_minimal_config(const struct planner *pl)
{
    struct plan_config c = plan_full_config(pl);
    if (!pl->request->n_ctx && c.n_ctx > ctx_low(pl))
        c.n_ctx = ctx_low(pl);
    if (!pl->request->n_parallel)
        c.n_parallel = 1;
    if (!pl->request->n_chunk)
        c.n_chunk = CHUNK_MIN;
    if (!pl->request->n_snapshots)
        c.n_snapshots = 1;
    c.cache_ram = 0;
    if (!pl->request->capture && c.capture > capture_least(pl))
        c.capture = capture_least(pl);
    c.least_constraints = c.least_further = 1;
    c.tables_on_disk = pl->can_stream;
    memcpy(c.slots, pl->request->n_slots ? pl->request->slots : pl->floor, sizeof c.slots);
    return c;
}

int plan_may_stream(const struct planner *pl)
{
    struct plan_config c = plan_full_config(pl);
    uint64_t resident = plan_price(pl, &c).total;
    c.tables_on_disk = 1;
    return plan_price(pl, &c).total < resident;
}

/* ---- what fits ---------------------------------------------------------------------------------------------------------------- */

static void take_slots(const struct planner *pl, struct plan_config *c, const int *slots)
{
    memcpy(c->slots, pl->request->n_slots ? pl->request->slots : slots, sizeof c->slots);
}

static int chunk_of(const struct planner *pl, int n) { return pl->request->n_chunk ? pl->request->n_chunk : n; }

struct plan_config plan_usual(const struct planner *pl, const struct plan_config *c)
{
    struct plan_config up = *c;
    up.n_chunk = chunk_of(pl, CHUNK);
    take_slots(pl, &up, pl->knee);
    return up;
}

static int fits_well(const struct planner *pl, const struct plan_config *c, uint64_t memory)
{
    const struct plan_config up = plan_usual(pl, c);
    return plan_fits(pl, &up, memory);
}

/* The largest prefix cache, from `low` up to what it is, beside which the rest fits; `low` if none does. */
static void shrink_cache(const struct planner *pl, struct plan_config *c, uint64_t memory, uint64_t low,
                         int (*fits)(const struct planner *, const struct plan_config *, uint64_t))
{
    uint64_t high = c->cache_ram;
    while (low < high) {
        c->cache_ram = low + (high - low + 1) / 2;
        if (fits(pl, c, memory))
            low = c->cache_ram;
        else
            high = c->cache_ram - 1;
    }
    c->cache_ram = low;
}

/* The context, and what has to be given up for the least of it. 0: nothing fits. */
static int fit(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    const struct plan_request *w = pl->request;
    int least_ctx = w->n_ctx || c->n_ctx < ctx_low(pl) ? c->n_ctx : ctx_low(pl);
    for (; c->n_ctx > least_ctx && !fits_well(pl, c, memory);)
        c->n_ctx = c->n_ctx / 2 > least_ctx ? c->n_ctx / 2 : least_ctx;
    shrink_cache(pl, c, memory, 0, fits_well);
    return plan_fits(pl, c, memory);
}

/* ---- what grows ---------------------------------------------------------------------------------------------------------------- */

/* Rows of tables on disk take what is left beside the rest, up to their share. */
static void grow_row_cache(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    const struct plan_config usual = plan_usual(pl, c);
    uint64_t share = memory / ROW_CACHE_SHARE, taken = plan_price(pl, &usual).total + plan_slack(memory);
    struct plan_config up = *c;
    if (!c->tables_on_disk || taken >= memory)
        return;
    up.row_cache = (memory - taken) / 256 * 255; /* of all parts the kernel keeps tables */
    if (up.row_cache > share)
        up.row_cache = share;
    if (up.row_cache > ROW_CACHE_MOST)
        up.row_cache = ROW_CACHE_MOST;
    if (fits_well(pl, &up, memory))
        *c = up;
}

static void grow(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    struct plan_config up = *c;
    if (c->cache_ram < pl->request->cache_ram) /* that was asked for */
        return;
    up.least_constraints = 0;
    if (fits_well(pl, &up, memory))
        *c = up;
    up = *c;
    up.least_further = 0;
    if (fits_well(pl, &up, memory))
        *c = up;
    up = *c;
    for (up.capture = plan_full_config(pl).capture; up.capture > c->capture; up.capture /= 2)
        if (fits_well(pl, &up, memory))
            *c = up;
    up = *c;
    up.n_snapshots = plan_full_config(pl).n_snapshots;
    if (fits_well(pl, &up, memory))
        *c = up;
    grow_row_cache(pl, c, memory);
}

/* ---- what is best -------------------------------------------------------------------------------------------------------------- */

/* The share of earlier conversations that is still known when their next turns come, if each client has one. */
static double known_share(const struct plan *p, const struct model *m, int n_client)
{
    int conversation = SPEED_PROMPT + SPEED_ANSWER < p->n_ctx ? SPEED_PROMPT + SPEED_ANSWER : p->n_ctx;
    double known = 1;
    for (int k = 0; k < KV_KINDS; k++)
        if (m->kv_layout[k].n_layer)
            known = fmin(known, (double)p->n_page[k] /
                                    ((double)n_client * kv_pages_needed(m->kv_layout[k].window, conversation, 1)));
    return m->state_bytes ? fmin(known, (double)p->n_state / n_client) : known;
}

/* Slots that a sweep frees for its reads (streaming.md S 2). */
static double freed(int n_slot)
{
    double n = n_slot / 8.0;
    return n < 8 ? fmin(8, n_slot) : fmin(n, 128);
}

struct speed plan_speed(const struct plan *p, const struct model *m, const struct speed_model *s, int n_client,
                        const struct speed_rates *r)
{
    struct speed_config c = {.n_prompt = speed_prompt(p->n_ctx),
                             .n_chunk = p->n_chunk,
                             .n_parallel = p->n_parallel < n_client ? p->n_parallel : n_client,
                             .tables_on_disk = m->n_moe_layer > 0 && p->tables_on_disk,
                             .known = known_share(p, m, n_client)};
    double all = 0;
    for (int i = 0; i < p->n_class; i++) {
        double bytes = (double)p->class[i].slot_bytes;
        int whole = p->slots[i] == p->class[i].n_expert;
        all += bytes * p->class[i].n_expert;
        c.held += bytes * p->slots[i];
        c.held_in_sweeps += bytes * (p->slots[i] - (whole ? 0 : freed(p->slots[i])));
    }
    c.held = all > 0 ? c.held / all : 1;
    c.held_in_sweeps = all > 0 ? c.held_in_sweeps / all : 1;
    return speed_predict(s, &c, r);
}

static double seconds_of(const struct planner *pl, const struct plan_config *c)
{
    struct plan p = plan_price(pl, c);
    return plan_speed(&p, pl->m, &pl->speed, pl->base.asked_parallel, &pl->rates).seconds;
}

/* What is tried: [0] the first, which is preferred where the others make no difference, to [1] the last. */
struct trials {
    int n_parallel[2]; /* downwards */
    int cache[2];      /* quarters of what was asked, downwards; {-1, -1}: stays as it is */
    int n_chunk[2];    /* upwards */
};

static struct trials trials_of(const struct planner *pl, const struct plan_config *c)
{
    const struct plan_request *w = pl->request;
    const struct plan_config full = plan_full_config(pl);
    struct trials t = {{c->n_parallel, c->n_parallel}, {-1, -1}, {c->n_chunk, c->n_chunk}};
    if (!w->n_parallel)
        t.n_parallel[0] = full.n_parallel;
    if (!w->cache_ram && full.cache_ram)
        t.cache[0] = CACHE_STEPS, t.cache[1] = 0;
    if (!w->n_chunk) {
        t.n_chunk[0] = CHUNK_MIN;
        t.n_chunk[1] = CHUNK_MAX;
    }
    return t;
}

/* An eighth of a power of two more. */
static int chunk_after(int n)
{
    int power = CHUNK_MIN;
    while (power * 2 <= n)
        power *= 2;
    return n + power / CHUNK_STEPS;
}

/* Of chunks alone, upwards: the least seconds. Ends with the first that takes at most `enough` seconds, which becomes *c. */
static double try_chunks(const struct planner *pl, struct plan_config *c, uint64_t memory, const int *n_chunk,
                         double enough)
{
    double best = INFINITY;
    struct plan_config tried = *c;
    for (tried.n_chunk = n_chunk[0]; tried.n_chunk <= n_chunk[1] && best > enough;
         tried.n_chunk = chunk_after(tried.n_chunk)) {
        if (!fill_slots(pl, &tried, memory, (struct slot_range){pl->floor, pl->all}))
            break;
        best = fmin(best, seconds_of(pl, &tried));
        if (best <= enough)
            *c = tried;
    }
    return best;
}

static double try_all(const struct planner *pl, struct plan_config *c, uint64_t memory, const struct trials *t,
                      double enough)
{
    double best = INFINITY;
    const struct plan_config least = *c;
    for (int n = t->n_parallel[0]; n >= t->n_parallel[1]; n -= n > 4 ? n / 4 : 1)
        for (int k = t->cache[0]; k >= t->cache[1]; k--) {
            struct plan_config tried = least;
            tried.n_parallel = n;
            if (k >= 0)
                tried.cache_ram = plan_asked_cache(pl) / CACHE_STEPS * (uint64_t)k;
            best = fmin(best, try_chunks(pl, &tried, memory, t->n_chunk, enough));
            if (best <= enough) {
                *c = tried;
                return best;
            }
        }
    return best;
}

static void choose_best(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    const struct trials t = trials_of(pl, c);
    double best = try_all(pl, c, memory, &t, 0);
    try_all(pl, c, memory, &t, best * NO_DIFFERENCE);
}

/* Nothing is given up for rows: all experts stay resident. */
static void grow_chunk(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    double best = seconds_of(pl, c);
    struct plan_config up = *c;
    while (!pl->request->n_chunk && (up.n_chunk = chunk_after(up.n_chunk)) <= CHUNK_MAX && plan_fits(pl, &up, memory)) {
        double seconds = seconds_of(pl, &up);
        if (seconds * NO_DIFFERENCE < best) {
            best = seconds;
            *c = up;
        }
    }
}

int plan_choose(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    const struct plan_request *w = pl->request;
    *c = plan_full_config(pl);
    if (!w->n_slots && plan_fits(pl, c, memory)) {
        grow_chunk(pl, c, memory);
        return 1;
    }
    struct plan_config least = plan_minimal_config(pl);
    least.n_ctx = c->n_ctx;
    least.cache_ram = w->cache_ram;
    *c = least;
    if (!fit(pl, c, memory))
        return 0;
    grow(pl, c, memory);
    choose_best(pl, c, memory);
    return 1;
}

/* ---- drafts that are priced --------------------------------------------------------------------------------------------------- */

/* Beside all experts, those of a layer that predicts too. */
static int fits_with_all(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    take_slots(pl, c, pl->all);
    return plan_fits(pl, c, memory);
}

/* The same; or in the place of prefixes that nobody asked for, of a quarter at most: a little fewer of them are known then, and nothing is
 * read. */
static int fits_for_prefixes(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    take_slots(pl, c, pl->all);
    if (!pl->request->cache_ram) {
        c->cache_ram = plan_asked_cache(pl);
        shrink_cache(pl, c, memory, c->cache_ram - c->cache_ram / CACHE_STEPS, plan_fits);
    }
    return plan_fits(pl, c, memory);
}

/* In the place of slots above the knee; of a size that no layer had before, as many as the knee is. */
static int fits_for_slots(const struct planner *pl, struct plan_config *c, uint64_t memory)
{
    int most[EXPERT_CLASSES];
    for (int i = 0; i < pl->base.n_class; i++) {
        most[i] = c->slots[i] ? c->slots[i] : pl->knee[i];
        if (most[i] < pl->knee[i])
            return 0;
    }
    return fill_slots(pl, c, memory, (struct slot_range){pl->knee, most});
}

/* Bytes of slots that there are only for a layer that predicts. */
static uint64_t slots_beyond(const struct planner *pl, const struct plan_config *up, const struct plan_config *c)
{
    uint64_t bytes = 0;
    for (int i = 0; i < pl->base.n_class; i++)
        if (up->slots[i] > c->slots[i])
            bytes += (uint64_t)(up->slots[i] - c->slots[i]) * pl->base.class[i].slot_bytes;
    return bytes;
}

/* What is drafted may save nothing, and what is read for want of slots takes its time: drafts have a small share, or none. */
int plan_place_drafts(const struct planner *pl, struct plan_config *c, uint64_t memory, unsigned degraded)
{
    uint64_t share = pl->base.memory / (degraded ? DRAFT_SHARE : DRAFT_SHARE_WHOLE);
    int (*fits)(const struct planner *, struct plan_config *, uint64_t) = degraded & PLAN_CUT_EXPERTS ? fits_for_slots
                                                                          : degraded                  ? fits_with_all
                                                                                     : fits_for_prefixes;
    for (int n = least_drafts(pl) ? 0 : pl->request->n_draft; n > 0 && 2 * n >= c->n_draft; n /= 2) {
        struct plan_config up = *c;
        up.n_draft = n;
        if (fits(pl, &up, memory) && plan_draft_bytes(pl, &up) + slots_beyond(pl, &up, c) <= share) {
            *c = up;
            return 1;
        }
    }
    return 0;
}

/* ---- what was given up --------------------------------------------------------------------------------------------------------- */

unsigned plan_cuts(const struct planner *pl, const struct plan_config *c)
{
    const struct plan_config full = plan_full_config(pl);
    unsigned cut = c->tables_on_disk ? PLAN_CUT_EMBEDDING : 0;
    for (int i = 0; i < pl->base.n_class; i++) {
        cut |= c->slots[i] < pl->all[i] ? PLAN_CUT_EXPERTS : 0;
        cut |= c->slots[i] < pl->knee[i] ? PLAN_CUT_CACHE : 0;
    }
    cut |= c->cache_ram < full.cache_ram       ? PLAN_CUT_PREFIX
           : c->n_snapshots < full.n_snapshots ? PLAN_CUT_PREFIX | PLAN_CUT_COPIES
                                               : 0;
    cut |= c->capture < full.capture ? PLAN_CUT_CAPTURE : 0;
    cut |= c->n_parallel < full.n_parallel ? PLAN_CUT_SEQUENCES : 0;
    for (int i = 0; i < PLAN_FURTHER; i++) {
        const struct plan_further *e = &pl->request->further[i];
        cut |= c->least_further && e->least < e->whole ? PLAN_CUT_ENCODERS : 0;
    }
    return cut | (c->n_chunk < full.n_chunk ? PLAN_CUT_CHUNK : 0) | (c->n_ctx < full.n_ctx ? PLAN_CUT_CONTEXT : 0);
}
