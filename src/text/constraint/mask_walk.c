/* Walks of the vocabulary with the matcher: of all tokens, of those below a node, of what tokens hold behind the end of a leaf.
 * A judge, where there is one, is asked of each set that tokens lead to. */
#include "text/constraint/mask.h"

/* ---- tokens that are read whole ------------------------------------------------------------------------------------------------- */

static void add_token(const struct masks *k, const struct edge *e, uint64_t *bits)
{
    uint32_t id = e->arg, n_vocab = (uint32_t)k->trie->n_vocab;
    int other = e->kind == EDGE_OTHER, had = id < n_vocab && bit_of(bits, id);
    for (uint32_t w = 0; other && w < k->trie->n_word; w++)
        bits[w] |= k->trie->is_text[w];
    if (!other && id < n_vocab)
        set_bit(bits, id);
    if (other && id < n_vocab && !had)
        bits[id >> 6] &= ~(UINT64_C(1) << (id & 63));
}

static void add_whole(struct masks *k, uint32_t set, uint64_t *bits, const struct masks_judge *j)
{
    struct matcher *m = k->matcher;
    const struct set *s = set_at(m, set);
    for (uint32_t i = 0; s->tokens && i < s->n; i++) {
        const struct states *x = states_at(m, s->config[i].states);
        for (uint32_t n = 0; x->tokens && n < x->n; n++)
            for (uint32_t e = m->g->first[x->state[n]]; e < m->g->first[x->state[n] + 1]; e++) {
                const struct edge *edge = &m->g->edge[e];
                int other = edge->kind == EDGE_OTHER;
                if (!other && edge->kind != EDGE_TOKEN)
                    continue;
                if ((!j || j->of_set(j->arg, matcher_token(m, set, other ? UINT32_MAX : edge->arg, other))) && bits)
                    add_token(k, edge, bits);
            }
    }
}

/* ---- text ----------------------------------------------------------------------------------------------------------------------- */

/* The grammar gave up behind a set; these tokens go on. */
static void offer(struct masks *k, uint32_t set, const uint32_t *token, uint32_t n, uint64_t *bits)
{
    if (!k->leaving || !set_at(k->matcher, set)->accepting)
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (!bit_of(bits, token[i]) && k->leaving->legal(k->leaving->arg, token[i]))
            set_bit(bits, token[i]);
        matcher_work(k->matcher, 10);
    }
}

static void count_work(struct masks *k, uint32_t n)
{
    if ((k->work += n) > (k->longest == MASK_ANY_LENGTH ? MASK_WORK : MASK_SHORT_WORK))
        matcher_refuse(k->matcher);
}

/* A step counts by the set that it is taken from or, if that is more, by what it took, also where it is remembered: so whether a mask
 * is left_out does not depend on what was asked for before. */
static void count_step(struct masks *k, uint32_t from, uint32_t cost)
{
    uint32_t size = set_at(k->matcher, from)->size;
    cost = cost > size ? cost : size;
    if (cost > MASK_FREE)
        count_work(k, cost);
}

/* Of short tokens those that are too ambiguous to be read are left out, and the walk goes on. */
static int is_left_out(struct masks *k)
{
    struct matcher *m = k->matcher;
    if (!m->ambiguous || k->longest == MASK_ANY_LENGTH)
        return 0;
    matcher_begin(m);
    matcher_work(m, 0);
    count_work(k, MASK_REFUSED);
    return 1;
}

/* *left_out: it may be read, but in too many ways. */
static uint32_t step(struct masks *k, uint32_t from, uint8_t byte, int *left_out)
{
    uint32_t cost, to = matcher_step_cost(k->matcher, from, byte, &cost);
    if ((*left_out = is_left_out(k)) != 0)
        return SET_DEAD;
    if (to != SET_DEAD)
        count_step(k, from, cost);
    return to;
}

static uint32_t step_group(struct masks *k, uint32_t from, uint8_t byte, int *left_out)
{
    uint32_t cost, to = matcher_step_group(k->matcher, from, byte, &cost);
    if ((*left_out = is_left_out(k)) != 0)
        return SET_DEAD;
    if (to != SET_DEAD && to != SET_SPLIT)
        count_step(k, from, cost);
    return to;
}

/* Where a walk goes on that stands behind a node: all tokens in between lead to the same set. */
static uint32_t next_node(const struct masks *k, uint32_t at, uint32_t set)
{
    const struct trie_node *node = &k->trie->node[at];
    matcher_work(k->matcher, 0); /* between the step that led here and those that are tried out */
    int worth = node->plain && k->trie->node[node->skip].token - node->token >= MASK_PLAIN;
    return worth && masks_set_loops(k->matcher, set) ? node->skip : at + 1;
}

/* Nodes [i, end) of one of the tries, whose tokens begin as k->stack says. */
static void walk(struct masks *k, uint32_t i, uint32_t end, uint64_t *bits, const struct masks_judge *j)
{
    struct matcher *m = k->matcher;
    const struct token_trie *trie = k->trie;
    int grouped = i >= trie->grouped;
    uint32_t n = 0;
    while (i < end && !m->full) {
        matcher_work_node(m, &n);
        const struct trie_node *node = &trie->node[i];
        if (node->depth > k->longest) {
            i = node->skip;
            continue;
        }
        int left_out;
        uint32_t from = k->stack[node->depth - 1],
                 to = grouped ? step_group(k, from, node->byte, &left_out) : step(k, from, node->byte, &left_out);
        if (to == SET_SPLIT) {
            const uint32_t *first = trie->first_member + (i - trie->grouped);
            for (uint32_t x = first[0]; x < first[1]; x++)
                walk(k, trie->member[x], trie->node[trie->member[x]].skip, bits, j);
            i = node->skip;
            continue;
        }
        if (to == SET_DEAD) {
            if (node->depth > 1 && bits && !left_out)
                offer(k, from, trie->token + node->token, trie->node[node->skip].token - node->token, bits);
            i = node->skip;
            continue;
        }
        k->stack[node->depth] = to;
        uint32_t next = next_node(k, i, to), behind = trie->node[next].token;
        if (next > i + 1)
            matcher_work(m, (behind - node->token) / 8);
        if (node->token < behind && (!j || j->of_set(j->arg, to)))
            for (uint32_t t = node->token; t < behind && bits; t++)
                set_bit(bits, trie->token[t]);
        i = next;
    }
    matcher_work(m, n % 64 + 1);
}

void masks_walk(struct masks *k, uint32_t set, uint64_t *bits, const struct masks_judge *j)
{
    add_whole(k, set, bits, j);
    k->stack[0] = set;
    walk(k, k->trie->grouped, k->trie->grouped_end, bits, j);
}

/* ---- behind a leaf -------------------------------------------------------------------------------------------------------------- */

static int fits(const struct rest *r, struct ticks_range ticks)
{
    return r->ticks >= ticks.least && r->ticks <= ticks.most;
}

static void offer_rests(struct masks *k, uint32_t set, const struct rest *rest, uint32_t n, struct ticks_range ticks,
                        uint64_t *bits)
{
    for (uint32_t i = 0; i < n && k->leaving; i++)
        if (fits(&rest[i], ticks))
            offer(k, set, &rest[i].token, 1, bits);
}

/* Tokens that end at a node of the rests. */
static void add_rests(const struct leaf_mask *leaf, const struct rest_node *node, uint32_t to, struct ticks_range ticks,
                      uint64_t *bits, const struct masks_judge *j)
{
    int judged = !j;
    for (uint32_t r = node->first; r < node[1].first; r++) {
        if (!fits(&leaf->rest[r], ticks))
            continue;
        if (!judged && !j->of_set(j->arg, to))
            return;
        judged = 1;
        if (bits)
            set_bit(bits, leaf->rest[r].token);
    }
}

void masks_walk_rests(struct masks *k, const struct leaf_mask *leaf, uint32_t frame, struct ticks_range ticks,
                      uint64_t *bits, const struct masks_judge *j)
{
    struct matcher *m = k->matcher;
    uint32_t behind = matcher_pop(m, frame);
    uint32_t n = 0;
    k->stack[0] = behind;
    for (uint32_t i = 0; i < leaf->n_node && !m->full && behind != SET_DEAD;) {
        const struct rest_node *node = &leaf->node[i];
        matcher_work_node(m, &n);
        int left_out;
        uint32_t from = k->stack[node->depth - 1], to = step(k, from, node->byte, &left_out);
        if (to == SET_DEAD) {
            if (bits)
                offer_rests(k, from, leaf->rest + node->first, leaf->node[node->skip].first - node->first, ticks, bits);
            i = node->skip;
            continue;
        }
        k->stack[node->depth] = to;
        add_rests(leaf, node, to, ticks, bits, j);
        i++;
    }
    for (uint32_t e = 0; e < leaf->n_exit && behind != SET_DEAD; e++) {
        const struct leaf_exit *out = &leaf->exit[e];
        if (out->ticks < ticks.least || out->ticks > ticks.most)
            continue;
        k->stack[k->trie->node[out->node].depth] = behind;
        walk(k, out->node + 1, k->trie->node[out->node].skip, bits, j);
    }
}
