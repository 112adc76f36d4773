/* Gemma 4: Gemma 3's norms and windows, with heads of another width in full layers, layers without keys of their own, embeddings
 * of each layer, and in some models experts beside the feed-forward.
 *
 *     x = sqrt(n_embd) embedding
 *     h = x + norm(Wo attend(rope(norm(Wq n)), rope(norm(Wk n)), norm(Wv n)))        n = rms_norm(x)
 *     y = h + norm(ffn(norm(h)))  or  h + norm(norm(ffn(norm(h))) + norm(experts(norm(h))))
 *     z = scale_l (y + norm(Wo' (gelu(Wg' y) * e_l)))        where the model has e_l and scale_l: block/layer_embd.c
 *
 * Scores are not scaled. Values are normed without weights; without Wv they are the keys before their norm. The last n_shared_kv
 * layers attend to what the last of their kind before them keeps. In full layers most of a head is not rotated (rope_freqs). Router:
 * softmax of Wr (s * rms_norm(h)) / sqrt(n_embd), the chosen renormalised; each expert has a factor.
 * Source: Gemma 4 model card (ai.google.dev/gemma/docs/core), its code in transformers. Goldens: gemma4, gemma4-moe. */
#include "model/block/attention.h"
#include "model/block/layer_embd.h"
#include "model/block/moe.h"

#include "base/error.h"
#include "format/gguf.h"

#include <math.h>

struct layer {
    struct kv_ref kv;
    int windowed; /* 1: a window, and the second rope */
    const struct weight *attn_norm, *wq, *wk, *wv, *wo, *q_norm, *k_norm, *attn_post_norm; /* wk NULL: of kv */
    const struct weight *ffn_norm;
    struct ffn_weights ffn;
    const struct weight *router, *router_scale, *expert_norm, *ffn_post_norm; /* router NULL: no experts */
    const struct experts *experts;
    struct layer_embd_weights layer_embd;
    const struct weight *scale;
};

static int read_windows(struct params *p, const struct gguf *g, struct error *err)
{
    int d_v;
    p->rope[1] = (struct rope_params){.pairs = ROPE_HALF};
    if (params_int(g, "attention.sliding_window", 1, 1 << 28, -1, &p->window, err) ||
        params_int(g, "attention.key_length_swa", 2, 4096, p->d_k, &p->d_window, err) ||
        params_int(g, "attention.value_length_swa", 2, 4096, p->d_window, &d_v, err) ||
        params_int(g, "rope.dimension_count_swa", 2, p->d_window, p->d_window, &p->rope[1].n_rot, err) ||
        params_real(g, "rope.freq_base_swa", 1.5, 1e12, 10000, &p->rope[1].base, err) ||
        params_int(g, "attention.shared_kv_layers", 0, p->n_layer - 1, 0, &p->n_shared_kv, err))
        return -1;
    if (d_v != p->d_window || p->d_v != p->d_k || p->rope[1].n_rot % 2)
        return error_set(err, ERR_FORMAT,
                         "%s: keys of %d and %d values, values of %d and %d, rope.dimension_count_swa %d: keys and "
                         "values must be equally wide, and an even number of values turn",
                         g->file->path, p->d_k, p->d_window, p->d_v, d_v, p->rope[1].n_rot);
    return 0;
}

static int read_params(struct params *p, const struct gguf *g, struct error *err)
{
    double cap;
    int n_expert;
    if (params_read(p, g, ROPE_HALF, err) || read_windows(p, g, err) ||
        params_real(g, "final_logit_softcapping", 0, 1e6, 30, &cap, err) || /* absent: 30, as in llama.cpp */
        params_int(g, "embedding_length_per_layer_input", 0, (1 << 20) / p->n_layer, 0, &p->d_layer_embd, err) ||
        params_int(g, "expert_count", 0, 1 << 14, 0, &n_expert, err) || (n_expert && params_read_experts(p, g, err)))
        return -1;
    p->n_ff_shared = n_expert ? p->n_ff : 0;
    p->ffn_act = FFN_GELU;
    p->embd_scale = sqrtf((float)p->n_embd);
    p->attn_scale = 1;
    p->logit_cap = (float)cap;
    return 0;
}

/* Of a layer: its heads, and whether it has a window. */
struct heads {
    int windowed, n_kv, d, n_ff;
};

static int read_heads(struct binder *b, int l, struct heads *h)
{
    const struct params *p = &b->m->p;
    const struct gguf *g = b->m->file;
    if (params_int_of(g, "attention.sliding_window_pattern", l, 0, 1, -1, &h->windowed, b->err) ||
        params_int_of(g, "attention.head_count_kv", l, 1, p->n_head, p->n_head, &h->n_kv, b->err) ||
        params_int_of(g, "feed_forward_length", l, 1, 1 << 20, -1, &h->n_ff, b->err))
        return b->failed = -1;
    h->d = h->windowed ? p->d_window : p->d_k;
    return 0;
}

/* The rows that the last layer of this kind with keys of its own keeps. */
static struct kv_ref kept(struct binder *b, int l, int windowed)
{
    const struct layer *all = b->m->layer;
    for (int i = b->m->p.n_layer - b->m->p.n_shared_kv - 1; i >= 0; i--)
        if (all[i].windowed == windowed)
            return all[i].kv;
    b->failed = error_set(b->err, ERR_FORMAT,
                          "%s: layer %d has no keys and values (attention.shared_kv_layers), nor has an earlier layer "
                          "of its kind",
                          b->m->file->file->path, l);
    return (struct kv_ref){0};
}

static void bind_heads_of(struct binder *b, int l, struct layer *w, const struct heads *h)
{
    const struct params *p = &b->m->p;
    w->windowed = h->windowed;
    w->attn_norm = bind_vector(b, l, "attn_norm.weight", p->n_embd);
    w->wq = bind_matrix(b, l, "attn_q.weight", p->n_head * h->d, p->n_embd);
    w->q_norm = bind_vector(b, l, "attn_q_norm.weight", h->d);
    if (l >= p->n_layer - p->n_shared_kv) {
        w->kv = kept(b, l, h->windowed);
        bind_unused(b, l, "attn_k.weight");
        bind_unused(b, l, "attn_v.weight");
        bind_unused(b, l, "attn_k_norm.weight");
    } else {
        w->kv = bind_kv(b, p->n_head, (struct kv_shape){.n_head_kv = h->n_kv, .d_k = h->d, .d_v = h->d},
                        see_last(h->windowed ? p->window : 0));
        w->wk = bind_matrix(b, l, "attn_k.weight", h->n_kv * h->d, p->n_embd);
        w->wv = bind_matrix_if(b, l, "attn_v.weight", h->n_kv * h->d, p->n_embd);
        w->k_norm = bind_vector(b, l, "attn_k_norm.weight", h->d);
    }
    w->wo = bind_matrix(b, l, "attn_output.weight", p->n_embd, p->n_head * h->d);
    w->attn_post_norm = bind_vector(b, l, "post_attention_norm.weight", p->n_embd);
}

static void bind_moe_of(struct binder *b, int l, struct layer *w)
{
    const struct params *p = &b->m->p;
    w->router = bind_bare_matrix(b, l, "ffn_gate_inp.weight", p->n_expert, p->n_embd);
    w->router_scale = bind_vector(b, l, "ffn_gate_inp.scale", p->n_embd);
    w->expert_norm = bind_vector(b, l, "pre_ffw_norm_2.weight", p->n_embd);
    w->ffn.post_norm = bind_vector(b, l, "post_ffw_norm_1.weight", p->n_embd);
    w->ffn_post_norm = bind_vector(b, l, "post_ffw_norm.weight", p->n_embd);
    struct experts *e = bind_experts(b, l, p->n_expert);
    w->experts = e;
    if (e)
        e->post_norm = bind_vector(b, l, "post_ffw_norm_2.weight", p->n_embd);
}

static int bind(struct binder *b, int l, void *layer)
{
    struct layer *w = layer;
    const struct params *p = &b->m->p;
    struct heads h;
    if (read_heads(b, l, &h))
        return -1;
    if (l == 0)
        b->m->rope[0].factors = bind_vector(b, -1, "rope_freqs.weight", p->rope[0].n_rot / 2);
    bind_heads_of(b, l, w, &h);
    w->ffn_norm = bind_vector(b, l, "ffn_norm.weight", p->n_embd);
    bind_ffn(b, l, &w->ffn, "", h.n_ff);
    if (p->n_expert)
        bind_moe_of(b, l, w);
    else
        w->ffn.post_norm = bind_vector(b, l, "post_ffw_norm.weight", p->n_embd);
    if (p->d_layer_embd)
        bind_layer_embd(b, l, &w->layer_embd);
    w->scale = bind_vector_if(b, l, "layer_output_scale.weight", 1);
    return b->failed;
}

static void norm_heads(struct step *s, float *x, int n_head, int d, const struct weight *w)
{
    op_rms_norm(&s->m->op, x, x, w ? w->vector : NULL, s->n_rows * n_head, d, s->m->p.norm_eps);
}

static void attention(struct step *s, float *x, const struct layer *w)
{
    const struct params *p = &s->m->p;
    const struct kv_shape *kv = &s->m->kv[w->kv.kind].shape;
    int d = kv->d_k, n_q = p->n_head * d, n_k = kv->n_head_kv * d;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd), *q = step_rows(s, n_q), *k = NULL, *v = NULL;
    rms_norm(s, n, x, w->attn_norm);
    struct act a = step_act(s, n, p->n_embd);
    matmul(s, q, &a, w->wq);
    norm_heads(s, q, p->n_head, d, w->q_norm);
    rotate_heads(s, q, p->n_head, d, w->windowed);
    if (w->wk) {
        k = step_rows(s, n_k);
        v = step_rows(s, n_k);
        matmul(s, k, &a, w->wk);
        if (w->wv)
            matmul(s, v, &a, w->wv);
        else
            op_copy(&s->m->op, v, (size_t)n_k, k, (size_t)n_k, s->n_rows, n_k);
        norm_heads(s, k, kv->n_head_kv, d, w->k_norm);
        norm_heads(s, v, kv->n_head_kv, d, NULL);
        rotate_heads(s, k, kv->n_head_kv, d, w->windowed);
    }
    float *o = step_rows(s, n_q);
    attend(s, w->kv, p->n_head, o, q, k, v, d, p->attn_scale, NULL);
    struct act b = step_act(s, o, n_q);
    matmul(s, n, &b, w->wo);
    rms_norm(s, n, n, w->attn_post_norm);
    block_out(s, VECTOR_ATTN, x, n);
    step_reset(s, mark);
}

static const struct route_rule route = {.gate = ROUTE_SOFTMAX, .normalise = 1};

/* The dense feed-forward is computed while the experts are read. */
static void feed_forward_and_experts(struct step *s, int l, float *x, const struct layer *w)
{
    const struct params *p = &s->m->p;
    size_t mark = step_mark(s);
    float *n = step_rows(s, p->n_embd), *m = step_rows(s, p->n_embd), *r = step_rows(s, p->n_embd),
          *y = step_rows(s, p->n_embd);
    rms_norm(s, n, x, w->ffn_norm);
    rms_norm(s, m, x, w->expert_norm);
    rms_norm(s, r, x, w->router_scale);
    op_scale(&s->m->op, r, 1.0f / sqrtf((float)p->n_embd), s->n_rows, p->n_embd);
    struct act a = step_act(s, n, p->n_embd), b = step_act(s, m, p->n_embd), c = step_act(s, r, p->n_embd);
    struct routes routes = route_top_k(s, l, &c, w->router, NULL, p->n_expert, p->n_expert_used, &route);
    struct shared_expert dense = {.ffn = w->ffn, .in = &a};
    block_moe(s, l, y, &b, &routes, w->experts, &dense);
    rms_norm(s, y, y, w->ffn_post_norm);
    block_out(s, VECTOR_FFN, x, y);
    step_reset(s, mark);
}

static void layer(struct step *s, int l, const void *weights, float *x)
{
    const struct layer *w = weights;
    attention(s, x, w);
    if (w->router)
        feed_forward_and_experts(s, l, x, w);
    else
        block_dense(s, x, w->ffn_norm, &w->ffn);
    if (s->layer_embd)
        block_layer_embd(s, l, x, &w->layer_embd);
    scale_by(s, x, w->scale, s->m->p.n_embd);
    layer_out(s, l, x);
}

const struct arch arch_gemma4 = {.name = "gemma4",
                                 .read_params = read_params,
                                 .layers_differ = 1,
                                 .layer_bytes = sizeof(struct layer),
                                 .bind = bind,
                                 .layer = layer};
