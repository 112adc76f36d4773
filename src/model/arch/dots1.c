/* dots.llm1: attention with normed heads, and experts beside shared ones behind the leading dense layers.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * Router by key, a bias for the choice where the file has one.
 * Source: dots.llm1 technical report, arXiv 2506.05767. Golden: dots1. */
#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"

struct layer {
    struct attention_weights attention;
    struct dense_or_moe_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_BY_KEY, err) ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, b->m->p.d_k, b->m->p.d_k);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_dots1 = {
    .name = "dots1", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
