/* ModernBERT: an encoder with norms before its blocks, windows on most layers, feed-forwards gated by gelu; no biases anywhere.
 *
 *     x = layer_norm(embedding)
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), Wv n)        n = layer_norm(x), of the first layer x itself
 *     y = h + down(gelu(gate m) * up m)                      m = layer_norm(h)
 *
 * Of three layers the first sees everything, the others half a window on either side, by a rope of their own. Norms are around the mean.
 * Source: Warner et al., arXiv 2412.13663. Golden: modern-bert. */
#include "model/encoder/layer.h"

enum { PERIOD = 3 };

struct layer {
    struct attention_weights attention;
    struct ffn_weights ffn;
    const struct weight *attn_norm, *ffn_norm;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_GELU;
    p->layer_norm = 1;
    p->head_takes = POOLING_MEAN;
    if (params_read_encoder(p, g, ROPE_HALF, err) || params_unscaled(p, g, err) ||
        params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err))
        return -1;
    return params_read_window_rope(p, g, 10000, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    int n_embd = b->m->p.n_embd, windowed = l % PERIOD != 0;
    if (l == 0)
        b->m->first.norm = bind_vector(b, -1, "token_embd_norm.weight", n_embd);
    bind_attention_bare(b, l, &w->attention, see_around(windowed ? b->m->p.window : 0));
    w->attention.rope = windowed ? WINDOW_ROPE : ROPE;
    w->attn_norm = l > 0 ? bind_vector(b, l, "attn_norm.weight", n_embd) : NULL;
    w->ffn_norm = bind_vector(b, l, "ffn_norm.weight", n_embd);
    bind_ffn_fused(b, l, &w->ffn, b->m->p.n_ff);
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd), *y = step_rows(s, n_embd);
    if (w->attn_norm)
        layer_norm(s, n, x, w->attn_norm, s->n_rows);
    struct act a = step_act(s, w->attn_norm ? n : x, n_embd);
    attention_of(s, y, &a, &w->attention);
    block_out(s, VECTOR_ATTN, x, y);

    layer_norm(s, n, x, w->ffn_norm, s->n_rows);
    struct act b = step_act(s, n, n_embd);
    block_ffn(s, y, &b, &w->ffn);
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
    layer_out(s, l, x);
}

const struct arch arch_modern_bert = {.name = "modern-bert",
                                      .read_params = read_params,
                                      .layer_bytes = sizeof(struct layer),
                                      .first_rows = encoder_first_rows,
                                      .bind = bind,
                                      .layer = layer};
