/* Tools whose schemas together are too much for a compilation: which lenient ones are left out.
 *
 * Each tool is compiled alone, with a share of the work; those that are too much for it, once more with a larger share, and so on, so that
 * light ones are kept whatever stands before them. What is kept takes three quarters of the limits, for it is not exactly as much together
 * as alone; looking for it takes no more than the limit of work once more, beside the strict schemas, which are kept in any case. */
#include "text/answer/tool_grammar_inner.h"

#include <string.h>

enum { LARGER = 4 }; /* shares of the next round */

/* What is kept, and what was spent on looking. */
struct keeping {
    const struct tokenizer *tokenizer;
    const struct token_trie *trie;
    const struct tool_want *want;
    uint64_t work, most_work, spent, most_spent;
    size_t bytes, most_bytes;
};

static int is_asked(const struct tool_want *w, size_t i)
{
    return !w->name || !strcmp(w->name, w->tools->tool[i].name);
}

/* 1: it is kept. 0: it is too much for this share. -1: nobody waits any more, or the system has no memory. */
static int try_to_keep(struct keeping *x, struct compile *again, size_t i, uint64_t share)
{
    uint64_t left = x->work < x->most_work ? x->most_work - x->work : 0;
    struct compile alone = {.most_bytes = x->most_bytes - x->bytes,
                            .most_work = share < left ? share : left,
                            .stopped = again->stopped,
                            .arg = again->arg};
    struct tool_want one = {.format = x->want->format,
                            .tools = x->want->tools,
                            .choice = TOOL_CHOICE_REQUIRED,
                            .name = x->want->tools->tool[i].name,
                            .reasoning = REASONING_CLOSED,
                            .free_limit = x->want->free_limit};
    struct constraint *c = NULL;
    struct error err = {0};
    if (!alone.most_work || !alone.most_bytes)
        return 0;
    tool_make(&c, x->tokenizer, x->trie, &one, NULL, &alone, &err);
    constraint_destroy(c);
    x->spent += alone.work;
    if (alone.end && alone.error.code != ERR_INPUT) {
        again->end = alone.end;
        again->error = alone.error;
        return -1;
    }
    if (alone.end)
        return 0;
    x->bytes += alone.peak_bytes; /* at most most_bytes - bytes */
    x->work += alone.work;
    return 1;
}

int tool_leave_out(struct compile *again, const struct tokenizer *t, const struct token_trie *trie,
                   const struct tool_want *w, uint8_t *left_out)
{
    uint64_t work = again->most_work ? again->most_work : COMPILE_WORK;
    struct keeping x = {.tokenizer = t,
                        .trie = trie,
                        .want = w,
                        .most_work = work / 4 * 3,
                        .most_spent = work,
                        .most_bytes = (again->most_bytes ? again->most_bytes : COMPILE_BYTES) / 4 * 3};
    int n = 0;
    for (size_t i = 0; i < w->tools->n; i++) {
        int strict = w->tools->tool[i].strict,
            kept = is_asked(w, i) && strict ? try_to_keep(&x, again, i, x.most_work) : 1;
        if (kept <= 0)
            return kept;
        left_out[i] = is_asked(w, i) && !strict;
        n += left_out[i];
    }
    x.spent = 0; /* the first round goes through all of them */
    for (uint64_t share = n ? x.most_work / (uint64_t)n : 0; share; share = share < x.most_work ? share * LARGER : 0)
        for (size_t i = 0; i < w->tools->n; i++) {
            if (!left_out[i] || x.spent + share > x.most_spent)
                continue;
            int kept = try_to_keep(&x, again, i, share);
            if (kept < 0)
                return -1;
            left_out[i] = !kept;
            n -= kept;
        }
    return n;
}
