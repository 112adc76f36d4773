/* What lives in a slot, and how it gets there and out again.
 *
 * A slot is in one of these conditions; slot_settle() is the one place that moves the counts:
 *
 *     state      pins  in the cache   loose
 *     FREE        0    no             yes: taken first
 *     LOADING    any   yes            no
 *     READY       0    yes            yes: a victim
 *     READY      >0    yes            no
 *     DRAINING   any   no             no; FREE once its last read is home and nobody has it pinned */
#include "store/expert_inside.h"

#include <assert.h>

void slot_settle(struct expert_store *st, struct slot *s)
{
    struct slot_class *k = &st->class[s->class];
    if (s->state == SLOT_DRAINING && s->reads == 0 && s->pins == 0) {
        s->state = SLOT_FREE;
        s->next_free = k->free;
        k->free = (int32_t)(s - st->slot);
    }
    int victim = s->state == SLOT_READY && s->pins == 0;
    int loose = victim || s->state == SLOT_FREE;
    k->n_loose += loose - s->loose;
    s->loose = (uint8_t)loose;
    if (s->state == SLOT_READY || s->state == SLOT_LOADING)
        cache_set_loose(&st->cache, s->layer, s->id, victim);
}

static void tell(struct expert_store *st, int evict, int layer, int id)
{
    if (st->log)
        st->log(st->log_arg, &(struct store_event){st->turn, evict, layer, id});
}

/* A slot for a miss of this layer: a free one, else the victim's. The caller knows that there is one. */
struct slot *slot_take(struct expert_store *st, int layer)
{
    int c = st->cache.layer[layer].class;
    struct slot_class *k = &st->class[c];
    struct slot *s;
    if (k->free >= 0) {
        s = &st->slot[k->free];
        k->free = s->next_free;
        return s;
    }
    int of_layer, id;
    s = &st->slot[cache_victim(&st->cache, c, layer, &of_layer, &id)];
    assert(s->state == SLOT_READY && s->pins == 0 && s->reads == 0);
    cache_drop(&st->cache, of_layer, id);
    count(&st->evictions, 1);
    tell(st, 1, of_layer, id);
    return s;
}

/* Make the slot the home of (layer, id) and add its reads to the batch. */
int slot_load(struct expert_store *st, struct slot *s, int layer, int id, struct read_request **batch)
{
    const struct expert_layer *l = &st->layer[layer];
    uint8_t *to = s->memory;
    for (int p = 0; p < l->n_part; p++) {
        const struct expert_extent *x = &l->part[p];
        uint64_t bytes = range_bytes(x, id, st->align);
        s->read[p] = (struct read_request){.file = x->file,
                                           .offset = x->offset + (uint64_t)id * x->bytes,
                                           .length = x->bytes,
                                           .to = to,
                                           .what = x->tensor,
                                           .unit = "expert",
                                           .id = id,
                                           .user = s};
        batch[p] = &s->read[p];
        to += bytes;
        count(&st->bytes_read, bytes);
    }
    s->layer = layer;
    s->id = id;
    s->state = SLOT_LOADING;
    s->failed = NULL;
    s->reads = l->n_part;
    cache_put(&st->cache, layer, id, (int32_t)(s - st->slot));
    tell(st, 0, layer, id);
    count(&st->reads, (uint64_t)l->n_part);
    return l->n_part;
}

/* Readable now, or never. */
static void hand_over(struct expert_store *st, struct slot *s)
{
    for (int w = 0; w < WAVES; w++)
        if (s->place[w] >= 0)
            st->wave[w].readable[st->wave[w].n_readable++] = s->place[w];
}

void slot_read_home(struct expert_store *st, const struct read_request *q)
{
    struct slot *s = q->user;
    int was_draining = s->state == SLOT_DRAINING && s->reads > 0;
    if (!q->draining)
        s->reads--;
    if (q->state == READ_FAILED && !s->failed) {
        s->failed = q;
        s->state = SLOT_DRAINING;
        cache_drop(&st->cache, s->layer, s->id);
        count(&st->failed, 1);
        hand_over(st, s);
    } else if (s->state == SLOT_LOADING && s->reads == 0) {
        s->state = SLOT_READY;
        hand_over(st, s);
    }
    int draining = s->state == SLOT_DRAINING && s->reads > 0;
    count(&st->draining, (uint64_t)(draining - was_draining));
    slot_settle(st, s);
}
