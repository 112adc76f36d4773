/* Hunyuan-A13B: attention whose heads are normed behind their rotation, and experts beside a shared one in every layer.
 *
 *     h = x + Wo attend(norm(rope(Wq n)), norm(rope(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + experts(m) + shared(m)        m = rms_norm(h)
 *
 * Router: softmax, the chosen renormalised.
 * Source: Hunyuan-A13B technical report (github.com/Tencent-Hunyuan/Hunyuan-A13B). Golden: hunyuan-moe. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err))
        return -1;
    p->router_normalise = 1;
    return params_int(g, "expert_shared_feed_forward_length", 1, PARAMS_MAX_WIDTH, p->n_ff > 0 ? p->n_ff : -1,
                      &p->n_ff_shared, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    w->attention.order = QK_ROPE_NORM;
    bind_sparse_half(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_hunyuan_moe = {DECODER_LAYERS, .name = "hunyuan-moe", .read_params = read_params, .bind = bind};
