/* What sequences do with known prefixes: find them, go on from them, make them known: see cache.h. */
#include "engine/prefix/cache.h"

#include "base/hash.h"
#include "engine/prefix/tree.h"

#include <string.h>

size_t prefix_table_bytes(int n_node, int n_state, int max_page)
{
    return (size_t)n_node * sizeof(struct prefix_node) + (size_t)n_state * sizeof(struct prefix_state) +
           ((size_t)max_page + 1) * sizeof(struct prefix_node *) + kv_pool_table_bytes(n_state) + 3 * 64;
}

int prefix_init(struct prefix_cache *c, struct kv_pool *pools, struct kv_pool *states, int n_node, int max_page,
                struct arena *tables)
{
    *c = (struct prefix_cache){.pool = pools, .states = states, .n_node = n_node};
    c->node = arena_array(tables, (size_t)n_node, sizeof *c->node);
    c->state = arena_array(tables, (size_t)states->n_page, sizeof *c->state);
    c->path = arena_array(tables, (size_t)max_page + 1, sizeof(struct prefix_node *));
    if (!c->node || !c->state || !c->path)
        return -1;
    memset(c->node, 0, (size_t)n_node * sizeof *c->node);
    memset(c->state, 0, (size_t)states->n_page * sizeof *c->state);
    for (int i = n_node - 1; i >= 0; i--) {
        c->node[i].next = c->free;
        c->free = &c->node[i];
    }
    return 0;
}

uint64_t prefix_root(const struct prefix_cache *c, const void *salt, size_t n)
{
    return n ? hash64(salt, n, c->base) : c->base;
}

uint64_t prefix_key(const struct prefix_origin *of, int page, int n)
{
    return steering_key(of->list, of->root, (int64_t)page * KV_PAGE, n);
}

/* Of the last page there is what ends there; where that differs, nothing of it is shared. */
int prefix_alike(const struct prefix_origin *other, int n_end, const struct prefix_origin *of, int n)
{
    if (other->root != of->root)
        return 0;
    for (int i = 0; (other->list || of->list) && i * KV_PAGE < n; i++) {
        int own = n_end - i * KV_PAGE < KV_PAGE ? n_end - i * KV_PAGE : KV_PAGE;
        if (prefix_key(other, i, own) != prefix_key(of, i, own))
            return i * KV_PAGE;
    }
    return n;
}

/* ---- finding ---------------------------------------------------------------------------------------------------------------- */

/* Where a sequence can go on: after ids [0, at) of the node; state NULL where there is none to be had. */
struct reach {
    struct prefix_node *node;
    struct prefix_state *state;
    int at, pos;
};

/* Are the pages there that window layers see from behind the first `at` ids of the node? path holds what is before it. */
static int windows_hold(const struct prefix_cache *c, const struct prefix_node *node, int at)
{
    for (int k = 0; k < KV_KINDS; k++) {
        const struct kv_pool *pool = &c->pool[k];
        if (!pool->n_layer || pool->window.n <= 0)
            continue;
        for (int i = kv_first_page(pool->window, node->depth * KV_PAGE + at); i <= node->depth; i++)
            if ((i == node->depth ? node : c->path[i])->page[k] < 0)
                return 0;
    }
    return 1;
}

/* Of a node whose first `most` ids fit: the furthest place in it, if it is further than what is known. */
static void consider(const struct prefix_cache *c, struct reach *best, struct prefix_node *node, int most)
{
    int before = node->depth * KV_PAGE, recurrent = c->states->page_bytes > 0;
    if (!recurrent && most > 0 && before + most > best->pos && windows_hold(c, node, most))
        *best = (struct reach){node, NULL, most, before + most};
    for (struct prefix_state *s = recurrent ? node->state : NULL; s; s = s->next)
        if (s->at <= most && before + s->at > best->pos && windows_hold(c, node, s->at))
            *best = (struct reach){node, s, s->at, before + s->at};
}

/* The furthest place for ids [n]; c->path holds the nodes up to it. */
static struct reach find(struct prefix_cache *c, const struct prefix_origin *of, const int32_t *ids, int n)
{
    struct reach best = {0};
    struct prefix_node *node = NULL, *whole;
    int depth = 0;
    do {
        whole = NULL;
        for (struct prefix_node *i = *tree_list(c, node); i; i = i->next) {
            int same = prefix_common(i, ids + depth * KV_PAGE, n - depth * KV_PAGE);
            if (same == 0 || i->key != prefix_key(of, depth, i->n))
                continue;
            consider(c, &best, i, same);
            whole = same == KV_PAGE ? i : whole;
        }
        node = c->path[depth++] = whole;
    } while (whole);
    return best;
}

/* ---- going on --------------------------------------------------------------------------------------------------------------- */

/* The whole pages below position pos, from the path. */
static void share_pages(struct prefix_cache *c, struct sequence *seq, int pos)
{
    for (int k = 0; k < KV_KINDS; k++) {
        struct kv_pool *pool = &c->pool[k];
        if (!pool->n_layer)
            continue;
        int whole = pos / KV_PAGE;
        seq->first_page[k] = kv_first_page(pool->window, pos);
        seq->n_page[k] = whole;
        for (int i = seq->first_page[k]; i < whole; i++) {
            kv_page_hold(pool, c->path[i]->page[k]);
            seq->page[k][i] = kv_page_at(pool, c->path[i]->page[k]);
        }
    }
}

/* The node's pages become the sequence's own: a copy of each, or, if no page is to be had and nobody else needs the node, the
 * pages themselves. -1: neither. */
static int copy_part(struct prefix_cache *c, struct sequence *seq, struct prefix_node *node)
{
    int copy[KV_KINDS], failed = 0, alone = !node->child && !node->users;
    for (int k = 0; k < KV_KINDS; k++)
        if (node->page[k] >= 0) { /* nor may they be evicted for what follows */
            alone = alone && c->pool[k].users[node->page[k]] == 1;
            kv_page_hold(&c->pool[k], node->page[k]);
        }
    for (int k = 0; k < KV_KINDS; k++) {
        copy[k] = node->page[k] >= 0 && !failed ? tree_take_page(c, k) : -1;
        failed |= node->page[k] >= 0 && copy[k] < 0;
    }
    for (int k = 0; k < KV_KINDS; k++) {
        struct kv_pool *pool = &c->pool[k];
        if (node->page[k] < 0)
            continue;
        if (!failed) {
            memcpy(kv_page_at(pool, copy[k]), kv_page_at(pool, node->page[k]), pool->page_bytes);
            kv_page_give(pool, node->page[k]);
        } else {
            if (copy[k] >= 0)
                kv_page_give(pool, copy[k]);
            if (!alone)
                kv_page_give(pool, node->page[k]);
            copy[k] = node->page[k];
        }
        if (!failed || alone)
            seq->page[k][seq->n_page[k]++] = kv_page_at(pool, copy[k]);
    }
    if (failed && alone)
        tree_remove(c, node);
    return failed && !alone ? -1 : 0;
}

static void move_cursor(struct prefix_cursor *at, struct prefix_node *node)
{
    if (node)
        node->users++;
    if (at->node)
        at->node->users--;
    at->node = node;
}

int prefix_resume(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids, int n)
{
    struct reach r = find(c, &at->of, ids, n);
    at->since = ++c->clock;
    if (r.pos == 0)
        return 0;
    tree_mark_used(c, r.node);
    r.node->resumable = 1;
    c->path[r.node->depth] = r.node;
    move_cursor(at, r.pos / KV_PAGE ? c->path[r.pos / KV_PAGE - 1] : NULL);
    share_pages(c, seq, r.pos);
    if (r.state) {
        r.state->used = c->clock;
        r.state->priority = r.state->priority < PREFIX_SUPERSEDED ? r.state->priority : PREFIX_SUPERSEDED;
        memcpy(seq->state, kv_page_at(c->states, (int)(r.state - c->state)), seq->state_bytes);
    }
    if (r.pos % KV_PAGE && copy_part(c, seq, r.node)) {
        prefix_leave(c, at);
        seq_clear(seq);
        return prefix_resume(c, at, seq, ids, r.pos / KV_PAGE * KV_PAGE);
    }
    return seq->n_pos = r.pos;
}

void prefix_renew(struct prefix_cache *c, const struct prefix_cursor *at, const int32_t *ids, int n)
{
    struct reach r = find(c, &at->of, ids, n);
    if (r.pos < n || !r.state)
        return;
    tree_mark_used(c, r.node);
    r.state->used = c->clock;
    r.state->priority = PREFIX_REQUESTED;
    r.state->saved = 0; /* its file is used, too */
    c->changes++;
}

void prefix_leave(struct prefix_cache *c, struct prefix_cursor *at)
{
    c->changes++; /* its part page is at rest now */
    move_cursor(at, NULL);
}

/* ---- becoming known --------------------------------------------------------------------------------------------------------- */

/* What the sequence has of the page, and the node has not. */
static void add_pages(struct prefix_cache *c, struct prefix_node *n, const struct sequence *seq)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (n->page[k] < 0 && n->depth < seq->n_page[k] && seq->page[k][n->depth])
            tree_hold_page(c, n, k, kv_page_number(&c->pool[k], seq->page[k][n->depth]));
}

/* The sequence computed what was known: it goes on with the known page, which holds the same bits. */
static void use_pages(struct prefix_cache *c, const struct prefix_node *n, struct sequence *seq)
{
    for (int k = 0; k < KV_KINDS; k++) {
        uint8_t *mine = n->depth < seq->n_page[k] ? seq->page[k][n->depth] : NULL;
        if (!mine || n->page[k] < 0 || kv_page_at(&c->pool[k], n->page[k]) == mine)
            continue;
        kv_page_hold(&c->pool[k], n->page[k]);
        seq->page[k][n->depth] = kv_page_at(&c->pool[k], n->page[k]);
        kv_page_give(&c->pool[k], kv_page_number(&c->pool[k], mine));
    }
}

static int same_page(const struct prefix_cache *c, const struct prefix_node *n, const struct sequence *seq)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (n->page[k] >= 0 && n->depth < seq->n_page[k] &&
            seq->page[k][n->depth] == kv_page_at(&c->pool[k], n->page[k]))
            return 1;
    return 0;
}

/* The node of ids [n] behind where the sequence stands, made if it must be; n < 256: what is longer will do. NULL: no memory. */
static struct prefix_node *know(struct prefix_cache *c, const struct prefix_cursor *at, struct sequence *seq,
                                const int32_t *ids, int n)
{
    struct prefix_node *growing = NULL;
    int depth = at->node ? at->node->depth + 1 : 0;
    uint64_t key = prefix_key(&at->of, depth, n);
    for (struct prefix_node *s = *tree_list(c, at->node); s; s = s->next) {
        int same = s->key == key ? prefix_common(s, ids, n) : 0;
        if (same == n && prefix_key(&at->of, depth, s->n) == key)
            return s;
        if (same == s->n && same > 0 && same_page(c, s, seq))
            growing = s;
    }
    if (!growing)
        growing = tree_add(c, at->node, key);
    if (!growing)
        return NULL;
    add_pages(c, growing, seq);
    tree_grow(c, growing, ids, n);
    return growing;
}

void prefix_publish(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids,
                    int n_pos)
{
    for (int i = at->node ? at->node->depth + 1 : 0; (i + 1) * KV_PAGE <= n_pos; i++) {
        struct prefix_node *node = know(c, at, seq, ids + i * KV_PAGE, KV_PAGE);
        if (!node)
            return;
        use_pages(c, node, seq);
        add_pages(c, node, seq);
        move_cursor(at, node);
        tree_mark_used(c, node);
    }
}

void prefix_remember(struct prefix_cache *c, struct prefix_cursor *at, struct sequence *seq, const int32_t *ids,
                     enum prefix_priority priority)
{
    int whole = seq->n_pos / KV_PAGE * KV_PAGE, part = seq->n_pos - whole;
    if (seq->n_pos == 0 || whole != (at->node ? (at->node->depth + 1) * KV_PAGE : 0))
        return; /* there is no memory for what precedes it */
    struct prefix_node *node = part ? know(c, at, seq, ids + whole, part) : at->node;
    if (!node)
        return;
    tree_mark_used(c, node);
    tree_keep_windows(c, node, part ? part : KV_PAGE);
    if (seq->state && !seq->invalid && c->states->n_page)
        tree_save_state(c, node, part ? part : KV_PAGE, at->since, seq, priority);
}

int prefix_reach(struct prefix_cache *c, const struct prefix_origin *of, const int32_t *ids, int n)
{
    return find(c, of, ids, n).pos;
}
