/* Hyper-connections (op/hyper.h): x [n_rows][n][n_embd] are the streams; a block sees u and gives y [n_rows][n_embd]. */
#ifndef MODEL_BLOCK_HYPER_H
#define MODEL_BLOCK_HYPER_H

#include "model/step.h"

/* Before a block: its input u [n_rows][n_embd] from the streams x. Returns the gates for hyper_out(), in scratch of the step. After
 * the block: hyper_out() updates x with the block's output y. */
float *hyper_in(struct step *s, float *u, const float *x, const struct hyper_weights *w);
void hyper_out(struct step *s, float *x, const float *y, const float *gates, const struct hyper_weights *w);

/* The same, one behind: the gates that a block computes for its input serve the next block, the first takes stream 0. In each layer,
 * before its first mark: hyper_behind(). */
void hyper_behind(struct step *s);
float *hyper_in_behind(struct step *s, float *u, const float *x, const struct hyper_weights *w);
/* Behind layer_out() of such a layer: what the lens looks at, the streams as they would end here. The next block takes their gates. */
void hyper_lens(struct step *s, const float *x);

/* After the last layer: u [n][n_embd] of the streams x of n rows, those with the numbers row [n], in scratch of the step: by the gates w,
 * by those that are left where blocks go one behind, else (w->fn NULL) their mean. */
float *hyper_end(struct step *s, const float *x, const int32_t *row, int n, const struct hyper_weights *w);

/* After params_read(): the keys of the streams. -1: ERR_FORMAT, and the sentence names the key. */
int params_read_hyper(struct params *p, const struct gguf *g, struct error *err);
/* stem: "hc_attn" of a layer. bind_hyper_end(): of what stands behind the last one, "output_hc" with l -1, the model's. */
void bind_hyper_end(struct binder *b, int l, struct hyper_weights *w, const char *stem);
void bind_hyper(struct binder *b, int l, struct hyper_weights *w, const char *stem);

#endif
