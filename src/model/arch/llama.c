/* Llama and its relatives, dense or with experts (Mixtral): grouped-query attention and a gated feed-forward.
 *
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), Wv n)        n = rms_norm(x)
 *     y = h + ffn(rms_norm(h))                               or the sum over the top-k experts, weights renormalised
 *
 * Biases where the file has them; rope in adjacent pairs; rope_freqs.weight divides the frequencies (Llama 3).
 * Sources: Touvron et al., arXiv 2302.13971; Jiang et al., arXiv 2401.04088. Goldens: llama-*, mixtral. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_ADJACENT, err) || params_read_softmax_moe(p, g, err) ? -1 : 0;
}

static void bind_ffn_biases(struct binder *b, int l, struct ffn_weights *w)
{
    const struct params *p = &b->m->p;
    w->gate_bias = bind_vector_if(b, l, "ffn_gate.bias", p->n_ff);
    w->up_bias = bind_vector_if(b, l, "ffn_up.bias", p->n_ff);
    w->down_bias = bind_vector_if(b, l, "ffn_down.bias", p->n_embd);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_rope_factors(b, l, ROPE, b->m->p.rope[ROPE].n_rot);
    bind_attention(b, l, &w->attention, see_all());
    bind_attention_biases_if(b, l, &w->attention);
    if (!bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight"))
        bind_ffn_biases(b, l, &w->ffn.ffn);
    return b->failed;
}

const struct arch arch_llama = {DECODER_LAYERS, .name = "llama", .read_params = read_params, .bind = bind};
