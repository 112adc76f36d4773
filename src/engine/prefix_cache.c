/* The tree of known prefixes: see prefix_cache.h. */
#include "engine/prefix_cache.h"

#include "base/hash.h"

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

/* ---- what nodes hold -------------------------------------------------------------------------------------------------------- */

static void hold_page(struct prefix_cache *c, struct prefix_node *n, int kind, int page)
{
    n->page[kind] = page;
    kv_page_hold(&c->pool[kind], page);
    c->bytes += c->pool[kind].page_bytes;
}

static void give_page(struct prefix_cache *c, struct prefix_node *n, int kind)
{
    if (n->page[kind] < 0)
        return;
    kv_page_give(&c->pool[kind], n->page[kind]);
    n->page[kind] = -1;
    c->bytes -= c->pool[kind].page_bytes;
}

static void give_state(struct prefix_cache *c, struct prefix_state *s)
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

static struct prefix_node **children(struct prefix_cache *c, struct prefix_node *parent)
{
    return parent ? &parent->child : &c->first;
}

static void remove_node(struct prefix_cache *c, struct prefix_node *n)
{
    struct prefix_node **at = children(c, n->parent);
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    while (n->state)
        give_state(c, n->state);
    for (int k = 0; k < KV_KINDS; k++)
        give_page(c, n, k);
    n->n = 0;
    n->next = c->free;
    c->free = n;
}

/* The leaf that was not used for the longest time, of those whose page of a kind (-1: any) the cache alone has. */
static struct prefix_node *oldest_leaf(const struct prefix_cache *c, int kind)
{
    struct prefix_node *old = NULL;
    for (struct prefix_node *n = c->node; n < c->node + c->n_node; n++)
        if (n->n && !n->child && !n->users && (!old || n->used < old->used) &&
            (kind < 0 || (n->page[kind] >= 0 && c->pool[kind].users[n->page[kind]] == 1)))
            old = n;
    return old;
}

static struct prefix_node *add_node(struct prefix_cache *c, const struct prefix_place *at, int depth)
{
    if (!c->free) {
        struct prefix_node *old = oldest_leaf(c, -1);
        if (!old)
            return NULL;
        remove_node(c, old);
    }
    struct prefix_node *n = c->free, **list = children(c, at->node);
    c->free = n->next;
    *n = (struct prefix_node){.parent = at->node, .next = *list, .root = at->root, .depth = depth};
    for (int k = 0; k < KV_KINDS; k++)
        n->page[k] = -1;
    *list = n;
    return n;
}

static void touch(struct prefix_cache *c, struct prefix_node *n)
{
    for (c->clock++; n; n = n->parent)
        n->used = c->clock;
}

/* ---- finding ---------------------------------------------------------------------------------------------------------------- */

int prefix_common(const struct prefix_node *n, const int32_t *ids, int most)
{
    int same = 0;
    while (same < n->n && same < most && n->id[same] == ids[same])
        same++;
    return same;
}

uint64_t prefix_page_hash(uint64_t parent, const int32_t *ids) { return hash64(ids, KV_PAGE * sizeof *ids, parent); }

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
        if (!pool->n_layer || pool->window <= 0)
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
static struct reach find(struct prefix_cache *c, uint64_t root, const int32_t *ids, int n)
{
    struct reach best = {0};
    struct prefix_node *node = NULL, *whole;
    int depth = 0;
    do {
        whole = NULL;
        for (struct prefix_node *i = *children(c, node); i; i = i->next) {
            int same = i->root == root ? prefix_common(i, ids + depth * KV_PAGE, n - depth * KV_PAGE) : 0;
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

static int take_page(struct prefix_cache *c, int kind)
{
    int page = kv_page_take(&c->pool[kind]);
    return page < 0 && prefix_make_room(c) ? kv_page_take(&c->pool[kind]) : page;
}

/* The node's pages become the sequence's own: a copy of each, or, if no page is to be had and nobody else needs the node, the
 * pages themselves. -1: neither. */
static int copy_part(struct prefix_cache *c, struct sequence *seq, struct prefix_node *node)
{
    int copy[KV_KINDS], failed = 0, alone = !node->child && !node->users;
    for (int k = 0; k < KV_KINDS; k++)
        if (node->page[k] >= 0) { /* nor may they go while room is made */
            alone = alone && c->pool[k].users[node->page[k]] == 1;
            kv_page_hold(&c->pool[k], node->page[k]);
        }
    for (int k = 0; k < KV_KINDS; k++) {
        copy[k] = node->page[k] >= 0 && !failed ? take_page(c, k) : -1;
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
        remove_node(c, node);
    return failed && !alone ? -1 : 0;
}

static void stand_on(struct prefix_place *at, struct prefix_node *node)
{
    if (node)
        node->users++;
    if (at->node)
        at->node->users--;
    at->node = node;
}

int prefix_resume(struct prefix_cache *c, struct prefix_place *at, struct sequence *seq, const int32_t *ids, int n)
{
    struct reach r = find(c, at->root, ids, n);
    at->since = ++c->clock;
    if (r.pos == 0)
        return 0;
    touch(c, r.node);
    r.node->lasting = 1;
    c->path[r.node->depth] = r.node;
    stand_on(at, r.pos / KV_PAGE ? c->path[r.pos / KV_PAGE - 1] : NULL);
    share_pages(c, seq, r.pos);
    if (r.state) {
        r.state->used = c->clock;
        r.state->worth = r.state->worth < PREFIX_PASSED ? r.state->worth : PREFIX_PASSED;
        memcpy(seq->state, kv_page_at(c->states, (int)(r.state - c->state)), seq->state_bytes);
    }
    if (r.pos % KV_PAGE && copy_part(c, seq, r.node)) {
        prefix_leave(c, at);
        seq_clear(seq);
        return prefix_resume(c, at, seq, ids, r.pos / KV_PAGE * KV_PAGE);
    }
    return seq->n_pos = r.pos;
}

void prefix_renew(struct prefix_cache *c, const struct prefix_place *at, const int32_t *ids, int n)
{
    struct reach r = find(c, at->root, ids, n);
    if (r.pos < n || !r.state)
        return;
    touch(c, r.node);
    r.state->used = c->clock;
    r.state->worth = PREFIX_WISHED;
}

void prefix_leave(struct prefix_cache *c, struct prefix_place *at)
{
    c->changes++; /* its part page is at rest now */
    stand_on(at, NULL);
}

/* ---- becoming known --------------------------------------------------------------------------------------------------------- */

/* What the sequence has of the page, and the node has not. */
static void add_pages(struct prefix_cache *c, struct prefix_node *n, const struct sequence *seq)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (n->page[k] < 0 && n->depth < seq->n_page[k] && seq->page[k][n->depth])
            hold_page(c, n, k, kv_page_number(&c->pool[k], seq->page[k][n->depth]));
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

/* The node grows to ids [n]; leaves that hold less of the same are not needed beside it. */
static void grow(struct prefix_cache *c, struct prefix_node *node, const int32_t *ids, int n)
{
    memcpy(node->id, ids, (size_t)n * sizeof *ids);
    node->n = n;
    node->saved = 0;
    c->changes++;
    if (n == KV_PAGE)
        node->hash = prefix_page_hash(node->parent ? node->parent->hash : node->root, ids);
    for (struct prefix_node *s = *children(c, node->parent), *next; s; s = next) {
        next = s->next;
        if (s == node || s->root != node->root || s->child || s->users || prefix_common(s, ids, n) < s->n)
            continue;
        while (s->state) { /* they are as good here */
            struct prefix_state *state = s->state;
            s->state = state->next;
            state->next = node->state;
            state->node = node;
            node->state = state;
        }
        remove_node(c, s);
    }
}

/* The node of ids [n] behind where the sequence stands, made if it must be; n < 256: what is longer will do. NULL: no room. */
static struct prefix_node *know(struct prefix_cache *c, const struct prefix_place *at, struct sequence *seq,
                                const int32_t *ids, int n)
{
    struct prefix_node *growing = NULL;
    for (struct prefix_node *s = *children(c, at->node); s; s = s->next) {
        int same = s->root == at->root ? prefix_common(s, ids, n) : 0;
        if (same == n)
            return s;
        if (same == s->n && same > 0 && same_page(c, s, seq))
            growing = s;
    }
    if (!growing)
        growing = add_node(c, at, at->node ? at->node->depth + 1 : 0);
    if (!growing)
        return NULL;
    add_pages(c, growing, seq);
    grow(c, growing, ids, n);
    return growing;
}

void prefix_publish(struct prefix_cache *c, struct prefix_place *at, struct sequence *seq, const int32_t *ids,
                    int n_pos)
{
    for (int i = at->node ? at->node->depth + 1 : 0; (i + 1) * KV_PAGE <= n_pos; i++) {
        struct prefix_node *node = know(c, at, seq, ids + i * KV_PAGE, KV_PAGE);
        if (!node)
            return;
        use_pages(c, node, seq);
        add_pages(c, node, seq);
        stand_on(at, node);
        touch(c, node);
    }
}

static void keep_windows(struct prefix_cache *c, struct prefix_node *node, int at)
{
    int first = node->depth;
    for (int k = 0; k < KV_KINDS; k++)
        if (c->pool[k].n_layer && c->pool[k].window > 0) {
            int i = kv_first_page(c->pool[k].window, node->depth * KV_PAGE + at);
            first = i < first ? i : first;
        }
    for (; node && node->depth >= first; node = node->parent)
        node->lasting = 1;
}

/* ---- states ----------------------------------------------------------------------------------------------------------------- */

/* States taken on the way stay at distances that double with their age. */
static void thin_out(struct prefix_cache *c, struct prefix_node *node, int pos)
{
    for (; node; node = node->parent)
        for (struct prefix_state *s = node->state, *next; s; s = next) {
            int turn = (node->depth * KV_PAGE + s->at) / PREFIX_EVERY, lowest = turn & -turn;
            next = s->next;
            if (s->worth == PREFIX_PERIODIC && pos / PREFIX_EVERY - turn > 2 * lowest)
                give_state(c, s);
        }
}

/* The state that goes for a new one: others' before the request's own, then the less worthy, then the longest unused. None is
 * given up for one that is worth less to the same request. */
static struct prefix_state *least_state(const struct prefix_cache *c, uint64_t since, enum prefix_worth worth)
{
    struct prefix_state *least = NULL;
    int least_class = 1 + (int)worth;
    for (struct prefix_state *s = c->state; s < c->state + c->states->n_page; s++) {
        int class = s->used < since ? 0 : 1 + (int)s->worth;
        if (s->node && (class < least_class || (class == least_class && (!least || s->used < least->used)))) {
            least = s;
            least_class = class;
        }
    }
    return least;
}

static int take_state(struct prefix_cache *c, uint64_t since, enum prefix_worth worth)
{
    struct prefix_state *least = c->states->n_free ? NULL : least_state(c, since, worth);
    if (least)
        give_state(c, least);
    return kv_page_take(c->states);
}

static struct prefix_state *hold_state(struct prefix_cache *c, struct prefix_node *node, int at, int copy,
                                       enum prefix_worth worth)
{
    c->changes++;
    c->state[copy] = (struct prefix_state){node->state, node, worth, at, c->clock, 0};
    c->bytes += c->states->page_bytes;
    return node->state = &c->state[copy];
}

static void save_state(struct prefix_cache *c, struct prefix_node *node, int at, uint64_t since,
                       const struct sequence *seq, enum prefix_worth worth)
{
    for (struct prefix_state *s = node->state; s; s = s->next)
        if (s->at == at) {
            s->worth = worth > s->worth ? worth : s->worth;
            s->used = c->clock;
            return;
        }
    if (worth == PREFIX_PERIODIC)
        thin_out(c, node, node->depth * KV_PAGE + at);
    int copy = take_state(c, since, worth);
    if (copy < 0)
        return;
    memcpy(kv_page_at(c->states, copy), seq->state, seq->state_bytes);
    hold_state(c, node, at, copy, worth);
}

void prefix_remember(struct prefix_cache *c, struct prefix_place *at, struct sequence *seq, const int32_t *ids,
                     enum prefix_worth worth)
{
    int whole = seq->n_pos / KV_PAGE * KV_PAGE, part = seq->n_pos - whole;
    if (seq->n_pos == 0 || whole != (at->node ? (at->node->depth + 1) * KV_PAGE : 0))
        return; /* what is before it found no room */
    struct prefix_node *node = part ? know(c, at, seq, ids + whole, part) : at->node;
    if (!node)
        return;
    touch(c, node);
    keep_windows(c, node, part ? part : KV_PAGE);
    if (seq->state && !seq->torn && c->states->n_page)
        save_state(c, node, part ? part : KV_PAGE, at->since, seq, worth);
}

/* ---- making room ------------------------------------------------------------------------------------------------------------ */

/* Window pages go by themselves: those that only lay on the way first. */
static struct prefix_node *least_window(const struct prefix_cache *c, int kind)
{
    struct prefix_node *least = NULL;
    for (struct prefix_node *n = c->node; n < c->node + c->n_node; n++)
        if (n->n && n->page[kind] >= 0 && c->pool[kind].users[n->page[kind]] == 1 &&
            (!least || n->lasting < least->lasting || (n->lasting == least->lasting && n->used < least->used)))
            least = n;
    return least;
}

int prefix_make_room(struct prefix_cache *c)
{
    int made = 0;
    for (int k = 0; k < KV_KINDS; k++) {
        if (!c->pool[k].n_layer || c->pool[k].n_free > 0)
            continue;
        struct prefix_node *n = c->pool[k].window > 0 ? least_window(c, k) : oldest_leaf(c, k);
        if (!n)
            continue;
        if (c->pool[k].window > 0)
            give_page(c, n, k);
        else
            remove_node(c, n);
        made = 1;
    }
    return made;
}

int prefix_available(const struct prefix_cache *c, int kind)
{
    int n = c->pool[kind].n_free;
    for (const struct prefix_node *i = c->node; i < c->node + c->n_node; i++)
        n += i->n && i->page[kind] >= 0 && c->pool[kind].users[i->page[kind]] == 1;
    return n;
}

void prefix_clear(struct prefix_cache *c)
{
    for (struct prefix_state *s = c->state; s < c->state + c->states->n_page; s++)
        if (s->node)
            give_state(c, s);
    for (struct prefix_node *n; (n = oldest_leaf(c, -1));)
        remove_node(c, n);
}

/* ---- what is kept elsewhere ------------------------------------------------------------------------------------------------- */

int prefix_reach(struct prefix_cache *c, uint64_t root, const int32_t *ids, int n) { return find(c, root, ids, n).pos; }

struct prefix_node *prefix_child(struct prefix_cache *c, struct prefix_node *parent, uint64_t root, const int32_t *ids,
                                 int n)
{
    for (struct prefix_node *i = *children(c, parent); i; i = i->next)
        if (i->root == root && prefix_common(i, ids, n) == KV_PAGE)
            return i;
    return NULL;
}

int prefix_find_room(struct prefix_cache *c, struct prefix_found *f, unsigned kinds, int has_state)
{
    unsigned need = 0, all = 0;
    int fits;
    for (int k = 0; k < KV_KINDS; k++) {
        all |= c->pool[k].n_layer ? 1u << k : 0;
        need |= c->pool[k].n_layer && c->pool[k].window <= 0 ? 1u << k : 0;
        f->page[k] = -1;
    }
    f->state = -1;
    if (has_state && f->n == KV_PAGE && prefix_child(c, f->parent, f->root, f->ids, f->n))
        need = 0;
    fits = (kinds & need) == need && (kinds & ~all) == 0 && (!has_state || c->states->page_bytes);
    if (f->parent)
        f->parent->users++; /* it stays while room is made */
    for (int k = 0; fits && k < KV_KINDS; k++)
        fits = !(kinds >> k & 1) || (f->page[k] = take_page(c, k)) >= 0;
    fits = fits && (!has_state || (f->state = take_state(c, UINT64_MAX, PREFIX_WISHED)) >= 0);
    if (!fits)
        prefix_drop_found(c, f);
    return fits;
}

void prefix_drop_found(struct prefix_cache *c, struct prefix_found *f)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (f->page[k] >= 0)
            kv_page_give(&c->pool[k], f->page[k]);
    if (f->state >= 0)
        kv_page_give(c->states, f->state);
    if (f->parent)
        f->parent->users--;
}

void prefix_hang(struct prefix_cache *c, struct prefix_found *f)
{
    const struct prefix_place behind = {.root = f->root, .node = f->parent};
    struct prefix_node *node = *children(c, f->parent);
    while (node && (node->root != f->root || prefix_common(node, f->ids, f->n) < f->n))
        node = node->next;
    if (!node && (node = add_node(c, &behind, f->parent ? f->parent->depth + 1 : 0))) {
        grow(c, node, f->ids, f->n);
        node->saved = 1;
    }
    for (int k = 0; node && k < KV_KINDS; k++)
        if (f->page[k] >= 0 && node->page[k] < 0 && node->n == f->n)
            hold_page(c, node, k, f->page[k]);
    if (node) {
        touch(c, node);
        keep_windows(c, node, f->n);
    }
    for (struct prefix_state *s = node ? node->state : NULL; s; s = s->next)
        if (s->at == f->n)
            node = NULL; /* it has that too */
    if (node && f->state >= 0) {
        hold_state(c, node, f->n, f->state, PREFIX_ENDING)->saved = 1;
        f->state = -1;
    }
    prefix_drop_found(c, f);
}
