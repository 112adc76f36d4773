/* Masks of a constraint's states: the grammar's, free text with its triggers, and what the limit leaves of them.
 *
 * A mask is made as bits in its state's own memory, and becomes bytes when it is handed out. One that is made in pieces runs on a
 * stack of its own, where it pauses between steps of the matcher: nothing is looked at twice, and what it finds out is the same. */
#include "base/coroutine.h"
#include "base/error.h"
#include "text/constraint/completion.h"
#include "text/constraint/inner.h"
#include "text/tokenizer/tokenizer.h"

#include <string.h>

enum {
    LIMIT_MARGIN = 8, /* tokens more than the shortest text: the limit will soon decide about tokens */
    WAY_TRIED = 32,   /* tokens on the way to the end that are tried */
    WAY_KEPT = 8      /* of these are enough */
};

struct masking {
    struct constraint_state *s;
    int64_t left;
    uint64_t *bits; /* [trie->n_word] */
    int forced;
    int without_limit;
};

static void clear_bit(uint64_t *bits, uint32_t i) { bits[i >> 6] &= ~(UINT64_C(1) << (i & 63)); }

static void put_bit(uint64_t *bits, uint32_t i, int value)
{
    if (value)
        set_bit(bits, i);
    else
        clear_bit(bits, i);
}

static const char *text_of(const struct constraint *c, uint32_t token, size_t *n)
{
    return tokenizer_piece(c->trie->tokenizer, (int32_t)token, 0, n);
}

/* ---- free text ---------------------------------------------------------------------------------------------------------------- */

/* May the token follow, read by its bytes? */
static int goes_on(const struct constraint_state *from, uint32_t token)
{
    struct constraint_state s = *from;
    size_t n;
    const char *text = text_of(s.c, token, &n);
    int goes = constraint_feed(&s, text, n) == 0;
    if (!s.c->matcher.ambiguous)
        return goes;
    matcher_begin(&s.c->matcher); /* it cannot be followed */
    return 0;
}

/* Tokens below a node of the trie: found[] gets those that a trigger makes illegal, and with all set also the others. */
static uint32_t judge(struct constraint *c, const struct constraint_state *s, uint32_t node, int all, uint32_t *found,
                      uint32_t n)
{
    const struct token_trie *trie = c->trie;
    for (uint32_t t = trie->node[node].token; t < trie->node[trie->node[node].skip].token && !c->matcher.full; t++) {
        uint32_t legal = (uint32_t)goes_on(s, trie->token[t]);
        matcher_work(&c->matcher, 10);
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
    uint32_t *found = k->judged, n = 0, looked = 0;
    int is_middle = node == t->middle;
    k->stack[0] = (uint32_t)t->middle << 16 | node; /* both ways */
    for (uint32_t i = 0; i < trie->n_node && !c->matcher.full;) {
        const struct trie_node *at = &trie->node[i];
        matcher_work_node(&c->matcher, &looked);
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

static int mask_free(struct constraint *c, int32_t phase, uint16_t node, uint64_t *bits)
{
    const struct trigger_machine *t = &c->phase[phase];
    memcpy(bits, c->trie->sampleable, c->trie->n_word * sizeof *bits);
    const uint16_t nodes[2] = {t->middle, node};
    for (int i = 0; i < 1 + (node != t->middle); i++) {
        const struct trigger_mask *mask = trigger_mask(c, phase, nodes[i]);
        if (!mask)
            return -1;
        for (uint32_t j = 0; j < mask->n; j++)
            put_bit(bits, mask->token[j] >> 1, mask->token[j] & 1);
        matcher_work(&c->matcher, mask->n / 4);
    }
    for (uint32_t i = 0; i < t->n; i++) /* tokens that are triggers are wanted, whatever their kind */
        if (!t->trigger[i].text && t->trigger[i].token >= 0 && t->trigger[i].token < c->trie->n_vocab)
            set_bit(bits, (uint32_t)t->trigger[i].token);
    return 0;
}

/* ---- governed text -------------------------------------------------------------------------------------------------------------- */

static int is_legal(void *arg, uint32_t token) { return goes_on(arg, token); }

/* Text may go over from the grammar into free text. */
static int is_lazy(const struct constraint_state *s) { return s->c->n_phase && s->next != CONSTRAINT_END; }

/* The text is complete here: what the grammar does not even begin to read is free text of the next phase. */
static int add_free(struct constraint_state *s, uint64_t *bits)
{
    struct constraint *c = s->c;
    const struct token_trie *trie = c->trie;
    uint64_t *free_text = c->masks.free_text;
    if (mask_free(c, s->next, c->phase[s->next].start, free_text))
        return -1;
    for (uint32_t w = 0; w < trie->n_word; w++)
        bits[w] |= free_text[w] & ~trie->is_text[w];
    for (uint32_t i = 0; i < trie->n_node && !c->matcher.full; i = trie->node[i].skip) {
        matcher_work(&c->matcher, 1);
        if (matcher_step(&c->matcher, s->set, trie->node[i].byte) != SET_DEAD)
            continue;
        if (c->matcher.ambiguous) { /* it is read, in too many ways */
            matcher_begin(&c->matcher);
            continue;
        }
        uint32_t from = trie->node[i].token, to = trie->node[trie->node[i].skip].token;
        for (uint32_t t = from; t < to; t++)
            if (bit_of(free_text, trie->token[t]))
                set_bit(bits, trie->token[t]);
        matcher_work(&c->matcher, (to - from) / 4);
    }
    return 0;
}

static void mask_governed(struct constraint_state *s, uint64_t *allowed)
{
    struct constraint *c = s->c;
    struct constraint_state from = *s;
    struct masks_leaving leaving = {is_legal, &from, (uint32_t)s->next + 1};
    const uint64_t *bits = masks_of(&c->masks, s->set, is_lazy(s) ? &leaving : NULL);
    if (!bits)
        return;
    memcpy(allowed, bits, c->trie->n_word * sizeof *bits);
    if (is_lazy(s) && set_at(&c->matcher, s->set)->accepting)
        add_free(s, allowed);
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
static void keep_within(struct masking *m, int64_t most)
{
    struct constraint_state *s = m->s;
    struct constraint *c = s->c;
    uint64_t *bits = c->masks.completed;
    const uint64_t *governed = is_lazy(s) ? masks_of(&c->masks, s->set, NULL) : NULL;
    for (uint32_t w = 0; w < c->trie->n_word; w++)
        m->bits[w] &= governed ? ~governed[w] : 0;
    completion_within(c->completion, s->set, most, bits);
    /* the way that the distance knew of is lost: more positions were tied than a list holds */
    if (!c->matcher.full && !is_lazy(s) && !set_at(&c->matcher, s->set)->accepting && !any_of(bits, c->trie->n_word))
        matcher_refuse(&c->matcher);
    for (uint32_t w = 0; w < c->trie->n_word; w++)
        m->bits[w] |= bits[w];
}

/* Text of a phase that has to be left: only tokens on the way to a trigger, tried out. */
static void keep_on_the_way(struct masking *m, int64_t most)
{
    struct constraint_state *s = m->s;
    struct constraint *c = s->c;
    const struct trigger_machine *t = &c->phase[s->phase];
    const struct token_trie *trie = c->trie;
    memset(m->bits, 0, trie->n_word * sizeof *m->bits);
    for (uint32_t i = 0; i < t->n; i++) {
        const struct constraint_trigger *g = &t->trigger[i];
        struct constraint_state next = *s;
        if (!g->text) {
            constraint_fire(&next, g);
            if (g->token < trie->n_vocab && completion_of_state(c->completion, &next) <= most)
                set_bit(m->bits, (uint32_t)g->token);
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
                completion_of_state(c->completion, &next) <= most)
                for (uint32_t x = node->token; x < node[1].token; x++)
                    set_bit(m->bits, trie->token[x]);
            at++;
        }
    }
}

/* The limit is so far away that weights show it: no token has to go, and none has to be counted. */
static int is_far_from_limit(struct masking *m)
{
    const struct constraint_state *s = m->s;
    struct completion *k = s->c->completion;
    if (s->phase != CONSTRAINT_GOVERNED || (s->next != CONSTRAINT_END && s->c->phase[s->next].must))
        return 0;
    int64_t most = completion_most_bound(k, s->set);
    return most != COMPLETION_NEVER && most < m->left - 2;
}

#define NO_TOKEN  INT64_MIN
#define ANY_TOKEN INT64_MAX

/* What the limit leaves: tokens behind which the end is at most so many away. */
static int64_t limit(struct masking *m)
{
    struct constraint_state *s = m->s;
    struct constraint *c = s->c;
    if (!c->completion || s->ended || s->phase == CONSTRAINT_OVER || (s->phase >= 0 && !c->phase[s->phase].must))
        return ANY_TOKEN;
    if (is_far_from_limit(m) || c->matcher.full)
        return ANY_TOKEN;
    int64_t now = completion_of_state(c->completion, s), most = m->left - 2;
    if (now == COMPLETION_NEVER || c->matcher.full)
        return ANY_TOKEN;
    m->forced = m->left <= now + 1;
    if (most < now - 1)
        most = now - 1;
    if (s->phase >= 0) {
        struct constraint_state middle = *s;
        middle.node = c->phase[s->phase].middle;
        int64_t far = completion_of_state(c->completion, &middle);
        return most < far ? most : ANY_TOKEN;
    }
    if (now == 0 && m->left <= 1)
        return NO_TOKEN;
    return most - (now - completion_of_set(c->completion, s->set)); /* a phase behind this text may have to come too */
}

/* ---- all ------------------------------------------------------------------------------------------------------------------------ */

static void make_free(struct masking *m, int64_t most)
{
    if (most == ANY_TOKEN)
        mask_free(m->s->c, m->s->phase, m->s->node, m->bits);
    else
        keep_on_the_way(m, most);
}

/* Near the limit, where text ends with the grammar, the vocabulary is not walked for tokens that are too far from it. */
static void make_governed(struct masking *m, int64_t most)
{
    if (most == ANY_TOKEN || (is_lazy(m->s) && most != NO_TOKEN))
        mask_governed(m->s, m->bits);
    if (most != ANY_TOKEN && most != NO_TOKEN && !m->s->c->matcher.full)
        keep_within(m, most);
}

/* Ends of generation follow where the text may end. */
static int finish_mask(struct masking *m)
{
    const struct token_trie *trie = m->s->c->trie;
    int may_end = constraint_may_end(m->s);
    for (uint32_t i = 0; i < trie->n_end; i++)
        if (may_end || m->s->phase != CONSTRAINT_GOVERNED)
            put_bit(m->bits, (uint32_t)trie->end[i], may_end);
    return 0;
}

static int make_once(struct masking *m)
{
    struct constraint_state *s = m->s;
    struct constraint *c = s->c;
    const struct token_trie *trie = c->trie;
    m->forced = 0;
    memset(m->bits, 0, trie->n_word * sizeof *m->bits);
    if (s->ended || s->phase == CONSTRAINT_OVER)
        return finish_mask(m);
    c->masks.with_targets = c->completion && s->phase < 0 &&
                            m->left - LIMIT_MARGIN <= completion_bound_of_set(c->completion, s->set);
    int64_t most = m->without_limit ? ANY_TOKEN : limit(m);
    if (c->matcher.full)
        return -1;
    if (s->phase >= 0)
        make_free(m, most);
    else
        make_governed(m, most);
    if (!c->matcher.full)
        finish_mask(m);
    if (!c->matcher.full && c->masks.longest != MASK_ANY_LENGTH && !any_of(m->bits, trie->n_word))
        matcher_refuse(&c->matcher); /* each byte that may come next was left out */
    return c->matcher.full ? -1 : 0;
}

/* A token of the grammar's own, or its text, is read next. */
static int follows(const struct constraint_state *s, uint32_t token)
{
    struct constraint *c = s->c;
    if (matcher_token(&c->matcher, s->set, token, bit_of(c->trie->is_text, token)) != SET_DEAD)
        return 1;
    if (c->matcher.ambiguous)
        matcher_begin(&c->matcher);
    return goes_on(s, token);
}

/* Of the tokens that keep the distance those that can be read: a few, since each may be much work. */
static void keep_few(struct masking *m)
{
    struct constraint *c = m->s->c;
    int tried = 0, kept = 0;
    for (uint32_t t = 0; t < (uint32_t)c->trie->n_vocab && !c->matcher.full; t++) {
        if (!bit_of(m->bits, t))
            continue;
        int keep = tried++ < WAY_TRIED && kept < WAY_KEPT && follows(m->s, t);
        put_bit(m->bits, t, keep);
        kept += keep;
        matcher_work(&c->matcher, 10);
    }
}

/* Close to the limit only the way to the end that the distance was found along, where it is known: other tokens are not looked at. */
static int make_way(struct masking *m)
{
    struct constraint_state *s = m->s;
    struct constraint *c = s->c;
    memset(m->bits, 0, c->trie->n_word * sizeof *m->bits);
    int64_t now = c->completion && s->phase == CONSTRAINT_GOVERNED && s->next == CONSTRAINT_END && !s->ended
                      ? completion_of_set(c->completion, s->set)
                      : COMPLETION_NEVER;
    int is_close = now != COMPLETION_NEVER && m->left <= now + LIMIT_MARGIN;
    m->forced = 0;
    if (is_close && !c->matcher.full) {
        completion_way(c->completion, s->set, m->left - 2 > now - 1 ? m->left - 2 : now - 1, m->bits);
        keep_few(m);
        m->forced = m->left <= now + 1;
    }
    if (!c->matcher.full && (!is_close || (now != 0 && !any_of(m->bits, c->trie->n_word))))
        matcher_refuse(&c->matcher);
    return c->matcher.full ? -1 : finish_mask(m);
}

/* Where all tokens are too much work, short ones are let through, each of which is legal: an answer goes on in small pieces rather than
 * not at all. Where none of them ends in time, the way to the end is followed; where that is not known, the limit cuts the answer. */
static int make(void *arg)
{
    static const struct attempt {
        uint32_t longest;
        int way, without_limit;
    } attempts[] = {{MASK_ANY_LENGTH, 0, 0}, {4, 0, 0}, {1, 0, 0}, {1, 1, 0}, {4, 0, 1}, {1, 0, 1}};
    struct masking *m = arg;
    struct constraint *c = m->s->c;
    int failed = -1;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        c->masks.longest = attempts[i].longest;
        m->without_limit = attempts[i].without_limit;
        if (i > 0)
            matcher_begin(&c->matcher);
        matcher_work(&c->matcher, 0);
        failed = attempts[i].way ? make_way(m) : make_once(m);
        masks_abandon(&c->masks);
        if (!failed || !c->matcher.ambiguous)
            break;
    }
    return failed;
}

/* ---- pieces --------------------------------------------------------------------------------------------------------------------- */

static void make_mask(void *arg)
{
    struct constraint_state *s = arg;
    struct made *made = s->made;
    struct masking m = {s, made->left, made->bits, 0};
    made->err = (struct error){0};
    made->failed = constraint_retry(s->c, make, &m, &made->err);
    made->forced = m.forced;
    made->done = 1;
}

static void pause_mask(void *arg) { coroutine_pause(arg); }

static void set_running(struct constraint *c, int running) { c->running = c->matcher.keeps_rest = running; }

/* So much more work for the mask that has paused, or for one that begins: 1: it is finished. */
static int go_on(struct constraint *c, struct constraint_state *begins, uint64_t until)
{
    struct meter *meter = &c->matcher.meter;
    *meter = (struct meter){meter->done, until, pause_mask, c->coroutine};
    set_running(c, 1);
    c->making = begins ? begins : c->making;
    int finished = begins ? coroutine_begin(c->coroutine, make_mask, begins) : coroutine_resume(c->coroutine);
    set_running(c, 0);
    meter->until = UINT64_MAX;
    if (finished)
        c->making = NULL;
    return finished;
}

static void expand(const struct constraint *c, const uint64_t *bits, uint8_t *allowed)
{
    uint32_t n = (uint32_t)c->trie->n_vocab, i = 0;
    for (; i + 8 <= n; i += 8)
        memcpy(allowed + i, c->expand[bits[i >> 6] >> (i & 63) & 255], 8);
    for (; i < n; i++)
        allowed[i] = (uint8_t)bit_of(bits, i);
}

static int count(const uint64_t *bits, uint32_t n_word)
{
    const uint64_t pairs = UINT64_C(0x5555555555555555), fours = UINT64_C(0x3333333333333333),
                   bytes = UINT64_C(0x0F0F0F0F0F0F0F0F);
    uint64_t total = 0;
    for (uint32_t w = 0; w < n_word; w++) {
        uint64_t x = bits[w] - (bits[w] >> 1 & pairs);
        x = (x & fours) + (x >> 2 & fours);
        total += ((x + (x >> 4)) & bytes) * UINT64_C(0x0101010101010101) >> 56;
    }
    return (int)total;
}

static int hand_out(struct constraint_state *s, uint8_t *allowed, struct error *err)
{
    const struct constraint *c = s->c;
    struct made *made = s->made;
    made->done = 0;
    if (made->failed)
        return error_set(err, made->err.code, "%s", made->err.text);
    s->forced |= made->forced;
    int n = count(made->bits, c->trie->n_word);
    if (n == 0)
        return error_set(err, ERR_BUG,
                         "the constraint leaves no token to go on with: the vocabulary lacks a byte, or a bug");
    expand(c, made->bits, allowed);
    return n;
}

int constraint_mask_some(struct constraint_state *s, int64_t left, uint8_t *allowed, uint64_t work, struct error *err)
{
    struct constraint *c = s->c;
    c->matcher.meter.done = 0;
    if (s->made->left != left)
        constraint_drop_mask(s);
    if (c->making && !go_on(c, NULL, work))
        return CONSTRAINT_AGAIN;
    s->made->left = left;
    if (!s->made->done && work == UINT64_MAX) {
        set_running(c, 1);
        make_mask(s);
        set_running(c, 0);
    }
    if (!s->made->done && !go_on(c, s, work))
        return CONSTRAINT_AGAIN;
    return hand_out(s, allowed, err);
}

int constraint_mask(struct constraint_state *s, int64_t left, uint8_t *allowed, struct error *err)
{
    return constraint_mask_some(s, left, allowed, UINT64_MAX, err);
}

uint64_t constraint_work(const struct constraint *c) { return c->matcher.meter.done; }
