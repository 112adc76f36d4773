/* SmolLM3: Llama's layers, of which every fourth knows no positions.
 *
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), Wv n)        n = rms_norm(x); every fourth layer without rope
 *     y = h + ffn(rms_norm(h))
 *
 * The four is in no key (architectures.md 2). rope in adjacent pairs.
 * Sources: SmolLM3 model card (huggingface.co/blog/smollm3); Yang et al., arXiv 2501.18795 (layers without rope). Golden: smollm3. */
#include "model/block/attention.h"
#include "model/block/ffn.h"

enum { PERIOD = 4, ROPE = 0, NO_ROPE = 1 };

struct layer {
    struct attention_weights attention;
    const struct weight *ffn_norm;
    struct ffn_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_ADJACENT, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    w->attention.rope = (l + 1) % PERIOD ? ROPE : NO_ROPE;
    w->ffn_norm = bind_vector(b, l, "ffn_norm.weight", b->m->p.n_embd);
    bind_ffn(b, l, &w->ffn, "", b->m->p.n_ff);
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    block_dense(s, x, w->ffn_norm, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_smollm3 = {
    .name = "smollm3", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
