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

#include "quant/search_envelope.h"
#include "quant/search_levels.h"

enum { CELL = 8, HALF_CELL = 4, LATTICE = 8 * 8 * 8 * 8 };

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

/* Cells of n magnitudes, and their weights. */
struct cell_values {
    lanes w[CELL], wa[CELL];
};

LANE_OP void read_cell(const int n, struct cell_values *v, const float *x, const float *w)
{
    for (int i = 0; i < n; i++) {
        v->w[i] = all_of(w[i]);
        v->wa[i] = all_of(w[i] * fabsf(x[i]));
    }
}

/* The parabolas of eight points; flipped: with one sign changed. */
LANE_OP void count_lanes(const int n, const int flipped, const struct cell_values *v, const lanes *point, lanes *p,
                         lanes *q)
{
    lanes squares = all_of(0), r = all_of(0), least = all_of(INFINITY);
    for (int i = 0; i < n; i++) {
        lanes g = point[i], along = v->wa[i] * g;
        squares += v->w[i] * g * g;
        r += along;
        if (flipped)
            least = lesser(along, least);
    }
    *p = squares;
    *q = flipped ? 2 * r - 4 * least : 2 * r;
}

LANE_OP void read_points(const int n, const struct grid_values *grid, int k, lanes *point)
{
    for (int i = 0; i < n; i++)
        point[i] = load_lanes(grid->value[i] + k);
}

LANE_OP void count_kind(const int n, const int flipped, struct parabolas *out, const struct grid_values *grid,
                        int n_point, const float *x, const float *w)
{
    struct cell_values v;
    read_cell(n, &v, x, w);
    for (int k = 0; k < n_point; k += LANES) {
        lanes point[CELL], p, q;
        read_points(n, grid, k, point);
        count_lanes(n, flipped, &v, point, &p, &q);
        memcpy(out->p + k, &p, sizeof p);
        memcpy(out->q + k, &q, sizeof q);
    }
}

static void count_points(struct parabolas *out, const struct grid_values *grid, const struct shape *h, const float *x,
                         const float *w, int flipped)
{
    if (h->cell == HALF_CELL && flipped)
        count_kind(HALF_CELL, 1, out, grid, h->n_point, x, w);
    else if (h->cell == HALF_CELL)
        count_kind(HALF_CELL, 0, out, grid, h->n_point, x, w);
    else if (flipped)
        count_kind(CELL, 1, out, grid, h->n_point, x, w);
    else
        count_kind(CELL, 0, out, grid, h->n_point, x, w);
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

typedef uint16_t sixteens __attribute__((vector_size(16)));

struct cells { /* of a block, and what finds them */
    struct grid_values grid;
    struct parabolas all, other, few;
    struct envelope cell[2][32]; /* [1]: moved down, where all of a group move alike */
    struct envelope half[4];     /* of two points that share a parity: as they are, and flipped */
    /* Where points have four values: their squares, and a point near to each of the lattice of their levels. */
    float square[HALF_CELL][512];
    uint16_t near[LATTICE];
    sixteens bits[256]; /* which bits are set */
    struct total group[2][16];
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
    for (int i = 0, k = 0, n = a->n + b->n - 1; n > 0; n--) {
        add_point(all, (struct line){a->line[i].p + b->line[k].p, a->line[i].q + b->line[k].q,
                                     a->line[i].code | b->line[k].code << SECOND | flag});
        int a_goes = a->from[i + 1] <= b->from[k + 1]; /* behind the last: never */
        i += a_goes;
        k += !a_goes;
    }
}

/* Points near to what is to be met at eight scales, the first of them where t is 0; as good as any are those that are not the nearest. */
static void guess_points(const struct cells *c, const struct shape *h, const float *x, float until, uint16_t *guess)
{
    const lanes t = (lanes){0, 1, 2, 3, 4, 5, 6, 7} * (until / (LANES - 1));
    float least = c->grid.value[0][0], steps = 7 / (h->largest - least);
    lane_mask at = {0};
    for (int i = 0; i < HALF_CELL; i++) {
        lanes level = round_lanes(clamp((t * fabsf(x[i]) - least) * steps, all_of(0), all_of(7)));
        at |= __builtin_convertvector(level, lane_mask) << 3 * i;
    }
    for (int l = 0; l < LANES; l++)
        guess[l] = l ? c->near[at[l]] : 0;
}

/* Points as rivals, the first one first; `point` goes on to whole vectors. */
LANE_OP void count_rivals(const int flipped, const struct cells *c, const struct cell_values *v, const uint16_t *point,
                          int n, struct rivals *r)
{
    for (int k = 0; k < n; k += LANES) {
        float one[LANES];
        lanes value[HALF_CELL], p, q;
        for (int i = 0; i < HALF_CELL; i++) {
            for (int l = 0; l < LANES; l++)
                one[l] = c->grid.value[i][point[k + l]];
            value[i] = load_lanes(one);
        }
        count_lanes(HALF_CELL, flipped, v, value, &p, &q);
        memcpy(r->p + k, &p, sizeof p);
        memcpy(r->q + k, &q, sizeof q);
        for (int l = 0; l < LANES; l++)
            r->code[k + l] = point[k + l];
    }
    r->n = n;
    end_rivals(r);
}

/* The parabolas of as many points, but for a rounding here and there. */
LANE_OP void count_roughly(const int flipped, const struct cells *c, const struct cell_values *v, int k, bulk *p,
                           bulk *q)
{
    bulk squares = bulk_of(0), r = bulk_of(0), least = bulk_of(INFINITY);
    for (int i = 0; i < HALF_CELL; i++) {
        bulk g = load_bulk(c->grid.value[i] + k), wa = bulk_of(v->wa[i][0]);
        squares = add_product(squares, bulk_of(v->w[i][0]), load_bulk(c->square[i] + k));
        r = add_product(r, wa, g);
        if (flipped)
            least = lesser_bulk(wa * g, least);
    }
    *p = squares;
    *q = flipped ? 2 * r - 4 * least : 2 * r;
}

/* first + i for each bit i that is set, of BULK; returns how many. All BULK places are written. */
LANE_OP int put_places(const struct cells *c, unsigned bits, int first, uint16_t *to)
{
#if defined(__AVX512F__)
    (void)c;
    const __m512i here = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i at = _mm512_maskz_compress_epi32((__mmask16)bits, _mm512_add_epi32(here, _mm512_set1_epi32(first)));
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtepi32_epi16(at));
#else /* for all bits the same steps, since which are set is not to be foretold */
    sixteens at = c->bits[bits] + (uint16_t)first;
    memcpy(to, &at, sizeof at);
#endif
    return __builtin_popcount(bits);
}

/* Point 0, and those that come near to the envelope; how many, or 0: they are more than have room. */
LANE_OP int find_near(const int flipped, const struct cells *c, const struct cell_values *v, int n_point,
                      const struct bends *b, uint16_t near[RIVALS])
{
    int n = 1;
    for (int k = 0; k < n_point; k += 2 * BULK) {
        bulk p[2], q[2];
        bulk_mask is_near[2] = {{0}, {0}}; /* by its sign */
        for (int j = 0; j < 2; j++)
            count_roughly(flipped, c, v, k + j * BULK, &p[j], &q[j]);
        for (int i = 0; i < b->n; i++)
            for (int j = 0; j < 2; j++)
                is_near[j] |= (bulk_mask)less_product(p[j] - b->value[i][0], bulk_of(b->t[i][0]), q[j]);
        if (n > RIVALS - 2 * BULK)
            return 0;
        for (int j = 0; j < 2; j++) {
            unsigned bits = bulk_sign_bits(is_near[j]) & (k + j ? ~0u : ~1u);
            n += put_places(c, bits, k + j * BULK, near + n);
        }
    }
    return n;
}

/* The envelope of points of four values, as that of all is, from those alone that come near to it; 0: perhaps it is another. */
LANE_OP int look_near(const int flipped, const struct cells *c, const struct shape *h, struct envelope *out,
                      const float *x, const float *w, float until)
{
    struct cell_values v;
    struct bends bends;
    struct rivals r;
    uint16_t point[RIVALS] = {0};
    read_cell(HALF_CELL, &v, x, w);
    guess_points(c, h, x, until, point);
    count_rivals(flipped, c, &v, point, LANES, &r);
    if (!find_bends(&bends, &r, until))
        return 0;
    int n = find_near(flipped, c, &v, h->n_point, &bends, point);
    if (n == 0)
        return 0;
    count_rivals(flipped, c, &v, point, n, &r);
    return take_near(out, &r, &bends, until);
}

/* flipped: with one sign changed. */
static void look_at_half(struct cells *c, const struct shape *h, struct envelope *out, const float *x, const float *w,
                         int flipped, float until)
{
    int is_found = flipped ? look_near(1, c, h, out, x, w, until) : look_near(0, c, h, out, x, w, until);
    if (is_found) {
        end_envelope(out);
        return;
    }
    c->all.n = h->n_point;
    count_points(&c->all, &c->grid, h, x, w, flipped);
    make_envelope(out, &c->all, 0, &c->few, until);
}

static void look_at_pair(struct cells *c, const struct shape *h, struct envelope *out, const float *x, const float *w,
                         float until)
{
    int flips = h->is_even && is_odd(x);
    for (int half = 0; half < 2; half++)
        for (int flipped = 0; flipped <= flips; flipped++)
            look_at_half(c, h, &c->half[2 * flipped + half], x + 4 * half, w + 4 * half, flipped, until);
    c->all.n = 0;
    if (flips) {
        pair_up(&c->all, &c->half[2], &c->half[1], FLIPPED);
        pair_up(&c->all, &c->half[0], &c->half[3], FLIPPED << SECOND);
    } else
        pair_up(&c->all, &c->half[0], &c->half[1], 0);
    pad(&c->all);
    make_envelope(out, &c->all, 0, &c->few, until);
    for (int k = 0; k < c->all.n && k < h->n_point; k++)
        c->all.code[k] = k;
}

/* Of magnitudes the first point is the least in all values: at t = 0 none is lower. */
static void look_at_cell(struct cells *c, const struct shape *h, int at, const float *x, const float *w, float until)
{
    c->all.n = c->other.n = h->n_point;
    if (h->cell == HALF_CELL) {
        look_at_pair(c, h, &c->cell[0][at], x, w, until);
    } else if (h->shifted == 2) {
        struct parabolas *all = &c->all;
        count_shifted(all, &c->other, &c->grid, h, x, w);
        memcpy(all->p + h->n_point, c->other.p, (size_t)h->n_point * sizeof(float));
        memcpy(all->q + h->n_point, c->other.q, (size_t)h->n_point * sizeof(float));
        all->n = 2 * h->n_point;
        make_envelope(&c->cell[0][at], all, lowest_at(all, 0), &c->few, until);
    } else if (h->shifted) {
        count_shifted(&c->all, &c->other, &c->grid, h, x, w);
        make_envelope(&c->cell[0][at], &c->all, lowest_at(&c->all, 0), &c->few, until);
        make_envelope(&c->cell[1][at], &c->other, lowest_at(&c->other, 0), &c->few, until);
    } else {
        int flips = h->is_even && is_odd(x);
        struct parabolas *all = flips ? &c->other : &c->all;
        count_points(all, &c->grid, h, x, w, flips);
        make_envelope(&c->cell[0][at], all, 0, &c->few, until);
    }
}

static void take_nearer(uint16_t *restrict to, const uint16_t *restrict from, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = from[i] + LATTICE < to[i] ? (uint16_t)(from[i] + LATTICE) : to[i];
}

/* A nearest point in steps of the lattice, along one of its directions after the other; above the point meanwhile the number of steps. */
static void map_points(struct cells *c, const struct shape *h)
{
    float least = c->grid.value[0][0], steps = 7 / (h->largest - least);
    for (int i = 0; i < LATTICE; i++)
        c->near[i] = 15 * LATTICE;
    for (int k = 0; k < h->n_point; k++) {
        int at = 0;
        for (int i = 0; i < HALF_CELL; i++) {
            float v = c->grid.value[i][k];
            c->square[i][k] = v * v;
            at |= (int)((v - least) * steps + 0.5f) << 3 * i;
        }
        c->near[at] = (uint16_t)k;
    }
    for (int i = 0; i < 256; i++)
        for (int l = 0, n = 0; l < LANES; l++)
            if (i >> l & 1)
                c->bits[i][n++] = (uint16_t)l;
            else
                c->bits[i][LANES - 1 - (l - n)] = 0;
    for (int width = 1; width < LATTICE; width *= 8)
        for (uint16_t *side = c->near; side < c->near + LATTICE; side += 8 * width) {
            for (int i = 1; i < 8; i++)
                take_nearer(side + i * width, side + (i - 1) * width, width);
            for (int i = 6; i >= 0; i--)
                take_nearer(side + i * width, side + (i + 1) * width, width);
        }
    for (int i = 0; i < LATTICE; i++)
        c->near[i] %= LATTICE;
}

static void begin_cells(struct cells *c, const struct shape *h)
{
    read_grid(&c->grid, h);
    for (int k = 0; k < h->n_point; k++) {
        c->all.code[k] = k;
        c->all.code[h->n_point + k] = k | DOWN;
        c->other.code[k] = k | (h->shifted ? DOWN : FLIPPED);
    }
    if (h->cell == HALF_CELL)
        map_points(c, h);
}

/* The best scale of a group, if it gains more than what is known: of equal ones the first. */
static void find_scale(const struct total *of, float *gain, float *scale)
{
    lanes most = all_of(*gain);
    lane_mask at = (lane_mask){0} - 1, here = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int k = 0; k < of->n; k += LANES, here += LANES) {
        lanes p = load_lanes(of->p + k), q = load_lanes(of->q + k), by = q * (q / p);
        lane_mask is_more = (by > most) & (q > 0) & (p > 0) & (here < of->n);
        most = choose(is_more, by, most);
        at = (lane_mask)choose(is_more, (lanes)here, (lanes)at);
    }
    int best = -1;
    for (int l = 0; l < LANES; l++)
        if (most[l] > *gain || (best >= 0 && most[l] == *gain && at[l] >= 0 && at[l] < best)) {
            *gain = most[l];
            best = at[l];
        }
    if (best >= 0)
        *scale = of->q[best] / (2 * of->p[best]);
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
            add_envelopes(&c->group[way][g], of, n);
            find_scale(&c->group[way][g], &gain, &scale);
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
            const struct total *of = &c->group[way][g];
            int at = lookup(of->from, of->n, t);
            float e = s[l] * (s[l] * of->p[at] - of->q[at]);
            if (way == 0 || e < f.e[l]) {
                f.e[l] = e;
                f.p[l] = of->p[at];
                f.r[l] = of->q[at] / 2;
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
        const struct total *all = &c->group[k][g];
        int at = lookup(all->from, all->n, t);
        e[k] = s * (s * all->p[at] - all->q[at]);
        way = k && e[k] < e[0];
    }
    for (int i = 0; i < n; i++) {
        const struct envelope *of = &c->cell[way][g * n + i];
        int from = g * h->group + i * CELL;
        put_cell(h, c, g * n + i, of->line[lookup(of->from, of->n, t)].code, x + from, w + from, b);
    }
}

#endif
