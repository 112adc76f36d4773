/* gpt-oss: windows on every second layer, sinks, biases everywhere, and experts behind a clamped gate.
 *
 *     h = x + Wo attend(rope(Wq n + bq), rope(Wk n + bk), Wv n + bv; sinks) + bo      n = rms_norm(x)
 *     y = h + sum over the top-k experts of  w_e (down_e act(gate_e m + bg, up_e m + bu) + bd)      m = rms_norm(h)
 *     act(g, u) = (u + 1) g sigmoid(1.702 g), g at most 7, u within +-7
 *
 * Even layers see `window` positions. The router's logits choose, w = softmax over the chosen. rope in halves, YaRN.
 * Source: gpt-oss model card, arXiv 2508.10925. Goldens: gpt-oss, gpt-oss-mxfp4, gpt-oss-long. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_SWIGLU_OAI;
    p->router_gate = ROUTE_CHOSEN;
    if (params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err))
        return -1;
    return params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_last(l % 2 == 0 ? p->window : 0));
    bind_qkv_bias(b, l, &w->attention);
    w->attention.bo = bind_vector(b, l, "attn_output.bias", p->n_embd);
    w->attention.sinks = bind_vector(b, l, "attn_sinks.weight", p->n_head);
    struct experts *e = bind_sparse_half(b, l, &w->ffn, "post_attention_norm.weight");
    w->ffn.moe.router_bias = bind_vector(b, l, "ffn_gate_inp.bias", p->n_expert);
    if (!e)
        return -1;
    e->gate_bias = bind_table(b, l, "ffn_gate_exps.bias", p->n_expert, p->n_ff_expert);
    e->up_bias = bind_table(b, l, "ffn_up_exps.bias", p->n_expert, p->n_ff_expert);
    e->down_bias = bind_table(b, l, "ffn_down_exps.bias", p->n_expert, p->n_embd);
    return b->failed;
}

const struct arch arch_gptoss = {DECODER_LAYERS, .name = "gpt-oss", .read_params = read_params, .bind = bind};
