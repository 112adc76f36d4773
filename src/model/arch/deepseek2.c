/* DeepSeek V2 and V3, Mistral 4: attention over a latent instead of keys and values, experts in groups, shared experts.
 *
 *     h = x + latent_attention(rms_norm(x));   y = h + ffn(m), or experts(m) + shared(m)       m = rms_norm(h)
 *
 * The first layers are dense. Router: softmax, or sigmoid with a bias for the choice, from the experts of the best groups. rope in adjacent
 * pairs. Queries grow with their position where the file says so (attention.temperature_scale): Mistral's do.
 * V3 has a layer behind the last that predicts further tokens (nextn.c).
 * Sources: arXiv 2405.04434, 2412.19437. Goldens: deepseek2-lite, -v3, -unabsorbed, -lite-long, mistral4. */
#include "model/block/dense_or_moe.h"
#include "model/block/latent.h"

struct layer {
    struct latent_weights attention;
    struct dense_or_moe_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_ADJACENT, err) || params_read_latent(p, g, err) ||
                   params_read_temperature(p, g, -1, err) || params_read_dense_or_moe(p, g, ROUTER_SOFTMAX, err)
               ? -1
               : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    bind_latent(b, l, &w->attention);
    w->attention.temperature = 1;
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_latent(s, x, &w->attention);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

#define ROW(id, text)                                                                                                  \
    const struct arch id = {.name = text,                                                                              \
                            .read_params = read_params,                                                                \
                            .nextn = NEXTN_BEHIND_NORM,                                                                \
                            .layer_bytes = sizeof(struct layer),                                                       \
                            .bind = bind,                                                                              \
                            .layer = layer}
ROW(arch_deepseek2, "deepseek2");
ROW(arch_mistral4, "mistral4");
