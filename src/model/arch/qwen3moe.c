/* Qwen3 MoE, and the text model of Qwen3-VL MoE: Qwen3's attention, and experts without a shared one.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + sum over the top-k experts of  w_e down_e(silu(gate_e m) * up_e m)        m = rms_norm(h)
 *
 * w = softmax over all experts, the chosen ones renormalised to sum 1. No biases, no window. Qwen3-VL's positions
 * have three axes, alike for text; pairs that no axis has (rope.dimension_sections) do not turn (architectures.md 2).
 * Source: Qwen3 Technical Report, arXiv 2505.09388, section 2. Goldens: qwen3moe, mixed-moe, ember, qwen3vlmoe. */
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

static int read_vl(struct params *p, const struct gguf *g, struct error *err)
{
    if (read_params(p, g, err))
        return -1;
    for (int i = 0; i < 3; i++)
        if (params_int_of(g, "rope.dimension_sections", i, 0, p->rope[0].n_rot / 2, -1, &p->rope[0].section[i], err))
            return -1;
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, b->m->p.d_k, b->m->p.d_k);
    bind_moe(b, l, &w->moe, "ffn_norm.weight");
    return b->failed;
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    block_sparse(s, l, x, &w->moe, &route, NULL);
    layer_out(s, l, x);
}

#define ROW(id, text, read)                                                                                            \
    const struct arch id = {                                                                                           \
        .name = text, .read_params = read, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer}
ROW(arch_qwen3moe, "qwen3moe", read_params);
ROW(arch_qwen3vlmoe, "qwen3vlmoe", read_vl);
