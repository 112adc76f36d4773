/* Triggers of a phase: all of them watched at once, byte by byte, whatever the tokens are.
 *
 * A state is the set of (trigger, bytes matched) that the text so far may have begun, and whether the phase holds only white
 * space yet; the subset construction makes it deterministic before the first token. Triggers are few and short. */
#include "base/error.h"
#include "base/hash.h"
#include "text/constraint/inner.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TRIGGERS = 256, MOST_STATES = 8192, MOST_BYTES = 8192, BUCKETS = 4096 };

struct item {
    uint16_t trigger, matched;
};

struct begun {
    uint32_t first, n; /* items, ascending by trigger and bytes */
    uint32_t chain;    /* state + 1 with the same hash */
    int fresh;
};

struct subsets {
    struct compile *compile;
    struct trigger_machine *t;
    struct begun *state;
    struct item *item;
    uint32_t n_state, n_item, capacity_item;
    uint32_t bucket[BUCKETS]; /* state + 1 */
    int failed;
};

/* The state of these items: an old one or a new one. */
static uint16_t intern(struct subsets *s, const struct item *item, uint32_t n, int fresh)
{
    uint32_t *bucket = &s->bucket[hash64(item, n * sizeof *item, (uint64_t)fresh) % BUCKETS];
    for (uint32_t i = *bucket; i; i = s->state[i - 1].chain)
        if (s->state[i - 1].n == n && s->state[i - 1].fresh == fresh &&
            (n == 0 || memcmp(&s->item[s->state[i - 1].first], item, n * sizeof *item) == 0))
            return (uint16_t)(i - 1);
    if (s->n_state == MOST_STATES || s->failed) {
        s->failed = 1;
        return 0;
    }
    if (s->n_item + n > s->capacity_item) {
        uint32_t capacity = (s->n_item + n) * 2 + 64;
        struct item *grown = compile_grow(s->compile, s->item, capacity, sizeof *grown);
        if (!grown) {
            s->failed = 1;
            return 0;
        }
        s->item = grown;
        s->capacity_item = capacity;
    }
    if (n)
        memcpy(s->item + s->n_item, item, n * sizeof *item);
    s->state[s->n_state] = (struct begun){s->n_item, n, *bucket, fresh};
    *bucket = s->n_state + 1;
    s->n_item += n;
    return (uint16_t)s->n_state++;
}

static uint16_t follow(struct subsets *s, uint32_t from, uint8_t c, int16_t *done)
{
    const struct trigger_machine *t = s->t;
    struct item item[MOST_TRIGGERS * 8];
    uint32_t n = 0, longest = 0;
    struct begun b = s->state[from];
    *done = -1;
    for (uint32_t i = 0, old = b.first; i < t->n; i++) {
        const struct constraint_trigger *g = &t->trigger[i];
        if (g->text && (uint8_t)g->text[0] == c && (!g->at_start || b.fresh) && n < MOST_TRIGGERS * 8)
            item[n++] = (struct item){(uint16_t)i, 1};
        for (; old < b.first + b.n && s->item[old].trigger == i; old++)
            if ((uint8_t)g->text[s->item[old].matched] == c && n < MOST_TRIGGERS * 8)
                item[n++] = (struct item){(uint16_t)i, (uint16_t)(s->item[old].matched + 1)};
    }
    for (uint32_t i = 0; i < n; i++)
        if (item[i].matched == t->trigger[item[i].trigger].n && item[i].matched > longest) {
            longest = item[i].matched;
            *done = (int16_t)item[i].trigger;
        }
    if (*done >= 0) /* the machine ends here: what else has begun does not matter, only which trigger it was */
        item[0] = (struct item){(uint16_t)*done, (uint16_t)longest}, n = 1;
    return intern(s, item, n, *done < 0 && b.fresh && is_space(c));
}

static int expand(struct subsets *s)
{
    struct trigger_machine *t = s->t;
    uint32_t capacity = 0;
    for (uint32_t q = 0; q < s->n_state && !s->failed; q++) {
        if (s->n_state > capacity) {
            uint32_t more = s->n_state * 2 + 16;
            void *next = compile_grow(s->compile, t->next, more, sizeof *t->next);
            t->next = next ? next : t->next;
            int16_t *done = compile_grow(s->compile, t->done, more, sizeof *done);
            t->done = done ? done : t->done;
            if (!next || !done)
                return -1;
            capacity = more;
        }
        if (compile_work(s->compile, 256 * (uint64_t)(4 + t->n / 8)))
            return -1;
        t->done[q] = -1;
        struct begun b = s->state[q];
        for (uint32_t i = b.first; i < b.first + b.n; i++)
            if (s->item[i].matched == t->trigger[s->item[i].trigger].n)
                t->done[q] = (int16_t)s->item[i].trigger;
        for (int c = 0; c < 256 && !s->failed; c++) {
            int16_t done;
            t->next[q][c] = t->done[q] >= 0 ? 0 : follow(s, q, (uint8_t)c, &done);
        }
    }
    t->n_state = s->n_state;
    return s->failed ? -1 : 0;
}

/* The trigger that is nearest to being complete in each state. */
static void nearest(const struct subsets *s, struct trigger_machine *t)
{
    for (uint32_t q = 0; q < t->n_state; q++) {
        uint32_t best = UINT32_MAX, which = 0;
        struct begun b = s->state[q];
        for (uint32_t i = 0; i < t->n; i++)
            if (t->trigger[i].text && (!t->trigger[i].at_start || b.fresh) && t->trigger[i].n < best) {
                best = (uint32_t)t->trigger[i].n;
                which = i;
            }
        for (uint32_t i = b.first; i < b.first + b.n; i++) {
            uint32_t left = (uint32_t)t->trigger[s->item[i].trigger].n - s->item[i].matched;
            if (left < best) {
                best = left;
                which = s->item[i].trigger;
            }
        }
        t->left[q][0] = (uint16_t)which;
        t->left[q][1] = (uint16_t)(best == UINT32_MAX ? 0 : best);
    }
}

static int copy_triggers(struct trigger_machine *t, const struct constraint_phase *phase, struct compile *compile,
                         struct error *err)
{
    size_t bytes = 0;
    if (phase->n_trigger > MOST_TRIGGERS)
        return error_set(err, ERR_INPUT, "%zu triggers in a phase: at most %d", phase->n_trigger, MOST_TRIGGERS);
    t->must = phase->must;
    t->trigger = compile_zeroed(compile, phase->n_trigger + 1, sizeof *t->trigger);
    if (!t->trigger)
        return compile_refused(compile, err);
    for (size_t i = 0; i < phase->n_trigger; i++) {
        struct constraint_trigger *g = &t->trigger[t->n];
        *g = phase->trigger[i];
        bytes += g->text ? g->n : 0;
        if ((g->text && g->n == 0) || bytes > MOST_BYTES)
            return error_set(err, ERR_INPUT, "the triggers of a phase have %zu bytes: 1 to %d", bytes, MOST_BYTES);
        if (g->text) {
            char *copy = compile_alloc(compile, g->n, 1);
            if (!copy)
                return compile_refused(compile, err);
            g->text = memcpy(copy, g->text, g->n);
        }
        t->n++;
    }
    return 0;
}

int trigger_build(struct trigger_machine *t, const struct constraint_phase *phase, struct compile *compile,
                  struct error *err)
{
    struct subsets s = {.compile = compile, .t = t};
    *t = (struct trigger_machine){0};
    if (copy_triggers(t, phase, compile, err))
        return -1;
    s.state = compile_alloc(compile, MOST_STATES, sizeof *s.state);
    int failed = !s.state;
    if (!failed) {
        struct item none = {0, 0};
        t->middle = intern(&s, &none, 0, 0);
        t->start = intern(&s, &none, 0, 1);
        failed = expand(&s);
    }
    if (!failed) {
        t->mask = compile_zeroed(compile, t->n_state, sizeof *t->mask);
        t->left = compile_zeroed(compile, t->n_state, sizeof *t->left);
        failed = !t->mask || !t->left;
    }
    if (!failed)
        nearest(&s, t);
    compile_free(compile, s.state);
    compile_free(compile, s.item);
    if (failed && compile->end)
        return compile_refused(compile, err);
    if (failed)
        return error_set(err, ERR_INPUT, "the triggers of a phase cannot be watched: they need more than %d states",
                         MOST_STATES);
    return 0;
}

void trigger_free(struct trigger_machine *t, struct compile *compile)
{
    for (uint32_t i = 0; i < t->n; i++)
        compile_free(compile, (char *)(uintptr_t)t->trigger[i].text);
    compile_free(compile, t->trigger);
    compile_free(compile, t->next);
    compile_free(compile, t->done);
    compile_free(compile, t->left);
    compile_free(compile, t->mask);
}

size_t trigger_bytes(const struct trigger_machine *t)
{
    size_t texts = 0;
    for (uint32_t i = 0; i < t->n; i++)
        texts += compile_size(t->trigger[i].text);
    return texts + compile_size(t->trigger) + compile_size(t->next) + compile_size(t->done) + compile_size(t->left) +
           compile_size(t->mask);
}
