/* Places of a grammar where any plain text can be read, and leads back to the same place or to one of a few: inside of strings,
 * mostly. Most of a vocabulary is plain text (token_trie.h), so walks that take it at once are several times shorter. */
#include "text/constraint/mask.h"

enum { UNKNOWN, STAYS, LEADS_ON }; /* values of set->plain, and of states->plain, where STAYS is not kept */

/* One step: what it leads to, 0 nothing; *tick: an item of a counted rule has been read. */
typedef uint32_t (*step)(struct matcher *m, uint32_t from, uint8_t byte, int *tick);

struct looping {
    struct matcher *m;
    step step;
    struct plain_targets *positions; /* those that plain text leads to */
    uint32_t most;                   /* of them */
    int tick;                        /* behind each whole character, and nowhere else */
};

/* A whole character leads here: one of the positions, or one more. */
static int arrive(const struct looping *l, uint32_t to)
{
    struct plain_targets *p = l->positions;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->target[i] == to)
            return 1;
    if (p->n == l->most)
        return 0;
    p->target[p->n++] = to;
    return 1;
}

/* Do bytes of a stretch, and so many more bytes of the same character, lead to the positions? */
static int stay(const struct looping *l, uint32_t from, uint32_t low, uint32_t high, int more)
{
    const uint8_t *class = l->m->g->byte_class;
    for (uint32_t b = low, last = 0; b <= high; b++) {
        if (b > low && class[b] == class[b - 1])
            continue;
        int tick = 0;
        uint32_t to = l->step(l->m, from, (uint8_t)b, &tick);
        matcher_work(l->m, 1);
        if (!to || tick != (more ? 0 : l->tick))
            return 0;
        if (to != last && (more ? !stay(l, to, 0x80, 0xBF, more - 1) : !arrive(l, to)))
            return 0;
        last = to; /* one by one even where classes are many, as the bytes of all code points are */
    }
    return 1;
}

/* The same for characters of several bytes: lead bytes, and the bounds of the second. */
static int characters_stay(const struct looping *l, uint32_t from, uint32_t low, uint32_t high, uint32_t second_low,
                           uint32_t second_high, int more)
{
    const uint8_t *class = l->m->g->byte_class;
    for (uint32_t b = low, last = 0; b <= high; b++) {
        if (b > low && class[b] == class[b - 1])
            continue;
        int tick = 0;
        uint32_t to = l->step(l->m, from, (uint8_t)b, &tick);
        if (!to || tick || (to != last && !stay(l, to, second_low, second_high, more)))
            return 0;
        last = to;
    }
    return 1;
}

static int plain_stays(const struct looping *l, uint32_t from)
{
    return stay(l, from, ' ', '!', 0) && stay(l, from, '#', '[', 0) && stay(l, from, ']', '~', 0) &&
           characters_stay(l, from, 0xC2, 0xDF, 0x80, 0xBF, 0) && characters_stay(l, from, 0xE0, 0xE0, 0xA0, 0xBF, 1) &&
           characters_stay(l, from, 0xE1, 0xEC, 0x80, 0xBF, 1) && characters_stay(l, from, 0xED, 0xED, 0x80, 0x9F, 1) &&
           characters_stay(l, from, 0xEE, 0xEF, 0x80, 0xBF, 1) && characters_stay(l, from, 0xF0, 0xF0, 0x90, 0xBF, 2) &&
           characters_stay(l, from, 0xF1, 0xF3, 0x80, 0xBF, 2) && characters_stay(l, from, 0xF4, 0xF4, 0x80, 0x8F, 2);
}

static uint32_t step_set(struct matcher *m, uint32_t from, uint8_t byte, int *tick)
{
    *tick = 0;
    return matcher_step(m, from, byte);
}

static uint32_t step_states(struct matcher *m, uint32_t from, uint8_t byte, int *tick)
{
    uint32_t out[2];
    matcher_remember(m, from);
    if (m->full)
        return 0;
    matcher_read(m, from, byte, COUNT_FREE, out);
    *tick = out[1] != 0;
    return out[0] && out[1] ? 0 : out[0] | out[1];
}

/* Spaces come back to where they were, or to one of few positions. Most that leads on shows it here: a pattern of some length is a chain
 * of states, of which each would be asked for all characters. */
static int spaces_stay(struct looping *l, uint32_t from)
{
    uint32_t before = l->positions->n;
    int stays = 1, tick = 0;
    for (uint32_t n = 0; stays && l->positions->n > n;) {
        n = l->positions->n;
        from = l->step(l->m, from, ' ', &tick);
        stays = from && arrive(l, from);
    }
    l->positions->n = before;
    return stays;
}

int masks_set_loops(struct matcher *m, uint32_t set)
{
    if (set_at(m, set)->plain == UNKNOWN) {
        struct plain_targets only = {1, {set}};
        struct looping l = {m, step_set, &only, 1, 0};
        int loops = spaces_stay(&l, set) && plain_stays(&l, set);
        if (m->ambiguous) /* some text can be read in too many ways to be known */
            matcher_begin(m);
        matcher_work(m, 0);
        if (m->full)
            return 0;
        set_at(m, set)->plain = loops ? STAYS : LEADS_ON;
    }
    return set_at(m, set)->plain == STAYS;
}

int masks_states_stay(struct matcher *m, uint32_t states, struct plain_targets *positions)
{
    uint32_t before = positions->n;
    for (uint32_t i = 0; i < before; i++)
        if (positions->target[i] == states)
            return 1;
    if (states_at(m, states)->plain == LEADS_ON || before == PLAIN_TARGETS)
        return 0;
    int counted = m->g->rule[states_at(m, states)->rule].counted;
    struct plain_targets only = {1, {states}};
    struct looping l = {m, step_states, counted ? &only : positions, counted ? 1 : PLAIN_TARGETS, counted};
    positions->target[positions->n++] = states;
    int stays = spaces_stay(&l, states);
    for (uint32_t i = before; i < positions->n && stays; i++)
        stays = plain_stays(&l, positions->target[i]);
    if (!stays) {
        positions->n = before;
        states_at(m, states)->plain = m->full ? UNKNOWN : LEADS_ON;
    }
    return stays;
}
