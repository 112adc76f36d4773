/* Tokens from a position to the end of a text: completion.h. Of sets of positions: completion.c.
 *
 *     pending                      each position waits for those that one token leads to
 *     (frame, state, count)  -->   table: position -> tokens, until it is full, or until another set is counted for the first time
 *
 * Inside a counted rule the weight that is left follows from that of one item:
 *
 *     weight(state, k) = base[state] + item * max(0, min - k - begun[state])
 *
 * From a position the tries are walked along shortest paths only: steps that lose nothing against the lightest completion. Behind a
 * token less weight is left, so the recursion ends; it runs on a stack of its own. Long counts of a leaf ({400} of a class) are covered
 * by the lengths that single tokens can have. */
#include "text/constraint/completion.h"

#include "text/constraint/completion_inner.h"
#include "text/constraint/inner.h"

#include <string.h>

/* ---- the table ------------------------------------------------------------------------------------------------------------------ */

static struct entry *find(struct completion *k, const struct position *p)
{
    uint64_t h = (p->frame * UINT64_C(0x9e3779b97f4a7c15)) ^ (p->state * UINT64_C(0xbf58476d1ce4e5b9)) ^
                 (p->count * UINT64_C(0x94d049bb133111eb));
    uint32_t at = (uint32_t)(h >> 40) & (COMPLETION_TABLE - 1);
    for (;; at = (at + 1) & (COMPLETION_TABLE - 1)) {
        struct entry *e = &k->table[at];
        if (e->epoch != k->epoch || (e->p.frame == p->frame && e->p.state == p->state && e->p.count == p->count))
            return e;
    }
}

static int known(struct completion *k, const struct position *p, int64_t *tokens)
{
    const struct entry *e = find(k, p);
    if (e->epoch != k->epoch)
        return 0;
    *tokens = e->tokens;
    return 1;
}

static void note(struct completion *k, const struct position *p, int64_t tokens)
{
    struct entry *e = find(k, p);
    if (e->epoch != k->epoch) {
        if (k->n_table > COMPLETION_TABLE * 7 / 8) {
            k->crowded = 1;
            return;
        }
        k->n_table++;
    }
    *e = (struct entry){*p, k->epoch, tokens};
}

static void forget_tokens(struct completion *k)
{
    k->n_table = 0;
    if (++k->epoch == 0) {
        memset(k->table, 0, COMPLETION_TABLE * sizeof *k->table);
        k->epoch = 1;
    }
}

void completion_forget(struct completion *k)
{
    if (!k)
        return;
    k->counted_for = SET_DEAD; /* numbers have changed */
    forget_tokens(k);
    completion_lists_forget(k);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------------------- */

/* Counting is too much work, or takes too much space. Bounds stand instead, if there are any. */
static void give_up(struct completion *k)
{
    if (k->c->trie->spells)
        k->gave_up = 1;
    else
        matcher_refuse(&k->c->matcher);
}

/* Work is bounded. It counts what a scan looks at, whether the steps are remembered or not. */
static void count_work(struct completion *k, uint32_t n)
{
    if (!k->passed && (k->work += n) > COMPLETION_WORK)
        give_up(k);
}

int completion_stopped(const struct completion *k) { return k->c->matcher.full || k->gave_up; }

/* A position that has to be found out, for the sake of another one. When the stack fills up a scan may ask for a few only: it is
 * done once more when these are known. */
static void ask(struct completion *k, uint32_t parent, struct position p, uint32_t more)
{
    matcher_work(&k->c->matcher, 2);
    struct pending_position *from = &k->pending[parent];
    int64_t tokens;
    if (known(k, &p, &tokens)) {
        if (tokens != COMPLETION_NEVER && tokens + more < from->best)
            from->best = tokens + more;
    } else if (k->n_pending >= COMPLETION_PENDING / 2 && from->asked >= COMPLETION_ASKED) {
        from->scanned = 0;
    } else if (k->n_pending < COMPLETION_PENDING) {
        from->asked++;
        k->pending[k->n_pending++] = (struct pending_position){
            .p = p, .parent = parent, .more = more, .best = COMPLETION_NEVER};
    } else {
        give_up(k);
    }
}

/* So many more tokens lead from a position to these positions. */
static void offer(struct completion *k, uint32_t parent, const struct positions *l, uint32_t more)
{
    if (l->complete) {
        k->pending[parent].best = k->pending[parent].best > more ? more : k->pending[parent].best;
        return;
    }
    for (uint32_t i = 0; i < l->n; i++)
        ask(k, parent, l->p[i], more);
}

/* Some token ends at these positions: a list is offered once a scan. */
static void offer_once(struct completion *k, uint32_t parent, struct positions *l)
{
    if (l->id ? k->list[l->id].offered == k->scan : l->offered)
        return;
    if (l->id)
        k->list[l->id].offered = k->scan;
    l->offered = 1;
    offer(k, parent, l, 1);
}

/* Behind these positions, as far as the table knows. */
static int is_on_way(struct completion *k, const struct way *way, const struct positions *l)
{
    int64_t tokens;
    int fits = l->complete && way->most >= 0;
    matcher_work(&k->c->matcher, 1 + l->n);
    for (uint32_t i = 0; i < l->n && !fits; i++)
        fits = known(k, &l->p[i], &tokens) && tokens <= way->most;
    return fits;
}

static void add_tokens(struct completion *k, const struct way *way, const struct trie_node *node)
{
    for (uint32_t t = node->token; t < node[1].token; t++)
        set_bit(way->bits, k->c->trie->token[t]);
}

/* A scan of the tries for tokens that lead on from a position. */
struct scanning {
    struct completion *k;
    uint32_t parent;       /* the position, on the stack */
    const struct way *way; /* NULL: what tokens lead to is offered to the position; else the tokens are added */
    struct positions at[COMPLETION_DEPTH + 2]; /* by depth: where the bytes up to it lead to */
    int32_t of_class[COMPLETION_DEPTH + 2];    /* of the byte that led to at[d]; -1: not known */
    uint8_t on_way[COMPLETION_DEPTH + 2];      /* at[d] is */
};

/* Nodes that the scan would look at in the trie of bytes: work is counted alike, whether bytes are taken in groups or not. */
static uint32_t nodes_of(const struct token_trie *trie, uint32_t i)
{
    const uint32_t *first = trie->first_member + (i - trie->grouped);
    return i >= trie->grouped ? first[1] - first[0] : 1;
}

enum scan_step { SCAN_DEAD, SCAN_ON, SCAN_SPLIT };

/* One step into s->at[d]. Neighbours of one class lead to the same positions: at[d] stays as it is. */
static enum scan_step scan_step(struct scanning *s, const struct trie_node *node, int grouped)
{
    struct completion *k = s->k;
    const struct matcher *m = &k->c->matcher;
    uint32_t d = node->depth, class = grouped ? m->group_class[node->byte] : m->g->byte_class[node->byte];
    if (s->of_class[d] != (int32_t) class) {
        enum scan_step way = SCAN_ON;
        k->c->matcher.meter.done += 3; /* two lookups */
        if (class >= m->g->n_class)
            way = (enum scan_step)completion_positions_group(k, &s->at[d - 1], class - m->g->n_class, d, &s->at[d]);
        else
            completion_positions_read(k, &s->at[d - 1], node->byte, d, &s->at[d]);
        s->of_class[d] = way == SCAN_ON ? (int32_t) class : -1;
        s->of_class[d + 1] = -1;
        if (way != SCAN_ON)
            return way;
        s->on_way[d] = s->way && is_on_way(k, s->way, &s->at[d]);
    }
    return s->at[d].n || s->at[d].complete ? SCAN_ON : SCAN_DEAD;
}

/* Does the byte of a node, or one of its group, go on? */
static inline int goes_on(const struct scanning *s, const struct trie_node *node, int grouped)
{
    const struct matcher *m = &s->k->c->matcher;
    if (node->depth > COMPLETION_DEPTH)
        return 0;
    const struct positions *from = &s->at[node->depth - 1];
    uint32_t class = grouped ? m->group_class[node->byte] : 0;
    return class < m->g->n_class ? bit_of(from->bytes, node->byte)
                                 : completion_group_read(from, class - m->g->n_class) != 0;
}

/* Passes over nodes whose bytes lead nowhere, which most are that are looked at. Returns the first one from i on whose byte goes on. */
static uint32_t pass_dead(const struct scanning *s, uint32_t i, uint32_t end)
{
    struct completion *k = s->k;
    const struct token_trie *trie = k->c->trie;
    const struct trie_node *node = trie->node;
    uint32_t n = 0, passed = 0;
    int grouped = i >= trie->grouped;
    for (; i < end && !goes_on(s, &node[i], grouped); i = node[i].skip, passed++)
        n += nodes_of(trie, i);
    k->c->matcher.meter.done += passed;
    count_work(k, n);
    return i;
}

static void scan_nodes(struct scanning *s, uint32_t i, uint32_t end);

/* The bytes of a group lead to several positions, or some are not read: its nodes one by one. */
static void scan_members(struct scanning *s, uint32_t i)
{
    struct completion *k = s->k;
    const struct token_trie *trie = k->c->trie;
    const uint32_t *first = trie->first_member + (i - trie->grouped);
    uint32_t d = trie->node[i].depth, n_dead = 0;
    s->of_class[d] = -1;
    for (uint32_t x = first[0]; x < first[1]; x++) {
        const struct trie_node *node = &trie->node[trie->member[x]];
        if (bit_of(s->at[d - 1].bytes, node->byte))
            scan_nodes(s, trie->member[x], node->skip);
        else
            n_dead++;
    }
    s->of_class[d] = -1;
    matcher_work(&k->c->matcher, n_dead / 2);
    if (d > 1)
        count_work(k, n_dead);
}

/* Nodes [i, end) of one of the tries, from one whose byte goes on. Those of depth 1 do not count. */
static void scan_nodes(struct scanning *s, uint32_t i, uint32_t end)
{
    struct completion *k = s->k;
    const struct token_trie *trie = k->c->trie;
    int grouped = i >= trie->grouped;
    uint32_t n = 0;
    while (i < end && !completion_stopped(k)) {
        const struct trie_node *node = &trie->node[i];
        uint32_t d = node->depth;
        matcher_work_node(&k->c->matcher, &n);
        enum scan_step way = scan_step(s, node, grouped);
        if (way == SCAN_SPLIT)
            scan_members(s, i);
        else if (d > 1)
            count_work(k, nodes_of(trie, i));
        if (way == SCAN_ON && node->token < node[1].token && !s->way)
            offer_once(k, s->parent, &s->at[d]);
        else if (way == SCAN_ON && s->on_way[d])
            add_tokens(k, s->way, node);
        i = pass_dead(s, way == SCAN_ON ? i + 1 : node->skip, end);
    }
}

/* Where a scan begins for a byte: at the node of its group, or at its own if the group cannot be taken at once. */
static uint32_t first_node(const struct completion *k, const struct positions *from, uint32_t byte)
{
    const struct matcher *m = &k->c->matcher;
    const struct token_trie *trie = k->c->trie;
    uint32_t i = trie->grouped_first[byte];
    if (i == trie->grouped_end)
        return i;
    uint32_t class = m->group_class[trie->node[i].byte], group = class - m->g->n_class;
    if (class < m->g->n_class || completion_group_read(from, group) == completion_group_bytes(group))
        return i;
    return trie->first[byte] == trie->n_node ? trie->grouped_end : trie->first[byte];
}

static void scan_tokens(struct completion *k, uint32_t parent, const struct positions *from, const struct way *way)
{
    struct scanning s;
    s.k = k;
    s.parent = parent;
    s.way = way;
    s.at[0] = *from;
    s.of_class[1] = -1;
    k->scan++;
    count_work(k, completion_bytes_read(k, from));
    const struct token_trie *trie = k->c->trie;
    uint32_t last = trie->grouped_end;
    for (uint32_t w = 0; w < 4; w++)
        for (uint64_t left = from->bytes[w]; left; left &= left - 1) {
            uint32_t i = first_node(k, from, w * 64 + (uint32_t)__builtin_ctzll(left));
            if (i != last && i != trie->grouped_end)
                scan_nodes(&s, last = i, trie->node[i].skip);
        }
}

/* A counted leaf at the border of an item, at least two more needed: k->left is filled, by items. */
struct cover {
    uint32_t need;
    int64_t extra; /* tokens of more items than k->left has */
};

/* Tokens of whole items down to one or none. 0: what these need has to be found out first. */
static int cover(struct completion *k, uint32_t parent, struct cover *out)
{
    const struct matcher *m = &k->c->matcher;
    const struct position *p = &k->pending[parent].p;
    uint32_t rule = m->g->owner[p->state], need = (uint32_t)m->g->rule[rule].min - p->count;
    int64_t *left = k->left, extra = 0;
    int missing = 0;
    *out = (struct cover){0, 0};
    for (uint32_t n = 0; n < 2; n++) {
        struct position at = {p->frame, m->g->rule[rule].start, p->count + need - n};
        if (!known(k, &at, &left[n])) {
            ask(k, parent, at, 0);
            missing = 1;
        }
    }
    if (missing)
        return 0;
    const uint8_t *lengths = completion_lengths(k, rule);
    uint32_t longest = COMPLETION_LENGTHS - 1;
    while (longest > 0 && !lengths[longest])
        longest--;
    k->pending[parent].best = COMPLETION_NEVER;
    if (longest == 0)
        return 1;
    if (need >= COMPLETION_COVER) {
        uint32_t times = (need - COMPLETION_COVER) / longest + 1;
        extra = times;
        need -= times * longest;
    }
    for (uint32_t n = 2; n <= need; n++) {
        left[n] = COMPLETION_NEVER;
        matcher_work(&k->c->matcher, longest / 8);
        for (uint32_t j = 1; j <= longest && j <= n; j++)
            if (lengths[j] && left[n - j] != COMPLETION_NEVER && left[n - j] + 1 < left[n])
                left[n] = left[n - j] + 1;
    }
    k->pending[parent].best = left[need] == COMPLETION_NEVER ? COMPLETION_NEVER : left[need] + extra;
    *out = (struct cover){need, extra};
    return 1;
}

/* Inside a long code point: bytes up to its end, the first ones that will do. Tokens that hold several of them are not looked for:
 * there are hundreds of such positions, and texts seldom stop there. */
static const struct edge *edge_of_code_point(const struct completion *k, const struct position *p)
{
    const struct grammar *g = k->c->matcher.g;
    uint32_t e = g->first[p->state], weight = completion_rule_weight(k, p->state, p->count);
    while (e + 1 < g->first[p->state + 1] &&
           completion_add(completion_rule_weight(k, g->edge[e].to, p->count), k->weight[e]) != weight)
        e++;
    return &g->edge[e];
}

static void scan_code_point(struct completion *k, uint32_t at)
{
    struct position p = k->pending[at].p;
    ask(k, at, (struct position){p.frame, edge_of_code_point(k, &p)->to, p.count}, 1);
}

/* What a position needs is asked for; its best is what is known so far. When that is known it is settled, or scanned once more. */
static void scan(struct completion *k, uint32_t at)
{
    struct position p = k->pending[at].p;
    uint32_t weight = completion_weight_left(k, &p);
    struct positions from, to;
    struct cover covered;
    k->pending[at].scanned = 1;
    k->pending[at].asked = 0;
    if (weight == 0 || weight > COMPLETION_WEIGHT) {
        k->pending[at].best = completion_bound(k, &p);
    } else if (completion_is_covered(k, &p)) {
        k->pending[at].scanned = cover(k, at, &covered);
    } else if (k->in_long_code_point[p.state]) {
        scan_code_point(k, at);
    } else {
        completion_positions_at(k, p, &from);
        completion_positions_token(k, &from, COMPLETION_ANY_EDGE, &to);
        matcher_work(&k->c->matcher, 1 + from.n + to.n);
        count_work(k, 1 + from.n + to.n);
        if (to.n || to.complete)
            offer(k, at, &to, 1);
        for (uint32_t i = 0; i < from.n; i++) /* a call may have led to the border of a count */
            if (completion_is_covered(k, &from.p[i]))
                ask(k, at, from.p[i], 0);
        scan_tokens(k, at, &from, NULL);
    }
}

/* The top of the stack is known: it goes, and tells who asked for it. */
static void resolve(struct completion *k, int64_t tokens)
{
    const struct pending_position *t = &k->pending[--k->n_pending];
    if (k->n_pending > 0 && tokens != COMPLETION_NEVER && tokens + t->more < k->pending[t->parent].best)
        k->pending[t->parent].best = tokens + t->more;
}

/* What the scans of a position found; more positions may have been tied than a list holds, then its bound is a way to the end. */
static int64_t found(struct completion *k, const struct pending_position *t)
{
    int64_t bound = k->c->trie->spells ? completion_bound(k, &t->p) : COMPLETION_NEVER;
    return t->best < bound ? t->best : bound;
}

/* Finds out what is left from a position, with what is in the table. */
static void find_out(struct completion *k, struct position p)
{
    int64_t tokens;
    k->crowded = 0;
    k->n_pending = 1;
    k->pending[0] = (struct pending_position){.p = p, .best = COMPLETION_NEVER};
    while (k->n_pending > 0 && !completion_stopped(k) && !k->crowded) {
        uint32_t at = k->n_pending - 1;
        if (known(k, &k->pending[at].p, &tokens)) {
            resolve(k, tokens);
        } else if (k->pending[at].scanned) {
            tokens = found(k, &k->pending[at]);
            note(k, &k->pending[at].p, tokens);
            if (!k->crowded)
                resolve(k, tokens);
        } else {
            scan(k, at);
        }
    }
}

/* What stands for a position in the table. */
static struct position counted_as(struct completion *k, struct position p)
{
    const struct rule *r = &k->c->matcher.g->rule[k->c->matcher.g->owner[p.state]];
    if (r->counted && p.count > (uint32_t)r->min) /* what may still come does not matter, only what has to */
        p.count = (uint32_t)r->min;
    struct position border = {p.frame, r->start, p.count};
    return k->at_begin[p.state] && completion_is_covered(k, &border) ? border : p;
}

int64_t completion_tokens_left(struct completion *k, struct position p)
{
    int64_t tokens;
    p = counted_as(k, p);
    if (known(k, &p, &tokens))
        return tokens;
    if (completion_lists_low(k))
        completion_lists_forget(k);
    int others = k->n_table > 0;
    find_out(k, p);
    if (k->crowded && others) {
        forget_tokens(k);
        find_out(k, p);
    }
    if (k->crowded)
        give_up(k);
    return known(k, &p, &tokens) ? tokens : COMPLETION_NEVER;
}

void completion_begin(struct completion *k, uint32_t set, int passed)
{
    k->passed = passed;
    k->gave_up = 0;
    k->work = 0;
    k->counted_for = passed ? SET_DEAD : set;
    if (!passed)
        forget_tokens(k);
}

/* ---- tokens on the way ------------------------------------------------------------------------------------------------------------ */

struct way_of_items {
    struct completion *k;
    const struct way *way;
    struct cover cover;
};

static void add_items(void *arg, const struct trie_node *node, uint32_t items)
{
    const struct way_of_items *w = arg;
    if (items > 0 && items <= w->cover.need && w->k->left[w->cover.need - items] != COMPLETION_NEVER &&
        w->k->left[w->cover.need - items] + w->cover.extra <= w->way->most)
        add_tokens(w->k, w->way, node);
}

/* Tokens that are whole items of a counted leaf. */
static void add_covered(struct completion *k, const struct position *p, const struct way *way)
{
    struct way_of_items w = {.k = k, .way = way};
    k->n_pending = 1;
    k->pending[0] = (struct pending_position){.p = *p, .best = COMPLETION_NEVER};
    if (cover(k, 0, &w.cover))
        completion_items(k, k->c->matcher.g->owner[p->state], add_items, &w);
}

/* Tokens that are one byte. */
static void add_code_point(struct completion *k, const struct position *p, const struct way *way)
{
    const struct token_trie *trie = k->c->trie;
    const struct edge *e = edge_of_code_point(k, p);
    for (uint32_t i = 0; i < trie->n_node; i = trie->node[i].skip)
        if (trie->node[i].byte >= e->low && trie->node[i].byte <= e->high)
            add_tokens(k, way, &trie->node[i]);
    matcher_work(&k->c->matcher, 64);
}

/* Tokens that are read whole. */
static void add_whole(struct completion *k, const struct positions *from, const struct way *way)
{
    const struct grammar *g = k->c->matcher.g;
    const struct token_trie *trie = k->c->trie;
    for (uint32_t i = 0; i < from->n; i++)
        for (uint32_t e = g->first[from->p[i].state]; e < g->first[from->p[i].state + 1]; e++) {
            const struct edge *edge = &g->edge[e];
            struct positions to;
            if (edge->kind != EDGE_TOKEN && edge->kind != EDGE_OTHER)
                continue;
            completion_positions_token(k, &(struct positions){.p = &from->p[i], .n = 1}, e, &to);
            if (!is_on_way(k, way, &to))
                continue;
            for (uint32_t w = 0; w < trie->n_word && edge->kind == EDGE_OTHER; w++)
                way->bits[w] |= trie->is_text[w] & ~(edge->arg >> 6 == w ? UINT64_C(1) << (edge->arg & 63) : 0);
            if (edge->kind == EDGE_TOKEN && edge->arg < (uint32_t)trie->n_vocab)
                set_bit(way->bits, edge->arg);
        }
}

/* From a position whose tokens are counted: what it needed is in the table as well. */
static void add_way_from(struct completion *k, const struct position *p, const struct way *way)
{
    uint32_t weight = completion_weight_left(k, p);
    struct positions from;
    if (weight == 0 || weight > COMPLETION_WEIGHT)
        return;
    if (completion_is_covered(k, p)) {
        add_covered(k, p, way);
    } else if (k->in_long_code_point[p->state]) {
        add_code_point(k, p, way);
    } else {
        completion_positions_at(k, *p, &from);
        add_whole(k, &from, way);
        for (uint32_t i = 0; i < from.n; i++)
            if (completion_is_covered(k, &from.p[i]))
                add_covered(k, &from.p[i], way);
        scan_tokens(k, 0, &from, way);
    }
}

void completion_add_way(struct completion *k, uint32_t set, const struct way *way)
{
    struct matcher *m = &k->c->matcher;
    completion_begin(k, set, 0);
    k->passed = 1; /* as its distance has */
    for (uint32_t i = 0; i < set_at(m, set)->n; i++) {
        struct config c = set_at(m, set)->config[i];
        for (uint32_t j = 0; j < states_at(m, c.states)->n && !completion_stopped(k); j++) {
            struct position p = counted_as(k, (struct position){c.frame, states_at(m, c.states)->state[j], c.count});
            int64_t tokens = completion_tokens_left(k, p);
            if (!completion_stopped(k) && tokens != COMPLETION_NEVER && tokens - 1 <= way->most)
                add_way_from(k, &p, way);
        }
    }
}
