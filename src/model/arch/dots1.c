/* dots.llm1: attention with normed heads, and experts beside shared ones behind the leading dense layers.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * Router by key, a bias for the choice where the file has one.
 * Source: dots.llm1 technical report, arXiv 2506.05767. Golden: dots1. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_BY_KEY, err) ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, b->m->p.d_k, b->m->p.d_k);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_dots1 = {DECODER_LAYERS, .name = "dots1", .read_params = read_params, .bind = bind};
