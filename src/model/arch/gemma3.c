/* Gemma 2 and 3: norms before and after each block, feed-forwards gated by gelu, windows on most layers, tied embeddings; and
 * EmbeddingGemma, Gemma 3 whose rows see each other, with half a window on either side, and become vectors.
 *
 *     x = sqrt(n_embd) embedding
 *     h = x + norm(Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), Wv n))        n = rms_norm(x)
 *     y = h + norm(down(gelu(gate m) * up m))        m = rms_norm(h)
 *
 * Of window_period layers the last sees everything, the others `window` positions. Gemma 3 rotates the latter with a base of their
 * own, without scaling, and norms each head of q and k; Gemma 2 does neither, but caps scores and logits.
 * Sources: arXiv 2408.00118, section 2; arXiv 2503.19786, section 2; arXiv 2509.20354. Goldens: gemma3, gemma2, gemma-embed,
 * gemma-embed-dense. */
#include "model/block/decoder.h"

#include <math.h>

/* Scores of the 27B models are divided by the root of a head's share of the width; the file does not say so. */
static int read_scales(struct params *p, const struct gguf *g, int n_layer_27b, double attn_cap, double logit_cap,
                       struct error *err)
{
    int d = p->n_layer == n_layer_27b && p->n_embd >= p->n_head ? p->n_embd / p->n_head : p->d_k;
    double scale;
    if (params_real(g, "attention.scale", 1e-6, 1e6, 1 / sqrt((double)d), &scale, err) ||
        params_real(g, "attn_logit_softcapping", 0, 1e6, attn_cap, &attn_cap, err) ||
        params_real(g, "final_logit_softcapping", 0, 1e6, logit_cap, &logit_cap, err))
        return -1;
    p->embd_scale = sqrtf((float)p->n_embd);
    p->attn_scale = (float)scale;
    p->attn_cap = (float)attn_cap;
    p->logit_cap = (float)logit_cap;
    p->ffn_act = FFN_GELU;
    return 0;
}

static int read_params_2(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || read_scales(p, g, 46, 50, 30, err) ||
        params_int(g, "attention.sliding_window", 0, 1 << 28, 4096, &p->window, err))
        return -1;
    return params_int(g, "attention.sliding_window_pattern", 1, PARAMS_MAX_LAYERS, 2, &p->window_period, err);
}

/* Files without windows are of models that were derived from Gemma 3 (rnj-1): their logits are capped, as in llama.cpp. */
static int read_params_3(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) ||
        params_int(g, "attention.sliding_window", 0, 1 << 28, 0, &p->window, err) ||
        read_scales(p, g, 62, 0, p->window ? 0 : 30, err) ||
        params_int(g, "attention.sliding_window_pattern", 1, PARAMS_MAX_LAYERS, 6, &p->window_period, err))
        return -1;
    return params_read_window_rope(p, g, 10000, err);
}

static int read_params_embedding(struct params *p, const struct gguf *g, struct error *err)
{
    p->bidirectional = 1;
    return read_params_3(p, g, err);
}

static int windowed(const struct params *p, int l) { return p->window && (l + 1) % p->window_period != 0; }

static int bind_2(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    int window = windowed(p, l) ? p->window : 0;
    bind_attention(b, l, &w->attention, p->bidirectional ? see_around(window) : see_last(window));
    w->attention.post_norm = bind_vector(b, l, "post_attention_norm.weight", p->n_embd);
    bind_dense_half(b, l, &w->ffn, "ffn_norm.weight");
    w->ffn.ffn.post_norm = bind_vector(b, l, "post_ffw_norm.weight", p->n_embd);
    return b->failed;
}

static int bind_3(struct binder *b, int l, void *layer)
{
    struct decoder_weights *w = layer;
    const struct params *p = &b->m->p;
    bind_qk_norm(b, l, &w->attention, p->d_k, p->d_k);
    w->attention.rope = windowed(p, l);
    return bind_2(b, l, layer);
}

const struct arch arch_gemma2 = {DECODER_LAYERS, .name = "gemma2", .read_params = read_params_2, .bind = bind_2};

const struct arch arch_gemma3 = {DECODER_LAYERS, .name = "gemma3", .read_params = read_params_3, .bind = bind_3};

const struct arch arch_gemma_embedding = {DECODER_LAYERS, .name = "gemma-embedding",
                                          .read_params = read_params_embedding, .bind = bind_3};
