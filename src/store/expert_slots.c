/* What lives in a slot, and how it gets there and out again.
 *
 * A slot is in one of these conditions; slot_settle() is the one place that moves the counts:
 *
 *     state      pins  in the cache   loose
 *     FREE        0    no             yes: taken first
 *     LOADING    any   yes            only when read early: a victim like any other, but its reads come back first
 *     READY       0    yes            yes: a victim
 *     READY      >0    yes            no
 *     DRAINING   any   no             no; FREE once its last read is home and nobody has it pinned */
#include "store/expert_inside.h"

#include "base/clock.h"

#include <assert.h>
#include <time.h>

/* A stalled device holds up a sweep that wants one of its slots for so long; then that slot is left alone. */
static const uint64_t vacate_wait_ns = 2000000000;

static void put_free(struct expert_store *st, struct slot *s)
{
    struct slot_class *k = &st->class[s->class];
    s->state = SLOT_FREE;
    s->next_free = k->free;
    k->free = (int32_t)(s - st->slot);
    k->n_free++;
}

void slot_settle(struct expert_store *st, struct slot *s)
{
    struct slot_class *k = &st->class[s->class];
    if (s->state == SLOT_DRAINING && s->reads == 0 && s->pins == 0) {
        put_free(st, s);
    }
    int victim = s->pins == 0 && (s->state == SLOT_READY || (s->state == SLOT_LOADING && s->early));
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

/* Take back what has not gone out of an early slot's reads. */
static void recall(struct expert_store *st, struct slot *s)
{
    const struct expert_layer *l = &st->layer[s->layer];
    for (int p = 0; p < l->n_part; p++) {
        if (!reader_withdraw(st->reader, &s->read[p]))
            continue;
        s->reads--;
        count(&st->reads, (uint64_t)-1);
        count(&st->bytes_read, -range_bytes(&l->part[p], s->id, st->align));
    }
}

/* 1: nobody writes into it any more. 0: the device keeps it, or its read has just failed; then it is out of the cache. */
static int vacate(struct expert_store *st, struct slot *s)
{
    if (s->state == SLOT_LOADING)
        recall(st, s);
    for (uint64_t until = clock_ns() + vacate_wait_ns; s->reads > 0 && clock_ns() < until;) {
        struct read_request *q = reader_reap(st->reader, &st->list, 0);
        if (q)
            slot_read_home(st, q);
        else
            nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    if (s->state == SLOT_READY || (s->state == SLOT_LOADING && s->reads == 0))
        return 1;
    if (s->state == SLOT_LOADING) {
        s->state = SLOT_DRAINING;
        s->early = 0;
        cache_drop(&st->cache, s->layer, s->id);
        count(&st->draining, 1);
        slot_settle(st, s);
    }
    return 0;
}

static struct slot *evict(struct expert_store *st, int layer, enum cache_reach reach)
{
    int32_t at;
    int of_layer, id, c = st->cache.layer[layer].class;
    while ((at = cache_victim(&st->cache, c, st->turn, reach, &of_layer, &id)) >= 0) {
        struct slot *s = &st->slot[at];
        assert(s->pins == 0);
        if (!vacate(st, s))
            continue;
        cache_drop(&st->cache, of_layer, id);
        count(&st->early_waste, s->early == EARLY);
        s->early = 0;
        count(&st->evictions, 1);
        tell(st, 1, of_layer, id);
        return s;
    }
    return NULL;
}

struct slot *slot_take(struct expert_store *st, int layer, enum cache_reach reach)
{
    struct slot_class *k = &st->class[st->cache.layer[layer].class];
    if (k->free < 0)
        return evict(st, layer, reach);
    struct slot *s = &st->slot[k->free];
    k->free = s->next_free;
    k->n_free--;
    return s;
}

void slot_make_room(struct expert_store *st, int layer, int n, enum cache_reach reach)
{
    struct slot *s;
    while (slots_open(st, layer) < n && (s = evict(st, layer, reach)))
        put_free(st, s);
}

int slot_load(struct expert_store *st, struct slot *s, int layer, int id, enum read_rank rank,
              struct read_request **batch)
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
                                           .rank = rank,
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
    if (q->state == READ_FAILED && s->state == SLOT_LOADING) {
        s->failed = q;
        s->state = SLOT_DRAINING;
        s->early = 0;
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
