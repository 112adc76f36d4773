/* The eviction policy: which experts are resident and which is evicted next. Only tables: no weights and no I/O.
 *
 *     fast, slow [layer][expert]   two integer averages of the uses of every expert, resident or not
 *         turn:  fast -= fast >> 1;  slow -= slow >> 5      all experts of the layer
 *         use:   fast += 65536;      slow += 65536          once a row and expert used
 *     score = 4 * fast + slow      recency and frequency, both counted in turns of the expert's own layer
 *
 * Each prompt row is a turn; all decode rows of a call together are one. The victim is the smallest score; among equals the
 * layer whose next turn is farthest (the current one is the farthest of all), then the smallest id. All integers: the order of
 * victims is a pure function of the routes.
 *
 * Two things override the score. Experts of a kept layer, which the current sweep has not reached and will certainly use, are
 * evicted only when no others can be. Held experts, which the current layer call uses later, are evicted last of all.
 *
 * The smallest score of each layer is remembered, so choosing a victim compares the layers and scans one of them: about a microsecond. */
#ifndef STORE_EXPERT_CACHE_H
#define STORE_EXPERT_CACHE_H

#include "base/arena.h"
#include "store/expert_store.h"

#include <stdint.h>

struct cache_layer {
    int n_expert, first, class; /* first: index of its expert 0 in the tables */
    int kept;                   /* evicted only when no expert of another layer can be */
    int n_evictable;            /* evictable and not held */
    int known;                  /* 1: low and low_id are up to date */
    int low_id;                 /* the evictable expert with the smallest score; -1: none */
    uint64_t low;
};

struct expert_cache {
    struct cache_layer *layer;
    int n_layer;
    uint32_t *fast, *slow; /* no overflow below 2000 decode rows in a call: slow stays under 32 uses of each */
    int32_t *slot;         /* -1: not resident */
    uint8_t *evictable;    /* CACHE_EVICTABLE: resident and not pinned; CACHE_HELD: used later in this call */
};

enum { CACHE_EVICTABLE = 1, CACHE_HELD = 2 };

/* Which victims are acceptable: of layers that are not kept; of any layer; held ones as well. */
enum cache_reach { REACH_DONE, REACH_KEPT, REACH_HELD };

/* The tables of a cache, from mem; -1 when mem is too small. Writes nothing but *c, so mem may be a measuring arena. */
int cache_allocate(struct expert_cache *c, const struct expert_layer *layer, int n_layer, struct arena *mem);

/* A placed cache in which nothing is resident. layer: as placed; class_of [n_layer]: from expert_classes(). */
void cache_init(struct expert_cache *c, const struct expert_layer *layer, const int *class_of);

/* Age the layer's scores by the turns and uses of one call. */
void cache_age(struct expert_cache *c, int layer, const struct expert_uses *uses);

static inline int32_t cache_slot(const struct expert_cache *c, int layer, int id)
{
    return c->slot[c->layer[layer].first + id];
}

/* The expert is resident in this slot, not evictable yet; or it is no longer resident. */
void cache_put(struct expert_cache *c, int layer, int id, int32_t slot);
void cache_drop(struct expert_cache *c, int layer, int id);
void cache_set_evictable(struct expert_cache *c, int layer, int id, int evictable);

/* Delay the eviction of a layer's experts, or of one that is resident. */
void cache_keep(struct expert_cache *c, int layer, int kept);
void cache_hold(struct expert_cache *c, int layer, int id, int held);
void cache_hold_none(struct expert_cache *c, int layer);

/* How many experts of a class can be evicted with REACH_DONE. */
int cache_evictable(const struct expert_cache *c, int class);

/* The next victim of a class while layer `now` is computed: its slot, and which expert that is in *layer and *id; -1: none is
 * acceptable. It stays resident until cache_drop(). */
int32_t cache_victim(struct expert_cache *c, int class, int now, enum cache_reach reach, int *layer, int *id);

#endif
