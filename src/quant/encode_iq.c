/* Types of grids, iq2 and iq3: see encoders.h; their bytes: format/decode_iq.c. Every point of a grid is looked at (quantize.md 4.4).
 *
 * A cell, 8 magnitudes (iq3: 4), becomes one of K points g_k. With a = |x| its error is a parabola in the scale s,
 *
 *     E_k(s) = s^2 P_k - s Q_k + sum a^2      P_k = sum g_k^2      Q_k = 2 sum a g_k
 *
 * P and Q do not depend on s: one pass over the grid, then any scale costs a multiply-add a point. Where the signs of eight must be even
 * and are odd, one value changes its sign, at the cost s F_k, F_k = min 4 a_i g_ki: Q_k is less by F_k. Zero counts as plus.
 *
 * Each group starts with the scale that takes its extreme value to the largest magnitude, which is fitted once to the points chosen; then
 * the block's scale, whole numbers for the groups, and the points anew. */
#include "quant/encoders.h"

#include "format/grids.h"

enum { SUPER = 256, CELL = 8, POINTS_MOST = 1024, CELLS_MOST = 8 };

/* What a type of grids is. */
struct grid_type {
    int n_point, cell, group; /* values of a cell, and of a group, which has one scale */
    int is_even;              /* signs of eight values are stored as seven */
    float most;               /* the largest magnitude */
    float unit, first, step;  /* a group's scale: d * unit * (first + step * l), l of 0 to 15 */
};

struct cell {
    float a[CELL]; /* magnitudes */
    unsigned signs;
    float p[POINTS_MOST], q[POINTS_MOST], flipped[POINTS_MOST]; /* flipped: Q less by F */
};

struct choice {
    int point, flips; /* flips: one sign is changed */
    float e;          /* without sum a^2 */
};

static float magnitude(const struct grid_type *t, const void *grid, int k, int i)
{
    const uint8_t *bytes = grid;
    return (float)bytes[k * t->cell + i];
}

static float sum_of(const float *v, int n)
{
    float s[8] = {0};
    for (int i = 0; i < n; i++)
        s[i] = v[i];
    return join_sums(s);
}

/* The parabolas of all points, for n values x. */
static void look_at(struct cell *c, const struct grid_type *t, const void *grid, const float *x)
{
    int n = t->cell;
    c->signs = 0;
    for (int i = 0; i < n; i++) {
        c->a[i] = fabsf(x[i]);
        c->signs |= (unsigned)(x[i] < 0) << i;
    }
    for (int k = 0; k < t->n_point; k++) {
        float gg[CELL], ag[CELL], least = INFINITY;
        for (int i = 0; i < n; i++) {
            float g = magnitude(t, grid, k, i);
            gg[i] = g * g;
            ag[i] = c->a[i] * g;
            least = ag[i] < least ? ag[i] : least;
        }
        c->p[k] = sum_of(gg, n);
        c->q[k] = 2 * sum_of(ag, n);
        c->flipped[k] = c->q[k] - 4 * least;
    }
}

static struct choice best_point(const struct grid_type *t, const struct cell *c, float s, int flips)
{
    struct choice best = {0, flips, INFINITY};
    const float *q = flips ? c->flipped : c->q;
    for (int k = 0; k < t->n_point; k++) {
        float e = s * (s * c->p[k] - q[k]);
        if (e < best.e) {
            best.e = e;
            best.point = k;
        }
    }
    return best;
}

static int is_odd(unsigned signs) { return __builtin_popcount(signs) % 2; }

/* The points of n cells at the scale s. */
static void choose(const struct grid_type *t, const struct cell *c, int n, float s, struct choice *out)
{
    int pair = t->is_even ? CELL / t->cell : 1; /* cells that share a parity */
    for (int i = 0; i < n; i += pair) {
        unsigned signs = c[i].signs | (pair == 2 ? c[i + 1].signs << 4 : 0);
        int flips = t->is_even && is_odd(signs);
        for (int k = 0; k < pair; k++)
            out[i + k] = best_point(t, &c[i + k], s, flips && pair == 1);
        if (!flips || pair == 1)
            continue;
        struct choice first = best_point(t, &c[i], s, 1), second = best_point(t, &c[i + 1], s, 1);
        if (first.e - out[i].e <= second.e - out[i + 1].e)
            out[i] = first;
        else
            out[i + 1] = second;
    }
}

/* The scale that fits the points best. */
static float fit(const struct cell *c, const struct choice *at, int n)
{
    float p = 0, q = 0;
    for (int i = 0; i < n; i++) {
        p += c[i].p[at[i].point];
        q += at[i].flips ? c[i].flipped[at[i].point] : c[i].q[at[i].point];
    }
    return p > 0 && q > 0 ? q / (2 * p) : 0;
}

/* The signs of a cell as they are stored: where one must change, that of the value for which it costs least. */
static unsigned signs_of(const struct grid_type *t, const void *grid, const struct cell *c, const struct choice *at)
{
    int least = 0;
    if (!at->flips)
        return c->signs;
    for (int i = 1; i < t->cell; i++)
        if (c->a[i] * magnitude(t, grid, at->point, i) < c->a[least] * magnitude(t, grid, at->point, least))
            least = i;
    return c->signs ^ 1u << least;
}

/* A block as numbers: what the types put into bytes, each in its way. */
struct grid_block {
    float d;
    int scale[SUPER / 16];        /* of groups */
    int point[SUPER / 4];         /* of cells */
    unsigned signs[SUPER / CELL]; /* of eight values */
};

/* Returns 0: a block of zeros. */
static int find_block(struct grid_block *b, const struct grid_type *t, const void *grid, const float *x)
{
    struct cell c[CELLS_MOST];
    struct choice at[CELLS_MOST];
    float s[SUPER / 16], most = 0, level = t->unit * (t->first + 15 * t->step);
    uint8_t stored[2];
    int n_group = SUPER / t->group, n = t->group / t->cell;
    for (int g = 0; g < n_group; g++) {
        s[g] = fabsf(extreme_of(x + g * t->group, t->group)) / t->most;
        for (int i = 0; s[g] > 0 && i < n; i++)
            look_at(&c[i], t, grid, x + g * t->group + i * t->cell);
        if (s[g] > 0) {
            choose(t, c, n, s[g], at);
            s[g] = fit(c, at, n);
        }
        most = s[g] > most ? s[g] : most;
    }
    b->d = put_f16(stored, most / level);
    if (!(b->d > 0))
        return 0;
    memset(b->signs, 0, sizeof b->signs);
    for (int g = 0; g < n_group; g++) {
        b->scale[g] = round_to((s[g] / (b->d * t->unit) - t->first) / t->step, 0, 15);
        for (int i = 0; i < n; i++)
            look_at(&c[i], t, grid, x + g * t->group + i * t->cell);
        choose(t, c, n, b->d * t->unit * (t->first + t->step * (float)b->scale[g]), at);
        for (int i = 0; i < n; i++) {
            int cell = g * n + i, value = cell * t->cell;
            b->point[cell] = at[i].point;
            b->signs[value / CELL] |= signs_of(t, grid, &c[i], &at[i]) << value % CELL;
        }
    }
    return 1;
}

/* ---- bytes ----------------------------------------------------------------------------------------------------------------------- */

static void put_u32(uint8_t *out, uint32_t v) { memcpy(out, &v, 4); }

void encode_iq2_xxs(const float *x, int64_t n, uint8_t *out)
{
    static const struct grid_type t = {256, 8, 32, 1, 43, 0.25f, 0.5f, 1};
    for (struct grid_block b; n; n -= SUPER, x += SUPER, out += 66) {
        memset(out, 0, 66);
        if (!find_block(&b, &t, grid_iq2_xxs, x))
            continue;
        put_f16(out, b.d);
        for (int g = 0; g < 8; g++) {
            uint32_t rest = (uint32_t)b.scale[g] << 28;
            for (int c = 0; c < 4; c++) {
                out[2 + 8 * g + c] = (uint8_t)b.point[4 * g + c];
                rest |= (uint32_t)(b.signs[4 * g + c] & 127) << 7 * c;
            }
            put_u32(out + 2 + 8 * g + 4, rest);
        }
    }
}

void encode_iq2_xs(const float *x, int64_t n, uint8_t *out)
{
    static const struct grid_type t = {512, 8, 16, 1, 43, 0.25f, 0.5f, 1};
    for (struct grid_block b; n; n -= SUPER, x += SUPER, out += 74) {
        memset(out, 0, 74);
        if (!find_block(&b, &t, grid_iq2_xs, x))
            continue;
        put_f16(out, b.d);
        for (int c = 0; c < 32; c++)
            put_u16(out + 2 + 2 * c, (unsigned)b.point[c] | (b.signs[c] & 127) << 9);
        for (int g = 0; g < 16; g++)
            out[66 + g / 2] |= (uint8_t)(b.scale[g] << g % 2 * 4);
    }
}

void encode_iq2_s(const float *x, int64_t n, uint8_t *out)
{
    static const struct grid_type t = {1024, 8, 16, 0, 43, 0.25f, 0.5f, 1};
    for (struct grid_block b; n; n -= SUPER, x += SUPER, out += 82) {
        memset(out, 0, 82);
        if (!find_block(&b, &t, grid_iq2_s, x))
            continue;
        put_f16(out, b.d);
        for (int c = 0; c < 32; c++) {
            out[2 + c] = (uint8_t)(b.point[c] & 255);
            out[34 + c] = (uint8_t)b.signs[c];
            out[66 + c / 4] |= (uint8_t)(b.point[c] >> 8 << c % 4 * 2);
        }
        for (int g = 0; g < 16; g++)
            out[74 + g / 2] |= (uint8_t)(b.scale[g] << g % 2 * 4);
    }
}

void encode_iq3_xxs(const float *x, int64_t n, uint8_t *out)
{
    static const struct grid_type t = {256, 4, 32, 1, 62, 0.5f, 0.5f, 1};
    for (struct grid_block b; n; n -= SUPER, x += SUPER, out += 98) {
        memset(out, 0, 98);
        if (!find_block(&b, &t, grid_iq3_xxs, x))
            continue;
        put_f16(out, b.d);
        for (int h = 0; h < 64; h++)
            out[2 + h] = (uint8_t)b.point[h];
        for (int g = 0; g < 8; g++) {
            uint32_t rest = (uint32_t)b.scale[g] << 28;
            for (int c = 0; c < 4; c++)
                rest |= (uint32_t)(b.signs[4 * g + c] & 127) << 7 * c;
            put_u32(out + 66 + 4 * g, rest);
        }
    }
}

void encode_iq3_s(const float *x, int64_t n, uint8_t *out)
{
    static const struct grid_type t = {512, 4, 32, 0, 15, 1, 1, 2};
    for (struct grid_block b; n; n -= SUPER, x += SUPER, out += 110) {
        memset(out, 0, 110);
        if (!find_block(&b, &t, grid_iq3_s, x))
            continue;
        put_f16(out, b.d);
        for (int h = 0; h < 64; h++) {
            out[2 + h] = (uint8_t)(b.point[h] & 255);
            out[66 + h / 8] |= (uint8_t)(b.point[h] >> 8 << h % 8);
        }
        for (int c = 0; c < 32; c++)
            out[74 + c] = (uint8_t)b.signs[c];
        for (int g = 0; g < 8; g++)
            out[106 + g / 2] |= (uint8_t)(b.scale[g] << g % 2 * 4);
    }
}
