/* See state.h. Two looks lie between two runs of what is best, and are compared with these two, so that a machine that is slower for a
 * while makes nothing seem slower. Each round looks at the fastest of the round before: successive halving (Jamieson and Talwalkar,
 * "Non-stochastic best arm identification and hyperparameter optimization", 2016). What is left is judged by pairs (search.c), so that no
 * value is taken for a few lucky runs. */
#include "cli/tune/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The planned rounds leave the time of the pairs that are planned; those behind them only take what as many pairs as may be leave. */
enum { ROUNDS = 4, PLANNED = 2 };

struct look {
    double sum;     /* of the ratios to what is best */
    double seconds; /* of a run that no run of what is best is behind yet; 0: there is none */
    int n, is_out;
};

struct screen {
    struct search *s;
    struct look look[TUNE_VALUES_MOST];
    double behind; /* seconds that this round leaves */
    int from, threads;
};

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

/* The looks of before are compared, and those that follow with this run. */
static enum series_end look_at_best(struct screen *c)
{
    struct search *s = c->s;
    char words[TUNE_WORDS_MOST];
    double before = s->reference, now;
    struct series_rule r = {"what is best", 0, s->budget.run, c->behind, 1, 0};
    tune_words(words, &s->best, -1, "");
    enum series_end how = series_run(&now, &s->by, &r, words);
    if (how == SERIES_WHOLE)
        s->reference = now;
    for (int i = c->from; i < s->values.n; i++)
        if (c->look[i].seconds > 0) {
            c->look[i].sum += c->look[i].seconds / ((before + s->reference) / 2);
            c->look[i].seconds = 0;
            c->look[i].n++;
        }
    return how;
}

/* Only that the time is over ends the search. */
static enum series_end look_at(struct screen *c, int i)
{
    struct search *s = c->s;
    const struct tune_value *v = &s->values.value[i];
    struct look *of = &c->look[i];
    char words[TUNE_WORDS_MOST], what[TUNE_NAME_MOST];
    struct series_rule r = {what, 0, s->budget.run, c->behind, 1, 0};
    tune_name_value(what, &s->best, v);
    tune_words(words, &s->best, v->setting, v->text);
    enum series_end how = series_run(&of->seconds, &s->by, &r, words);
    if (how == SERIES_WHOLE) {
        s->best.basis.values += of->n == 0;
    } else {
        of->seconds = 0;
        if (how != SERIES_LATE) {
            of->is_out = 1;
            tune_note(s, what, series_why_not(how));
        }
    }
    return how;
}

/* A round: at each of these. */
static enum series_end look_at_each(struct screen *c, const int *value, int n)
{
    enum series_end how = SERIES_WHOLE;
    int waiting = 0;
    for (int i = 0; i < n && how != SERIES_LATE; i++) {
        how = look_at(c, value[i]);
        waiting += c->look[value[i]].seconds > 0;
        if (waiting == TUNE_LOOKS_A_REFERENCE && how != SERIES_LATE) {
            how = look_at_best(c);
            waiting = 0;
        }
    }
    if (waiting > 0)
        how = look_at_best(c);
    return how;
}

static double ratio_of(const struct look *l) { return l->sum / l->n; }

/* Of those that this round has looked at, how many were faster than this one. */
static int n_faster(const struct screen *c, const int *value, int n, const struct look *of)
{
    int faster = 0;
    for (int i = 0; i < n; i++) {
        const struct look *other = &c->look[value[i]];
        faster += !other->is_out && other->n == of->n && other->sum < of->sum;
    }
    return faster;
}

/* What the next round looks at, in the order of values, and how many they are: the fastest; behind the planned rounds they must have been
 * faster than what is best. */
static int keep(const struct screen *c, int *value, int n, int round)
{
    int kept[TUNE_VALUES_MOST], n_kept = 0, most = tune_looks_kept(n);
    for (int i = 0; i < n; i++) {
        const struct look *of = &c->look[value[i]];
        if (!of->is_out && of->n == round && n_faster(c, value, n, of) < most && (round < PLANNED || of->sum < of->n))
            kept[n_kept++] = value[i];
    }
    memcpy(value, kept, (size_t)n_kept * sizeof *kept);
    return n_kept;
}

static void judge(struct screen *c, int i)
{
    struct search *s = c->s;
    const struct look *of = &c->look[i];
    char what[TUNE_NAME_MOST], how[64];
    tune_name_value(what, &s->best, &s->values.value[i]);
    int seems = tune_promising_add(&s->promising, &s->values.value[i], ratio_of(of));
    snprintf(how, sizeof how, "%s, %.3f of the time in %d run%s", seems ? "seems faster" : "left out", ratio_of(of),
             of->n, of->n > 1 ? "s" : "");
    tune_note(s, what, how);
}

static int list(const struct screen *c, int *value)
{
    int n = 0;
    for (int i = c->from; i < c->s->values.n; i++) {
        const struct tune_value *v = &c->s->values.value[i];
        if ((v->setting == PROFILE_THREADS) == c->threads && differs(c->s, v))
            value[n++] = i;
    }
    return n;
}

void tune_screen(struct search *s, int from, int threads)
{
    struct screen c = {.s = s, .from = from, .threads = threads};
    const int rounds = threads ? PLANNED : ROUNDS; /* all else is behind threads */
    enum series_end how = SERIES_WHOLE;
    int value[TUNE_VALUES_MOST], n = list(&c, value);
    if (!threads && is_alone(s))
        tune_note(s, "--spin", "not measured: one thread waits for no other");
    for (int round = 0; round < rounds && n > 0 && how != SERIES_LATE; round++) {
        c.behind = tune_behind_looks(s, round < PLANNED ? s->budget.pairs : TUNE_PAIRS_MOST);
        if (round == 0 && time_left(&s->by) > c.behind + 2 * s->budget.run) /* that of before may be long ago */
            look_at_best(&c);
        how = look_at_each(&c, value, n);
        s->is_cut |= round < PLANNED && how == SERIES_LATE;
        n = keep(&c, value, n, round + 1);
    }
    for (int i = from; i < s->values.n; i++)
        if (c.look[i].n > 0 && !c.look[i].is_out)
            judge(&c, i);
}
