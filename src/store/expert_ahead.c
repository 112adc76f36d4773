/* Certain knowledge: layers whose experts are known before the step comes to them (tokens alone decide) are read when it begins, so
 * that reading hides behind the layers before. Half of what may go without harm is taken at most; what a layer will find resident
 * stays until its turn. Decided by the order of calls alone. Rule and figures: streaming.md L of the specification. */
#include "store/expert_inside.h"

#include <assert.h>

void store_read_ahead(struct expert_store *st, int layer, const int32_t *id, int n)
{
    int n_read = 0, may = slots_open(st, layer) / 2;
    assert(st->layer[layer].n_expert > 0);
    if (st->sweep)
        return;
    cache_hold_none(&st->cache, layer); /* of a step that never came there */
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
        slot_settle(st, s);
        cache_hold(&st->cache, layer, id[i], 1);
        count(&st->early, 1);
    }
    if (n_read > 0)
        reader_submit(st->reader, &st->list, st->batch, n_read);
}
