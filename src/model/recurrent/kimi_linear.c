/* Kimi Linear: three layers of Kimi delta attention, then one of latent attention without positions.
 *
 *     h = x + kda(rms_norm(x)), or x + latent_attention(rms_norm(x))        block/kda.c; block/latent.c, without rotation
 *     y = h + ffn(m), or experts(m) + shared(m)        m = rms_norm(h)
 *
 * Which layers attend: those whose attention.head_count_kv is not 0. The router is a sigmoid with a bias for the choice; the
 * weights of the chosen are made to sum to 1 whatever the file says, as in the model. Source: arXiv 2510.26692. Golden:
 * kimi-linear. */
#include "model/block/dense_or_moe.h"
#include "model/block/kda.h"
#include "model/block/latent.h"

struct layer {
    int attends;
    union {
        struct latent_weights latent;
        struct kda_weights kda;
    };
    struct dense_or_moe_weights ffn;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err) || params_read_latent(p, g, err) ||
        params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) || params_read_kda(p, g, err))
        return -1;
    p->rope[0].n_rot = 0;
    p->router_normalise = 1;
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    if (params_int_of(b->m->file, "attention.head_count_kv", l, 0, p->n_head, p->n_head_kv, &w->attends, b->err))
        return -1;
    if (w->attends)
        bind_latent(b, l, &w->latent);
    else
        bind_kda(b, l, &w->kda, p->delta.d);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    if (w->attends)
        block_latent(s, x, &w->latent);
    else
        block_kda(s, x, &w->kda);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_kimi_linear = {.name = "kimi-linear",
                                      .read_params = read_params,
                                      .layers_differ = 1,
                                      .layer_bytes = sizeof(struct layer),
                                      .bind = bind,
                                      .layer = layer};
