/* Qwen3, dense: grouped-query attention with a norm on each head of q and k; rope in halves.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x)
 *     y = h + ffn(rms_norm(h))
 *
 * Source: Qwen3 Technical Report, arXiv 2505.09388, section 2. Goldens: qwen3, qwen3-long, mixed. */
#include "model/block/attention.h"
#include "model/block/ffn.h"

struct layer {
    struct attention_weights attention;
    const struct weight *ffn_norm;
    struct ffn_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qk_norm(b, l, &w->attention, b->m->p.d_k, b->m->p.d_k);
    w->ffn_norm = bind_vector(b, l, "ffn_norm.weight", b->m->p.n_embd);
    bind_ffn(b, l, &w->ffn, "", b->m->p.n_ff);
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    block_dense(s, x, w->ffn_norm, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_qwen3 = {
    .name = "qwen3", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
