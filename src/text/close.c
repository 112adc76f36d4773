/* Distances to the end of a text: close.h.
 *
 * A position is (frame, state, count). Inside a counted rule the weight that is left follows from that of one item:
 *
 *     weight_left(state, k) = base[state] + item * max(0, min - k - begun[state])
 *
 * From a position the trie is walked along tight steps only, those that lose nothing against the lightest text; what is left
 * behind a token is a position with less weight left, so the recursion ends. It runs on a stack of its own, and results stay in
 * a table until it is full. Long counts of a leaf ({400} of a class) are covered by the lengths that single tokens can have. */
#include "text/close.h"

#include "base/error.h"
#include "text/close_inner.h"
#include "text/constraint_inner.h"

#include <stdlib.h>
#include <string.h>

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

static uint32_t weight_left(struct closing *k, const struct position *p)
{
    if (++k->work > CLOSING_WORK)
        k->c->matcher.full = k->c->matcher.ambiguous = 1;
    return closing_add(closing_rule_weight(k, p->state, p->count), closing_frame_weight(k, p->frame));
}

/* ---- the table ------------------------------------------------------------------------------------------------------------------ */

static struct entry *find(struct closing *k, const struct position *p)
{
    uint64_t h = (p->frame * UINT64_C(0x9e3779b97f4a7c15)) ^ (p->state * UINT64_C(0xbf58476d1ce4e5b9)) ^
                 (p->count * UINT64_C(0x94d049bb133111eb));
    uint32_t at = (uint32_t)(h >> 40) & (CLOSING_TABLE - 1);
    for (;; at = (at + 1) & (CLOSING_TABLE - 1)) {
        struct entry *e = &k->table[at];
        if (e->epoch != k->epoch || (e->p.frame == p->frame && e->p.state == p->state && e->p.count == p->count))
            return e;
    }
}

static int known(struct closing *k, const struct position *p, int64_t *tokens)
{
    const struct entry *e = find(k, p);
    if (e->epoch != k->epoch)
        return 0;
    *tokens = e->tokens;
    return 1;
}

static void note(struct closing *k, const struct position *p, int64_t tokens)
{
    struct entry *e = find(k, p);
    if (e->epoch != k->epoch) {
        if (k->n_table > CLOSING_TABLE * 7 / 8) { /* lost, and found out again if it is asked for */
            k->crowded = 1;
            return;
        }
        k->n_table++;
    }
    *e = (struct entry){*p, k->epoch, tokens};
}

void closing_forget(struct closing *k)
{
    if (!k)
        return;
    k->n_table = 0;
    if (++k->epoch == 0) {
        memset(k->table, 0, CLOSING_TABLE * sizeof *k->table);
        k->epoch = 1;
    }
}

/* ---- tight steps -------------------------------------------------------------------------------------------------------------- */

struct places {
    struct position *p;
    uint32_t n;
    int complete;      /* the end of the text is here */
    uint64_t bytes[4]; /* what one of them reads */
    int32_t class;     /* of the byte that led here, -1 none yet */
    int offered;
};

/* Items that one token can be, of a counted leaf: lengths[j]. */
static const uint8_t *lengths_of(struct closing *k, uint32_t rule)
{
    struct matcher *m = &k->c->matcher;
    const struct token_trie *trie = k->c->trie;
    uint8_t *lengths = k->lengths + (size_t)CLOSING_LENGTHS * (rule % CLOSING_RULES);
    if (k->length_rule[rule % CLOSING_RULES] == rule + 1)
        return lengths;
    memset(lengths, 0, CLOSING_LENGTHS);
    struct level *level = k->level;
    level[0] = (struct level){matcher_begin_states(m, rule), 0};
    for (uint32_t i = 0; i < trie->n_node && !m->full;) {
        const struct trie_node *node = &trie->node[i];
        uint32_t d = node->depth, out[2] = {0, 0};
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

/* Counts of a leaf are covered by lengths, not by walking, while more than one item has to come, if an item can be a token. */
static int is_covered(struct closing *k, const struct position *p)
{
    const struct matcher *m = &k->c->matcher;
    uint32_t rule = m->g->owner[p->state];
    const struct rule *r = &m->g->rule[rule];
    if (!r->counted || !r->leaf || !k->at_begin[p->state] || (int64_t)r->min - p->count < 2)
        return 0;
    if (!k->coverable[rule])
        k->coverable[rule] = lengths_of(k, rule)[1] ? COVER_YES : COVER_NO;
    return k->coverable[rule] == COVER_YES;
}

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
    if (weight_left(k, &p) == weight)
        add_place(l, p);
}

static void return_from(struct closing *k, struct places *l, uint32_t frame, uint32_t weight)
{
    struct matcher *m = &k->c->matcher;
    for (uint32_t i = 0; i < frame_at(m, frame)->n_link && !m->full; i++) {
        struct link link = frame_at(m, frame)->link[i];
        if (link.frame == 0)
            l->complete = 1;
        else
            go(k, l, (struct position){link.frame, link.state, link.count}, weight);
    }
}

static void call(struct closing *k, struct places *l, const struct position *p, const struct edge *e, uint32_t weight)
{
    struct matcher *m = &k->c->matcher;
    struct position behind = {p->frame, e->to, p->count};
    if (closing_add(weight_left(k, &behind), k->rule[e->arg]) != weight)
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
        if (is_covered(k, &p))
            continue;
        uint32_t weight = weight_left(k, &p);
        if (p.state == r->accept)
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
    to->n = 0;
    to->complete = 0;
    for (uint32_t i = 0; i < from->n; i++) {
        struct position p = from->p[i];
        uint32_t weight = is_covered(k, &p) ? 0 : weight_left(k, &p);
        for (uint32_t e = g->first[p.state]; e < g->first[p.state + 1]; e++)
            if (g->edge[e].kind == EDGE_BYTES && byte >= g->edge[e].low && byte <= g->edge[e].high &&
                weight >= k->weight[e])
                go(k, to, (struct position){p.frame, g->edge[e].to, p.count}, weight - k->weight[e]);
    }
    close_places(k, to);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------------------- */

struct scan {
    int64_t best;
    int missing; /* something has to be found out first: it is on the stack */
};

/* So many more tokens lead to these places. */
static void offer(struct closing *k, const struct places *l, int64_t more, struct scan *s)
{
    int64_t tokens;
    if (l->complete) {
        s->best = s->best > more ? more : s->best;
        return;
    }
    for (uint32_t i = 0; i < l->n; i++) {
        if (known(k, &l->p[i], &tokens)) {
            if (tokens != CLOSING_NEVER && tokens + more < s->best)
                s->best = tokens + more;
        } else if (k->n_todo < CLOSING_TODO) {
            k->todo[k->n_todo++] = l->p[i];
            s->missing = 1;
        }
    }
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
        int covered = is_covered(k, &l->p[i]), reads = covered;
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

static void scan_whole_tokens(struct closing *k, const struct places *from, struct scan *s)
{
    const struct grammar *g = k->c->matcher.g;
    struct places to = {.p = k->places + CLOSING_PLACES * (CLOSING_DEPTH + 1)};
    for (uint32_t i = 0; i < from->n; i++)
        for (uint32_t e = g->first[from->p[i].state]; e < g->first[from->p[i].state + 1]; e++)
            if (g->edge[e].kind == EDGE_TOKEN || g->edge[e].kind == EDGE_OTHER)
                go(k, &to, (struct position){from->p[i].frame, g->edge[e].to, from->p[i].count},
                   weight_left(k, &from->p[i]) - k->weight[e]);
    close_places(k, &to);
    keep_readers(k, &to);
    if (to.n || to.complete)
        offer(k, &to, 1, s);
}

/* The next token's first byte that is read, from this one on: its node. */
static uint32_t next_first(const struct token_trie *trie, const uint64_t bytes[4], uint32_t byte)
{
    while (byte < 256 && (!bit_of(bytes, byte) || trie->first[byte] == trie->n_node))
        byte++;
    return byte < 256 ? trie->first[byte] : trie->n_node;
}

/* Neighbours of one class lead to the same places: at[d] stays as it is. */
static void scan_tokens(struct closing *k, struct places *from, struct scan *s)
{
    const struct token_trie *trie = k->c->trie;
    struct places at[CLOSING_DEPTH + 2];
    at[0] = *from;
    at[1].class = -1;
    for (uint32_t i = next_first(trie, from->bytes, 0); i < trie->n_node && !k->c->matcher.full;) {
        const struct trie_node *node = &trie->node[i];
        uint32_t d = node->depth;
        int reads = d <= CLOSING_DEPTH && bit_of(at[d - 1].bytes, node->byte);
        if (reads && at[d].class != k->c->matcher.g->byte_class[node->byte]) {
            at[d] = (struct places){.p = k->places + CLOSING_PLACES * d};
            read_byte(k, &at[d - 1], node->byte, &at[d]);
            keep_readers(k, &at[d]);
            at[d].class = k->c->matcher.g->byte_class[node->byte];
            at[d + 1].class = -1;
        }
        if (!reads || (at[d].n == 0 && !at[d].complete)) {
            i = d == 1 ? next_first(trie, from->bytes, node->byte + 1u) : node->skip;
            continue;
        }
        if (node->token < node[1].token && !at[d].offered) {
            offer(k, &at[d], 1, s);
            at[d].offered = 1;
        }
        i++;
    }
}

/* A counted leaf at the border of an item, at least two more needed: tokens of whole items down to one or none. */
static void cover(struct closing *k, const struct position *p, struct scan *s)
{
    const struct matcher *m = &k->c->matcher;
    uint32_t rule = m->g->owner[p->state], need = (uint32_t)m->g->rule[rule].min - p->count;
    int64_t *left = k->left, extra = 0;
    for (uint32_t n = 0; n < 2; n++) {
        struct position at = {p->frame, m->g->rule[rule].start, p->count + need - n};
        if (!known(k, &at, &left[n])) {
            k->todo[k->n_todo++] = at;
            s->missing = 1;
        }
    }
    if (s->missing)
        return;
    const uint8_t *lengths = lengths_of(k, rule);
    uint32_t longest = CLOSING_LENGTHS - 1;
    while (longest > 0 && !lengths[longest])
        longest--;
    if (longest == 0)
        return;
    if (need >= CLOSING_COVER) {
        uint32_t times = (need - CLOSING_COVER) / longest + 1;
        extra = times;
        need -= times * longest;
    }
    for (uint32_t n = 2; n <= need; n++) {
        left[n] = CLOSING_NEVER;
        for (uint32_t j = 1; j <= longest && j <= n; j++)
            if (lengths[j] && left[n - j] != CLOSING_NEVER && left[n - j] + 1 < left[n])
                left[n] = left[n - j] + 1;
    }
    s->best = left[need] == CLOSING_NEVER ? CLOSING_NEVER : left[need] + extra;
}

/* One position, if all that it needs is known. */
static int settle(struct closing *k, struct position p)
{
    uint32_t weight = weight_left(k, &p);
    struct scan s = {.best = CLOSING_NEVER};
    struct places from = {.p = k->places};
    if (weight == 0 || weight > CLOSING_FAR) {
        note(k, &p, weight >= CLOSING_NONE ? CLOSING_NEVER : weight); /* a byte weighs 1 and is a token, at most */
        return 1;
    }
    if (is_covered(k, &p)) {
        cover(k, &p, &s);
    } else {
        add_place(&from, p);
        close_places(k, &from);
        keep_readers(k, &from);
        scan_whole_tokens(k, &from, &s);
        for (uint32_t i = 0; i < from.n; i++) /* a call may have led to the border of a count */
            if (is_covered(k, &from.p[i]))
                offer(k, &(struct places){.p = &from.p[i], .n = 1}, 0, &s);
        scan_tokens(k, &from, &s);
    }
    if (s.missing)
        return 0;
    note(k, &p, s.best);
    return 1;
}

/* Tokens left from a position. */
static int64_t tokens_left(struct closing *k, struct position p)
{
    int64_t tokens;
    const struct rule *r = &k->c->matcher.g->rule[k->c->matcher.g->owner[p.state]];
    if (r->counted && p.count > (uint32_t)r->min) /* what may still come does not matter, only what has to */
        p.count = (uint32_t)r->min;
    struct position border = {p.frame, r->start, p.count};
    if (k->at_begin[p.state] && is_covered(k, &border))
        p = border;
    if (known(k, &p, &tokens))
        return tokens;
    if (k->n_table > CLOSING_TABLE / 2)
        closing_forget(k);
    k->crowded = 0;
    k->n_todo = 0;
    k->todo[k->n_todo++] = p;
    while (k->n_todo > 0 && !k->c->matcher.full && !k->crowded && k->n_todo < CLOSING_TODO) {
        struct position next = k->todo[k->n_todo - 1];
        uint32_t at = k->n_todo;
        if (known(k, &next, &tokens))
            k->n_todo--;
        else if (settle(k, next))
            k->n_todo = at - 1;
    }
    if (known(k, &p, &tokens))
        return tokens;
    uint32_t weight = weight_left(k, &p); /* too many positions: a byte weighs 1 and is a token, at most */
    return weight >= CLOSING_NONE ? CLOSING_NEVER : weight;
}

/* ---- sets --------------------------------------------------------------------------------------------------------------------- */

static int64_t of_config(struct closing *k, const struct config *c)
{
    const struct matcher *m = &k->c->matcher;
    int64_t best = CLOSING_NEVER;
    for (uint32_t i = 0; i < states_at(m, c->states)->n && !m->full; i++) {
        int64_t tokens = tokens_left(k, (struct position){c->frame, states_at(m, c->states)->state[i], c->count});
        best = tokens < best ? tokens : best;
    }
    return best;
}

static uint32_t stored(int64_t tokens) { return tokens >= UINT32_MAX - 1 ? UINT32_MAX : (uint32_t)tokens + 1; }
static int64_t loaded(uint32_t tokens) { return tokens == UINT32_MAX ? CLOSING_NEVER : (int64_t)tokens - 1; }

int64_t closing_of_set(struct closing *k, uint32_t set)
{
    struct matcher *m = &k->c->matcher;
    if (set == SET_DEAD)
        return CLOSING_NEVER;
    if (!set_at(m, set)->tokens_left) {
        int64_t best = set_at(m, set)->accepting ? 0 : CLOSING_NEVER;
        for (uint32_t i = 0; i < set_at(m, set)->n && best > 0 && !m->full; i++) {
            struct config c = set_at(m, set)->config[i];
            int64_t tokens = of_config(k, &c);
            best = tokens < best ? tokens : best;
        }
        if (m->full)
            return CLOSING_NEVER;
        set_at(m, set)->tokens_left = stored(best);
    }
    return loaded(set_at(m, set)->tokens_left);
}

struct most {
    struct closing *k;
    int64_t most;
};

static void visit(void *arg, uint32_t set, const struct config *inside)
{
    struct most *m = arg;
    int64_t tokens = inside ? of_config(m->k, inside) : closing_of_set(m->k, set);
    m->most = tokens > m->most ? tokens : m->most;
}

int64_t closing_most(struct closing *k, uint32_t set)
{
    struct matcher *m = &k->c->matcher;
    if (!set_at(m, set)->most_left) {
        struct most most = {k, 0};
        masks_targets(&k->c->masks, set, visit, &most);
        if (m->full)
            return CLOSING_NEVER;
        set_at(m, set)->most_left = stored(most.most);
    }
    return loaded(set_at(m, set)->most_left);
}

/* ---- without counting tokens ---------------------------------------------------------------------------------------------------- */

/* A byte weighs 1 at least, and is a token at most: a weight is no less than the tokens. */
static uint32_t weight_of(struct closing *k, const struct config *c)
{
    const struct matcher *m = &k->c->matcher;
    uint32_t best = CLOSING_NONE;
    for (uint32_t i = 0; i < states_at(m, c->states)->n && !m->full; i++) {
        uint32_t weight = weight_left(k, &(struct position){c->frame, states_at(m, c->states)->state[i], c->count});
        best = weight < best ? weight : best;
    }
    return best;
}

static uint32_t weight_of_set(struct closing *k, uint32_t set)
{
    struct matcher *m = &k->c->matcher;
    if (!set_at(m, set)->weight) {
        uint32_t best = set_at(m, set)->accepting ? 0 : CLOSING_NONE;
        for (uint32_t i = 0; i < set_at(m, set)->n && best > 0; i++) {
            uint32_t weight = weight_of(k, &set_at(m, set)->config[i]);
            best = weight < best ? weight : best;
        }
        set_at(m, set)->weight = m->full ? 0 : best + 1;
        return best;
    }
    return set_at(m, set)->weight - 1;
}

static void visit_weight(void *arg, uint32_t set, const struct config *inside)
{
    struct most *most = arg;
    uint32_t weight = inside ? weight_of(most->k, inside) : weight_of_set(most->k, set);
    most->most = weight > most->most ? weight : most->most;
}

int64_t closing_most_weight(struct closing *k, uint32_t set)
{
    struct matcher *m = &k->c->matcher;
    if (!k->c->trie->spells)
        return CLOSING_NEVER;
    if (!set_at(m, set)->most_weight) {
        struct most most = {k, 0};
        masks_targets(&k->c->masks, set, visit_weight, &most);
        if (m->full)
            return CLOSING_NEVER;
        set_at(m, set)->most_weight = (uint32_t)most.most + 1;
    }
    uint32_t weight = set_at(m, set)->most_weight - 1;
    return weight > CLOSING_FAR ? CLOSING_NEVER : weight;
}
