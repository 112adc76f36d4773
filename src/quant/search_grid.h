/* Groups of cells, each one of the points of a grid: see search.h. Included once for each tier.
 *
 * With a = |x| the error of point g_k is a parabola in the scale, and all that depends on k of it, over s^2, is a line in t = 1/s:
 *
 *     E_k(s) = s^2 (P_k - t Q_k) + sum w a^2      P_k = sum w g_k^2      Q_k = 2 sum w a g_k
 *
 * Where the signs of eight must be even and are odd, one value changes its sign: Q_k is less by min 4 w a g_k. The best points at all
 * scales are the lower envelope of these lines, a dozen of them: every point is looked at, once, and then any scale costs a search in
 * a short list. The envelopes of a group's cells add up to the group's, whose best scale is exact: it lies at some Q / 2P. */
#ifndef QUANT_SEARCH_GRID_H
#define QUANT_SEARCH_GRID_H

#include "quant/search_levels.h"

enum {
    CELL = 8,
    POINTS_MOST = 4096,
    STRIDE = 2 * LANES,
    LINES = 40,
    GROUP_CELLS = 4,
    GROUP_LINES = GROUP_CELLS * LINES
};

struct line {
    float p, q;
    int code;
};

struct envelope { /* line[i] is the lowest from t = from[i] on */
    int n;
    float from[LINES];
    struct line line[LINES];
};

struct parabolas { /* of all points of a cell; padded to vectors by points that are never chosen */
    int n;
    float p[POINTS_MOST + STRIDE], q[POINTS_MOST + STRIDE];
    int code[POINTS_MOST + STRIDE];
};

static float line_at(const struct line *l, float t) { return l->p - t * l->q; }

/* ---- envelopes ------------------------------------------------------------------------------------------------------------------- */

/* The lowest of lines at t; of equal ones one and the same everywhere. */
static int lowest_at(const struct parabolas *of, float t)
{
    lanes least[2] = {all_of(INFINITY), all_of(INFINITY)};
    lane_mask at[2] = {{0}, {0}}, here = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int k = 0; k < of->n; k += STRIDE, here += STRIDE)
        for (int i = 0; i < 2; i++) {
            lanes v = load_lanes(of->p + k + i * LANES) - t * load_lanes(of->q + k + i * LANES);
            lane_mask is_less = v < least[i];
            least[i] = lesser(v, least[i]);
            at[i] = (lane_mask)choose(is_less, (lanes)here, (lanes)at[i]);
        }
    lane_mask second = least[1] < least[0];
    at[0] = (lane_mask)choose(second, (lanes)(at[1] + LANES), (lanes)at[0]);
    float value;
    return at[0][lane_of_least(choose(second, least[1], least[0]), &value)];
}

/* Fills up to whole strides with lines that are never the lowest. */
static void pad(struct parabolas *of)
{
    for (int k = of->n; k % STRIDE; k++) {
        of->p[k] = INFINITY;
        of->q[k] = 0;
    }
}

/* Where the lines of a and b meet. */
static float meeting(const struct line *a, const struct line *b) { return (b->p - a->p) / (b->q - a->q); }

static struct line line_of(const struct parabolas *of, int k) { return (struct line){of->p[k], of->q[k], of->code[k]}; }

/* Those that pass below a value at one of two places. */
static void keep_below(struct parabolas *few, const struct parabolas *of, const float t[2], const float value[2])
{
    few->n = 0;
    for (int k = 0; k < of->n; k += LANES) {
        lanes p = load_lanes(of->p + k), q = load_lanes(of->q + k);
        lane_mask below = (p - t[0] * q < all_of(value[0])) | (p - t[1] * q < all_of(value[1]));
        for (unsigned bits = lane_bits(below); bits; bits &= bits - 1) {
            int at = k + __builtin_ctz(bits);
            few->p[few->n] = of->p[at];
            few->q[few->n] = of->q[at];
            few->code[few->n++] = of->code[at];
        }
    }
}

static void add_point(struct parabolas *few, struct line l)
{
    few->p[few->n] = l.p;
    few->q[few->n] = l.q;
    few->code[few->n++] = l.code;
}

/* Of the lines that are steeper than the last of an envelope the one that meets it first comes next. */
static void add_lines(struct envelope *out, const struct parabolas *few, float until)
{
    while (out->n < LINES) {
        const struct line *last = &out->line[out->n - 1];
        lanes first = all_of(INFINITY);
        lane_mask at = {0}, here = {0, 1, 2, 3, 4, 5, 6, 7};
        for (int k = 0; k < few->n; k += LANES, here += LANES) {
            lanes rise = load_lanes(few->q + k) - last->q, t = (load_lanes(few->p + k) - last->p) / rise;
            t = choose(rise > 0, t, all_of(INFINITY));
            at = (lane_mask)choose(t < first, (lanes)here, (lanes)at);
            first = lesser(t, first);
        }
        float t;
        int next = at[lane_of_least(first, &t)];
        if (!(t < until))
            return;
        out->from[out->n] = t;
        out->line[out->n++] = line_of(few, next);
    }
}

/* The envelope from t = 0 to `until`. A line that is the lowest somewhere between two that are on it passes below their meeting: few of all
 * points do so, once a line in the middle is known. */
static void make_envelope(struct envelope *out, const struct parabolas *of, struct parabolas *few, float until)
{
    struct line a = line_of(of, lowest_at(of, 0)), b = line_of(of, lowest_at(of, until));
    out->n = 1;
    out->from[0] = 0;
    out->line[0] = a;
    if (!(b.q > a.q) || !(b.p > a.p))
        return;
    float t = meeting(&a, &b);
    struct line m = line_of(of, lowest_at(of, t));
    if (!(line_at(&m, t) < line_at(&a, t)) || !(m.q > a.q) || !(m.q < b.q)) {
        out->from[1] = t;
        out->line[out->n++] = b;
        return;
    }
    const float at[2] = {meeting(&a, &m), meeting(&m, &b)}, value[2] = {line_at(&a, at[0]), line_at(&m, at[1])};
    keep_below(few, of, at, value);
    add_point(few, m);
    add_point(few, b);
    pad(few);
    add_lines(out, few, until);
}

/* The sum of n envelopes, a line for each interval; at most n + the sum of their lines. code: none. */
static int add_envelopes(const struct envelope *const *cell, int n, int most, float *from, struct line *line)
{
    int at[GROUP_CELLS] = {0}, count = 0;
    for (float t = 0;;) {
        float next = INFINITY;
        struct line sum = {0, 0, 0};
        for (int i = 0; i < n; i++) {
            while (at[i] + 1 < cell[i]->n && cell[i]->from[at[i] + 1] <= t)
                at[i]++;
            sum.p += cell[i]->line[at[i]].p;
            sum.q += cell[i]->line[at[i]].q;
            if (at[i] + 1 < cell[i]->n && cell[i]->from[at[i] + 1] < next)
                next = cell[i]->from[at[i] + 1];
        }
        from[count] = t;
        line[count++] = sum;
        if (!(next < INFINITY) || count == most)
            return count;
        t = next;
    }
}

/* The lowest line at t. */
static const struct line *lookup(const float *from, const struct line *line, int n, float t)
{
    int at = 0;
    for (int width = n; width > 1;) {
        int half = width / 2;
        at += from[at + half] <= t ? half : 0;
        width -= half;
    }
    return &line[at];
}

/* ---- cells ----------------------------------------------------------------------------------------------------------------------- */

struct grid_values { /* value i of point k at [i][k] */
    float value[CELL][2048];
};

static void read_grid(struct grid_values *v, const struct shape *h)
{
    const int8_t *bytes = h->grid;
    for (int k = 0; k < h->n_point; k++)
        for (int i = 0; i < h->cell; i++)
            v->value[i][k] = (float)bytes[k * h->cell + i];
}

/* The parabolas of magnitudes; flipped: with one sign changed. */
static void count_points(struct parabolas *out, struct parabolas *flipped, const struct grid_values *grid,
                         const struct shape *h, const float *x, const float *w)
{
    float wa[CELL];
    for (int i = 0; i < h->cell; i++)
        wa[i] = w[i] * fabsf(x[i]);
    for (int k = 0; k < h->n_point; k += LANES) {
        lanes p = all_of(0), r = all_of(0), least = all_of(INFINITY);
        for (int i = 0; i < h->cell; i++) {
            lanes g = load_lanes(grid->value[i] + k), along = wa[i] * g;
            p += w[i] * g * g;
            r += along;
            least = lesser(along, least);
        }
        lanes q = 2 * r, less = q - 4 * least;
        memcpy(out->p + k, &p, sizeof p);
        memcpy(out->q + k, &q, sizeof q);
        if (flipped) {
            memcpy(flipped->p + k, &p, sizeof p);
            memcpy(flipped->q + k, &less, sizeof less);
        }
    }
}

/* Points of -1, 0 and 1, moved by an eighth up (codes below n_point) and down; which: 0 up, 1 down, 2 both. */
static void count_shifted(struct parabolas *up, struct parabolas *down, const struct grid_values *grid,
                          const struct shape *h, const float *x, const float *w)
{
    float wx[CELL], w_sum = 0, wx_sum = 0;
    for (int i = 0; i < CELL; i++) {
        wx[i] = w[i] * x[i];
        w_sum += w[i];
        wx_sum += wx[i];
    }
    for (int k = 0; k < h->n_point; k += LANES) {
        lanes squares = all_of(0), sum = all_of(0), r = all_of(0);
        for (int i = 0; i < CELL; i++) {
            lanes g = load_lanes(grid->value[i] + k), wg = w[i] * g;
            sum += wg;
            squares += wg * g;
            r += wx[i] * g;
        }
        lanes p = squares + w_sum / 64, r2 = 2 * r;
        lanes p_up = p + sum / 4, p_down = p - sum / 4, q_up = r2 + wx_sum / 4, q_down = r2 - wx_sum / 4;
        memcpy(up->p + k, &p_up, sizeof p);
        memcpy(up->q + k, &q_up, sizeof p);
        memcpy(down->p + k, &p_down, sizeof p);
        memcpy(down->q + k, &q_down, sizeof p);
    }
}

enum { DOWN = 1 << 12, FLIPPED = 1 << 12, SECOND = 13 }; /* codes: a point, what happens to it, a second point above */

struct cells { /* of a block, and what finds them */
    struct grid_values grid;
    struct parabolas all, other, few;
    struct envelope cell[2][32]; /* [1]: moved down, where all of a group move alike */
    struct envelope half[4];     /* of two points that share a parity: as they are, and flipped */
    int n[2][16];                /* of groups */
    float from[2][16][GROUP_LINES];
    struct line line[2][16][GROUP_LINES];
};

static int is_odd(const float *x)
{
    int odd = 0;
    for (int i = 0; i < CELL; i++)
        odd ^= x[i] < 0;
    return odd;
}

/* The lines of two points a and b, which together are a cell, from their envelopes. */
static void pair_up(struct parabolas *all, const struct envelope *a, const struct envelope *b, int flag)
{
    for (int i = 0, k = 0;;) {
        all->p[all->n] = a->line[i].p + b->line[k].p;
        all->q[all->n] = a->line[i].q + b->line[k].q;
        all->code[all->n++] = a->line[i].code | b->line[k].code << SECOND | flag;
        int a_goes = i + 1 < a->n, b_goes = k + 1 < b->n;
        if (!a_goes && !b_goes)
            return;
        if (a_goes && (!b_goes || a->from[i + 1] <= b->from[k + 1]))
            i++;
        else
            k++;
    }
}

static void look_at_pair(struct cells *c, const struct shape *h, struct envelope *out, const float *x, const float *w,
                         float until)
{
    int flips = h->is_even && is_odd(x);
    c->all.n = c->other.n = h->n_point;
    for (int half = 0; half < 2; half++) {
        count_points(&c->all, &c->other, &c->grid, h, x + 4 * half, w + 4 * half);
        make_envelope(&c->half[half], &c->all, &c->few, until);
        if (flips)
            make_envelope(&c->half[2 + half], &c->other, &c->few, until);
    }
    c->all.n = 0;
    if (flips) {
        pair_up(&c->all, &c->half[2], &c->half[1], FLIPPED);
        pair_up(&c->all, &c->half[0], &c->half[3], FLIPPED << SECOND);
    } else
        pair_up(&c->all, &c->half[0], &c->half[1], 0);
    pad(&c->all);
    make_envelope(out, &c->all, &c->few, until);
    for (int k = 0; k < c->all.n && k < h->n_point; k++)
        c->all.code[k] = k;
}

static void look_at_cell(struct cells *c, const struct shape *h, int at, const float *x, const float *w, float until)
{
    c->all.n = c->other.n = h->n_point;
    if (h->cell == 4) {
        look_at_pair(c, h, &c->cell[0][at], x, w, until);
    } else if (h->shifted == 2) {
        struct parabolas *all = &c->all;
        count_shifted(all, &c->other, &c->grid, h, x, w);
        memcpy(all->p + h->n_point, c->other.p, (size_t)h->n_point * sizeof(float));
        memcpy(all->q + h->n_point, c->other.q, (size_t)h->n_point * sizeof(float));
        all->n = 2 * h->n_point;
        make_envelope(&c->cell[0][at], all, &c->few, until);
    } else if (h->shifted) {
        count_shifted(&c->all, &c->other, &c->grid, h, x, w);
        make_envelope(&c->cell[0][at], &c->all, &c->few, until);
        make_envelope(&c->cell[1][at], &c->other, &c->few, until);
    } else {
        int flips = h->is_even && is_odd(x);
        count_points(&c->all, flips ? &c->other : NULL, &c->grid, h, x, w);
        make_envelope(&c->cell[0][at], flips ? &c->other : &c->all, &c->few, until);
    }
}

static void begin_cells(struct cells *c, const struct shape *h)
{
    read_grid(&c->grid, h);
    for (int k = 0; k < h->n_point; k++) {
        c->all.code[k] = k;
        c->all.code[h->n_point + k] = k | DOWN;
        c->other.code[k] = k | (h->shifted ? DOWN : FLIPPED);
    }
    if (h->cell == 4)
        for (int k = 0; k < h->n_point; k++)
            c->other.code[k] = k;
}

/* All envelopes of a block, and its groups' best scales. */
static void look_at_block(struct cells *c, const struct shape *h, const float *x, const float *w, lanes best[2])
{
    int n = h->group / CELL;
    for (int g = 0; g < h->block / h->group; g++) {
        const struct envelope *of[GROUP_CELLS];
        float most = fabsf(extreme_of(x + g * h->group, h->group)), gain = 0, scale = 0;
        float until = most > 0 ? 2 * h->largest / most : 1;
        for (int i = 0; i < n; i++)
            look_at_cell(c, h, g * n + i, x + g * h->group + i * CELL, w + g * h->group + i * CELL, until);
        for (int way = 0; way <= (h->shifted == 1); way++) {
            for (int i = 0; i < n; i++)
                of[i] = &c->cell[way][g * n + i];
            c->n[way][g] = add_envelopes(of, n, GROUP_LINES, c->from[way][g], c->line[way][g]);
            for (int k = 0; k < c->n[way][g]; k++) {
                const struct line *l = &c->line[way][g][k];
                float by = l->q > 0 && l->p > 0 ? l->q * (l->q / l->p) : 0;
                if (by > gain) {
                    gain = by;
                    scale = l->q / (2 * l->p);
                }
            }
        }
        best[g / LANES][g % LANES] = scale;
    }
}

/* struct fit of eight groups; errors lack sum w x^2. */
static struct fit fit_grid(const struct shape *h, const struct cells *c, int first, lanes s)
{
    struct fit f = {all_of(0), all_of(0), all_of(0), all_of(0)};
    for (int l = 0; l < LANES; l++) {
        int g = first + l;
        float t = s[l] > 0 ? 1 / s[l] : INFINITY;
        for (int way = 0; way <= (h->shifted == 1); way++) {
            const struct line *line = lookup(c->from[way][g], c->line[way][g], c->n[way][g], t);
            float e = s[l] * (s[l] * line->p - line->q);
            if (way == 0 || e < f.e[l]) {
                f.e[l] = e;
                f.p[l] = line->p;
                f.r[l] = line->q / 2;
            }
        }
    }
    return f;
}

/* ---- codes ----------------------------------------------------------------------------------------------------------------------- */

static unsigned signs_of(const float *x)
{
    unsigned signs = 0;
    for (int i = 0; i < CELL; i++)
        signs |= (unsigned)(x[i] < 0) << i;
    return signs;
}

/* The value for which a changed sign costs least. */
static int cheapest(const struct cells *c, int point, const float *x, const float *w, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (w[i] * fabsf(x[i]) * c->grid.value[i][point] < w[best] * fabsf(x[best]) * c->grid.value[best][point])
            best = i;
    return best;
}

static void put_cell(const struct shape *h, const struct cells *c, int at, int code, const float *x, const float *w,
                     struct block *b)
{
    enum { POINT = FLIPPED - 1 };
    int point = code & POINT;
    b->signs[at] = h->shifted ? (code & DOWN) != 0 : signs_of(x);
    if (h->cell == 4) {
        int second = code >> SECOND & POINT;
        b->code[2 * at] = point;
        b->code[2 * at + 1] = second;
        if (code & FLIPPED)
            b->signs[at] ^= 1u << cheapest(c, point, x, w, 4);
        if (code >> SECOND & FLIPPED)
            b->signs[at] ^= 16u << cheapest(c, second, x + 4, w + 4, 4);
        return;
    }
    b->code[at] = point;
    if (!h->shifted && code & FLIPPED)
        b->signs[at] ^= 1u << cheapest(c, point, x, w, CELL);
}

/* The codes of group g at a scale. */
static void put_group(const struct shape *h, const struct cells *c, int g, float s, const float *x, const float *w,
                      struct block *b)
{
    float t = s > 0 ? 1 / s : INFINITY, e[2];
    int n = h->group / CELL, way = 0;
    for (int k = 0; k <= (h->shifted == 1); k++) {
        const struct line *line = lookup(c->from[k][g], c->line[k][g], c->n[k][g], t);
        e[k] = s * (s * line->p - line->q);
        way = k && e[k] < e[0];
    }
    for (int i = 0; i < n; i++) {
        const struct envelope *of = &c->cell[way][g * n + i];
        int from = g * h->group + i * CELL;
        put_cell(h, c, g * n + i, lookup(of->from, of->line, of->n, t)->code, x + from, w + from, b);
    }
}

#endif
