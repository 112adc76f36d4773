/* Steps of the matcher over the bytes of a group, taken at once where all lead to one place: token_trie.h says which groups. */
#include "text/constraint/matcher.h"

/* Something has a step for all classes of a group, for none, or for some of them. */
enum group_alive { NONE, SOME, ALL };
static enum group_alive alive_in(const struct alive *a, const struct alive *group)
{
    uint64_t missing = 0, found = 0;
    for (int i = 0; i < 4; i++) {
        found |= group->bits[i] & a->bits[i];
        missing |= group->bits[i] & ~a->bits[i];
    }
    return !found ? NONE : missing ? SOME : ALL;
}

uint32_t matcher_next_byte(const struct matcher *m, uint32_t byte, uint32_t high)
{
    const uint8_t *class = m->g->byte_class;
    for (byte++; byte <= high && class[byte] == class[byte - 1];)
        byte++;
    return byte;
}

/* Bytes that no token has here may be too ambiguous to read: they are no reason to refuse a mask. */
static int split_if_refused(struct matcher *m)
{
    if (!m->ambiguous)
        return 0;
    matcher_begin(m);
    return 1;
}

void matcher_find_group_step(struct matcher *m, uint32_t set, uint32_t group)
{
    uint32_t high = byte_group[group].high, to = SET_DEAD, cost = 0, n = 0;
    enum group_alive alive = alive_in(&set_at(m, set)->alive, &m->group_alive[group]);
    if (alive == SOME)
        to = SET_SPLIT;
    for (uint32_t b = byte_group[group].low; b <= high && alive == ALL && to != SET_SPLIT;
         b = matcher_next_byte(m, b, high)) {
        uint32_t more, next = matcher_step_cost(m, set, (uint8_t)b, &more);
        if (split_if_refused(m))
            next = SET_SPLIT;
        matcher_work(m, 1);
        if (m->full)
            return;
        cost += more / MATCHER_COST;
        to = n++ == 0 || next == to ? next : SET_SPLIT;
    }
    uint32_t *memo = (uint32_t *)(m->word + set_at(m, set)->memo) + m->g->n_class + group;
    *memo = (to + 1) | (cost < STEP_COST ? cost : STEP_COST) << STEP_SET_BITS;
}

void matcher_read_group(struct matcher *m, uint32_t states, uint8_t byte, uint32_t out[2])
{
    uint32_t c = m->group_class[byte], group = c - m->g->n_class, n = 0;
    if (c < m->g->n_class) {
        matcher_read(m, states, byte, COUNT_FREE, out);
        return;
    }
    out[0] = out[1] = 0;
    enum group_alive alive = alive_in(&states_at(m, states)->alive, &m->group_alive[group]);
    if (alive == NONE)
        return;
    uint32_t *memo = (uint32_t *)(m->word + states_at(m, states)->memo) + (size_t)2 * c, high = byte_group[group].high;
    if (!(memo[0] | memo[1])) {
        uint32_t all[2] = {STATES_SPLIT, 0}, next[2];
        for (uint32_t b = byte; b <= high && alive == ALL && (n == 0 || all[0] != STATES_SPLIT);
             b = matcher_next_byte(m, b, high)) {
            matcher_read(m, states, (uint8_t)b, COUNT_FREE, next);
            if (m->full)
                return;
            int same = n++ == 0 || (next[0] == all[0] && next[1] == all[1]);
            all[0] = same ? next[0] : STATES_SPLIT;
            all[1] = same ? next[1] : 0;
        }
        memcpy(memo, all, sizeof all);
    }
    memcpy(out, memo, 2 * sizeof *out);
}
