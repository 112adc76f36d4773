/* Qwen3, dense: grouped-query attention with a norm on each head of q and k; rope in halves.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + ffn(rms_norm(h))
 *
 * Source: Qwen3 Technical Report, arXiv 2505.09388, section 2. Goldens: qwen3, qwen3-long, mixed. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, b->m->p.d_k, b->m->p.d_k);
    bind_dense_half(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_qwen3 = {DECODER_LAYERS, .name = "qwen3", .read_params = read_params, .bind = bind};
