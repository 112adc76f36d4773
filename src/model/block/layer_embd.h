/* A layer's own embeddings e_l of the tokens, made before the first layer: x += norm(Wo act(Wg x, e_l)). */
#ifndef MODEL_BLOCK_LAYER_EMBD_H
#define MODEL_BLOCK_LAYER_EMBD_H

#include "model/step.h"

struct layer_embd_weights {
    const struct weight *gate, *out, *post_norm;
};
/* s->layer_embd of all layers, in scratch of the step, from the embeddings x. */
void make_layer_embd(struct step *s, const float *x);
void block_layer_embd(struct step *s, int l, float *x, const struct layer_embd_weights *w);

void bind_layer_embd(struct binder *b, int l, struct layer_embd_weights *w); /* with layer 0 the table too */

#endif
