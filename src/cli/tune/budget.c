/* See budget.h. */
#include "cli/tune/budget.h"

#include <math.h>

/* Tests that warming up is worth: passes over 64 tokens and a prompt (bench/run.c); many passes until a cache is full. */
enum { WARM_TESTS = 4, WARM_TESTS_STREAMED = 16 };
enum { KEPT_LEAST = 4 };
enum { PROOF = 4 };   /* runs that take as long as two digests, as long as none was measured */
enum { FIRST = 4 };   /* probes before a search, of two sizes */
enum { MARGIN = 10 }; /* percent that its runs may take longer than these */

int tune_tokens(int most, int least, int size)
{
    int n = size > 0 ? most >> size : most;
    return n > least ? n : most < least ? most : least;
}

int tune_shortest(int prompt, int answer)
{
    int size = 0;
    while (tune_tokens(prompt, TUNE_PROMPT_LEAST, size) != tune_tokens(prompt, TUNE_PROMPT_LEAST, size + 1) ||
           tune_tokens(answer, TUNE_ANSWER_LEAST, size) != tune_tokens(answer, TUNE_ANSWER_LEAST, size + 1))
        size++;
    return size;
}

double tune_share(int tokens, double seconds, int more_tokens, double more_seconds)
{
    double share = (1 - seconds / more_seconds) / (1 - (double)tokens / more_tokens);
    return fmin(fmax(share, TUNE_SHARE_LEAST), 1);
}

/* Half the tokens may take as long, twice as many take at most twice as long. */
static double run_seconds(const struct tune_cost *c, int size, int streams)
{
    int finer = c->size - (size > 0 ? size : 0);
    if (size == c->size)
        return c->loading + c->measured;
    double test = c->measured * (finer > 0 ? 1 + c->share * (ldexp(1, finer) - 1) : 1);
    if (size == TUNE_WARM)
        test *= 1 + (streams ? WARM_TESTS_STREAMED : WARM_TESTS);
    return c->loading + test;
}

int tune_pairs_left(double run, double seconds)
{
    double pairs = seconds / (2 * run);
    return pairs < 0 ? 0 : (int)fmin(pairs, TUNE_PAIRS_MOST);
}

/* The defaults with themselves, looks at values, and pairs. */
static int runs_of(int pairs, int looks) { return 2 * TUNE_PAIRS_LEAST + looks + 2 * pairs + PROOF; }

int tune_runs_least(int pairs) { return runs_of(pairs, 1); }

int tune_looks_kept(int n) { return n / 2 > KEPT_LEAST ? n / 2 : n < KEPT_LEAST ? n : KEPT_LEAST; }

/* A run of each value, another one of those that are kept, and of what is best before every two of them and at the end. */
static int looks_of(int n_values)
{
    int n = n_values + tune_looks_kept(n_values);
    return n + (n + 1) / TUNE_LOOKS_A_REFERENCE + 1;
}

double tune_probe_most(double seconds) { return seconds / (tune_runs_least(TUNE_PAIRS_LEAST) + 2); }

double tune_seconds_least(double run)
{
    return ceil(run * (tune_runs_least(TUNE_PAIRS_LEAST) + FIRST) * (100 + MARGIN) / 100);
}

/* As many pairs as go. */
static int fit_pairs(struct tune_budget *out, int n_values, double seconds)
{
    while (out->pairs > TUNE_PAIRS_LEAST && out->run * runs_of(out->pairs, looks_of(n_values)) > seconds)
        out->pairs--;
    return out->run * tune_runs_least(out->pairs) <= seconds;
}

int tune_budget_same(struct tune_budget *out, const struct tune_cost *c, int n_values, double seconds)
{
    *out = (struct tune_budget){c->size, TUNE_PAIRS, c->loading + c->measured};
    return fit_pairs(out, n_values, seconds);
}

int tune_budget(struct tune_budget *out, const struct tune_cost *c, int shortest, int n_values, int streams,
                double seconds)
{
    *out = (struct tune_budget){TUNE_WARM, TUNE_PAIRS, 0};
    for (;; out->size++) {
        out->run = run_seconds(c, out->size, streams);
        if (out->size == shortest || out->run * runs_of(out->pairs, looks_of(n_values)) <= seconds)
            break;
    }
    return fit_pairs(out, n_values, seconds);
}
