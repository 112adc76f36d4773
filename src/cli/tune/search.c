/* See search.h. A side is a command line of bench; A is the best so far, B has one value more or less. */
#include "cli/tune/search.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/pool.h"
#include "cli/common/cli.h"
#include "cli/tune/measure.h"
#include "cli/tune/promising.h"
#include "cli/tune/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBES = 16 }; /* a run that takes less of the time is worth it to know */
enum { NOTE_MOST = 8192, PROMPT_MOST = 2048, ANSWER_MOST = 32 };
enum { TYPES = 2, VALUES_A_TYPE = 3 }; /* a type of keys and values takes all pairs: as long as three values */

static const char *const types[TYPES] = {"q8_0", "f32"}; /* beside the default one */

struct search {
    const struct tuning *of;
    struct profile_key key;
    struct measuring by;
    struct tune_budget budget;
    struct topology_set allowed;
    struct tune_case machine; /* with runs of this size */
    struct tune_values values;
    struct tune_promising promising;
    struct profile old, best; /* old: that is there; without settings: none */
    char path[PATH_MAX];
    char *digest;         /* of the default's outputs; NULL: not asked for yet */
    struct eval_pairs aa; /* the defaults with themselves */
    double slowest;       /* of their runs */
    double spread;        /* the least ratio of two of them, below 1 */
    char note[NOTE_MOST]; /* what was tried, as comments */
};

/* ---- what is tried ---------------------------------------------------------------------------------------------------------- */

static int streams(const struct stoker_plan *p)
{
    for (int i = 0; i < p->n_class; i++)
        if (p->slots[i] < p->experts[i])
            return 1;
    return 0;
}

/* 1: a type of keys and values is tried. */
static int is_asked(const struct search *s, const char *type)
{
    return s->of->kv && (strcmp(s->of->kv, type) == 0 || strcmp(s->of->kv, "both") == 0);
}

static int n_types(const struct search *s)
{
    int n = 0;
    for (int i = 0; i < TYPES; i++)
        n += is_asked(s, types[i]);
    return n;
}

/* As many values as the search takes time for. */
static int n_values(const struct search *s) { return s->values.n + profile_sets(&s->old) + VALUES_A_TYPE * n_types(s); }

/* Tokens of a prompt that goes over the end of the largest chunk that is tried, and of the usual one beside it. */
static int proof_tokens(const struct search *s, const struct stoker_plan *p, int prompt)
{
    const char *old = s->old.value[PROFILE_CHUNK];
    int most = tune_is_unseen(old, prompt) ? 0 : atoi(old);
    for (int i = 0; i < s->values.n; i++)
        if (s->values.value[i].setting == PROFILE_CHUNK && atoi(s->values.value[i].text) > most)
            most = atoi(s->values.value[i].text);
    if (most == 0)
        return prompt;
    return (most > p->n_chunk ? most : p->n_chunk) + 64;
}

/* ---- how it is measured ----------------------------------------------------------------------------------------------------- */

static int set_size(struct search *s, const struct stoker_plan *p, int size)
{
    int prompt = tune_tokens(s->by.prompt, TUNE_PROMPT_LEAST, size);
    s->machine.prompt = prompt;
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

/* The first run of all finds nothing in the machine's caches, and may take twice as long as those behind it. */
static int probe_first(const struct search *s, struct tune_cost *out)
{
    struct tune_cost again;
    if (probe(s, time_left(&s->by), out)) {
        if (time_left(&s->by) <= 0)
            fprintf(stderr, "stoker tune: --seconds %g are over before the first run has ended; give more\n",
                    s->of->seconds);
        return -1;
    }
    if (run_of(out) > time_left(&s->by) / PROBES || probe(s, time_left(&s->by), &again))
        return 0;
    if (run_of(&again) < run_of(out))
        *out = again;
    return 0;
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
    if (probe(s, most, out))
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

static int choose_runs(struct search *s, const struct stoker_plan *p)
{
    if (choose_size(s, p))
        return -1;
    fprintf(stderr, "stoker tune: runs of %s tokens%s, some %.1f s each; %d pairs a value\n", s->by.test,
            s->budget.size == TUNE_WARM ? ", warmed up" : "", s->budget.run, s->budget.pairs);
    return 0;
}

/* The words of a profile, with another value of one setting; setting below 0: as it is. */
static void words_of(char out[256], const struct profile *p, int setting, const char *value)
{
    size_t n = 0;
    *out = 0;
    for (int i = 0; i < PROFILE_SETTINGS; i++) {
        const char *v = i == setting ? value : p->value[i];
        if (*v)
            n += (size_t)snprintf(out + n, 256 - n, "--%s %s ", profile_setting[i], v);
    }
}

static int judge(const struct series *m, struct eval_pairs *out)
{
    struct error err = {0};
    if (eval_pairs(out, m->x, m->y, (size_t)m->n, &err) == 0)
        return 0;
    fprintf(stderr, "stoker tune: %s\n", err.text);
    return -1;
}

/* How far runs differ here for no reason. Where pairs are void, or there is no time for more, those that there are must do. */
static int measure_defaults(struct search *s)
{
    struct series m;
    struct series_rule r = {"the defaults with themselves", s->budget.pairs, s->budget.run, 0, 0};
    enum series_end how = series_measure(&m, &s->by, &r, "", "");
    if (how != SERIES_WHOLE && m.n < TUNE_PAIRS_LEAST) {
        fprintf(stderr,
                how == SERIES_LATE ? "stoker tune: --seconds are over before the defaults are measured; give more\n"
                : how == SERIES_VOID
                    ? "stoker tune: too many pairs were void; try when the machine is quieter, or give --steal\n"
                    : "stoker tune: the defaults cannot be measured here: look above\n");
        return -1;
    }
    s->budget.pairs = m.n;
    s->budget.run = m.longest;
    s->spread = 1;
    for (int i = 0; i < m.n; i++) {
        s->slowest = fmax(s->slowest, fmax(m.x[i], m.y[i]));
        s->spread = fmin(s->spread, fmin(m.x[i] / m.y[i], m.y[i] / m.x[i]));
    }
    return judge(&m, &s->aa);
}

/* ---- a value ---------------------------------------------------------------------------------------------------------------- */

static void note(struct search *s, const char *what, const char *how)
{
    size_t n = strlen(s->note);
    fprintf(stderr, "stoker tune: %s: %s\n", what, how);
    snprintf(s->note + n, sizeof s->note - n, "# %.100s: %.100s\n", what, how);
    if (!strchr(s->note + n, '\n')) /* cut: a comment must end */
        s->note[n] = 0;
}

static int save(const struct search *s)
{
    if (profile_write(s->path, &s->key, &s->best, s->note))
        return -1;
    fprintf(stderr, "stoker tune: profile %s\n", s->path);
    return 0;
}

/* Of few pairs all must be faster than the defaults ever were than themselves: 3 and 3 without a difference do that once in 20. */
static enum eval_verdict verdict_of(const struct search *s, const struct series *m, const struct eval_pairs *ab)
{
    if (m->n >= EVAL_PAIRS_LEAST)
        return eval_pairs_verdict(ab, &s->aa);
    return ab->high < s->spread && ab->ratio < 1 - EVAL_PAIRS_EFFECT ? EVAL_FASTER : EVAL_NO_DIFFERENCE;
}

/* Why words that are faster are not taken: they answer otherwise, or nobody knows how. NULL: they answer as the defaults do. */
static const char *why_not_same(struct search *s, const char *words)
{
    if (!s->digest && !(s->digest = measuring_digest(&s->by, "")))
        return "left out: what the defaults answer is not known, since the run that tells it failed";
    char *digest = measuring_digest(&s->by, words);
    const char *why = !digest ? "left out: what it answers is not known, since the run that tells it failed"
                      : strcmp(digest, s->digest) != 0 ? "left out: it answers otherwise"
                                                       : NULL;
    free(digest);
    return why;
}

static const char *why_not(enum series_end how)
{
    switch (how) {
    case SERIES_SLOW:
        return "left out: its first run is slower than all of the defaults";
    case SERIES_HOPELESS:
        return "left out: pairs are not faster";
    case SERIES_VOID:
        return "not measured: too many pairs were void";
    default:
        return "left out: a run failed, or took three times as long";
    }
}

enum tried { TRIED_FASTER, TRIED_NOT_FASTER, TRIED_VOID, TRIED_LATE, TRIED_FAILED };

/* What pairs have shown. */
struct shown {
    double ratio;  /* 0: nothing that counts */
    char how[100]; /* in words */
};

/* Pairs of words b and words a. LATE: nothing is known; FAILED: after a sentence on stderr. how[0]
 * is 0 where what there is to say was said. */
static enum tried compare(struct search *s, const struct series_rule *r, const char *a, const char *b,
                          struct shown *out)
{
    struct series m;
    struct eval_pairs ab;
    *out = (struct shown){0};
    enum series_end end = series_measure(&m, &s->by, r, a, b);
    if (end == SERIES_LATE)
        return TRIED_LATE;
    s->best.basis.values += end != SERIES_VOID;
    if ((end == SERIES_WHOLE || end == SERIES_HOPELESS) && judge(&m, &ab))
        return TRIED_FAILED;
    if (end == SERIES_HOPELESS)
        out->ratio = ab.ratio;
    if (end != SERIES_WHOLE) {
        note(s, r->what, why_not(end));
        return end == SERIES_VOID ? TRIED_VOID : TRIED_NOT_FASTER;
    }
    enum eval_verdict verdict = verdict_of(s, &m, &ab);
    out->ratio = ab.ratio;
    snprintf(out->how, sizeof out->how, "%s, %.3f of the time [%.3f, %.3f]", eval_verdict_name(verdict), ab.ratio,
             ab.low, ab.high);
    return verdict == EVAL_FASTER ? TRIED_FASTER : TRIED_NOT_FASTER;
}

/* The same of words b that must answer as the defaults do. */
static enum tried try_words(struct search *s, const char *what, int pairs, const char *a, const char *b, double *ratio)
{
    struct shown shown;
    int few = pairs < EVAL_PAIRS_LEAST;
    struct series_rule r = {what, pairs, s->budget.run, s->slowest, few ? s->spread : 1};
    enum tried tried = compare(s, &r, a, b, &shown);
    const char *why = tried == TRIED_FASTER ? why_not_same(s, b) : NULL;
    if (why && time_left(&s->by) <= 0)
        return TRIED_LATE;
    if (*shown.how)
        note(s, what, why ? why : shown.how);
    *ratio = why ? 0 : shown.ratio;
    return why ? TRIED_NOT_FASTER : tried;
}

/* All values of the old profile at once, against the defaults; when that is judged, it is replaced. */
static int try_old(struct search *s)
{
    char words[256], what[300];
    double ratio;
    struct profile *old = &s->old;
    if (tune_is_unseen(old->value[PROFILE_CHUNK], tune_tokens(s->by.prompt, TUNE_PROMPT_LEAST, s->by.size))) {
        note(s, "--chunk of the old profile", "left out: runs have prompts of fewer rows");
        *old->value[PROFILE_CHUNK] = 0;
    }
    if (!profile_sets(old))
        return 0;
    words_of(words, old, -1, "");
    snprintf(what, sizeof what, "%sof the old profile", words);
    enum tried how = try_words(s, what, s->budget.pairs, "", words, &ratio);
    if (how == TRIED_LATE || how == TRIED_VOID)
        fprintf(stderr, "stoker tune: profile %s is left as it was: %s\n", s->path,
                how == TRIED_LATE ? "--seconds are over before its values are measured; give more"
                                  : "too many pairs of it were void; try when the machine is quieter, or give --steal");
    if (how != TRIED_FASTER && how != TRIED_NOT_FASTER)
        return -1;
    if (how == TRIED_FASTER)
        memcpy(s->best.value, old->value, sizeof old->value);
    return save(s);
}

/* 1: one thread, which waits for no other. */
static int is_alone(const struct search *s)
{
    const char *threads = s->best.value[PROFILE_THREADS];
    return (*threads ? atoi(threads) : s->machine.n_threads) == 1;
}

/* 1: go on; 0: the time is over; -1: the profile cannot be written. */
static int try_value(struct search *s, const struct tune_value *v)
{
    char a[256], b[256], what[64], *now = s->best.value[v->setting];
    double ratio;
    if (strcmp(now, v->text) == 0 || (v->setting == PROFILE_SPIN && is_alone(s)))
        return 1;
    words_of(a, &s->best, -1, "");
    words_of(b, &s->best, v->setting, v->text);
    snprintf(what, sizeof what, "%s--%s %s", *v->text ? "" : "without ", profile_setting[v->setting],
             *v->text ? v->text : now);
    switch (try_words(s, what, s->budget.pairs, a, b, &ratio)) {
    case TRIED_LATE:
        return 0;
    case TRIED_FAILED:
        return -1;
    case TRIED_NOT_FASTER:
        tune_promising_add(&s->promising, v, ratio);
        return 1;
    case TRIED_FASTER:
        tune_promising_drop(&s->promising, v->setting);
        memcpy(now, v->text, sizeof v->text);
        if (v->setting == PROFILE_THREADS && *now)
            tune_add_beside(&s->values, &s->machine, atoi(now));
        return save(s) ? -1 : 1;
    default:
        return 1;
    }
}

/* What seemed faster, at once and by more pairs; then without the value that seemed least so, as long as there is time. As try_value(). */
static int try_promising(struct search *s)
{
    char a[256], b[256], what[300];
    double ratio;
    words_of(a, &s->best, -1, "");
    for (struct profile all = s->best; tune_promising_set(&s->promising, &all) > 0;
         all = s->best, tune_promising_drop_weakest(&s->promising)) {
        double types_take = n_types(s) * 2 * s->budget.pairs * s->budget.run;
        int pairs = tune_pairs_left(s->budget.run, time_left(&s->by) - types_take);
        words_of(b, &all, -1, "");
        snprintf(what, sizeof what, "%swhich seemed faster", b);
        if (pairs < TUNE_PAIRS) {
            note(s, what, "not measured by more pairs, time is over");
            return 1;
        }
        enum tried tried = try_words(s, what, pairs, a, b, &ratio);
        if (tried == TRIED_LATE || tried == TRIED_FAILED)
            return tried == TRIED_LATE ? 0 : -1;
        if (tried == TRIED_FASTER) {
            memcpy(s->best.value, all.value, sizeof all.value);
            return save(s) ? -1 : 1;
        }
    }
    return 1;
}

/* A type of keys and values, by all pairs, whatever they show: for this a person has asked. The fastest one is taken, each against what is
 * best without; least: its ratio so far. As try_value(). */
static int try_type(struct search *s, const char *type, double *least)
{
    char a[256], b[256], what[64], how[160];
    struct shown shown;
    struct series_rule r = {what, s->budget.pairs, s->budget.run, HUGE_VAL, 0};
    words_of(a, &s->best, PROFILE_KV, "");
    words_of(b, &s->best, PROFILE_KV, type);
    snprintf(what, sizeof what, "--kv %s", type);
    enum tried tried = compare(s, &r, a, b, &shown);
    if (*shown.how) {
        snprintf(how, sizeof how, "%s; answers change with it", shown.how);
        note(s, what, how);
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
    note(s, what, "not measured, time is over");
}

static int try_all(struct search *s)
{
    int more = 1;
    double least = 1;
    for (int i = 0; i < s->values.n && more > 0; i++)
        more = try_value(s, &s->values.value[i]);
    if (more > 0)
        more = try_promising(s);
    for (int i = 0; i < TYPES && more >= 0; i++) {
        more = is_asked(s, types[i]) && more > 0 ? try_type(s, types[i], &least) : more;
        if (is_asked(s, types[i]) && more == 0)
            note_late(s, types[i]);
    }
    if (more < 0)
        return -1;
    if (!s->machine.streams)
        note(s, "readers and their depth", "not measured: the whole model fits in memory");
    if (is_alone(s))
        note(s, "--spin", "not measured: one thread waits for no other");
    if (more == 0)
        note(s, "--seconds", "over before everything was tried");
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
        note(s, what, "left out: answers change with it, and --try-kv does not ask for it");
    }
    *type = 0;
}

static int search(struct search *s, const struct stoker_plan *p)
{
    char runs[120];
    drop_type(s);
    if (choose_runs(s, p) || measure_defaults(s))
        return -1;
    s->best.basis = (struct profile_basis){.pairs = s->budget.pairs, .tokens = tokens_of(s, s->budget.size)};
    snprintf(runs, sizeof runs, "%d pairs of runs of %s tokens%s", s->budget.pairs, s->by.test,
             s->budget.size == TUNE_WARM ? ", warmed up" : "");
    note(s, "each value", runs);
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
