/* Grok 1 and 2: norms before and behind both blocks, capped scores, a dense feed-forward beside the experts.
 *
 *     x = e embedding
 *     h = x + norm(Wo attend(rope(Wq n), rope(Wk n), Wv n)), scores 30 tanh(a q.k / 30)        n = rms_norm(x)
 *     y = h + norm(sqrt(1/2) (ffn(m) + experts(m)), or experts(m))        gelu, m = rms_norm(h)
 *     logits = s output(rms_norm(y)), capped where the file has a cap
 *
 * e, a, s: embedding_scale, attention.output_scale, logit_scale. The first files of Grok 1 have none of these keys, nor caps: the numbers
 * below are its own. Router: softmax, the chosen renormalised; its cap is in files and not applied, nor is attention.temperature_length
 * (architectures.md 2). The norm behind the experts has one of two names. YaRN without yarn_beta_fast: 8. rope in halves.
 * Sources: the published code of Grok 1 (xai-org/grok-1), Grok 2 model card. Golden: grok. */
#include "model/block/attention.h"
#include "model/block/moe.h"

#include <math.h>

struct layer {
    struct attention_weights attention;
    struct moe_weights moe;
    struct shared_expert dense; /* where the file has one */
};

static int read_scales(struct params *p, const struct gguf *g, struct error *err)
{
    double embd, attn, logit, attn_cap, logit_cap;
    if (params_real(g, "embedding_scale", 1e-6, 1e6, 78.38367176906169, &embd, err) ||
        params_real(g, "attention.output_scale", 1e-6, 1e6, 0.08838834764831845, &attn, err) ||
        params_real(g, "logit_scale", 1e-6, 1e6, 0.5773502691896257, &logit, err) ||
        params_real(g, "attn_logit_softcapping", 1e-6, 1e6, 30, &attn_cap, err) ||
        params_real(g, "final_logit_softcapping", 0, 1e6, 0, &logit_cap, err))
        return -1;
    p->embd_scale = (float)embd;
    p->attn_scale = (float)attn;
    p->logit_scale = (float)logit;
    p->attn_cap = (float)attn_cap;
    p->logit_cap = (float)logit_cap;
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    p->ffn_act = FFN_GELU;
    if (params_read(p, g, ROPE_HALF, err) || read_scales(p, g, err) || params_read_experts(p, g, err))
        return -1;
    return params_real(g, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, 8, &p->rope[ROPE].beta_fast, err);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    bind_attention(b, l, &w->attention, see_all());
    w->attention.post_norm = bind_vector(b, l, "attn_output_norm.weight", p->n_embd);
    bind_moe(b, l, &w->moe, "ffn_norm.weight");
    if (bind_matrix_if(b, l, "ffn_up.weight", p->n_ff, p->n_embd))
        bind_ffn(b, l, &w->dense.ffn, "", p->n_ff);
    w->moe.post_norm = bind_vector_if(b, l, "layer_output_norm.weight", p->n_embd);
    if (!w->moe.post_norm)
        w->moe.post_norm = bind_vector(b, l, "post_ffw_norm.weight", p->n_embd);
    return b->failed;
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};

static void sparse_half(struct step *s, int l, float *x, const struct layer *w)
{
    const struct params *p = &s->m->p;
    const struct shared_expert *dense = w->dense.ffn.up ? &w->dense : NULL;
    size_t mark = step_mark(s);
    float *m = step_rows(s, p->n_embd), *y = step_rows(s, p->n_embd);
    rms_norm(s, m, x, w->moe.norm);
    struct act a = step_act(s, m, p->n_embd);
    struct routes r = route_top_k(s, l, &a, w->moe.router, NULL, p->n_expert, p->n_expert_used, &route);
    block_moe(s, l, y, &a, &r, w->moe.experts, dense);
    if (dense)
        op_scale(&s->m->op, y, sqrtf(0.5f), s->n_rows, p->n_embd);
    rms_norm(s, y, y, w->moe.post_norm);
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    block_attention(s, x, &w->attention);
    sparse_half(s, l, x, w);
    layer_out(s, l, x);
}

const struct arch arch_grok = {
    .name = "grok", .read_params = read_params, .layer_bytes = sizeof(struct layer), .bind = bind, .layer = layer};
