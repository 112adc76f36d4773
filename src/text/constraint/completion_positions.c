/* Positions that one byte after the other leads to on the way to the end: completion.h.
 *
 *     list 1 {position, position}  --byte class 7-->  list 2 {position}  --[a-z]-->  list 2
 *
 * A step is on a shortest path if it loses nothing against the lightest completion from where it is taken. Lists of positions are kept,
 * each distinct one once, and so are the steps between them, by class of bytes. So the tries are walked with numbers of lists, and each
 * step is weighed once, whatever position or token it belongs to. When memory for lists is used up, steps are taken anew. */
#include "text/constraint/completion.h"

#include "base/hash.h"
#include "text/constraint/completion_inner.h"

#include <string.h>

/* ---- weights -------------------------------------------------------------------------------------------------------------------- */

/* Puts the frames that a frame returns to and whose weights are not known on the stack of n; how many there are then. All of them together,
 * or each would have the links looked at once more; but half of the stack is for depth. */
static uint32_t push_unknown(struct completion *k, const struct frame *f, uint32_t n)
{
    const struct matcher *m = &k->c->matcher;
    uint32_t before = n;
    for (uint32_t i = 0; i < f->n_link && n < (n == before ? COMPLETION_FRAMES : COMPLETION_FRAMES / 2); i++) {
        uint32_t to = f->link[i].frame;
        if (to && !frame_at(m, to)->weight_left && (n == before || k->frames[n - 1] != to))
            k->frames[n++] = to;
    }
    return n;
}

uint32_t completion_find_frame_weight(struct completion *k, uint32_t frame)
{
    struct matcher *m = &k->c->matcher;
    uint32_t n = 0;
    k->frames[n++] = frame;
    while (n > 0) {
        struct frame *f = frame_at(m, k->frames[n - 1]);
        uint32_t best = COMPLETION_NONE, pushed = f->weight_left ? n : push_unknown(k, f, n);
        matcher_work(m, 2 + (f->weight_left ? 0 : f->n_link / 4));
        if (pushed > n) {
            n = pushed;
            continue;
        }
        for (uint32_t i = 0; i < f->n_link && !f->weight_left; i++) {
            const struct link *l = &f->link[i];
            uint32_t behind = 0;
            if (l->frame)
                behind = completion_add(frame_at(m, l->frame)->weight_left - 1,
                                        completion_rule_weight(k, l->state, l->count));
            best = behind < best ? behind : best;
        }
        if (!f->weight_left)
            f->weight_left = best + 1;
        n--;
    }
    return frame_at(m, frame)->weight_left - 1;
}

static int64_t tokens_of(int64_t weight)
{
    return weight >= COMPLETION_NONE ? COMPLETION_NEVER : (weight + COMPLETION_UNIT - 1) / COMPLETION_UNIT;
}

int64_t completion_bound(struct completion *k, const struct position *p)
{
    int64_t weight = completion_weight_left(k, p);
    return tokens_of(weight >= COMPLETION_NONE ? weight : weight + k->rest[p->state]);
}

int64_t completion_rule_bound(struct completion *k, const struct position *p)
{
    uint32_t rule = k->c->matcher.g->owner[p->state], start = k->c->matcher.g->rule[rule].start;
    int64_t weight = completion_weight_left(k, &(struct position){p->frame, start, p->count});
    return tokens_of(weight >= COMPLETION_NONE ? weight : weight - k->base[start] + k->most[rule]);
}

/* ---- counted leaves --------------------------------------------------------------------------------------------------------------- */

void completion_items(struct completion *k, uint32_t rule,
                      void (*of)(void *arg, const struct trie_node *node, uint32_t items), void *arg)
{
    struct matcher *m = &k->c->matcher;
    const struct token_trie *trie = k->c->trie;
    struct level *level = k->level;
    level[0] = (struct level){matcher_begin_states(m, rule), 0};
    for (uint32_t i = 0; i < trie->n_node && !m->full;) {
        const struct trie_node *node = &trie->node[i];
        uint32_t d = node->depth, out[2] = {0, 0};
        matcher_work(m, 1);
        if (d <= COMPLETION_DEPTH)
            matcher_read(m, level[d - 1].states, node->byte, COUNT_FREE, out);
        uint32_t to = out[1] ? out[1] : out[0], ticks = d <= COMPLETION_DEPTH ? level[d - 1].ticks + (out[1] != 0) : 0;
        if (!to || ticks >= COMPLETION_LENGTHS) {
            i = node->skip;
            continue;
        }
        level[d] = (struct level){to, ticks};
        if (node->token < node[1].token && states_at(m, to)->accepts)
            of(arg, node, ticks);
        i++;
    }
}

static void note_length(void *lengths, const struct trie_node *node, uint32_t items)
{
    (void)node;
    ((uint8_t *)lengths)[items] = 1;
}

const uint8_t *completion_lengths(struct completion *k, uint32_t rule)
{
    rule = k->alike[rule];
    uint8_t *lengths = k->lengths + (size_t)COMPLETION_LENGTHS * (rule % COMPLETION_RULES);
    if (k->length_rule[rule % COMPLETION_RULES] == rule + 1)
        return lengths;
    k->length_rule[rule % COMPLETION_RULES] = 0;
    memset(lengths, 0, COMPLETION_LENGTHS);
    completion_items(k, rule, note_length, lengths);
    k->length_rule[rule % COMPLETION_RULES] = k->c->matcher.full ? 0 : rule + 1;
    return lengths;
}

int completion_find_covered(struct completion *k, const struct position *p)
{
    const struct matcher *m = &k->c->matcher;
    uint32_t rule = m->g->owner[p->state];
    const struct rule *r = &m->g->rule[rule];
    if (!r->counted || !r->leaf || (int64_t)r->min - p->count < 2)
        return 0;
    if (!k->coverable[rule]) {
        int single = completion_lengths(k, rule)[1];
        if (m->full)
            return 0;
        k->coverable[rule] = single ? COVER_YES : COVER_NO;
    }
    return k->coverable[rule] == COVER_YES;
}

/* ---- steps on shortest paths --------------------------------------------------------------------------------------------------------- */

/* Once an item that may be empty has come often enough, having come once more allows nothing that was not allowed before: one of such
 * positions stands for all, or a list would be full of them. */
static void add_position(struct completion *k, struct positions *l, struct position p)
{
    const struct grammar *g = k->c->matcher.g;
    uint32_t enough = (uint32_t)g->rule[g->owner[p.state]].min;
    k->c->matcher.meter.done += 2 + l->n / 4;
    for (uint32_t i = 0; i < l->n; i++)
        if (l->p[i].state == p.state && l->p[i].frame == p.frame &&
            (l->p[i].count == p.count || (l->p[i].count < p.count && l->p[i].count >= enough)))
            return;
    if (l->n < COMPLETION_POSITIONS)
        l->p[l->n++] = p;
}

/* Adds the position that a step leads to, if the step is on a shortest path: the weight left is what it should be. */
static void go(struct completion *k, struct positions *l, struct position p, uint32_t weight)
{
    if (completion_weight_left(k, &p) == weight)
        add_position(k, l, p);
}

/* Every place that a call returns to, not the lightest alone: so the distance of several texts that share a frame is that of the
 * nearest, as if each had its own. The lightest come first: there may be more than a list holds. */
static void return_from(struct completion *k, struct positions *l, uint32_t frame, uint32_t weight)
{
    struct matcher *m = &k->c->matcher;
    for (int any = 0; any < 2; any++)
        for (uint32_t i = 0; i < frame_at(m, frame)->n_link && (!any || l->n < COMPLETION_POSITIONS) && !m->full; i++) {
            struct link link = frame_at(m, frame)->link[i];
            matcher_work(m, 2);
            struct position behind = {link.frame, link.state, link.count};
            if (link.frame == 0)
                l->complete = 1;
            else if (any)
                add_position(k, l, behind);
            else
                go(k, l, behind, weight);
        }
}

static void call(struct completion *k, struct positions *l, const struct position *p, const struct edge *e,
                 uint32_t weight)
{
    struct matcher *m = &k->c->matcher;
    struct position behind = {p->frame, e->to, p->count};
    if (completion_add(completion_weight_left(k, &behind), k->rule[e->arg]) != weight)
        return;
    uint32_t frame = matcher_frame(m, e->arg, &(struct link){p->frame, e->to, p->count}, 1);
    if (!m->full)
        go(k, l, (struct position){frame, m->g->rule[e->arg].start, 0}, weight);
}

/* Adds what is behind the positions of a list without reading, along shortest paths. */
static void close_positions(struct completion *k, struct positions *l)
{
    struct matcher *m = &k->c->matcher;
    const struct grammar *g = m->g;
    for (uint32_t i = 0; i < l->n && !m->full; i++) {
        struct position p = l->p[i];
        const struct rule *r = &g->rule[g->owner[p.state]];
        m->meter.done += 4 + 2 * (g->first[p.state + 1] - g->first[p.state]);
        if (completion_is_covered(k, &p))
            continue;
        uint32_t weight = completion_weight_left(k, &p);
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

/* The positions behind one byte. */
static void read_byte(struct completion *k, const struct positions *from, uint8_t byte, struct positions *to)
{
    const struct grammar *g = k->c->matcher.g;
    for (uint32_t i = 0; i < from->n; i++) {
        struct position p = from->p[i];
        uint32_t weight = completion_is_covered(k, &p) ? 0 : completion_weight_left(k, &p);
        k->c->matcher.meter.done += 4 + g->first[p.state + 1] - g->first[p.state];
        for (uint32_t e = g->first[p.state]; e < g->first[p.state + 1]; e++)
            if (g->edge[e].kind == EDGE_BYTES && byte >= g->edge[e].low && byte <= g->edge[e].high &&
                weight >= k->weight[e])
                go(k, to, (struct position){p.frame, g->edge[e].to, p.count}, weight - k->weight[e]);
    }
    close_positions(k, to);
}

static void allow_bytes(uint64_t bits[4], uint32_t low, uint32_t high)
{
    for (uint32_t w = low >> 6; w <= high >> 6; w++) {
        uint32_t from = w == low >> 6 ? low & 63 : 0, to = w == high >> 6 ? high & 63 : 63;
        bits[w] |= UINT64_MAX >> (63 - (to - from)) << from;
    }
}

/* Only positions that read: what is behind calls and empty steps was followed, others add nothing. */
static void keep_readers(struct completion *k, struct positions *l)
{
    const struct grammar *g = k->c->matcher.g;
    uint32_t n = 0;
    memset(l->bytes, 0, sizeof l->bytes);
    for (uint32_t i = 0; i < l->n; i++) {
        struct position p = l->p[i];
        int covered = completion_is_covered(k, &p), reads = covered;
        uint32_t frame = completion_frame_weight(k, p.frame),
                 weight = completion_add(completion_rule_weight(k, p.state, p.count), frame);
        k->c->matcher.meter.done += 4 + g->first[p.state + 1] - g->first[p.state];
        for (uint32_t e = g->first[p.state]; e < g->first[p.state + 1] && !covered; e++) {
            const struct edge *edge = &g->edge[e];
            reads |= edge->kind < EDGE_EMPTY && edge->kind != EDGE_CALL;
            if (edge->kind == EDGE_BYTES && weight >= k->weight[e] &&
                completion_add(completion_rule_weight(k, edge->to, p.count), frame) == weight - k->weight[e])
                allow_bytes(l->bytes, edge->low, edge->high);
        }
        if (reads)
            l->p[n++] = p;
    }
    l->n = n;
}

uint32_t completion_bytes_read(struct completion *k, const struct positions *l)
{
    const struct grammar *g = k->c->matcher.g;
    uint64_t read[4] = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        k->c->matcher.meter.done += 1 + (g->first[l->p[i].state + 1] - g->first[l->p[i].state]) / 2;
        for (uint32_t e = g->first[l->p[i].state]; e < g->first[l->p[i].state + 1]; e++)
            if (g->edge[e].kind == EDGE_BYTES && !completion_is_covered(k, &l->p[i]))
                allow_bytes(read, g->edge[e].low, g->edge[e].high);
    }
    for (int w = 0; w < 4; w++)
        n += (uint32_t)__builtin_popcountll(read[w] & k->c->trie->begins[w]);
    return n;
}

/* ---- lists ---------------------------------------------------------------------------------------------------------------------- */

static void load(struct completion *k, uint32_t id, struct positions *l)
{
    const struct position_list *x = &k->list[id];
    *l = (struct positions){.p = k->list_position + x->first, .n = x->n, .id = id, .complete = x->complete};
    memcpy(l->bytes, x->bytes, sizeof l->bytes);
}

/* Gives a list its number, if there is memory for it. */
static void intern(struct completion *k, struct positions *l)
{
    uint32_t hash = (uint32_t)hash64(l->p, l->n * sizeof *l->p, (uint64_t)l->complete),
             *bucket = &k->list_bucket[hash % COMPLETION_LISTS];
    for (uint32_t id = *bucket; id; id = k->list[id].next) {
        const struct position_list *x = &k->list[id];
        if (x->hash == hash && x->n == l->n && x->complete == l->complete &&
            (l->n == 0 || memcmp(k->list_position + x->first, l->p, l->n * sizeof *l->p) == 0)) {
            load(k, id, l);
            return;
        }
    }
    if (k->n_list + 1 >= COMPLETION_LISTS || k->n_list_position + l->n > COMPLETION_LIST_POSITIONS)
        return;
    struct position_list *x = &k->list[++k->n_list];
    *x = (struct position_list){
        .next = *bucket, .hash = hash, .first = k->n_list_position, .n = l->n, .complete = l->complete};
    memcpy(x->bytes, l->bytes, sizeof x->bytes);
    if (l->n)
        memcpy(k->list_position + x->first, l->p, l->n * sizeof *l->p);
    k->n_list_position += l->n;
    *bucket = k->n_list;
    load(k, k->n_list, l);
}

void completion_lists_forget(struct completion *k)
{
    k->n_list = k->n_list_position = k->n_step = 0;
    memset(k->list_bucket, 0, COMPLETION_LISTS * sizeof *k->list_bucket);
    memset(k->list_step, 0, COMPLETION_STEPS * sizeof *k->list_step);
}

int completion_lists_low(const struct completion *k)
{
    return k->n_list > COMPLETION_LISTS / 2 || k->n_list_position > COMPLETION_LIST_POSITIONS / 2 ||
           k->n_step > COMPLETION_STEPS / 2;
}

static struct list_step *find_step(struct completion *k, uint32_t from, uint32_t class)
{
    uint32_t key = from << 9 | class, at = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) % COMPLETION_STEPS;
    while (k->list_step[at].to && k->list_step[at].key != key)
        at = (at + 1) % COMPLETION_STEPS;
    k->list_step[at].key = key;
    return &k->list_step[at];
}

void completion_positions_at(struct completion *k, struct position p, struct positions *l)
{
    *l = (struct positions){.p = k->positions};
    add_position(k, l, p);
    close_positions(k, l);
    keep_readers(k, l);
    if (!k->c->matcher.full)
        intern(k, l);
}

void completion_positions_read(struct completion *k, const struct positions *from, uint8_t byte, uint32_t depth,
                               struct positions *to)
{
    uint32_t class = k->c->matcher.g->byte_class[byte];
    struct list_step *step = from->id ? find_step(k, from->id, class) : NULL;
    if (step && step->to) {
        load(k, step->to, to);
        return;
    }
    *to = (struct positions){.p = k->positions + (size_t)COMPLETION_POSITIONS * depth};
    read_byte(k, from, byte, to);
    keep_readers(k, to);
    if (k->c->matcher.full)
        return;
    intern(k, to);
    if (step && to->id && k->n_step < COMPLETION_STEPS * 3 / 4) {
        step->to = to->id;
        k->n_step++;
    }
}

int completion_positions_group(struct completion *k, const struct positions *from, uint32_t group, uint32_t depth,
                               struct positions *to)
{
    const struct matcher *m = &k->c->matcher;
    uint32_t low = byte_group[group].low, high = byte_group[group].high, class = m->g->n_class + group, id = 0;
    uint64_t all = completion_group_bytes(group), read = completion_group_read(from, group);
    if (!read)
        return 0;
    if (read != all || !from->id)
        return 2;
    uint32_t known = find_step(k, from->id, class)->to;
    for (uint32_t b = low; b <= high && !known; b = matcher_next_byte(m, b, high)) {
        completion_positions_read(k, from, (uint8_t)b, depth, to);
        if (m->full || !to->id)
            return 2;
        if (id && to->id != id)
            known = LIST_SPLIT;
        id = to->id;
    }
    struct list_step *step = find_step(k, from->id, class);
    if (!step->to && k->n_step < COMPLETION_STEPS * 3 / 4) {
        step->to = known ? known : id;
        k->n_step++;
    }
    id = known ? known : id;
    if (id == LIST_SPLIT)
        return 2;
    load(k, id, to);
    return 1;
}

void completion_positions_token(struct completion *k, const struct positions *from, uint32_t edge, struct positions *to)
{
    const struct grammar *g = k->c->matcher.g;
    *to = (struct positions){.p = k->positions + (size_t)COMPLETION_POSITIONS * (COMPLETION_DEPTH + 1)};
    for (uint32_t i = 0; i < from->n; i++)
        for (uint32_t e = g->first[from->p[i].state]; e < g->first[from->p[i].state + 1]; e++)
            if ((edge == COMPLETION_ANY_EDGE || edge == e) &&
                (g->edge[e].kind == EDGE_TOKEN || g->edge[e].kind == EDGE_OTHER))
                go(k, to, (struct position){from->p[i].frame, g->edge[e].to, from->p[i].count},
                   completion_weight_left(k, &from->p[i]) - k->weight[e]);
    close_positions(k, to);
    keep_readers(k, to);
}
