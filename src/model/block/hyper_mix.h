/* Low-rank hyper-connections: x [n_rows][n][n_embd] are the streams; a block sees u and gives y [n_rows][n_embd]. */
#ifndef MODEL_BLOCK_HYPER_MIX_H
#define MODEL_BLOCK_HYPER_MIX_H

#include "model/step.h"

/* Before a block: its input u, which takes the place of a normed row. Returns the gates for hyper_mix_out(), in scratch of the step. After
 * the block: hyper_mix_out() adds its output y to the streams. */
float *hyper_mix_in(struct step *s, float *u, const float *x, const struct hyper_mix_weights *w);
void hyper_mix_out(struct step *s, float *x, const float *y, const float *gates);
/* After the last layer: u [n_rows][n_embd] of these rows of streams, in scratch of the step. */
float *hyper_mix_end(struct step *s, const float *x, int n_rows, const struct hyper_mix_weights *w);

/* After params_read(): hyper_connection.count and low_rank. */
int params_read_hyper_mix(struct params *p, const struct gguf *g, struct error *err);
/* Of a block, and of what stands behind the last, which adds nothing to streams. stem: "hc_attn" of a layer; "output_hc" with l -1, the
 * model's. */
void bind_hyper_mix_end(struct binder *b, int l, struct hyper_mix_weights *w, const char *stem);
void bind_hyper_mix(struct binder *b, int l, struct hyper_mix_weights *w, const char *stem);

#endif
