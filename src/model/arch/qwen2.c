/* Qwen2, and Seed-OSS, which is built like it: a dense decoder with biases on q, k and v; rope in halves.
 *
 *     h = x + Wo attend(rope(Wq n + bq), rope(Wk n + bk), Wv n + bv)        n = rms_norm(x)
 *     y = h + ffn(rms_norm(h))
 *
 * Files of Seed-OSS call the second norm post_attention_norm (architectures.md 2).
 * Sources: Qwen2 Technical Report, arXiv 2407.10671; Seed-OSS model card. Goldens: qwen2, seed_oss. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err);
}

static int bind_with(struct binder *b, int l, struct decoder_weights *w, const char *second_norm)
{
    bind_attention(b, l, &w->attention, see_all());
    bind_qkv_bias(b, l, &w->attention);
    bind_dense_half(b, l, &w->ffn, second_norm);
    return b->failed;
}

static int bind(struct binder *b, int l, void *layer) { return bind_with(b, l, layer, "ffn_norm.weight"); }

static int bind_seed(struct binder *b, int l, void *layer)
{
    return bind_with(b, l, layer, "post_attention_norm.weight");
}

const struct arch arch_qwen2 = {DECODER_LAYERS, .name = "qwen2", .read_params = read_params, .bind = bind};

const struct arch arch_seed_oss = {DECODER_LAYERS, .name = "seed_oss", .read_params = read_params, .bind = bind_seed};
