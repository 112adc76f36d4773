/* DeepSeek-V4: several residual streams, attention over a window and over compressed keys behind it, experts everywhere.
 *
 *     u = streams in (block/hyper.c);  y = attention(rms_norm(u));  streams out;  then the same with experts
 *     attention: one key head in a window, and compressed keys (block/one_key.c, block/compressed.c)
 *
 * Layers have no compressed keys, or one for 128 positions (all are seen), or one for 4, each of 8 (op/compress.h): of those an
 * indexer with keys of its own chooses the top_k. Layers with compressed keys rotate with another base and YaRN, without its
 * magnitude; only the last n_rot values of a head are rotated, in adjacent pairs. Keys are kept as models were trained to see them:
 * through fp8, but for the rotated values. Router: sqrt(softplus), a bias for the choice; the first layers take the experts that a
 * table has for the token. Hidden values of experts are clamped, those of shared experts where the file says so.
 * A layer that predicts further tokens goes on from the streams and has no compressed keys (nextn.c).
 * Source: DeepSeek-V4's report and inference code. Index keys are not rounded (to fp4 there), nor rotated before that (Hadamard),
 * which changes no product. Goldens: deepseek4, deepseek4-long, deepseek4-pages,
 * deepseek4-drafts.nextn. */
#include "model/block/compressed.h"
#include "model/block/hyper.h"
#include "model/block/moe.h"
#include "model/block/one_key.h"

#include "base/error.h"
#include "format/gguf.h"

#include <stdio.h>

struct layer {
    struct hyper_weights attn_hyper, ffn_hyper;
    struct one_key_weights attention;
    struct compressed_weights compressed;
    int n_expert;
    struct moe_weights moe;
    const struct weight *select_bias; /* where the token does not decide */
    struct shared_expert shared;
};

/* ---- parameters and tensors --------------------------------------------------------------------------------------------------- */

static int read_attention(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_read_one_key(p, g, err))
        return -1;
    if ((p->d_k - p->rope[ONE_KEY_PLAIN].n_rot) % FP8_BLOCK)
        return error_set(err, ERR_FORMAT,
                         "%s: a key has %d values, %d of them rotated; stoker takes whole blocks of %d values that are "
                         "not rotated (attention.key_length, rope.dimension_count)",
                         g->file->path, p->d_k, p->rope[ONE_KEY_PLAIN].n_rot, FP8_BLOCK);
    return 0;
}

static int read_experts(struct params *p, const struct gguf *g, struct error *err)
{
    enum { SQRT_SOFTPLUS = 4 };
    int gating, n_shared;
    double scale;
    if (params_read_experts(p, g, err) || params_int(g, "expert_shared_count", 1, 64, -1, &n_shared, err) ||
        params_int(g, "expert_gating_func", SQRT_SOFTPLUS, SQRT_SOFTPLUS, SQRT_SOFTPLUS, &gating, err) ||
        params_real(g, "expert_weights_scale", 0, 1e6, 1, &scale, err) ||
        params_bool(g, "expert_weights_norm", &p->router_normalise, err) ||
        params_int(g, "hash_layer_count", 0, p->n_layer, 0, &p->n_token_routed, err))
        return -1;
    p->n_ff_shared = n_shared * p->n_ff_expert;
    p->router_scale = (float)scale;
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    return params_read(p, g, ROPE_ADJACENT, err) || read_attention(p, g, err) || read_experts(p, g, err) ||
                   params_read_hyper(p, g, err)
               ? -1
               : 0;
}

static float limit_of(struct binder *b, const char *key, int l, float absent)
{
    double limit = 0;
    if (params_real_of(b->m->file, key, l, 0, 1e30, (double)absent, &limit, b->err))
        b->failed = -1;
    return (float)limit;
}

/* The shared expert of the published models (recognised by their layers) is clamped as the others are; their files do not say so. */
static int shared_is_clamped(const struct params *p)
{
    enum { FLASH = 43, PRO = 61 };
    return p->n_layer == FLASH || p->n_layer == PRO;
}

static void bind_limits(struct binder *b, int l, struct layer *w, struct experts *e)
{
    struct ffn_weights *shared = &w->shared.ffn;
    e->gate_limit = e->up_limit = limit_of(b, "swiglu_clamp_exp", l, 0);
    shared->gate_limit = shared->up_limit = limit_of(b, "swiglu_clamp_shexp", l,
                                                     shared_is_clamped(&b->m->p) ? e->up_limit : 0);
}

/* Files of pruned models have fewer in some layers: the router tells, and no layer more than expert_count. */
static int experts_of(struct binder *b, int l)
{
    const struct params *p = &b->m->p;
    char name[40];
    snprintf(name, sizeof name, "blk.%d.ffn_gate_inp.weight", l);
    const struct gguf_tensor *router = gguf_tensor(b->m->file, name);
    uint64_t n = router ? router->ne[1] : 0;
    return n >= (uint64_t)p->n_expert_used && n < (uint64_t)p->n_expert ? (int)n : p->n_expert;
}

/* After the last layer. */
static void check_experts(struct binder *b)
{
    const struct params *p = &b->m->p;
    int most = 0;
    for (int l = 0; l < p->n_layer; l++)
        most = b->m->expert_layer[l].n_expert > most ? b->m->expert_layer[l].n_expert : most;
    if (!b->failed && most < p->n_expert)
        b->failed = error_set(b->err, ERR_FORMAT,
                              "%s: expert_count is %d, but no layer has more than %d (blk.N.ffn_gate_inp.weight, "
                              "ffn_gate_exps, ffn_down_exps)",
                              b->m->file->file->path, p->n_expert, most);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    if (l == 0)
        bind_hyper_end(b, -1, &b->m->hyper, "output_hc");
    bind_hyper(b, l, &w->attn_hyper, "hc_attn");
    bind_hyper(b, l, &w->ffn_hyper, "hc_ffn");
    w->attention = (struct one_key_weights){.unit_queries = 1, .rounded = 1};
    bind_one_key(b, l, &w->attention);
    bind_compressed(b, l, &w->compressed, p->latent.q_rank);
    w->n_expert = experts_of(b, l);
    struct experts *e = bind_moe_n(b, l, &w->moe, "ffn_norm.weight", w->n_expert);
    if (l < p->n_token_routed)
        b->m->by_token[l] = bind_ids(b, l, "ffn_gate_tid2eid.weight", p->n_vocab, p->n_expert_used, w->n_expert);
    else
        w->select_bias = bind_vector(b, l, "exp_probs_b.bias", w->n_expert);
    bind_ffn(b, l, &w->shared.ffn, "_shexp", p->n_ff_shared);
    if (e)
        bind_limits(b, l, w, e);
    if (l == p->n_layer - 1)
        check_experts(b);
    return b->failed;
}

/* ---- a layer ------------------------------------------------------------------------------------------------------------------ */

static void attention(struct step *s, float *y, const float *u, const struct layer *w)
{
    const int rope = w->compressed.ratio ? ONE_KEY_FAR : ONE_KEY_PLAIN;
    size_t mark = step_mark(s);
    float *n = step_rows(s, s->m->p.n_embd);
    rms_norm(s, n, u, w->attention.norm);
    struct act a = step_act(s, n, s->m->p.n_embd), low;
    if (s->keeps) {
        one_key_keep(s, &a, &w->attention, rope);
        step_reset(s, mark);
        return;
    }
    float *q = one_key_queries(s, &a, &w->attention, rope, &low), *k = one_key_keys(s, &a, &w->attention, rope);
    struct attn_beside beside;
    if (w->compressed.ratio)
        beside = block_compressed(s, &a, &low, &w->compressed, rope);
    one_key_attend(s, y, q, k, &w->attention, rope, w->compressed.ratio ? &beside : NULL);
    step_reset(s, mark);
}

static void experts(struct step *s, int l, float *y, const float *u, const struct layer *w)
{
    const struct params *p = &s->m->p;
    struct route_rule rule = {.gate = ROUTE_SQRT_SOFTPLUS, .normalise = p->router_normalise, .scale = p->router_scale};
    rule.select_bias = w->select_bias ? w->select_bias->vector : NULL;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd);
    rms_norm(s, n, u, w->moe.norm);
    struct act a = step_act(s, n, p->n_embd);
    struct routes r = l < p->n_token_routed
                          ? route_by_token(s, l, &a, w->moe.router, s->m->by_token[l], &rule)
                          : route_top_k(s, l, &a, w->moe.router, NULL, w->n_expert, p->n_expert_used, &rule);
    block_moe(s, l, y, &a, &r, w->moe.experts, &w->shared);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    size_t mark = step_mark(s);
    float *u = step_rows(s, s->m->p.n_embd), *y = step_rows(s, s->m->p.n_embd);
    float *gates = hyper_in(s, u, x, &w->attn_hyper);
    attention(s, y, u, w);
    if (s->keeps) {
        step_reset(s, mark);
        return;
    }
    block_steer(s, VECTOR_ATTN, y);
    hyper_out(s, x, y, gates, &w->attn_hyper);
    step_reset(s, mark);

    u = step_rows(s, s->m->p.n_embd), y = step_rows(s, s->m->p.n_embd);
    gates = hyper_in(s, u, x, &w->ffn_hyper);
    experts(s, l, y, u, w);
    block_steer(s, VECTOR_FFN, y);
    hyper_out(s, x, y, gates, &w->ffn_hyper);
    step_reset(s, mark);
    layer_out(s, l, x);
}

const struct arch arch_deepseek4 = {.name = "deepseek4",
                                    .read_params = read_params,
                                    .nextn = NEXTN_BEFORE_NORM,
                                    .layer_bytes = sizeof(struct layer),
                                    .bind = bind,
                                    .layer = layer};
