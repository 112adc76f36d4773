/* Reading before a layer asks. Where the tokens alone decide a layer's experts, these are read when the step begins, while the layers
 * before it are computed. At most half of the slots that are free or evictable are taken, and experts of such a layer that are
 * already resident are held until its turn. Decided by the order of calls alone. Rule: streaming.md L.
 *
 * Where every expert has a slot, all of them are read as soon as the drive has nothing else to do: nothing is ever evicted there. */
#include "store/expert_inside.h"

#include <assert.h>

enum { FILL = 8 }; /* experts at a time: enough to keep a drive busy, few enough that the next miss hardly waits */

void store_read_ahead(struct expert_store *st, int layer, const int32_t *id, int n)
{
    int n_read = 0, may = slots_open(st, layer) / 2;
    assert(st->layer[layer].n_expert > 0);
    if (st->sweep)
        return;
    cache_hold_none(&st->cache, layer); /* held by an earlier step that ended before this layer */
    for (int i = 0; i < n; i++)
        if (cache_slot(&st->cache, layer, id[i]) >= 0)
            cache_hold(&st->cache, layer, id[i], 1);
    for (int i = 0; i < n; i++) {
        struct slot *s = NULL;
        if (cache_slot(&st->cache, layer, id[i]) < 0 && n_read < may * st->layer[layer].n_part)
            s = slot_take(st, layer, REACH_DONE);
        if (!s)
            continue;
        n_read += slot_load(st, s, layer, id[i], READ_AHEAD, st->batch + n_read);
        s->early = 1;
        slot_update(st, s);
        cache_hold(&st->cache, layer, id[i], 1);
        count(&st->early, 1);
    }
    if (n_read > 0)
        reader_submit(st->reader, &st->list, st->batch, n_read);
}

/* A slot that waits for the device after a failed read is missing: what nothing asks for must not evict another. */
static int has_slots_for_all(const struct expert_store *st, int layer)
{
    const struct slot_class *k = st->layer[layer].n_expert ? &st->class[st->cache.layer[layer].class] : NULL;
    return k && k->n_slot >= k->shape.n_expert && k->n_free > 0;
}

/* The next expert to read, in ascending order of layers and ids. 0: there is none left. */
static int next_to_fill(struct expert_store *st)
{
    for (; st->fill_layer < st->n_layer; st->fill_layer++, st->fill_id = 0) {
        int n = has_slots_for_all(st, st->fill_layer) ? st->layer[st->fill_layer].n_expert : 0;
        for (; st->fill_id < n; st->fill_id++)
            if (cache_slot(&st->cache, st->fill_layer, st->fill_id) < 0)
                return 1;
    }
    return 0;
}

int store_fill(struct expert_store *st)
{
    int n = 0, n_read = 0;
    if (st->log || st->list.active > 0)
        return !st->log && st->fill_layer < st->n_layer;
    for (; n < FILL && next_to_fill(st) && n < st->layer[st->fill_layer].n_expert; n++) {
        struct slot *s = slot_take(st, st->fill_layer, REACH_DONE);
        if (!s)
            break;
        n_read += slot_load(st, s, st->fill_layer, st->fill_id++, READ_AHEAD, st->batch + n_read);
        slot_update(st, s);
    }
    if (n_read > 0)
        reader_submit(st->reader, &st->list, st->batch, n_read);
    return n > 0;
}
