/* What is said of a comparison: one object of JSON a test, which the log and -o json have, and a table for people. */
#include "cli/bench/against.h"
#include "cli/bench/bench.h"
#include "cli/bench/log.h"
#include "cli/common/profile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Tokens a second of seconds [n]: of the median, and those that a tenth of the runs stay below and above. */
static struct bench_spread rates(const struct side_test *test, const double *seconds, size_t n)
{
    double rate[EVAL_PAIRS_MOST];
    for (size_t i = 0; i < n; i++)
        rate[i] = (test->n_prompt + test->n_gen) / seconds[i];
    return bench_spread_of(rate, (int)n);
}

/* What the roofs of a side allow a test; NULL: it does not tell. */
static const struct side_test *bounded(const struct side_rows *rows, const struct side_test *test)
{
    const struct side_test *of = side_test_like(rows, test);
    return of && of->bound > 0 ? of : NULL;
}

static const char *verdict_of(const struct experiment *e, int t)
{
    return eval_verdict_name(eval_pairs_verdict(&e->ab[t], &e->aa[t]));
}

/* What becomes of B, which is one setting whatever tests there are: it is kept where it does the same work, some test is faster and none
 * is slower. */
static const char *decision_of(const struct experiment *e)
{
    int n[EVAL_SLOWER + 1] = {0};
    for (int t = 0; t < e->tests.n; t++)
        n[eval_pairs_verdict(&e->ab[t], &e->aa[t])]++;
    return n[EVAL_FASTER] && !n[EVAL_SLOWER] && strcmp(e->outputs, "equal") == 0 ? "kept" : "dropped";
}

static json_t *json_of_pairs(const struct eval_pairs *p, int voided)
{
    return json_pack("{s:I, s:i, s:f, s:f, s:f}", "pairs", (json_int_t)p->n, "voided", voided, "ratio", p->ratio, "low",
                     p->low, "high", p->high);
}

static void put_rates(json_t *o, const char *side, struct bench_spread s)
{
    const struct {
        const char *name;
        double value;
    } all[] = {{"ts", s.median}, {"p10_ts", s.p10}, {"p90_ts", s.p90}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char key[16];
        snprintf(key, sizeof key, "%s_%s", side, all[i].name);
        json_object_set_new(o, key, json_real(all[i].value));
    }
}

/* Roofs were measured in a run of their own: the rate is that of the pairs. */
static void put_bound(json_t *o, const char *side, const struct side_test *of, double rate)
{
    char key[16];
    if (!of)
        return;
    snprintf(key, sizeof key, "%s_bound_ts", side);
    json_object_set_new(o, key, json_real(of->bound));
    snprintf(key, sizeof key, "%s_bound_by", side);
    json_object_set_new(o, key, json_string(of->bound_by));
    snprintf(key, sizeof key, "%s_efficiency", side);
    json_object_set_new(o, key, json_real(rate / of->bound));
}

static void put_side(json_t *o, const char *side, const struct side_rows *rows, const struct side_test *test,
                     const double *seconds, size_t n)
{
    struct bench_spread rate = rates(test, seconds, n);
    put_rates(o, side, rate);
    put_bound(o, side, bounded(rows, test), rate.median);
}

static json_t *json_of(const struct experiment *e, int t)
{
    const struct against *w = e->w;
    const struct side_test *test = &e->tests.test[t];
    char name[64], when[32], key[32], machine[PROFILE_MACHINE];
    struct tm utc;
    time_t now = time(NULL);
    bench_name_test(test->n_prompt, test->n_gen, test->n_depth, name, sizeof name);
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    profile_machine(machine);
    json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "log_version", BENCH_LOG_VERSION,
                          "time", when, "build", stoker_version(), "machine", machine, "model", e->tests.model, "test",
                          name, "against",
                          w->settings ? "settings"
                          : w->binary ? "binary"
                                      : "llama-bench",
                          "a", e->a.shown, "b", e->b.shown, "outputs", e->outputs, "verdict", verdict_of(e, t));
    if (!w->peer)
        json_object_set_new(o, "decision", json_string(decision_of(e)));
    json_object_set_new(o, "ratio", json_real(e->ab[t].ratio));
    json_object_set_new(o, "low", json_real(e->ab[t].low));
    json_object_set_new(o, "high", json_real(e->ab[t].high));
    json_object_set_new(o, "pairs", json_integer((json_int_t)e->ab[t].n));
    json_object_set_new(o, "voided", json_integer(e->with_b.voided));
    put_side(o, "a", &e->tests, test, e->with_b.x[t], e->with_b.n);
    put_side(o, "b", &e->of_b, test, e->with_b.y[t], e->with_b.n);
    json_object_set_new(o, "a_a", json_of_pairs(&e->aa[t], e->with_self.voided));
    json_object_set_new(o, "resolved", json_boolean(eval_pairs_resolve(&e->aa[t], w->effect / 100)));
    json_object_set_new(o, "without_waits", json_boolean(e->without_waits));
    json_object_set_new(o, "effect_percent", json_real(w->effect));
    json_object_set_new(o, "steal_percent", json_real(w->steal));
    for (int i = 0; i < PRESSURES; i++) {
        snprintf(key, sizeof key, "pressure_%s", pressure_name[i]);
        json_object_set_new(o, key, e->pressure[i] < 0 ? json_null() : json_real(e->pressure[i]));
    }
    return o;
}

/* ---- the table -------------------------------------------------------------------------------------------------------------- */

static void print_rate(struct bench_spread s)
{
    char text[64];
    snprintf(text, sizeof text, "%.2f [%.2f, %.2f]", s.median, s.p10, s.p90);
    printf(" %26s |", text);
}

static void print_ratio(const struct eval_pairs *p)
{
    char text[64];
    snprintf(text, sizeof text, "%.3f [%.3f, %.3f]", p->ratio, p->low, p->high);
    printf(" %20s |", text);
}

static int has_bounds(const struct experiment *e) { return e->tests.roofs.memory > 0 || e->of_b.roofs.memory > 0; }

static void print_side(const struct experiment *e, const struct side_rows *rows, const struct side_test *test,
                       const double *seconds)
{
    struct bench_spread rate = rates(test, seconds, e->with_b.n);
    const struct side_test *of = bounded(rows, test);
    char text[64] = "";
    print_rate(rate);
    if (of)
        snprintf(text, sizeof text, "%.2f, %.0f %%", of->bound, 100 * rate.median / of->bound);
    if (has_bounds(e))
        printf(" %19s |", text);
}

static void print_test(const struct experiment *e, int t)
{
    const struct side_test *test = &e->tests.test[t];
    char name[64];
    bench_name_test(test->n_prompt, test->n_gen, test->n_depth, name, sizeof name);
    printf("| %15s |", name);
    print_side(e, &e->tests, test, e->with_b.x[t]);
    print_side(e, &e->of_b, test, e->with_b.y[t]);
    print_ratio(&e->aa[t]);
    print_ratio(&e->ab[t]);
    printf(" %-19s |\n", verdict_of(e, t));
}

static void print_head(const struct experiment *e)
{
    static const char *const rate[] = {"A t/s [p10, p90]", "B t/s [p10, p90]"}, *const bound[] = {
                                                                                    "A bound, efficiency",
                                                                                    "B bound, efficiency"};
    printf("| %15s |", "test");
    for (int i = 0; i < 2; i++) {
        printf(" %26s |", rate[i]);
        if (has_bounds(e))
            printf(" %19s |", bound[i]);
    }
    printf(" %20s | %20s | %-19s |\n| --------------: |", "A / A in time [95 %]", "B / A in time [95 %]", "verdict");
    for (int i = 0; i < 2; i++)
        printf(" -------------------------: |%s", has_bounds(e) ? " ------------------: |" : "");
    printf(" -------------------: | -------------------: | ------------------- |\n");
}

static void print_table(const struct experiment *e)
{
    const char *between = "";
    printf("A: %s\nB: %s\noutputs: %s\n\n", e->a.shown, e->b.shown, e->outputs);
    print_head(e);
    for (int t = 0; t < e->tests.n; t++)
        print_test(e, t);
    printf("\npairs: A/A %zu, A/B %zu; void: %d and %d (the host took more than %g %% of a run)\n", e->with_self.n,
           e->with_b.n, e->with_self.voided, e->with_b.voided, e->w->steal);
    if (e->without_waits)
        printf("times are without those in which other programs had the core of the one thread\n");
    for (int i = 0; i < PRESSURES; i++)
        if (e->pressure[i] >= 0) {
            printf("%s%s %.1f %%", *between ? between : "waited for: ", pressure_name[i], 100 * e->pressure[i]);
            between = ", ";
        }
    printf("%s", *between ? "\n" : "");
    for (int t = 0; t < e->tests.n; t++)
        if (!eval_pairs_resolve(&e->aa[t], e->w->effect / 100)) {
            printf("A with itself does not resolve %g %% here: more --pairs or a quieter machine would\n",
                   e->w->effect);
            break;
        }
}

int experiment_report(const struct experiment *e, const char *log)
{
    int failed = 0, as_list = strcmp(e->w->format, "json") == 0, as_table = strcmp(e->w->format, "md") == 0;
    if (as_table)
        print_table(e);
    for (int t = 0; t < e->tests.n; t++) {
        json_t *o = json_of(e, t);
        if (!as_table) {
            fputs(!as_list ? "" : t ? ",\n" : "[\n", stdout);
            json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
            fputs(as_list ? "" : "\n", stdout);
        }
        failed = failed || (log && bench_log_add(log, o));
        json_decref(o);
    }
    if (as_list)
        fputs("\n]\n", stdout);
    return failed ? -1 : 0;
}
