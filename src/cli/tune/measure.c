/* See measure.h. */
#include "cli/tune/measure.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/bench/stillness.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MOST = 16, TOO_LONG = 3, VOID_MOST = 6 };

double time_left(const struct measuring *m) { return m->until - clock_seconds(); }

/* A prompt and an answer in one figure. */
int measuring_set(struct measuring *m, int size, int proof)
{
    static char bench[] = "bench", none[] = "0", prompt[] = "-p", gen[] = "-n", pair[] = "-pg",
                tokens[] = "--digest-tokens", cold[] = "--no-warmup";
    struct side a;
    char *argv[WORDS_MOST] = {bench, prompt, none, gen, none, pair, m->test, tokens, m->proof, m->context};
    int n = 10;
    snprintf(m->test, sizeof m->test, "%d,%d", tune_tokens(m->prompt, TUNE_PROMPT_LEAST, size),
             tune_tokens(m->answer, TUNE_ANSWER_LEAST, size));
    snprintf(m->proof, sizeof m->proof, "%d", proof);
    snprintf(m->context, sizeof m->context, "--ctx=%d", m->n_ctx);
    if (m->memory) {
        snprintf(m->budget, sizeof m->budget, "--memory=%s", m->memory);
        argv[n++] = m->budget;
    }
    if (size != TUNE_WARM)
        argv[n++] = cold;
    m->size = size;
    if (side_make(m->binary ? &a : &m->base, &(struct side_line){argv, n, m->model}))
        return -1;
    return m->binary ? side_make_binary(&m->base, &a, m->binary) : 0;
}

int measuring_run(struct tune_run *out, const struct measuring *m, const char *words, double most)
{
    struct side side;
    struct side_rows rows = {0};
    struct cpu_ticks before = cpu_ticks_now(m->root);
    double begun = clock_seconds();
    int failed = side_make_settings(&side, &m->base, words);
    side.seconds = fmax(most, 0.1);
    failed = failed || side_run(&side, &rows);
    struct cpu_ticks after = cpu_ticks_now(m->root);
    side_free(&side);
    if (failed || rows.n != 1)
        return -1;
    out->seconds = rows.test[0].seconds;
    out->wall = fmax(clock_seconds() - begun, out->seconds);
    out->is_void = cpu_ticks_void(&before, &after, rows.n_threads, m->steal / 100);
    return 0;
}

char *measuring_digest(const struct measuring *m, const char *words)
{
    struct side side;
    int failed = side_make_settings(&side, &m->base, words);
    side.seconds = fmax(time_left(m), 0.1);
    char *digest = failed ? NULL : side_digest(&side);
    side_free(&side);
    return digest;
}

const char *series_why_not(enum series_end how)
{
    switch (how) {
    case SERIES_HOPELESS:
        return "left out: pairs are not faster";
    case SERIES_VOID:
        return "not measured: too many runs were void";
    default:
        return "left out: a run failed, or took three times as long";
    }
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------------ */

static void say(const struct measuring *m, const struct series *s, const struct series_rule *r)
{
    fprintf(stderr, "stoker tune: %s: pair %d of %d, ends within %.0f s\n", r->what, s->n + 1, r->pairs,
            fmax(time_left(m), 0));
}

/* A pair of which y may be first. */
static enum series_end take_pair(struct series *out, const struct measuring *m, const struct series_rule *r,
                                 const char *x, const char *y, int y_first)
{
    struct tune_run of[2]; /* x, y */
    int is_void = 0;
    for (int i = 0; i < 2; i++) {
        int is_y = i ^ y_first;
        double left = time_left(m) - r->behind, most = fmin(left, r->is_bounded ? TOO_LONG * r->run + 1 : left);
        if (left < r->run)
            return SERIES_LATE;
        if (measuring_run(&of[is_y], m, is_y ? y : x, most))
            return time_left(m) <= r->behind ? SERIES_LATE : SERIES_FAILED;
        is_void |= of[is_y].is_void;
    }
    out->n_void += is_void;
    if (is_void)
        fprintf(stderr, "stoker tune: %s: a pair is void, for the host took more than %g %% of it\n", r->what,
                m->steal);
    if (!is_void) {
        out->longest = fmax(out->longest, fmax(of[0].wall, of[1].wall));
        out->x[out->n] = of[0].seconds;
        out->y[out->n++] = of[1].seconds;
    }
    return SERIES_WHOLE;
}

/* 1: the interval would not lie below even if y took no time in all pairs to come: one slow pair of five is enough for that, two of nine,
 * four of 12. */
static int is_hopeless(const struct series *s, const struct series_rule *r)
{
    struct series best = *s;
    struct eval_pairs of;
    struct error err = {0};
    for (; best.n < r->pairs; best.n++) {
        best.x[best.n] = 1;
        best.y[best.n] = DBL_MIN;
    }
    return r->below > 0 && eval_pairs(&of, best.x, best.y, (size_t)best.n, &err) == 0 && of.high >= r->below;
}

/* Void pairs are measured again. */
enum series_end series_measure(struct series *out, const struct measuring *m, const struct series_rule *r,
                               const char *x, const char *y)
{
    enum series_end how = SERIES_WHOLE;
    *out = (struct series){0};
    while (how == SERIES_WHOLE && out->n < r->pairs) {
        if (out->n_void == VOID_MOST)
            return SERIES_VOID;
        say(m, out, r);
        how = take_pair(out, m, r, x, y, (out->n + out->n_void) % 2);
        if (how == SERIES_WHOLE && is_hopeless(out, r))
            how = SERIES_HOPELESS;
    }
    return how;
}

enum series_end series_run(double *seconds, const struct measuring *m, const struct series_rule *r, const char *words)
{
    for (int n_void = 0; n_void < VOID_MOST; n_void++) {
        struct tune_run run;
        double left = time_left(m) - r->behind;
        if (left < r->run)
            return SERIES_LATE;
        fprintf(stderr, "stoker tune: %s: a run, ends within %.0f s\n", r->what, left);
        if (measuring_run(&run, m, words, r->is_bounded ? fmin(left, TOO_LONG * r->run + 1) : left))
            return time_left(m) <= r->behind ? SERIES_LATE : SERIES_FAILED;
        *seconds = run.seconds;
        if (!run.is_void)
            return SERIES_WHOLE;
        fprintf(stderr, "stoker tune: %s: a run is void, for the host took more than %g %% of it\n", r->what, m->steal);
    }
    return SERIES_VOID;
}
