/* A request of an engine of vectors or scores, to its end. */
#ifndef LIBRARY_ENCODER_COMPUTE_H
#define LIBRARY_ENCODER_COMPUTE_H

#include "library/encoder/encoder.h"

/* Vectors of texts, or scores of pairs, as the model gives them, into out [n][n_out]. is_none[i] 1: a number of that of text i is not
 * finite. Waits while the engine's queue is full: what a search finds does not depend on who else asks. */
int compute_all(struct stoker *engine, const struct stoker_tokens *text, int n, float *out, unsigned char *is_none,
                const struct encoder_wait *wait, struct error *err);

int compute_error(const struct stoker_error *from, struct error *err); /* -1: what the engine says becomes *err */

#endif
