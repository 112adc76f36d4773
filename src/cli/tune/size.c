/* See state.h. The longest runs with which there is time for a search: by runs of the defaults, the shortest first. */
#include "base/clock.h"
#include "cli/tune/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROBES = 16 };             /* a run that takes less of the time is worth it to know */
enum { VALUES_A_COMPARISON = 5 }; /* that take as long as one by pairs */

/* As many values as the search takes time for: each type of keys and values, the old profile, and threads where there are several numbers
 * of them, have a comparison of their own. */
static int n_values(const struct search *s)
{
    int alone = s->n_types + profile_sets(&s->old) + (s->machine.most_threads > 2);
    return s->values.n + VALUES_A_COMPARISON * alone;
}

/* Tokens of a prompt that goes over the end of the largest chunk that is tried, and of the usual one beside it. */
static int proof_tokens(const struct search *s, const struct stoker_plan *p, int prompt)
{
    const char *old = s->old.value[PROFILE_CHUNK];
    int most = tune_is_unseen(old, &s->machine) ? 0 : atoi(old);
    for (int i = 0; i < s->values.n; i++)
        if (s->values.value[i].setting == PROFILE_CHUNK && atoi(s->values.value[i].text) > most)
            most = atoi(s->values.value[i].text);
    if (most == 0)
        return prompt;
    return (most > p->n_chunk ? most : p->n_chunk) + 64;
}

static int set_size(struct search *s, const struct stoker_plan *p, int size)
{
    int prompt = tune_tokens(s->by.prompt, TUNE_PROMPT_LEAST, size);
    s->machine.prompt = prompt;
    s->machine.most_prompt = s->by.prompt;
    tune_list_values(&s->values, &s->machine);
    return measuring_set(&s->by, size, proof_tokens(s, p, prompt));
}

static int tokens_of(const struct search *s, int size)
{
    return tune_tokens(s->by.prompt, TUNE_PROMPT_LEAST, size) + tune_tokens(s->by.answer, TUNE_ANSWER_LEAST, size);
}

static double run_of(const struct tune_cost *c) { return c->loading + c->measured; }

/* A run of the defaults, which is ended after `most` seconds. */
static int probe(const struct search *s, double most, struct tune_cost *out)
{
    struct tune_run run;
    fprintf(stderr, "stoker tune: a run of %s tokens, ends within %.0f s\n", s->by.test, ceil(fmax(most, 0)));
    if (measuring_run(&run, &s->by, "", most))
        return -1;
    *out = (struct tune_cost){s->by.size, run.wall - run.seconds, run.seconds, 1};
    return 0;
}

/* The better of two runs: the first of its size may find nothing in the machine's caches, and take three times as long as the next. */
static int probe_twice(const struct search *s, double most, struct tune_cost *out)
{
    struct tune_cost again;
    if (probe(s, most, out))
        return -1;
    if (run_of(out) > time_left(&s->by) / PROBES || probe(s, fmin(most, time_left(&s->by)), &again))
        return 0;
    if (run_of(&again) < run_of(out))
        *out = again;
    return 0;
}

static int probe_first(const struct search *s, struct tune_cost *out)
{
    if (probe_twice(s, time_left(&s->by), out) == 0)
        return 0;
    if (time_left(&s->by) <= 0)
        fprintf(stderr, "stoker tune: --seconds %g are over before the first run has ended; give more\n",
                s->of->seconds);
    return -1;
}

/* What would have been enough. */
static int too_little(const struct search *s, const struct tune_cost *c)
{
    fprintf(
        stderr,
        "stoker tune: a run of %s tokens takes %.1f s, so that --seconds %g are not enough to compare anything; give "
        "%.0f or more\n",
        s->by.test, run_of(c), s->of->seconds, tune_seconds_least(run_of(c)));
    return -1;
}

static int fits(struct search *s, const struct tune_cost *c, int shortest)
{
    return tune_budget(&s->budget, c, shortest, n_values(s), s->machine.streams, time_left(&s->by));
}

/* A longer run than the one before. 0: there is no time for runs like it; -1: it failed. */
static int measure_longer(struct search *s, const struct stoker_plan *p, int size, int shortest,
                          const struct tune_cost *before, struct tune_cost *out)
{
    double most = tune_probe_most(time_left(&s->by)), until = clock_seconds() + most;
    if (set_size(s, p, size))
        return -1;
    if (probe_twice(s, most, out))
        return clock_seconds() < until ? -1 : 0;
    if (size >= 0)
        out->share = tune_share(tokens_of(s, before->size), before->measured, tokens_of(s, size), out->measured);
    return fits(s, out, shortest);
}

/* 0: there is no time for a longer one. */
static int longer_size(const struct search *s, int size, int is_first, int *next)
{
    *next = s->budget.size == TUNE_WARM && size > 0 ? 0 : s->budget.size;
    if (*next >= size && is_first && size > 0 && s->budget.run < tune_probe_most(time_left(&s->by)))
        *next = size - 1;
    return *next < size;
}

/* From the shortest run on, a longer one as long as there is time for it, or as it is not known whether longer ones take longer; where one
 * takes too long, the one before it. */
static int choose_size(struct search *s, const struct stoker_plan *p)
{
    int shortest = tune_shortest(s->by.prompt, s->by.answer), size = shortest, next;
    struct tune_cost cost, longer;
    if (set_size(s, p, size) || probe_first(s, &cost))
        return -1;
    if (!fits(s, &cost, shortest))
        return too_little(s, &cost);
    for (; longer_size(s, size, size == shortest, &next); size = next, cost = longer) {
        int how = measure_longer(s, p, next, shortest, &cost, &longer);
        if (how > 0 && s->budget.size <= next)
            continue;
        if (how > 0 && s->budget.size < size)
            return set_size(s, p, s->budget.size);
        if (how < 0 || set_size(s, p, size))
            return -1;
        return tune_budget_same(&s->budget, &cost, n_values(s), time_left(&s->by)) ? 0 : too_little(s, &cost);
    }
    return 0;
}

int tune_choose_runs(struct search *s, const struct stoker_plan *p)
{
    if (choose_size(s, p))
        return -1;
    s->best.basis = (struct profile_basis){.pairs = s->budget.pairs, .tokens = tokens_of(s, s->budget.size)};
    fprintf(stderr, "stoker tune: runs of %s tokens%s, some %.1f s each; what seems faster is compared by %d pairs\n",
            s->by.test, s->budget.size == TUNE_WARM ? ", warmed up" : "", s->budget.run, s->budget.pairs);
    return 0;
}
