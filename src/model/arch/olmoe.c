/* OLMoE: norms over the whole projections of q and k, experts whose weights are not renormalised.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + sum over the top-k experts of  w_e ffn_e(m)                m = rms_norm(h)
 *
 * Source: Muennighoff et al., arXiv 2409.02060. Golden: olmoe. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err) ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, p->n_head * p->d_k, p->n_head_kv * p->d_k);
    bind_sparse_half(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_olmoe = {DECODER_LAYERS, .name = "olmoe", .read_params = read_params, .bind = bind};
