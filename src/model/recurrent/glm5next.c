/* GLM 5.3 Flash: Kimi delta attention, in every fourth layer latent attention to chosen positions, over several residual streams.
 *
 *     u = streams in (block/hyper.c);  streams out: kda(n), or latent_attention(n, to chosen groups of positions)   n = rms_norm(u)
 *     u = streams in;  streams out: ffn(n), or experts(n) + shared(n)
 *     logits = Wout rms_norm(mean of the streams)
 *     hidden rows: silu(min(gate n, c)) * clamp(up n, -c, c), c by layer
 *
 * Nothing is rotated. Which layers attend: those whose attention.head_count_kv is not 0. Each of them has an index: of groups of
 * attention.indexer.kpool positions the best are attended to, and the group that is not complete (block/pooled_index.c). In kda
 * (block/kda.c) decays are bounded, gates and decays are of low rank. The first layers are dense. Router: sigmoid, a bias for the choice.
 * The layer that predicts further tokens is of one stream, attends to all positions, and goes on from rows behind the last norm (nextn.c).
 * Converters disagree on names (glm5next, glm5-next; kpool, block_size; tensors with and without ".weight") and leave out what the
 * published configuration has: the bound of decays, -5, and the limits of hidden rows, 10.
 * Sources: docs/spec/architectures.md, part 4, and what it names. Goldens: glm5next, glm5next-long, glm5next.nextn. */
#include "model/block/dense_or_moe.h"
#include "model/block/hyper.h"
#include "model/block/kda.h"
#include "model/block/latent.h"
#include "model/block/pooled_index.h"

#include "base/error.h"
#include "format/gguf.h"

struct layer {
    int attends;
    struct hyper_weights attn_hyper, ffn_hyper;
    union {
        struct latent_weights latent;
        struct kda_weights kda;
    };
    struct dense_or_moe_weights ffn;
};

static int read_decays(struct params *p, const struct gguf *g, struct error *err)
{
    const double bound_unsaid = -5;
    double bound;
    if (params_read_kda(p, g, err) || params_real(g, "kda.gate_lower_bound", -1e3, -1e-3, bound_unsaid, &bound, err))
        return -1;
    p->delta.lowest = (float)bound;
    return 0;
}

static int read_index(struct params *p, const struct gguf *g, struct error *err)
{
    static const char tail_key[] = "attention.indexer.kpool_select_tail";
    int tail = 1;
    if (params_read_gated_pools(p, g, err) || params_bool(g, tail_key, &tail, err))
        return -1;
    if (!tail)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: %s is false, so that the first tokens would see nothing; stoker takes true",
                         g->file->path, tail_key);
    if (p->latent.q_rank == 0)
        return error_set(err, ERR_FORMAT,
                         "%s: attention.q_lora_rank is 0 or missing; indexers ask with compressed queries",
                         g->file->path);
    return 0;
}

/* Keys that files may have all the same. */
static int check_rope(const struct gguf *g, struct error *err)
{
    int n_rot;
    double base;
    return params_int(g, "rope.dimension_count", 0, 0, 0, &n_rot, err) ||
                   params_real(g, "rope.freq_base", 1.5, 1e12, 1e4, &base, err)
               ? -1
               : 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read_unrotated(p, g, err) || check_rope(g, err) || params_read_latent(p, g, err) ||
        read_index(p, g, err) || params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) || read_decays(p, g, err) ||
        params_read_hyper(p, g, err))
        return -1;
    if (!params_has(g, "expert_weights_norm")) /* as the publisher's configuration */
        p->router_normalise = 1;
    return 0;
}

static void bind_attention_of(struct binder *b, int l, struct latent_weights *w)
{
    static const char types_key[] = "attention.indexer.types";
    int own = 1;
    if (!b->failed && params_int_of(b->m->file, types_key, l, 0, 1, 1, &own, b->err))
        b->failed = -1;
    else if (!own)
        b->failed = error_set(b->err, ERR_UNSUPPORTED, "%s: %s gives layer %d no indexer; stoker takes one in each",
                              b->m->file->file->path, types_key, l);
    bind_latent(b, l, w);
    bind_indexer(b, l, &w->indexer, b->m->p.latent.q_rank);
    bind_gated_pools(b, l, &w->index_pools);
}

/* One that predicts further tokens; its index is not asked. */
static void bind_predicting(struct binder *b, int l, struct layer *w)
{
    if (w->attends)
        bind_latent(b, l, &w->latent);
    else
        b->failed = error_set(b->err, ERR_UNSUPPORTED,
                              "%s: layer %d, which predicts further tokens, does not attend (attention.head_count_kv); "
                              "stoker takes one that does",
                              b->m->file->file->path, l);
}

static void bind_mixers(struct binder *b, int l, struct layer *w)
{
    bind_hyper(b, l, &w->attn_hyper, "hc_attn");
    bind_hyper(b, l, &w->ffn_hyper, "hc_ffn");
    if (w->attends)
        bind_attention_of(b, l, &w->latent);
    else
        bind_kda(b, l, &w->kda, b->m->p.delta.d);
}

static int bind(struct binder *b, int l, void *layer)
{
    const double limit_unsaid = 10;
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    if (params_int_of(b->m->file, "attention.head_count_kv", l, 0, p->n_head, p->n_head_kv, &w->attends, b->err))
        return -1;
    if (l == p->n_layer)
        bind_predicting(b, l, w);
    else
        bind_mixers(b, l, w);
    struct experts *e = bind_dense_or_moe(b, l, &w->ffn, "ffn_norm.weight");
    bind_limits_before_silu(b, l, &w->ffn, e, limit_unsaid);
    return b->failed;
}

static void mix_positions(struct step *s, float *y, const float *u, const struct layer *w)
{
    size_t mark = step_mark(s);
    float *n = step_rows(s, s->m->p.n_embd);
    rms_norm(s, n, u, w->attends ? w->latent.norm : w->kda.norm);
    struct act a = step_act(s, n, s->m->p.n_embd);
    if (w->attends)
        latent_of(s, y, &a, &w->latent);
    else
        kda_of(s, y, &a, &w->kda);
    block_steer(s, VECTOR_ATTN, y);
    step_reset(s, mark);
}

/* x [n_rows][n_embd]: one stream, to which is added. */
static void layer_predicting(struct step *s, int l, const struct layer *w, float *x)
{
    size_t mark = step_mark(s);
    float *y = step_rows(s, s->m->p.n_embd);
    rms_norm(s, y, x, w->latent.norm);
    struct act a = step_act(s, y, s->m->p.n_embd);
    latent_of(s, y, &a, &w->latent);
    block_out(s, VECTOR_ATTN, x, y);
    step_reset(s, mark);
    block_dense_or_moe(s, l, x, &w->ffn);
    layer_out(s, l, x);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    if (s->pairs) {
        layer_predicting(s, l, w, x);
        return;
    }
    if (w->attends)
        latent_choices(s);
    size_t mark = step_mark(s);
    float *u = step_rows(s, s->m->p.n_embd), *y = step_rows(s, s->m->p.n_embd);
    float *gates = hyper_in(s, u, x, &w->attn_hyper);
    mix_positions(s, y, u, w);
    hyper_out(s, x, y, gates, &w->attn_hyper);
    step_reset(s, mark);

    u = step_rows(s, s->m->p.n_embd), y = step_rows(s, s->m->p.n_embd);
    gates = hyper_in(s, u, x, &w->ffn_hyper);
    dense_or_moe_of(s, l, y, u, &w->ffn);
    block_steer(s, VECTOR_FFN, y);
    hyper_out(s, x, y, gates, &w->ffn_hyper);
    step_reset(s, mark);
    layer_out(s, l, x);
}

const struct arch arch_glm5next = {.name = "glm5next",
                                   .read_params = read_params,
                                   .layers_differ = 1,
                                   .nextn = NEXTN_BEHIND_NORM,
                                   .layer_bytes = sizeof(struct layer),
                                   .bind = bind,
                                   .layer = layer};
const struct arch arch_glm5_next = {.name = "glm5-next",
                                    .read_params = read_params,
                                    .layers_differ = 1,
                                    .nextn = NEXTN_BEHIND_NORM,
                                    .layer_bytes = sizeof(struct layer),
                                    .bind = bind,
                                    .layer = layer};
