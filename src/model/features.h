/* Features of autoencoders in rows that are computed: as steering changes them, and as they are recorded. */
#ifndef MODEL_FEATURES_H
#define MODEL_FEATURES_H

#include "format/sae.h"
#include "op/sae.h"
#include "op/steer.h"

/* An operation on feature j of rows x [n_rows][n_embd]: to add u of its direction, to set it to u, to multiply it by u. */
enum feature_act { FEATURE_ADD, FEATURE_SET, FEATURE_MULTIPLY, FEATURE_ACTS };
void features_change(struct op *op, const struct sae *s, enum feature_act act, int j, float u, float *x, int n_rows);

/* The `top` largest features of rows x [n_rows][n_embd]: id, value [n_rows][top]. */
void features_largest(struct op *op, const struct sae *s, const float *x, int n_rows, int top, int32_t *id,
                      float *value);

#endif
