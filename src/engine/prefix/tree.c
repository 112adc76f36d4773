/* The tree of known prefixes, what its nodes hold and who goes: see tree.h. */
#include "engine/prefix/tree.h"

#include "base/hash.h"

#include <string.h>

/* ---- what nodes hold -------------------------------------------------------------------------------------------------------- */

void tree_hold_page(struct prefix_cache *c, struct prefix_node *n, int kind, int page)
{
    n->page[kind] = page;
    kv_page_hold(&c->pool[kind], page);
    c->bytes += c->pool[kind].page_bytes;
}

static void release_page(struct prefix_cache *c, struct prefix_node *n, int kind)
{
    if (n->page[kind] < 0)
        return;
    kv_page_give(&c->pool[kind], n->page[kind]);
    n->page[kind] = -1;
    c->bytes -= c->pool[kind].page_bytes;
}

static void release_state(struct prefix_cache *c, struct prefix_state *s)
{
    struct prefix_state **at = &s->node->state;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->node = NULL;
    kv_page_give(c->states, (int)(s - c->state));
    c->bytes -= c->states->page_bytes;
}

struct prefix_node *prefix_children(const struct prefix_cache *c, const struct prefix_node *parent)
{
    return parent ? parent->child : c->first;
}

struct prefix_node **tree_list(struct prefix_cache *c, struct prefix_node *parent)
{
    return parent ? &parent->child : &c->first;
}

void tree_remove(struct prefix_cache *c, struct prefix_node *n)
{
    struct prefix_node **at = tree_list(c, n->parent);
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    while (n->state)
        release_state(c, n->state);
    for (int k = 0; k < KV_KINDS; k++)
        release_page(c, n, k);
    n->n = 0;
    n->next = c->free;
    c->free = n;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------------ */

int prefix_common(const struct prefix_node *n, const int32_t *ids, int most)
{
    int same = 0;
    while (same < n->n && same < most && n->id[same] == ids[same])
        same++;
    return same;
}

struct prefix_node *prefix_child(const struct prefix_cache *c, const struct prefix_node *parent, uint64_t key,
                                 const int32_t *ids, int n)
{
    for (struct prefix_node *i = prefix_children(c, parent); i; i = i->next)
        if (i->key == key && prefix_common(i, ids, n) == KV_PAGE)
            return i;
    return NULL;
}

uint64_t prefix_page_hash(uint64_t parent, uint64_t key, const int32_t *ids)
{
    return hash64(ids, KV_PAGE * sizeof *ids, hash64(&key, sizeof key, parent));
}

/* How many nodes hold a page: the node and siblings. before: how many of them come first in their list. */
static unsigned holders(const struct prefix_cache *c, const struct prefix_node *node, int kind, unsigned *before)
{
    unsigned n = 0;
    for (const struct prefix_node *i = prefix_children(c, node->parent); i; i = i->next) {
        *before = i == node ? n : *before;
        n += i->page[kind] == node->page[kind];
    }
    return n;
}

int prefix_page_rests(const struct prefix_cache *c, const struct prefix_node *node, int kind)
{
    unsigned before = 0, users = node->page[kind] >= 0 ? c->pool[kind].users[node->page[kind]] : 1;
    return users == 1 || users == holders(c, node, kind, &before);
}

/* The leaf that was not used for the longest time, of those whose page of a kind (-1: any) the cache alone has. */
static struct prefix_node *oldest_leaf(const struct prefix_cache *c, int kind)
{
    struct prefix_node *old = NULL;
    for (struct prefix_node *n = c->node; n < c->node + c->n_node; n++)
        if (n->n && !n->child && !n->users && (!old || n->used < old->used) &&
            (kind < 0 || (n->page[kind] >= 0 && prefix_page_rests(c, n, kind))))
            old = n;
    return old;
}

struct prefix_node *tree_add(struct prefix_cache *c, struct prefix_node *parent, uint64_t key)
{
    if (!c->free) {
        struct prefix_node *old = oldest_leaf(c, -1);
        if (!old)
            return NULL;
        tree_remove(c, old);
    }
    struct prefix_node *n = c->free, **list = tree_list(c, parent);
    c->free = n->next;
    *n = (struct prefix_node){.parent = parent, .next = *list, .key = key, .depth = parent ? parent->depth + 1 : 0};
    for (int k = 0; k < KV_KINDS; k++)
        n->page[k] = -1;
    *list = n;
    return n;
}

void tree_mark_used(struct prefix_cache *c, struct prefix_node *n)
{
    for (c->clock++; n; n = n->parent)
        n->used = c->clock;
}

void tree_grow(struct prefix_cache *c, struct prefix_node *node, const int32_t *ids, int n)
{
    memcpy(node->id, ids, (size_t)n * sizeof *ids);
    node->n = n;
    node->saved = 0;
    c->changes++;
    if (n == KV_PAGE)
        node->hash = prefix_page_hash(node->parent ? node->parent->hash : c->base, node->key, ids);
    for (struct prefix_node *s = *tree_list(c, node->parent), *next; s; s = next) {
        next = s->next;
        if (s == node || s->key != node->key || s->child || s->users || prefix_common(s, ids, n) < s->n)
            continue;
        while (s->state) { /* they are as good here */
            struct prefix_state *state = s->state;
            s->state = state->next;
            state->next = node->state;
            state->node = node;
            node->state = state;
        }
        tree_remove(c, s);
    }
}

void tree_keep_windows(struct prefix_cache *c, struct prefix_node *node, int at)
{
    int first = node->depth;
    for (int k = 0; k < KV_KINDS; k++)
        if (c->pool[k].n_layer && c->pool[k].window.n > 0) {
            int i = kv_first_page(c->pool[k].window, node->depth * KV_PAGE + at);
            first = i < first ? i : first;
        }
    for (; node && node->depth >= first; node = node->parent)
        node->resumable = 1;
}

/* ---- states ----------------------------------------------------------------------------------------------------------------- */

/* States taken on the way stay at distances that double with their age. */
static void thin_out_states(struct prefix_cache *c, struct prefix_node *node, int pos)
{
    for (; node; node = node->parent)
        for (struct prefix_state *s = node->state, *next; s; s = next) {
            int turn = (node->depth * KV_PAGE + s->at) / PREFIX_STATE_INTERVAL, lowest = turn & -turn;
            next = s->next;
            if (s->priority == PREFIX_PERIODIC && pos / PREFIX_STATE_INTERVAL - turn > 2 * lowest)
                release_state(c, s);
        }
}

/* The state that goes for a new one: others' before the request's own, then the less worthy, then the longest unused. None is
 * given up for one that is worth less to the same request. */
static struct prefix_state *least_state(const struct prefix_cache *c, uint64_t since, enum prefix_priority priority)
{
    struct prefix_state *least = NULL;
    int least_class = 1 + (int)priority;
    for (struct prefix_state *s = c->state; s < c->state + c->states->n_page; s++) {
        int class = s->used < since ? 0 : 1 + (int)s->priority;
        if (s->node && (class < least_class || (class == least_class && (!least || s->used < least->used)))) {
            least = s;
            least_class = class;
        }
    }
    return least;
}

int tree_take_state(struct prefix_cache *c, uint64_t since, enum prefix_priority priority)
{
    struct prefix_state *least = c->states->n_free ? NULL : least_state(c, since, priority);
    if (least)
        release_state(c, least);
    return kv_page_take(c->states);
}

struct prefix_state *tree_hold_state(struct prefix_cache *c, struct prefix_node *node, int at, int copy,
                                     enum prefix_priority priority)
{
    c->changes++;
    c->state[copy] = (struct prefix_state){node->state, node, priority, at, c->clock, 0};
    c->bytes += c->states->page_bytes;
    return node->state = &c->state[copy];
}

void tree_save_state(struct prefix_cache *c, struct prefix_node *node, int at, uint64_t since,
                     const struct sequence *seq, enum prefix_priority priority)
{
    for (struct prefix_state *s = node->state; s; s = s->next)
        if (s->at == at) {
            s->priority = priority > s->priority ? priority : s->priority;
            s->used = c->clock;
            return;
        }
    if (priority == PREFIX_PERIODIC)
        thin_out_states(c, node, node->depth * KV_PAGE + at);
    int copy = tree_take_state(c, since, priority);
    if (copy < 0)
        return;
    memcpy(kv_page_at(c->states, copy), seq->state, seq->state_bytes);
    tree_hold_state(c, node, at, copy, priority);
}

/* ---- eviction --------------------------------------------------------------------------------------------------------------- */

/* Window pages go by themselves: those that only lay on the way first. */
static struct prefix_node *least_window(const struct prefix_cache *c, int kind)
{
    struct prefix_node *least = NULL;
    for (struct prefix_node *n = c->node; n < c->node + c->n_node; n++)
        if (n->n && n->page[kind] >= 0 && prefix_page_rests(c, n, kind) &&
            (!least || n->resumable < least->resumable || (n->resumable == least->resumable && n->used < least->used)))
            least = n;
    return least;
}

int prefix_evict(struct prefix_cache *c)
{
    int made = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        if (!c->pool[k].n_layer || c->pool[k].n_free > 0)
            continue;
        struct prefix_node *n = c->pool[k].window.n > 0 ? least_window(c, k) : oldest_leaf(c, k);
        if (!n)
            continue;
        if (c->pool[k].window.n > 0)
            release_page(c, n, k);
        else
            tree_remove(c, n);
        made = 1;
    }
    return made;
}

int tree_take_page(struct prefix_cache *c, int kind)
{
    int page;
    while ((page = kv_page_take(&c->pool[kind])) < 0 && prefix_evict(c))
        ;
    return page;
}

int prefix_available(const struct prefix_cache *c, int kind)
{
    int n = c->pool[kind].n_free;
    for (const struct prefix_node *i = c->node; i < c->node + c->n_node; i++) {
        unsigned users = i->n && i->page[kind] >= 0 ? c->pool[kind].users[i->page[kind]] : 0, before = 0;
        n += users == 1 || (users > 1 && users == holders(c, i, kind, &before) && before == 0);
    }
    return n;
}

void prefix_clear(struct prefix_cache *c)
{
    for (struct prefix_state *s = c->state; s < c->state + c->states->n_page; s++)
        if (s->node)
            release_state(c, s);
    for (struct prefix_node *n; (n = oldest_leaf(c, -1));)
        tree_remove(c, n);
}
