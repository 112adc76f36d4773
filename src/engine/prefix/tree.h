/* Inside the prefix cache (cache.h): the tree's nodes, the pages and states that they hold, and who goes when room is needed.
 * How sequences come to stand on nodes is cache.c's, what is found elsewhere found.c's. */
#ifndef ENGINE_PREFIX_TREE_H
#define ENGINE_PREFIX_TREE_H

#include "engine/prefix/cache.h"

/* Where the list of nodes behind parent (NULL: at the root) begins. */
struct prefix_node **tree_list(struct prefix_cache *c, struct prefix_node *parent);

/* A node without ids behind where a sequence stands, for page `depth`; the oldest leaf goes for it. NULL: there is none. */
struct prefix_node *tree_add(struct prefix_cache *c, const struct prefix_cursor *at, int depth);
/* It and all that it holds; it has no child. */
void tree_remove(struct prefix_cache *c, struct prefix_node *n);

/* The node grows to ids [n]; leaves that hold less of the same are not needed beside it. */
void tree_grow(struct prefix_cache *c, struct prefix_node *node, const int32_t *ids, int n);

/* It and those before it are used now. */
void tree_mark_used(struct prefix_cache *c, struct prefix_node *n);

/* Somebody may go on behind the node's first `at` ids: the windows that he sees are lasting. */
void tree_keep_windows(struct prefix_cache *c, struct prefix_node *node, int at);

/* The node has no page of the kind: this one, which gets a user more. */
void tree_hold_page(struct prefix_cache *c, struct prefix_node *n, int kind, int page);

/* A page with one user; what is cached goes for it. -1: nothing could. */
int tree_take_page(struct prefix_cache *c, int kind);

/* A place for a copy of a state that is worth this to a request that began at `since`. -1: all others are worth more. */
int tree_take_state(struct prefix_cache *c, uint64_t since, enum prefix_priority priority);
/* The node holds the copy from now on: of the state behind its first `at` ids. */
struct prefix_state *tree_hold_state(struct prefix_cache *c, struct prefix_node *node, int at, int copy,
                                     enum prefix_priority priority);
/* A copy of the sequence's state, if there is a place; known ones are not copied again. */
void tree_save_state(struct prefix_cache *c, struct prefix_node *node, int at, uint64_t since,
                     const struct sequence *seq, enum prefix_priority priority);

#endif
