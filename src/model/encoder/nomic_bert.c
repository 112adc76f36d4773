/* Nomic BERT: an encoder whose rows know their positions by rope; with experts on every second layer, or with gated feed-forwards.
 *
 *     x = layer_norm(embedding + type);  layers: encoder/layer.h, where attention rotates q and k in halves
 *     ffn:  down(silu(gate h) * up h), or of nomic-bert-moe down(gelu(up h)), or of its layers l with l % moe_every_n_layers = 1 the sum
 *           over the best experts, weighted by the softmax over all of them
 *
 * Sources: Nussbaum et al., arXiv 2402.01613; Nussbaum, Duderstadt, arXiv 2502.07972. Goldens: nomic-bert, nomic-bert-moe. */
#include "model/encoder/layer.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_SILU;
    return params_read_encoder(p, g, ROPE_HALF, err);
}

static int read_params_moe(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_GELU_UNGATED;
    p->router_gate = ROUTE_SOFTMAX;
    if (params_read_encoder(p, g, ROPE_HALF, err) || params_read_experts(p, g, err))
        return -1;
    return params_int(g, "moe_every_n_layers", 2, PARAMS_MAX_LAYERS, -1, &p->moe_step, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct encoder_weights *w = layer;
    if (l == 0)
        bind_first_rows(b, 0);
    bind_encoder_attention(b, l, w);
    if (b->m->p.moe_step && l % b->m->p.moe_step == 1)
        bind_moe(b, l, &w->moe, NULL);
    else
        bind_encoder_ffn(b, l, w);
    return b->failed;
}

const struct arch arch_nomic_bert = {ENCODER_LAYERS, .name = "nomic-bert", .read_params = read_params, .bind = bind};

const struct arch arch_nomic_bert_moe = {ENCODER_LAYERS, .name = "nomic-bert-moe", .read_params = read_params_moe,
                                         .bind = bind};
