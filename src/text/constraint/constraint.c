/* Constraints and their states: constraint.h.
 *
 * A state is a number of the matcher, or a state of a phase's triggers: copying is assignment. Governed text goes on as
 * long as the grammar can read it; when it is complete and the next byte does not belong to it, that byte is free text again. */
#include "text/constraint/inner.h"

#include "base/coroutine.h"
#include "base/error.h"
#include "text/constraint/completion.h"
#include "text/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { GRAMMAR_MOST = 28 << 20 };

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
                   masks_create(&c->masks, trie, &c->matcher, constraint_mask_bytes(trie), MASK_MOST, err)
               ? -1
               : 0;
}

/* ---- before any text -------------------------------------------------------------------------------------------------------------- */

struct shortest {
    struct constraint_state *s;
    int64_t tokens;
    uint64_t counted; /* work that the compilation knows of */
};

static int find_shortest(void *arg)
{
    struct shortest *x = arg;
    x->tokens = completion_of_state(x->s->c->completion, x->s);
    return 0;
}

/* The compilation's work, and its end. */
static void count_work(void *arg)
{
    struct shortest *x = arg;
    struct constraint *c = x->s->c;
    uint64_t done = c->matcher.meter.done;
    c->matcher.meter.until = done + CONSTRAINT_MS;
    if (compile_work(c->compile, done - x->counted))
        matcher_refuse(&c->matcher);
    x->counted = done;
}

/* Fills c->shortest, within the limits of the compilation. */
static int measure_shortest(struct constraint *c, struct error *err)
{
    struct constraint_state *s;
    struct error why = {0};
    if (!c->completion)
        return 0;
    if (constraint_begin(&s, c, err))
        return -1;
    struct shortest m = {s, 0, 0};
    c->matcher.meter = (struct meter){0, CONSTRAINT_MS, count_work, &m};
    c->shortest = constraint_retry(c, find_shortest, &m, &why) ? 0 : m.tokens;
    count_work(&m);
    c->matcher.meter.until = UINT64_MAX;
    matcher_begin(&c->matcher);
    constraint_end(s);
    if (c->compile->end)
        return compile_refused(c->compile, err);
    return why.code == ERR_MEMORY ? error_set(err, ERR_MEMORY, "%s", why.text) : 0;
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
        coroutine_create(&c->coroutine, err) || measure_shortest(c, err)) {
        constraint_destroy(c);
        return -1;
    }
    c->masks.with_targets = c->close_at_limit;
    constraint_release(c);
    c->compile = g->compile = NULL;
    *out = c;
    return 0;
}

void constraint_destroy(struct constraint *c)
{
    if (!c)
        return;
    struct compile *compile = c->compile;
    constraint_give_back(c, &c->more);
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
           coroutine_bytes() + CONSTRAINT_STATES * constraint_made_bytes(c->trie);
}

/* ---- states ------------------------------------------------------------------------------------------------------------------- */

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
    s->made = calloc(1, constraint_made_bytes(c->trie));
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
        constraint_release(c);
}

void constraint_copy(struct constraint_state *dst, const struct constraint_state *src)
{
    struct made *made = dst->made;
    constraint_drop_mask(dst);
    *dst = *src;
    dst->made = made;
}

/* ---- accept ------------------------------------------------------------------------------------------------------------------- */

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
    constraint_leave_if_over(s);
    return 0;
}

static int take_free(struct constraint_state *s, int32_t token, const char *text, size_t n)
{
    const struct trigger_machine *t = &s->c->phase[s->phase];
    for (uint32_t i = 0; i < t->n; i++)
        if (!t->trigger[i].text && t->trigger[i].token == token) {
            constraint_fire(s, &t->trigger[i]);
            constraint_leave_if_over(s);
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

struct feeding {
    const struct constraint_state *s; /* as in struct taking */
    struct constraint_state after;
    uint8_t byte;
};

static int take_byte(void *arg)
{
    struct feeding *f = arg;
    f->after = *f->s;
    return constraint_feed(&f->after, (const char *)&f->byte, 1);
}

/* Byte by byte: each may need memory, and has what the bytes before it no longer need. */
int constraint_accept_text(struct constraint_state *s, const char *text, size_t n, struct error *err)
{
    constraint_drop_mask(s);
    for (size_t i = 0; i < n; i++) {
        struct feeding f = {.s = s, .byte = (uint8_t)text[i]};
        struct error why = {0};
        if (s->ended || s->phase == CONSTRAINT_OVER || constraint_retry(s->c, take_byte, &f, &why))
            return why.code ? error_set(err, why.code, "%s", why.text) : 0;
        *s = f.after;
    }
    return 1;
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

int64_t constraint_shortest(const struct constraint *c) { return c->shortest; }
