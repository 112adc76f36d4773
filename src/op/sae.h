/* Sparse autoencoders: rows to features, and what a feature does to rows. Formulas: steering.md 12. */
#ifndef OP_SAE_H
#define OP_SAE_H

#include "op/op.h"

/* An encoder. Of features: threshold NULL and k 0: p > 0; threshold: also p > threshold; k: the k largest, of equals the lower index, where
 * > 0. */
struct op_sae {
    struct wmat w;     /* [n_feature][n], f32, f16 or bf16 */
    const float *bias; /* [n_feature] */
    const float *threshold;
    int k;
    const float *centre; /* [n] is taken off rows before; NULL: nothing */
    int most;            /* rows at a time, for which there is memory: */
    float *rows;         /* [most][n] */
    float *features;     /* [most][n_feature] */
    float *pick_value;   /* [most][k] */
    int32_t *pick_id;    /* likewise */
};

/* s->features [n_rows][n_feature] of rows x [n_rows][n]: h, and 0 of features that are not active. n_rows <= s->most. */
void op_sae_encode(struct op *op, const struct op_sae *s, const float *x, int n_rows);

/* The same of feature j alone: h [n_rows]. One product a row, but with k all of them. h may not be in s. */
void op_sae_feature(struct op *op, const struct op_sae *s, int j, const float *x, int n_rows, float *h);

/* Of features as encoded the `top` largest active ones of each row, descending, of equals the lower index: id, value [n_rows][top], filled
 * up with -1 and 0. */
void op_sae_largest(struct op *op, const struct op_sae *s, int n_rows, int top, int32_t *id, float *value);

/* A feature of direction d is changed in rows x [n_rows][n] where it is h [n_rows]: to u (t = u - h), or to u times itself
 * (t = (u - 1) h, and nothing where h is 0). x = fmaf(t, d, x). */
enum op_sae_change { OP_SAE_SET, OP_SAE_MULTIPLY };
void op_sae_change(struct op *op, float *x, enum op_sae_change how, float u, const float *h, const float *d, int n_rows,
                   int n);

#endif
