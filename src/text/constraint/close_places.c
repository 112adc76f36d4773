/* Places that one byte after the other leads to on the way to the end: close.h.
 *
 * A step is tight if it loses nothing against the lightest text from where it is taken. What was found out is kept: lists of places,
 * each distinct one once, and steps between them by class of bytes. So a trie is walked with numbers of lists, and each step is
 * weighed once, whatever position or token it belongs to. Where there is no room for more, steps are taken anew. */
#include "text/constraint/close.h"

#include "base/hash.h"
#include "text/constraint/close_inner.h"

#include <string.h>

/* ---- weights -------------------------------------------------------------------------------------------------------------------- */

uint32_t closing_frame_weight(struct closing *k, uint32_t frame)
{
    struct matcher *m = &k->c->matcher;
    uint32_t n = 0;
    if (frame == 0)
        return 0;
    k->frames[n++] = frame;
    while (n > 0) {
        struct frame *f = frame_at(m, k->frames[n - 1]);
        uint32_t best = CLOSING_NONE, missing = 0;
        m->meter.done += 2;
        for (uint32_t i = 0; i < f->n_link && !f->weight_left; i++) {
            const struct link *l = &f->link[i];
            uint32_t behind = 0;
            if (l->frame) {
                behind = frame_at(m, l->frame)->weight_left;
                if (!behind && n < CLOSING_FRAMES) {
                    k->frames[n++] = l->frame;
                    missing = 1;
                    break;
                }
                behind = closing_add(behind - 1, closing_rule_weight(k, l->state, l->count));
            }
            best = behind < best ? behind : best;
        }
        if (missing)
            continue;
        if (!f->weight_left)
            f->weight_left = best + 1;
        n--;
    }
    return frame_at(m, frame)->weight_left - 1;
}

uint32_t closing_weight_left(struct closing *k, const struct position *p)
{
    return closing_add(closing_rule_weight(k, p->state, p->count), closing_frame_weight(k, p->frame));
}

static int64_t tokens_of(int64_t weight)
{
    return weight >= CLOSING_NONE ? CLOSING_NEVER : (weight + CLOSING_UNIT - 1) / CLOSING_UNIT;
}

int64_t closing_bound(struct closing *k, const struct position *p)
{
    int64_t weight = closing_weight_left(k, p);
    return tokens_of(weight >= CLOSING_NONE ? weight : weight + k->rest[p->state]);
}

int64_t closing_rule_bound(struct closing *k, const struct position *p)
{
    uint32_t rule = k->c->matcher.g->owner[p->state], start = k->c->matcher.g->rule[rule].start;
    int64_t weight = closing_weight_left(k, &(struct position){p->frame, start, p->count});
    return tokens_of(weight >= CLOSING_NONE ? weight : weight - k->base[start] + k->most[rule]);
}

/* ---- counted leaves --------------------------------------------------------------------------------------------------------------- */

const uint8_t *closing_lengths(struct closing *k, uint32_t rule)
{
    struct matcher *m = &k->c->matcher;
    const struct token_trie *trie = k->c->trie;
    uint8_t *lengths = k->lengths + (size_t)CLOSING_LENGTHS * (rule % CLOSING_RULES);
    if (k->length_rule[rule % CLOSING_RULES] == rule + 1)
        return lengths;
    k->length_rule[rule % CLOSING_RULES] = 0;
    memset(lengths, 0, CLOSING_LENGTHS);
    struct level *level = k->level;
    level[0] = (struct level){matcher_begin_states(m, rule), 0};
    for (uint32_t i = 0; i < trie->n_node && !m->full;) {
        const struct trie_node *node = &trie->node[i];
        uint32_t d = node->depth, out[2] = {0, 0};
        matcher_work(m, 1);
        if (d <= CLOSING_DEPTH)
            matcher_read(m, level[d - 1].states, node->byte, COUNT_FREE, out);
        uint32_t to = out[1] ? out[1] : out[0], ticks = d <= CLOSING_DEPTH ? level[d - 1].ticks + (out[1] != 0) : 0;
        if (!to || ticks >= CLOSING_LENGTHS) {
            i = node->skip;
            continue;
        }
        level[d] = (struct level){to, ticks};
        if (node->token < node[1].token && states_at(m, to)->accepts)
            lengths[ticks] = 1;
        i++;
    }
    k->length_rule[rule % CLOSING_RULES] = m->full ? 0 : rule + 1;
    return lengths;
}

int closing_is_covered(struct closing *k, const struct position *p)
{
    const struct matcher *m = &k->c->matcher;
    uint32_t rule = m->g->owner[p->state];
    const struct rule *r = &m->g->rule[rule];
    if (!r->counted || !r->leaf || !k->at_begin[p->state] || (int64_t)r->min - p->count < 2)
        return 0;
    if (!k->coverable[rule]) {
        int single = closing_lengths(k, rule)[1];
        if (m->full)
            return 0;
        k->coverable[rule] = single ? COVER_YES : COVER_NO;
    }
    return k->coverable[rule] == COVER_YES;
}

/* ---- tight steps ---------------------------------------------------------------------------------------------------------------- */

static void add_place(struct places *l, struct position p)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->p[i].state == p.state && l->p[i].frame == p.frame && l->p[i].count == p.count)
            return;
    if (l->n < CLOSING_PLACES)
        l->p[l->n++] = p;
}

/* A place that a step leads to, if it is tight: the weight left is what it should be. */
static void go(struct closing *k, struct places *l, struct position p, uint32_t weight)
{
    if (closing_weight_left(k, &p) == weight)
        add_place(l, p);
}

/* Every place that a call returns to, not the lightest alone: so the distance of several texts that share a frame is that of the
 * nearest, as if each had its own. The lightest come first: there may be more than a list holds. */
static void return_from(struct closing *k, struct places *l, uint32_t frame, uint32_t weight)
{
    struct matcher *m = &k->c->matcher;
    for (int any = 0; any < 2; any++)
        for (uint32_t i = 0; i < frame_at(m, frame)->n_link && !m->full; i++) {
            struct link link = frame_at(m, frame)->link[i];
            struct position behind = {link.frame, link.state, link.count};
            if (link.frame == 0)
                l->complete = 1;
            else if (any)
                add_place(l, behind);
            else
                go(k, l, behind, weight);
        }
}

static void call(struct closing *k, struct places *l, const struct position *p, const struct edge *e, uint32_t weight)
{
    struct matcher *m = &k->c->matcher;
    struct position behind = {p->frame, e->to, p->count};
    if (closing_add(closing_weight_left(k, &behind), k->rule[e->arg]) != weight)
        return;
    uint32_t frame = matcher_frame(m, e->arg, &(struct link){p->frame, e->to, p->count}, 1);
    if (!m->full)
        go(k, l, (struct position){frame, m->g->rule[e->arg].start, 0}, weight);
}

/* Everything tight behind the places of a list that reads nothing. */
static void close_places(struct closing *k, struct places *l)
{
    struct matcher *m = &k->c->matcher;
    const struct grammar *g = m->g;
    for (uint32_t i = 0; i < l->n && !m->full; i++) {
        struct position p = l->p[i];
        const struct rule *r = &g->rule[g->owner[p.state]];
        m->meter.done += 2 + g->first[p.state + 1] - g->first[p.state];
        if (closing_is_covered(k, &p))
            continue;
        uint32_t weight = closing_weight_left(k, &p);
        if (p.state == r->accept && p.count >= (uint32_t)(r->counted ? r->min : 0))
            return_from(k, l, p.frame, weight);
        for (uint32_t e = g->first[p.state]; e < g->first[p.state + 1] && !m->full; e++) {
            const struct edge *edge = &g->edge[e];
            struct position to = {p.frame, edge->to, p.count};
            uint32_t max = r->max == GRAMMAR_MANY ? UINT32_MAX : (uint32_t)r->max;
            if (edge->kind == EDGE_TICK)
                to.count = matcher_tick(r, p.count);
            if (edge->kind == EDGE_CALL)
                call(k, l, &p, edge, weight);
            else if (edge->kind == EDGE_EMPTY || edge->kind == EDGE_TICK ||
                     (edge->kind == EDGE_ENTER && p.count < max) ||
                     (edge->kind == EDGE_LEAVE && p.count >= (uint32_t)r->min))
                go(k, l, to, weight);
        }
    }
}

/* The places behind one byte. */
static void read_byte(struct closing *k, const struct places *from, uint8_t byte, struct places *to)
{
    const struct grammar *g = k->c->matcher.g;
    for (uint32_t i = 0; i < from->n; i++) {
        struct position p = from->p[i];
        uint32_t weight = closing_is_covered(k, &p) ? 0 : closing_weight_left(k, &p);
        k->c->matcher.meter.done += 2 + (g->first[p.state + 1] - g->first[p.state]) / 2;
        for (uint32_t e = g->first[p.state]; e < g->first[p.state + 1]; e++)
            if (g->edge[e].kind == EDGE_BYTES && byte >= g->edge[e].low && byte <= g->edge[e].high &&
                weight >= k->weight[e])
                go(k, to, (struct position){p.frame, g->edge[e].to, p.count}, weight - k->weight[e]);
    }
    close_places(k, to);
}

static void allow_bytes(uint64_t bits[4], uint32_t low, uint32_t high)
{
    for (uint32_t w = low >> 6; w <= high >> 6; w++) {
        uint32_t from = w == low >> 6 ? low & 63 : 0, to = w == high >> 6 ? high & 63 : 63;
        bits[w] |= UINT64_MAX >> (63 - (to - from)) << from;
    }
}

/* Only places that read: what is behind calls and empty steps was followed, others add nothing. */
static void keep_readers(struct closing *k, struct places *l)
{
    const struct grammar *g = k->c->matcher.g;
    uint32_t n = 0;
    memset(l->bytes, 0, sizeof l->bytes);
    for (uint32_t i = 0; i < l->n; i++) {
        int covered = closing_is_covered(k, &l->p[i]), reads = covered;
        k->c->matcher.meter.done += 2 + (g->first[l->p[i].state + 1] - g->first[l->p[i].state]) / 2;
        for (uint32_t e = g->first[l->p[i].state]; e < g->first[l->p[i].state + 1] && !covered; e++) {
            const struct edge *edge = &g->edge[e];
            reads |= edge->kind < EDGE_EMPTY && edge->kind != EDGE_CALL;
            if (edge->kind == EDGE_BYTES)
                allow_bytes(l->bytes, edge->low, edge->high);
        }
        if (reads)
            l->p[n++] = l->p[i];
    }
    l->n = n;
}

/* ---- lists ---------------------------------------------------------------------------------------------------------------------- */

static void load(struct closing *k, uint32_t id, struct places *l)
{
    const struct place_list *x = &k->list[id];
    *l = (struct places){.p = k->list_place + x->first, .n = x->n, .id = id, .complete = x->complete};
    memcpy(l->bytes, x->bytes, sizeof l->bytes);
}

/* Gives a list its number, if there is room for it. */
static void intern(struct closing *k, struct places *l)
{
    uint32_t hash = (uint32_t)hash64(l->p, l->n * sizeof *l->p, (uint64_t)l->complete),
             *bucket = &k->list_bucket[hash % CLOSING_LISTS];
    for (uint32_t id = *bucket; id; id = k->list[id].next) {
        const struct place_list *x = &k->list[id];
        if (x->hash == hash && x->n == l->n && x->complete == l->complete &&
            (l->n == 0 || memcmp(k->list_place + x->first, l->p, l->n * sizeof *l->p) == 0)) {
            load(k, id, l);
            return;
        }
    }
    if (k->n_list + 1 >= CLOSING_LISTS || k->n_list_place + l->n > CLOSING_LIST_PLACES)
        return;
    struct place_list *x = &k->list[++k->n_list];
    *x = (struct place_list){
        .next = *bucket, .hash = hash, .first = k->n_list_place, .n = l->n, .complete = l->complete};
    memcpy(x->bytes, l->bytes, sizeof x->bytes);
    if (l->n)
        memcpy(k->list_place + x->first, l->p, l->n * sizeof *l->p);
    k->n_list_place += l->n;
    *bucket = k->n_list;
    load(k, k->n_list, l);
}

void closing_lists_forget(struct closing *k)
{
    k->n_list = k->n_list_place = k->n_step = 0;
    memset(k->list_bucket, 0, CLOSING_LISTS * sizeof *k->list_bucket);
    memset(k->list_step, 0, CLOSING_STEPS * sizeof *k->list_step);
}

int closing_lists_low(const struct closing *k)
{
    return k->n_list > CLOSING_LISTS / 2 || k->n_list_place > CLOSING_LIST_PLACES / 2 || k->n_step > CLOSING_STEPS / 2;
}

static struct list_step *find_step(struct closing *k, uint32_t from, uint32_t class)
{
    uint32_t key = from << 9 | class, at = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) % CLOSING_STEPS;
    while (k->list_step[at].to && k->list_step[at].key != key)
        at = (at + 1) % CLOSING_STEPS;
    k->list_step[at].key = key;
    return &k->list_step[at];
}

void closing_places_at(struct closing *k, struct position p, struct places *l)
{
    *l = (struct places){.p = k->places};
    add_place(l, p);
    close_places(k, l);
    keep_readers(k, l);
    if (!k->c->matcher.full)
        intern(k, l);
}

void closing_places_read(struct closing *k, const struct places *from, uint8_t byte, uint32_t depth, struct places *to)
{
    uint32_t class = k->c->matcher.g->byte_class[byte];
    struct list_step *step = from->id ? find_step(k, from->id, class) : NULL;
    if (step && step->to) {
        load(k, step->to, to);
        return;
    }
    *to = (struct places){.p = k->places + (size_t)CLOSING_PLACES * depth};
    read_byte(k, from, byte, to);
    keep_readers(k, to);
    if (k->c->matcher.full)
        return;
    intern(k, to);
    if (step && to->id && k->n_step < CLOSING_STEPS * 3 / 4) {
        step->to = to->id;
        k->n_step++;
    }
}

int closing_places_group(struct closing *k, const struct places *from, uint32_t group, uint32_t depth,
                         struct places *to)
{
    const struct matcher *m = &k->c->matcher;
    uint32_t low = byte_group[group].low, high = byte_group[group].high, class = m->g->n_class + group, id = 0;
    uint64_t all = (UINT64_C(1) << (high - low + 1)) - 1, read = from->bytes[low >> 6] >> (low & 63) & all;
    if (!read)
        return 0;
    if (read != all || !from->id)
        return 2;
    uint32_t known = find_step(k, from->id, class)->to;
    for (uint32_t b = low; b <= high && !known; b = matcher_next_byte(m, b, high)) {
        closing_places_read(k, from, (uint8_t)b, depth, to);
        if (m->full || !to->id)
            return 2;
        if (id && to->id != id)
            known = LIST_SPLIT;
        id = to->id;
    }
    struct list_step *step = find_step(k, from->id, class);
    if (!step->to && k->n_step < CLOSING_STEPS * 3 / 4) {
        step->to = known ? known : id;
        k->n_step++;
    }
    id = known ? known : id;
    if (id == LIST_SPLIT)
        return 2;
    load(k, id, to);
    return 1;
}

void closing_places_token(struct closing *k, const struct places *from, struct places *to)
{
    const struct grammar *g = k->c->matcher.g;
    *to = (struct places){.p = k->places + (size_t)CLOSING_PLACES * (CLOSING_DEPTH + 1)};
    for (uint32_t i = 0; i < from->n; i++)
        for (uint32_t e = g->first[from->p[i].state]; e < g->first[from->p[i].state + 1]; e++)
            if (g->edge[e].kind == EDGE_TOKEN || g->edge[e].kind == EDGE_OTHER)
                go(k, to, (struct position){from->p[i].frame, g->edge[e].to, from->p[i].count},
                   closing_weight_left(k, &from->p[i]) - k->weight[e]);
    close_places(k, to);
    keep_readers(k, to);
}
