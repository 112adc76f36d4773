/* Hunyuan-A13B: attention whose heads are normed behind their rotation, and experts beside a shared one in every layer.
 *
 *     h = x + Wo attend(norm(rope(Wq n)), norm(rope(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + experts(m) + shared(m)        m = rms_norm(h)
 *
 * Router: softmax, the chosen renormalised.
 * Source: Hunyuan-A13B technical report (github.com/Tencent-Hunyuan/Hunyuan-A13B). Golden: hunyuan-moe. */
#include "model/block/attention.h"
#include "model/block/moe.h"

struct layer {
    struct attention_weights attention;
    struct moe_weights moe;
    struct shared_expert shared;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err))
        return -1;
    return params_int(g, "expert_shared_feed_forward_length", 1, PARAMS_MAX_WIDTH, -1, &p->n_ff_shared, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    w->attention.order = QK_ROPE_NORM;
    bind_moe(b, l, &w->moe, "ffn_norm.weight");
    bind_ffn(b, l, &w->shared.ffn, "_shexp", p->n_ff_shared);
    return b->failed;
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    block_sparse(s, l, x, &w->moe, &route, &w->shared);
    layer_out(s, l, x);
}

const struct arch arch_hunyuan_moe = {.name = "hunyuan-moe",
                                      .read_params = read_params,
                                      .layer_bytes = sizeof(struct layer),
                                      .bind = bind,
                                      .layer = layer};
