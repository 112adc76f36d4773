/* Qwen3.8-Flash-Next: gated delta nets and gated attention over several streams, rows chosen by n-grams, experts everywhere.
 *
 *     at one layer    streams += ngram(streams)                                      block/ngram.c
 *     u = streams in;  streams out: delta_net(u), or attention(u, to what the layer's index chooses)       block/hyper_mix.c
 *     u = streams in;  streams out: experts(u) + sigmoid(gs u) shared(u)
 *
 * No norms but those of the streams. Value heads share key heads, every n-th; the gate of the recurrence is a sigmoid. Router: softmax,
 * the weights of the chosen sum to 1. rope in halves of the first n_rot values, of index keys too. Which layers attend:
 * attention.recurrent_layers, or every full_attention_interval-th. The layer that predicts further tokens attends to all positions, and
 * goes on from the streams, which are normed as one row (nextn.c).
 * Source: docs/spec/architectures.md, part 3, and what it names. Goldens: qwen4exp, qwen4exp-long, qwen4exp-long.nextn. */
#include "model/block/delta_net.h"
#include "model/block/gated_attention.h"
#include "model/block/hyper_mix.h"
#include "model/block/moe.h"
#include "model/block/ngram.h"
#include "model/block/pooled_index.h"

#include "base/error.h"
#include "format/gguf.h"

struct layer {
    int recurrent, has_ngram;
    struct hyper_mix_weights attn_mix, ffn_mix;
    struct ngram_weights ngram;
    struct delta_net_weights delta; /* or attention */
    struct gated_attention_weights attention;
    struct pooled_index_weights index;
    struct moe_weights moe;
    struct shared_expert shared;
};

/* ---- parameters and tensors --------------------------------------------------------------------------------------------------- */

static int is_recurrent(const struct params *p, const struct gguf *g, int l, int *out, struct error *err)
{
    return params_int_of(g, "attention.recurrent_layers", l, 0, 1, (l + 1) % p->delta.interval != 0, out, err);
}

static int check_ngram_layer(const struct params *p, const struct gguf *g, struct error *err)
{
    int recurrent = 1;
    if (p->ngram.size && is_recurrent(p, g, p->ngram.layer, &recurrent, err))
        return -1;
    if (!recurrent)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: ple.layers names layer %d, which attends; stoker takes a recurrent one", g->file->path,
                         p->ngram.layer);
    return 0;
}

/* Its router is one of a kind: keys that would say another are refused, not ignored. */
static int check_router(const struct gguf *g, struct error *err)
{
    int gating, n_group, normalise = 1;
    double scale;
    if (params_int(g, "expert_gating_func", 1, 1, 1, &gating, err) ||
        params_int(g, "expert_group_count", 0, 1, 1, &n_group, err) ||
        params_real(g, "expert_weights_scale", 1, 1, 1, &scale, err) ||
        params_bool(g, "expert_weights_norm", &normalise, err))
        return -1;
    if (!normalise)
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: expert_weights_norm is false; the weights of this architecture's experts sum to 1",
                         g->file->path);
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read(p, g, ROPE_HALF, err) || params_read_delta(p, g, err) ||
        params_int(g, "full_attention_interval", 1, 1 << 12, 4, &p->delta.interval, err) ||
        params_check_gated_attention(p, g, err) || params_read_hyper_mix(p, g, err) ||
        params_read_pooled_index(p, g, err) || params_read_ngram(p, g, err) || check_ngram_layer(p, g, err) ||
        params_read_experts_listed(p, g, err) || check_router(g, err))
        return -1;
    return params_int(g, "expert_shared_feed_forward_length", 1, 1 << 20, -1, &p->n_ff_shared, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    const int predicts = l == p->n_layer;
    if (!predicts && is_recurrent(p, b->m->file, l, &w->recurrent, b->err))
        return -1;
    if (l == 0)
        bind_hyper_mix_end(b, -1, &b->m->hyper_mix, "output_hc");
    bind_hyper_mix(b, l, &w->attn_mix, "hc_attn");
    bind_hyper_mix(b, l, &w->ffn_mix, "hc_ffn");
    w->has_ngram = p->ngram.size && l == p->ngram.layer;
    if (w->has_ngram)
        bind_ngram(b, l, &w->ngram);
    if (w->recurrent) {
        w->delta.sigmoid = 1;
        bind_delta_net(b, l, &w->delta);
    } else {
        bind_gated_attention(b, l, &w->attention);
        if (!predicts)
            bind_pooled_index(b, l, &w->index);
    }
    bind_moe(b, l, &w->moe, NULL);
    w->shared.gate = bind_vector(b, l, "ffn_gate_inp_shexp.weight", p->n_embd);
    bind_ffn(b, l, &w->shared.ffn, "_shexp", p->n_ff_shared);
    return b->failed;
}

/* ---- a layer ------------------------------------------------------------------------------------------------------------------ */

static void experts(struct step *s, int l, float *y, const float *u, const struct layer *w)
{
    static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};
    const struct params *p = &s->m->p;
    size_t mark = step_mark(s);
    struct act a = step_act(s, u, p->n_embd);
    struct routes r = route_top_k(s, l, &a, w->moe.router, NULL, p->n_expert, p->n_expert_used, &route);
    block_moe(s, l, y, &a, &r, w->moe.experts, &w->shared);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    int n_embd = s->m->p.n_embd;
    if (w->has_ngram)
        block_ngram(s, x, &w->ngram);

    size_t mark = step_mark(s);
    float *u = step_rows(s, n_embd), *y = step_rows(s, n_embd), *gates = hyper_mix_in(s, u, x, &w->attn_mix);
    if (w->recurrent)
        delta_net(s, y, u, &w->delta);
    else
        gated_attention(s, y, u, &w->attention, pooled_index(s, u, &w->index));
    if (s->keeps) {
        step_reset(s, mark);
        return;
    }
    block_steer(s, VECTOR_ATTN, y);
    hyper_mix_out(s, x, y, gates);
    step_reset(s, mark);

    u = step_rows(s, n_embd), y = step_rows(s, n_embd), gates = hyper_mix_in(s, u, x, &w->ffn_mix);
    experts(s, l, y, u, w);
    block_steer(s, VECTOR_FFN, y);
    hyper_mix_out(s, x, y, gates);
    step_reset(s, mark);
    layer_out(s, l, x);
}

const struct arch arch_qwen4exp = {.name = "qwen4exp",
                                   .read_params = read_params,
                                   .output_norm = "",
                                   .nextn = NEXTN_BEFORE_NORM,
                                   .layer_bytes = sizeof(struct layer),
                                   .bind = bind,
                                   .layer = layer};
