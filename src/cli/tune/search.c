/* See search.h. A side is a command line of bench; A is the best so far, B has one value more. */
#include "cli/tune/search.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "cli/bench/side.h"
#include "cli/bench/stillness.h"
#include "cli/common/cli.h"
#include "eval/pairs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 6, WORDS_MOST = 16, NOTE_MOST = 4096, STEAL_PERCENT = 2 };

enum outcome { TAKEN, NOT_TAKEN, OUT_OF_TIME };

struct search {
    const struct tuning *of;
    struct profile_key key;
    struct side base;
    struct profile best;
    char *digest;         /* of the default's outputs */
    struct eval_pairs aa; /* the default with itself */
    double slowest;       /* of its runs */
    double begun;
    int n_compared;
    char note[NOTE_MOST]; /* what was tried, as comments */
};

static double time_left(const struct search *s) { return s->begun + s->of->seconds - clock_seconds(); }

static void say(const struct search *s, const char *what, const char *where, int i, int n)
{
    double left = time_left(s);
    fprintf(stderr, "stoker tune: %s: %s", what, where);
    if (n)
        fprintf(stderr, " %d of %d", i, n);
    fprintf(stderr, ", ends within %.0f s\n", left > 0 ? left : 0);
}

/* ---- sides ------------------------------------------------------------------------------------------------------------------ */

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

static int run_once(const struct search *s, const char *words, double *seconds, int *is_void)
{
    struct side side;
    struct side_rows rows = {0};
    struct cpu_ticks before = cpu_ticks_now("");
    int failed = side_make_settings(&side, &s->base, words) || side_run(&side, &rows);
    struct cpu_ticks after = cpu_ticks_now("");
    side_free(&side);
    if (failed || rows.n != 1)
        return -1;
    *seconds = rows.test[0].seconds;
    *is_void |= eval_pairs_void(after.stolen - before.stolen, after.all - before.all, STEAL_PERCENT / 100.0);
    return 0;
}

static char *digest_of(const struct search *s, const char *words)
{
    struct side side;
    char *digest = side_make_settings(&side, &s->base, words) ? NULL : side_digest(&side);
    side_free(&side);
    return digest;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------------ */

struct series {
    size_t n;
    int n_void;
    double x[PAIRS], y[PAIRS];
};

/* Pairs by turns until there are enough; as many again may be void. */
static enum outcome measure(const struct search *s, struct series *out, const char *what, const char *x, const char *y)
{
    *out = (struct series){0};
    while (out->n < PAIRS && out->n_void < PAIRS) {
        int odd = (int)(out->n + (size_t)out->n_void) % 2, is_void = 0;
        double first, second;
        if (time_left(s) <= 0)
            return OUT_OF_TIME;
        say(s, what, "pair", (int)out->n + 1, PAIRS);
        if (run_once(s, odd ? y : x, &first, &is_void) || run_once(s, odd ? x : y, &second, &is_void))
            return NOT_TAKEN;
        out->n_void += is_void;
        if (is_void)
            continue;
        out->x[out->n] = odd ? second : first;
        out->y[out->n++] = odd ? first : second;
    }
    return out->n >= EVAL_PAIRS_LEAST ? TAKEN : NOT_TAKEN;
}

static int judge(const struct series *m, struct eval_pairs *out)
{
    struct error err = {0};
    if (eval_pairs(out, m->x, m->y, m->n, &err) == 0)
        return 0;
    fprintf(stderr, "stoker tune: %s\n", err.text);
    return -1;
}

/* The defaults with themselves: how far runs differ here for no reason. */
static int measure_defaults(struct search *s)
{
    struct series m;
    if (!(s->digest = digest_of(s, "")))
        return -1;
    enum outcome how = measure(s, &m, "the defaults with themselves", "", "");
    if (how != TAKEN)
        fprintf(stderr, how == OUT_OF_TIME
                            ? "stoker tune: --seconds are over before the defaults are measured; give more\n"
                            : "stoker tune: the defaults cannot be measured here: look above, or try when the machine "
                              "is quieter\n");
    if (how != TAKEN || judge(&m, &s->aa))
        return -1;
    for (size_t i = 0; i < m.n; i++) {
        s->slowest = m.x[i] > s->slowest ? m.x[i] : s->slowest;
        s->slowest = m.y[i] > s->slowest ? m.y[i] : s->slowest;
    }
    return 0;
}

/* ---- a candidate ------------------------------------------------------------------------------------------------------------ */

static void note(struct search *s, const char *what, const char *how)
{
    size_t n = strlen(s->note);
    fprintf(stderr, "stoker tune: %s: %s\n", what, how);
    snprintf(s->note + n, sizeof s->note - n, "# %.100s: %.100s\n", what, how);
    if (!strchr(s->note + n, '\n')) /* cut: a comment must end */
        s->note[n] = 0;
}

static int save(struct search *s)
{
    char path[PATH_MAX];
    if (profile_write(path, &s->key, &s->best, s->note))
        return -1;
    fprintf(stderr, "stoker tune: profile %s\n", path);
    return 0;
}

static enum outcome decide(struct search *s, const char *what, const char *a, const char *b)
{
    struct series m;
    struct eval_pairs ab;
    char how[160];
    enum outcome measured = measure(s, &m, what, a, b);
    if (measured != TAKEN || judge(&m, &ab)) {
        if (measured == NOT_TAKEN)
            note(s, what, "not measured: a run failed, or too many pairs were void");
        return measured == OUT_OF_TIME ? OUT_OF_TIME : NOT_TAKEN;
    }
    enum eval_verdict verdict = eval_pairs_verdict(&ab, &s->aa);
    snprintf(how, sizeof how, "%s, %.3f of the time [%.3f, %.3f]", eval_verdict_name(verdict), ab.ratio, ab.low,
             ab.high);
    note(s, what, how);
    s->n_compared++;
    return verdict == EVAL_FASTER ? TAKEN : NOT_TAKEN;
}

/* One value of a setting. A first run that is slower than every run of the defaults ends it. */
static enum outcome try_value(struct search *s, int setting, const char *value)
{
    char a[256], b[256], what[64];
    double seconds;
    int is_void = 0;
    words_of(a, &s->best, -1, "");
    words_of(b, &s->best, setting, value);
    snprintf(what, sizeof what, "--%s %s", profile_setting[setting], value);
    if (time_left(s) <= 0)
        return OUT_OF_TIME;
    say(s, what, "a first run", 0, 0);
    if (run_once(s, b, &seconds, &is_void)) {
        note(s, what, "left out: it does not run");
        return NOT_TAKEN;
    }
    if (seconds > s->slowest) {
        note(s, what, "left out: its first run is slower than all of the defaults");
        s->n_compared++;
        return NOT_TAKEN;
    }
    char *digest = digest_of(s, b);
    int equal = digest && strcmp(digest, s->digest) == 0;
    free(digest);
    if (!equal) {
        note(s, what, "left out: it answers otherwise");
        return NOT_TAKEN;
    }
    enum outcome how = decide(s, what, a, b);
    if (how == TAKEN) {
        snprintf(s->best.value[setting], sizeof s->best.value[setting], "%s", value);
        if (save(s))
            return OUT_OF_TIME;
    }
    return how;
}

/* ---- what is tried ---------------------------------------------------------------------------------------------------------- */

static enum outcome try_number(struct search *s, int setting, int n, int usual)
{
    char value[16];
    snprintf(value, sizeof value, "%d", n);
    return n < 1 || n == usual ? NOT_TAKEN : try_value(s, setting, value);
}

/* All of a few cores; of many, what shares a core, fewer, and one. */
static enum outcome try_threads(struct search *s, int usual)
{
    int cores = cpu_usable_cores(), n[] = {cores, usual - 1, usual * 3 / 4, usual / 2, 1};
    enum outcome how = NOT_TAKEN;
    for (size_t i = 0; i < sizeof n / sizeof *n && how != OUT_OF_TIME; i++) {
        int again = 0;
        for (size_t k = 0; k < i; k++)
            again |= n[k] == n[i];
        if (!again)
            how = try_number(s, 0, n[i], usual);
    }
    return how;
}

static int streams(const struct stoker_plan *p)
{
    for (int i = 0; i < p->n_class; i++)
        if (p->slots[i] < p->experts[i])
            return 1;
    return 0;
}

/* Tokens of the prompt of a run: of more than a chunk's rows nothing would be seen. */
static int prompt_tokens(const struct stoker_plan *p)
{
    int n = p->n_ctx / 2 < 2048 ? p->n_ctx / 2 : 2048;
    return n > 0 ? n : 1;
}

static int tune_all(struct search *s, const struct stoker_plan *p)
{
    static const char *const readers[] = {"threads", "buffered"};
    static const int depths[] = {8, 16, 64, 128}, chunks[] = {128, 256, 1024, 2048};
    enum outcome how = try_threads(s, p->n_threads);
    for (size_t i = 0; i < 2 && how != OUT_OF_TIME && streams(p); i++)
        how = try_value(s, 2, readers[i]);
    for (size_t i = 0; i < 4 && how != OUT_OF_TIME && streams(p); i++)
        how = try_number(s, 3, depths[i], 0);
    for (size_t i = 0; i < 4 && how != OUT_OF_TIME && chunks[i] <= prompt_tokens(p); i++)
        how = try_number(s, 1, chunks[i], p->n_chunk);
    if (!streams(p))
        note(s, "readers and their depth", "not measured: the whole model fits in memory");
    if (how == OUT_OF_TIME)
        note(s, "--seconds", "over before everything was tried");
    if (s->n_compared == 0) {
        fprintf(stderr, "stoker tune: nothing was compared, and no profile written; give more --seconds\n");
        return -1;
    }
    return save(s);
}

/* A prompt and an answer in one figure. */
static int make_base(struct search *s, const struct stoker_plan *p)
{
    static char memory[40], context[24], test[40], *argv[WORDS_MOST];
    static char bench[] = "bench", no_profile[] = "--no-profile", none[] = "0", prompt[] = "-p", gen[] = "-n",
                pair[] = "-pg";
    int n = 0, n_gen = p->n_ctx / 8 < 32 ? p->n_ctx / 8 + 1 : 32;
    char *const first[] = {bench, no_profile, prompt, none, gen, none, pair, test};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        argv[n++] = first[i];
    snprintf(test, sizeof test, "%d,%d", prompt_tokens(p), n_gen);
    if (s->of->memory) {
        snprintf(memory, sizeof memory, "--memory=%s", s->key.memory);
        argv[n++] = memory;
    }
    if (s->of->n_ctx) {
        snprintf(context, sizeof context, "--ctx=%d", s->of->n_ctx);
        argv[n++] = context;
    }
    return side_make_a(&s->base, s->of->model, n, argv);
}

int tune(const struct tuning *t)
{
    static struct search s;
    struct stoker_plan plan;
    struct stoker_error err;
    struct stoker_options o = {.memory = t->memory, .n_ctx = t->n_ctx};
    s = (struct search){.of = t, .begun = clock_seconds()};
    if (stoker_plan(&plan, t->model, &o, &err) || profile_key(&s.key, t->model, t->memory, &err))
        return report(&err);
    int failed = make_base(&s, &plan) || measure_defaults(&s) || tune_all(&s, &plan);
    free(s.digest);
    return failed ? 1 : 0;
}
