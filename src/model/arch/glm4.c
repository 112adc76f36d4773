/* GLM 4, dense: norms before and behind both blocks, a part of each head rotated, gate and up in one matrix.
 *
 *     h = x + norm(Wo attend(rope(Wq n + bq), rope(Wk n + bk), Wv n + bv))        n = rms_norm(x)
 *     y = h + norm(down(silu(g) * u)),  [g | u] = up m        m = rms_norm(h)
 *
 * Biases where the file has them. rope in adjacent pairs; files of models for images name axes (rope.dimension_sections), alike for text,
 * and their rows are in the order of halves. Layers that predict further tokens come last and are not run (params_read()).
 * Source: GLM-4 (0414), its model card and its code in transformers. Golden: glm4. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    int pairs[3] = {0};
    if (params_axes(g, PARAMS_MAX_WIDTH, pairs, err) < 0)
        return -1;
    return params_read(p, g, pairs[0] ? ROPE_HALF : ROPE_ADJACENT, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_all());
    bind_attention_biases_if(b, l, &w->attention);
    w->attention.post_norm = bind_vector(b, l, "post_attention_norm.weight", p->n_embd);
    w->ffn.norm = bind_vector(b, l, "ffn_norm.weight", p->n_embd);
    bind_ffn_fused(b, l, &w->ffn.ffn, p->n_ff);
    w->ffn.ffn.post_norm = bind_vector(b, l, "post_ffw_norm.weight", p->n_embd);
    return b->failed;
}

const struct arch arch_glm4 = {DECODER_LAYERS, .name = "glm4", .read_params = read_params, .bind = bind};
