/* ERNIE 4.5, dense or with experts.
 *
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), Wv n)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * Experts in every interleave_moe_layer_step-th layer behind the leading dense ones. Router: softmax with a bias for the choice, the
 * chosen renormalised. Biases where the file has them; rope in adjacent pairs.
 * Source: ERNIE 4.5 technical report (ernie.baidu.com/blog/publication). Goldens: ernie4_5, ernie4_5-moe. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err))
        return -1;
    p->n_layer_dense_lead = p->n_layer;
    return 0;
}

static int read_moe(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err) || params_read_dense_or_moe(p, g, ROUTER_SOFTMAX, err) ||
        params_read_shared_width(p, g, err) ||
        params_int(g, "interleave_moe_layer_step", 1, p->n_layer, -1, &p->moe_step, err))
        return -1;
    p->router_normalise = 1;
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_attention_biases_if(b, l, &w->attention);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_ernie4_5 = {DECODER_LAYERS, .name = "ernie4_5", .read_params = read_params, .bind = bind};

const struct arch arch_ernie4_5_moe = {DECODER_LAYERS, .name = "ernie4_5-moe", .read_params = read_moe, .bind = bind};
