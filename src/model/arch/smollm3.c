/* SmolLM3: Llama's layers, of which every fourth knows no positions.
 *
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), Wv n)        n = rms_norm(x); every fourth layer without rope
 *     y = h + ffn(rms_norm(h))
 *
 * The four is in no key (architectures.md 2). rope in adjacent pairs.
 * Sources: SmolLM3 model card (huggingface.co/blog/smollm3); Yang et al., arXiv 2501.18795 (layers without rope). Golden: smollm3. */
#include "model/block/decoder.h"

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_ADJACENT, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    bind_attention(b, l, &w->attention, see_all());
    w->attention.rope = (l + 1) % PERIOD_UNSAID ? ROPE : NO_ROPE;
    bind_dense_half(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

const struct arch arch_smollm3 = {DECODER_LAYERS, .name = "smollm3", .read_params = read_params, .bind = bind};
