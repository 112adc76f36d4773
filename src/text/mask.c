/* Masks of sets: mask.h. */
#include "text/mask.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SLOT_RESTS = 1, SLOT_SET };

static size_t words_bytes(const struct token_trie *trie) { return (trie->n_word + 7) / 8 * 64; }
static size_t deep_bytes(const struct token_trie *trie)
{
    return ((trie->longest + 2) * sizeof(uint32_t) + 63) / 64 * 64;
}
static uint32_t most_found(const struct token_trie *trie)
{
    return trie->n_token < MASK_RESTS ? (trie->n_token + 64) / 64 * 64 : MASK_RESTS;
}

size_t masks_fixed_bytes(const struct token_trie *trie)
{
    return (MASK_SLOTS + 2) * words_bytes(trie) + 2 * deep_bytes(trie) + most_found(trie) * sizeof(struct found) +
           MASK_EXITS * sizeof(struct leaf_exit) + (size_t)trie->n_word * 64 + 64;
}

int masks_create(struct masks *k, const struct token_trie *trie, struct matcher *m, size_t room, size_t most,
                 struct error *err)
{
    *k = (struct masks){.trie = trie, .matcher = m, .size = room, .most = most, .n_found = most_found(trie)};
    size_t words = words_bytes(trie), deep = deep_bytes(trie);
    k->bytes = masks_fixed_bytes(trie) + most;
    char *p = mmap(NULL, k->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return error_set(err, ERR_MEMORY, "no memory for the masks of a constraint: %zu bytes", k->bytes);
    k->reservation = p;
    k->slot_bits = (uint64_t *)p;
    k->part = (uint64_t *)(p += MASK_SLOTS * words);
    k->whole = (uint64_t *)(p += words);
    k->found = (struct found *)(p += words);
    k->exits = (struct leaf_exit *)(p += k->n_found * sizeof *k->found);
    k->ticks_of = (uint8_t *)(p += MASK_EXITS * sizeof *k->exits);
    k->stack = (uint32_t *)(p += (size_t)trie->n_word * 64);
    k->ticks = (uint32_t *)(p += deep);
    p += deep;
    k->room = p + (64 - (uintptr_t)p % 64) % 64;
    return 0;
}

void masks_destroy(struct masks *k)
{
    if (k->reservation)
        munmap(k->reservation, k->bytes);
}

void masks_forget(struct masks *k)
{
    memset(k->slot, 0, sizeof k->slot);
    k->used = 0;
}

void masks_release(struct masks *k, size_t room)
{
    masks_forget(k);
    k->size = room;
    madvise(k->reservation, k->bytes, MADV_DONTNEED);
}

/* ---- slots -------------------------------------------------------------------------------------------------------------------- */

/* The slot of (kind, a, b); *fresh: it has to be filled, and is zeroed. */
static uint64_t *slot_for(struct masks *k, uint32_t kind, uint32_t a, uint32_t b, int *fresh)
{
    uint32_t oldest = 0;
    k->clock++;
    for (uint32_t i = 0; i < MASK_SLOTS; i++) {
        struct slot *s = &k->slot[i];
        if (s->used && s->kind == kind && s->a == a && s->b == b) {
            s->used = k->clock;
            *fresh = 0;
            return k->slot_bits + (size_t)i * k->trie->n_word;
        }
        if (s->used < k->slot[oldest].used)
            oldest = i;
    }
    k->slot[oldest] = (struct slot){kind, a, b, k->clock};
    *fresh = 1;
    uint64_t *bits = k->slot_bits + (size_t)oldest * k->trie->n_word;
    memset(bits, 0, k->trie->n_word * sizeof *bits);
    return bits;
}

/* What was begun could not be finished. */
static void drop(struct masks *k, const uint64_t *bits) { k->slot[(bits - k->slot_bits) / k->trie->n_word].used = 0; }

/* ---- walks -------------------------------------------------------------------------------------------------------------------- */

/* Tokens that are read whole. */
static void add_whole(struct masks *k, uint32_t set, uint64_t *bits, int (*wanted)(void *arg, uint32_t set), void *arg)
{
    struct matcher *m = k->matcher;
    const struct set *s = set_at(m, set);
    uint32_t n_vocab = (uint32_t)k->trie->n_vocab;
    for (uint32_t i = 0; s->tokens && i < s->n; i++) {
        const struct states *x = states_at(m, s->config[i].states);
        for (uint32_t j = 0; x->tokens && j < x->n; j++)
            for (uint32_t e = m->g->first[x->state[j]]; e < m->g->first[x->state[j] + 1]; e++) {
                const struct edge *edge = &m->g->edge[e];
                uint32_t id = edge->arg;
                int other = edge->kind == EDGE_OTHER;
                if ((!other && edge->kind != EDGE_TOKEN) ||
                    (wanted && !wanted(arg, matcher_token(m, set, other ? UINT32_MAX : id, other))))
                    continue;
                int had = id < n_vocab && bit_of(bits, id);
                for (uint32_t w = 0; other && w < k->trie->n_word; w++)
                    bits[w] |= k->trie->is_text[w];
                if (!other && id < n_vocab)
                    set_bit(bits, id);
                if (other && id < n_vocab && !had)
                    bits[id >> 6] &= ~(UINT64_C(1) << (id & 63));
            }
    }
}

/* The grammar gave up behind a set; tokens [from, to) of the trie go on. */
static void offer(struct masks *k, uint32_t set, const uint32_t *token, uint32_t n, uint64_t *bits)
{
    if (!k->leaving || !set_at(k->matcher, set)->accepting)
        return;
    for (uint32_t i = 0; i < n; i++)
        if (!bit_of(bits, token[i]) && k->leaving->legal(k->leaving->arg, token[i]))
            set_bit(bits, token[i]);
}

/* Where a walk goes on that stands behind a node: all tokens in between lead to the same set. */
static uint32_t next_node(const struct masks *k, uint32_t at, uint32_t set)
{
    const struct trie_node *node = &k->trie->node[at];
    int worth = node->plain && k->trie->node[node->skip].token - node->token >= MASK_PLAIN;
    return worth && masks_set_loops(k->matcher, set) ? node->skip : at + 1;
}

void masks_walk(struct masks *k, uint32_t set, uint64_t *bits, int (*wanted)(void *arg, uint32_t set), void *arg)
{
    struct matcher *m = k->matcher;
    const struct token_trie *trie = k->trie;
    add_whole(k, set, bits, wanted, arg);
    k->stack[0] = set;
    for (uint32_t i = 0; i < trie->n_node && !m->full;) {
        const struct trie_node *node = &trie->node[i];
        uint32_t from = k->stack[node->depth - 1], to = matcher_step(m, from, node->byte);
        if (to == SET_DEAD) {
            if (node->depth > 1)
                offer(k, from, trie->token + node->token, trie->node[node->skip].token - node->token, bits);
            i = node->skip;
            continue;
        }
        k->stack[node->depth] = to;
        uint32_t next = next_node(k, i, to), end = trie->node[next].token;
        if (node->token < end && (!wanted || wanted(arg, to)))
            for (uint32_t t = node->token; t < end; t++)
                set_bit(bits, trie->token[t]);
        i = next;
    }
}

/* Who wants to know where tokens lead to. */
struct visiting {
    void (*visit)(void *arg, uint32_t set, const struct config *inside);
    void *arg;
};

/* ---- leaves ------------------------------------------------------------------------------------------------------------------- */

static void offer_rests(struct masks *k, uint32_t set, const struct rest *rest, uint32_t n, uint32_t least,
                        uint32_t most, uint64_t *bits)
{
    for (uint32_t i = 0; i < n && k->leaving; i++)
        if (rest[i].ticks >= least && rest[i].ticks <= most)
            offer(k, set, &rest[i].token, 1, bits);
}

/* Tokens below a node of the trie, with what is read there. */
static void walk_below(struct masks *k, uint32_t at, uint32_t set, uint64_t *bits, struct visiting *v)
{
    struct matcher *m = k->matcher;
    const struct token_trie *trie = k->trie;
    k->stack[trie->node[at].depth] = set;
    for (uint32_t i = at + 1; i < trie->node[at].skip && !m->full;) {
        const struct trie_node *node = &trie->node[i];
        uint32_t from = k->stack[node->depth - 1], to = matcher_step(m, from, node->byte);
        if (to == SET_DEAD) {
            if (bits)
                offer(k, from, trie->token + node->token, trie->node[node->skip].token - node->token, bits);
            i = node->skip;
            continue;
        }
        k->stack[node->depth] = to;
        uint32_t next = next_node(k, i, to), end = trie->node[next].token;
        if (v && node->token < end)
            v->visit(v->arg, to, NULL);
        for (uint32_t t = node->token; t < end && bits; t++)
            set_bit(bits, trie->token[t]);
        i = next;
    }
}

/* Ticks between least and most of a rest may be counted before the leaf is left. */
static void walk_rests(struct masks *k, const struct leaf_mask *leaf, uint32_t frame, uint32_t least, uint32_t most,
                       uint64_t *bits)
{
    struct matcher *m = k->matcher;
    k->stack[0] = matcher_pop(m, frame);
    for (uint32_t i = 0; i < leaf->n_node && !m->full && k->stack[0] != SET_DEAD;) {
        const struct rest_node *node = &leaf->node[i];
        uint32_t from = k->stack[node->depth - 1], to = matcher_step(m, from, node->byte);
        if (to == SET_DEAD) {
            offer_rests(k, from, leaf->rest + node->first, leaf->node[node->skip].first - node->first, least, most,
                        bits);
            i = node->skip;
            continue;
        }
        k->stack[node->depth] = to;
        for (uint32_t r = node->first; r < node[1].first; r++)
            if (leaf->rest[r].ticks >= least && leaf->rest[r].ticks <= most)
                set_bit(bits, leaf->rest[r].token);
        i++;
    }
    uint32_t behind = k->stack[0];
    for (uint32_t e = 0; e < leaf->n_exit && behind != SET_DEAD; e++)
        if (leaf->exit[e].ticks >= least && leaf->exit[e].ticks <= most)
            walk_below(k, leaf->exit[e].node, behind, bits, NULL);
}

/* Which of eight numbers are at most this: a bit each. Eight bytes are compared at once while all that count are below 128. */
static uint8_t fit_eight(const uint8_t *ticks, uint32_t most)
{
    const uint64_t low = UINT64_C(0x0101010101010101), high = low << 7;
    uint64_t x, fits = 0;
    if (most < 127) {
        memcpy(&x, ticks, sizeof x);
        fits = ((low * most | high) - (x & ~high)) & ~x & high;
        return (uint8_t)((fits >> 7) * UINT64_C(0x0102040810204080) >> 56);
    }
    for (int i = 0; i < 8; i++)
        fits |= (uint64_t)(ticks[i] <= most && ticks[i] != MASK_NEVER) << i;
    return (uint8_t)fits;
}

static void add_inside(const struct masks *k, const struct leaf_mask *leaf, uint32_t most, uint64_t *bits)
{
    if (!leaf->bits) {
        for (uint32_t i = 0; i < leaf->n_inside; i++)
            if (leaf->ticks[i] <= most)
                set_bit(bits, leaf->list[i]);
    } else if (most >= leaf->most_ticks) {
        for (uint32_t w = 0; w < k->trie->n_word; w++)
            bits[w] |= leaf->bits[w];
    } else {
        for (uint32_t w = 0; w < k->trie->n_word; w++)
            for (int i = 0; i < 8; i++)
                bits[w] |= (uint64_t)fit_eight(leaf->ticks + (size_t)w * 64 + i * 8, most) << (i * 8);
    }
}

static int overlap(const struct alive *a, const struct alive *b)
{
    return ((a->bits[0] & b->bits[0]) | (a->bits[1] & b->bits[1]) | (a->bits[2] & b->bits[2]) |
            (a->bits[3] & b->bits[3])) != 0;
}

static const struct leaf_mask *leaf_of(struct masks *k, const struct config *c)
{
    const struct matcher *m = k->matcher;
    return m->g->rule[states_at(m, c->states)->rule].leaf ? masks_leaf(k, c->states) : NULL;
}

/* Items that a counted leaf may still begin, and has to. */
static uint32_t count_left(const struct matcher *m, const struct config *c)
{
    const struct rule *r = &m->g->rule[states_at(m, c->states)->rule];
    return !r->counted || r->max == GRAMMAR_MANY ? UINT32_MAX : (uint32_t)r->max - c->count;
}

static uint32_t count_needed(const struct matcher *m, const struct config *c)
{
    const struct rule *r = &m->g->rule[states_at(m, c->states)->rule];
    return !r->counted || c->count >= (uint32_t)r->min ? 0 : (uint32_t)r->min - c->count;
}

/* 0: done; 1: this configuration has to be walked. */
static int add_counted(struct masks *k, const struct config *c, const struct leaf_mask *leaf, uint64_t *bits)
{
    struct matcher *m = k->matcher;
    uint32_t left = count_left(m, c), need = count_needed(m, c), behind = matcher_pop(m, c->frame);
    int may_go_on = behind != SET_DEAD && (overlap(&set_at(m, behind)->alive, &leaf->leaving) ||
                                           (k->leaving && set_at(m, behind)->accepting));
    if (m->full || (left < leaf->most_ticks && may_go_on))
        return 1;
    add_inside(k, leaf, left, bits);
    if (k->leaving || (leaf->n_rest + leaf->n_exit && need > leaf->least_rest_ticks) || left < leaf->most_rest_ticks) {
        walk_rests(k, leaf, c->frame, need, left, bits);
        return 0;
    }
    int fresh;
    uint64_t *rests = slot_for(k, SLOT_RESTS, c->states, c->frame, &fresh);
    if (fresh)
        walk_rests(k, leaf, c->frame, 0, UINT32_MAX, rests);
    if (m->full)
        drop(k, rests);
    for (uint32_t w = 0; w < k->trie->n_word; w++)
        bits[w] |= rests[w];
    return 0;
}

/* ---- sets --------------------------------------------------------------------------------------------------------------------- */

enum { APART = 64 }; /* configurations of a set that are looked at one by one; more: the whole set is walked */

static int is_counted(const struct matcher *m, const struct config *c)
{
    const struct rule *r = &m->g->rule[states_at(m, c->states)->rule];
    return r->counted && r->leaf;
}

static void fill(struct masks *k, uint32_t set, uint64_t *bits)
{
    struct matcher *m = k->matcher;
    const struct set *s = set_at(m, set);
    struct config walked[APART];
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n && s->n <= APART && !m->full; i++) {
        const struct leaf_mask *leaf = is_counted(m, &s->config[i]) ? NULL : leaf_of(k, &s->config[i]);
        if (leaf) {
            add_inside(k, leaf, UINT32_MAX, bits);
            walk_rests(k, leaf, s->config[i].frame, 0, UINT32_MAX, bits);
        } else {
            walked[n++] = s->config[i];
        }
    }
    uint32_t rest = s->n > APART ? set : matcher_part(m, walked, n);
    if (!m->full && rest != SET_DEAD)
        masks_walk(k, rest, bits, NULL, NULL);
}

/* The mask of a set, kept; root: the set that legal() begins from. */
static const uint64_t *kept(struct masks *k, uint32_t set, uint32_t root)
{
    int fresh;
    uint64_t *bits = slot_for(k, SLOT_SET + (k->leaving ? k->leaving->key : 0), set, k->leaving ? root : 0, &fresh);
    if (fresh)
        fill(k, set, bits);
    if (k->matcher->full)
        drop(k, bits);
    return k->matcher->full ? NULL : bits;
}

const uint64_t *masks_of(struct masks *k, uint32_t set, const struct masks_leaving *leaving)
{
    struct matcher *m = k->matcher;
    const struct set *s = set_at(m, set);
    struct config other[APART];
    uint32_t n = 0;
    int counted = 0;
    k->leaving = leaving;
    for (uint32_t i = 0; i < s->n && s->n <= APART; i++)
        counted |= is_counted(m, &s->config[i]);
    if (!counted)
        return kept(k, set, set);
    memset(k->whole, 0, k->trie->n_word * sizeof *k->whole);
    for (uint32_t i = 0; i < s->n && !m->full; i++) {
        const struct leaf_mask *leaf = is_counted(m, &s->config[i]) ? leaf_of(k, &s->config[i]) : NULL;
        if (!leaf || add_counted(k, &s->config[i], leaf, k->whole))
            other[n++] = s->config[i];
    }
    uint32_t part = m->full ? SET_DEAD : matcher_part(m, other, n);
    const uint64_t *rest = part != SET_DEAD && !m->full ? kept(k, part, set) : NULL;
    for (uint32_t w = 0; rest && w < k->trie->n_word; w++)
        k->whole[w] |= rest[w];
    return m->full ? NULL : k->whole;
}

/* ---- where tokens lead to ------------------------------------------------------------------------------------------------------- */

static int visit_set(void *arg, uint32_t set)
{
    const struct visiting *v = arg;
    v->visit(v->arg, set, NULL);
    return 0;
}

static void visit_leaf(struct masks *k, const struct leaf_mask *leaf, const struct config *c, struct visiting *v)
{
    struct matcher *m = k->matcher;
    uint32_t left = count_left(m, c), need = count_needed(m, c);
    for (uint32_t i = 0; i < leaf->n_target && !m->full; i++) {
        uint32_t ticks = leaf->target[i].ticks;
        const struct rule *r = &m->g->rule[states_at(m, c->states)->rule];
        struct config to = {c->frame, leaf->target[i].states, c->count};
        for (uint32_t t = 0; t < ticks && r->counted; t++)
            to.count = matcher_tick(r, to.count);
        if (ticks <= left)
            v->visit(v->arg, SET_DEAD, &to);
    }
    k->stack[0] = matcher_pop(m, c->frame);
    for (uint32_t i = 0; i < leaf->n_node && !m->full && k->stack[0] != SET_DEAD;) {
        const struct rest_node *node = &leaf->node[i];
        uint32_t to = matcher_step(m, k->stack[node->depth - 1], node->byte);
        k->stack[node->depth] = to;
        int fits = 0;
        for (uint32_t r = node->first; r < node[1].first && to != SET_DEAD && !fits; r++)
            fits = leaf->rest[r].ticks >= need && leaf->rest[r].ticks <= left;
        if (fits)
            v->visit(v->arg, to, NULL);
        i = to == SET_DEAD ? node->skip : i + 1;
    }
    uint32_t behind = k->stack[0];
    for (uint32_t e = 0; e < leaf->n_exit && behind != SET_DEAD; e++)
        if (leaf->exit[e].ticks >= need && leaf->exit[e].ticks <= left)
            walk_below(k, leaf->exit[e].node, behind, NULL, v);
}

void masks_targets(struct masks *k, uint32_t set, void (*visit)(void *arg, uint32_t set, const struct config *inside),
                   void *arg)
{
    struct matcher *m = k->matcher;
    const struct set *s = set_at(m, set);
    struct visiting v = {visit, arg};
    struct config walked[APART];
    uint32_t n = 0;
    k->leaving = NULL;
    for (uint32_t i = 0; i < s->n && s->n <= APART && !m->full; i++) {
        const struct leaf_mask *leaf = leaf_of(k, &s->config[i]);
        if (leaf && leaf->n_target < MASK_TARGETS)
            visit_leaf(k, leaf, &s->config[i], &v);
        else
            walked[n++] = s->config[i];
    }
    uint32_t rest = s->n > APART ? set : matcher_part(m, walked, n);
    if (m->full || rest == SET_DEAD)
        return;
    memset(k->part, 0, k->trie->n_word * sizeof *k->part);
    masks_walk(k, rest, k->part, visit_set, &v);
}
