/* Steps of the matcher: matcher.h.
 *
 * A step has three parts. Configurations read the byte, each for itself. Those whose rule is complete return: every link of
 * their frame goes on behind the call, and may be complete in turn. What is left makes its calls: per rule one frame, whose
 * links are all the positions that called it here; rules are taken by rank, so that a frame's links are all known before it calls
 * on. A rule that may be empty was also passed over by its caller (grammar/automaton.c), so a call that has just begun never
 * returns at once.
 *
 * A call that would return only to return leaves its caller's links instead of its own: right recursion does not grow. */
#include "text/constraint/matcher.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SEEN = 2048,
    SEEN_PROBES = 4,
    SEEN_FROM = 64
}; /* places of calls; how many are tried; calls that are worth it */
static_assert(MATCHER_CALLS < UINT16_MAX, "places of calls are 16 bits");

static void count_work(struct matcher *m)
{
    m->meter.done += 4;
    if (++m->work > MATCHER_WORK)
        matcher_refuse(m);
}

/* Where hash tables of configurations and links begin to look. */
static uint32_t place_of(uint32_t frame, uint32_t states, uint32_t count)
{
    uint64_t h = frame * UINT64_C(0x9e3779b97f4a7c15) ^ states * UINT64_C(0xbf58476d1ce4e5b9) ^
                 count * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(h >> 40);
}

/* Each configuration once. A slot holds one only if that one says so: old contents need no clearing. */
static void add(struct matcher *m, uint32_t frame, uint32_t states, uint32_t count)
{
    if (!states)
        return;
    count_work(m);
    uint32_t at = place_of(frame, states, count) % MATCHER_SLOTS;
    for (;; at = (at + 1) % MATCHER_SLOTS) {
        uint32_t i = m->slot[at];
        if (i >= m->n_config || m->slot_of[i] != at)
            break;
        if (m->config[i].states == states && m->config[i].frame == frame && m->config[i].count == count)
            return;
    }
    if (m->n_config == MATCHER_CONFIGS) {
        matcher_refuse(m);
        return;
    }
    m->slot[at] = m->n_config;
    m->slot_of[m->n_config] = at;
    m->config[m->n_config++] = (struct config){frame, states, count};
}

/* The states that a return to this one leads to, and those behind a tick. */
static void behind(struct matcher *m, uint32_t state, int count, uint32_t out[2])
{
    struct resume *last = &m->resume[state];
    if (!(last->states[0] | last->states[1]) || last->count != (uint32_t)count) {
        matcher_closure(m, m->g->owner[state], &state, 1, count, last->states);
        last->count = (uint32_t)count;
    }
    memcpy(out, last->states, sizeof last->states);
    if (m->full) /* a part of it, maybe */
        *last = (struct resume){0};
}

/* Behind a call: the state it returns to, with what follows without reading. */
static void resume(struct matcher *m, const struct link *l)
{
    if (l->frame == 0) {
        m->accepting = 1;
        return;
    }
    const struct rule *r = &m->g->rule[m->g->owner[l->state]];
    uint32_t out[2];
    behind(m, l->state, matcher_count(r, l->count), out);
    add(m, l->frame, out[0], l->count);
    if (out[1])
        add(m, l->frame, out[1], matcher_tick(r, l->count));
}

static void return_from(struct matcher *m, uint32_t frame)
{
    for (uint32_t i = 0; i < frame_at(m, frame)->n_link && !m->full; i++) {
        struct link l = frame_at(m, frame)->link[i];
        resume(m, &l);
    }
}

static void all_returns(struct matcher *m)
{
    for (uint32_t i = 0; i < m->n_config && !m->full; i++)
        if (states_at(m, m->config[i].states)->accepts)
            return_from(m, m->config[i].frame);
}

/* ---- calls -------------------------------------------------------------------------------------------------------------------- */

/* Rules are taken by rank: one that may call the other first goes first. */
static int is_later(const struct matcher *m, uint32_t rule, uint32_t than)
{
    return m->g->rule[rule].rank > m->g->rule[than].rank;
}

/* Calls to be made are a heap. */
static void pend(struct matcher *m, uint32_t rule, struct link l)
{
    count_work(m);
    if (m->n_pending == MATCHER_CALLS) {
        matcher_refuse(m);
        return;
    }
    uint32_t i = m->n_pending++;
    for (; i > 0 && is_later(m, m->pending[(i - 1) / 2].rule, rule); i = (i - 1) / 2)
        m->pending[i] = m->pending[(i - 1) / 2];
    m->pending[i] = (struct pending){rule, l};
}

/* The next call goes behind the heap. */
static void unpend(struct matcher *m)
{
    uint32_t n = --m->n_pending, i = 0;
    struct pending top = m->pending[0], last = m->pending[n];
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && is_later(m, m->pending[child].rule, m->pending[child + 1].rule))
            child++;
        if (!is_later(m, last.rule, m->pending[child].rule))
            break;
        m->pending[i] = m->pending[child];
    }
    m->pending[i] = last;
    m->pending[n] = top;
}

/* Nothing but the end of its rule comes behind this state. */
static int only_returns(struct matcher *m, uint32_t q)
{
    uint32_t out[2];
    if (m->g->rule[m->g->owner[q]].counted)
        return 0;
    behind(m, q, COUNT_FREE, out);
    if (m->full)
        return 0;
    const struct states *s = states_at(m, out[0]);
    return s->n == 1 && s->accepts;
}

static void calls_of(struct matcher *m, const struct config *c)
{
    const struct grammar *g = m->g;
    if (!states_at(m, c->states)->calls)
        return;
    for (uint32_t i = 0; i < states_at(m, c->states)->n && !m->full; i++) {
        uint32_t q = states_at(m, c->states)->state[i];
        for (uint32_t e = g->first[q]; e < g->first[q + 1] && !m->full; e++) {
            const struct edge *edge = &g->edge[e];
            if (edge->kind != EDGE_CALL)
                continue;
            if (!only_returns(m, edge->to)) {
                pend(m, edge->arg, (struct link){c->frame, edge->to, c->count});
                continue;
            }
            const struct frame *f = frame_at(m, c->frame);
            for (uint32_t l = 0; l < f->n_link && !m->full; l++)
                pend(m, edge->arg, f->link[l]);
        }
    }
}

static int by_link(const void *a, const void *b)
{
    const struct pending *x = a, *y = b;
    if (x->link.frame != y->link.frame)
        return x->link.frame < y->link.frame ? -1 : 1;
    if (x->link.state != y->link.state)
        return x->link.state < y->link.state ? -1 : 1;
    return (x->link.count > y->link.count) - (x->link.count < y->link.count);
}

/* Calls of one rule without most of those that are there already: of thousands, which many configurations make at once, only some hundred
 * differ. Returns how many stay. */
static uint32_t drop_repeated(struct pending *p, uint32_t n)
{
    uint16_t stays[SEEN] = {0}; /* hash table of places + 1 */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = place_of(p[i].link.frame, p[i].link.state, p[i].link.count);
        uint16_t *slot = NULL;
        int repeated = 0;
        for (uint32_t probe = 0; probe < SEEN_PROBES && !repeated; probe++) {
            slot = &stays[(at + probe) % SEEN];
            if (!*slot)
                break;
            repeated = by_link(&p[*slot - 1], &p[i]) == 0;
        }
        if (repeated)
            continue;
        if (!*slot)
            *slot = (uint16_t)(kept + 1);
        p[kept++] = p[i];
    }
    return kept;
}

/* What sorting so many calls takes. */
static uint32_t work_of_sort(uint32_t n) { return n / 8 * (32 - (uint32_t)__builtin_clz(n | 1)); }

/* The frame of the next calls, which are of one rule. */
static uint32_t make_frame(struct matcher *m, uint32_t rule)
{
    uint32_t end = m->n_pending, n = 0;
    while (m->n_pending > 0 && m->pending[0].rule == rule)
        unpend(m);
    struct pending *p = &m->pending[m->n_pending];
    uint32_t n_call = end - m->n_pending;
    struct link *link = (struct link *)p; /* written behind what was read */
    if (n_call > SEEN_FROM)
        n_call = drop_repeated(p, n_call);
    m->meter.done += work_of_sort(n_call);
    qsort(p, n_call, sizeof *p, by_link);
    for (uint32_t i = 0; i < n_call; i++)
        if (i == 0 || by_link(&(struct pending){0, link[n - 1]}, &p[i]) != 0) {
            struct link l = p[i].link;
            link[n++] = l;
        }
    return matcher_frame(m, rule, link, n);
}

static void all_calls(struct matcher *m)
{
    for (uint32_t i = 0, n = m->n_config; i < n && !m->full; i++)
        calls_of(m, &m->config[i]);
    while (m->n_pending > 0 && !m->full) {
        uint32_t rule = m->pending[0].rule;
        struct config c = {make_frame(m, rule), 0, 0};
        c.states = matcher_begin_states(m, rule);
        if (m->full)
            return;
        add(m, c.frame, c.states, 0);
        calls_of(m, &c);
    }
}

/* ---- the result --------------------------------------------------------------------------------------------------------------- */

static int by_frame(const void *a, const void *b)
{
    const struct config *x = a, *y = b;
    if (x->frame != y->frame)
        return x->frame < y->frame ? -1 : 1;
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return (x->states > y->states) - (x->states < y->states);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The states of n configurations of one rule, all at once: joined pair by pair, a thousand of them would be half a million states. */
static uint32_t join_states(struct matcher *m, const struct config *c, uint32_t n)
{
    uint32_t *out = m->list[0], n_out = 0, rule = states_at(m, c->states)->rule;
    if (n == 1)
        return c->states;
    matcher_next_stamp(m);
    for (uint32_t i = 0; i < n; i++) {
        const struct states *s = states_at(m, c[i].states);
        m->meter.done += 2 + s->n;
        for (uint32_t k = 0; k < s->n; k++)
            if (m->stamp[s->state[k]] != m->generation) {
                m->stamp[s->state[k]] = m->generation;
                out[n_out++] = s->state[k];
            }
    }
    qsort(out, n_out, sizeof *out, by_number);
    return matcher_states(m, rule, out, n_out);
}

/* Configurations in order, one for each frame and count, without what cannot read. */
static uint32_t finish_set(struct matcher *m)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->n_config && !m->full; i++) {
        uint32_t stepping = matcher_stepping(m, m->config[i].states);
        if (!stepping)
            continue;
        m->config[kept] = m->config[i];
        m->config[kept++].states = stepping;
    }
    if (kept > 1)
        qsort(m->config, kept, sizeof *m->config, by_frame);
    uint32_t n = 0;
    for (uint32_t i = 0, end; i < kept && !m->full; i = end) {
        struct config c = m->config[i];
        for (end = i + 1; end < kept && m->config[end].frame == c.frame && m->config[end].count == c.count; end++)
            ;
        c.states = join_states(m, &m->config[i], end - i);
        m->config[n++] = c;
    }
    return m->full ? SET_DEAD : matcher_set(m, m->config, n, m->accepting);
}

static void begin(struct matcher *m)
{
    m->n_config = m->n_pending = m->work = 0, m->accepting = 0;
    m->meter.done += 20;
}

static uint32_t finish(struct matcher *m)
{
    all_returns(m);
    all_calls(m);
    return finish_set(m);
}

uint32_t matcher_start(struct matcher *m, uint32_t entry)
{
    uint32_t rule = m->g->entry[entry];
    begin(m);
    m->accepting = m->g->rule[rule].nullable;
    pend(m, rule, (struct link){0, 0, 0});
    all_calls(m);
    return finish_set(m);
}

uint32_t matcher_step(struct matcher *m, uint32_t set, uint8_t byte)
{
    const struct set *s = set_at(m, set);
    uint32_t c = m->g->byte_class[byte];
    if (set == SET_DEAD || m->full || !alive_class(&s->alive, c))
        return SET_DEAD;
    uint32_t *memo = (uint32_t *)(m->word + s->memo) + c;
    if (*memo)
        return matcher_known_step(m, *memo);
    begin(m);
    for (uint32_t i = 0; i < s->n && !m->full; i++) {
        struct config x = s->config[i];
        const struct rule *r = &m->g->rule[states_at(m, x.states)->rule];
        uint32_t out[2];
        matcher_read(m, x.states, byte, matcher_count(r, x.count), out);
        add(m, x.frame, out[0], x.count);
        if (out[1])
            add(m, x.frame, out[1], matcher_tick(r, x.count));
    }
    uint32_t to = finish(m);
    uint32_t cost = m->work / MATCHER_COST;
    if (m->ambiguous)
        *memo = STEP_REFUSED;
    else if (!m->full)
        *memo = (to + 1) | (cost < STEP_COST ? cost : STEP_COST) << STEP_SET_BITS;
    return to;
}

uint32_t matcher_token(struct matcher *m, uint32_t set, uint32_t token, int is_text)
{
    const struct set *s = set_at(m, set);
    const struct grammar *g = m->g;
    if (set == SET_DEAD || !s->tokens)
        return SET_DEAD;
    begin(m);
    for (uint32_t i = 0; i < s->n && !m->full; i++) {
        const struct config *x = &s->config[i];
        for (uint32_t j = 0; j < states_at(m, x->states)->n; j++) {
            uint32_t q = states_at(m, x->states)->state[j];
            for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++) {
                const struct edge *edge = &g->edge[e];
                if ((edge->kind == EDGE_TOKEN && edge->arg == token) ||
                    (edge->kind == EDGE_OTHER && edge->arg != token && is_text))
                    resume(m, &(struct link){x->frame, edge->to, x->count});
            }
        }
    }
    return finish(m);
}

uint32_t matcher_pop(struct matcher *m, uint32_t frame)
{
    if (frame_at(m, frame)->popped)
        return frame_at(m, frame)->popped - 1;
    begin(m);
    return_from(m, frame);
    uint32_t to = finish(m);
    if (!m->full)
        frame_at(m, frame)->popped = to + 1;
    return to;
}

uint32_t matcher_part(struct matcher *m, const struct config *c, uint32_t n) { return matcher_set(m, c, n, 0); }

uint32_t matcher_union(struct matcher *m, uint32_t a, uint32_t b)
{
    if (a == b || b == SET_DEAD)
        return a;
    if (a == SET_DEAD)
        return b;
    begin(m);
    const uint32_t both[2] = {a, b};
    for (int k = 0; k < 2; k++) {
        const struct set *s = set_at(m, both[k]);
        m->accepting |= (int)s->accepting;
        for (uint32_t i = 0; i < s->n; i++)
            add(m, s->config[i].frame, s->config[i].states, s->config[i].count);
    }
    return finish_set(m);
}
