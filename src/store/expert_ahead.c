/* Reading ahead without guessing: where the tokens alone decide a layer's experts, these are read when the step begins, while the layers
 * before it are computed. At most half of the slots that are free or evictable are taken, and experts of such a layer that are
 * already resident are held until its turn. Decided by the order of calls alone. Rule: streaming.md L. */
#include "store/expert_inside.h"

#include <assert.h>

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
