/* SmallThinker: the router reads a layer's input, so that experts are known before attention; their gate is a ReLU.
 *
 *     r = router x
 *     h = x + Wo attend(rope(Wq n), rope(Wk n), Wv n)        n = rms_norm(x)
 *     y = h + sum over the top-k experts of  w_e down_e(max(gate_e m, 0) * up_e m)        m = rms_norm(h)
 *
 * w: softmax or sigmoid of r, by key, the chosen renormalised. In files with a window every fourth layer from the first on sees all and
 * knows no positions, and the others see 4096: neither the four nor that number is read from a key. In files without one all layers see
 * all, with rope (architectures.md 2). rope in halves.
 * Source: SmallThinker technical report, arXiv 2507.20984. Golden: smallthinker. */
#include "model/block/attention.h"
#include "model/block/dense_or_moe.h"

enum { WINDOW = 4096 };

struct layer {
    struct attention_weights attention;
    struct moe_weights moe;
};

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    int window, gating;
    p->ffn_act = FFN_RELU;
    if (params_read(p, g, ROPE_HALF, err) || params_read_experts(p, g, err) ||
        params_int(g, "expert_gating_func", ROUTER_SOFTMAX, ROUTER_SIGMOID, -1, &gating, err) ||
        params_int(g, "attention.sliding_window", 0, 1 << 28, 0, &window, err))
        return -1;
    p->router_gate = gating == ROUTER_SIGMOID ? ROUTE_SIGMOID : ROUTE_SOFTMAX;
    p->window = window ? WINDOW : 0;
    return 0;
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    int sees_all = l % PERIOD_UNSAID == 0;
    bind_attention(b, l, &w->attention, see_last(sees_all ? 0 : p->window));
    w->attention.rope = p->window && sees_all ? NO_ROPE : ROPE;
    bind_moe(b, l, &w->moe, "ffn_norm.weight");
    return b->failed;
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    const struct params *p = &s->m->p;
    const struct route_rule route = {.gate = p->router_gate, .normalise = 1};
    size_t mark = step_mark(s);
    float *m = step_rows(s, p->n_embd), *y = step_rows(s, p->n_embd);
    struct act in = step_act(s, x, p->n_embd), a = step_act(s, m, p->n_embd);
    struct routes r = route_top_k(s, l, &in, w->moe.router, NULL, p->n_expert, p->n_expert_used, &route);
    block_attention(s, x, &w->attention);
    rms_norm(s, m, x, w->moe.norm);
    block_moe(s, l, y, &a, &r, w->moe.experts, NULL);
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
    layer_out(s, l, x);
}

const struct arch arch_smallthinker = {.name = "smallthinker",
                                       .read_params = read_params,
                                       .layer_bytes = sizeof(struct layer),
                                       .bind = bind,
                                       .layer = layer};
