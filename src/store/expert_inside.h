/* The state of the store, shared by its files: expert_store.c (the calls of a layer), expert_slots.c (states of slots, loading,
 * eviction), expert_sweep.c (steps of many rows), expert_ahead.c (experts that are read before they are asked for). */
#ifndef STORE_EXPERT_INSIDE_H
#define STORE_EXPERT_INSIDE_H

#include "base/checked.h"
#include "store/expert_cache.h"
#include "store/expert_store.h"
#include "store/reader.h"

#include <stdatomic.h>

enum { WAVES = 2, SLOT_FREE = 0, SLOT_LOADING, SLOT_READY, SLOT_DRAINING };

struct slot {
    uint8_t *memory;
    int32_t layer, id;
    int32_t next_free;
    int32_t position[WAVES]; /* in an open wave; -1: not in it */
    int32_t pins;
    int32_t reads; /* requests that have not completed */
    uint8_t state, evictable, class;
    uint8_t early;                     /* read before its layer's turn, not used yet */
    const struct read_request *failed; /* the first of its reads that failed */
    struct read_request read[EXPERT_PARTS];
};

struct slot_class {
    struct expert_class shape;
    int n_slot;
    int32_t free; /* head of the list, -1 */
    int n_free, n_evictable;
};

struct wave {
    const int32_t *id; /* [n] of the layer's uses */
    int layer, first, n, n_readable, n_taken;
    int32_t *slot;     /* [n] */
    int32_t *readable; /* [n] positions, in the order they are handed out */
};

struct expert_store {
    struct reader *reader;
    uint32_t align;
    struct expert_layer *layer; /* [n_layer], a copy */
    int n_layer, n_class, n_slot;
    struct slot_class class[EXPERT_CLASSES];
    struct slot *slot;
    struct expert_cache cache;
    struct wave wave[WAVES];
    int oldest, n_open;
    int turn;                                           /* the layer announced last, and its uses */
    const struct expert_uses *uses;                     /* of store_layer_begin */
    int n_wave, n_begun;                                /* its waves: planned, begun */
    int sweep;                                          /* rows of the sweep that is on; 0: none */
    int (*is_idle)(const void *arg, int layer, int id); /* of it; NULL: none is */
    const void *idle_arg;
    int fill_layer, fill_id; /* the expert that store_fill() looks at next */
    struct read_list list;
    struct read_request **batch; /* [largest n_expert * parts] */
    int32_t *order;              /* [largest n_expert] candidates of a sweep */
    void (*log)(void *arg, const struct store_event *e);
    void *log_arg;
    struct reader_stats at_start;
    /* written by the engine thread, read by any */
    _Atomic uint64_t *used; /* rows of each expert, in the order of the cache's tables */
    _Atomic uint64_t hits, misses, evictions, bytes_read, reads, failed, draining, wait_ns, early, early_used,
        early_waste;
};

static inline void count(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Bytes of the aligned range around part x of expert id, as it is read. */
static inline uint64_t range_bytes(const struct expert_extent *x, int id, uint32_t align)
{
    uint64_t o = x->offset + (uint64_t)id * x->bytes;
    return round_up(o % align + x->bytes, align);
}

/* Bytes that it takes in a slot: whole pages. */
static inline uint64_t range_slot_bytes(const struct expert_extent *x, int id, uint32_t align)
{
    return round_up(range_bytes(x, id, align), READER_PAGE);
}

/* ---- expert_slots.c ---- */

/* After any change of state or pins: counts the slot as free or evictable, and a drained one as free. */
void slot_update(struct expert_store *st, struct slot *s);

/* Evict the expert of a slot that nobody has pinned: it leaves the cache, and the slot is free. */
void slot_drop(struct expert_store *st, struct slot *s);

/* A slot for an expert of this layer: a free one, else that of an acceptable victim; NULL: there is none. */
struct slot *slot_take(struct expert_store *st, int layer, enum cache_reach reach);

/* Evict until the layer's class has n slots that are free or evictable with REACH_DONE, or no acceptable victim is left. */
void slot_evict_until(struct expert_store *st, int layer, int n, enum cache_reach reach);

/* Assign the slot to (layer, id) and append its reads to batch. Returns how many. */
int slot_load(struct expert_store *st, struct slot *s, int layer, int id, enum read_rank rank,
              struct read_request **batch);

/* A read of a slot has completed or failed. */
void slot_on_completion(struct expert_store *st, const struct read_request *q);

/* How many slots of the layer's class are free or evictable with REACH_DONE. */
static inline int slots_open(const struct expert_store *st, int layer)
{
    int c = st->cache.layer[layer].class;
    return st->class[c].n_free + cache_evictable(&st->cache, c);
}

/* ---- expert_sweep.c ---- */

/* Free some slots, then plan the waves of a layer call within a sweep into out. Returns their number. */
int sweep_plan(struct expert_store *st, const struct expert_uses *uses, struct expert_wave *out);

/* Where the current layer's last wave has begun: read experts of the next layer. Called after each wave begins or ends. */
void sweep_go_on(struct expert_store *st);

#endif
