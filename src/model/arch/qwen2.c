/* Qwen2: a dense decoder with biases on q, k and v; rope in halves.
 *
 *     h = x + Wo attend(rope(Wq n + bq), rope(Wk n + bk), Wv n + bv)        n = rms_norm(x)
 *     y = h + ffn(rms_norm(h))
 *
 * Source: Qwen2 Technical Report, arXiv 2407.10671. Golden: qwen2. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    bind_qkv_bias(b, l, &w->attention);
    bind_dense_half(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_qwen2 = {DECODER_LAYERS, .name = "qwen2", .read_params = read_params, .bind = bind};
