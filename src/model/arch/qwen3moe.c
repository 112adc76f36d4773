/* Qwen3 MoE, and the text model of Qwen3-VL MoE: Qwen3's attention, and experts without a shared one.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + sum over the top-k experts of  w_e down_e(silu(gate_e m) * up_e m)        m = rms_norm(h)
 *
 * w = softmax over all experts, the chosen ones renormalised to sum 1. No biases, no window. Qwen3-VL's positions
 * have three axes, alike for text; pairs that no axis has (rope.dimension_sections) do not turn (architectures.md 2).
 * Source: Qwen3 Technical Report, arXiv 2505.09388, section 2. Goldens: qwen3moe, mixed-moe, ember, qwen3vlmoe. */
#include "model/block/decoder.h"

#include "base/error.h"
#include "format/gguf.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->router_normalise = 1;
    return params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err) ? -1 : 0;
}

static int read_vl(struct params *p, const struct gguf *g, struct error *err)
{
    if (read_params(p, g, err))
        return -1;
    int has = params_axes(g, p->rope[0].n_rot / 2, p->rope[0].section, err);
    if (has == 0)
        return error_set(err, ERR_FORMAT, "%s: the key rope.dimension_sections is missing", g->file->path);
    return has < 0 ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, b->m->p.d_k, b->m->p.d_k);
    bind_sparse_half(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_qwen3moe = {DECODER_LAYERS, .name = "qwen3moe", .read_params = read_params, .bind = bind};

const struct arch arch_qwen3vlmoe = {DECODER_LAYERS, .name = "qwen3vlmoe", .read_params = read_vl, .bind = bind};
