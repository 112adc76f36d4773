/* Places of a grammar where any plain text leads back to the same place: inside of strings, mostly. Nearly half of a vocabulary is
 * plain text (token_trie.h), so walks that take it at once are several times shorter. */
#include "text/mask.h"

enum { UNKNOWN, LOOPS, LEADS_ON }; /* values of states->plain and set->plain */

/* One step: what it leads to, 0 nothing; *tick: an item of a counted rule has been read. */
typedef uint32_t (*step)(struct matcher *m, uint32_t from, uint8_t byte, int *tick);

struct looping {
    struct matcher *m;
    step step;
    uint32_t place;
    int tick; /* behind each whole character, and nowhere else */
};

/* Do bytes of a stretch, and so many more bytes of the same character, lead back? */
static int lead_back(const struct looping *l, uint32_t from, uint32_t low, uint32_t high, int more)
{
    const uint8_t *class = l->m->g->byte_class;
    for (uint32_t b = low; b <= high; b++) {
        if (b > low && class[b] == class[b - 1])
            continue;
        int tick = 0;
        uint32_t to = l->step(l->m, from, (uint8_t)b, &tick);
        if (!to || tick != (more ? 0 : l->tick) || (more ? !lead_back(l, to, 0x80, 0xBF, more - 1) : to != l->place))
            return 0;
    }
    return 1;
}

/* The same for characters of several bytes: lead bytes, and the bounds of the second. */
static int characters_lead_back(const struct looping *l, uint32_t low, uint32_t high, uint32_t second_low,
                                uint32_t second_high, int more)
{
    const uint8_t *class = l->m->g->byte_class;
    for (uint32_t b = low; b <= high; b++) {
        if (b > low && class[b] == class[b - 1])
            continue;
        int tick = 0;
        uint32_t to = l->step(l->m, l->place, (uint8_t)b, &tick);
        if (!to || tick || !lead_back(l, to, second_low, second_high, more))
            return 0;
    }
    return 1;
}

static int plain_leads_back(const struct looping *l)
{
    return lead_back(l, l->place, ' ', '!', 0) && lead_back(l, l->place, '#', '[', 0) &&
           lead_back(l, l->place, ']', '~', 0) && characters_lead_back(l, 0xC2, 0xDF, 0x80, 0xBF, 0) &&
           characters_lead_back(l, 0xE0, 0xE0, 0xA0, 0xBF, 1) && characters_lead_back(l, 0xE1, 0xEC, 0x80, 0xBF, 1) &&
           characters_lead_back(l, 0xED, 0xED, 0x80, 0x9F, 1) && characters_lead_back(l, 0xEE, 0xEF, 0x80, 0xBF, 1) &&
           characters_lead_back(l, 0xF0, 0xF0, 0x90, 0xBF, 2) && characters_lead_back(l, 0xF1, 0xF3, 0x80, 0xBF, 2) &&
           characters_lead_back(l, 0xF4, 0xF4, 0x80, 0x8F, 2);
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

int masks_set_loops(struct matcher *m, uint32_t set)
{
    if (set_at(m, set)->plain == UNKNOWN) {
        int loops = plain_leads_back(&(struct looping){m, step_set, set, 0});
        if (m->full)
            return 0;
        set_at(m, set)->plain = loops ? LOOPS : LEADS_ON;
    }
    return set_at(m, set)->plain == LOOPS;
}

int masks_states_loop(struct matcher *m, uint32_t states)
{
    if (states_at(m, states)->plain == UNKNOWN) {
        int counted = m->g->rule[states_at(m, states)->rule].counted;
        int loops = plain_leads_back(&(struct looping){m, step_states, states, counted});
        if (m->full)
            return 0;
        states_at(m, states)->plain = loops ? LOOPS : LEADS_ON;
    }
    return states_at(m, states)->plain == LOOPS;
}
