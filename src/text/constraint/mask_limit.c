/* Masks close to a limit: of the tokens that may follow, those behind which a judge finds the end close enough.
 *
 * Tokens that lead to one place share one answer. Of tokens inside a leaf it is known beforehand where they lead to (mask_leaf.c),
 * so the judge is asked of each such place, not of each token:
 *
 *     "abc"   of a leaf   main   where most tokens lead to, inside a string back into it; of counted rules by ticks
 *                         odd    all others: in the middle of a character, behind a backslash
 *
 * A token that may be read in several ways is wanted if one of them is: configurations are judged each for itself. */
#include "text/constraint/mask.h"

#include <string.h>

/* What does the judge say of a target, by ticks? Counts beyond what the rule asks for differ only in whether more may come. */
static void ask(struct masks *k, const struct config *c, const struct leaf_mask *leaf, uint32_t target,
                const struct masks_judge *j, struct answers *a)
{
    struct matcher *m = k->matcher;
    const struct rule *r = &m->g->rule[states_at(m, c->states)->rule];
    struct config to = {c->frame, leaf->target[target].states, c->count};
    uint32_t begun = r->counted && !states_at(m, to.states)->accepts, left = masks_count_left(m, c),
             min = (uint32_t)r->min;
    int same = 0;
    memset(a->ok, 0, sizeof a->ok); /* MASK_NEVER too */
    for (uint32_t ticks = begun; ticks <= leaf->most_ticks && ticks <= left && !m->full; ticks++) {
        uint32_t before = to.count;
        if (ticks > begun)
            to.count = matcher_tick(r, to.count);
        int alike = same && before >= min && (ticks < left || before == to.count);
        matcher_work(m, 1);
        a->ok[ticks] = alike ? a->ok[ticks - 1] : (uint8_t)(j->of_inside(j->arg, &to) != 0);
        same = 1;
        if (!r->counted)
            break;
    }
}

/* All, some or none of the tokens that lead to the main target. */
static void add_main(const struct masks *k, const struct leaf_mask *leaf, const struct answers *a, uint32_t left,
                     uint64_t *bits)
{
    uint32_t most = leaf->ticks && leaf->most_ticks < left ? leaf->most_ticks : leaf->ticks ? left : 0, n_ok = 0;
    for (uint32_t t = 0; t <= most && t < MASK_NEVER; t++)
        n_ok += a->ok[t];
    if (n_ok == (most < MASK_NEVER ? most + 1 : MASK_NEVER)) {
        masks_add_inside(k, leaf, left, bits);
        return;
    }
    for (uint32_t w = 0; w < k->trie->n_word && n_ok > 0; w++)
        for (uint32_t i = 0; i < 64 && leaf->bits[w]; i++)
            bits[w] |= (uint64_t)a->ok[leaf->ticks[(size_t)w * 64 + i]] << i;
}

static void add_inside(struct masks *k, const struct config *c, const struct leaf_mask *leaf, uint64_t *bits,
                       const struct masks_judge *j)
{
    struct answers *a = k->answers;
    if (j->once) {
        j->of_inside(j->arg, c);
        return;
    }
    for (uint32_t t = 0; t < leaf->n_target && !k->matcher->full; t++)
        ask(k, c, leaf, t, j, &a[t]);
    if (!bits || k->matcher->full)
        return;
    if (!leaf->bits) {
        for (uint32_t i = 0; i < leaf->n_inside; i++)
            if (a[leaf->target_of[i]].ok[leaf->ticks[i]])
                set_bit(bits, leaf->list[i]);
        return;
    }
    uint64_t *part = k->part;
    matcher_work(k->matcher, k->trie->n_word + leaf->n_odd / 2);
    memset(part, 0, k->trie->n_word * sizeof *part);
    add_main(k, leaf, &a[leaf->main], masks_count_left(k->matcher, c), part);
    for (uint32_t i = 0; i < leaf->n_odd; i++) {
        uint32_t token = leaf->odd[i], ticks = leaf->ticks ? leaf->ticks[token] : 0;
        part[token >> 6] &= ~(UINT64_C(1) << (token & 63));
        part[token >> 6] |= (uint64_t)a[leaf->target_of[i]].ok[ticks] << (token & 63);
    }
    for (uint32_t w = 0; w < k->trie->n_word; w++)
        bits[w] |= part[w];
}

void masks_within(struct masks *k, uint32_t set, uint64_t *bits, const struct masks_judge *j)
{
    struct matcher *m = k->matcher;
    const struct set *s = set_at(m, set);
    struct config walked[MASK_APART];
    uint32_t n = 0, apart = k->longest == MASK_ANY_LENGTH ? MASK_APART : 0;
    k->leaving = NULL;
    k->work = 0;
    for (uint32_t i = 0; i < s->n && s->n <= apart && !m->full; i++) {
        struct config c = s->config[i];
        int is_leaf = m->g->rule[states_at(m, c.states)->rule].leaf;
        const struct leaf_mask *leaf = is_leaf ? masks_leaf(k, c.states, !j->once) : NULL;
        if (!leaf || (!j->once && leaf->n_target == MASK_TARGETS) || masks_reads_on(k, &c, leaf)) {
            walked[n++] = c;
            continue;
        }
        add_inside(k, &c, leaf, bits, j);
        struct ticks_range ticks = {masks_count_needed(m, &c), masks_count_left(m, &c)};
        masks_walk_rests(k, leaf, c.frame, ticks, bits, j);
    }
    uint32_t rest = s->n > apart ? set : matcher_part(m, walked, n);
    if (!m->full && rest != SET_DEAD)
        masks_walk(k, rest, bits, j);
}
