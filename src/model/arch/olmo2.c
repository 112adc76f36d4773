/* OLMo 2 and 3: norms behind each block instead of before it, and norms over the whole projections of q and k.
 *
 *     h = x + norm(Wo attend(rope(norm(Wq x)), rope(norm(Wk x)), Wv x))
 *     y = h + norm(ffn(h))
 *
 * OLMo 3 has windows (attention.sliding_window), on three of four layers where no key says which; those rotate without the scaling that the
 * others may have (architectures.md 2). rope in halves.
 * Sources: OLMo 2, arXiv 2501.00656, section 2; OLMo 3, arXiv 2512.13961. Goldens: olmo2, olmo3. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err))
        return -1;
    return params_int(g, "attention.sliding_window", 0, 1 << 28, 0, &p->window, err) ||
                   params_read_window_rope(p, g, p->rope[ROPE].base, err)
               ? -1
               : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    int windowed;
    if (params_windowed(b->m->file, l, PERIOD_UNSAID, &windowed, b->err))
        return -1;
    windowed = windowed && p->window;
    bind_attention_post_norm(b, l, &w->attention, see_last(windowed ? p->window : 0));
    bind_qk_norm(b, l, &w->attention, p->n_head * p->d_k, p->n_head_kv * p->d_k);
    w->attention.rope = windowed ? WINDOW_ROPE : ROPE;
    bind_dense_half_post_norm(b, l, &w->ffn);
    return b->failed;
}

const struct arch arch_olmo2 = {DECODER_LAYERS, .name = "olmo2", .read_params = read_params, .bind = bind};
