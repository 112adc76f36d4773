/* Qwen2 MoE: Qwen2's attention, experts whose weights are not renormalised, and a shared expert behind a sigmoid gate.
 *
 *     h = x + Wo attend(rope(Wq n + bq), rope(Wk n + bk), Wv n + bv)        n = rms_norm(x)
 *     y = h + sum over the top-k experts of  w_e ffn_e(m) + sigmoid(g m) ffn_shared(m)        m = rms_norm(h)
 *
 * Source: Qwen2 Technical Report, arXiv 2407.10671, section 2.2. Golden: qwen2moe. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err))
        return -1;
    return params_int(g, "expert_shared_feed_forward_length", 1, 1 << 20, p->n_ff > 0 ? p->n_ff : -1, &p->n_ff_shared,
                      err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qkv_bias(b, l, &w->attention);
    bind_sparse_half(b, l, &w->ffn, "ffn_norm.weight");
    w->ffn.shared.gate = bind_vector(b, l, "ffn_gate_inp_shexp.weight", b->m->p.n_embd);
    return b->failed;
}

const struct arch arch_qwen2moe = {DECODER_LAYERS, .name = "qwen2moe", .read_params = read_params, .bind = bind};
