/* How large the measurements of stoker tune may be, so that a search ends in its time: the tokens of a run, whether it warms up, and
 * how many pairs a value takes. A run of a slow model is short and cold, and there are fewer; that of a fast one is long, and warm. */
#ifndef CLI_TUNE_BUDGET_H
#define CLI_TUNE_BUDGET_H

/* Pairs that judge what seems faster: as many as a search is to have time for, the least, and the most that it takes. The defaults are
 * compared with themselves by the least. */
enum { TUNE_PAIRS = 5, TUNE_PAIRS_LEAST = 3, TUNE_PAIRS_MOST = 12 };

/* Looks at values, between two runs of what is best. Of n values that were looked at so many are looked at again. */
enum { TUNE_LOOKS_A_REFERENCE = 2 };
int tune_looks_kept(int n);

/* Sizes of runs: the smaller the number, the longer. Each has half the tokens of the one before, the least at least; -1 has those of 0,
 * and warms up before. */
enum { TUNE_WARM = -1, TUNE_PROMPT_LEAST = 16, TUNE_ANSWER_LEAST = 8 };
int tune_tokens(int most, int least, int size); /* of a run of this size, of which the longest has most */
int tune_shortest(int prompt, int answer);      /* the size from which runs are not shorter any more */

/* What a run took. */
struct tune_cost {
    int size;
    double loading, measured; /* seconds that were not of the test, and those of the test */
    double share; /* of the measured ones, what grows with tokens: tune_share(), and 1 where nothing is known */
};

/* What two runs of so many tokens in so many seconds, the second one of more tokens, tell of the second's seconds. Where experts stream,
 * the first tokens already read nearly all of them, so that a longer prompt takes little more. TUNE_SHARE_LEAST at least. */
#define TUNE_SHARE_LEAST 0.25
double tune_share(int tokens, double seconds, int more_tokens, double more_seconds);

struct tune_budget {
    int size, pairs;
    double run; /* seconds that such a run takes at most, by what another one took */
};

/* The longest runs with which n_values values can be looked at in so many seconds, and what seems faster compared by TUNE_PAIRS; else the
 * shortest runs, and as many pairs as go. shortest: the largest size. streams: warming up takes many tokens. 0: not even TUNE_PAIRS_LEAST
 * pairs of the defaults and of one value. */
int tune_budget(struct tune_budget *out, const struct tune_cost *c, int shortest, int n_values, int streams,
                double seconds);

/* The same for runs of the size that was measured, and no other: as many pairs as go. */
int tune_budget_same(struct tune_budget *out, const struct tune_cost *c, int n_values, double seconds);

/* Pairs of runs of so many seconds, TUNE_PAIRS_MOST at most, that there is time for. */
int tune_pairs_left(double run, double seconds);

/* Runs of the least search: the defaults with themselves, and one value. */
int tune_runs_least(int pairs);

/* Seconds that a probe may take of those that are left: behind two longer ones there would be no time for runs like them. Where the run
 * before took no more than that, there is still time for runs like that one. */
double tune_probe_most(double seconds);

/* Whole seconds that are enough to compare something, by what the shortest run took. */
double tune_seconds_least(double run);

#endif
