/* Masks of a constraint's states: the grammar's, free text with its triggers, and what the limit leaves of them. */
#include "base/error.h"
#include "text/close.h"
#include "text/constraint_inner.h"
#include "text/tokenizer.h"

#include <string.h>

enum { NEAR = 8 }; /* tokens more than the shortest text: the limit will soon decide about tokens */

struct masking {
    struct constraint_state *s;
    int64_t left;
    uint8_t *allowed;
    int forced;
};

static const char *text_of(const struct constraint *c, uint32_t token, size_t *n)
{
    return tokenizer_piece(c->trie->tokenizer, (int32_t)token, 0, n);
}

/* ---- free text ---------------------------------------------------------------------------------------------------------------- */

/* A token completes a trigger and goes on: may it? */
static int goes_on(const struct constraint_state *from, uint32_t token)
{
    struct constraint_state s = *from;
    size_t n;
    const char *text = text_of(s.c, token, &n);
    return constraint_feed(&s, text, n) == 0;
}

/* Tokens below a node of the trie: found[] gets those that a trigger makes illegal, and with all set also the others. */
static uint32_t judge(struct constraint *c, const struct constraint_state *s, uint32_t node, int all, uint32_t *found,
                      uint32_t n)
{
    const struct token_trie *trie = c->trie;
    for (uint32_t t = trie->node[node].token; t < trie->node[trie->node[node].skip].token && !c->matcher.full; t++) {
        uint32_t legal = (uint32_t)goes_on(s, trie->token[t]);
        if (all || !legal)
            found[n++] = trie->token[t] * 2 + legal;
    }
    return n;
}

/* What a state of a phase's triggers changes: against free text for the state "middle", against "middle" for all others. Where
 * both have come to the same state they go the same way from there on. */
static const struct trigger_mask *trigger_mask(struct constraint *c, int32_t phase, uint16_t node)
{
    struct trigger_machine *t = &c->phase[phase];
    struct trigger_mask *mask = &t->mask[node];
    const struct token_trie *trie = c->trie;
    struct masks *k = &c->masks;
    if (mask->epoch == c->epoch)
        return mask;
    struct constraint_state s = {.c = c, .phase = phase, .node = node};
    uint32_t *found = (uint32_t *)k->found, n = 0;
    int is_middle = node == t->middle;
    k->stack[0] = (uint32_t)t->middle << 16 | node; /* both ways */
    for (uint32_t i = 0; i < trie->n_node && !c->matcher.full;) {
        const struct trie_node *at = &trie->node[i];
        uint32_t before = k->stack[at->depth - 1];
        uint16_t from = t->next[before & 0xFFFF][at->byte], middle = t->next[before >> 16][at->byte];
        if (t->done[from] >= 0 || (!is_middle && from == middle)) {
            if (t->done[from] >= 0)
                n = judge(c, &s, i, !is_middle, found, n);
            i = at->skip;
            continue;
        }
        k->stack[at->depth] = (uint32_t)middle << 16 | from;
        for (uint32_t x = at->token; x < at[1].token && !is_middle; x++)
            found[n++] = trie->token[x] * 2 + 1;
        i++;
    }
    uint32_t *token = masks_take(k, (n + 1) * sizeof *token);
    if (!token)
        return NULL;
    memcpy(token, found, n * sizeof *token);
    *mask = (struct trigger_mask){token, n, c->epoch};
    return mask;
}

static int mask_free(struct constraint *c, int32_t phase, uint16_t node, uint8_t *allowed)
{
    const struct trigger_machine *t = &c->phase[phase];
    memcpy(allowed, tokenizer_sampleable(c->trie->tokenizer), (size_t)c->trie->n_vocab);
    const uint16_t nodes[2] = {t->middle, node};
    for (int i = 0; i < 1 + (node != t->middle); i++) {
        const struct trigger_mask *mask = trigger_mask(c, phase, nodes[i]);
        if (!mask)
            return -1;
        for (uint32_t j = 0; j < mask->n; j++)
            allowed[mask->token[j] >> 1] = mask->token[j] & 1;
    }
    for (uint32_t i = 0; i < t->n; i++) /* tokens that are triggers are wanted, whatever their kind */
        if (!t->trigger[i].text && t->trigger[i].token >= 0 && t->trigger[i].token < c->trie->n_vocab)
            allowed[t->trigger[i].token] = 1;
    return 0;
}

/* ---- governed text -------------------------------------------------------------------------------------------------------------- */

static int is_legal(void *arg, uint32_t token) { return goes_on(arg, token); }

static void expand(const struct constraint *c, const uint64_t *bits, uint8_t *allowed)
{
    uint32_t n = (uint32_t)c->trie->n_vocab, i = 0;
    for (; i + 8 <= n; i += 8)
        memcpy(allowed + i, c->expand[bits[i >> 6] >> (i & 63) & 255], 8);
    for (; i < n; i++)
        allowed[i] = (uint8_t)bit_of(bits, i);
}

static void add_bits(const struct constraint *c, const uint64_t *bits, uint8_t *allowed)
{
    for (uint32_t w = 0; w < c->trie->n_word; w++)
        for (uint64_t rest = bits[w]; rest; rest &= rest - 1)
            allowed[w * 64 + (uint32_t)__builtin_ctzll(rest)] = 1;
}

/* Text may go over from the grammar into free text. */
static int is_lazy(const struct constraint_state *s) { return s->c->n_phase && s->next != CONSTRAINT_END; }

/* The text is complete here: what the grammar does not even begin to read is free text of the next phase. */
static int add_free(struct constraint_state *s, uint8_t *allowed)
{
    struct constraint *c = s->c;
    const struct token_trie *trie = c->trie;
    uint8_t *free_text = c->masks.ticks_of; /* as long as the vocabulary */
    if (mask_free(c, s->next, c->phase[s->next].start, free_text))
        return -1;
    for (int32_t t = 0; t < trie->n_vocab; t++)
        if (!bit_of(trie->is_text, (uint32_t)t))
            allowed[t] |= free_text[t];
    for (uint32_t i = 0; i < trie->n_node && !c->matcher.full; i = trie->node[i].skip) {
        if (matcher_step(&c->matcher, s->set, trie->node[i].byte) != SET_DEAD)
            continue;
        for (uint32_t t = trie->node[i].token; t < trie->node[trie->node[i].skip].token; t++)
            allowed[trie->token[t]] |= free_text[trie->token[t]];
    }
    return 0;
}

static int mask_governed(struct constraint_state *s, int64_t left, uint8_t *allowed)
{
    struct constraint *c = s->c;
    struct constraint_state from = *s;
    struct masks_leaving leaving = {is_legal, &from, (uint32_t)s->next + 1};
    c->masks.near = c->closing && left - NEAR <= closing_bound_of_set(c->closing, s->set);
    const uint64_t *bits = masks_of(&c->masks, s->set, is_lazy(s) ? &leaving : NULL);
    if (!bits)
        return -1;
    expand(c, bits, allowed);
    return is_lazy(s) && set_at(&c->matcher, s->set)->accepting ? add_free(s, allowed) : 0;
}

/* ---- the limit ------------------------------------------------------------------------------------------------------------------ */

static int any_of(const uint64_t *bits, uint32_t n)
{
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i++)
        any |= bits[i];
    return any != 0;
}

/* Only tokens behind which the end is at most so many tokens away. Tokens that go over into free text stay. */
static void keep_near(struct masking *m, int64_t most)
{
    struct constraint_state *s = m->s;
    struct constraint *c = s->c;
    uint64_t *bits = c->masks.whole;
    const uint64_t *governed = is_lazy(s) ? masks_of(&c->masks, s->set, NULL) : NULL;
    for (int32_t t = 0; t < c->trie->n_vocab && governed; t++)
        m->allowed[t] &= (uint8_t)!bit_of(governed, (uint32_t)t);
    memset(bits, 0, c->trie->n_word * sizeof *bits);
    closing_near(c->closing, s->set, most, bits);
    /* the way that the distance knew of is lost: more places were tied than a list holds */
    if (!is_lazy(s) && !set_at(&c->matcher, s->set)->accepting && !any_of(bits, c->trie->n_word))
        matcher_refuse(&c->matcher);
    if (is_lazy(s))
        add_bits(c, bits, m->allowed);
    else
        expand(c, bits, m->allowed);
}

/* Text of a phase that has to be left: only tokens on the way to a trigger, tried out. */
static void keep_on_the_way(struct masking *m, int64_t most)
{
    struct constraint_state *s = m->s;
    struct constraint *c = s->c;
    const struct trigger_machine *t = &c->phase[s->phase];
    const struct token_trie *trie = c->trie;
    memset(m->allowed, 0, (size_t)trie->n_vocab);
    for (uint32_t i = 0; i < t->n; i++) {
        const struct constraint_trigger *g = &t->trigger[i];
        struct constraint_state next = *s;
        if (!g->text) {
            constraint_fire(&next, g);
            if (g->token < trie->n_vocab && closing_of_state(c->closing, &next) <= most)
                m->allowed[g->token] = 1;
            continue;
        }
        size_t begun = t->left[s->node][0] == i ? g->n - t->left[s->node][1] : 0;
        for (uint32_t at = 0, d = 0; at < trie->n_node && begun + d < g->n;) {
            const struct trie_node *node = &trie->node[at];
            if (node->depth != d + 1)
                break;
            if (node->byte != (uint8_t)g->text[begun + d]) {
                at = node->skip;
                continue;
            }
            d++;
            next = *s;
            if (node->token < node[1].token && constraint_feed(&next, g->text + begun, d) == 0 &&
                closing_of_state(c->closing, &next) <= most)
                for (uint32_t x = node->token; x < node[1].token; x++)
                    m->allowed[trie->token[x]] = 1;
            at++;
        }
    }
}

/* The limit is so far away that weights show it: no token has to go, and none has to be counted. */
static int is_far(struct masking *m)
{
    const struct constraint_state *s = m->s;
    struct closing *k = s->c->closing;
    if (s->phase != CONSTRAINT_GOVERNED || (s->next != CONSTRAINT_END && s->c->phase[s->next].must))
        return 0;
    int64_t most = closing_most_bound(k, s->set);
    return most != CLOSING_NEVER && most < m->left - 2;
}

static void limit(struct masking *m)
{
    struct constraint_state *s = m->s;
    struct constraint *c = s->c;
    if (!c->closing || s->phase == CONSTRAINT_OVER || (s->phase >= 0 && !c->phase[s->phase].must))
        return;
    if (is_far(m) || c->matcher.full)
        return;
    int64_t now = closing_of_state(c->closing, s), most = m->left - 2;
    if (now == CLOSING_NEVER || c->matcher.full)
        return;
    m->forced = m->left <= now + 1;
    if (most < now - 1)
        most = now - 1;
    if (s->phase >= 0) {
        struct constraint_state middle = *s;
        middle.node = c->phase[s->phase].middle;
        int64_t far = closing_of_state(c->closing, &middle);
        if (most < (far == CLOSING_NEVER ? INT64_MAX : far))
            keep_on_the_way(m, most);
        return;
    }
    int64_t next = now - closing_of_set(c->closing, s->set); /* a phase behind this text may have to come too */
    if (now == 0 && m->left <= 1)
        memset(m->allowed, 0, (size_t)c->trie->n_vocab);
    else
        keep_near(m, most - next);
}

/* ---- all ------------------------------------------------------------------------------------------------------------------------ */

static int make(void *arg)
{
    struct masking *m = arg;
    struct constraint_state *s = m->s;
    const struct token_trie *trie = s->c->trie;
    m->forced = 0;
    int failed = 0;
    if (s->ended || s->phase == CONSTRAINT_OVER)
        memset(m->allowed, 0, (size_t)trie->n_vocab);
    else if (s->phase >= 0)
        failed = mask_free(s->c, s->phase, s->node, m->allowed);
    else
        failed = mask_governed(s, m->left, m->allowed);
    if (failed || s->c->matcher.full)
        return -1;
    limit(m);
    uint8_t may_end = (uint8_t)constraint_may_end(s);
    for (uint32_t i = 0; i < trie->n_end; i++)
        if (may_end || s->phase != CONSTRAINT_GOVERNED)
            m->allowed[trie->end[i]] = may_end;
    return 0;
}

/* How many bytes of 0 and 1 are 1: eight at a time. */
static int count(const uint8_t *allowed, int32_t n)
{
    uint64_t total = 0;
    int32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, allowed + i, sizeof eight);
        total += eight * UINT64_C(0x0101010101010101) >> 56;
    }
    for (; i < n; i++)
        total += allowed[i];
    return (int)total;
}

int constraint_mask(struct constraint_state *s, int64_t left, uint8_t *allowed, struct error *err)
{
    struct masking m = {s, left, allowed, 0};
    if (constraint_retry(s->c, make, &m, err))
        return -1;
    s->forced |= m.forced;
    int n = count(allowed, s->c->trie->n_vocab);
    if (n == 0)
        return error_set(err, ERR_BUG,
                         "the constraint leaves no token to go on with: the vocabulary lacks a byte, or a bug");
    return n;
}

static int shortest(void *arg)
{
    struct masking *m = arg;
    m->left = closing_of_state(m->s->c->closing, m->s);
    return 0;
}

int64_t constraint_shortest(struct constraint *c)
{
    struct constraint_state *s;
    struct error err = {0};
    if (!c->closing || constraint_begin(&s, c, &err))
        return 0;
    struct masking m = {.s = s};
    int64_t tokens = constraint_retry(c, shortest, &m, &err) ? 0 : m.left;
    constraint_end(s);
    return tokens;
}
