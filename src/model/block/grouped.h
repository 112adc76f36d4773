/* The output of attention in groups of heads: y = Wb [Wa,g o_g], g over params.out.n_group groups. */
#ifndef MODEL_BLOCK_GROUPED_H
#define MODEL_BLOCK_GROUPED_H

#include "model/step.h"

struct grouped_weights {
    const struct weight *a, *b;
};
/* y [n_rows][n_embd] from the heads' outputs o [n_rows][n_head * d_v]. */
void grouped_output(struct step *s, float *y, const float *o, const struct grouped_weights *w);

/* After params_read(). */
int params_read_groups(struct params *p, const struct gguf *g, struct error *err);
void bind_grouped_output(struct binder *b, int l, struct grouped_weights *w);

#endif
