/* What a step through the layers has in common with one through the layer that predicts further tokens (nextn.c). */
#ifndef MODEL_ARCH_FORWARD_H
#define MODEL_ARCH_FORWARD_H

#include "model/step.h"

/* A step with m, b, n_rows, err and pairs: empties the scratch, and finds where its rows' sequences have what they see. */
void forward_begin(struct step *s);

/* Logits of rows x [n][n_embd], which are behind the last norm, into out [n][n_vocab]. */
void forward_logits(struct step *s, float *out, const float *x, int n);

#endif
