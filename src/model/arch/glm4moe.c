/* GLM 4.5 and what is built like it: attention with biases, most models with normed heads too, and experts as DeepSeek V3 has
 * them.
 *
 *     h = x + Wo attend(rope(norm(Wq n + bq)), rope(norm(Wk n + bk)), Wv n + bv)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * The first layers are dense. Router: sigmoid with a bias for the choice. Half of each head is rotated; the smaller model norms no
 * heads, Solar Open has no biases either. A layer that predicts further tokens comes last in the file, and is run where drafts are made
 * by it (nextn.c).
 * Source: GLM-4.5, arXiv 2508.06471, section 2.1. Goldens: glm4moe, glm4moe-106b-a12b. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    int d = p->d_k;
    bind_attention(b, l, &w->attention, see_all());
    if (bind_vector_if(b, l, "attn_q.bias", p->n_head * d) ||
        bind_vector_if(b, l, "attn_v.bias", p->n_head_kv * p->d_v))
        bind_qkv_bias(b, l, &w->attention);
    if (bind_vector_if(b, l, "attn_q_norm.weight", d) || bind_vector_if(b, l, "attn_k_norm.weight", d))
        bind_qk_norm(b, l, &w->attention, d, d);
    bind_dense_or_moe(b, l, &w->ffn, "post_attention_norm.weight");
    return b->failed;
}

const struct arch arch_glm4moe = {DECODER_LAYERS, .name = "glm4moe", .read_params = read_params, .bind = bind,
                                  .nextn = NEXTN_BEHIND_NORM};
