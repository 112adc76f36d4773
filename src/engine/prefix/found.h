/* Adds pieces of prefixes that were read from files to the tree. */
#ifndef ENGINE_PREFIX_FOUND_H
#define ENGINE_PREFIX_FOUND_H

#include "engine/prefix/cache.h"

/* Ids [n] of the page after parent, which is in the tree. */
struct prefix_found {
    const struct prefix_origin *of;
    struct prefix_node *parent; /* NULL: at the root */
    const int32_t *ids;
    int n;
    int page[KV_KINDS], state; /* memory for it: pages, and a copy of a state; -1: none */
};

/* Reserves pages of these kinds (a bit each) and a state. The caller fills them and then calls one of the two below. 0: there is no
 * memory, and nothing to release. */
int prefix_found_reserve(struct prefix_cache *c, struct prefix_found *f, unsigned kinds, int has_state);
void prefix_insert(struct prefix_cache *c, struct prefix_found *f);
void prefix_found_release(struct prefix_cache *c, struct prefix_found *f);

#endif
