/* See state.h. A run of a value beside the last runs of what is best is half of what a pair takes, and enough to leave out what is no
 * faster; what is left is judged by pairs (search.c), so that no value is taken for one lucky run. */
#include "cli/tune/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS = 2, RUNS_A_REFERENCE = 3 };

struct look {
    double sum; /* of the ratios to what is best */
    int n, is_out;
};

void tune_add_reference(struct search *s, double seconds)
{
    s->reference[s->n_reference++ % TUNE_REFERENCES] = seconds;
}

static double reference(const struct search *s)
{
    int n = s->n_reference < TUNE_REFERENCES ? s->n_reference : TUNE_REFERENCES;
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += s->reference[i];
    return sum / n;
}

/* 1: one thread, which waits for no other. */
static int is_alone(const struct search *s)
{
    const char *threads = s->best.value[PROFILE_THREADS];
    return (*threads ? atoi(threads) : s->machine.n_threads) == 1;
}

/* 1: there is something to measure. */
static int differs(const struct search *s, const struct tune_value *v)
{
    return strcmp(s->best.value[v->setting], v->text) != 0 && (v->setting != PROFILE_SPIN || !is_alone(s));
}

static enum series_end look_again_at_best(struct search *s)
{
    char words[TUNE_WORDS_MOST];
    double seconds;
    struct series_rule r = {"what is best", 0, s->budget.run, tune_behind_looks(s), 0, 0};
    tune_words(words, &s->best, -1, "");
    enum series_end how = series_run(&seconds, &s->by, &r, words);
    if (how == SERIES_WHOLE)
        tune_add_reference(s, seconds);
    return how;
}

/* Only that the time is over ends the search. */
static enum series_end look_at(struct search *s, const struct tune_value *v, struct look *of)
{
    char words[TUNE_WORDS_MOST], what[TUNE_NAME_MOST];
    double seconds;
    struct series_rule r = {what, 0, s->budget.run, tune_behind_looks(s), 0, 0};
    tune_name_value(what, &s->best, v);
    tune_words(words, &s->best, v->setting, v->text);
    enum series_end how = series_run(&seconds, &s->by, &r, words);
    if (how == SERIES_LATE)
        return how;
    s->best.basis.values += of->n == 0 && how == SERIES_WHOLE;
    if (how == SERIES_WHOLE && of->n == 0 && seconds > s->slowest)
        how = SERIES_SLOW;
    of->is_out = how != SERIES_WHOLE;
    if (of->is_out) {
        tune_note(s, what, series_why_not(how));
    } else {
        of->sum += seconds / reference(s);
        of->n++;
    }
    return how;
}

static void judge(struct search *s, const struct tune_value *v, const struct look *of)
{
    char what[TUNE_NAME_MOST], how[64];
    double ratio = of->sum / of->n;
    tune_name_value(what, &s->best, v);
    int seems = tune_promising_add(&s->promising, v, ratio);
    snprintf(how, sizeof how, "%s, %.3f of the time in %d run%s", seems ? "seems faster" : "left out", ratio, of->n,
             of->n > 1 ? "s" : "");
    tune_note(s, what, how);
}

/* 1: there is a look to take at it. */
static int goes_on(const struct search *s, const struct tune_value *v, const struct look *of, int look, int threads)
{
    if ((v->setting == PROFILE_THREADS) != threads || of->is_out || !differs(s, v))
        return 0;
    return of->n == look && (look == 0 || of->sum < of->n);
}

void tune_screen(struct search *s, int from, int threads)
{
    struct look looks[TUNE_VALUES_MOST] = {0};
    enum series_end how = SERIES_WHOLE;
    if (!threads && is_alone(s))
        tune_note(s, "--spin", "not measured: one thread waits for no other");
    for (int look = 0, n_runs = 0; look < LOOKS; look++)
        for (int i = from; i < s->values.n && how != SERIES_LATE; i++) {
            if (!goes_on(s, &s->values.value[i], &looks[i], look, threads))
                continue;
            if (++n_runs % RUNS_A_REFERENCE == 0)
                how = look_again_at_best(s);
            if (how != SERIES_LATE)
                how = look_at(s, &s->values.value[i], &looks[i]);
        }
    for (int i = from; i < s->values.n; i++)
        if (looks[i].n > 0 && !looks[i].is_out)
            judge(s, &s->values.value[i], &looks[i]);
    s->is_cut |= how == SERIES_LATE;
}
