/* Tokens that begin inside a leaf rule: mask.h.
 *
 * The vocabulary is walked once with the states of the leaf alone. A token whose every byte the leaf reads is inside. A token
 * that the leaf gives up on may still be legal if the leaf could have ended before: what it holds behind each such place is a
 * rest, for whoever called the leaf. Rests are sorted into a trie, because most die at their first byte:
 *
 *     token  x",\n      leaf: string body up to and with the quote      rest  ,\n
 *
 * Behind a place where many tokens go on (a space) they are not listed: masks walk the trie from there, with what the caller reads.
 *
 * The call's stack does not matter here: the result serves every call, and every text, that stands in these states. */
#include "text/constraint/mask.h"

#include "base/utf8.h"
#include "text/grammar/compile.h"
#include "text/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { LIST = 1024, UNKNOWN = 0, UNFIT = 1 }; /* values of states->leaf; else the place + 2 */

struct leaf_walk {
    struct masks *k;
    uint32_t states;
    int counted, with_targets;
    uint32_t n_found, n_inside, most_ticks;
    uint32_t ends[64], n_ends; /* depths at which the leaf could have ended, ascending */
    uint32_t n_exit;
    uint64_t *bits;
    uint8_t *ticks_of; /* counted */
    struct target target[MASK_TARGETS];
    uint32_t n_target;
    struct alive leaving;
    struct plain_targets plain; /* states that plain text leads to */
    int unfit;
};

void *masks_take(struct masks *k, size_t bytes)
{
    bytes = (bytes + 15) / 16 * 16;
    if (bytes > k->size - k->used) {
        k->matcher->full = 1;
        return NULL;
    }
    void *p = k->memory + k->used;
    k->used += bytes;
    return p;
}

static uint64_t head_of(const char *text, size_t n)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++)
        head = head << 8 | (i < n ? (uint8_t)text[i] : 0);
    return head;
}

/* The leaf gave up inside these tokens [from, to): each place where it could have ended makes a rest. */
static void find_rests(struct leaf_walk *w, uint32_t from, uint32_t to)
{
    struct masks *k = w->k;
    for (uint32_t i = from; i < to && !w->unfit; i++)
        for (uint32_t e = 0; e < w->n_ends; e++) {
            if (w->n_found == w->k->n_found) {
                w->unfit = 1;
                return;
            }
            size_t n;
            uint32_t end = w->ends[e], token = k->trie->token[i];
            const char *text = tokenizer_piece(k->trie->tokenizer, (int32_t)token, 0, &n) + end;
            matcher_work(k->matcher, 4);
            k->found[w->n_found++] = (struct found){head_of(text, n - end), text, (uint32_t)n - end, token,
                                                    k->ticks[end]};
        }
}

/* Some tokens end in these states: the number of the target. */
static uint8_t note_target(struct leaf_walk *w, uint32_t states, uint32_t n_token)
{
    struct states *s = states_at(w->k->matcher, states);
    uint32_t i = s->target;
    if (i >= w->n_target || w->target[i].states != states) {
        if (w->n_target == MASK_TARGETS)
            return MASK_TARGETS - 1; /* n_target says that it is not to be believed */
        i = w->n_target++;
        s->target = (uint8_t)i;
        w->target[i] = (struct target){states, 0};
    }
    w->target[i].n_token += n_token;
    return (uint8_t)i;
}

static void inside(struct leaf_walk *w, const struct trie_node *node, uint32_t states, uint32_t ticks)
{
    if (node->token == node[1].token)
        return;
    uint8_t target = w->with_targets ? note_target(w, states, node[1].token - node->token) : 0;
    for (uint32_t i = node->token; i < node[1].token; i++) {
        uint32_t token = w->k->trie->token[i];
        set_bit(w->bits, token);
        w->n_inside++;
        w->k->target_of[token] = target;
        if (w->counted)
            w->ticks_of[token] = (uint8_t)ticks;
    }
    w->most_ticks = ticks > w->most_ticks ? ticks : w->most_ticks;
}

/* The leaf could end at this node, and give up behind it. */
static void note_end(struct leaf_walk *w, uint32_t at, uint32_t ticks)
{
    const struct token_trie *trie = w->k->trie;
    const struct trie_node *node = &trie->node[at];
    if (node->skip == at + 1)
        return;
    int many = trie->node[node->skip].token - node[1].token > MASK_MANY;
    if (!many && w->n_ends < sizeof w->ends / sizeof *w->ends)
        w->ends[w->n_ends++] = node->depth;
    else if (w->n_exit < MASK_EXITS)
        w->k->exits[w->n_exit++] = (struct leaf_exit){at, ticks};
    else
        w->unfit = 1;
}

/* Characters of a token's first bytes. */
static uint32_t characters(const struct token_trie *trie, uint32_t token, uint32_t n_byte)
{
    size_t n;
    const char *text = tokenizer_piece(trie->tokenizer, (int32_t)token, 0, &n);
    return (uint32_t)utf8_count(text, n_byte);
}

/* All that is behind a node is plain text, which the states that were reached there read; in a counted rule they read it in a loop,
 * a tick a character. With targets it comes back to these states. */
static void inside_below(struct leaf_walk *w, uint32_t at, uint32_t states, uint32_t ticks)
{
    struct masks *k = w->k;
    const struct token_trie *trie = k->trie;
    uint32_t from = trie->node[at + 1].token, to = trie->node[trie->node[at].skip].token;
    if (from == to)
        return;
    matcher_work(k->matcher, (to - from) / 2);
    w->n_inside += to - from;
    for (uint32_t t = from; t < to; t++)
        set_bit(w->bits, trie->token[t]);
    uint8_t target = w->with_targets ? note_target(w, states, to - from) : 0;
    for (uint32_t t = from; t < to && w->with_targets; t++)
        k->target_of[trie->token[t]] = target;
    if (!w->counted)
        return;
    uint32_t before = characters(trie, trie->token[from], trie->node[at].depth),
             begun = !states_at(k->matcher, states)->accepts;
    for (uint32_t t = from; t < to; t++) {
        uint32_t n = ticks + trie->characters[t] - before + begun;
        w->ticks_of[trie->token[t]] = (uint8_t)n;
        w->most_ticks = n > w->most_ticks ? n : w->most_ticks;
    }
}

static void may_leave(struct leaf_walk *w, uint32_t states)
{
    const struct states *s = states_at(w->k->matcher, states);
    for (int b = 0; b < 4 && s->accepts; b++)
        w->leaving.bits[b] |= s->alive.bits[b];
}

/* As matcher_read_group(), what is remembered without a call: most steps are. */
static inline void read_fast(struct matcher *m, uint32_t states, uint8_t byte, uint32_t c, uint32_t out[2])
{
    const struct states *s = states_at(m, states);
    const uint32_t *memo = (const uint32_t *)(m->word + s->memo) + 2 * c;
    out[0] = memo[0];
    out[1] = memo[1];
    if (out[0] | out[1])
        return;
    if (c >= m->g->n_class)
        matcher_read_group(m, states, byte, out);
    else if (alive_class(&s->alive, c))
        matcher_read(m, states, byte, COUNT_FREE, out);
}

/* The tokens below a node are plain text, and taken at once: where they lead to is known, or not asked for. */
static int takes_plain(struct leaf_walk *w, const struct trie_node *node, uint32_t states)
{
    const struct token_trie *trie = w->k->trie;
    int one = w->counted || !w->with_targets;
    return node->plain && node->depth + node->plain + 1 < MASK_NEVER &&
           trie->node[node->skip].token - node->token >= MASK_PLAIN && (one || w->plain.n <= 1) &&
           masks_states_stay(w->k->matcher, states, &w->plain) && (one || w->plain.n == 1);
}

/* The states that a node leads to, and its tokens. Returns the node to go on with. */
static uint32_t enter(struct leaf_walk *w, uint32_t i, uint32_t to, uint32_t ticks)
{
    struct masks *k = w->k;
    struct matcher *m = k->matcher;
    const struct trie_node *node = &k->trie->node[i];
    k->stack[node->depth] = to;
    k->ticks[node->depth] = ticks;
    if (!states_at(m, to)->memo)
        matcher_remember(m, to);
    if (m->full)
        return node->skip;
    const struct states *s = states_at(m, to);
    inside(w, node, to, ticks + !s->accepts); /* in the middle of an item: one more was begun */
    int at_once = takes_plain(w, node, to);
    if (at_once)
        inside_below(w, i, to, ticks);
    if (s->accepts)
        may_leave(w, to);
    for (uint32_t p = 0; p < w->plain.n && at_once; p++)
        may_leave(w, w->plain.target[p]);
    if (s->accepts && !at_once)
        note_end(w, i, ticks);
    return at_once ? node->skip : i + 1;
}

/* Nodes [i, end) of one of the tries, whose tokens begin as k->stack says. */
static void walk(struct leaf_walk *w, uint32_t i, uint32_t end)
{
    struct masks *k = w->k;
    struct matcher *m = k->matcher;
    const struct token_trie *trie = k->trie;
    int grouped = i >= trie->grouped;
    uint32_t n = 0;
    while (i < end && !w->unfit && !m->full) {
        const struct trie_node *node = &trie->node[i];
        uint32_t d = node->depth, out[2];
        matcher_work_node(m, &n);
        while (w->n_ends && w->ends[w->n_ends - 1] >= d)
            w->n_ends--;
        read_fast(m, k->stack[d - 1], node->byte, grouped ? m->group_class[node->byte] : m->g->byte_class[node->byte],
                  out);
        if (out[0] == STATES_SPLIT) {
            const uint32_t *first = trie->first_member + (i - trie->grouped);
            for (uint32_t x = first[0]; x < first[1]; x++)
                walk(w, trie->member[x], trie->node[trie->member[x]].skip);
            i = node->skip;
            continue;
        }
        w->unfit |= out[0] && out[1];
        uint32_t to = out[0] | out[1], ticks = k->ticks[d - 1] + (out[1] != 0);
        if (to && ticks + 1 < MASK_NEVER && !w->unfit) {
            i = enter(w, i, to, ticks);
            continue;
        }
        if (w->n_ends && !w->unfit)
            find_rests(w, node->token, trie->node[node->skip].token);
        i = node->skip;
    }
}

/* ---- the trie of rests ------------------------------------------------------------------------------------------------------ */

static int by_rest(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    if (order == 0 && x->n != y->n)
        order = x->n < y->n ? -1 : 1;
    return order ? order : (x->token > y->token) - (x->token < y->token);
}

static uint32_t shared(const struct found *x, const struct found *y)
{
    uint32_t i = 0;
    while (i < x->n && i < y->n && x->text[i] == y->text[i])
        i++;
    return i;
}

static int lay_out_rests(struct leaf_walk *w, struct leaf_mask *leaf)
{
    struct masks *k = w->k;
    const struct found *f = k->found;
    qsort(k->found, w->n_found, sizeof *k->found, by_rest);
    uint32_t nodes = 0, depth = 0, n = 0;
    for (uint32_t i = 0; i < w->n_found; i++)
        nodes += f[i].n - (i ? shared(&f[i - 1], &f[i]) : 0);
    struct rest_node *node = masks_take(k, (nodes + 1) * sizeof *node);
    struct rest *rest = masks_take(k, (w->n_found + 1) * sizeof *rest);
    if (!node || !rest)
        return -1;
    for (uint32_t i = 0; i < w->n_found; i++) {
        uint32_t same = i ? shared(&f[i - 1], &f[i]) : 0;
        for (; depth > same; depth--)
            node[k->stack[depth]].skip = n;
        while (depth < f[i].n) {
            node[n] = (struct rest_node){0, i, (uint16_t)(depth + 1), (uint8_t)f[i].text[depth]};
            k->stack[++depth] = n++;
        }
        rest[i] = (struct rest){f[i].token, f[i].ticks};
        if (f[i].ticks < leaf->least_rest_ticks)
            leaf->least_rest_ticks = f[i].ticks;
        if (f[i].ticks > leaf->most_rest_ticks)
            leaf->most_rest_ticks = f[i].ticks;
    }
    for (; depth > 0; depth--)
        node[k->stack[depth]].skip = n;
    node[n] = (struct rest_node){n, w->n_found, 0, 0};
    leaf->node = node;
    leaf->rest = rest;
    leaf->n_node = n;
    leaf->n_rest = w->n_found;
    return 0;
}

/* ---- putting it together ------------------------------------------------------------------------------------------------------ */

/* Many: bits, and the tokens that do not lead to the main target. */
static int store_bits(struct leaf_walk *w, struct leaf_mask *leaf)
{
    struct masks *k = w->k;
    uint32_t n_word = k->trie->n_word, n = 0;
    uint32_t n_odd = w->with_targets && w->n_target ? w->n_inside - w->target[leaf->main].n_token : 0;
    uint64_t *bits = masks_take(k, n_word * sizeof *bits);
    uint8_t *ticks = w->counted ? masks_take(k, (size_t)n_word * 64) : NULL;
    uint32_t *odd = masks_take(k, n_odd * sizeof *odd);
    uint8_t *target_of = masks_take(k, n_odd);
    if (!bits || (w->counted && !ticks) || !odd || !target_of)
        return -1;
    memcpy(bits, w->bits, n_word * sizeof *bits);
    if (ticks)
        memcpy(ticks, w->ticks_of, (size_t)n_word * 64);
    for (uint32_t i = 0; i < n_word && n < n_odd; i++)
        for (uint64_t rest = w->bits[i]; rest; rest &= rest - 1) {
            uint32_t token = i * 64 + (uint32_t)__builtin_ctzll(rest);
            if (k->target_of[token] == leaf->main)
                continue;
            odd[n] = token;
            target_of[n++] = k->target_of[token];
        }
    leaf->bits = bits;
    leaf->ticks = ticks;
    leaf->odd = odd;
    leaf->n_odd = n;
    leaf->target_of = target_of;
    return 0;
}

static int store_list(struct leaf_walk *w, struct leaf_mask *leaf)
{
    struct masks *k = w->k;
    uint32_t *list = masks_take(k, w->n_inside * sizeof *list), n = 0;
    uint8_t *ticks = masks_take(k, w->n_inside), *target_of = masks_take(k, w->n_inside);
    if (!list || !ticks || !target_of)
        return -1;
    for (uint32_t i = 0; i < k->trie->n_word; i++)
        for (uint64_t rest = w->bits[i]; rest; rest &= rest - 1) {
            list[n] = i * 64 + (uint32_t)__builtin_ctzll(rest);
            ticks[n] = w->counted ? w->ticks_of[list[n]] : 0;
            target_of[n] = k->target_of[list[n]];
            n++;
        }
    leaf->list = list;
    leaf->ticks = ticks;
    leaf->target_of = target_of;
    return 0;
}

static int store_inside(struct leaf_walk *w, struct leaf_mask *leaf)
{
    struct target *target = masks_take(w->k, w->n_target * sizeof *target);
    if (!target)
        return -1;
    memcpy(target, w->target, w->n_target * sizeof *target);
    leaf->target = target;
    leaf->n_target = w->n_target;
    leaf->n_inside = w->n_inside;
    leaf->most_ticks = w->most_ticks;
    for (uint32_t t = 1; t < w->n_target; t++)
        if (target[t].n_token > target[leaf->main].n_token)
            leaf->main = t;
    return w->n_inside > LIST ? store_bits(w, leaf) : store_list(w, leaf);
}

const struct leaf_mask *masks_leaf(struct masks *k, uint32_t states, int with_targets)
{
    struct matcher *m = k->matcher;
    uint32_t known = states_at(m, states)->leaf;
    if (known == UNFIT)
        return NULL;
    if (known != UNKNOWN) {
        const struct leaf_mask *old = (const struct leaf_mask *)(k->memory + (size_t)(known - 2) * 16);
        if (old->with_targets || !with_targets)
            return old;
    }
    struct leaf_walk w = {.k = k,
                          .states = states,
                          .with_targets = with_targets || k->with_targets,
                          .bits = k->part,
                          .ticks_of = k->ticks_of};
    w.counted = m->g->rule[states_at(m, states)->rule].counted;
    memset(w.bits, 0, k->trie->n_word * sizeof *w.bits);
    if (w.counted)
        memset(w.ticks_of, MASK_NEVER, (size_t)k->trie->n_word * 64);
    matcher_remember(m, states);
    k->stack[0] = states;
    k->ticks[0] = 0;
    if (!m->full)
        walk(&w, k->trie->grouped, k->trie->grouped_end);
    if (m->full)
        return NULL;
    if (w.unfit) {
        states_at(m, states)->leaf = UNFIT;
        return NULL;
    }
    struct leaf_mask *leaf = masks_take(k, sizeof *leaf);
    if (!leaf)
        return NULL;
    *leaf = (struct leaf_mask){.leaving = w.leaving, .with_targets = w.with_targets};
    struct leaf_exit *out = masks_take(k, (w.n_exit + 1) * sizeof *out);
    leaf->least_rest_ticks = UINT32_MAX;
    if (!out || store_inside(&w, leaf) || lay_out_rests(&w, leaf))
        return NULL;
    memcpy(out, k->exits, w.n_exit * sizeof *out);
    for (uint32_t i = 0; i < w.n_exit; i++) {
        leaf->least_rest_ticks = out[i].ticks < leaf->least_rest_ticks ? out[i].ticks : leaf->least_rest_ticks;
        leaf->most_rest_ticks = out[i].ticks > leaf->most_rest_ticks ? out[i].ticks : leaf->most_rest_ticks;
    }
    leaf->exit = out;
    leaf->n_exit = w.n_exit;
    states_at(m, states)->leaf = (uint32_t)(((char *)leaf - k->memory) / 16) + 2;
    return leaf;
}
