/* Tools whose schemas together are too much for a compilation: which lenient ones are left out.
 *
 * Each schema is compiled alone, with a share of the work; those that are too much for it, once more with a larger share, and so on, so
 * that light ones are kept whatever stands before them. What is kept takes half of the limits, for there is more to compile than the
 * schemas; looking for it takes no more than the limit of work once more. Strict schemas are kept in any case. */
#include "text/answer/tool_grammar_inner.h"

#include <string.h>

enum { LARGER = 4 }; /* shares of the next round */

/* What the schemas that are kept need, and what was spent on looking. */
struct keeping {
    uint64_t work, most_work, spent, most_spent;
    size_t bytes, most_bytes;
};

static int is_asked(const struct tool_want *w, size_t i)
{
    return !w->name || !strcmp(w->name, w->tools->tool[i].name);
}

/* The arguments of one tool, alone. Returns the memory that they add to a compilation; 0: they are too much. */
static size_t compile_alone(struct compile *c, const struct tokenizer *t, const struct tool_want *w, size_t i)
{
    struct tool_want one = *w;
    struct error err = {0};
    struct grammar *g = NULL;
    one.name = w->tools->tool[i].name;
    struct tool_maker *k = tool_maker_begin(c, t, &one, &err);
    int failed = !k || tool_open_schemas(k);
    size_t bytes = c->bytes;
    if (!failed) {
        struct grammar_maker *m = k->maker;
        k->maker = NULL;
        failed = grammar_finish(m, &k->tool[0].arguments, 1, &g, &err);
        bytes += failed ? 0 : grammar_bytes(g);
        grammar_free(g);
    }
    tool_maker_free(k);
    return c->end ? 0 : bytes;
}

/* 1: it is kept. 0: it is too much for this share. -1: nobody waits any more, or the system has no memory. */
static int try_to_keep(struct keeping *x, struct compile *again, const struct tokenizer *t, const struct tool_want *w,
                       size_t i, uint64_t share)
{
    struct compile alone = {.most_bytes = x->most_bytes, .stopped = again->stopped, .arg = again->arg};
    uint64_t left = x->work < x->most_work ? x->most_work - x->work : 0;
    alone.most_work = share < left ? share : left;
    if (!alone.most_work)
        return 0;
    size_t bytes = compile_alone(&alone, t, w, i);
    x->spent += alone.work;
    if (alone.end && alone.error.code != ERR_INPUT) {
        again->end = alone.end;
        again->error = alone.error;
        return -1;
    }
    if (!bytes || bytes > x->most_bytes - x->bytes)
        return 0;
    x->bytes += bytes;
    x->work += alone.work;
    return 1;
}

int tool_leave_out(struct compile *again, const struct tokenizer *t, const struct tool_want *w, uint8_t *left_out)
{
    uint64_t work = again->most_work ? again->most_work : COMPILE_WORK;
    struct keeping x = {.most_work = work / 2,
                        .most_spent = work,
                        .most_bytes = (again->most_bytes ? again->most_bytes : COMPILE_BYTES) / 2};
    int n = 0;
    for (size_t i = 0; i < w->tools->n; i++) {
        int strict = w->tools->tool[i].strict,
            kept = is_asked(w, i) && strict ? try_to_keep(&x, again, t, w, i, x.most_work) : 1;
        if (kept <= 0)
            return kept;
        left_out[i] = is_asked(w, i) && !strict;
        n += left_out[i];
    }
    for (uint64_t share = n ? x.most_work / (uint64_t)n : 0; share; share = share < x.most_work ? share * LARGER : 0)
        for (size_t i = 0; i < w->tools->n; i++) {
            if (!left_out[i] || x.spent + share > x.most_spent)
                continue;
            int kept = try_to_keep(&x, again, t, w, i, share);
            if (kept < 0)
                return -1;
            left_out[i] = !kept;
            n -= kept;
        }
    return n;
}
