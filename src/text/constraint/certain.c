/* What has to come next: the one way in which a text can go on, as far as there is only one. A guess may be made of it (drafts), so it
 * looks no farther than little work and the memory at hand allow, and forgets nothing that others need. */
#include "text/constraint/inner.h"

/* The only byte that a set reads, where it reads no token whole and the text cannot end. -1: there is a choice. */
static int only_byte(const struct matcher *m, uint32_t id)
{
    const struct set *set = set_at(m, id);
    int only = -1;
    if (id == SET_DEAD || set->accepting || set->tokens || alive_count(&set->alive) != 1)
        return -1;
    for (int b = 0; b < 256; b++) {
        if (!alive_class(&set->alive, m->g->byte_class[b]))
            continue;
        if (only >= 0)
            return -1;
        only = b;
    }
    return only;
}

/* The only token of an edge. *only is -1 at the beginning; -1: there are others, or more work than up to `end`. */
static int add_token(struct matcher *m, uint32_t state, uint64_t end, int32_t *only)
{
    m->meter.done++;
    for (uint32_t e = m->g->first[state]; e < m->g->first[state + 1]; e++) {
        const struct edge *edge = &m->g->edge[e];
        if (edge->kind == EDGE_OTHER || ++m->meter.done >= end)
            return -1;
        if (edge->kind != EDGE_TOKEN)
            continue;
        if (*only >= 0 && edge->arg != (uint32_t)*only)
            return -1;
        *only = (int32_t)edge->arg;
    }
    return 0;
}

/* The only token that a set reads whole, where it reads nothing else. -1: there is a choice, or more work than up to `end`. */
static int32_t only_token(struct matcher *m, uint32_t id, uint64_t end)
{
    const struct set *set = set_at(m, id);
    int32_t only = -1;
    if (id == SET_DEAD || set->accepting || !set->tokens || alive_count(&set->alive))
        return -1;
    for (uint32_t i = 0; i < set->n; i++) {
        const struct states *states = states_at(m, set->config[i].states);
        for (uint32_t k = 0; k < states->n; k++)
            if (add_token(m, states->state[k], end, &only))
                return -1;
    }
    return only;
}

/* May more be looked at, up to `end`? */
static int goes_on(const struct constraint_state *at, uint64_t end)
{
    const struct matcher *m = &at->c->matcher;
    return at->phase == CONSTRAINT_GOVERNED && !at->ended && !m->full && m->meter.done < end;
}

/* -1: it does not follow, or it is not known whether it does. */
static int follow(struct constraint_state *at, const char *text, size_t n, uint64_t end)
{
    for (size_t i = 0; i < n; i++)
        if (!goes_on(at, end) || matcher_low(&at->c->matcher) || constraint_feed(at, text + i, 1))
            return -1;
    return at->c->matcher.full ? -1 : 0;
}

size_t constraint_certain(const struct constraint_state *s, const char *behind, size_t n_behind, char *text,
                          size_t most, int32_t *token, uint64_t *work)
{
    struct constraint_state at = *s; /* no collection knows it: none may happen */
    struct matcher *m = &s->c->matcher;
    const uint64_t begin = m->meter.done, end = begin + *work;
    size_t n = 0;
    int byte;
    *token = -1;
    matcher_begin(m);
    if (follow(&at, behind, n_behind, end) == 0) {
        while (n < most && goes_on(&at, end) && !matcher_low(m) && (byte = only_byte(m, at.set)) >= 0) {
            char next = (char)byte;
            m->meter.done += 4; /* 256 classes looked at */
            if (constraint_feed(&at, &next, 1) || m->full)
                break;
            text[n++] = next;
        }
        if (n < most && goes_on(&at, end))
            *token = only_token(m, at.set, end);
    }
    matcher_begin(m);
    *work = m->meter.done - begin;
    return n;
}
