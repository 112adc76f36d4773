/* Nemotron-H and Nemotron 3: each layer is one block alone, x += block(rms_norm(x)), and most of them are Mamba-2.
 *
 *     Mamba-2          block/mamba2.c
 *     attention        Wo attend(Wq n, Wk n, Wv n)                     no positions: the recurrences know the order
 *     feed-forward     Wdown max(Wup n, 0)^2
 *     or experts       up(sum over the top-k of  w_e down_e max(up_e down(n), 0)^2) + shared(n)
 *
 * The file says which: a layer without feed-forward (feed_forward_length) attends if it has key heads
 * (attention.head_count_kv). Router: sigmoid, a bias for the choice. Experts may see a latent (down, up); else these two are absent.
 * Sources: Nemotron-H, arXiv 2504.03624; Nemotron 3 Nano and Nemotron 3 technical reports.
 * Goldens: nemotron_h, nemotron_h_moe, nemotron_h_moe-latent, nemotron-2688. */
#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"
#include "model/block/mamba2.h"

#include "base/error.h"
#include "format/gguf.h"

enum block { MAMBA, ATTENTION, FFN, EXPERTS };

struct layer {
    enum block block;
    struct mamba2_weights mamba;
    struct attention_weights attention;
    const struct weight *norm; /* of a dense feed-forward */
    struct ffn_weights ffn;
    struct dense_or_moe_weights experts;
};

static int read_moe(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) ||
        params_int(g, "expert_shared_feed_forward_length", 0, 1 << 20, p->n_ff_shared, &p->n_ff_shared, err) ||
        params_int(g, "moe_latent_size", 0, 1 << 20, 0, &p->n_latent_expert, err))
        return -1;
    p->n_layer_dense_lead = 0;
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_RELU2;
    if (params_read(p, g, ROPE_HALF, err) || params_read_mamba2(p, g, err) ||
        params_int(g, "expert_count", 0, 1 << 14, 0, &p->n_expert, err))
        return -1;
    p->rope[0] = (struct rope_params){0};
    return p->n_expert ? read_moe(p, g, err) : 0;
}

static int bind_attention_alone(struct binder *b, int l, struct layer *w, int n_head_kv)
{
    const struct params *p = &b->m->p;
    if (n_head_kv != p->n_head_kv)
        return error_set(b->err, ERR_UNSUPPORTED,
                         "%s: layer %d has %d key heads and another one %d (attention.head_count_kv); stoker takes one "
                         "number for all that attend",
                         b->m->file->file->path, l, n_head_kv, p->n_head_kv);
    bind_attention(b, l, &w->attention, see_all());
    bind_attention_biases_if(b, l, &w->attention);
    return 0;
}

static void bind_dense(struct binder *b, int l, struct layer *w, int n_ff)
{
    w->norm = bind_vector(b, l, "attn_norm.weight", b->m->p.n_embd);
    bind_ffn(b, l, &w->ffn, "", n_ff);
    w->ffn.up_bias = bind_vector_if(b, l, "ffn_up.bias", n_ff);
    w->ffn.down_bias = bind_vector_if(b, l, "ffn_down.bias", b->m->p.n_embd);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct gguf *g = b->m->file;
    int n_ff, n_head_kv;
    if (params_int_of(g, "feed_forward_length", l, 0, 1 << 20, 0, &n_ff, b->err) ||
        params_int_of(g, "attention.head_count_kv", l, 0, 1 << 14, b->m->p.n_head, &n_head_kv, b->err))
        return -1;
    w->block = n_ff ? b->m->p.n_expert ? EXPERTS : FFN : n_head_kv ? ATTENTION : MAMBA;
    switch (w->block) {
    case MAMBA:
        bind_mamba2(b, l, &w->mamba);
        break;
    case ATTENTION:
        if (bind_attention_alone(b, l, w, n_head_kv))
            return -1;
        break;
    case FFN:
        bind_dense(b, l, w, n_ff);
        break;
    case EXPERTS:
        bind_dense_or_moe(b, l, &w->experts, "attn_norm.weight");
        break;
    }
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    switch (w->block) {
    case MAMBA:
        block_mamba2(s, x, &w->mamba);
        break;
    case ATTENTION:
        block_attention(s, x, &w->attention);
        break;
    case FFN:
        block_dense(s, x, w->norm, &w->ffn);
        break;
    case EXPERTS:
        block_dense_or_moe(s, l, x, &w->experts);
        break;
    }
    layer_out(s, l, x);
}

#define ROW(id, text)                                                                                                  \
    const struct arch id = {.name = text,                                                                              \
                            .read_params = read_params,                                                                \
                            .layers_differ = 1,                                                                        \
                            .layer_bytes = sizeof(struct layer),                                                       \
                            .bind = bind,                                                                              \
                            .layer = layer}
ROW(arch_nemotron_h, "nemotron_h");
ROW(arch_nemotron_h_moe, "nemotron_h_moe");
