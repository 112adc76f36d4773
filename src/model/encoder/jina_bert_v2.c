/* Jina's BERT, the second: no positions but slopes on scores (ALiBi), feed-forwards gated by gelu.
 *
 *     x = layer_norm(embedding + type);  layers: encoder/layer.h
 *     score of i and j: q k / sqrt(d) - slope_h |i - j|
 *
 * The models of code norm q and k, all heads together, and attention's result twice: h = layer_norm(layer_norm(x + a) + x). Gate and up
 * are two matrices, or the halves of one.
 * Sources: Guenther et al., arXiv 2310.19923; Press et al., arXiv 2108.12409. Goldens: jina-bert-v2, jina-bert-v2-code,
 * jina-bert-v2-rank. */
#include "format/gguf.h"
#include "model/encoder/layer.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    double alibi;
    p->ffn_act = FFN_GELU;
    if (params_read_encoder_unrotated(p, g, err) ||
        params_real(g, "attention.max_alibi_bias", 1e-3, 1e3, 8, &alibi, err))
        return -1;
    p->alibi = (float)alibi;
    return 0;
}

static void bind_norms(struct binder *b, int l, struct encoder_weights *w)
{
    const struct params *p = &b->m->p;
    struct attention_weights *a = &w->attention;
    a->q_norm = bind_as_first(b, l, "attn_q_norm.weight", p->n_head * p->d_k);
    a->q_norm_bias = bind_as_first(b, l, "attn_q_norm.bias", p->n_head * p->d_k);
    a->k_norm = bind_as_first(b, l, "attn_k_norm.weight", p->n_head_kv * p->d_k);
    a->k_norm_bias = bind_as_first(b, l, "attn_k_norm.bias", p->n_head_kv * p->d_k);
    a->order = a->q_norm && a->k_norm ? QK_BIASED_NORM : QK_NORM_ROPE;
    w->again = bind_as_first(b, l, "attn_norm_2.weight", p->n_embd);
    w->again_bias = bind_as_first(b, l, "attn_norm_2.bias", p->n_embd);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct encoder_weights *w = layer;
    if (l == 0)
        bind_first_rows(b, 0);
    bind_encoder_attention(b, l, w);
    bind_norms(b, l, w);
    if (gguf_tensor(b->m->file, "blk.0.ffn_gate.weight")) {
        bind_encoder_ffn(b, l, w);
        return b->failed;
    }
    bind_ffn_fused(b, l, &w->ffn, b->m->p.n_ff);
    w->ffn.both_bias = bind_as_first(b, l, "ffn_up.bias", 2 * b->m->p.n_ff);
    w->ffn.down_bias = bind_as_first(b, l, "ffn_down.bias", b->m->p.n_embd);
    return b->failed;
}

const struct arch arch_jina_bert_v2 = {ENCODER_LAYERS, .name = "jina-bert-v2", .read_params = read_params,
                                       .bind = bind};
