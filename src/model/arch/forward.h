/* What a step through the layers has in common with one through the layer that predicts further tokens (nextn.c). */
#ifndef MODEL_ARCH_FORWARD_H
#define MODEL_ARCH_FORWARD_H

#include "model/step.h"

/* A step with m, b, n_rows, err and pairs: empties the scratch, and finds where its rows' sequences have what they see. */
void forward_begin(struct step *s);

/* Of x [n_rows][width] the n rows with the numbers row [n], in the step's scratch. Then the same of rows behind the last layer, the streams
 * of each as one: [n][n_embd]. */
float *forward_rows(struct step *s, const float *x, size_t width, const int32_t *row, int n);
float *forward_end(struct step *s, const float *x, const int32_t *row, int n);

/* Logits of rows x [n][n_embd], which are behind the last norm, into out [n][n_vocab]. */
void forward_logits(struct step *s, float *out, const float *x, int n);

#endif
