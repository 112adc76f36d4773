/* Groups of single values, each one of a few levels: see search.h. Included once for each tier. */
#ifndef QUANT_SEARCH_LEVELS_H
#define QUANT_SEARCH_LEVELS_H

#include "quant/lanes.h"
#include "quant/search.h"

#include "format/grids.h"

enum { GROUP_MOST = 256 };

struct groups { /* eight of them, value i of each */
    int n;
    lanes x[GROUP_MOST], w[GROUP_MOST];
};

/* x̂ = s a - m at the best levels a: the error, sum w a a, sum w a x, sum w a. */
struct fit {
    lanes e, p, r, a;
};

/* Groups lie `stride` values apart; lanes from n on repeat the last. */
static void gather(struct groups *g, const float *x, const float *w, int group, int n)
{
    g->n = group;
    for (int l = 0; l < LANES; l++) {
        int from = (l < n ? l : n - 1) * group;
        for (int i = 0; i < group; i++) {
            ((float *)&g->x[i])[l] = x[from + i];
            ((float *)&g->w[i])[l] = w[from + i];
        }
    }
}

LANE_OP lanes step_up(lanes v, lanes to, float low, float high)
{
    lane_mask is_above = v > all_of((low + high) / 2);
    return to + (lanes)((lane_mask)all_of(high - low) & is_above);
}

/* The nearest of the kind's levels. */
LANE_OP lanes nearest_level(enum level_kind kind, const struct shape *h, lanes v)
{
    static const float iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    static const float e2m1[8] = {0, 1, 2, 3, 4, 6, 8, 12};
    if (kind == LEVELS_WHOLE)
        return round_lanes(clamp(v, all_of(h->low), all_of(h->high)));
    if (kind == LEVELS_IQ4) {
        lanes to = all_of(iq4[0]);
        for (int k = 1; k < 16; k++)
            to = step_up(v, to, iq4[k - 1], iq4[k]);
        return to;
    }
    lanes to = all_of(0), of = magnitude(v);
    for (int k = 1; k < 8; k++)
        to = step_up(of, to, e2m1[k - 1], e2m1[k]);
    return (lanes)((lane_mask)to | ((lane_mask)v & INT32_MIN));
}

LANE_OP struct fit fit_kind(enum level_kind kind, int has_min, int has_sums, const struct shape *h,
                            const struct groups *g, lanes s, lanes m)
{
    struct fit f = {all_of(0), all_of(0), all_of(0), all_of(0)};
    lanes inv = inverse(s);
    for (int i = 0; i < g->n; i++) {
        lanes x = g->x[i], w = g->w[i];
        lanes a = nearest_level(kind, h, (has_min ? x + m : x) * inv);
        lanes off = has_min ? (x + m) - s * a : x - s * a;
        f.e += w * off * off;
        if (!has_sums)
            continue;
        lanes wa = w * a;
        f.p += wa * a;
        f.r += wa * x;
        if (has_min)
            f.a += wa;
    }
    return f;
}

LANE_OP struct fit fit_any(int has_sums, const struct shape *h, const struct groups *g, lanes s, lanes m)
{
    if (h->has_min)
        return fit_kind(LEVELS_WHOLE, 1, has_sums, h, g, s, m);
    if (h->levels == LEVELS_WHOLE)
        return fit_kind(LEVELS_WHOLE, 0, has_sums, h, g, s, m);
    return h->levels == LEVELS_IQ4 ? fit_kind(LEVELS_IQ4, 0, has_sums, h, g, s, m)
                                   : fit_kind(LEVELS_E2M1, 0, has_sums, h, g, s, m);
}

static struct fit fit_levels(const struct shape *h, const struct groups *g, lanes s, lanes m)
{
    return fit_any(1, h, g, s, m);
}

/* Its error alone. */
static lanes error_levels(const struct shape *h, const struct groups *g, lanes s, lanes m)
{
    return fit_any(0, h, g, s, m).e;
}

static int code_of(const struct shape *h, float level)
{
    if (h->levels == LEVELS_WHOLE)
        return (int)(level - h->low);
    return h->levels == LEVELS_IQ4 ? nearest_of(level, codes_iq4_nl, 16) : nearest_e2m1(level);
}

/* The codes of the first n groups, from code on. */
static void codes_at(const struct shape *h, const struct groups *g, lanes s, lanes m, int n, int *code, int stride)
{
    lanes inv = inverse(s);
    for (int i = 0; i < g->n; i++) {
        lanes v = (h->has_min ? g->x[i] + m : g->x[i]) * inv;
        lanes a = h->levels == LEVELS_WHOLE ? nearest_level(LEVELS_WHOLE, h, v)
                  : h->levels == LEVELS_IQ4 ? nearest_level(LEVELS_IQ4, h, v)
                                            : nearest_level(LEVELS_E2M1, h, v);
        for (int l = 0; l < n; l++)
            code[l * stride + i] = code_of(h, a[l]);
    }
}

/* ---- the best scale, and minimum, of each group as any numbers ------------------------------------------------------------------- */

struct scales {
    lanes e, s, m;
};

LANE_OP void keep_better(struct scales *best, lanes e, lanes s, lanes m)
{
    lane_mask is_better = e < best->e;
    best->e = choose(is_better, e, best->e);
    best->s = choose(is_better, s, best->s);
    best->m = choose(is_better, m, best->m);
}

static lanes extreme_lanes(const struct groups *g)
{
    lanes most = all_of(0);
    for (int i = 0; i < g->n; i++)
        most = choose(magnitude(g->x[i]) > magnitude(most), g->x[i], most);
    return most;
}

static struct scales best_scales(const struct shape *h, const struct effort *e, const struct groups *g)
{
    struct scales best = {all_of(INFINITY), all_of(0), all_of(0)};
    lanes extreme = extreme_lanes(g);
    int n = (int)((float)h->n_start * e->n_start), half = n / 2;
    float delta = h->delta * (float)(h->n_start / 2) / (float)(half ? half : 1);
    for (int k = 0; k < n; k++)
        for (int other = 0; other <= h->both_signs; other++) {
            lanes s = extreme / (-h->extreme + delta * (float)(k - half));
            s = other ? -s : s;
            for (int round = 1; round < e->rounds; round++) {
                struct fit f = fit_levels(h, g, s, s);
                keep_better(&best, f.e, s, s);
                s = choose(f.p > 0, f.r / f.p, all_of(0));
            }
            keep_better(&best, error_levels(h, g, s, s), s, s);
        }
    return best;
}

/* The least squares of x on (a, -1): the scale and the minimum, none below 0 where it has no sign. */
static void best_line(const struct shape *h, const struct fit *f, lanes w, lanes wx, lanes *s, lanes *m)
{
    lanes det = w * f->p - f->a * f->a;
    lane_mask is_one = det > 0;
    lanes scale = (w * f->r - wx * f->a) / det, min = (f->a * f->r - f->p * wx) / det;
    if (h->scales == SCALE_STEPS) {
        lane_mask below = min < 0;
        min = choose(below, all_of(0), min);
        scale = choose(below, f->r / f->p, scale);
    }
    is_one &= scale > 0;
    *s = choose(is_one, scale, *s);
    *m = choose(is_one, min, *m);
}

static struct scales best_lines(const struct shape *h, const struct effort *e, const struct groups *g)
{
    struct scales best = {all_of(INFINITY), all_of(0), all_of(0)};
    lanes low = h->scales == SCALE_STEPS ? all_of(0) : g->x[0], high = g->x[0], w = all_of(0), wx = all_of(0);
    for (int i = 0; i < g->n; i++) {
        low = lesser(g->x[i], low);
        high = larger(g->x[i], high);
        w += g->w[i];
        wx += g->w[i] * g->x[i];
    }
    int n = (int)((float)h->n_start * e->n_start);
    float delta = h->delta * (float)h->n_start / (float)n;
    for (int k = 0; k < n; k++) {
        lanes s = (high - low) / (h->high - 0.9f + delta * (float)k), m = -low;
        for (int round = 1; round < e->rounds; round++) {
            struct fit f = fit_levels(h, g, s, m);
            keep_better(&best, f.e, s, m);
            best_line(h, &f, w, wx, &s, &m);
        }
        keep_better(&best, error_levels(h, g, s, m), s, m);
    }
    return best;
}

#endif
