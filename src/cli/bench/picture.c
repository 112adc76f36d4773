/* See picture.h. The axis is what most rows differ in, all else being equal; rows that are equal but for it are a series. */
#include "cli/bench/picture.h"

#include "base/utf8.h"
#include "cli/bench/bench.h"
#include "cli/common/flags.h"
#include "cli/svg/svg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 780,
    HEIGHT = 430,
    LEFT = 76,
    TOP = 56,
    RIGHT = 560,
    BOTTOM = 360,
    INSIDE = 24,
    CAP = 4,
    TICKS = 5,
    LABELS = 10,
    HINT = 100 /* bytes of a name in one */
};

static const char *const axis_name[BENCH_AXES] = {"depth", "budget", "batch", "threads", "prompt", "generated"};
static const char *const axis_title[BENCH_AXES] = {"positions that are filled before",
                                                   "memory",
                                                   "rows of a step of the prompt (batch)",
                                                   "threads",
                                                   "tokens of the prompt",
                                                   "generated tokens"};

int bench_points_add(struct bench_points *p, const struct bench_point *point)
{
    if (p->n == p->cap) {
        int cap = p->cap ? 2 * p->cap : 16;
        struct bench_point *grown = realloc(p->point, (size_t)cap * sizeof *grown);
        if (!grown)
            return -1;
        p->point = grown;
        p->cap = cap;
    }
    p->point[p->n++] = *point;
    return 0;
}

void bench_points_free(struct bench_points *p)
{
    free(p->point);
    *p = (struct bench_points){NULL, 0, 0};
}

/* ---- series ----------------------------------------------------------------------------------------------------------------- */

/* Equal but for the axis; axis below 0: equal in all. */
static int is_series(const struct bench_point *a, const struct bench_point *b, int axis)
{
    int same = strcmp(a->model, b->model) == 0 && strcmp(a->kv, b->kv) == 0;
    for (int i = 0; i < BENCH_AXES; i++)
        same &= i == axis || a->at[i] == b->at[i];
    return same;
}

/* -1: rows differ in nothing, or in several things at once. */
static int choose_axis(const struct bench_points *p)
{
    int best = 0, axis = -1;
    for (int x = 0; x < BENCH_AXES; x++)
        for (int i = 0; i < p->n; i++) {
            int n = 0;
            for (int k = 0; k < p->n; k++)
                n += is_series(&p->point[i], &p->point[k], x) && p->point[i].at[x] != p->point[k].at[x];
            if (n > best) {
                best = n;
                axis = x;
            }
        }
    return axis;
}

/* The first row of the series that row i is of. */
static int first_of(const struct bench_points *p, int i, int axis)
{
    int first = 0;
    while (axis >= 0 ? !is_series(&p->point[first], &p->point[i], axis) : first != i)
        first++;
    return first;
}

/* Series are numbered in the order of their first rows. */
static int series_of(const struct bench_points *p, int i, int axis)
{
    int first = first_of(p, i, axis), number = 0;
    for (int k = 0; k < first; k++)
        number += first_of(p, k, axis) == k;
    return number;
}

static int differs(const struct bench_points *p, int axis)
{
    for (int i = 1; i < p->n; i++)
        if (p->point[i].at[axis] != p->point[0].at[axis])
            return 1;
    return 0;
}

/* The test, and in what else series differ. */
static void name_series(char out[256], const struct bench_points *p, const struct bench_point *of, int axis)
{
    size_t n;
    int models = 0, types = 0;
    for (int i = 1; i < p->n; i++) {
        models |= strcmp(p->point[i].model, p->point[0].model) != 0;
        types |= strcmp(p->point[i].kv, p->point[0].kv) != 0;
    }
    if (axis == AXIS_PROMPT || axis == AXIS_GEN)
        snprintf(out, 256, axis == AXIS_PROMPT ? "prompt" : "generation");
    else
        bench_name_test((int)of->at[AXIS_PROMPT], (int)of->at[AXIS_GEN],
                        axis == AXIS_DEPTH ? 0 : (int)of->at[AXIS_DEPTH], out, 256);
    if (differs(p, AXIS_BUDGET) && axis != AXIS_BUDGET && (n = strlen(out)) < 200)
        snprintf(out + n, 256 - n, ", %s", show_bytes((uint64_t)of->at[AXIS_BUDGET]));
    if (differs(p, AXIS_BATCH) && axis != AXIS_BATCH && (n = strlen(out)) < 200)
        snprintf(out + n, 256 - n, ", batch %.0f", of->at[AXIS_BATCH]);
    if (differs(p, AXIS_THREADS) && axis != AXIS_THREADS && (n = strlen(out)) < 200)
        snprintf(out + n, 256 - n, ", %.0f thread%s", of->at[AXIS_THREADS], of->at[AXIS_THREADS] > 1 ? "s" : "");
    if (types && (n = strlen(out)) < 200)
        snprintf(out + n, 256 - n, ", %s", of->kv);
    if (models && (n = strlen(out)) < 200)
        snprintf(out + n, 256 - n, ", %.*s", (int)utf8_cut(of->model, 40), of->model);
}

/* ---- scales ----------------------------------------------------------------------------------------------------------------- */

struct scales {
    const struct bench_points *p;
    int axis, is_log;
    double least, most; /* of the axis */
    double top;         /* of the rates: where the highest line is */
};

/* Where row i is on the axis; without one rows stand side by side. */
static double place_of(const struct scales *s, int i)
{
    double at = s->axis < 0 ? i : s->p->point[i].at[s->axis];
    return s->is_log ? log2(at) : at;
}

/* A number of one digit and zeros, at least x. */
static double round_up(double x)
{
    double power = pow(10, floor(log10(x)));
    return ceil(x / power) * power;
}

/* Depths and budgets lie as far apart as they are, numbers that double beside each other. */
static struct scales scales_of(const struct bench_points *p)
{
    struct scales s = {.p = p, .axis = choose_axis(p), .is_log = 0, .least = INFINITY, .most = -INFINITY, .top = 0};
    s.is_log = s.axis > AXIS_BUDGET;
    for (int i = 0; i < p->n && s.is_log; i++)
        s.is_log = p->point[i].at[s.axis] > 0;
    for (int i = 0; i < p->n; i++) {
        s.least = fmin(s.least, place_of(&s, i));
        s.most = fmax(s.most, place_of(&s, i));
        s.top = fmax(s.top, fmax(p->point[i].p90, p->point[i].median));
    }
    s.top = s.top > 0 ? TICKS * round_up(s.top / TICKS) : TICKS;
    return s;
}

static double x_of(const struct scales *s, int i)
{
    double width = RIGHT - LEFT - 2 * INSIDE;
    return LEFT + INSIDE + width * (s->most > s->least ? (place_of(s, i) - s->least) / (s->most - s->least) : 0.5);
}

static double y_of(const struct scales *s, double rate) { return BOTTOM - (BOTTOM - TOP) * rate / s->top; }

/* ---- drawing ---------------------------------------------------------------------------------------------------------------- */

static void label_of(char out[256], const struct scales *s, int i)
{
    if (s->axis < 0)
        name_series(out, s->p, &s->p->point[i], -1);
    else if (s->axis == AXIS_BUDGET)
        snprintf(out, 256, "%s", show_bytes((uint64_t)s->p->point[i].at[AXIS_BUDGET]));
    else
        snprintf(out, 256, "%.0f", s->p->point[i].at[s->axis]);
}

/* Labels that would lie on others are left out. */
static void draw_axes(FILE *f, const struct scales *s)
{
    char text[256], data[64];
    for (int k = 0; k <= TICKS; k++) {
        double rate = s->top * k / TICKS;
        svg_line(f, LEFT, y_of(s, rate), RIGHT, y_of(s, rate), k ? "grid" : "axis");
        snprintf(text, sizeof text, "%.6g", rate);
        svg_text(f, LEFT - 8, y_of(s, rate) + 4, "end", "small", text);
    }
    for (int i = 0; i < s->p->n; i++) {
        int is_near = 0;
        for (int k = 0; k < i; k++)
            is_near |= fabs(x_of(s, k) - x_of(s, i)) < (RIGHT - LEFT) / LABELS * 0.8;
        label_of(text, s, i);
        if (!is_near)
            svg_text(f, x_of(s, i), BOTTOM + 18, "middle", "small", text);
    }
    svg_text(f, (LEFT + RIGHT) / 2.0, BOTTOM + 42, "middle", "", s->axis < 0 ? "tests" : axis_title[s->axis]);
    snprintf(data, sizeof data, " data-axis=\"%s\" data-top=\"%.6f\"", s->axis < 0 ? "test" : axis_name[s->axis],
             s->top);
    svg_rect(f, LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, "area", data, "");
}

static void draw_row(FILE *f, const struct scales *s, int i, const char *name)
{
    const struct bench_point *r = &s->p->point[i];
    char class[8], data[200], hint[400], label[256];
    int series = series_of(s->p, i, s->axis);
    double x = x_of(s, i), high = y_of(s, r->p90), low = y_of(s, r->p10);
    snprintf(class, sizeof class, "c%d", series % SVG_COLOURS);
    snprintf(data, sizeof data,
             " data-series=\"%d\" data-at=\"%.0f\" data-median=\"%.6f\" data-p10=\"%.6f\" data-p90=\"%.6f\"", series,
             s->axis < 0 ? i : r->at[s->axis], r->median, r->p10, r->p90);
    label_of(label, s, i);
    snprintf(hint, sizeof hint, "%.*s at %.*s: %.2f tokens a second, p10 %.2f, p90 %.2f", (int)utf8_cut(name, HINT),
             name, (int)utf8_cut(label, HINT), label, r->median, r->p10, r->p90);
    svg_line(f, x, low, x, high, class);
    svg_line(f, x - CAP, low, x + CAP, low, class);
    svg_line(f, x - CAP, high, x + CAP, high, class);
    svg_circle(f, x, y_of(s, r->median), 4, class, data, hint);
}

/* The next row of i's series along the axis; -1: i is the last. */
static int next_of(const struct scales *s, int i)
{
    int next = -1;
    for (int k = 0; k < s->p->n && s->axis >= 0; k++)
        if (is_series(&s->p->point[i], &s->p->point[k], s->axis) && place_of(s, k) > place_of(s, i) &&
            (next < 0 || place_of(s, k) < place_of(s, next)))
            next = k;
    return next;
}

void bench_points_draw(const struct bench_points *p, FILE *f)
{
    struct scales s = scales_of(p);
    char title[200], name[256], class[8];
    snprintf(title, sizeof title, "%s: tokens a second", p->n ? p->point[0].model : "nothing was measured");
    svg_begin(f, WIDTH, HEIGHT, title);
    svg_text(f, LEFT, 32, "start", "title", title);
    if (p->n)
        draw_axes(f, &s);
    for (int i = 0; i < p->n; i++) {
        int next = next_of(&s, i), series = series_of(p, i, s.axis);
        snprintf(class, sizeof class, "c%d", series % SVG_COLOURS);
        if (next >= 0)
            svg_line(f, x_of(&s, i), y_of(&s, p->point[i].median), x_of(&s, next), y_of(&s, p->point[next].median),
                     class);
        name_series(name, p, &p->point[i], s.axis);
        draw_row(f, &s, i, name);
        if (first_of(p, i, s.axis) == i) {
            svg_rect(f, RIGHT + 16, TOP + series * 22, 12, 12, class, "", "");
            svg_text(f, RIGHT + 34, TOP + series * 22 + 11, "start", "", name);
        }
    }
    svg_end(f);
}
