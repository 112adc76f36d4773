/* Rotary position embedding (Su et al., arXiv 2104.09864): angles in f64, one table a step, shared by layers and heads. */
#ifndef OP_ROPE_H
#define OP_ROPE_H

#include "op/op.h"

enum rope_pairs { ROPE_HALF, ROPE_ADJACENT }; /* pairs (i, i + n/2), or (2i, 2i + 1) */

/* What the frequencies are made from: the file's parameters. YaRN: Peng et al., arXiv 2309.00071; kernels.md E. LongRoPE, arXiv
 * 2402.13753, is plain but for its factors and a magnitude, attn_factor. */
enum rope_scaling { ROPE_PLAIN, ROPE_LINEAR, ROPE_YARN, ROPE_LONG };
struct rope_params {
    int n_rot; /* rotated dims, even */
    enum rope_pairs pairs;
    /* Positions of three axes: pair i is rotated by axis i % 3, if that has more than i / 3 pairs; all 0: one axis. */
    int section[3];
    double base;
    enum rope_scaling scaling;
    double factor, n_orig, beta_fast, beta_slow,
        attn_factor; /* factor: linear and YaRN; the rest YaRN, n_orig and attn_factor LongRoPE too */
};

/* freq [n_rot / 2]: radians a position; factors: the file's rope_freqs [n_rot / 2], which divide them, or NULL. Returns the magnitude that
 * cos and sin are multiplied by. */
double rope_frequencies(double *freq, const struct rope_params *p, const float *factors);

/* YaRN's magnitude, which attn_factor multiplies. */
double rope_yarn_magnitude(double factor);

/* cos and sin [n_rows][n_pair] for the positions pos [n_rows], from freq [n_pair]. */
void op_rope_table(struct op *op, float *cos, float *sin, const double *freq, double magnitude, int n_pair,
                   const int32_t *pos, int n_rows);

/* Rotate the first 2 * n_pair values of each head, in place: x [n_rows][n_head][head_dim], cos and sin [n_rows][n_pair]. */
void op_rope(struct op *op, float *x, int n_rows, int n_head, int head_dim, enum rope_pairs pairs, const float *cos,
             const float *sin, int n_pair);

#endif
