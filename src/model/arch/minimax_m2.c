/* MiniMax M2: attention whose queries and keys are normed over all heads together, and experts in every layer.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + sum over the top-k experts of  w_e down_e(silu(gate_e m) * up_e m)        m = rms_norm(h)
 *
 * p = sigmoid of the router's logits; p + bias chooses, w are the chosen p made to sum to 1. Half of each head is rotated; no shared
 * expert. Source: MiniMaxAI/MiniMax-M2, config.json and its modeling file. Golden: minimax-m2. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    int gating; /* 2: sigmoid */
    p->router_gate = ROUTE_SIGMOID;
    p->router_normalise = 1;
    if (params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err))
        return -1;
    return params_int(g, "expert_gating_func", 2, 2, 2, &gating, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, p->n_head * p->d_k, p->n_head_kv * p->d_k);
    bind_sparse_half(b, l, &w->ffn, "ffn_norm.weight");
    bind_vector(b, l, "exp_probs_b.bias", p->n_expert); /* which it must have */
    return b->failed;
}

const struct arch arch_minimax_m2 = {DECODER_LAYERS, .name = "minimax-m2", .read_params = read_params, .bind = bind};
