/* Mistral 3 (Ministral): Llama's layers, with queries that grow with their position, dense or with experts.
 *
 *     h = x + Wo attend(t_p rope(Wq n), rope(Wk n), Wv n)        n = rms_norm(x)
 *     y = h + ffn(m), or the sum over the top-k experts, weights renormalised        m = rms_norm(h)
 *
 * t_p = 1 + s ln(1 + floor(p / original context)), where the file has s (attention.temperature_scale). YaRN, whose rotated values have
 * the magnitude m(1) / m(a): m(a) = 1 + 0.1 a ln factor, a the key rope.scaling.yarn_log_multiplier (architectures.md 2).
 * Sources: Ministral 3 model card, its code in transformers. Golden: mistral3. */
#include "model/block/decoder.h"

#include "base/f64.h"

/* rope_frequencies() gives the magnitude m(1). */
static int read_magnitude(struct rope_params *r, const struct gguf *g, struct error *err)
{
    double a;
    if (params_real(g, "rope.scaling.yarn_log_multiplier", 0, 100, 0, &a, err))
        return -1;
    if (r->scaling == ROPE_YARN)
        r->attn_factor /= 1 + 0.1 * a * f64_ln(r->factor);
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err) || read_magnitude(&p->rope[0], g, err) ||
        params_read_temperature(p, g, (int)p->rope[0].n_orig, err) || params_read_softmax_moe(p, g, err))
        return -1;
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_rope_factors(b, l, ROPE, b->m->p.rope[ROPE].n_rot);
    bind_attention(b, l, &w->attention, see_all());
    bind_attention_biases_if(b, l, &w->attention);
    w->attention.temperature = 1;
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_mistral3 = {DECODER_LAYERS, .name = "mistral3", .read_params = read_params, .bind = bind};
