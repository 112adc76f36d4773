/* stoker eval compare: one verdict about two files of results (eval/compare.h). */
#include "eval/compare.h"

#include "base/error.h"
#include "cli/eval/task.h"

#include <math.h>

enum verdict { NO_DIFFERENCE, B_BETTER, B_WORSE };

static enum verdict verdict_of(const struct eval_compared *f)
{
    const double level = 0.05;
    return f->few || f->p >= level ? NO_DIFFERENCE : f->diff.mean > 0 ? B_WORSE : B_BETTER;
}

/* Digits behind the point: points of 100 need one, nats a token four. */
static void print_verdict(const struct eval_comparison *c, const struct eval_compared *f)
{
    int digits = c->unit[0] == 'p' ? 1 : 4;
    enum verdict v = verdict_of(f);
    double sign = v == B_BETTER ? -1 : 1, low = sign * f->diff.low, high = sign * f->diff.high;
    if (c->n_figure > 1)
        printf("%s: ", f->name);
    if (f->equal)
        printf("no difference shown: all %zu %s have equal results\n", f->n, c->items);
    else if (f->few)
        printf("no difference shown: %zu %s are too few for an interval\n", f->n, c->items);
    else if (v == NO_DIFFERENCE)
        printf("no difference shown: an effect under %.*f %s would not be seen with %zu %s\n", digits,
               (f->diff.high - f->diff.low) / 2, c->unit, f->n, c->items);
    else
        printf("B %s than A by %.*f %s [%.*f, %.*f], p = %.2g\n", v == B_WORSE ? "worse" : "better", digits,
               fabs(f->diff.mean), c->unit, digits, fmin(low, high), digits, fmax(low, high), f->p);
}

static void print_json(const struct eval_comparison *c)
{
    static const char *const verdicts[] = {"no difference shown", "B better", "B worse"};
    json_t *figures = json_array(), *o;
    for (int k = 0; k < c->n_figure; k++) {
        const struct eval_compared *f = &c->figure[k];
        json_t *low = f->few ? json_null() : json_real(f->diff.low),
               *high = f->few ? json_null() : json_real(f->diff.high);
        json_array_append_new(figures, json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:o, s:o, s:f}", "name", f->name,
                                                 "verdict", verdicts[verdict_of(f)], c->items, (json_int_t)f->n,
                                                 "only_a", (json_int_t)f->b, "only_b", (json_int_t)f->c, "worse_by",
                                                 f->diff.mean, "low", low, "high", high, "p", f->p));
    }
    o = json_pack("{s:s, s:I, s:I, s:o}", "unit", c->unit, c->items, (json_int_t)c->n, "asked_otherwise",
                  (json_int_t)c->n_other, "figures", figures);
    json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    putchar('\n');
    json_decref(o);
}

static void print(const struct eval_comparison *c, int common)
{
    if (common)
        printf("%zu %s in common, of %zu and %zu\n", c->n, c->items, c->n_a, c->n_b);
    if (c->n_other)
        printf("%zu more have the same ids and were asked otherwise: they are left out\n", c->n_other);
    for (int k = 0; k < c->n_figure; k++)
        print_verdict(c, &c->figure[k]);
    if (c->n_figure > 1)
        printf("p by Holm's correction for %d figures\n", c->n_figure);
}

int eval_compare_files(struct eval_command *c)
{
    struct eval_record a = {0}, b = {0};
    struct eval_comparison result;
    struct error err = {0};
    int failed = eval_record_open(&a, c->model, &err) || eval_record_open(&b, c->other, &err) ||
                 eval_compare(&result, &a, &b, c->common, &err);
    if (!failed && c->json)
        print_json(&result);
    else if (!failed)
        print(&result, c->common);
    eval_record_close(&a);
    eval_record_close(&b);
    return failed ? eval_fail(&err) : 0;
}
