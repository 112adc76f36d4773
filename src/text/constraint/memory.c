/* Memory of a running constraint: constraint.h.
 *
 *     constraint_start_bytes()  --doubled, as far as the budget and its own bounds allow-->  MATCHER_MOST, MASK_MOST
 *
 * When no more is to be had, everything is forgotten that can be found out again. */
#include "base/coroutine.h"
#include "base/error.h"
#include "text/constraint/completion.h"
#include "text/constraint/inner.h"

#include <string.h>

enum { MASK_START = 512 << 10 }; /* bytes, and 8 a token of the vocabulary */

size_t constraint_mask_bytes(const struct token_trie *trie) { return MASK_START + (size_t)trie->n_vocab * 8; }

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

void constraint_give_back(struct constraint *c, size_t *taken)
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
        m->collection.active = 0; /* one that has begun would keep to the old end */
        grew = 1;
    }
    if ((masks_low(k) || m->full) && bytes > 0 && take(c, bytes, &c->more) == 0) {
        k->size += bytes;
        grew = 1;
    }
    return grew;
}

/* Without states nothing is kept but what was compiled. */
void constraint_release(struct constraint *c)
{
    memset(c->start, 0, c->grammar->n_entry * sizeof *c->start);
    matcher_release(&c->matcher, MATCHER_START);
    masks_release(&c->masks, constraint_mask_bytes(c->trie));
    completion_release(c->completion);
    coroutine_release(c->coroutine);
    c->epoch++;
    constraint_give_back(c, &c->more);
}

size_t constraint_made_bytes(const struct token_trie *trie)
{
    return sizeof(struct made) + trie->n_word * sizeof(uint64_t);
}

size_t constraint_start_bytes(const struct token_trie *trie)
{
    return 2 * MATCHER_START + matcher_fixed_bytes() + constraint_mask_bytes(trie) + masks_fixed_bytes(trie) +
           completion_scratch_bytes() + coroutine_bytes() + constraint_made_bytes(trie);
}

/* ---- collecting -------------------------------------------------------------------------------------------------------------------- */

void constraint_drop_mask(struct constraint_state *s)
{
    struct constraint *c = s->c;
    s->made->done = 0;
    if (c->making != s)
        return;
    coroutine_abandon(c->coroutine);
    masks_abandon(&c->masks);
    c->making = NULL;
}

static int too_deep(const struct constraint *c, struct error *err)
{
    return error_set(
        err, ERR_MEMORY, "a constrained answer is nested too deep: its constraint needs more than %zu KiB%s",
        (size_t)c->matcher.capacity >> 7,
        c->matcher.capacity < c->matcher.most ? ", and the plan has no more for it; try a larger --memory" : "");
}

static int collect_some(struct constraint *c)
{
    uint32_t *root[CONSTRAINT_STATES];
    size_t n = 0;
    for (int i = 0; i < CONSTRAINT_STATES; i++)
        if (c->state[i])
            root[n++] = &c->state[i]->set;
    return matcher_collect(&c->matcher, root, n);
}

/* A mask that has paused holds numbers that change: it has to begin anew. One that is being made pauses between the pieces, and whoever
 * comes in between may leave the rest to a later one. */
static int collect(struct constraint *c, struct error *err)
{
    int done;
    if (c->making && !c->running)
        constraint_drop_mask(c->making);
    matcher_begin(&c->matcher);
    while ((done = collect_some(c)) == 0)
        matcher_work(&c->matcher, 0);
    if (done < 0)
        return too_deep(c, err);
    memset(c->start, 0, c->grammar->n_entry * sizeof *c->start);
    masks_forget(&c->masks);
    completion_forget(c->completion);
    c->epoch++;
    return 0;
}

static int is_low(const struct constraint *c) { return matcher_low(&c->matcher) || masks_low(&c->masks); }

/* More memory, or less in it. What was live when it began and no longer is at the end goes the next time. */
static int make_space(struct constraint *c, struct error *err)
{
    if (grow(c))
        return 0;
    for (int again = 0; again < 2; again++) {
        if (collect(c, err))
            return -1;
        if (!matcher_low(&c->matcher))
            return 0;
    }
    return too_deep(c, err);
}

int constraint_retry(struct constraint *c, int (*what)(void *arg), void *arg, struct error *err)
{
    struct matcher *m = &c->matcher;
    if (is_low(c) && !c->running)
        grow(c);
    if (c->running && is_low(c) && make_space(c, err))
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
