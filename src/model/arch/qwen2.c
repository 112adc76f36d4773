/* Qwen2: a dense decoder with biases on q, k and v; rope in halves.
 *
 *     h = x + Wo attend(rope(Wq n + bq), rope(Wk n + bk), Wv n + bv)        n = rms_norm(x)
 *     y = h + ffn(rms_norm(h))
 *
 * Source: Qwen2 Technical Report, arXiv 2407.10671. Golden: qwen2. */
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
    bind_qkv_bias(b, l, &w->attention);
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

const struct arch arch_qwen2 = {
    .name = "qwen2", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
