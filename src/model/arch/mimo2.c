/* MiMo-V2: windows with sinks on most layers, keys wider than values, experts without a shared one.
 *
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), c Wv n; sinks)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m)        m = rms_norm(h)
 *
 * Layers with a window (attention.sliding_window_pattern) have key heads of their own number, a rope base of their own, and sinks where
 * the file has them. c: attention.value_scale, 1 where the file has none. A part of each head is rotated. Layers without a router are
 * dense. Router: sigmoid with a bias for the choice, the chosen renormalised.
 * A layer that predicts further tokens goes on from rows before the last norm (nextn.c).
 * Source: MiMo-V2-Flash technical report (github.com/XiaomiMiMo/MiMo-V2-Flash). Goldens: mimo2, mimo2-drafts.nextn. */
#include "model/block/decoder.h"

#include <math.h>

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    double value_scale;
    if (params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) ||
        params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err) ||
        params_read_window_rope(p, g, NAN, err) || params_unscaled(p, g, err) ||
        params_real(g, "attention.value_scale", 1e-6, 1e6, 1, &value_scale, err))
        return -1;
    p->value_scale = (float)value_scale;
    p->router_normalise = 1;
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    const struct gguf *g = b->m->file;
    int n_head_kv, windowed;
    if (params_int_of(g, "attention.head_count_kv", l, 1, p->n_head, p->n_head, &n_head_kv, b->err) ||
        params_int_of(g, "attention.sliding_window_pattern", l, 0, 1, -1, &windowed, b->err))
        return -1;
    bind_attention_heads(b, l, &w->attention, p->n_head, n_head_kv, see_last(windowed ? p->window : 0));
    w->attention.rope = windowed ? WINDOW_ROPE : ROPE;
    w->attention.sinks = bind_vector_if(b, l, "attn_sinks.weight", p->n_head);
    if (bind_matrix_if(b, l, "ffn_gate_inp.weight", p->n_expert, p->n_embd))
        bind_sparse_half(b, l, &w->ffn, "ffn_norm.weight");
    else
        bind_dense_half(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_mimo2 = {DECODER_LAYERS,     .name = "mimo2",
                                .layers_differ = 1, .read_params = read_params,
                                .bind = bind,       .nextn = NEXTN_BEFORE_NORM};
