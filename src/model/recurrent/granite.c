/* Granite 3 and 4: attention or Mamba-2, then a feed-forward or experts; multipliers keep the sums in range.
 *
 *     x = e embedding
 *     h = x + r mixer(n)        Wo attend(rope(Wq n), rope(Wk n), Wv n) with scores times a, or block/mamba2.c        n = rms_norm(x)
 *     y = h + r (ffn(m), or experts(m) + shared(m))        m = rms_norm(h)
 *     logits / c
 *
 * e, r, a, c: embedding_scale, residual_scale, attention.scale, logit_scale. A layer of granitehybrid without key heads
 * (attention.head_count_kv) is Mamba-2. Router: softmax, the chosen renormalised; experts are feed_forward_length wide, the shared one
 * is optional. No rope where rope.scaling.finetuned is false (architectures.md 2); else in adjacent pairs.
 * Sources: Granite 3 and 4 model cards and their code in transformers. Goldens: granite, granitemoe, granitehybrid. */
#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"
#include "model/block/mamba2.h"

struct layer {
    int attends;
    struct attention_weights attention;
    struct mamba2_weights mamba; /* where it does not */
    struct dense_or_moe_weights ffn;
};

static int read_multipliers(struct params *p, const struct gguf *g, struct error *err)
{
    double embd, residual, attn, logit;
    if (params_real(g, "embedding_scale", 1e-6, 1e6, 1, &embd, err) ||
        params_real(g, "residual_scale", 1e-6, 1e6, 1, &residual, err) ||
        params_real(g, "attention.scale", 1e-6, 1e6, 0, &attn, err) ||
        params_real(g, "logit_scale", 1e-6, 1e6, 1, &logit, err))
        return -1;
    p->embd_scale = (float)embd;
    p->residual_scale = (float)residual;
    p->attn_scale = (float)attn;
    p->logit_scale = (float)(1 / logit);
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    int has_rope = 1;
    if (params_read(p, g, ROPE_ADJACENT, err) || read_multipliers(p, g, err) || params_read_softmax_moe(p, g, err) ||
        params_int(g, "expert_shared_feed_forward_length", 0, PARAMS_MAX_WIDTH, 0, &p->n_ff_shared, err) ||
        params_bool(g, "rope.scaling.finetuned", &has_rope, err))
        return -1;
    if (!has_rope)
        p->rope[0].n_rot = 0;
    return 0;
}

static int read_hybrid(struct params *p, const struct gguf *g, struct error *err)
{
    return read_params(p, g, err) || params_read_mamba2(p, g, err) ? -1 : 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    int n_head_kv;
    bind_rope_factors(b, l, ROPE, p->rope[ROPE].n_rot);
    if (params_int_of(b->m->file, "attention.head_count_kv", l, p->ssm.n_head ? 0 : 1, p->n_head, p->n_head, &n_head_kv,
                      b->err))
        return -1;
    w->attends = n_head_kv > 0;
    if (w->attends) {
        bind_attention_heads(b, l, &w->attention, p->n_head, n_head_kv, see_all());
        bind_attention_biases_if(b, l, &w->attention);
    } else
        bind_mamba2(b, l, &w->mamba);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    if (w->attends)
        block_attention(s, x, &w->attention);
    else
        block_mamba2(s, x, &w->mamba);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_granite = {
    .name = "granite", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};

const struct arch arch_granitemoe = {.name = "granitemoe",
                                     .read_params = read_params,
                                     .layer_bytes = sizeof(struct layer),
                                     .bind = bind,
                                     .layer = layer};

const struct arch arch_granitehybrid = {.name = "granitehybrid",
                                        .read_params = read_hybrid,
                                        .layers_differ = 1,
                                        .layer_bytes = sizeof(struct layer),
                                        .bind = bind,
                                        .layer = layer};
