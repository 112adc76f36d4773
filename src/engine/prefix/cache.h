/* What was computed before, by the ids that it was computed from: prompts that begin alike are not computed twice.
 *
 *     root (salt) -- page 0 -- page 1 -- page 2 (200 ids)
 *                        \---- page 1'                     a node is a page; one with fewer than 256 ids is a leaf
 *
 * A node holds its ids, its page of every kind of keys and values, and copies of the recurrent state at some of its positions.
 * Pages are shared by count with the sequences that compute or use them (model/kv_pages.h); whole pages never change, and of a
 * part page nobody changes the part that the node has. Everything is found by comparing ids: hashes only say where to look.
 *
 * A sequence can go on from position p if there are all pages of layers that see everything below p, the pages of window layers
 * that p still sees, and, with recurrent layers, a state taken at p. Whole pages are shared, a part page is copied. When a pool
 * runs dry, pages that no sequence uses go: leaves first, the longest unused first; of windows those first that only lay on
 * the way. All memory is the plan's; nothing is allocated. The engine thread's alone. */
#ifndef ENGINE_PREFIX_CACHE_H
#define ENGINE_PREFIX_CACHE_H

#include "model/kv_pages.h"

#include <stddef.h>
#include <stdint.h>

enum { PREFIX_STATE_INTERVAL = 2048 }; /* positions between states that are taken without a wish */

/* Why a state is kept, of one request the less worthy goes first: taken on the way; a wish that newer ones have passed; the end of a
 * prompt or an answer; the first wish, behind what other conversations begin with too, and the last one. */
enum prefix_priority { PREFIX_PERIODIC, PREFIX_SUPERSEDED, PREFIX_ENDING, PREFIX_REQUESTED };

struct prefix_state {
    struct prefix_state *next; /* of its node */
    struct prefix_node *node;  /* NULL: not in use */
    enum prefix_priority priority;
    int at; /* after ids [0, at) of the node */
    uint64_t used;
    int saved; /* a file has it */
};

struct prefix_node {
    struct prefix_node *parent, *child, *next; /* next: sibling, or the next free one */
    struct prefix_state *state;
    uint64_t root, hash;    /* hash: of all ids from the root on, of whole pages */
    uint64_t used;          /* when last; never less than its children's */
    int depth, n, users;    /* number of its page; ids, 0: not in use; sequences that stand on it */
    int resumable;          /* its window pages belong to a place where somebody may go on */
    int saved;              /* a file has these ids and pages */
    int32_t page[KV_KINDS]; /* -1: none */
    int32_t id[KV_PAGE];
};

struct prefix_cache {
    struct kv_pool *pool, *states;           /* [KV_KINDS]; of copies of states */
    struct prefix_node *node, *free, *first; /* [n_node]; those at depth 0 */
    int n_node;
    struct prefix_state *state; /* [states->n_page], by number of the copy */
    struct prefix_node **path;  /* [max_page + 1] scratch */
    uint64_t base, clock;
    uint64_t bytes;   /* of the pages and states that nodes hold */
    uint64_t changes; /* rises when there may be something new to keep elsewhere */
};

/* Where a sequence stands: behind this whole page. */
struct prefix_cursor {
    uint64_t root, since;     /* since: states older than this are others' */
    struct prefix_node *node; /* NULL: at the root */
};

size_t prefix_table_bytes(int n_node, int n_state, int max_page);
/* base, what the content of pages depends on besides ids, is set by the caller. -1: tables is too small. */
int prefix_init(struct prefix_cache *c, struct kv_pool *pools, struct kv_pool *states, int n_node, int max_page,
                struct arena *tables);

/* The root of prefixes with this salt. From any thread. */
uint64_t prefix_root(const struct prefix_cache *c, const void *salt, size_t n);

/* Stand an empty sequence where it can go on with ids [n]; returns the position, at most n. The state there has been passed. */
int prefix_resume(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids, int n);

/* A sequence that resumed wishes for a state at position n of these ids, too: if it is there, it is as good as taken now. */
void prefix_renew(struct prefix_cache *c, const struct prefix_cursor *at, const int32_t *ids, int n);

/* Positions below n_pos are computed, and seq still has all pages of them that this step saw: whole pages become known. */
void prefix_publish(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids,
                    int n_pos);

/* Somebody may go on from seq->n_pos: its part page becomes known, a copy of its state is taken, windows are kept. */
void prefix_remember(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids,
                     enum prefix_priority priority);

/* The sequence goes. */
void prefix_leave(struct prefix_cache *c, struct prefix_cursor *at);

/* Pages of a kind that are free, or that nobody but the cache has. */
int prefix_available(const struct prefix_cache *c, int kind);

/* Have a free page in every pool, as far as possible. 0: nothing could go. */
int prefix_evict(struct prefix_cache *c);

/* Forget everything that no sequence stands on. */
void prefix_clear(struct prefix_cache *c);

/* ---- for those who keep prefixes elsewhere ---------------------------------------------------------------------------------- */

/* How far one could go on with ids [n]. */
int prefix_reach(struct prefix_cache *c, uint64_t root, const int32_t *ids, int n);

/* The first node behind parent (NULL: at the root), of any root; the others are its next. How many of ids [n] it begins with. */
struct prefix_node *prefix_children(const struct prefix_cache *c, const struct prefix_node *parent);
int prefix_common(const struct prefix_node *node, const int32_t *ids, int n);

/* The whole page that ids [n] begin with, behind parent (NULL: at the root); NULL: not known. Its hash, whoever knows it. */
struct prefix_node *prefix_child(const struct prefix_cache *c, const struct prefix_node *parent, uint64_t root,
                                 const int32_t *ids, int n);
uint64_t prefix_page_hash(uint64_t parent, const int32_t *ids);

#endif
