/* K-EXAONE: windows with rope on three of four layers, full attention without, and experts behind the leading dense layers.
 *
 *     h = x + Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n)        n = rms_norm(x); no rope in full layers
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * Every fourth layer sees everything where no key says which do (attention.sliding_window_pattern; architectures.md 2). Router: sigmoid,
 * a bias for the choice. Layers that predict further tokens come last in the file and are not run (params_read()).
 * Source: K-EXAONE technical report (github.com/LG-AI-EXAONE/K-EXAONE). Golden: exaone-moe. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) ||
        params_read_shared_width(p, g, err))
        return -1;
    return params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    int windowed;
    if (params_windowed(b->m->file, l, PERIOD_UNSAID, &windowed, b->err))
        return -1;
    bind_rope_factors(b, l, ROPE, p->rope[ROPE].n_rot);
    bind_attention(b, l, &w->attention, see_last(windowed ? p->window : 0));
    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    w->attention.rope = windowed ? ROPE : NO_ROPE;
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_exaone_moe = {DECODER_LAYERS, .name = "exaone-moe", .read_params = read_params, .bind = bind};
