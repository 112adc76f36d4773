/* See against.h. */
#include "cli/bench/against.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/bench/bench.h"
#include "cli/bench/log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pairs of a comparison, if not given; those that are added at a time. */
enum { PAIRS_OURS = 20, PAIRS_PEERS = 10, MORE = 5 };
#define RUN_SECONDS 1.0 /* that repetitions of all tests fill, where a run is the least of them */

/* ---- outputs ---------------------------------------------------------------------------------------------------------------- */

static int prove_equal(struct experiment *e)
{
    e->outputs = "not compared";
    if (e->w->peer)
        return 0;
    char *a = side_digest(&e->a), *b = a ? side_digest(&e->b) : NULL;
    int equal = a && b && strcmp(a, b) == 0, known = a && b;
    free(a);
    free(b);
    if (known)
        e->outputs = equal ? "equal" : "unequal";
    if (known && !equal && !e->w->unequal)
        fprintf(stderr, "stoker bench: A and B answer differently, so that their times say nothing of one and the same "
                        "work; --unequal compares them all the same\n");
    return equal || e->w->unequal ? 0 : -1;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------------ */

/* Seconds of each test of a run. *is_void: by the rule that was fixed before. */
static int run(const struct experiment *e, const struct side *s, double seconds[SIDE_TESTS], int *is_void)
{
    struct side_rows rows;
    struct cpu_ticks before = cpu_ticks_now(e->w->root);
    if (side_run(s, &rows))
        return -1;
    struct cpu_ticks after = cpu_ticks_now(e->w->root);
    *is_void |= cpu_ticks_void(&before, &after, rows.n_threads, e->w->steal / 100);
    for (int t = 0; t < e->tests.n; t++) {
        const struct side_test *test = side_test_like(&rows, &e->tests.test[t]);
        if (!test || rows.n != e->tests.n) {
            fprintf(stderr,
                    "stoker bench: A and B do not measure the same tests; give flags of tests without --against\n");
            return -1;
        }
        seconds[t] = e->without_waits && test->running >= 0 ? test->running : test->seconds;
    }
    return 0;
}

/* A pair: x y, or y x where it is odd. A voided one leaves nothing but its number. */
static int measure_pair(const struct experiment *e, struct series *s, const struct side *x, const struct side *y,
                        int odd)
{
    double of[2][SIDE_TESTS];
    int is_void = 0;
    for (int i = 0; i < 2; i++)
        if (run(e, i ^ odd ? y : x, of[i ^ odd], &is_void))
            return -1;
    s->voided += is_void;
    for (int t = 0; t < e->tests.n && !is_void; t++) {
        s->x[t][s->n] = of[0][t];
        s->y[t][s->n] = of[1][t];
    }
    s->n += !is_void;
    return 0;
}

/* first: pairs there were at `begun`. */
static void show_progress(const struct experiment *e, const char *name, const struct series *s, size_t n, size_t first,
                          double begun)
{
    if (!e->w->progress)
        return;
    fprintf(stderr, "stoker bench: %s, pair %zu of %zu", name, s->n + 1, n);
    if (s->n > first)
        fprintf(stderr, ", %.0f s left", ceil((clock_seconds() - begun) / (double)(s->n - first) * (double)(n - s->n)));
    fputc('\n', stderr);
}

/* Until there are n pairs; at most as many again are voided. */
static int measure(const struct experiment *e, struct series *s, const char *name, const struct side *x,
                   const struct side *y, size_t n)
{
    double begun = clock_seconds();
    const size_t first = s->n;
    while (s->n < n && (size_t)s->voided < n) {
        show_progress(e, name, s, n, first, begun);
        if (measure_pair(e, s, x, y, ((int)s->n + s->voided) % 2))
            return -1;
    }
    if (s->n >= EVAL_PAIRS_LEAST)
        return 0;
    fprintf(stderr,
            "stoker bench: %d of %d pairs were void, for the host took more than %g %% of a run; measure when it is "
            "quieter, or give --steal\n",
            s->voided, s->voided + (int)s->n, e->w->steal);
    return -1;
}

static int judge(const struct experiment *e, const struct series *s, struct eval_pairs *out)
{
    struct error err = {0};
    for (int t = 0; t < e->tests.n; t++)
        if (eval_pairs(&out[t], s->x[t], s->y[t], s->n, &err)) {
            fprintf(stderr, "stoker bench: %s\n", err.text);
            return -1;
        }
    return 0;
}

static int resolved(const struct experiment *e)
{
    int all = 1;
    for (int t = 0; t < e->tests.n; t++)
        all &= eval_pairs_resolve(&e->aa[t], e->w->effect / 100);
    return all;
}

/* A with itself first: where that does not resolve the effect, pairs are added, half as many again at most. */
static int measure_both(struct experiment *e)
{
    size_t n = e->w->pairs ? (size_t)e->w->pairs : e->w->peer ? PAIRS_PEERS : PAIRS_OURS, most = n + n / 2;
    if (most > EVAL_PAIRS_MOST)
        most = EVAL_PAIRS_MOST;
    for (;; n = n + MORE < most ? n + MORE : most) {
        if (measure(e, &e->with_self, "A/A", &e->a, &e->a, n) || judge(e, &e->with_self, e->aa))
            return -1;
        if (n == most || resolved(e))
            break;
    }
    return measure(e, &e->with_b, "A/B", &e->a, &e->b, n) || judge(e, &e->with_b, e->ab) ? -1 : 0;
}

/* ---- the experiment --------------------------------------------------------------------------------------------------------- */

/* A run that is not counted. */
static int describe(const char *name, const struct side *s, struct side_rows *out)
{
    if (side_describe(s, out))
        return -1;
    if (s->has_roofs && !(out->roofs.memory > 0))
        fprintf(stderr, "stoker bench: no bounds of %s, since its roofs take memory to measure that is not left\n",
                name);
    return 0;
}

/* Which tests there are. */
static int find_tests(struct experiment *e)
{
    if (describe("A", &e->a, &e->tests))
        return -1;
    for (int t = 1; t < e->tests.n; t++)
        if (side_test_like(&e->tests, &e->tests.test[t]) != &e->tests.test[t]) {
            fprintf(stderr, "stoker bench: --against compares one setting a side; give no lists but those of tests\n");
            return -1;
        }
    return 0;
}

static int make_b(struct experiment *e, const struct side_line *line)
{
    if (e->w->settings)
        return side_make(&e->b, line);
    if (e->w->binary)
        return side_make_binary(&e->b, &e->a, e->w->binary);
    return side_make_peer(&e->b, &e->a, e->w->peer, &e->tests);
}

static int all_tell_waits(const struct side_rows *rows)
{
    int all = rows->n > 0;
    for (int i = 0; i < rows->n; i++)
        all &= rows->test[i].running >= 0;
    return all;
}

/* As many as fill RUN_SECONDS without waits. */
static int choose_repetitions(const struct side_rows *rows)
{
    double once = 0;
    for (int i = 0; i < rows->n; i++)
        once += rows->test[i].running;
    return once * SIDE_REPETITIONS <= RUN_SECONDS ? SIDE_REPETITIONS
           : once * 2 > RUN_SECONDS               ? 1
                                                  : (int)(RUN_SECONDS / once);
}

/* Of B, where something is to be learnt of it. */
static int describe_b(struct experiment *e)
{
    return (all_tell_waits(&e->tests) || e->b.has_roofs) && describe("B", &e->b, &e->of_b) ? -1 : 0;
}

static void choose_time(struct experiment *e)
{
    e->without_waits = all_tell_waits(&e->tests) && all_tell_waits(&e->of_b);
    if (e->without_waits) {
        int n = choose_repetitions(&e->tests);
        side_repeat(&e->a, n);
        side_repeat(&e->b, n);
    }
}

/* Roofs again: warns where one is another by now. All pairs are measured, so that what fails here costs no verdict. */
static void check_roofs(const char *name, const struct side *s, const struct side_rows *first)
{
    struct side_rows last;
    if (!(first->roofs.memory > 0))
        return;
    if (side_describe(s, &last))
        fprintf(stderr,
                "stoker bench: whether a roof of %s moved is not known, since the run that measures them again failed; "
                "the verdict does not depend on it\n",
                name);
    else
        bench_tell_move(name, &first->roofs, &last.roofs);
}

static int run_experiment(struct experiment *e, const struct side_line *b)
{
    double before[PRESSURES], begun;
    if (find_tests(e) || make_b(e, b) || prove_equal(e) || describe_b(e))
        return -1;
    choose_time(e);
    begun = clock_seconds();
    pressure_now(e->w->root, before);
    if (measure_both(e))
        return -1;
    pressure_now(e->w->root, e->pressure);
    for (int i = 0; i < PRESSURES; i++)
        e->pressure[i] = before[i] < 0 || e->pressure[i] < 0
                             ? -1
                             : (e->pressure[i] - before[i]) * 1e-6 / (clock_seconds() - begun);
    check_roofs("A", &e->a, &e->tests);
    check_roofs("B", &e->b, &e->of_b);
    return 0;
}

int bench_against(const struct against *w, const struct side_line *a, const struct side_line *b)
{
    static char log[PATH_MAX];
    struct experiment *e = calloc(1, sizeof *e);
    if (!e) {
        fprintf(stderr, "stoker bench: no memory for a comparison\n");
        return 1;
    }
    e->w = w;
    int failed = (w->log && bench_log_choose(log, w->log)) || side_make(&e->a, a) || run_experiment(e, b) ||
                 experiment_report(e, w->log ? log : NULL);
    free(e);
    return failed ? 1 : 0;
}
