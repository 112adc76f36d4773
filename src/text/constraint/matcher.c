/* Memory of the matcher, and the numbers of things: matcher.h. */
#include "text/constraint/matcher.h"

#include "base/error.h"
#include "text/constraint/reserve.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Below so many words a collection is quick enough in one piece. */
enum { SMALL = (2 << 20) / 8 };

/* ---- memory ------------------------------------------------------------------------------------------------------------------- */

/* All that a matcher holds, in a fixed arena or in one that measures. */
static void lay_out(struct matcher *m, struct arena *a)
{
    size_t n_state = m->g->n_state;
    for (int i = 0; i < MATCHER_THINGS; i++) {
        m->bucket[i] = arena_array(a, MATCHER_BUCKETS, sizeof *m->bucket[i]);
        m->collection.bucket[i] = arena_array(a, MATCHER_BUCKETS, sizeof *m->bucket[i]);
    }
    m->resume = arena_array(a, n_state, sizeof *m->resume);
    m->begin = arena_array(a, m->g->n_rule, sizeof *m->begin);
    m->stamp = arena_array(a, n_state, sizeof *m->stamp);
    m->seen = arena_array(a, n_state, sizeof *m->seen);
    m->stack = arena_array(a, n_state * 4 + 4, sizeof *m->stack);
    for (int i = 0; i < 2; i++)
        m->list[i] = arena_array(a, n_state, sizeof *m->list[i]);
    m->config = arena_array(a, MATCHER_CONFIGS, sizeof *m->config);
    m->slot = arena_array(a, MATCHER_SLOTS, sizeof *m->slot);
    m->slot_of = arena_array(a, MATCHER_CONFIGS, sizeof *m->slot_of);
    m->pending = arena_array(a, MATCHER_CALLS, sizeof *m->pending);
    m->memory = arena_array(a, 2 * (size_t)m->most, sizeof *m->memory);
}

static size_t bytes_of(const struct grammar *g, uint32_t most)
{
    struct matcher m = {.g = g, .most = most};
    struct arena a;
    arena_init_measuring(&a);
    lay_out(&m, &a);
    return arena_measured(&a);
}

size_t matcher_fixed_bytes(void) { return bytes_of(&(struct grammar){0}, 0); }
size_t matcher_grammar_bytes(const struct grammar *g) { return bytes_of(g, 0) - matcher_fixed_bytes(); }

/* The classes of groups of bytes. */
static void find_groups(struct matcher *m)
{
    const uint8_t *class = m->g->byte_class;
    for (int b = 0; b < 256; b++)
        m->group_class[b] = class[b];
    for (uint32_t i = 0; i < BYTE_GROUPS; i++) {
        struct alive *alive = &m->group_alive[i];
        *alive = (struct alive){0};
        for (uint32_t b = byte_group[i].low; b <= byte_group[i].high; b++)
            alive->bits[class[b] >> 6] |= UINT64_C(1) << (class[b] & 63);
        if (alive_count(alive) > 1)
            m->group_class[byte_group[i].low] = (uint16_t)(m->g->n_class + i);
    }
}

int matcher_create(struct matcher *m, const struct grammar *g, size_t capacity, size_t most, struct error *err)
{
    *m = (struct matcher){.g = g, .meter.until = UINT64_MAX};
    assert(most / 8 < SET_SPLIT);
    m->capacity = (uint32_t)(capacity / 8);
    m->most = (uint32_t)(most / 8);
    m->bytes = bytes_of(g, m->most);
    if (reserve(&m->arena, m->bytes, err))
        return -1;
    lay_out(m, &m->arena);
    m->word = m->memory;
    m->collection.word = m->memory + m->most;
    m->used = MATCHER_BEGIN;
    find_groups(m);
    return 0;
}

void matcher_destroy(struct matcher *m) { arena_unmap(&m->arena); }

void matcher_forget_rules(struct matcher *m)
{
    m->epoch++;
    memset(m->resume, 0, m->g->n_state * sizeof *m->resume);
    memset(m->begin, 0, m->g->n_rule * sizeof *m->begin);
}

void matcher_forget(struct matcher *m)
{
    m->used = MATCHER_BEGIN;
    m->full = m->ambiguous = 0;
    m->collection.active = 0;
    for (int i = 0; i < MATCHER_THINGS; i++)
        memset(m->bucket[i], 0, MATCHER_BUCKETS * sizeof *m->bucket[i]);
    matcher_forget_rules(m);
}

void matcher_release(struct matcher *m, size_t capacity)
{
    matcher_forget(m);
    m->capacity = (uint32_t)(capacity / 8);
    reserve_discard(&m->arena, m->memory);
}

/* Words for a thing; 0: full. */
static uint32_t take(struct matcher *m, size_t bytes)
{
    size_t words = (bytes + 7) / 8;
    uint32_t rest = m->keeps_rest && m->capacity > SMALL ? m->capacity / 8 : 0;
    if (m->full || m->used + words > m->capacity - rest) {
        m->full = 1;
        return 0;
    }
    uint32_t id = m->used;
    m->used += (uint32_t)words;
    memset(m->word + id, 0, words * 8);
    return id;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------------ */

uint32_t matcher_frame(struct matcher *m, uint32_t rule, const struct link *link, uint32_t n)
{
    uint32_t hash = matcher_hash_links(rule, link, n), *bucket = &m->bucket[FRAMES][hash % MATCHER_BUCKETS];
    for (uint32_t id = *bucket; id; id = frame_at(m, id)->next) {
        const struct frame *f = frame_at(m, id);
        if (f->hash == hash && f->rule == rule && f->n_link == n && memcmp(f->link, link, n * sizeof *link) == 0)
            return id;
    }
    uint32_t id = take(m, sizeof(struct frame) + n * sizeof *link);
    if (!id)
        return 0;
    struct frame *f = frame_at(m, id);
    f->next = *bucket;
    f->hash = hash;
    f->rule = rule;
    f->n_link = n;
    memcpy(f->link, link, n * sizeof *link);
    *bucket = id;
    return id;
}

static void describe(struct matcher *m, struct states *s)
{
    const struct grammar *g = m->g;
    m->meter.done += 10 + s->n;
    uint32_t accept = g->rule[s->rule].accept;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t q = s->state[i];
        s->accepts |= q == accept;
        for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++) {
            const struct edge *edge = &g->edge[e];
            s->reads |= edge->kind == EDGE_BYTES;
            s->calls |= edge->kind == EDGE_CALL;
            s->tokens |= edge->kind == EDGE_TOKEN || edge->kind == EDGE_OTHER;
            if (edge->kind != EDGE_BYTES)
                continue;
            for (uint32_t c = g->byte_class[edge->low]; c <= g->byte_class[edge->high]; c++)
                s->alive.bits[c >> 6] |= UINT64_C(1) << (c & 63);
        }
    }
}

uint32_t matcher_states(struct matcher *m, uint32_t rule, const uint32_t *state, uint32_t n)
{
    if (n == 0)
        return 0;
    uint32_t hash = (uint32_t)hash64(state, n * sizeof *state, rule),
             *bucket = &m->bucket[STATES][hash % MATCHER_BUCKETS];
    for (uint32_t id = *bucket; id; id = states_at(m, id)->next) {
        const struct states *s = states_at(m, id);
        if (s->hash == hash && s->n == n && memcmp(s->state, state, n * sizeof *state) == 0)
            return id;
    }
    uint32_t id = take(m, sizeof(struct states) + n * sizeof *state);
    if (!id)
        return 0;
    struct states *s = states_at(m, id);
    s->next = *bucket;
    s->hash = hash;
    s->rule = rule;
    s->n = n;
    memcpy(s->state, state, n * sizeof *state);
    describe(m, s);
    *bucket = id;
    return id;
}

static void describe_set(struct matcher *m, struct set *s)
{
    m->meter.done += 10 + 2 * s->n;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct states *x = states_at(m, s->config[i].states);
        s->tokens |= x->tokens;
        s->size += 1 + frame_at(m, s->config[i].frame)->n_link;
        for (int w = 0; w < 4; w++)
            s->alive.bits[w] |= x->alive.bits[w];
    }
}

uint32_t matcher_set(struct matcher *m, const struct config *c, uint32_t n, int accepting)
{
    if (m->full || (n == 0 && !accepting))
        return SET_DEAD;
    uint32_t hash = matcher_hash_configs(c, n, (uint32_t)accepting), *bucket = &m->bucket[SETS][hash % MATCHER_BUCKETS];
    for (uint32_t id = *bucket; id; id = set_at(m, id)->next) {
        const struct set *s = set_at(m, id);
        if (s->hash == hash && s->n == n && s->accepting == (uint32_t)accepting &&
            (n == 0 || memcmp(s->config, c, n * sizeof *c) == 0))
            return id;
    }
    uint32_t id = take(m, sizeof(struct set) + n * sizeof *c);
    if (!id)
        return SET_DEAD;
    struct set *s = set_at(m, id);
    s->next = *bucket;
    s->hash = hash;
    s->n = n;
    s->accepting = (uint32_t)accepting;
    if (n)
        memcpy(s->config, c, n * sizeof *c);
    describe_set(m, s);
    s->memo = take(m, matcher_memo_bytes(m));
    if (!s->memo)
        return SET_DEAD;
    *bucket = id;
    return id;
}

/* ---- states of one rule ------------------------------------------------------------------------------------------------------- */

int matcher_count(const struct rule *r, uint32_t k)
{
    if (!r->counted)
        return COUNT_FREE;
    uint32_t min = (uint32_t)r->min, max = r->max == GRAMMAR_MANY ? UINT32_MAX : (uint32_t)r->max;
    return (k < max ? ENTER_NOW : 0) | (k >= min ? LEAVE_NOW : 0) | (k + 1 < max ? ENTER_NEXT : 0) |
           (k + 1 >= min ? LEAVE_NEXT : 0);
}

uint32_t matcher_tick(const struct rule *r, uint32_t k)
{
    return r->max == GRAMMAR_MANY && k >= (uint32_t)r->min ? k : k + 1;
}

/* A state on the stack of a closure: number * 4 + flags. */
enum { TICKED = 1, ENTERED = 2 };

static void visit(struct matcher *m, uint32_t q, uint32_t flags, uint32_t *n)
{
    if (m->stamp[q] != m->generation) {
        m->stamp[q] = m->generation;
        m->seen[q] = 0;
    }
    if (m->seen[q] >> flags & 1)
        return;
    m->seen[q] |= (uint8_t)(1 << flags);
    m->stack[(*n)++] = q * 4 + flags;
}

/* States that read, call or accept are kept. */
static void keep(struct matcher *m, uint32_t rule, uint32_t q, uint32_t flags)
{
    const struct grammar *g = m->g;
    int kept = q == g->rule[rule].accept;
    for (uint32_t e = g->first[q]; e < g->first[q + 1] && !kept; e++)
        kept = g->edge[e].kind < EDGE_EMPTY;
    if (!kept)
        return;
    if (m->seen[q] >> 4 >> (flags & TICKED) & 1) /* came with and without ENTERED */
        return;
    m->seen[q] |= (uint8_t)(16 << (flags & TICKED));
    int l = flags & TICKED;
    m->list[l][m->n_list[l]++] = q;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sort_numbers(uint32_t *x, uint32_t n)
{
    if (n > 32) {
        qsort(x, n, sizeof *x, ascending);
        return;
    }
    for (uint32_t i = 1; i < n; i++) {
        uint32_t v = x[i], j = i;
        for (; j > 0 && x[j - 1] > v; j--)
            x[j] = x[j - 1];
        x[j] = v;
    }
}

/* Follow the steps that read nothing from what is on the stack. */
static void close_stack(struct matcher *m, uint32_t rule, uint32_t n, int count, uint32_t out[2])
{
    const struct grammar *g = m->g;
    while (n > 0) {
        uint32_t q = m->stack[--n] >> 2, flags = m->stack[n] & 3;
        keep(m, rule, q, flags);
        m->meter.done += 1 + (g->first[q + 1] - g->first[q]) / 2;
        int allowed = flags & TICKED ? count >> 2 : count;
        for (uint32_t e = g->first[q]; e < g->first[q + 1]; e++) {
            const struct edge *edge = &g->edge[e];
            if (edge->kind == EDGE_EMPTY)
                visit(m, edge->to, flags, &n);
            else if (edge->kind == EDGE_ENTER && allowed & ENTER_NOW)
                visit(m, edge->to, flags | ENTERED, &n);
            else if (edge->kind == EDGE_LEAVE && allowed & LEAVE_NOW)
                visit(m, edge->to, flags, &n);
            else if (edge->kind == EDGE_TICK && !flags) /* an item that read nothing does not count */
                visit(m, edge->to, TICKED, &n);
        }
    }
    for (int i = 0; i < 2; i++) {
        sort_numbers(m->list[i], m->n_list[i]);
        out[i] = matcher_states(m, rule, m->list[i], m->n_list[i]);
    }
}

static void open_stack(struct matcher *m)
{
    m->n_list[0] = m->n_list[1] = 0;
    matcher_next_stamp(m);
}

void matcher_closure(struct matcher *m, uint32_t rule, const uint32_t *seed, uint32_t n, int count, uint32_t out[2])
{
    uint32_t top = 0;
    open_stack(m);
    for (uint32_t i = 0; i < n; i++)
        visit(m, seed[i], 0, &top);
    close_stack(m, rule, top, count, out);
}

void matcher_read(struct matcher *m, uint32_t states, uint8_t byte, int count, uint32_t out[2])
{
    const struct grammar *g = m->g;
    struct states *s = states_at(m, states);
    uint32_t c = g->byte_class[byte], *memo = NULL;
    out[0] = out[1] = 0;
    if (!alive_class(&s->alive, c))
        return;
    if (count == COUNT_FREE && s->memo) {
        memo = (uint32_t *)(m->word + s->memo) + 2 * c;
        if (memo[0] | memo[1]) {
            out[0] = memo[0];
            out[1] = memo[1];
            return;
        }
    }
    if (s->last[0] | s->last[1] && s->last_class == c && s->last_count == count) {
        memcpy(out, s->last, sizeof s->last);
        return;
    }
    uint32_t top = 0;
    open_stack(m);
    m->meter.done += 4 + s->n;
    for (uint32_t i = 0; i < s->n; i++) {
        m->meter.done += (g->first[s->state[i] + 1] - g->first[s->state[i]]) / 8;
        for (uint32_t e = g->first[s->state[i]]; e < g->first[s->state[i] + 1]; e++) {
            const struct edge *edge = &g->edge[e];
            if (edge->kind == EDGE_BYTES && byte >= edge->low && byte <= edge->high)
                visit(m, edge->to, 0, &top);
        }
    }
    close_stack(m, s->rule, top, count, out);
    if (m->full)
        return;
    s->last_class = (uint8_t)c;
    s->last_count = (uint8_t)count;
    memcpy(s->last, out, sizeof s->last);
    if (memo) {
        memo[0] = out[0];
        memo[1] = out[1];
    }
}

void matcher_remember(struct matcher *m, uint32_t states)
{
    struct states *s = states_at(m, states);
    if (!s->memo)
        s->memo = take(m, (size_t)(m->g->n_class + BYTE_GROUPS) * 2 * sizeof(uint32_t));
}

uint32_t matcher_stepping(struct matcher *m, uint32_t states)
{
    struct states *s = states_at(m, states);
    if (s->stepping)
        return s->stepping == UINT32_MAX ? 0 : s->stepping;
    const struct grammar *g = m->g;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t q = s->state[i];
        int reads = 0;
        for (uint32_t e = g->first[q]; e < g->first[q + 1] && !reads; e++)
            reads = g->edge[e].kind == EDGE_BYTES || g->edge[e].kind == EDGE_TOKEN || g->edge[e].kind == EDGE_OTHER;
        if (reads)
            m->list[0][n++] = q;
    }
    uint32_t id = n == s->n ? states : matcher_states(m, s->rule, m->list[0], n);
    if (!id && m->full) /* nothing was found out */
        return 0;
    s->stepping = id ? id : UINT32_MAX;
    return id;
}

uint32_t matcher_begin_states(struct matcher *m, uint32_t rule)
{
    if (!m->begin[rule]) {
        uint32_t out[2];
        matcher_closure(m, rule, &m->g->rule[rule].start, 1, matcher_count(&m->g->rule[rule], 0), out);
        m->begin[rule] = out[0];
    }
    return m->begin[rule];
}
