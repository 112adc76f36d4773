/* GLM 5: DeepSeek V3 with a choice of the positions that are attended to.
 *
 *     h = x + latent_attention(rms_norm(x), to chosen positions);   y = h + ffn(m), or experts(m) + shared(m)   m = rms_norm(h)
 *
 * A layer with an indexer chooses top_k positions (block/indexer.c); one without attends to what the layer before it chose. Which
 * have one: attention.indexer.types, 1 or true; without that key, from 5.2 on, which is recognised by its context, layers 0, 1 and every
 * fourth from 2 on; before it all. Files may hold more indexers than are used. A choice of less than a page would save nothing: at
 * least 256 are chosen (DECISIONS.md). The first layers are dense. Router: sigmoid with a bias for the choice. rope in adjacent
 * pairs, in an indexer on the first values of a head.
 * Sources: GLM-5, arXiv 2602.15763; DeepSeek V3.2, arXiv 2512.02556; sharing: arXiv 2603.12201. Goldens: glm-dsa, glm-dsa-sparse. */
#include "model/block/dense_or_moe.h"
#include "model/block/latent.h"

#include "base/error.h"
#include "format/gguf.h"

struct layer {
    struct latent_weights attention;
    struct dense_or_moe_weights ffn;
};

static const char types_key[] = "attention.indexer.types";

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_ADJACENT, err) || params_read_latent(p, g, err) ||
        params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) || params_read_indexer(p, g, err))
        return -1;
    if (p->latent.q_rank == 0)
        return error_set(err, ERR_FORMAT,
                         "%s: attention.q_lora_rank is 0 or missing; indexers ask with compressed queries",
                         g->file->path);
    p->index.top_k = p->index.top_k > KV_PAGE ? p->index.top_k : KV_PAGE;
    return 0;
}

/* Has the layer an indexer of its own? */
static int chooses(struct binder *b, int l)
{
    enum { SHARING_FROM = 1 << 20 }; /* positions of a model's context */
    const struct params *p = &b->m->p;
    int own = p->n_ctx_train < SHARING_FROM || l < 2 || l % 4 == 2;
    if (params_int_of(b->m->file, types_key, l, 0, 1, own, &own, b->err))
        b->failed = -1;
    else if ((l == 0 || l == p->n_layer) && !own) /* the layer that predicts is run by itself */
        b->failed = error_set(b->err, ERR_FORMAT, "%s: %s gives layer %d no indexer, and there is no layer before it",
                              b->m->file->file->path, types_key, l);
    return own;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    bind_latent(b, l, &w->attention);
    if (chooses(b, l))
        bind_latent_index(b, l, &w->attention);
    else
        bind_latent_index_unused(b, l);
    bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_latent(s, x, &w->attention);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

const struct arch arch_glm_dsa = {.name = "glm-dsa",
                                  .read_params = read_params,
                                  .nextn = NEXTN_BEHIND_NORM,
                                  .layer_bytes = sizeof(struct layer),
                                  .bind = bind,
                                  .layer = layer};
