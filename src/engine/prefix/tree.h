/* Inside the prefix cache (cache.h): the tree's nodes, the pages and states that they hold, and what is evicted.
 * Cursors of sequences are moved in cache.c; what is read from files is added in found.c. */
#ifndef ENGINE_PREFIX_TREE_H
#define ENGINE_PREFIX_TREE_H

#include "engine/prefix/cache.h"

/* The head of the list of parent's children (NULL: of the root's). */
struct prefix_node **tree_list(struct prefix_cache *c, struct prefix_node *parent);

/* Adds a child without ids to a node (NULL: to the root); evicts the oldest leaf if no node is free. NULL: there is none. The parent must
 * be in use. */
struct prefix_node *tree_add(struct prefix_cache *c, struct prefix_node *parent, uint64_t key);
/* Frees a node that has no child, with all that it holds. */
void tree_remove(struct prefix_cache *c, struct prefix_node *n);

/* Extends the node to ids [n], and removes leaves that hold less of the same ids by the same key. */
void tree_grow(struct prefix_cache *c, struct prefix_node *node, const int32_t *ids, int n);

/* Marks the node and its ancestors as used now. */
void tree_mark_used(struct prefix_cache *c, struct prefix_node *n);

/* A sequence may resume after the node's first `at` ids: marks the windows that it sees there as resumable. */
void tree_keep_windows(struct prefix_cache *c, struct prefix_node *node, int at);

/* Gives the node a page of a kind that it lacks; the page has a user more. */
void tree_hold_page(struct prefix_cache *c, struct prefix_node *n, int kind, int page);

/* Takes a page, evicting cached ones until one is free. It has one user. -1: none could be evicted. */
int tree_take_page(struct prefix_cache *c, int kind);

/* Takes the memory of a copy of a state, of this priority to a request that began at `since`. -1: all others have a higher one. */
int tree_take_state(struct prefix_cache *c, uint64_t since, enum prefix_priority priority);
/* Gives the node the copy of the state after its first `at` ids. */
struct prefix_state *tree_hold_state(struct prefix_cache *c, struct prefix_node *node, int at, int copy,
                                     enum prefix_priority priority);
/* Copies the sequence's state, if there is memory for it and the node does not have it yet. */
void tree_save_state(struct prefix_cache *c, struct prefix_node *node, int at, uint64_t since,
                     const struct sequence *seq, enum prefix_priority priority);

#endif
