/* The prefix cache: keys, values and states that were computed before, found by the ids they were computed from. Prompts that begin alike
 * are not computed twice.
 *
 *     root (salt) -- page 0 -- page 1 -- page 2 (200 ids)
 *                        \---- page 1'                     a node is a page; one with fewer than 256 ids is a leaf
 *
 * A node holds its ids, its page of every kind of keys and values, and copies of the recurrent state at some of its positions.
 * Nodes and sequences share pages by counting their users (model/kv_pages.h). Whole pages never change, and nobody changes the part of a
 * partly filled page that a node has. Nodes are found by comparing ids; hashes only narrow the search.
 *
 * What is kept of a position depends on how the request is steered there and before. So each node has a key: of its salt, and of what the
 * list does on its own positions (steering_key()); what it did before is in the nodes above. A page that grows across a position where its
 * key changes is another node then, on the same memory.
 *
 * A sequence can resume at position p if the cache has all pages below p of layers that see everything, the pages of window layers that
 * p still sees, and, with recurrent layers, a copy of the state at p. Whole pages are shared, a partly filled page is copied. If a pool
 * has no free page, pages that no sequence uses are evicted: leaves first, least recently used first; of windows, first those where
 * nobody is expected to resume. All memory is the plan's; nothing is allocated. Threads: the engine thread only. */
#ifndef ENGINE_PREFIX_CACHE_H
#define ENGINE_PREFIX_CACHE_H

#include "model/kv_pages.h"
#include "model/steering.h"

#include <stddef.h>
#include <stdint.h>

enum { PREFIX_STATE_INTERVAL = 2048 }; /* positions between copies of states that no request asked for */

/* Why a copy of a state is kept. Of one request, a lower priority is evicted first: taken at an interval; requested, but newer positions
 * have replaced it; the end of a prompt or an answer; the first requested position, which other conversations share, and the last. */
enum prefix_priority { PREFIX_PERIODIC, PREFIX_SUPERSEDED, PREFIX_ENDING, PREFIX_REQUESTED };

struct prefix_state {
    struct prefix_state *next; /* of its node */
    struct prefix_node *node;  /* NULL: not in use */
    enum prefix_priority priority;
    int at;        /* after ids [0, at) of the node */
    uint64_t used; /* time of the last use, by prefix_cache.clock */
    int saved;     /* 1: a file has it */
};

struct prefix_node {
    struct prefix_node *parent, *child, *next; /* next: sibling, or the next free one */
    struct prefix_state *state;
    uint64_t key, hash;     /* hash: of all ids and keys from the root on, of whole pages */
    uint64_t used;          /* time of the last use; never less than its children's */
    int depth, n, users;    /* number of its page; ids, 0: not in use; sequences whose cursor is here */
    int resumable;          /* 1: its window pages are seen from a position where a sequence may resume */
    int saved;              /* 1: a file has these ids and pages */
    int32_t page[KV_KINDS]; /* number in the kind's pool; -1: none */
    int32_t id[KV_PAGE];    /* [n] */
};

/* Whose prefixes: a hash of the salt, and the list of the request or NULL, which outlives its use here. */
struct prefix_origin {
    uint64_t root;
    const struct steering *list;
};

struct prefix_cache {
    struct kv_pool *pool, *states;           /* [KV_KINDS]; of copies of states */
    struct prefix_node *node, *free, *first; /* [n_node]; those at depth 0 */
    int n_node;
    struct prefix_state *state; /* [states->n_page], by number of the copy */
    struct prefix_node **path;  /* [max_page + 1] scratch */
    uint64_t base;              /* a hash of all that pages depend on besides ids: set by the caller of prefix_init() */
    uint64_t clock;             /* rises with every use */
    uint64_t bytes;             /* of pages and states that nodes hold */
    uint64_t changes;           /* rises when there may be something new to write to files */
};

/* A sequence's position in the tree. Zeroed but for of: at the root. */
struct prefix_cursor {
    struct prefix_origin of;
    uint64_t since;           /* states used before this belong to other requests */
    struct prefix_node *node; /* its last whole page; NULL: at the root */
};

/* Bytes of tables for n_node nodes, copies of states in a pool of n_state, and sequences of at most max_page pages. */
size_t prefix_table_bytes(int n_node, int n_state, int max_page);
/* An empty cache over the pools [KV_KINDS] and states, which outlive it; tables is the plan's. -1: tables is too small. */
int prefix_init(struct prefix_cache *c, struct kv_pool *pools, struct kv_pool *states, int n_node, int max_page,
                struct arena *tables);

/* The root of prefixes with this salt. From any thread. */
uint64_t prefix_root(const struct prefix_cache *c, const void *salt, size_t n);

/* The key of the first n ids of a page. */
uint64_t prefix_key(const struct prefix_origin *of, int page, int n);

/* How many of n positions a request can share that another one computes, of n_end positions, if their ids are the same. */
int prefix_alike(const struct prefix_origin *other, int n_end, const struct prefix_origin *of, int n);

/* Resumes an empty sequence as far as the cache has ids [n]; returns the position, at most n, 0: it has nothing. at->of is set; at is
 * moved there. A requested state there counts as superseded from now on. */
int prefix_resume(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids, int n);

/* A sequence that resumed requests a state at position n of these ids, too: if the cache has it, it is treated as taken now. */
void prefix_renew(struct prefix_cache *c, const struct prefix_cursor *at, const int32_t *ids, int n);

/* Adds whole pages to the tree and moves the cursor behind them; where no node is free, fewer than there are. ids [n_pos]. Positions below
 * n_pos are computed, and seq still has all their pages that this step saw. */
void prefix_publish(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids,
                    int n_pos);

/* Makes seq->n_pos a position to resume at, if there is memory for it: adds its partly filled page, copies its state, keeps the windows
 * that it sees. ids [seq->n_pos]. */
void prefix_remember(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids,
                     enum prefix_priority priority);

/* Takes the cursor out of the tree; call it before the sequence is cleared. */
void prefix_leave(struct prefix_cache *c, struct prefix_cursor *at);

/* Pages of a kind that are free, or that only the cache uses. */
int prefix_available(const struct prefix_cache *c, int kind);

/* For each pool without a free page evicts one leaf, or one page of a window, that no sequence uses. 1: something was evicted; 0: nothing
 * could be. */
int prefix_evict(struct prefix_cache *c);

/* Evicts everything that no sequence uses. */
void prefix_clear(struct prefix_cache *c);

/* ---- for files of prefixes ---------------------------------------------------------------------------------- */

/* The position up to which a sequence could resume with ids [n]. */
int prefix_reach(struct prefix_cache *c, const struct prefix_origin *of, const int32_t *ids, int n);

/* 1: no sequence uses the node's page of a kind, or it has none. Other nodes may: they are its siblings. */
int prefix_page_rests(const struct prefix_cache *c, const struct prefix_node *node, int kind);

/* The first child of parent (NULL: of the root), of any key; the others follow by next. How many of ids [n] a node begins with. */
struct prefix_node *prefix_children(const struct prefix_cache *c, const struct prefix_node *parent);
int prefix_common(const struct prefix_node *node, const int32_t *ids, int n);

/* The child of parent (NULL: of the root) of this key whose whole page ids [n] begin with; NULL: there is none. */
struct prefix_node *prefix_child(const struct prefix_cache *c, const struct prefix_node *parent, uint64_t key,
                                 const int32_t *ids, int n);
/* The hash of such a page; parent: of the page before it, of the first one base. */
uint64_t prefix_page_hash(uint64_t parent, uint64_t key, const int32_t *ids);

#endif
