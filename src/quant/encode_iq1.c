/* iq1_s and iq1_m: see encoders.h; their bytes: format/decode_iq.c. Eight values are one of 2,048 points of -1, 0 and 1, moved by an eighth
 * up or down: x̂ = s (g + δ). Every point is looked at, by the parabola in s that it has:
 *
 *     E_k(s) = s^2 P - s Q + sum x^2      P = sum (g + δ)^2      Q = 2 sum x (g + δ)
 *
 * A group's scale is the best of a few starts, each fitted once to its points; then the block's scale, whole numbers for the groups, and
 * the points anew. */
#include "quant/encoders.h"

#include "format/grids.h"

enum { SUPER = 256, CELL = 8, CELLS = SUPER / CELL, POINTS = 2048, CELLS_MOST = 4, STARTS = 4 };

struct points { /* of the grid: sums of g and of its squares */
    int8_t sum[POINTS], squares[POINTS];
};

struct cell {
    float x_sum, xg[POINTS]; /* sum of x, and of x g for each point */
};

struct choice {
    int point, down; /* down: moved by -1/8 */
    float p, q;
};

static int value_of(int k, int i) { return (int8_t)(grid_iq1[k] >> 8 * i & 255); }

static void count_points(struct points *of)
{
    for (int k = 0; k < POINTS; k++) {
        int sum = 0, squares = 0;
        for (int i = 0; i < CELL; i++) {
            sum += value_of(k, i);
            squares += value_of(k, i) * value_of(k, i);
        }
        of->sum[k] = (int8_t)sum;
        of->squares[k] = (int8_t)squares;
    }
}

static void look_at(struct cell *c, const float *x)
{
    c->x_sum = join_sums(x);
    for (int k = 0; k < POINTS; k++) {
        float v[CELL];
        for (int i = 0; i < CELL; i++)
            v[i] = x[i] * (float)value_of(k, i);
        c->xg[k] = join_sums(v);
    }
}

static struct choice best_point(const struct points *of, const struct cell *c, float s, int down)
{
    const float delta = down ? -0.125f : 0.125f;
    struct choice best = {.down = down};
    float least = INFINITY;
    for (int k = 0; k < POINTS; k++) {
        float p = (float)of->squares[k] + 2 * delta * (float)of->sum[k] + CELL * delta * delta;
        float q = 2 * (c->xg[k] + delta * c->x_sum), e = s * (s * p - q);
        if (e < least) {
            least = e;
            best = (struct choice){k, down, p, q};
        }
    }
    return best;
}

static float error_of(const struct choice *at, int n, float s)
{
    float e = 0;
    for (int i = 0; i < n; i++)
        e += s * (s * at[i].p - at[i].q);
    return e;
}

/* Points of n cells at the scale s; cells of one_move go up or down together. */
static void choose(const struct points *of, const struct cell *c, int n, int one_move, float s, struct choice *out)
{
    struct choice down[CELLS_MOST] = {{0}};
    for (int i = 0; i < n; i++) {
        out[i] = best_point(of, &c[i], s, 0);
        down[i] = best_point(of, &c[i], s, 1);
    }
    int all_down = error_of(down, n, s) < error_of(out, n, s);
    for (int i = 0; i < n; i++)
        if (one_move ? all_down : error_of(&down[i], 1, s) < error_of(&out[i], 1, s))
            out[i] = down[i];
}

static float best_scale(const struct points *of, const struct cell *c, int n, int one_move, float most)
{
    static const float starts[STARTS] = {1, 0.8f, 0.6f, 0.45f};
    struct choice at[CELLS_MOST];
    float best = 0, least = 0;
    for (int k = 0; k < STARTS; k++) {
        float p = 0, q = 0;
        choose(of, c, n, one_move, most * starts[k], at);
        for (int i = 0; i < n; i++) {
            p += at[i].p;
            q += at[i].q;
        }
        float s = p > 0 && q > 0 ? q / (2 * p) : 0, e = error_of(at, n, s);
        best = e < least ? s : best;
        least = e < least ? e : least;
    }
    return best;
}

struct ternary_block {
    float d;
    int scale[SUPER / 16];
    struct choice at[CELLS];
};

/* group: values that share a scale. Returns 0: a block of zeros. */
static int find_block(struct ternary_block *b, const struct points *of, int group, int one_move, const float *x)
{
    struct cell c[CELLS_MOST];
    float s[SUPER / 16], most = 0;
    uint8_t stored[2];
    int n = group / CELL;
    for (int g = 0; g < SUPER / group; g++) {
        for (int i = 0; i < n; i++)
            look_at(&c[i], x + g * group + i * CELL);
        s[g] = best_scale(of, c, n, one_move, fabsf(extreme_of(x + g * group, group)));
        most = s[g] > most ? s[g] : most;
    }
    b->d = put_f16(stored, most / 15);
    if (!(b->d > 0))
        return 0;
    for (int g = 0; g < SUPER / group; g++) {
        b->scale[g] = round_to((s[g] / b->d - 1) / 2, 0, 7);
        for (int i = 0; i < n; i++)
            look_at(&c[i], x + g * group + i * CELL);
        choose(of, c, n, one_move, b->d * (float)(2 * b->scale[g] + 1), b->at + g * n);
    }
    return 1;
}

void encode_iq1_s(const float *x, int64_t n, uint8_t *out)
{
    struct points of;
    count_points(&of);
    for (struct ternary_block b; n; n -= SUPER, x += SUPER, out += 50) {
        memset(out, 0, 50);
        if (!find_block(&b, &of, 32, 1, x))
            continue;
        put_f16(out, b.d);
        for (int g = 0; g < 8; g++) {
            unsigned rest = (unsigned)b.scale[g] << 12 | (unsigned)b.at[4 * g].down << 15;
            for (int c = 0; c < 4; c++) {
                out[2 + 4 * g + c] = (uint8_t)(b.at[4 * g + c].point & 255);
                rest |= (unsigned)(b.at[4 * g + c].point >> 8) << 3 * c;
            }
            put_u16(out + 34 + 2 * g, rest);
        }
    }
}

void encode_iq1_m(const float *x, int64_t n, uint8_t *out)
{
    struct points of;
    count_points(&of);
    for (struct ternary_block b; n; n -= SUPER, x += SUPER, out += 56) {
        memset(out, 0, 56);
        if (!find_block(&b, &of, 16, 0, x))
            continue;
        for (int c = 0; c < CELLS; c++) {
            out[c] = (uint8_t)(b.at[c].point & 255);
            out[32 + c / 2] |= (uint8_t)((b.at[c].point >> 8 | b.at[c].down << 3) << c % 2 * 4);
        }
        unsigned d = f16_from_f32(b.d); /* its bits lie above the scales, the lowest first */
        for (int w = 0; w < 4; w++) {
            unsigned word = (d >> 4 * w & 15) << 12;
            for (int g = 0; g < 4; g++)
                word |= (unsigned)b.scale[4 * w + g] << 3 * g;
            put_u16(out + 48 + 2 * w, word);
        }
    }
}
