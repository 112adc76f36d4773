/* Distances to the end of a text, of sets of configurations, counted in tokens: completion.h. Each is the least of its positions'
 * (completion_count.c); where counting is too much work, or takes too much space, bounds stand. */
#include "text/constraint/completion.h"

#include "text/constraint/completion_inner.h"
#include "text/constraint/inner.h"

#include <string.h>

/* ---- sets --------------------------------------------------------------------------------------------------------------------- */

static int64_t of_config(struct completion *k, const struct config *c)
{
    const struct matcher *m = &k->c->matcher;
    int64_t best = COMPLETION_NEVER;
    for (uint32_t i = 0; i < states_at(m, c->states)->n && !completion_stopped(k); i++) {
        int64_t tokens = completion_tokens_left(
            k, (struct position){c->frame, states_at(m, c->states)->state[i], c->count});
        best = tokens < best ? tokens : best;
    }
    return best;
}

static uint32_t stored(int64_t tokens) { return tokens >= UINT32_MAX - 1 ? UINT32_MAX : (uint32_t)tokens + 1; }
static int64_t loaded(uint32_t tokens) { return tokens == UINT32_MAX ? COMPLETION_NEVER : (int64_t)tokens - 1; }

static int64_t of_set(struct completion *k, uint32_t set)
{
    struct matcher *m = &k->c->matcher;
    if (set == SET_DEAD)
        return COMPLETION_NEVER;
    const struct set *s = set_at(m, set);
    if (!s->tokens_left || (!k->passed && s->tokens_epoch != k->epoch)) {
        int64_t best = set_at(m, set)->accepting ? 0 : COMPLETION_NEVER;
        for (uint32_t i = 0; i < set_at(m, set)->n && best > 0 && !completion_stopped(k); i++) {
            struct config c = set_at(m, set)->config[i];
            int64_t tokens = of_config(k, &c);
            best = tokens < best ? tokens : best;
        }
        if (completion_stopped(k))
            return COMPLETION_NEVER;
        set_at(m, set)->tokens_left = stored(best);
        set_at(m, set)->tokens_epoch = k->epoch;
    }
    return loaded(set_at(m, set)->tokens_left);
}

/* The same of a configuration in the middle of a leaf, whose states are as if counts were free. */
static int64_t of_inside(struct completion *k, const struct config *c)
{
    struct matcher *m = &k->c->matcher;
    uint32_t rule = states_at(m, c->states)->rule, states = c->states, out[2];
    const struct rule *r = &m->g->rule[rule];
    int64_t best = COMPLETION_NEVER;
    if (r->counted && states_at(m, states)->accepts) { /* at the border of an item: what does the count allow? */
        matcher_closure(m, rule, &r->start, 1, matcher_count(r, c->count), out);
        states = out[0];
    }
    for (uint32_t i = 0; states && i < states_at(m, states)->n && !m->full; i++) {
        uint32_t q = states_at(m, states)->state[i];
        int64_t tokens = q == r->accept ? of_set(k, matcher_pop(m, c->frame))
                                        : completion_tokens_left(k, (struct position){c->frame, q, c->count});
        best = tokens < best ? tokens : best;
    }
    return best;
}

/* ---- without counting tokens ---------------------------------------------------------------------------------------------------- */

static int64_t bound_of(struct completion *k, const struct config *c)
{
    const struct matcher *m = &k->c->matcher;
    int64_t best = COMPLETION_NEVER;
    for (uint32_t i = 0; i < states_at(m, c->states)->n && !m->full; i++) {
        int64_t bound = completion_bound(k, &(struct position){c->frame, states_at(m, c->states)->state[i], c->count});
        best = bound < best ? bound : best;
    }
    return best;
}

int64_t completion_bound_of_set(struct completion *k, uint32_t set)
{
    struct matcher *m = &k->c->matcher;
    if (set == SET_DEAD)
        return COMPLETION_NEVER;
    if (!set_at(m, set)->bound) {
        int64_t best = set_at(m, set)->accepting ? 0 : COMPLETION_NEVER;
        for (uint32_t i = 0; i < set_at(m, set)->n && best > 0; i++) {
            int64_t bound = bound_of(k, &set_at(m, set)->config[i]);
            best = bound < best ? bound : best;
        }
        if (m->full)
            return COMPLETION_NEVER;
        set_at(m, set)->bound = stored(best);
    }
    return loaded(set_at(m, set)->bound);
}

struct most {
    struct completion *k;
    int64_t most;
};

static int most_of(struct most *m, int64_t tokens)
{
    m->most = tokens > m->most ? tokens : m->most;
    return 0;
}

static int bound_set(void *arg, uint32_t set)
{
    return most_of(arg, completion_bound_of_set(((struct most *)arg)->k, set));
}
static int bound_inside(void *arg, const struct config *c)
{
    struct completion *k = ((struct most *)arg)->k;
    const struct states *states = states_at(&k->c->matcher, c->states);
    return most_of(arg, completion_rule_bound(k, &(struct position){c->frame, states->state[0], c->count}));
}

int64_t completion_most_bound(struct completion *k, uint32_t set)
{
    struct matcher *m = &k->c->matcher;
    if (!k->c->trie->spells)
        return COMPLETION_NEVER;
    int all = k->c->masks.longest == MASK_ANY_LENGTH; /* only what all tokens lead to is remembered */
    if (all && set_at(m, set)->refused)
        matcher_refuse(m);
    if (m->full)
        return COMPLETION_NEVER;
    if (all && set_at(m, set)->most_bound)
        return loaded(set_at(m, set)->most_bound);
    struct most most = {k, 0};
    masks_within(&k->c->masks, set, NULL, &(struct masks_judge){bound_set, bound_inside, &most, 1});
    if (all)
        set_at(m, set)->refused = (uint32_t)m->ambiguous;
    if (m->full)
        return COMPLETION_NEVER;
    if (all)
        set_at(m, set)->most_bound = stored(most.most);
    return most.most;
}

/* ---- operations ----------------------------------------------------------------------------------------------------------------- */

int64_t completion_of_set(struct completion *k, uint32_t set)
{
    struct matcher *m = &k->c->matcher;
    if (set == SET_DEAD)
        return COMPLETION_NEVER;
    if (set_at(m, set)->passed == COUNT_GAVE_UP)
        return completion_bound_of_set(k, set);
    if (set_at(m, set)->passed && set_at(m, set)->tokens_left) /* what the table was counted for stays in it */
        return loaded(set_at(m, set)->tokens_left);
    completion_begin(k, set, set_at(m, set)->passed != 0);
    int64_t tokens = of_set(k, set);
    if (k->gave_up && k->passed) { /* for lack of space, which others have taken */
        completion_begin(k, set, 0);
        tokens = of_set(k, set);
    }
    if (!m->full)
        set_at(m, set)->passed = k->gave_up ? COUNT_GAVE_UP : COUNT_PASSED;
    return k->gave_up ? completion_bound_of_set(k, set) : tokens;
}

/* Is it at most so many tokens to the end? They are counted where bounds do not tell. */
struct fitting {
    struct completion *k;
    int64_t most;
};

static int set_fits(void *arg, uint32_t set)
{
    const struct fitting *f = arg;
    return (f->k->c->trie->spells && completion_bound_of_set(f->k, set) <= f->most) ||
           (!f->k->gave_up && of_set(f->k, set) <= f->most);
}

static int inside_fits(void *arg, const struct config *c)
{
    const struct fitting *f = arg;
    return (f->k->c->trie->spells && bound_of(f->k, c) <= f->most) || (!f->k->gave_up && of_inside(f->k, c) <= f->most);
}

/* Counts for the sake of a set from where its distance is known. */
static void count_within(struct completion *k, uint32_t set, int passed, uint64_t *bits, const struct masks_judge *j)
{
    if (passed || k->counted_for != set) {
        completion_begin(k, set, passed);
        of_set(k, set);
    }
    memset(bits, 0, k->c->trie->n_word * sizeof *bits);
    masks_within(&k->c->masks, set, bits, j);
}

void completion_within(struct completion *k, uint32_t set, int64_t most, uint64_t *bits)
{
    struct matcher *m = &k->c->matcher;
    struct fitting f = {k, most};
    struct masks_judge judge = {set_fits, inside_fits, &f, 0};
    uint32_t counted = set_at(m, set)->passed_within; /* the less space, the more has to be counted */
    int bounds = set_at(m, set)->passed == COUNT_GAVE_UP, passed = counted && most >= loaded(counted);
    if (!bounds)
        count_within(k, set, passed, bits, &judge);
    if (!bounds && k->gave_up && passed && !m->full) /* for lack of space, which others have taken */
        count_within(k, set, passed = 0, bits, &judge);
    if ((bounds || k->gave_up) && !m->full) { /* what was counted before it was too much does not count */
        memset(bits, 0, k->c->trie->n_word * sizeof *bits);
        k->gave_up = 1;
        masks_within(&k->c->masks, set, bits, &judge);
        if (!bounds && !m->full)
            completion_add_way(k, set, &(struct way){most, bits});
    } else if (!passed && !m->full && k->c->masks.longest == MASK_ANY_LENGTH) {
        set_at(m, set)->passed_within = stored(most);
    }
    k->counted_for = SET_DEAD;
    k->gave_up = 0;
}

void completion_way(struct completion *k, uint32_t set, int64_t most, uint64_t *bits)
{
    if (set_at(&k->c->matcher, set)->passed == COUNT_PASSED)
        completion_add_way(k, set, &(struct way){most, bits});
    k->counted_for = SET_DEAD;
    k->gave_up = 0;
}
