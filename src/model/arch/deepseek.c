/* The first DeepSeek MoE, and Ling (bailingmoe), which is built like it: experts beside shared ones behind the leading dense layers.
 *
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), Wv n)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * Router: softmax; DeepSeek's weights are not normalised, Ling's by key. Ling divides scores by the root of the rotated values, not of all
 * values of a head (architectures.md 2). rope in adjacent pairs.
 * Sources: arXiv 2401.06066, section 3; Ling, arXiv 2503.05139, section 2. Goldens: deepseek, bailingmoe. */
#include "model/block/decoder.h"

#include <math.h>

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_ADJACENT, err) || params_read_dense_or_moe(p, g, ROUTER_SOFTMAX, err) ? -1 : 0;
}

static int read_ling(struct params *p, const struct gguf *g, struct error *err)
{
    if (read_params(p, g, err))
        return -1;
    p->attn_scale = 1.0f / sqrtf((float)p->rope[ROPE].n_rot);
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_deepseek = {DECODER_LAYERS, .name = "deepseek", .read_params = read_params, .bind = bind};

const struct arch arch_bailingmoe = {DECODER_LAYERS, .name = "bailingmoe", .read_params = read_ling, .bind = bind};
