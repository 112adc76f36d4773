/* Llama and its relatives, dense or with experts (Mixtral): grouped-query attention and a gated feed-forward.
 *
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), Wv n)        n = rms_norm(x)
 *     y = h + ffn(rms_norm(h))                               or the sum over the top-k experts, weights renormalised
 *
 * Biases where the file has them; rope in adjacent pairs; rope_freqs.weight divides the frequencies (Llama 3).
 * Sources: Touvron et al., arXiv 2302.13971; Jiang et al., arXiv 2401.04088. Goldens: llama-*, mixtral. */
#include "model/block/attention.h"
#include "model/block/moe.h"

struct layer {
    struct attention_weights attention;
    const struct weight *ffn_norm; /* of a dense model */
    struct ffn_weights ffn;
    struct moe_weights moe; /* of one with experts */
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err) || params_int(g, "expert_count", 0, 1 << 14, 0, &p->n_expert, err))
        return -1;
    return p->n_expert ? params_read_experts(p, g, err) : 0;
}

static void bind_biases(struct binder *b, int l, struct layer *w)
{
    const struct params *p = &b->m->p;
    bind_attention_biases_if(b, l, &w->attention);
    w->ffn.gate_bias = bind_vector_if(b, l, "ffn_gate.bias", p->n_ff);
    w->ffn.up_bias = bind_vector_if(b, l, "ffn_up.bias", p->n_ff);
    w->ffn.down_bias = bind_vector_if(b, l, "ffn_down.bias", p->n_embd);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    if (l == 0)
        b->m->rope[0].factors = bind_vector_if(b, -1, "rope_freqs.weight", p->rope[0].n_rot / 2);
    bind_attention(b, l, &w->attention, see_all());
    bind_biases(b, l, w);
    if (p->n_expert)
        bind_moe(b, l, &w->moe, "ffn_norm.weight");
    else {
        w->ffn_norm = bind_vector(b, l, "ffn_norm.weight", p->n_embd);
        bind_ffn(b, l, &w->ffn, "", p->n_ff);
    }
    return b->failed;
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    if (s->m->p.n_expert)
        block_sparse(s, l, x, &w->moe, &route, NULL);
    else
        block_dense(s, x, w->ffn_norm, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_llama = {
    .name = "llama", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
