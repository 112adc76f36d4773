/* Pieces of known prefixes found elsewhere: see found.h. */
#include "engine/prefix/found.h"

#include "engine/prefix/tree.h"

static int depth_of(const struct prefix_found *f) { return f->parent ? f->parent->depth + 1 : 0; }

int prefix_found_reserve(struct prefix_cache *c, struct prefix_found *f, unsigned kinds, int has_state)
{
    unsigned need = 0, all = 0;
    int fits;
    for (int k = 0; k < KV_KINDS; k++) {
        all |= c->pool[k].n_layer ? 1u << k : 0;
        need |= c->pool[k].n_layer && c->pool[k].window.n <= 0 ? 1u << k : 0;
        f->page[k] = -1;
    }
    f->state = -1;
    if (has_state && f->n == KV_PAGE && prefix_child(c, f->parent, prefix_key(f->of, depth_of(f), f->n), f->ids, f->n))
        need = 0;
    fits = (kinds & need) == need && (kinds & ~all) == 0 && (!has_state || c->states->page_bytes);
    if (f->parent)
        f->parent->users++; /* it is not evicted for what follows */
    for (int k = 0; fits && k < KV_KINDS; k++)
        fits = !(kinds >> k & 1) || (f->page[k] = tree_take_page(c, k)) >= 0;
    fits = fits && (!has_state || (f->state = tree_take_state(c, UINT64_MAX, PREFIX_REQUESTED)) >= 0);
    if (!fits)
        prefix_found_release(c, f);
    return fits;
}

void prefix_found_release(struct prefix_cache *c, struct prefix_found *f)
{
    for (int k = 0; k < KV_KINDS; k++)
        if (f->page[k] >= 0)
            kv_page_give(&c->pool[k], f->page[k]);
    if (f->state >= 0)
        kv_page_give(c->states, f->state);
    if (f->parent)
        f->parent->users--;
}

void prefix_insert(struct prefix_cache *c, struct prefix_found *f)
{
    int depth = depth_of(f);
    uint64_t key = prefix_key(f->of, depth, f->n);
    struct prefix_node *node = *tree_list(c, f->parent);
    while (node &&
           (node->key != key || prefix_common(node, f->ids, f->n) < f->n || prefix_key(f->of, depth, node->n) != key))
        node = node->next;
    if (!node && (node = tree_add(c, f->parent, key))) {
        tree_grow(c, node, f->ids, f->n);
        node->saved = 1;
    }
    for (int k = 0; node && k < KV_KINDS; k++)
        if (f->page[k] >= 0 && node->page[k] < 0 && node->n == f->n)
            tree_hold_page(c, node, k, f->page[k]);
    if (node) {
        tree_mark_used(c, node);
        tree_keep_windows(c, node, f->n);
    }
    for (struct prefix_state *s = node ? node->state : NULL; s; s = s->next)
        if (s->at == f->n)
            node = NULL; /* it has that too */
    if (node && f->state >= 0) {
        tree_hold_state(c, node, f->n, f->state, PREFIX_ENDING)->saved = 1;
        f->state = -1;
    }
    prefix_found_release(c, f);
}
