/* Mamba-2 (Codestral Mamba): nothing but its block, x += block(rms_norm(x)); no attention, no feed-forward.
 *
 * Source: Dao and Gu, arXiv 2405.21060, figure 6. Golden: mamba2. */
#include "model/block/mamba2.h"

struct layer {
    struct mamba2_weights mamba;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read_sizes(p, g, err) || params_read_mamba2(p, g, err) ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    bind_mamba2(b, l, &w->mamba);
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_mamba2(s, x, &w->mamba);
    layer_out(s, l, x);
}

const struct arch arch_mamba2 = {
    .name = "mamba2", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
