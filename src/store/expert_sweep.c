/* Sweeps: a chunk of many rows goes layer by layer through nearly all experts and reads each at most once.
 *
 *     layer         0 1 2 3 ... l     | l+1              | l+2 ...
 *     its experts   done: evictable   | next: read early | kept: they will certainly be used
 *
 * A miss takes a free slot, else that of the lowest score among the layers that are done. The experts just computed count as done, so
 * those with low scores pass through the same few slots again and again, and those with high scores stay. When a chunk begins
 * all layers are kept; then some slots are freed first, from the lowest scores of all.
 *
 * Experts of the next layer are chosen when this layer's last wave begins, and again as its waves end: at most into half of the slots
 * that are free or evictable. All of it is decided by the order of calls, never by which reads have completed. Reads that
 * nothing waits for yet have a lower rank than the others, and those for a wrong guess that have not been submitted are
 * withdrawn. So guesses cost next to nothing where the disk is the bottleneck, and nothing where it is not.
 * Rule: streaming.md S. */
#include "store/expert_inside.h"

#include <assert.h>

enum {
    RESERVE = 8,        /* slots that are freed for a sweep at least: two waves of four */
    RESERVE_MOST = 128, /* ... at most: more would not make reading faster, and would evict more */
    RESERVE_SHARE = 8,  /* ... this part of the class's slots */
    EARLY_ROWS = 64,    /* from so many rows on the next layer's frequent experts are read early */
    ALL_ROWS = 256,     /* ... all of them */
    FREQUENT = 32768,   /* score slow of such an expert: half a use */
    SPLIT_ROWS = 256,   /* with fewer rows reads take longer than products: waves are short, so that both overlap */
    SPLIT = 4
};

static int next_layer(const struct expert_store *st, int layer)
{
    do
        layer++;
    while (layer < st->n_layer && st->layer[layer].n_expert == 0);
    return layer;
}

static int sweep_slots(const struct expert_store *st, int layer)
{
    int n_slot = st->class[st->cache.layer[layer].class].n_slot, space = n_slot / RESERVE_SHARE;
    space = space > RESERVE_MOST ? RESERVE_MOST : space < RESERVE ? RESERVE : space;
    return space < n_slot ? space : n_slot;
}

/* ---- the next layer, early -------------------------------------------------------------------------------------------------- */

/* The most used first, among equals the smallest id: order[n_expert]. */
static int candidates(const struct expert_store *st, int layer, int32_t *order)
{
    const uint32_t *slow = st->cache.slow + st->cache.layer[layer].first;
    uint32_t least = st->sweep >= ALL_ROWS ? 0 : FREQUENT;
    int n = 0;
    for (int id = 0; id < st->layer[layer].n_expert; id++) {
        if (slow[id] < least || cache_slot(&st->cache, layer, id) >= 0 ||
            (st->is_idle && st->is_idle(st->idle_arg, layer, id)))
            continue;
        int at = n++;
        for (; at > 0 && slow[order[at - 1]] < slow[id]; at--)
            order[at] = order[at - 1];
        order[at] = id;
    }
    return n;
}

static int early_held(const struct expert_store *st, int layer)
{
    int n = 0;
    for (int id = 0; id < st->layer[layer].n_expert; id++) {
        int32_t at = cache_slot(&st->cache, layer, id);
        n += at >= 0 && st->slot[at].early;
    }
    return n;
}

static void read_ahead(struct expert_store *st, int layer)
{
    assert(st->cache.layer[layer].kept);
    int held = early_held(st, layer), may = (held + slots_open(st, layer)) / 2 - held, n_read = 0;
    if (may <= 0)
        return;
    int n = candidates(st, layer, st->order);
    for (int i = 0; i < n && i < may; i++) {
        struct slot *s = slot_take(st, layer, REACH_DONE);
        if (!s)
            break;
        n_read += slot_load(st, s, layer, st->order[i], READ_AHEAD, st->batch + n_read);
        s->early = 1;
        slot_update(st, s);
        count(&st->early, 1);
    }
    if (n_read > 0)
        reader_submit(st->reader, &st->list, st->batch, n_read);
}

void sweep_go_on(struct expert_store *st)
{
    int next = next_layer(st, st->turn);
    if (st->sweep >= EARLY_ROWS && st->n_begun == st->n_wave && next < st->n_layer)
        read_ahead(st, next);
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

void store_sweep_without(struct expert_store *st, int (*is_idle)(const void *arg, int layer, int id), const void *arg)
{
    st->is_idle = is_idle;
    st->idle_arg = arg;
}

void store_sweep_begin(struct expert_store *st, int n_rows)
{
    int first = next_layer(st, -1);
    cache_hold_none(&st->cache, st->turn);
    st->sweep = n_rows;
    for (int l = 0; l < st->n_layer; l++)
        cache_keep(&st->cache, l, n_rows > 0);
    if (n_rows < EARLY_ROWS || first == st->n_layer)
        return;
    st->turn = first;
    int missing = candidates(st, first, st->order), space = sweep_slots(st, first);
    slot_evict_until(st, first, missing < space ? missing : space, REACH_KEPT);
    read_ahead(st, first);
}

static int misses_of(const struct expert_store *st, const struct expert_uses *uses)
{
    int n = 0;
    for (int i = 0; i < uses->n; i++)
        n += cache_slot(&st->cache, st->turn, uses->id[i]) < 0;
    return n;
}

/* Waves of at most cap misses each; what is resident takes no slot and comes along. */
static int cut_waves(const struct expert_store *st, const struct expert_uses *uses, int cap, struct expert_wave *out)
{
    int n = 0, misses = 0;
    for (int i = 0; i < uses->n; i++) {
        int miss = cache_slot(&st->cache, st->turn, uses->id[i]) < 0;
        if (n == 0 || misses + miss > cap) {
            out[n++] = (struct expert_wave){i, 0};
            misses = 0;
        }
        misses += miss;
        out[n - 1].n++;
    }
    return n;
}

int sweep_plan(struct expert_store *st, const struct expert_uses *uses, struct expert_wave *out)
{
    int layer = st->turn, misses = misses_of(st, uses), space = sweep_slots(st, layer);
    cache_keep(&st->cache, layer, 0);
    slot_evict_until(st, layer, misses < space ? misses : space, REACH_KEPT);
    if (misses > 1 || (misses == 1 && slots_open(st, layer) == 0)) /* every slot a hit, and one expert more */
        slot_evict_until(st, layer, 2, REACH_HELD);
    misses = misses_of(st, uses);
    int cap = slots_open(st, layer) / 2, split = st->sweep < SPLIT_ROWS ? SPLIT : 1;
    if (misses <= 1 || cap < 1)
        cap = 1;
    int waves = (misses + cap - 1) / cap;
    waves = waves < split ? split : waves;
    cap = (misses + waves - 1) / waves;
    return cut_waves(st, uses, cap, out);
}
