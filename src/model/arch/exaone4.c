/* EXAONE 4: norms behind each block instead of before it, normed heads, windows in the large model.
 *
 *     h = x + norm(Wo attend(rope(norm(Wq x)), rope(norm(Wk x)), Wv x))        without rope in layers that see everything beside windows
 *     y = h + norm(ffn(h))
 *
 * With a window three of four layers have it, where no key says which, and the others know no positions; without one all layers are
 * rotated. Files of the model of 64 layers may leave the window out: it is 4096 (architectures.md 2). rope in halves.
 * Source: EXAONE 4.0, arXiv 2507.11407, section 2. Golden: exaone4. */
#include "model/block/decoder.h"

enum { LAYERS_OF_LARGE = 64, WINDOW_OF_LARGE = 4096 };

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err))
        return -1;
    return params_int(g, "attention.sliding_window", 0, 1 << 28, p->n_layer == LAYERS_OF_LARGE ? WINDOW_OF_LARGE : 0,
                      &p->window, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    int windowed;
    if (params_windowed(b->m->file, l, PERIOD_UNSAID, &windowed, b->err))
        return -1;
    bind_rope_factors(b, l, ROPE, p->rope[ROPE].n_rot);
    bind_attention_post_norm(b, l, &w->attention, see_last(windowed ? p->window : 0));
    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    w->attention.rope = windowed || !p->window ? ROPE : NO_ROPE;
    bind_dense_half_post_norm(b, l, &w->ffn);
    return b->failed;
}

const struct arch arch_exaone4 = {DECODER_LAYERS, .name = "exaone4", .read_params = read_params, .bind = bind};
