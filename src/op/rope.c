/* Rotary embeddings: see rope.h. Scaling as kernels.md E; YaRN: Peng et al., arXiv 2309.00071. */
#include "op/rope.h"

#include "base/f64.h"

#include <math.h>

static const double two_pi = 0x1.921fb54442d18p+2;

/* The pair at which a dimension turns beta times over the original context. */
static double yarn_pair(const struct rope_params *p, double beta)
{
    return p->n_rot * f64_ln(p->n_orig / (two_pi * beta)) / (2 * f64_ln(p->base));
}

/* Is pair i rotated by an axis? Text has the same position on each. */
static int is_rotated(const struct rope_params *p, int i)
{
    int one_axis = p->section[0] + p->section[1] + p->section[2] == 0;
    return one_axis || i / 3 < p->section[i % 3];
}

double rope_yarn_magnitude(double factor) { return 1 + 0.1 * f64_ln(factor); }

double rope_frequencies(double *freq, const struct rope_params *p, const float *factors)
{
    double low = 0, high = 0;
    if (p->scaling == ROPE_YARN) {
        low = fmax(0, floor(yarn_pair(p, p->beta_fast)));
        high = fmin(p->n_rot - 1, ceil(yarn_pair(p, p->beta_slow)));
    }
    for (int i = 0; i < p->n_rot / 2; i++) {
        double f = f64_pow(p->base, -2.0 * i / p->n_rot);
        if (factors)
            f /= (double)factors[i];
        if (p->scaling == ROPE_LINEAR)
            f /= p->factor;
        if (p->scaling == ROPE_YARN) {
            double u = fmin(1, fmax(0, (i - low) / fmax(0.001, high - low)));
            f = f * (1 - u) + (f / p->factor) * u;
        }
        freq[i] = is_rotated(p, i) ? f : 0;
    }
    if (p->scaling == ROPE_LONG)
        return p->attn_factor;
    return p->scaling == ROPE_YARN ? p->attn_factor * rope_yarn_magnitude(p->factor) : 1;
}

struct table {
    float *cos, *sin;
    const double *freq;
    double magnitude;
    int n_pair;
    const int32_t *pos;
};

static void table_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct table *t = arg;
    for (int r = begin; r < end; r++)
        for (int i = 0; i < t->n_pair; i++) {
            double s, c;
            f64_sincos(t->pos[r] * t->freq[i], &s, &c);
            t->cos[(size_t)r * (size_t)t->n_pair + (size_t)i] = (float)(c * t->magnitude);
            t->sin[(size_t)r * (size_t)t->n_pair + (size_t)i] = (float)(s * t->magnitude);
        }
}

void op_rope_table(struct op *op, float *cos, float *sin, const double *freq, double magnitude, int n_pair,
                   const int32_t *pos, int n_rows)
{
    op_split(op, n_rows, 1, 4, table_rows, &(struct table){cos, sin, freq, magnitude, n_pair, pos});
}

struct rotate {
    const struct op *op;
    float *x;
    int n_head, head_dim, n_pair;
    enum rope_pairs pairs;
    const float *cos, *sin;
};

static void rotate_rows(void *arg, int begin, int end, int thread)
{
    (void)thread;
    const struct rotate *r = arg;
    for (int row = begin; row < end; row++)
        for (int h = 0; h < r->n_head; h++) {
            float *x = r->x + ((size_t)row * (size_t)r->n_head + (size_t)h) * (size_t)r->head_dim;
            size_t at = (size_t)row * (size_t)r->n_pair;
            (r->pairs == ROPE_HALF ? r->op->k->rope_half : r->op->k->rope_pair)(x, r->cos + at, r->sin + at, r->n_pair);
        }
}

void op_rope(struct op *op, float *x, int n_rows, int n_head, int head_dim, enum rope_pairs pairs, const float *cos,
             const float *sin, int n_pair)
{
    op_split(op, n_rows, 1, 4, rotate_rows, &(struct rotate){op, x, n_head, head_dim, n_pair, pairs, cos, sin});
}
