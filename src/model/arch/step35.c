/* Step 3.5: heads and windows that differ by layer, an output gate for each head, clamped feed-forwards.
 *
 *     h = x + Wo (attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n) * sigmoid(Wg n), one gate a head)        n = rms_norm(x)
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *     ffn: down (min(silu(gate m), c) * clamp(up m, -c, c)), c by layer, of experts and of the others; 0: none
 *
 * Layers with a window (attention.sliding_window_pattern) rotate rope.dimension_count values with a base of their own; the others half as
 * many, divided by rope_freqs: no key says so (architectures.md 2). The first layers are dense. Router: sigmoid, a bias for the choice.
 * A layer that predicts further tokens goes on from rows before the last norm (nextn.c).
 * Source: Step 3.5 Flash model card and its code in transformers. Goldens: step35, step35-drafts.nextn. */
#include "model/block/decoder.h"

#include "base/error.h"
#include "format/gguf.h"

#include <math.h>

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) ||
        params_read_shared_width(p, g, err) ||
        params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err) ||
        params_read_window_rope(p, g, NAN, err) || params_unscaled(p, g, err))
        return -1;
    p->rope[ROPE].n_rot /= 2;
    if (p->rope[ROPE].n_rot % 2)
        return error_set(err, ERR_FORMAT, "%s: rope.dimension_count is %d; half of it must be even", g->file->path,
                         p->rope[WINDOW_ROPE].n_rot);
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    const struct gguf *g = b->m->file;
    int n_head, n_head_kv, windowed;
    if (params_int_of(g, "attention.head_count", l, 1, p->n_head, -1, &n_head, b->err) ||
        params_int_of(g, "attention.head_count_kv", l, 1, p->n_head, n_head, &n_head_kv, b->err) ||
        params_int_of(g, "attention.sliding_window_pattern", l, 0, 1, -1, &windowed, b->err))
        return -1;
    bind_rope_factors(b, l, ROPE, p->rope[WINDOW_ROPE].n_rot); /* of which half are used */
    bind_attention_heads(b, l, &w->attention, n_head, n_head_kv, see_last(windowed ? p->window : 0));
    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    bind_output_gate(b, l, &w->attention, n_head);
    w->attention.rope = windowed ? WINDOW_ROPE : ROPE;
    bind_limits_behind_silu(b, l, &w->ffn, bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight"));
    return b->failed;
}

const struct arch arch_step35 = {DECODER_LAYERS,     .name = "step35",
                                 .layers_differ = 1, .read_params = read_params,
                                 .bind = bind,       .nextn = NEXTN_BEFORE_NORM};
