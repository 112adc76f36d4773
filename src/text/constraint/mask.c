/* Masks of sets: mask.h. */
#include "text/constraint/mask.h"

#include "text/constraint/reserve.h"

#include <stdlib.h>
#include <string.h>

enum { SLOT_RESTS = 1, SLOT_SET };

static uint32_t most_found(const struct token_trie *trie)
{
    return trie->n_token < MASK_RESTS ? (trie->n_token + 64) / 64 * 64 : MASK_RESTS;
}

/* All that masks hold, in a fixed arena or in one that measures. */
static void lay_out(struct masks *k, const struct token_trie *trie, struct arena *a)
{
    k->n_found = most_found(trie);
    k->slot_bits = arena_array(a, (size_t)MASK_SLOTS * trie->n_word, sizeof *k->slot_bits);
    k->part = arena_array(a, trie->n_word, sizeof *k->part);
    k->whole = arena_array(a, trie->n_word, sizeof *k->whole);
    size_t found = k->n_found * sizeof *k->found, judged = (trie->n_token + (size_t)1) * sizeof *k->judged;
    void *list = arena_alloc(a, found > judged ? found : judged); /* no leaf mask is made while tokens are judged */
    k->found = list;
    k->judged = list;
    k->free_text = arena_array(a, trie->n_word, sizeof *k->free_text);
    k->completed = arena_array(a, trie->n_word, sizeof *k->completed);
    k->exits = arena_array(a, MASK_EXITS, sizeof *k->exits);
    k->ticks_of = arena_array(a, trie->n_word, 64);
    k->target_of = arena_array(a, trie->n_word, 64);
    k->answers = arena_array(a, MASK_TARGETS, sizeof *k->answers);
    k->stack = arena_array(a, trie->longest + 2, sizeof *k->stack);
    k->ticks = arena_array(a, trie->longest + 2, sizeof *k->ticks);
    k->memory = arena_alloc(a, k->most);
}

static size_t bytes_of(const struct token_trie *trie, size_t most)
{
    struct masks k = {.most = most};
    struct arena a;
    arena_init_measuring(&a);
    lay_out(&k, trie, &a);
    return arena_measured(&a);
}

size_t masks_fixed_bytes(const struct token_trie *trie) { return bytes_of(trie, 0); }

int masks_create(struct masks *k, const struct token_trie *trie, struct matcher *m, size_t capacity, size_t most,
                 struct error *err)
{
    *k = (struct masks){.trie = trie,
                        .matcher = m,
                        .longest = MASK_ANY_LENGTH,
                        .size = capacity,
                        .most = most,
                        .bytes = bytes_of(trie, most)};
    if (reserve(&k->arena, k->bytes, err))
        return -1;
    lay_out(k, trie, &k->arena);
    return 0;
}

void masks_destroy(struct masks *k) { arena_unmap(&k->arena); }

void masks_forget(struct masks *k)
{
    memset(k->slot, 0, sizeof k->slot);
    k->filling = NULL;
    k->used = 0;
}

void masks_release(struct masks *k, size_t capacity)
{
    masks_forget(k);
    k->size = capacity;
    reserve_discard(&k->arena, k->arena.base);
}

/* ---- slots -------------------------------------------------------------------------------------------------------------------- */

/* The slot of (kind, a, b); *fresh: it has to be filled, and is zeroed. */
static uint64_t *slot_for(struct masks *k, uint32_t kind, uint32_t a, uint32_t b, int *fresh)
{
    uint32_t oldest = 0;
    k->clock++;
    for (uint32_t i = 0; i < MASK_SLOTS; i++) {
        struct slot *s = &k->slot[i];
        if (s->used && s->kind == kind && s->a == a && s->b == b && s->longest == k->longest) {
            s->used = k->clock;
            *fresh = 0;
            return k->slot_bits + (size_t)i * k->trie->n_word;
        }
        if (s->used < k->slot[oldest].used)
            oldest = i;
    }
    k->slot[oldest] = (struct slot){kind, a, b, k->longest, k->clock};
    k->filling = &k->slot[oldest];
    *fresh = 1;
    uint64_t *bits = k->slot_bits + (size_t)oldest * k->trie->n_word;
    matcher_work(k->matcher, k->trie->n_word / 16);
    memset(bits, 0, k->trie->n_word * sizeof *bits);
    return bits;
}

void masks_abandon(struct masks *k)
{
    if (k->filling)
        k->filling->used = 0;
    k->filling = NULL;
}

/* All that belongs in a slot is in it, if memory was enough. */
static void filled(struct masks *k)
{
    if (k->matcher->full)
        masks_abandon(k);
    k->filling = NULL;
}

/* ---- leaves ------------------------------------------------------------------------------------------------------------------- */

static const struct ticks_range any_ticks = {0, UINT32_MAX};

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

void masks_add_inside(const struct masks *k, const struct leaf_mask *leaf, uint32_t most, uint64_t *bits)
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
    return m->g->rule[states_at(m, c->states)->rule].leaf ? masks_leaf(k, c->states, 0) : NULL;
}

uint32_t masks_count_left(const struct matcher *m, const struct config *c)
{
    const struct rule *r = &m->g->rule[states_at(m, c->states)->rule];
    return !r->counted || r->max == GRAMMAR_MANY ? UINT32_MAX : (uint32_t)r->max - c->count;
}

uint32_t masks_count_needed(const struct matcher *m, const struct config *c)
{
    const struct rule *r = &m->g->rule[states_at(m, c->states)->rule];
    return !r->counted || c->count >= (uint32_t)r->min ? 0 : (uint32_t)r->min - c->count;
}

int masks_reads_on(struct masks *k, const struct config *c, const struct leaf_mask *leaf)
{
    const struct matcher *m = k->matcher;
    uint32_t behind = matcher_pop(k->matcher, c->frame);
    return m->full || (behind != SET_DEAD && (overlap(&set_at(m, behind)->alive, &leaf->leaving) ||
                                              (k->leaving && set_at(m, behind)->accepting)));
}

/* 0: done; 1: this configuration has to be walked. */
static int add_counted(struct masks *k, const struct config *c, const struct leaf_mask *leaf, uint64_t *bits)
{
    struct matcher *m = k->matcher;
    uint32_t left = masks_count_left(m, c), need = masks_count_needed(m, c);
    if (left < leaf->most_ticks && masks_reads_on(k, c, leaf))
        return 1;
    masks_add_inside(k, leaf, left, bits);
    matcher_work(m, leaf->bits ? k->trie->n_word / 4 : leaf->n_inside);
    if (k->leaving || (leaf->n_rest + leaf->n_exit && need > leaf->least_rest_ticks) || left < leaf->most_rest_ticks) {
        masks_walk_rests(k, leaf, c->frame, (struct ticks_range){need, left}, bits, NULL);
        return 0;
    }
    int fresh;
    uint64_t *rests = slot_for(k, SLOT_RESTS, c->states, c->frame, &fresh);
    uint32_t work = k->work;
    k->work = 0; /* what a slot holds is counted for itself: it may be there already */
    if (fresh)
        masks_walk_rests(k, leaf, c->frame, any_ticks, rests, NULL);
    k->work = work;
    filled(k);
    for (uint32_t w = 0; w < k->trie->n_word; w++)
        bits[w] |= rests[w];
    return 0;
}

/* ---- sets --------------------------------------------------------------------------------------------------------------------- */

static int is_counted(const struct matcher *m, const struct config *c)
{
    const struct rule *r = &m->g->rule[states_at(m, c->states)->rule];
    return r->counted && r->leaf;
}

static void fill(struct masks *k, uint32_t set, uint64_t *bits)
{
    struct matcher *m = k->matcher;
    const struct set *s = set_at(m, set);
    struct config walked[MASK_APART];
    uint32_t n = 0, most = k->longest == MASK_ANY_LENGTH ? MASK_APART : 0;
    for (uint32_t i = 0; i < s->n && s->n <= most && !m->full; i++) {
        const struct leaf_mask *leaf = is_counted(m, &s->config[i]) ? NULL : leaf_of(k, &s->config[i]);
        if (leaf) {
            masks_add_inside(k, leaf, UINT32_MAX, bits);
            matcher_work(m, leaf->bits ? k->trie->n_word / 8 : leaf->n_inside);
            masks_walk_rests(k, leaf, s->config[i].frame, any_ticks, bits, NULL);
        } else {
            walked[n++] = s->config[i];
        }
    }
    uint32_t rest = s->n > most ? set : matcher_part(m, walked, n);
    if (!m->full && rest != SET_DEAD)
        masks_walk(k, rest, bits, NULL);
}

/* The mask of a set, kept; root: the set that legal() begins from. */
static const uint64_t *kept(struct masks *k, uint32_t set, uint32_t root)
{
    int fresh;
    uint64_t *bits = slot_for(k, SLOT_SET + (k->leaving ? k->leaving->key : 0), set, k->leaving ? root : 0, &fresh);
    uint32_t work = k->work;
    k->work = 0;
    if (fresh)
        fill(k, set, bits);
    k->work = work;
    filled(k);
    return k->matcher->full ? NULL : bits;
}

const uint64_t *masks_of(struct masks *k, uint32_t set, const struct masks_leaving *leaving)
{
    struct matcher *m = k->matcher;
    const struct set *s = set_at(m, set);
    struct config other[MASK_APART];
    uint32_t n = 0;
    int counted = 0;
    k->leaving = leaving;
    k->work = 0;
    for (uint32_t i = 0; i < s->n && s->n <= MASK_APART && k->longest == MASK_ANY_LENGTH; i++)
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
