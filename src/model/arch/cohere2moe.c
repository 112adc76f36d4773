/* Command A+ and North Mini Code (cohere2moe): Command R7B's layer, whose feed-forward may be experts.
 *
 *     y = x + Wo attend(rope(Wq n), rope(Wk n), Wv n) + f(n)        n = norm(x)
 *     f(n) = ffn(n), in the leading layers; experts(n); or, with a shared expert, (experts(n) + shared(n)) / 2
 *     logits = s output(norm(y))
 *
 * norm: RMS where the file gives that epsilon, else around the mean, without bias. s: logit_scale. Layers with a window are rotated, and
 * the leading dense ones; the others know no positions. Which have a window: attention.sliding_window_pattern, a truth for each layer or
 * a period, whose first layer sees everything, not the last as elsewhere. Router: sigmoid or softmax, by key. rope in adjacent pairs.
 * The layer that predicts further tokens, where a file has one, sees everything and is rotated (nextn.c).
 * Source: Cohere's code in transformers (cohere2_moe). Goldens: cohere2moe, cohere2moe-rms,
 * cohere2moe.nextn. */
#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"

#include "base/error.h"
#include "format/gguf.h"

#include <math.h>

struct layer {
    struct attention_weights attention;
    struct dense_or_moe_weights ffn;
};

static const char pattern_key[] = "attention.sliding_window_pattern", base_key[] = "rope.freq_base_swa";

static int read_norm(struct params *p, const struct gguf *g, struct error *err)
{
    double eps;
    if (params_has(g, "attention.layer_norm_rms_epsilon"))
        return 0;
    if (params_real(g, "attention.layer_norm_epsilon", 1e-30, 1, NAN, &eps, err))
        return -1;
    p->norm_eps = (float)eps;
    p->layer_norm = 1;
    return 0;
}

/* Softmax without normalised weights: over all experts in other engines, over the chosen in the publisher's code. */
static int check_router(const struct params *p, const struct gguf *g, struct error *err)
{
    if (p->router_gate == ROUTE_SIGMOID || p->router_normalise)
        return 0;
    return error_set(err, ERR_UNSUPPORTED,
                     "%s: expert_gating_func is a softmax and expert_weights_norm is not true; stoker takes cohere2moe "
                     "with weights that sum to 1 there",
                     g->file->path);
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    double scale, base; /* one base for all layers, whether the file says it once or twice */
    if (params_read(p, g, ROPE_ADJACENT, err) || read_norm(p, g, err) ||
        params_real(g, base_key, p->rope[ROPE].base, p->rope[ROPE].base, p->rope[ROPE].base, &base, err) ||
        params_real(g, "logit_scale", 1e-6, 1e6, NAN, &scale, err) ||
        params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err) ||
        params_read_dense_or_moe(p, g, ROUTER_SIGMOID, err) || (p->n_ff_shared && params_read_shared_width(p, g, err)))
        return -1;
    p->logit_scale = (float)scale;
    return check_router(p, g, err);
}

static int is_windowed(struct binder *b, int l)
{
    const struct gguf *g = b->m->file;
    int n = 0, is_period = !params_is_list(g, pattern_key);
    if (is_period ? params_int(g, pattern_key, 1, PARAMS_MAX_LAYERS, -1, &n, b->err)
                  : params_int_of(g, pattern_key, l, 0, 1, -1, &n, b->err)) {
        b->failed = -1;
        return 0;
    }
    return is_period ? l % n != 0 : n;
}

/* Other engines, and the publisher, rotate all heads whole. */
static void check_widths(struct binder *b)
{
    const struct params *p = &b->m->p;
    if (b->failed || (p->rope[ROPE].n_rot == p->d_k && p->d_v == p->d_k))
        return;
    b->failed = error_set(b->err, ERR_UNSUPPORTED,
                          "%s: %d of %d values of a key are rotated, and values have %d; stoker takes cohere2moe with "
                          "one width (rope.dimension_count, attention.key_length, attention.value_length)",
                          b->m->file->file->path, p->rope[ROPE].n_rot, p->d_k, p->d_v);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    int predicts = l >= p->n_layer, windowed = !predicts && is_windowed(b, l);
    bind_attention(b, l, &w->attention, see_last(windowed ? p->window : 0));
    check_widths(b);
    w->attention.rope = windowed || predicts || l < p->n_layer_dense_lead ? ROPE : NO_ROPE;
    bind_dense_or_moe(b, l, &w->ffn, NULL);
    return b->failed;
}

static void experts(struct step *s, int l, float *y, struct act *a, const struct dense_or_moe_weights *w)
{
    const struct params *p = &s->m->p;
    struct route_rule rule = dense_or_moe_rule(p, w);
    struct routes r = route_top_k(s, l, a, w->moe.router, NULL, p->n_expert, p->n_expert_used, &rule);
    block_moe(s, l, y, a, &r, w->moe.experts, p->n_ff_shared ? &w->shared : NULL);
    if (p->n_ff_shared)
        op_scale(&s->m->op, y, 0.5f, s->n_rows, p->n_embd);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    int n_embd = s->m->p.n_embd;
    size_t mark = step_mark(s);
    float *n = step_rows(s, n_embd), *attended = step_rows(s, n_embd), *fed = step_rows(s, n_embd);
    model_norm(s, n, x, w->attention.norm, s->n_rows);
    struct act a = step_act(s, n, n_embd);
    attention_of(s, attended, &a, &w->attention);
    if (s->keeps) {
        step_reset(s, mark);
        return;
    }
    if (w->ffn.moe.router)
        experts(s, l, fed, &a, &w->ffn);
    else
        block_ffn(s, fed, &a, &w->ffn.ffn);
    block_out(s, VECTOR_ATTN, x, attended);
    block_out(s, VECTOR_FFN, x, fed);
    step_reset(s, mark);
    layer_out(s, l, x);
}

const struct arch arch_cohere2moe = {.name = "cohere2moe",
                                     .read_params = read_params,
                                     .layer_bytes = sizeof(struct layer),
                                     .bind = bind,
                                     .layer = layer,
                                     .nextn = NEXTN_BEHIND_NORM};
