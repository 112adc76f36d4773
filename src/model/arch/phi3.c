/* Phi-3 and 4, dense, and Phi-3.5 MoE: rope stretched by factors of each pair (LongRoPE).
 *
 *     h = x + Wo attend(rope(q), rope(k), v),  [q | k | v] = Wqkv n        n = rms_norm(x)
 *     y = h + down(silu(g) * u),  [g | u] = up m        m = rms_norm(h)
 *     MoE: q, k and v apart; norms, q, k, v and output have biases; y = h + the sum over the top-k experts, weights renormalised
 *
 * The context that was asked for, never a position or a budget, chooses between two tables of factors: rope_factors_long where it is
 * longer than the original one, else rope_factors_short. Files with tables need no rope.scaling.type. The window key of the dense models is
 * not followed, and norms of the MoE are rms norms with a bias where its paper has norms around the mean: so in llama.cpp (architectures.md
 * 2). rope in halves. Sources: arXiv 2404.14219; LongRoPE, arXiv 2402.13753. Goldens: phi3, phi3-long, phimoe. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    bind_long_rope(b, l, ROPE);
    bind_attention(b, l, &w->attention, see_all());
    w->ffn.norm = bind_vector(b, l, "ffn_norm.weight", p->n_embd);
    bind_ffn_fused(b, l, &w->ffn.ffn, p->n_ff);
    return b->failed;
}

const struct arch arch_phi3 = {DECODER_LAYERS, .name = "phi3", .read_params = read_params, .bind = bind};

struct moe_layer {
    struct attention_weights attention;
    struct moe_weights moe;
    const struct weight *attn_norm_bias, *ffn_norm_bias;
};

static int read_moe(struct params *p, const struct gguf *g, struct error *err)
{
    return read_params(p, g, err) || params_read_experts(p, g, err) ? -1 : 0;
}

static int bind_moe_layer(struct binder *b, int l, void *layer)
{
    struct moe_layer *w = layer;
    const struct params *p = &b->m->p;
    bind_long_rope(b, l, ROPE);
    bind_attention(b, l, &w->attention, see_all());
    bind_qkv_bias(b, l, &w->attention);
    w->attention.bo = bind_vector(b, l, "attn_output.bias", p->n_embd);
    w->attn_norm_bias = bind_vector(b, l, "attn_norm.bias", p->n_embd);
    bind_vector(b, -1, "output_norm.bias", p->n_embd); /* bind_ends() has them, where the file does */
    bind_vector(b, -1, "output.bias", p->n_vocab);
    bind_moe(b, l, &w->moe, "ffn_norm.weight");
    w->ffn_norm_bias = bind_vector(b, l, "ffn_norm.bias", p->n_embd);
    return b->failed;
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};

static void moe_layer(struct step *s, int l, const void *weights, float *x)
{
    const struct moe_layer *w = weights;
    const struct params *p = &s->m->p;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd), *m = step_rows(s, p->n_embd), *y = step_rows(s, p->n_embd);

    rms_norm(s, n, x, w->attention.norm);
    add_bias(s, n, w->attn_norm_bias);
    struct act a = step_act(s, n, p->n_embd), b = step_act(s, m, p->n_embd);
    attention_of(s, y, &a, &w->attention);
    block_out(s, VECTOR_ATTN, x, y);

    rms_norm(s, m, x, w->moe.norm);
    add_bias(s, m, w->ffn_norm_bias);
    struct routes r = route_top_k(s, l, &b, w->moe.router, NULL, p->n_expert, p->n_expert_used, &route);
    block_moe(s, l, y, &b, &r, w->moe.experts, NULL);
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
    layer_out(s, l, x);
}

const struct arch arch_phimoe = {.name = "phimoe",
                                 .read_params = read_moe,
                                 .layer_bytes = sizeof(struct moe_layer),
                                 .bind = bind_moe_layer,
                                 .layer = moe_layer};
