/* Falcon-H1: attention and Mamba-2 side by side in every layer, of the same norm; then a feed-forward.
 *
 *     h = x + (Wo attend(rope(Wq n), rope(Wk n), Wv n) + mamba2(n))        block/mamba2.c, n = rms_norm(x)
 *     y = h + ffn(rms_norm(h))
 *
 * The multipliers of the paper are folded into the weights of the file. Mamba-2's norm may be absent; the norm before the feed-forward is
 * named ffn_norm, without ".weight" (architectures.md 2). rope in halves.
 * Source: Falcon-H1 technical report, arXiv 2507.22448. Golden: falcon-h1. */
#include "model/block/attention.h"
#include "model/block/ffn.h"
#include "model/block/mamba2.h"

struct layer {
    struct attention_weights attention; /* with the norm of both */
    struct mamba2_weights mamba;
    const struct weight *ffn_norm;
    struct ffn_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_HALF, err) || params_read_mamba2(p, g, err) ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    bind_rope_factors(b, l, ROPE, p->rope[ROPE].n_rot);
    bind_attention(b, l, &w->attention, see_all());
    bind_mamba2_beside(b, l, &w->mamba);
    w->ffn_norm = bind_vector(b, l, "ffn_norm", p->n_embd);
    bind_ffn(b, l, &w->ffn, "", p->n_ff);
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd), *y = step_rows(s, n_embd), *z = step_rows(s, n_embd);
    rms_norm(s, n, x, w->attention.norm);
    struct act a = step_act(s, n, n_embd);
    attention_of(s, y, &a, &w->attention);
    mamba2_of(s, z, &a, &w->mamba);
    add(s, y, z, n_embd);
    block_out(s, VECTOR_ATTN, x, y);
    step_reset(s, mark);
    block_dense(s, x, w->ffn_norm, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_falcon_h1 = {
    .name = "falcon-h1", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
