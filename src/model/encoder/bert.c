/* BERT: an encoder with learned positions and a feed-forward by gelu without a gate.
 *
 *     x = layer_norm(embedding + type + position);  layers: encoder/layer.h
 *
 * Source: Devlin et al., arXiv 1810.04805, and its code. Files of this architecture: MiniLM, bge, e5, arctic-embed, gte, mxbai.
 * Goldens: bert-cls, bert-mean, bert-none, bert-rank. */
#include "model/encoder/layer.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_GELU_UNGATED;
    return params_read_encoder_unrotated(p, g, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    if (l == 0)
        bind_first_rows(b, 1);
    bind_encoder_attention(b, l, layer);
    bind_encoder_ffn(b, l, layer);
    return b->failed;
}

const struct arch arch_bert = {ENCODER_LAYERS, .name = "bert", .read_params = read_params, .bind = bind};
