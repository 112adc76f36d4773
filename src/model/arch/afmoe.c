/* Trinity (afmoe): attention with an output gate, norms before and behind both blocks, experts behind the leading dense layers.
 *
 *     x = sqrt(n_embd) embedding
 *     h = x + norm(Wo (attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n) * sigmoid(Wg n)))        n = rms_norm(x)
 *     y = h + norm(ffn(m), or experts(m) + shared(m))        m = rms_norm(h)
 *
 * Three of four layers have a window, where the file gives one, and rope; the fourth sees all and has none: the four is in no key
 * (architectures.md 2). Router: sigmoid, a bias for the choice.
 * Source: Arcee Trinity technical report (arcee.ai/trinity), its code in transformers. Golden: afmoe. */
#include "model/block/decoder.h"

#include <math.h>

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err))
        return -1;
    p->embd_scale = sqrtf((float)p->n_embd);
    return params_int(g, "attention.sliding_window", 0, 1 << 28, 0, &p->window, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    int windowed;
    if (params_windowed(b->m->file, l, PERIOD_UNSAID, &windowed, b->err))
        return -1;
    bind_attention(b, l, &w->attention, see_last(windowed ? p->window : 0));
    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    bind_output_gate(b, l, &w->attention, p->n_head * p->d_v);
    w->attention.rope = windowed ? ROPE : NO_ROPE;
    w->attention.post_norm = bind_vector(b, l, "post_attention_norm.weight", p->n_embd);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    w->ffn.ffn.post_norm = w->ffn.moe.post_norm = bind_vector(b, l, "post_ffw_norm.weight", p->n_embd);
    return b->failed;
}

const struct arch arch_afmoe = {DECODER_LAYERS, .name = "afmoe", .read_params = read_params, .bind = bind};
