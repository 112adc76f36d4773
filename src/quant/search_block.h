/* Blocks: the scales of their groups as they are stored, chosen together: see search.h. Included once for each tier. */
#ifndef QUANT_SEARCH_BLOCK_H
#define QUANT_SEARCH_BLOCK_H

#include "quant/search_grid.h"
#include "quant/search_levels.h"

struct side { /* the groups of a block, or the groups of blocks */
    struct groups g[2];
    struct cells cells;
    struct scales best[2];
    lanes w[2], wx[2]; /* sums of w and w x: of types with minima */
};

static lanes f16_lanes(lanes v)
{
    for (int l = 0; l < LANES; l++)
        v[l] = as_f16(v[l]);
    return v;
}

/* ---- scales of scales -------------------------------------------------------------------------------------------------------------- */

struct trial {
    float e, d, dmin;
    lanes scale[2], min[2]; /* whole numbers */
    lanes s[2], m[2];       /* what they are to be near to */
};

struct sums { /* of the least squares of d and dmin */
    float ss, sk, kk, sx, kx;
};

static lanes factor(const struct shape *h, lanes l) { return h->unit * (h->first + h->step * l); }

/* Of levels the error alone: of all that are tried one is asked for its sums. */
static struct fit try_at(const struct shape *h, const struct side *s, int v, lanes scale, lanes min)
{
    if (h->levels == LEVELS_GRID)
        return fit_grid(h, &s->cells, v * LANES, scale);
    return (struct fit){.e = error_levels(h, &s->g[v], scale, min)};
}

/* None of groups without an error that is a number: nothing was found for them. */
static void add_sums(struct fit *of, const struct shape *h, const struct groups *g, lanes scale, lanes min)
{
    struct fit f = fit_levels(h, g, scale, min);
    lane_mask is_found = of->e < all_of(INFINITY);
    of->p = choose(is_found, f.p, all_of(0));
    of->r = choose(is_found, f.r, all_of(0));
    of->a = choose(is_found, f.a, all_of(0));
}

/* For d and dmin the best whole numbers near t->s and t->m, which they become. */
static struct sums try_block(const struct shape *h, const struct effort *e, const struct side *side, struct trial *t)
{
    struct sums sum = {0, 0, 0, 0, 0};
    int n = h->block / h->group / LANES, reach = e->reach + (e->reach ? h->reach : 0),
        min_reach = h->has_min ? reach : 0;
    t->e = 0;
    for (int v = 0; v < n; v++) {
        struct fit best = {.e = all_of(INFINITY)};
        lanes low = all_of((float)h->least), high = all_of((float)h->most);
        lanes near = round_lanes(clamp((t->s[v] / (t->d * h->unit) - h->first) / h->step, low, high));
        lanes near_min = all_of(0), scale = all_of(0), min = all_of(0);
        if (h->has_min && t->dmin > 0)
            near_min = round_lanes(clamp(t->m[v] / t->dmin, all_of(0), all_of((float)h->most_min)));
        for (int i = -reach; i <= reach; i++)
            for (int k = -min_reach; k <= min_reach; k++) {
                lanes l = clamp(near + (float)i, low, high);
                lanes m = clamp(near_min + (float)k, all_of(0), all_of((float)h->most_min));
                struct fit f = try_at(h, side, v, t->d * factor(h, l), t->dmin * m);
                lane_mask is_better = f.e < best.e;
                best.e = choose(is_better, f.e, best.e);
                best.p = choose(is_better, f.p, best.p);
                best.r = choose(is_better, f.r, best.r);
                scale = choose(is_better, l, scale);
                min = choose(is_better, m, min);
            }
        if (h->levels != LEVELS_GRID)
            add_sums(&best, h, &side->g[v], t->d * factor(h, scale), t->dmin * min);
        lanes s = factor(h, scale);
        t->e += sum_lanes(best.e);
        t->scale[v] = scale;
        t->min[v] = min;
        t->s[v] = t->d * s;
        t->m[v] = t->dmin * min;
        sum.ss += sum_lanes(s * s * best.p);
        sum.sx += sum_lanes(s * best.r);
        if (h->has_min) {
            sum.sk += sum_lanes(s * min * best.a);
            sum.kk += sum_lanes(min * min * side->w[v]);
            sum.kx += sum_lanes(min * side->wx[v]);
        }
    }
    return sum;
}

/* d and dmin that fit whole numbers and codes best. */
static void fit_block(const struct shape *h, const struct sums *of, struct trial *t)
{
    double ss = (double)of->ss, sk = (double)of->sk, kk = (double)of->kk, det = ss * kk - sk * sk;
    double d = ss > 0 ? (double)of->sx / ss : 0, dmin = 0;
    if (h->has_min && det > 0) {
        double both = ((double)of->sx * kk - sk * (double)of->kx) / det;
        double min = (sk * (double)of->sx - ss * (double)of->kx) / det;
        if (min > 0 && both > 0) {
            d = both;
            dmin = min;
        }
    }
    t->d = as_f16((float)d);
    t->dmin = as_f16((float)dmin);
}

/* The largest scale, with its sign, and the largest minimum. */
static void extremes(const struct shape *h, const struct side *side, float *s, float *m)
{
    *s = *m = 0;
    for (int g = 0; g < h->block / h->group; g++) {
        float a = side->best[g / LANES].s[g % LANES], b = side->best[g / LANES].m[g % LANES];
        *s = fabsf(a) > fabsf(*s) ? a : *s;
        *m = b > *m ? b : *m;
    }
}

/* best: what was found before stays, unless something is better. */
static void search_steps(const struct shape *h, const struct effort *e, const struct side *side, struct trial *best)
{
    float top, top_min, most = h->least < 0 ? (float)h->least : (float)h->most;
    extremes(h, side, &top, &top_min);
    for (int c = 0; c < e->block_starts; c++) {
        float less = 1 - 0.022f * (float)c, last = INFINITY;
        struct trial t = {.d = as_f16(top / (h->unit * (h->first + h->step * most) * less)),
                          .dmin = as_f16(top_min / ((float)(h->most_min ? h->most_min : 1) * less))};
        for (int v = 0; v < h->block / h->group / LANES; v++) {
            t.s[v] = side->best[v].s;
            t.m[v] = side->best[v].m;
        }
        for (int round = 0; round < e->block_rounds && t.d != 0; round++) {
            struct sums sum = try_block(h, e, side, &t);
            if (t.e < best->e)
                *best = t;
            if (round && !(last - t.e > 1e-4f * fabsf(last)))
                break;
            last = t.e;
            float d = t.d, dmin = t.dmin;
            fit_block(h, &sum, &t);
            if (t.d == d && t.dmin == dmin)
                break;
        }
    }
}

static void sum_weights(struct side *side, int v)
{
    const struct groups *g = &side->g[v];
    side->w[v] = side->wx[v] = all_of(0);
    for (int i = 0; i < g->n; i++) {
        side->w[v] += g->w[i];
        side->wx[v] += g->w[i] * g->x[i];
    }
}

static void search_super(const struct shape *h, const struct effort *e, const float *x, const float *w,
                         struct block *out, struct side *side)
{
    struct trial best = {.e = INFINITY, .d = 0};
    int n = h->block / h->group / LANES;
    for (int v = 0; v < n && h->levels != LEVELS_GRID; v++) {
        gather(&side->g[v], x + v * LANES * h->group, w + v * LANES * h->group, h->group, LANES);
        sum_weights(side, v);
        side->best[v] = h->has_min ? best_lines(h, e, &side->g[v]) : best_scales(h, e, &side->g[v]);
    }
    if (h->levels == LEVELS_GRID) {
        lanes s[2];
        look_at_block(&side->cells, h, x, w, s);
        for (int v = 0; v < n; v++)
            side->best[v] = (struct scales){.s = s[v], .m = all_of(0)};
    }
    /* Another way through the same groups may end elsewhere: the lesser effort's is gone first. */
    if (h->levels == LEVELS_GRID && e->lesser)
        search_steps(h, e->lesser, side, &best);
    search_steps(h, e, side, &best);
    memset(out, 0, sizeof *out);
    out->d = best.d;
    out->dmin = best.dmin;
    for (int g = 0; best.d != 0 && g < n * LANES; g++) {
        out->scale[g] = (int)best.scale[g / LANES][g % LANES];
        out->min[g] = (int)best.min[g / LANES][g % LANES];
        if (h->levels == LEVELS_GRID)
            put_group(h, &side->cells, g, best.d * (h->unit * (h->first + h->step * (float)out->scale[g])), x, w, out);
    }
    for (int v = 0; best.d != 0 && v < n && h->levels != LEVELS_GRID; v++)
        codes_at(h, &side->g[v], best.d * factor(h, best.scale[v]), best.dmin * best.min[v], LANES,
                 out->code + v * LANES * h->group, h->group);
}

/* ---- a scale of its own for each group ------------------------------------------------------------------------------------------- */

/* Zero, or one f16 further from it or nearer to it; v is an f16. */
static lanes beside(lanes v, int by)
{
    for (int l = 0; l < LANES; l++) {
        int bits = (f16_from_f32(v[l]) & 0x7fff) + by;
        bits = bits < 0 ? 0 : bits > 0x7bff ? 0x7bff : bits;
        v[l] = v[l] < 0 ? -f16_to_f32((uint16_t)bits) : f16_to_f32((uint16_t)bits);
    }
    return v;
}

static struct scales stored_f16(const struct shape *h, const struct effort *e, const struct groups *g)
{
    struct scales any = h->has_min ? best_lines(h, e, g) : best_scales(h, e, g);
    struct scales best = {all_of(INFINITY), all_of(0), all_of(0)};
    lanes s = f16_lanes(h->low == -h->high ? magnitude(any.s) : any.s), m = f16_lanes(any.m);
    for (int i = -1; i <= 1; i++)
        for (int k = -h->has_min; k <= h->has_min; k++) {
            lanes at = beside(s, i), min = k ? beside(m, k) : m;
            keep_better(&best, error_levels(h, g, at, min), at, min);
        }
    return best;
}

/* The scale that a byte stands for; levels are twice the values. */
static float code_scale(const struct shape *h, int code)
{
    return h->group == 32 ? ldexpf(0.5f, code - 127) : ue4m3(code) / 2;
}

static struct scales stored_codes(const struct shape *h, const struct effort *e, const struct groups *g, lanes *code)
{
    struct scales best = {all_of(INFINITY), all_of(0), all_of(0)};
    lanes extreme = magnitude(extreme_lanes(g)), first = all_of(0);
    int n = h->group == 32 ? 2 * e->reach + 1 : 16, most = h->group == 32 ? 254 : UE4M3_MOST;
    for (int l = 0; l < LANES; l++) {
        int of = 0;
        if (h->group == 32) {
            frexpf(extreme[l], &of);
            of += 124 - e->reach;
        } else { /* the first that is large enough */
            of = ue4m3_below(extreme[l] / 12);
            while (of > 0 && !(ue4m3(of - 1) * 12 < extreme[l]))
                of--;
            while (of < most && ue4m3(of) * 12 < extreme[l])
                of++;
        }
        first[l] = (float)(of < 0 ? 0 : of);
    }
    for (int k = 0; k < n; k++) {
        lanes at = lesser(first + (float)k, all_of((float)most)), s = at;
        for (int l = 0; l < LANES; l++)
            s[l] = code_scale(h, (int)at[l]);
        lanes error = error_levels(h, g, s, s);
        *code = choose(error < best.e, at, *code);
        keep_better(&best, error, s, s);
    }
    return best;
}

static void search_groups(const struct shape *h, const struct effort *e, const float *x, const float *w, int n_block,
                          struct block *out, struct side *side)
{
    int of_block = h->block / h->group, n_group = n_block * of_block;
    memset(out, 0, (size_t)n_block * sizeof *out);
    for (int g = 0; g < n_group; g += LANES) {
        int n = n_group - g < LANES ? n_group - g : LANES, code[LANES * GROUP_MOST];
        lanes stored = all_of(0);
        gather(&side->g[0], x + g * h->group, w + g * h->group, h->group, n);
        struct scales s = h->scales == SCALE_F16 ? stored_f16(h, e, &side->g[0])
                                                 : stored_codes(h, e, &side->g[0], &stored);
        codes_at(h, &side->g[0], s.s, s.m, n, code, h->group);
        for (int l = 0; l < n; l++) {
            struct block *b = &out[(g + l) / of_block];
            int at = (g + l) % of_block;
            b->d = s.s[l];
            b->dmin = -s.m[l]; /* of these types it is added */
            b->scale[at] = (int)stored[l];
            memcpy(b->code + at * h->group, code + l * h->group, (size_t)h->group * sizeof *code);
        }
    }
}

static void search_blocks(const struct shape *h, const struct effort *e, const float *x, const float *w, int n_block,
                          struct block *out, void *scratch)
{
    if (h->scales != SCALE_STEPS) {
        search_groups(h, e, x, w, n_block, out, scratch);
        return;
    }
    for (int b = 0; b < n_block; b++)
        search_super(h, e, x + b * h->block, w + b * h->block, &out[b], scratch);
}

static void search_begin(const struct shape *h, void *scratch)
{
    struct side *s = scratch;
    if (h->levels == LEVELS_GRID)
        begin_cells(&s->cells, h);
}

static size_t search_scratch(void) { return sizeof(struct side); }

#endif
