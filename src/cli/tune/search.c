/* See search.h. A side is a command line of bench; A is the best so far, B has other values. */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "cli/common/cli.h"
#include "cli/tune/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPT_MOST = 2048, ANSWER_MOST = 32 };
enum { TYPES = 2 };

#define PROOF_MARGIN 1.2 /* one digest may take so much longer than another */

static const char *const types[TYPES] = {"q8_0", "f32"}; /* beside the default one */

/* ---- words ------------------------------------------------------------------------------------------------------------------ */

void tune_words(char out[TUNE_WORDS_MOST], const struct profile *p, int setting, const char *value)
{
    size_t n = 0;
    *out = 0;
    for (int i = 0; i < PROFILE_SETTINGS; i++) {
        const char *v = i == setting ? value : p->value[i];
        if (*v)
            n += (size_t)snprintf(out + n, TUNE_WORDS_MOST - n, "--%s %s ", profile_setting[i], v);
    }
}

void tune_name_value(char out[TUNE_NAME_MOST], const struct profile *best, const struct tune_value *v)
{
    snprintf(out, TUNE_NAME_MOST, "%s--%s %s", *v->text ? "" : "without ", profile_setting[v->setting],
             *v->text ? v->text : best->value[v->setting]);
}

void tune_note(struct search *s, const char *what, const char *how)
{
    size_t n = strlen(s->note);
    fprintf(stderr, "stoker tune: %s: %s\n", what, how);
    snprintf(s->note + n, sizeof s->note - n, "# %.200s: %.100s\n", what, how);
    if (!strchr(s->note + n, '\n')) /* cut: a comment must end */
        s->note[n] = 0;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------------ */

static int judge(const struct series *m, struct eval_pairs *out)
{
    struct error err = {0};
    if (eval_pairs(out, m->x, m->y, (size_t)m->n, &err) == 0)
        return 0;
    fprintf(stderr, "stoker tune: %s\n", err.text);
    return -1;
}

/* How far runs differ here for no reason. */
static int measure_defaults(struct search *s)
{
    struct series m;
    struct series_rule r = {"the defaults with themselves", TUNE_PAIRS_LEAST, s->budget.run, 0, 0, 0};
    enum series_end how = series_measure(&m, &s->by, &r, "", "");
    if (how != SERIES_WHOLE) {
        fprintf(stderr,
                how == SERIES_LATE ? "stoker tune: --seconds are over before the defaults are measured; give more\n"
                : how == SERIES_VOID
                    ? "stoker tune: too many pairs were void; try when the machine is quieter, or give --steal\n"
                    : "stoker tune: the defaults cannot be measured here: look above\n");
        return -1;
    }
    s->budget.run = m.longest;
    s->spread = 1;
    s->reference = (m.x[m.n - 1] + m.y[m.n - 1]) / 2;
    for (int i = 0; i < m.n; i++)
        s->spread = fmin(s->spread, fmin(m.x[i] / m.y[i], m.y[i] / m.x[i]));
    return 0;
}

/* What the defaults answer. Proving that something faster answers the same takes as long again, much longer than a run where its prompt has
 * to go over the end of a large chunk: pairs must leave that time, or what they show is lost. */
static void digest_defaults(struct search *s)
{
    double begun = clock_seconds();
    fprintf(stderr, "stoker tune: what the defaults answer, ends within %.0f s\n", fmax(time_left(&s->by), 0));
    s->digest = measuring_digest(&s->by, "");
    s->proof = PROOF_MARGIN * (clock_seconds() - begun);
}

/* ---- what is faster --------------------------------------------------------------------------------------------------------- */

static int save(const struct search *s)
{
    if (profile_write(s->path, &s->key, &s->best, s->note))
        return -1;
    fprintf(stderr, "stoker tune: profile %s\n", s->path);
    return 0;
}

/* Of few pairs all must be faster than the defaults ever were than themselves: 3 and 3 without a difference do that once in 20. Of more
 * pairs, which go by turns, no bias of one side is assumed: three of the defaults with themselves all lie on one side of 1 once in four
 * times, which would tell nothing of the machine. */
static enum eval_verdict verdict_of(const struct search *s, const struct series *m, const struct eval_pairs *ab)
{
    static const struct eval_pairs even = {.ratio = 1, .low = 1, .high = 1};
    if (m->n >= EVAL_PAIRS_LEAST)
        return eval_pairs_verdict(ab, &even);
    return ab->high < s->spread && ab->ratio < 1 - EVAL_PAIRS_EFFECT ? EVAL_FASTER : EVAL_NO_DIFFERENCE;
}

/* Why words that are faster are not taken: they answer otherwise, or nobody knows how. NULL: they answer as the defaults do. */
static const char *why_not_same(struct search *s, const char *words)
{
    if (!s->digest)
        return "left out: what the defaults answer is not known, since the run that tells it failed";
    char *digest = measuring_digest(&s->by, words);
    const char *why = !digest ? "left out: what it answers is not known, since the run that tells it failed"
                      : strcmp(digest, s->digest) != 0 ? "left out: it answers otherwise"
                                                       : NULL;
    free(digest);
    return why;
}

enum tried { TRIED_FASTER, TRIED_NOT_FASTER, TRIED_OTHERWISE, TRIED_VOID, TRIED_LATE, TRIED_FAILED };

/* What pairs have shown. */
struct shown {
    struct series m;
    double ratio;  /* 0: nothing, which was said */
    char how[100]; /* in words */
};

/* Pairs of words b and words a; where the time is over, those that there are, if they are as many as were planned at least. LATE: nothing
 * is known; FAILED: after a sentence on stderr. */
static enum tried compare(struct search *s, const struct series_rule *r, const char *a, const char *b,
                          struct shown *out)
{
    struct eval_pairs ab;
    *out = (struct shown){0};
    enum series_end end = series_measure(&out->m, &s->by, r, a, b);
    if (end == SERIES_LATE && out->m.n < s->budget.pairs)
        return TRIED_LATE;
    if (end == SERIES_LATE)
        end = SERIES_WHOLE;
    if (end != SERIES_WHOLE && end != SERIES_HOPELESS) {
        tune_note(s, r->what, series_why_not(end));
        return end == SERIES_VOID ? TRIED_VOID : TRIED_NOT_FASTER;
    }
    if (judge(&out->m, &ab))
        return TRIED_FAILED;
    out->ratio = ab.ratio;
    if (end == SERIES_HOPELESS) {
        snprintf(out->how, sizeof out->how, "%s, %.3f of the time in %d", series_why_not(end), ab.ratio, out->m.n);
        return TRIED_NOT_FASTER;
    }
    enum eval_verdict verdict = verdict_of(s, &out->m, &ab);
    snprintf(out->how, sizeof out->how, "%s, %.3f of the time [%.3f, %.3f] of %d pairs", eval_verdict_name(verdict),
             ab.ratio, ab.low, ab.high, out->m.n);
    return verdict == EVAL_FASTER ? TRIED_FASTER : TRIED_NOT_FASTER;
}

static double types_seconds(const struct search *s) { return s->n_types * 2 * s->budget.pairs * s->budget.run; }

double tune_behind_looks(const struct search *s, int pairs)
{
    return 2 * pairs * s->budget.run + s->proof + types_seconds(s);
}

/* The same of words b that must answer as the defaults do. */
static enum tried try_words(struct search *s, const char *what, int pairs, const char *a, const char *b,
                            struct shown *out)
{
    int few = pairs < EVAL_PAIRS_LEAST;
    struct series_rule r = {what, pairs, s->budget.run, types_seconds(s) + s->proof, 1, few ? s->spread : 1};
    enum tried tried = compare(s, &r, a, b, out);
    const char *why = tried == TRIED_FASTER ? why_not_same(s, b) : NULL;
    if (why && time_left(&s->by) <= types_seconds(s))
        return TRIED_LATE;
    if (out->ratio > 0)
        tune_note(s, what, why ? why : out->how);
    return why ? TRIED_OTHERWISE : tried;
}

/* *now is what is best. -1: the profile cannot be written. */
static int take(struct search *s, const struct profile *now, const struct shown *shown)
{
    memcpy(s->best.value, now->value, sizeof now->value);
    s->best.basis.pairs = shown->m.n;
    s->reference = shown->m.y[shown->m.n - 1];
    return save(s);
}

/* All values of the old profile at once, against the defaults; when that is judged, it is replaced. */
static int try_old(struct search *s)
{
    char words[TUNE_WORDS_MOST], what[TUNE_WORDS_MOST + 20];
    struct shown shown;
    struct profile *old = &s->old;
    if (tune_is_unseen(old->value[PROFILE_CHUNK], &s->machine)) {
        tune_note(s, "--chunk of the old profile", "left out: the prompts of runs are too short for it");
        *old->value[PROFILE_CHUNK] = 0;
    }
    if (!profile_sets(old))
        return 0;
    tune_words(words, old, -1, "");
    snprintf(what, sizeof what, "%sof the old profile", words);
    enum tried how = try_words(s, what, s->budget.pairs, "", words, &shown);
    if (how == TRIED_LATE || how == TRIED_VOID)
        fprintf(stderr, "stoker tune: profile %s is left as it was: %s\n", s->path,
                how == TRIED_LATE ? "--seconds are over before its values are measured; give more"
                                  : "too many pairs of it were void; try when the machine is quieter, or give --steal");
    if (how == TRIED_LATE || how == TRIED_VOID || how == TRIED_FAILED)
        return -1;
    return how == TRIED_FASTER ? take(s, old, &shown) : save(s);
}

/* In the order of settings. */
static void name_together(char out[TUNE_WORDS_MOST], const struct search *s)
{
    char name[TUNE_NAME_MOST];
    size_t n = 0;
    *out = 0;
    for (int setting = 0; setting < PROFILE_SETTINGS; setting++)
        for (int i = 0; i < s->promising.n; i++) {
            const struct tune_value *v = &s->promising.of[i].value;
            if (v->setting != setting)
                continue;
            tune_name_value(name, &s->best, v);
            n += (size_t)snprintf(out + n, TUNE_WORDS_MOST - n, "%s%s", n > 0 ? " " : "", name);
        }
}

/* Forgets values that answer otherwise by themselves, as far as there is time to know. Returns how many. */
static int drop_otherwise(struct search *s)
{
    char words[TUNE_WORDS_MOST], name[TUNE_NAME_MOST];
    int before = s->promising.n;
    for (int i = before - 1; i >= 0 && time_left(&s->by) > 0; i--) {
        const struct tune_value *v = &s->promising.of[i].value;
        tune_words(words, &s->best, v->setting, v->text);
        const char *why = why_not_same(s, words);
        if (why && time_left(&s->by) > 0) {
            tune_name_value(name, &s->best, v);
            tune_note(s, name, why);
            tune_promising_drop(&s->promising, i);
        }
    }
    return before - s->promising.n;
}

/* As many pairs as there is time for; of threads no more than are planned, for all else is behind them. */
static int pairs_left(const struct search *s, int threads)
{
    int pairs = tune_pairs_left(s->budget.run, time_left(&s->by) - types_seconds(s) - s->proof);
    return threads && pairs > s->budget.pairs ? s->budget.pairs : pairs;
}

/* What seems faster, at once. LATE: after a sentence. */
static enum tried try_promising(struct search *s, int threads)
{
    char a[TUNE_WORDS_MOST], b[TUNE_WORDS_MOST], what[TUNE_WORDS_MOST];
    struct shown shown;
    struct profile all = s->best;
    int pairs = pairs_left(s, threads);
    tune_promising_set(&s->promising, &all);
    name_together(what, s);
    tune_words(a, &s->best, -1, "");
    tune_words(b, &all, -1, "");
    enum tried tried = pairs < TUNE_PAIRS_LEAST ? TRIED_LATE : try_words(s, what, pairs, a, b, &shown);
    if (tried == TRIED_LATE)
        tune_note(s, what, "not compared, time is over");
    if (tried == TRIED_FASTER && take(s, &all, &shown))
        tried = TRIED_FAILED;
    return tried;
}

static int is_end(enum tried tried) { return tried == TRIED_FASTER || tried == TRIED_LATE || tried == TRIED_FAILED; }

/* Of what is not faster at once: what answers otherwise is forgotten, or else what seems the least faster is left for later, where it is
 * tried by itself; one that was by itself is forgotten. */
static void leave_out(struct search *s, enum tried tried, struct tune_promising *later)
{
    int last = s->promising.n - 1;
    if (last == 0)
        tune_promising_drop(&s->promising, last);
    else if (tried != TRIED_OTHERWISE || drop_otherwise(s) == 0)
        tune_promising_move(&s->promising, last, later);
    if (s->promising.n == 0 && later->n > 0)
        tune_promising_move(later, 0, &s->promising);
}

/* What seemed faster beside what was best then, and was compared neither at once with what is taken now nor by itself. */
static void note_left(struct search *s, const struct profile *best, const struct tune_promising *left, const char *how)
{
    char what[TUNE_NAME_MOST];
    for (int i = 0; i < left->n; i++) {
        tune_name_value(what, best, &left->of[i].value);
        tune_note(s, what, how);
    }
}

/* What seems faster, the fastest of each setting at once; then without the value that seems least so, and so on; then those that were left
 * for later, each by itself, for one that was lucky may have hidden them. Until something is faster, and as long as there is time. -1:
 * after a sentence on stderr. */
static int try_together(struct search *s, int threads)
{
    struct tune_promising later = {0};
    struct profile best = s->best;
    enum tried tried = TRIED_NOT_FASTER;
    tune_promising_part(&s->promising, &later);
    while (s->promising.n > 0 && !is_end(tried = try_promising(s, threads)))
        leave_out(s, tried, &later);
    s->promising.n = 0;
    s->is_cut |= tried == TRIED_LATE;
    if (tried == TRIED_FAILED)
        return -1;
    note_left(s, &best, &later,
              tried == TRIED_LATE ? "not compared by itself, time is over"
                                  : "not compared by itself, for something else was taken");
    return 0;
}

/* As try_together(). What looks have shown is kept before pairs begin. */
static int try_settings(struct search *s, int from, int threads)
{
    tune_screen(s, from, threads);
    return save(s) ? -1 : try_together(s, threads);
}

/* Threads first, those beside a number that was taken too: what else is best depends on them. */
static int try_values(struct search *s)
{
    char before[PROFILE_VALUE], *now = s->best.value[PROFILE_THREADS];
    int n = s->values.n;
    memcpy(before, now, sizeof before);
    if (try_settings(s, 0, 1))
        return -1;
    if (*now && strcmp(now, before) != 0)
        tune_add_beside(&s->values, &s->machine, atoi(now));
    if (s->values.n > n && try_settings(s, n, 1))
        return -1;
    return try_settings(s, 0, 0);
}

/* ---- types of keys and values ----------------------------------------------------------------------------------------------- */

/* 1: a type of keys and values is tried. */
static int is_asked(const struct search *s, const char *type)
{
    return s->of->kv && (strcmp(s->of->kv, type) == 0 || strcmp(s->of->kv, "both") == 0);
}

/* A type of keys and values, by all pairs, whatever they show: for this a person has asked. The fastest one is taken, each against what is
 * best without; least: its ratio so far. 1: go on; 0: the time is over; -1: after a sentence on stderr. */
static int try_type(struct search *s, const char *type, double *least)
{
    char a[TUNE_WORDS_MOST], b[TUNE_WORDS_MOST], what[64], how[160];
    struct shown shown;
    struct series_rule r = {what, s->budget.pairs, s->budget.run, 0, 1, 0};
    tune_words(a, &s->best, PROFILE_KV, "");
    tune_words(b, &s->best, PROFILE_KV, type);
    snprintf(what, sizeof what, "--kv %s", type);
    enum tried tried = compare(s, &r, a, b, &shown);
    if (shown.ratio > 0) {
        snprintf(how, sizeof how, "%s; answers change with it", shown.how);
        tune_note(s, what, how);
    }
    if (tried != TRIED_FASTER || shown.ratio >= *least)
        return tried == TRIED_LATE ? 0 : tried == TRIED_FAILED ? -1 : 1;
    *least = shown.ratio;
    snprintf(s->best.value[PROFILE_KV], sizeof s->best.value[PROFILE_KV], "%s", type);
    fprintf(stderr, "stoker tune: the profile has --kv %s, because --try-kv asks for it: it changes answers\n", type);
    return save(s) ? -1 : 1;
}

/* A person has asked for it: that nothing is known of it must be said. */
static void note_late(struct search *s, const char *type)
{
    char what[64];
    snprintf(what, sizeof what, "--kv %s", type);
    tune_note(s, what, "not measured, time is over");
}

static int try_all(struct search *s)
{
    double least = 1;
    int more = 1;
    if (try_values(s))
        return -1;
    for (int i = 0; i < TYPES && more >= 0; i++) {
        more = is_asked(s, types[i]) && more > 0 ? try_type(s, types[i], &least) : more;
        if (is_asked(s, types[i]) && more == 0)
            note_late(s, types[i]);
    }
    if (more < 0)
        return -1;
    s->is_cut |= more == 0;
    if (!s->machine.streams)
        tune_note(s, "readers and their depth", "not measured: the whole model fits in memory");
    if (s->is_cut)
        tune_note(s, "--seconds", "over before everything was tried");
    if (!profile_sets(&s->best))
        fprintf(stderr, "stoker tune: nothing was shown to be faster than the defaults, which stay\n");
    return save(s);
}

/* ---- all -------------------------------------------------------------------------------------------------------------------- */

/* A type that answers change with is measured where it is asked for, behind all that changes none. */
static void drop_type(struct search *s)
{
    char what[64], *type = s->old.value[PROFILE_KV];
    if (*type && !is_asked(s, type)) {
        snprintf(what, sizeof what, "--kv %s of the old profile", type);
        tune_note(s, what, "left out: answers change with it, and --try-kv does not ask for it");
    }
    *type = 0;
}

static int streams(const struct stoker_plan *p)
{
    for (int i = 0; i < p->n_class; i++)
        if (p->slots[i] < p->experts[i])
            return 1;
    return 0;
}

static int search(struct search *s, const struct stoker_plan *p)
{
    char runs[160];
    drop_type(s);
    if (tune_choose_runs(s, p) || measure_defaults(s))
        return -1;
    snprintf(runs, sizeof runs, "runs of %s tokens%s between those of what is best; what seems faster by pairs",
             s->by.test, s->budget.size == TUNE_WARM ? ", warmed up" : "");
    tune_note(s, "each value", runs);
    digest_defaults(s);
    return try_old(s) ? -1 : try_all(s);
}

int tune(const struct tuning *t)
{
    static struct search s;
    struct stoker_plan plan;
    struct stoker_error err;
    struct stoker_options o = {.memory = t->memory, .n_ctx = t->n_ctx};
    double until = clock_seconds() + t->seconds;
    s = (struct search){.of = t};
    if (stoker_plan(&plan, t->model, &o, &err) || profile_key(&s.key, t->model, t->memory, &err))
        return report(&err);
    if (profile_find(&s.old, s.path, &s.key) < 0 || profile_try_write(s.path)) /* minutes must not end with that */
        return 1;
    topology_allowed(&s.allowed);
    s.machine = (struct tune_case){.old = &s.old,
                                   .root = t->root,
                                   .allowed = &s.allowed,
                                   .most_threads = cpu_usable_cores(),
                                   .n_threads = plan.n_threads,
                                   .n_chunk = plan.n_chunk,
                                   .spin_ms = pool_usual_spin_ms(plan.n_threads),
                                   .streams = streams(&plan)};
    for (int i = 0; i < TYPES; i++)
        s.n_types += is_asked(&s, types[i]);
    int half = plan.n_ctx / 2 < PROMPT_MOST ? plan.n_ctx / 2 : PROMPT_MOST;
    s.by = (struct measuring){.model = t->model,
                              .binary = t->binary,
                              .root = t->root,
                              .steal = t->steal,
                              .memory = t->memory ? s.key.memory : NULL,
                              .n_ctx = t->n_ctx,
                              .prompt = half > 0 ? half : 1,
                              .answer = plan.n_ctx / 8 < ANSWER_MOST ? plan.n_ctx / 8 + 1 : ANSWER_MOST,
                              .until = until};
    int failed = search(&s, &plan);
    free(s.digest);
    return failed ? 1 : 0;
}
