/* The second half of a layer of DeepSeek's kind: the leading layers are dense, the others have experts beside shared ones, whose
 * router is a softmax, or a sigmoid with a bias for the choice. See dense_or_moe.h.
 * Sources: arXiv 2401.06066 (shared experts), 2412.19437 (sigmoid, selection bias, groups). */
#include "model/block/dense_or_moe.h"

#include "base/error.h"
#include "base/f64.h"
#include "format/gguf.h"

int params_read_dense_or_moe(struct params *p, const struct gguf *g, enum router_gating gating_absent,
                             struct error *err)
{
    static const enum route_gate gates[] = {[ROUTER_SOFTMAX] = ROUTE_SOFTMAX,
                                            [ROUTER_SIGMOID] = ROUTE_SIGMOID,
                                            [ROUTER_SQRT_SOFTPLUS] = ROUTE_SQRT_SOFTPLUS};
    const int alone = gating_absent == ROUTER_SQRT_SOFTPLUS;
    int gating, n_shared, normalise = 0;
    double scale;
    if (params_read_experts(p, g, err) ||
        params_int(g, "leading_dense_block_count", 0, p->n_layer, 0, &p->n_layer_dense_lead, err) ||
        params_int(g, "expert_shared_count", 0, 64, 0, &n_shared, err) ||
        params_int(g, "expert_gating_func", alone ? (int)gating_absent : ROUTER_SOFTMAX,
                   alone ? (int)gating_absent : ROUTER_SIGMOID, (int)gating_absent, &gating, err) ||
        params_int(g, "expert_group_count", 0, p->n_expert < 256 ? p->n_expert : 256, 1, &p->n_group, err) ||
        params_int(g, "expert_group_used_count", 0, p->n_group, p->n_group, &p->n_group_used, err) ||
        params_real(g, "expert_weights_scale", 0, 1e6, 1, &scale, err) ||
        params_bool(g, "expert_weights_norm", &normalise, err))
        return -1;
    p->n_ff_shared = n_shared * p->n_ff_expert;
    p->router_gate = gates[gating];
    p->router_normalise = normalise;
    p->router_scale = (float)scale;
    if (p->n_group > 1 && (p->n_expert % p->n_group || p->n_group_used < 1 ||
                           p->n_expert / p->n_group * p->n_group_used < p->n_expert_used))
        return error_set(err, ERR_FORMAT,
                         "%s: %d experts in %d groups, %d of them open, cannot give %d (expert_group_count, "
                         "expert_group_used_count)",
                         g->file->path, p->n_expert, p->n_group, p->n_group_used, p->n_expert_used);
    return 0;
}

int params_read_shared_width(struct params *p, const struct gguf *g, struct error *err)
{
    int width;
    if (params_int(g, "expert_shared_feed_forward_length", 0, PARAMS_MAX_WIDTH, 0, &width, err))
        return -1;
    if (width)
        p->n_ff_shared = width;
    return 0;
}

int params_read_softmax_moe(struct params *p, const struct gguf *g, struct error *err)
{
    if (params_int(g, "expert_count", 0, 1 << 14, 0, &p->n_expert, err))
        return -1;
    p->router_normalise = 1;
    p->n_layer_dense_lead = p->n_expert ? 0 : p->n_layer;
    return p->n_expert ? params_read_experts(p, g, err) : 0;
}

void bind_dense_half(struct binder *b, int l, struct dense_or_moe_weights *w, const char *norm)
{
    w->norm = norm ? bind_vector(b, l, norm, b->m->p.n_embd) : NULL;
    bind_ffn(b, l, &w->ffn, "", b->m->p.n_ff);
}

void bind_dense_half_post_norm(struct binder *b, int l, struct dense_or_moe_weights *w)
{
    bind_dense_half(b, l, w, NULL);
    w->ffn.post_norm = bind_vector(b, l, "post_ffw_norm.weight", b->m->p.n_embd);
}

struct experts *bind_sparse_half(struct binder *b, int l, struct dense_or_moe_weights *w, const char *norm)
{
    const struct params *p = &b->m->p;
    struct experts *e = bind_moe(b, l, &w->moe, norm);
    w->select_bias = bind_vector_if(b, l, "exp_probs_b.bias", p->n_expert);
    if (p->n_ff_shared)
        bind_ffn(b, l, &w->shared.ffn, "_shexp", p->n_ff_shared);
    return e;
}

static int is_dense(const struct params *p, int l)
{
    return l < p->n_layer_dense_lead || (p->moe_step > 1 && (l + 1) % p->moe_step);
}

struct experts *bind_dense_or_moe(struct binder *b, int l, struct dense_or_moe_weights *w, const char *norm)
{
    if (!is_dense(&b->m->p, l))
        return bind_sparse_half(b, l, w, norm);
    bind_dense_half(b, l, w, norm);
    return NULL;
}

/* t, for which silu(t) is c: t = c (1 + exp(-t)) closes in by more than half with each step. silu rises where it is positive, so that
 * min(silu(g), c) = silu(min(g, t)), and gates are clamped before it like those of other models. */
static float before_silu(double c)
{
    double t = c;
    for (int i = 0; i < 60; i++)
        t = c * (1 + f64_exp(-t));
    return (float)t;
}

static void read_limits(struct binder *b, int l, const char *key, float *gate, float *up)
{
    double c = 0;
    if (!b->failed && params_real_of(b->m->file, key, l, 0, 1e6, 0, &c, b->err))
        b->failed = -1;
    *up = (float)c;
    *gate = c > 0 ? before_silu(c) : 0;
}

void bind_limits_behind_silu(struct binder *b, int l, struct dense_or_moe_weights *w, struct experts *e)
{
    struct ffn_weights *ffn = &w->ffn, *shared = &w->shared.ffn;
    if (e)
        read_limits(b, l, "swiglu_clamp_exp", &e->gate_limit, &e->up_limit);
    read_limits(b, l, "swiglu_clamp_shexp", &ffn->gate_limit, &ffn->up_limit);
    shared->gate_limit = ffn->gate_limit;
    shared->up_limit = ffn->up_limit;
}

void bind_limits_before_silu(struct binder *b, int l, struct dense_or_moe_weights *w, struct experts *e, double c)
{
    const struct gguf *g = b->m->file;
    double beside = 0;
    if (!b->failed && (params_real_of(g, "swiglu_clamp_exp", l, 0, 1e6, c, &c, b->err) ||
                       params_real_of(g, "swiglu_clamp_shexp", l, 0, 1e6, c, &beside, b->err)))
        b->failed = -1;
    if (e)
        e->gate_limit = e->up_limit = (float)c;
    w->ffn.gate_limit = w->ffn.up_limit = (float)beside;
    w->shared.ffn.gate_limit = w->shared.ffn.up_limit = (float)beside;
}

struct route_rule dense_or_moe_rule(const struct params *p, const struct dense_or_moe_weights *w)
{
    return (struct route_rule){.gate = p->router_gate,
                               .normalise = p->router_normalise,
                               .scale = p->router_scale,
                               .select_bias = w->select_bias ? w->select_bias->vector : NULL,
                               .n_group = p->n_group,
                               .n_group_used = p->n_group_used};
}

void dense_or_moe_of(struct step *s, int l, float *y, const float *x, const struct dense_or_moe_weights *w)
{
    const struct params *p = &s->m->p;
    struct route_rule rule = dense_or_moe_rule(p, w);
    if (!w->moe.router)
        dense_of(s, y, x, w->norm, &w->ffn);
    else
        sparse_of(s, l, y, x, &w->moe, &rule, p->n_ff_shared ? &w->shared : NULL);
}

void block_dense_or_moe(struct step *s, int l, float *x, const struct dense_or_moe_weights *w)
{
    size_t mark = step_mark(s);
    if (s->keeps)
        return;
    float *y = step_rows(s, s->m->p.n_embd);
    dense_or_moe_of(s, l, y, x, w);
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
}
