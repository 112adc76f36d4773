/* Pieces of known prefixes that were found elsewhere become nodes of the tree, or parts of them. */
#ifndef ENGINE_PREFIX_FOUND_H
#define ENGINE_PREFIX_FOUND_H

#include "engine/prefix/cache.h"

/* Ids [n] of the page behind parent, which is known. */
struct prefix_found {
    uint64_t root;
    struct prefix_node *parent; /* NULL: at the root */
    const int32_t *ids;
    int n;
    int page[KV_KINDS], state; /* room for it: pages, and a copy of a state; -1: none */
};

/* Room for pages of these kinds (bits) and a state; hung into the tree when it is filled, or dropped. 0: no room, nothing to
 * drop. */
int prefix_found_reserve(struct prefix_cache *c, struct prefix_found *f, unsigned kinds, int has_state);
void prefix_insert(struct prefix_cache *c, struct prefix_found *f);
void prefix_found_release(struct prefix_cache *c, struct prefix_found *f);

#endif
