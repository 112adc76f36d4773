/* Constraints and their states: constraint.h.
 *
 * A state is a number of the matcher, or a state of a phase's triggers: copying is assignment. Governed text goes on as
 * long as the grammar can read it; when it is complete and the next byte does not belong to it, that byte is free text again.
 *
 * Memory: a constraint begins with constraint_start_bytes(), which the plan has for each sequence, and doubles them
 * as far as the budget and its own bounds allow; then it forgets what can be found out again. */
#include "text/constraint/inner.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "text/constraint/completion.h"
#include "text/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum {
    MATCHER_START = 512 << 10,
    MATCHER_MOST = 24 << 20,
    MASK_START = 512 << 10, /* and 8 bytes a token of the vocabulary */
    MASK_MOST = 12 << 20,
    GRAMMAR_MOST = 28 << 20
};

static size_t mask_start_bytes(const struct token_trie *trie) { return MASK_START + (size_t)trie->n_vocab * 8; }

/* ---- the budget --------------------------------------------------------------------------------------------------------------- */

static int take(struct constraint *c, size_t bytes, size_t *taken)
{
    struct constraint_budget *budget = c->budget;
    for (int more = budget != NULL; more; more = budget->reclaim && budget->reclaim(budget->arg))
        for (size_t left = atomic_load(&budget->left); left >= bytes;)
            if (atomic_compare_exchange_weak(&budget->left, &left, left - bytes)) {
                *taken += bytes;
                return 0;
            }
    if (budget)
        return -1;
    *taken += bytes;
    return 0;
}

static void give(struct constraint *c, size_t *taken)
{
    if (c->budget)
        atomic_fetch_add(&c->budget->left, *taken);
    *taken = 0;
}

/* Twice the memory, where little is left: of the matcher it counts twice, for collections. 0: nothing grew. */
static int grow(struct constraint *c)
{
    struct matcher *m = &c->matcher;
    struct masks *k = &c->masks;
    uint32_t words = m->capacity < m->most - m->capacity ? m->capacity : m->most - m->capacity;
    size_t bytes = k->size < k->most - k->size ? k->size : k->most - k->size;
    int grew = 0;
    if ((matcher_low(m) || m->full) && words > 0 && take(c, (size_t)words * 16, &c->more) == 0) {
        m->capacity += words;
        grew = 1;
    }
    if ((masks_low(k) || m->full) && bytes > 0 && take(c, bytes, &c->more) == 0) {
        k->size += bytes;
        grew = 1;
    }
    return grew;
}

/* Without states nothing is kept but what was compiled. */
static void release(struct constraint *c)
{
    memset(c->start, 0, c->grammar->n_entry * sizeof *c->start);
    matcher_release(&c->matcher, MATCHER_START);
    masks_release(&c->masks, mask_start_bytes(c->trie));
    completion_release(c->completion);
    coroutine_release(c->coroutine);
    c->epoch++;
    give(c, &c->more);
}

static size_t made_bytes(const struct token_trie *trie)
{
    return sizeof(struct made) + trie->n_word * sizeof(uint64_t);
}

size_t constraint_start_bytes(const struct token_trie *trie)
{
    return 2 * MATCHER_START + matcher_fixed_bytes() + mask_start_bytes(trie) + masks_fixed_bytes(trie) +
           completion_scratch_bytes() + coroutine_bytes() + made_bytes(trie);
}

/* ---- making ------------------------------------------------------------------------------------------------------------------- */

static int make_phases(struct constraint *c, const struct constraint_options *how, struct error *err)
{
    c->phase = compile_zeroed(c->compile, how->n_phase + 1, sizeof *c->phase);
    if (!c->phase)
        return compile_refused(c->compile, err);
    for (size_t i = 0; i < how->n_phase; i++) {
        c->n_phase++;
        if (trigger_build(&c->phase[i], &how->phase[i], c->compile, err))
            return -1;
        for (uint32_t j = 0; j < c->phase[i].n; j++) {
            const struct constraint_trigger *t = &c->phase[i].trigger[j];
            if (t->entry >= (int)c->grammar->n_entry || t->next >= (int)how->n_phase || t->next < CONSTRAINT_END)
                return error_set(err, ERR_BUG, "a trigger leads to entry %d, phase %d, which do not exist", t->entry,
                                 t->next);
        }
    }
    return 0;
}

size_t constraint_held_bytes(const struct constraint *c)
{
    size_t triggers = compile_size(c->phase);
    for (uint32_t i = 0; i < c->n_phase; i++)
        triggers += trigger_bytes(&c->phase[i]);
    return compile_size(c) + compile_size(c->start) + triggers + grammar_bytes(c->grammar) +
           completion_held_bytes(c->completion) + matcher_grammar_bytes(c->grammar);
}

static int count(struct constraint *c, size_t bytes, struct error *err)
{
    if (compile_take(c->compile, bytes))
        return compile_refused(c->compile, err);
    c->counted += bytes;
    return 0;
}

/* What any grammar would take is in constraint_start_bytes(), and is not counted. */
static int make_matcher(struct constraint *c, struct error *err)
{
    const struct token_trie *trie = c->trie;
    return matcher_create(&c->matcher, c->grammar, MATCHER_START, MATCHER_MOST, err) ||
                   count(c, matcher_grammar_bytes(c->grammar), err) ||
                   masks_create(&c->masks, trie, &c->matcher, mask_start_bytes(trie), MASK_MOST, err)
               ? -1
               : 0;
}

int constraint_create(struct constraint **out, const struct token_trie *trie, struct grammar *g,
                      const struct constraint_options *how, struct error *err)
{
    struct compile own = {0}, *compile = how->compile ? how->compile : &own;
    struct constraint *c = compile_zeroed(compile, 1, sizeof *c);
    if (!c) {
        grammar_free(g);
        return compile_refused(compile, err);
    }
    c->compile = compile;
    c->trie = trie;
    c->grammar = g;
    c->close_at_limit = how->close_at_limit;
    c->budget = how->budget;
    c->epoch = 1;
    for (int b = 0; b < 256; b++)
        for (int i = 0; i < 8; i++)
            c->expand[b][i] = b >> i & 1;
    c->start = compile_zeroed(compile, g->n_entry, sizeof *c->start);
    int failed = !c->start ? compile_refused(compile, err) : 0;
    if (!failed && grammar_bytes(g) > GRAMMAR_MOST)
        failed = error_set(err, ERR_INPUT, "the grammar needs %zu MiB of memory: at most %d", grammar_bytes(g) >> 20,
                           GRAMMAR_MOST >> 20);
    if (failed || make_matcher(c, err) || make_phases(c, how, err) || completion_create(&c->completion, c, err) ||
        coroutine_create(&c->coroutine, err) || constraint_find_shortest(c, err)) {
        constraint_destroy(c);
        return -1;
    }
    c->masks.with_targets = c->close_at_limit;
    release(c);
    c->compile = g->compile = NULL;
    *out = c;
    return 0;
}

void constraint_destroy(struct constraint *c)
{
    if (!c)
        return;
    struct compile *compile = c->compile;
    give(c, &c->more);
    compile_give(compile, c->counted);
    for (int i = 0; i < CONSTRAINT_STATES; i++) {
        if (c->state[i])
            free(c->state[i]->made);
        free(c->state[i]);
    }
    for (uint32_t i = 0; i < c->n_phase; i++)
        trigger_free(&c->phase[i], compile);
    completion_destroy(c->completion);
    compile_free(compile, c->phase);
    compile_free(compile, c->start);
    masks_destroy(&c->masks);
    matcher_destroy(&c->matcher);
    coroutine_destroy(c->coroutine);
    grammar_free(c->grammar);
    compile_free(compile, c);
}

size_t constraint_bytes(const struct constraint *c)
{
    return sizeof *c + c->matcher.bytes + c->masks.bytes + grammar_bytes(c->grammar) + completion_bytes(c->completion) +
           coroutine_bytes() + CONSTRAINT_STATES * made_bytes(c->trie);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------- */

static int too_deep(const struct constraint *c, struct error *err)
{
    return error_set(
        err, ERR_MEMORY, "a constrained answer is nested too deep: its constraint needs more than %zu KiB%s",
        (size_t)c->matcher.capacity >> 7,
        c->matcher.capacity < c->matcher.most ? ", and the plan has no more for it; try a larger --memory" : "");
}

/* A mask that has paused holds numbers that change: it has to begin anew. */
static int collect(struct constraint *c, struct error *err)
{
    uint32_t *root[CONSTRAINT_STATES];
    size_t n = 0;
    if (c->making && !c->running)
        constraint_drop_mask(c->making);
    for (int i = 0; i < CONSTRAINT_STATES; i++)
        if (c->state[i])
            root[n++] = &c->state[i]->set;
    memset(c->start, 0, c->grammar->n_entry * sizeof *c->start);
    masks_forget(&c->masks);
    completion_forget(c->completion);
    c->epoch++;
    return matcher_collect(&c->matcher, root, n) ? too_deep(c, err) : 0;
}

static int is_low(const struct constraint *c) { return matcher_low(&c->matcher) || masks_low(&c->masks); }

/* More memory, or less in it. */
static int make_space(struct constraint *c, struct error *err)
{
    if (grow(c))
        return 0;
    if (collect(c, err))
        return -1;
    return matcher_low(&c->matcher) ? too_deep(c, err) : 0;
}

int constraint_retry(struct constraint *c, int (*what)(void *arg), void *arg, struct error *err)
{
    struct matcher *m = &c->matcher;
    if (is_low(c) && (!c->making || c->running) && make_space(c, err))
        return -1;
    matcher_begin(m);
    int result = what(arg);
    for (int more = 1; more && m->full && !m->ambiguous;) {
        more = grow(c); /* what was being made is in pieces: they go in any case */
        if (collect(c, err))
            return -1;
        matcher_begin(m);
        result = what(arg);
    }
    if (m->full) {
        int ambiguous = m->ambiguous;
        m->full = m->ambiguous = 0;
        if (ambiguous && collect(c, err)) /* what was found out on the way would make the next try another one */
            return -1;
        if (ambiguous)
            return error_set(err, ERR_INPUT,
                             "the grammar is too ambiguous: a text can be read, or ended, in too many ways");
        return error_set(err, ERR_MEMORY,
                         "the masks of a constraint need more than %zu KiB, and the plan has no more for them beside "
                         "other answers: try again, simplify the constraint, or try a larger --memory",
                         ((size_t)m->capacity * 8 + c->masks.size) >> 10);
    }
    return result;
}

uint32_t constraint_start(struct constraint *c, int entry)
{
    if (!c->start[entry]) {
        uint32_t set = matcher_start(&c->matcher, (uint32_t)entry);
        if (c->matcher.full)
            return SET_DEAD;
        c->start[entry] = set;
    }
    return c->start[entry];
}

/* ---- states ------------------------------------------------------------------------------------------------------------------- */

void constraint_enter_phase(struct constraint_state *s, int32_t phase)
{
    s->set = SET_DEAD;
    s->phase = phase == CONSTRAINT_END ? CONSTRAINT_OVER : phase;
    s->node = phase == CONSTRAINT_END ? 0 : s->c->phase[phase].start;
}

void constraint_fire(struct constraint_state *s, const struct constraint_trigger *t)
{
    if (t->entry < 0) {
        constraint_enter_phase(s, t->next);
        return;
    }
    s->set = constraint_start(s->c, t->entry);
    s->phase = CONSTRAINT_GOVERNED;
    s->next = t->next;
}

static int begin(void *arg)
{
    struct constraint_state *s = arg;
    if (s->c->n_phase) {
        constraint_enter_phase(s, 0);
        return 0;
    }
    s->set = constraint_start(s->c, 0);
    s->phase = CONSTRAINT_GOVERNED;
    s->next = CONSTRAINT_END;
    return 0;
}

int constraint_begin(struct constraint_state **out, struct constraint *c, struct error *err)
{
    int slot = 0;
    while (slot < CONSTRAINT_STATES && c->state[slot])
        slot++;
    if (slot == CONSTRAINT_STATES)
        return error_set(err, ERR_INPUT, "more than %d answers at a time under one constraint", CONSTRAINT_STATES);
    struct constraint_state *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(err, ERR_MEMORY, "no memory for a constraint");
    s->c = c;
    s->made = calloc(1, made_bytes(c->trie));
    if (!s->made) {
        free(s);
        return error_set(err, ERR_MEMORY, "no memory for a constraint");
    }
    c->state[slot] = s;
    if (constraint_retry(c, begin, s, err)) {
        constraint_end(s);
        return -1;
    }
    *out = s;
    return 0;
}

void constraint_end(struct constraint_state *s)
{
    if (!s)
        return;
    struct constraint *c = s->c;
    int others = 0;
    constraint_drop_mask(s);
    for (int i = 0; i < CONSTRAINT_STATES; i++) {
        if (c->state[i] == s)
            c->state[i] = NULL;
        others |= c->state[i] != NULL;
    }
    free(s->made);
    free(s);
    if (!others && c->budget) /* without one nobody else wants the memory */
        release(c);
}

void constraint_copy(struct constraint_state *dst, const struct constraint_state *src)
{
    struct made *made = dst->made;
    constraint_drop_mask(dst);
    *dst = *src;
    dst->made = made;
}

/* ---- accept ------------------------------------------------------------------------------------------------------------------- */

/* Governed text that is complete and cannot go on is over. */
static void leave_if_over(struct constraint_state *s)
{
    if (s->phase != CONSTRAINT_GOVERNED || s->set == SET_DEAD || s->c->n_phase == 0)
        return;
    const struct set *set = set_at(&s->c->matcher, s->set);
    if (set->n == 0)
        constraint_enter_phase(s, s->next);
}

static int feed_governed(struct constraint_state *s, uint8_t byte)
{
    struct matcher *m = &s->c->matcher;
    uint32_t to = matcher_step(m, s->set, byte);
    if (to != SET_DEAD) {
        s->set = to;
        return 0;
    }
    if (s->c->n_phase == 0 || !set_at(m, s->set)->accepting || s->next == CONSTRAINT_END)
        return -1;
    constraint_enter_phase(s, s->next);
    return 1;
}

int constraint_feed(struct constraint_state *s, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (s->c->matcher.full || s->phase == CONSTRAINT_OVER)
            return -1;
        if (s->phase == CONSTRAINT_GOVERNED) {
            int left = feed_governed(s, byte);
            if (left < 0)
                return -1;
            if (!left) {
                leave_if_over(s);
                continue;
            }
        }
        const struct trigger_machine *t = &s->c->phase[s->phase];
        s->node = t->next[s->node][byte];
        if (t->done[s->node] >= 0)
            constraint_fire(s, &t->trigger[t->done[s->node]]);
    }
    return 0;
}

int constraint_may_end(const struct constraint_state *s)
{
    const struct constraint *c = s->c;
    if (s->phase >= 0)
        return !c->phase[s->phase].must;
    if (s->phase == CONSTRAINT_OVER)
        return 1;
    return s->set != SET_DEAD && set_at(&c->matcher, s->set)->accepting &&
           (s->next == CONSTRAINT_END || !c->phase[s->next].must);
}

struct taking {
    struct constraint_state *s, after; /* s is known to collections, after is not */
    int32_t token;
};

static int take_governed(struct constraint_state *s, int32_t token, const char *text, size_t n)
{
    struct matcher *m = &s->c->matcher;
    int is_text = token < s->c->trie->n_vocab && bit_of(s->c->trie->is_text, (uint32_t)token);
    uint32_t whole = matcher_token(m, s->set, (uint32_t)token, is_text);
    struct constraint_state by_bytes = *s;
    int failed = is_text && n ? constraint_feed(&by_bytes, text, n) : -1;
    if (whole == SET_DEAD) {
        *s = by_bytes;
        return failed;
    }
    int both = !failed && by_bytes.phase == CONSTRAINT_GOVERNED;
    s->set = both ? matcher_union(m, whole, by_bytes.set) : whole;
    leave_if_over(s);
    return 0;
}

static int take_free(struct constraint_state *s, int32_t token, const char *text, size_t n)
{
    const struct trigger_machine *t = &s->c->phase[s->phase];
    for (uint32_t i = 0; i < t->n; i++)
        if (!t->trigger[i].text && t->trigger[i].token == token) {
            constraint_fire(s, &t->trigger[i]);
            leave_if_over(s);
            return 0;
        }
    if (token < s->c->trie->n_vocab && bit_of(s->c->trie->is_text, (uint32_t)token))
        return constraint_feed(s, text, n);
    s->node = t->middle;
    return 0;
}

static int take_token(void *arg)
{
    struct taking *t = arg;
    struct constraint_state *s = &t->after;
    *s = *t->s;
    size_t n;
    const char *text = tokenizer_piece(s->c->trie->tokenizer, t->token, 0, &n);
    return s->phase == CONSTRAINT_GOVERNED ? take_governed(s, t->token, text, n) : take_free(s, t->token, text, n);
}

int constraint_accept(struct constraint_state *s, int32_t token, struct error *err)
{
    const struct token_trie *trie = s->c->trie;
    struct taking t = {.s = s, .token = token};
    int fits = token >= 0 && token < trie->n_vocab && !s->ended;
    constraint_drop_mask(s);
    if (fits && tokenizer_is_end(trie->tokenizer, token) && constraint_may_end(s)) {
        s->ended = 1;
        return 0;
    }
    if (!fits || s->phase == CONSTRAINT_OVER || constraint_retry(s->c, take_token, &t, err))
        return error_set(err, ERR_BUG, "token %d does not follow under the constraint", (int)token);
    *s = t.after;
    return 0;
}

int constraint_complete(const struct constraint_state *s) { return constraint_may_end(s); }

int constraint_finished(const struct constraint_state *s)
{
    if (s->ended || s->phase == CONSTRAINT_OVER)
        return 1;
    return s->phase == CONSTRAINT_GOVERNED && s->set != SET_DEAD && s->next == CONSTRAINT_END &&
           set_at(&s->c->matcher, s->set)->accepting && set_at(&s->c->matcher, s->set)->n == 0;
}

int constraint_forced(const struct constraint_state *s) { return s->forced; }
int constraint_phase_of(const struct constraint_state *s) { return s->phase >= 0 ? s->phase : -1; }
