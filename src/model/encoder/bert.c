/* BERT: an encoder with learned positions and a feed-forward by gelu without a gate. Jina's third: the same with rope instead of learned
 * positions; its adapters for tasks only as they are merged into a file.
 *
 *     x = layer_norm(embedding + type + position);  layers: encoder/layer.h
 *
 * Sources: Devlin et al., arXiv 1810.04805; Sturua et al., arXiv 2409.10173. Files of bert: MiniLM, bge, e5, arctic-embed, gte, mxbai.
 * Goldens: bert-cls, bert-mean, bert-none, bert-rank, jina-bert-v3. */
#include "model/encoder/layer.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_GELU_UNGATED;
    return params_read_encoder_unrotated(p, g, err);
}

static int read_params_jina(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_GELU_UNGATED;
    return params_read_encoder(p, g, ROPE_HALF, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    if (l == 0)
        bind_first_rows(b, b->m->p.rope[ROPE].n_rot == 0);
    bind_encoder_attention(b, l, layer);
    bind_encoder_ffn(b, l, layer);
    return b->failed;
}

const struct arch arch_bert = {ENCODER_LAYERS, .name = "bert", .read_params = read_params, .bind = bind};

const struct arch arch_jina_bert_v3 = {ENCODER_LAYERS, .name = "jina-bert-v3", .read_params = read_params_jina,
                                       .bind = bind};
