/* Hyper-connections (op/hyper.h): x [n_rows][n][n_embd] are the streams; a block sees u and gives y [n_rows][n_embd]. */
#ifndef MODEL_BLOCK_HYPER_H
#define MODEL_BLOCK_HYPER_H

#include "model/step.h"

/* Before a block: its input u [n_rows][n_embd] from the streams x. Returns the gates for hyper_out(), in scratch of the step. After
 * the block: hyper_out() updates x with the block's output y. */
float *hyper_in(struct step *s, float *u, const float *x, const struct hyper_weights *w);
void hyper_out(struct step *s, float *x, const float *y, const float *gates, const struct hyper_weights *w);
/* After the last layer: u [n_rows][n_embd] of these rows of streams, in scratch of the step; their mean, where the model has no gates for
 * it. */
float *hyper_end(struct step *s, const float *x, int n_rows);

/* After params_read(): the keys of the streams. -1: ERR_FORMAT, and the sentence names the key. */
int params_read_hyper(struct params *p, const struct gguf *g, struct error *err);
/* stem: "hc_attn" of a layer; "output_hc" with l -1, the model's. */
void bind_hyper(struct binder *b, int l, struct hyper_weights *w, const char *stem);

#endif
