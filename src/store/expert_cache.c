/* Scores and victims: see expert_cache.h. */
#include "store/expert_cache.h"

#include <string.h>

enum { USE = 65536 };

static int experts_of(const struct expert_layer *layer, int n_layer)
{
    int n = 0;
    for (int l = 0; l < n_layer; l++)
        n += layer[l].n_expert;
    return n;
}

int cache_allocate(struct expert_cache *c, const struct expert_layer *layer, int n_layer, struct arena *mem)
{
    size_t n = (size_t)experts_of(layer, n_layer);
    *c = (struct expert_cache){.n_layer = n_layer};
    c->layer = arena_array(mem, (size_t)n_layer, sizeof *c->layer);
    c->fast = arena_array(mem, n, 4);
    c->slow = arena_array(mem, n, 4);
    c->slot = arena_array(mem, n, 4);
    c->evictable = arena_array(mem, n, 1);
    return c->layer && c->fast && c->slow && c->slot && c->evictable ? 0 : -1;
}

void cache_init(struct expert_cache *c, const struct expert_layer *layer, const int *class_of)
{
    int n_layer = c->n_layer, first = 0;
    size_t n = (size_t)experts_of(layer, n_layer);
    for (int l = 0; l < n_layer; l++) {
        c->layer[l] = (struct cache_layer){
            .n_expert = layer[l].n_expert, .first = first, .class = class_of[l], .low_id = -1};
        first += layer[l].n_expert;
    }
    memset(c->fast, 0, n * 4);
    memset(c->slow, 0, n * 4);
    memset(c->slot, 0xff, n * 4);
    memset(c->evictable, 0, n);
}

static inline uint64_t score(const struct expert_cache *c, int at) { return 4 * (uint64_t)c->fast[at] + c->slow[at]; }

/* Decay the scores of one expert by n turns. fast stops at 1 and slow at 31, where the shifts give 0. */
static void turns(uint32_t *fast, uint32_t *slow, int n)
{
    uint32_t f = *fast, s = *slow;
    while (n-- > 0 && (f > 1 || s > 31)) {
        f -= f >> 1;
        s -= s >> 5;
    }
    *fast = f;
    *slow = s;
}

/* Experts age independently of each other, so each takes all rows of the call at once. */
static void age_used(struct expert_cache *c, int at, const int32_t *row, int n, int n_prompt, int decode_turn)
{
    int taken = 0, i = 0;
    for (; i < n && row[i] < n_prompt; i++) {
        turns(&c->fast[at], &c->slow[at], row[i] + 1 - taken);
        taken = row[i] + 1;
        c->fast[at] += USE;
        c->slow[at] += USE;
    }
    turns(&c->fast[at], &c->slow[at], n_prompt - taken + decode_turn);
    c->fast[at] += (uint32_t)(n - i) * USE;
    c->slow[at] += (uint32_t)(n - i) * USE;
}

void cache_age(struct expert_cache *c, int layer, const struct expert_uses *u)
{
    struct cache_layer *l = &c->layer[layer];
    int decode_turn = u->n_rows > u->n_prompt;
    l->known = 0;
    for (int id = 0, i = 0; id < l->n_expert; id++) {
        if (i < u->n && u->id[i] == id) {
            int begin = u->row_start[i], end = u->row_start[i + 1];
            age_used(c, l->first + id, u->row + begin, end - begin, u->n_prompt, decode_turn);
            i++;
        } else {
            turns(&c->fast[l->first + id], &c->slow[l->first + id], u->n_prompt + decode_turn);
        }
    }
}

void cache_put(struct expert_cache *c, int layer, int id, int32_t slot)
{
    int at = c->layer[layer].first + id;
    c->slot[at] = slot;
    c->evictable[at] = 0;
}

static void set_state(struct expert_cache *c, int layer, int id, int state)
{
    struct cache_layer *l = &c->layer[layer];
    int at = l->first + id, was = c->evictable[at] == CACHE_EVICTABLE, is = state == CACHE_EVICTABLE;
    c->evictable[at] = (uint8_t)state;
    l->n_evictable += is - was;
    if (was && !is && l->low_id == id)
        l->known = 0;
    if (was || !is || !l->known)
        return;
    uint64_t s = score(c, at);
    if (l->low_id < 0 || s < l->low || (s == l->low && id < l->low_id)) {
        l->low = s;
        l->low_id = id;
    }
}

void cache_drop(struct expert_cache *c, int layer, int id)
{
    set_state(c, layer, id, 0);
    c->slot[c->layer[layer].first + id] = -1;
}

void cache_set_evictable(struct expert_cache *c, int layer, int id, int evictable)
{
    int held = c->evictable[c->layer[layer].first + id] & CACHE_HELD;
    set_state(c, layer, id, held | (evictable ? CACHE_EVICTABLE : 0));
}

void cache_hold(struct expert_cache *c, int layer, int id, int held)
{
    int evictable = c->evictable[c->layer[layer].first + id] & CACHE_EVICTABLE;
    set_state(c, layer, id, evictable | (held ? CACHE_HELD : 0));
}

void cache_hold_none(struct expert_cache *c, int layer)
{
    for (int id = 0; id < c->layer[layer].n_expert; id++)
        cache_hold(c, layer, id, 0);
}

void cache_keep(struct expert_cache *c, int layer, int kept) { c->layer[layer].kept = kept; }

int cache_evictable(const struct expert_cache *c, int class)
{
    int n = 0;
    for (int l = 0; l < c->n_layer; l++)
        n += c->layer[l].class == class && !c->layer[l].kept ? c->layer[l].n_evictable : 0;
    return n;
}

static void find_low(struct expert_cache *c, struct cache_layer *l)
{
    l->low_id = -1;
    for (int id = 0; id < l->n_expert; id++) {
        if (c->evictable[l->first + id] != CACHE_EVICTABLE)
            continue;
        uint64_t s = score(c, l->first + id);
        if (l->low_id < 0 || s < l->low) {
            l->low = s;
            l->low_id = id;
        }
    }
    l->known = 1;
}

/* Layers from the farthest next turn to the nearest: the current one, the one before it, ... so that the first of equal scores wins. */
static int layer_at(const struct expert_cache *c, int now, int distance)
{
    return (now - distance + c->n_layer) % c->n_layer;
}

static int32_t lowest(struct expert_cache *c, int class, int now, int kept, int *layer, int *id)
{
    int best = -1;
    for (int d = 0; d < c->n_layer; d++) {
        int i = layer_at(c, now, d);
        struct cache_layer *l = &c->layer[i];
        if (l->class != class || l->kept != kept || l->n_evictable == 0)
            continue;
        if (!l->known)
            find_low(c, l);
        if (best < 0 || l->low < c->layer[best].low)
            best = i;
    }
    if (best < 0)
        return -1;
    *layer = best;
    *id = c->layer[best].low_id;
    return cache_slot(c, best, *id);
}

static int32_t lowest_held(const struct expert_cache *c, int class, int now, int *layer, int *id)
{
    int32_t slot = -1;
    uint64_t low = 0;
    for (int d = 0; d < c->n_layer; d++) {
        const struct cache_layer *l = &c->layer[layer_at(c, now, d)];
        for (int i = 0; l->class == class && i < l->n_expert; i++) {
            if (c->evictable[l->first + i] != (CACHE_EVICTABLE | CACHE_HELD) ||
                (slot >= 0 && score(c, l->first + i) >= low))
                continue;
            low = score(c, l->first + i);
            slot = c->slot[l->first + i];
            *layer = layer_at(c, now, d);
            *id = i;
        }
    }
    return slot;
}

int32_t cache_victim(struct expert_cache *c, int class, int now, enum cache_reach reach, int *layer, int *id)
{
    int32_t slot = lowest(c, class, now, 0, layer, id);
    if (slot < 0 && reach >= REACH_KEPT)
        slot = lowest(c, class, now, 1, layer, id);
    if (slot < 0 && reach >= REACH_HELD)
        slot = lowest_held(c, class, now, layer, id);
    return slot;
}
