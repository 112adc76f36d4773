/* OLMoE: norms over the whole projections of q and k, experts whose weights are not renormalised.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + sum over the top-k experts of  w_e ffn_e(m)                m = rms_norm(h)
 *
 * Source: Muennighoff et al., arXiv 2409.02060. Golden: olmoe. */
#include "model/block/attention.h"
#include "model/block/moe.h"

struct layer {
    struct attention_weights attention;
    struct moe_weights moe;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err) ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, p->n_head * p->d_k, p->n_head_kv * p->d_k);
    bind_moe(b, l, &w->moe, "ffn_norm.weight");
    return b->failed;
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX};

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    block_sparse(s, l, x, &w->moe, &route, NULL);
    layer_out(s, l, x);
}

const struct arch arch_olmoe = {
    .name = "olmoe", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
