/* stoker bench --draw FILE: rows of several runs, as -o jsonl or json wrote them, in one picture: of budgets, machines' builds, models. */
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/bench/bench.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 16 << 20 };

static double number_of(const json_t *row, const char *key) { return json_number_value(json_object_get(row, key)); }

static void copy_text(char *out, size_t cap, const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key)), *slash = text ? strrchr(text, '/') : NULL;
    snprintf(out, cap, "%s", slash ? slash + 1 : text ? text : "");
    utf8_make_plain(out); /* it may be cut inside a character */
}

/* Tokens a second of a row: more or less than these nothing computes, and no axis shows. */
#define RATE_LEAST 1e-9
#define RATE_MOST  1e12

static const char no_row[] = "is none that bench -o jsonl writes";

/* NULL: it is a row of bench; else what is wrong with it. */
static const char *take_row(struct bench_points *p, const json_t *row)
{
    static const char *const key[BENCH_AXES] = {"n_depth",   "memory_budget", "n_ubatch",
                                                "n_threads", "n_prompt",      "n_gen"};
    struct bench_point point = {
        .median = number_of(row, "median_ts"), .p10 = number_of(row, "p10_ts"), .p90 = number_of(row, "p90_ts")};
    int good = point.median > 0 && point.p10 > 0 && point.p90 > 0;
    for (int i = 0; i < BENCH_AXES; i++) {
        point.at[i] = number_of(row, key[i]);
        good &= json_is_number(json_object_get(row, key[i])) && point.at[i] >= 0 && point.at[i] < 1e18;
    }
    good &= point.at[AXIS_DEPTH] < 1e9 && point.at[AXIS_PROMPT] < 1e9 && point.at[AXIS_GEN] < 1e9;
    copy_text(point.model, sizeof point.model, row, "model_filename");
    copy_text(point.kv, sizeof point.kv, row, "type_k");
    if (!good)
        return no_row;
    if (!(RATE_LEAST <= point.p10 && point.p10 <= point.median && point.median <= point.p90 && point.p90 <= RATE_MOST))
        return "has rates that are impossible: p10_ts, median_ts and p90_ts are in this order, from 1e-9 to 1e12";
    return bench_points_add(p, &point) ? "has no room in memory" : NULL;
}

/* Values of JSON one after another; of an array each. NULL, or what is wrong with the row behind those of *p. */
static const char *take_all(struct bench_points *p, const char *text, size_t n)
{
    const char *wrong = NULL;
    for (size_t at = 0; !wrong && at < n && at + strspn(text + at, " \t\r\n") < n;) {
        json_error_t where;
        json_t *value = json_loadb(text + at, n - at, JSON_DISABLE_EOF_CHECK, &where), *row;
        size_t i;
        if (!value || where.position <= 0)
            wrong = no_row;
        else if (json_is_object(value))
            wrong = take_row(p, value);
        json_array_foreach(value, i, row) wrong = wrong ? wrong : take_row(p, row);
        at += wrong ? 0 : (size_t)where.position;
        json_decref(value);
    }
    return wrong;
}

/* What the plan makes of a budget is no difference of its own. */
static void leave_batches(struct bench_points *p)
{
    int budgets = 0;
    for (int i = 1; i < p->n; i++)
        budgets |= p->point[i].at[AXIS_BUDGET] != p->point[0].at[AXIS_BUDGET];
    for (int i = 0; i < p->n && budgets; i++)
        p->point[i].at[AXIS_BATCH] = 0;
}

int bench_draw(const char *path)
{
    struct error err = {0};
    struct bench_points points = {NULL, 0, 0};
    size_t n;
    char *text = file_read_regular(path, FILE_MOST, &n, &err);
    if (!text) {
        fprintf(stderr, "stoker bench: --draw %s\n", err.text);
        return 1;
    }
    const char *wrong = take_all(&points, text, n);
    free(text);
    if (points.n == 0 && !wrong)
        wrong = no_row;
    if (wrong)
        fprintf(stderr, "stoker bench: --draw %s: row %d %s\n", path, points.n + 1, wrong);
    leave_batches(&points);
    if (!wrong)
        bench_points_draw(&points, stdout);
    bench_points_free(&points);
    return wrong != NULL;
}
