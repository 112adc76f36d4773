/* The states of a slot, loading experts into slots, and evicting them.
 *
 * A slot is in one of these states; only slot_update() changes the counts:
 *
 *     state      pins  in the cache   evictable
 *     FREE        0    no             yes: taken first
 *     LOADING    any   yes            only if it was read early
 *     READY       0    yes            yes
 *     READY      >0    yes            no
 *     DRAINING   any   no             no; FREE once its last read has completed and nobody has it pinned
 *
 * An early slot that is evicted is FREE at once, although the device may still be reading into it: which experts are resident must not
 * depend on the progress of reads. Reads that have not been submitted are withdrawn; slot_take() waits for the others if it finds
 * no other slot. */
#include "store/expert_inside.h"

#include "base/clock.h"

#include <assert.h>
#include <time.h>

/* So long, at most, is a slot waited for into which a stalled device may still read; after that it is not used until the reads complete. */
static const uint64_t drain_wait_ns = 2000000000;

static void put_free(struct expert_store *st, struct slot *s)
{
    struct slot_class *k = &st->class[s->class];
    s->state = SLOT_FREE;
    s->next_free = k->free;
    k->free = (int32_t)(s - st->slot);
    k->n_free++;
}

void slot_update(struct expert_store *st, struct slot *s)
{
    struct slot_class *k = &st->class[s->class];
    if (s->state == SLOT_DRAINING && s->reads == 0 && s->pins == 0) {
        put_free(st, s);
    }
    int victim = s->pins == 0 && (s->state == SLOT_READY || (s->state == SLOT_LOADING && s->early));
    int evictable = victim || s->state == SLOT_FREE;
    k->n_evictable += evictable - s->evictable;
    s->evictable = (uint8_t)evictable;
    if (s->state == SLOT_READY || s->state == SLOT_LOADING)
        cache_set_evictable(&st->cache, s->layer, s->id, victim);
}

static void log_event(struct expert_store *st, int evict, int layer, int id)
{
    if (st->log)
        st->log(st->log_arg, &(struct store_event){st->turn, evict, layer, id});
}

/* Withdraw the reads of a slot that have not been submitted to the device. 1: those were all of them. */
static int withdraw_reads(struct expert_store *st, struct slot *s)
{
    const struct expert_layer *l = &st->layer[s->layer];
    int n = 0;
    for (int p = 0; p < l->n_part; p++) {
        if (!reader_withdraw(st->reader, &s->read[p]))
            continue;
        n++;
        count(&st->bytes_read, -range_bytes(&l->part[p], s->id, st->align));
    }
    s->reads -= n;
    count(&st->reads, (uint64_t)-n);
    return n == l->n_part;
}

void slot_drop(struct expert_store *st, struct slot *s)
{
    int unread = s->state == SLOT_LOADING && withdraw_reads(st, s);
    if (s->early && unread)
        count(&st->early, (uint64_t)-1);
    else
        count(&st->early_waste, s->early);
    s->early = 0;
    log_event(st, 1, s->layer, s->id);
    cache_drop(&st->cache, s->layer, s->id);
    put_free(st, s);
}

static int evict(struct expert_store *st, int layer, enum cache_reach reach)
{
    int of_layer, id;
    int32_t at = cache_victim(&st->cache, st->cache.layer[layer].class, st->turn, reach, &of_layer, &id);
    if (at < 0)
        return 0;
    assert(st->slot[at].pins == 0);
    count(&st->evictions, 1);
    slot_drop(st, &st->slot[at]);
    return 1;
}

/* Remove a slot from the free list, if possible one that no read is in flight into; NULL: the list is empty. */
static struct slot *unlink_free(struct expert_store *st, struct slot_class *k)
{
    int32_t *at = &k->free;
    while (*at >= 0 && st->slot[*at].reads > 0)
        at = &st->slot[*at].next_free;
    at = *at >= 0 ? at : &k->free;
    if (*at < 0)
        return NULL;
    struct slot *s = &st->slot[*at];
    *at = s->next_free;
    k->n_free--;
    return s;
}

/* 1: the slot's reads have completed; 0: the device still holds some. */
static int wait_for_reads(struct expert_store *st, const struct slot *s)
{
    if (s->reads == 0)
        return 1;
    uint64_t since = clock_ns();
    while (s->reads > 0 && clock_ns() < since + drain_wait_ns) {
        struct read_request *q = reader_reap(st->reader, &st->list, 0);
        if (q)
            slot_on_completion(st, q);
        else
            nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    count(&st->wait_ns, clock_ns() - since);
    return s->reads == 0;
}

struct slot *slot_take(struct expert_store *st, int layer, enum cache_reach reach)
{
    for (;;) {
        struct slot *s = unlink_free(st, &st->class[st->cache.layer[layer].class]);
        if (s && wait_for_reads(st, s))
            return s;
        if (s) {
            s->state = SLOT_DRAINING;
            count(&st->draining, 1);
            slot_update(st, s);
        } else if (!evict(st, layer, reach))
            return NULL;
    }
}

void slot_evict_until(struct expert_store *st, int layer, int n, enum cache_reach reach)
{
    while (slots_open(st, layer) < n && evict(st, layer, reach))
        ;
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
        to += range_slot_bytes(x, id, st->align);
        count(&st->bytes_read, bytes);
    }
    s->layer = layer;
    s->id = id;
    s->state = SLOT_LOADING;
    s->failed = NULL;
    s->reads = l->n_part;
    cache_put(&st->cache, layer, id, (int32_t)(s - st->slot));
    log_event(st, 0, layer, id);
    count(&st->reads, (uint64_t)l->n_part);
    return l->n_part;
}

/* Append the slot's expert to the readable ones of the waves that wait for it: it has been read, or has failed for good. */
static void hand_over(struct expert_store *st, struct slot *s)
{
    for (int w = 0; w < WAVES; w++)
        if (s->position[w] >= 0)
            st->wave[w].readable[st->wave[w].n_readable++] = s->position[w];
}

void slot_on_completion(struct expert_store *st, const struct read_request *q)
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
    slot_update(st, s);
}
